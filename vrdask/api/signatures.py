"""How functions are called: parameters of two are told once, and what other libraries call them is understood."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Function = TypeVar("Function", bound=Callable[..., Any])


def with_parameters_of(other: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Give a function that passes all its arguments on to `other` the signature of `other`, for people and checkers."""

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        signature = inspect.signature(other)
        function.__signature__ = signature.replace(  # type: ignore[attr-defined]
            return_annotation=inspect.signature(function).return_annotation
        )
        return with_hints(function)

    return decorate


def with_hints(function: Function) -> Function:
    """The function; an argument that it does not have is refused with what is meant by it, where that is known."""
    known = frozenset(inspect.signature(function).parameters)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            unknown = next((name for name in kwargs if name not in known), None)
            if unknown is None:
                raise
            raise TypeError(_unexpected(function.__name__, unknown)) from error

    return call  # type: ignore[return-value]


def _unexpected(function: str, name: str) -> str:
    from vrdask.transforms.hints import KEYWORDS

    hint = f": {KEYWORDS[name]}" if name in KEYWORDS else ""
    return f"{function}() got an unexpected keyword argument {name!r}{hint}"
