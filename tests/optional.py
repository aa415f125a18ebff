"""Libraries that results are compared with and that not everyone has: a test that uses one is skipped there."""

from __future__ import annotations

from typing import Any

import pytest


class _Optional:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith(("_", "pytest")):  # pytest asks for these while it collects
            raise AttributeError(attribute)
        return getattr(pytest.importorskip(self._name, reason=f"{self._name} is not installed"), attribute)


torch = _Optional("torch")
volresample = _Optional("volresample")
tensorstore = _Optional("tensorstore")
xarray = _Optional("xarray")
