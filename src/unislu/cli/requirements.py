"""A one-line error for commands that need an extra, instead of a failing import."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import MissingDependencyError, install_hint


def require(extra: str, *modules: str) -> None:
    """Raises `MissingDependencyError` with the command that installs `extra` if a module is missing."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(f'this needs {", ".join(missing)}: {install_hint(extra)}')
