"""The one exception tree of unislu.

Every error a user can cause is a `UnisluError`. A message carries three things: the bad value, the
place (a file, a line, an option) and the remedy. Leaves also subclass the built-in exception of
the same meaning, so that `except ValueError` and `except FileNotFoundError` work as expected.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


class UnisluError(Exception):
    """Base of every error that unislu raises on purpose."""


class OptionError(UnisluError, ValueError):
    """A bad option: unknown task, `nan` bias, empty or duplicate entity type (exit code 2)."""


class AudioError(UnisluError, ValueError):
    """Audio that cannot be read: empty, truncated, not audio, no audio track."""


class AudioNotFoundError(AudioError, FileNotFoundError):
    """The audio file is missing, a directory, or unreadable."""


class RecordError(UnisluError, ValueError):
    """A malformed data record; the message names file, line and field."""


class RecipeError(UnisluError, ValueError):
    """A malformed training recipe; the message names the key."""


class TrainingError(UnisluError, RuntimeError):
    """A training run stopped early; what it saved is kept, and running the same command again resumes it."""


class VocabularyError(UnisluError, ValueError):
    """A tokenizer and an embedding that do not match, or a name that has no token."""


class BundleError(UnisluError):
    """A model bundle that cannot be used: missing file, wrong hash, unknown schema."""


class BundleNotFoundError(BundleError, FileNotFoundError):
    """There is no bundle at that path or under that name."""


class EngineError(UnisluError, RuntimeError):
    """An inference engine failed or cannot run this bundle."""


class VoiceError(UnisluError, RuntimeError):
    """A speech synthesiser failed or produced no audio."""


class BatchError(UnisluError, RuntimeError):
    """A batch run that cannot continue; what it committed is kept, and running the same command again resumes
    it.
    """


class RedactionError(UnisluError, RuntimeError):
    """Something cannot be redacted safely, so nothing was written."""


class VerificationError(RedactionError):
    """A redacted phrase can still be recognised in the redacted audio (exit code 3); nothing was written."""


class MissingDependencyError(UnisluError, ImportError):
    """An optional dependency is not installed, and the message contains the command that installs it; or it
    is, and cannot be imported.
    """


@contextmanager
def needs(what: str, extra: str = "", *, install: str = "") -> Iterator[None]:
    """Around imports: `MissingDependencyError` says what needs which module, and how to install it.

    `install` is the remedy for what belongs to no `extra`. A module that is there but fails to be imported
    (a part of it is missing or unreadable, a shared library does not fit) is reported with its own reason.
    """
    try:
        yield
    except ImportError as error:
        raise not_imported(what, error, install or install_hint(extra)) from error


def not_imported(what: str, error: ImportError, remedy: str) -> MissingDependencyError:
    """The error for a failed import: `remedy` installs what is not there."""
    name = error.name or "a module"
    package = name.partition(".")[0]
    absent = isinstance(error, ModuleNotFoundError) and package not in sys.stdlib_module_names
    if absent and (name == package or find_spec(package) is None):
        return MissingDependencyError(f"{what} needs {package}: {remedy}")
    return MissingDependencyError(
        f"{what} cannot import {name} ({error}): it is installed, but damaged, unreadable or of another "
        "version; repair its installation"
    )


def require(extra: str, *modules: str, what: str = "this") -> None:
    """Raises as `needs` if a module is missing; imports none of them."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(f"{what} needs {', '.join(missing)}: {install_hint(extra)}")


def install_hint(extra: str) -> str:
    """How to install an extra: from a clone or with a wheel, since unislu is on no package index."""
    return f'pip install ".[{extra}]" in a clone of unislu, or pip install "FILE.whl[{extra}]" with its wheel'
