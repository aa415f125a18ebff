"""Two functions of the same parameters, told once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def with_parameters_of(other: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Give a function that passes all its arguments on to `other` the signature of `other`, for people and checkers."""

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        signature = inspect.signature(other)
        function.__signature__ = signature.replace(  # type: ignore[attr-defined]
            return_annotation=inspect.signature(function).return_annotation
        )
        return function

    return decorate
