"""The libraries of the extra `values`, loaded when the first value is read."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from unislu.errors import MissingDependencyError, install_hint

_PACKAGES = {
    "dateparser": "dateparser",
    "phonenumbers": "phonenumbers",
    "stdnum": "python-stdnum",
    "text_to_num": "text2num",
}


@cache
def need(name: str) -> ModuleType:
    """A module of the extra. Raises `MissingDependencyError` with the command that installs it."""
    try:
        return import_module(name)
    except ImportError:
        raise _missing(name) from None


def check_installed() -> None:
    """Raises `MissingDependencyError` if one of them is missing; loads none of them."""
    for name in _PACKAGES:
        if find_spec(name) is None:
            raise _missing(name)


def _missing(name: str) -> MissingDependencyError:
    package = _PACKAGES[name.partition(".")[0]]
    return MissingDependencyError(f'values need {package}: {install_hint("values")}')
