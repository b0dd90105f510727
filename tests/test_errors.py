"""What a failed import says: how to install what is not there, or why what is there cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unislu.errors import MissingDependencyError, install_hint, needs


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `half_there` that is installed."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "half_there"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    yield folder
    for name in [name for name in sys.modules if name.startswith("half_there")]:
        del sys.modules[name]


def failure(name: str) -> str:
    """What is said where the module is needed for a picture, of the extra `eval`."""
    with pytest.raises(MissingDependencyError) as caught, needs("a picture", "eval"):
        __import__(name)
    return str(caught.value)


def test_what_is_not_there_is_installed() -> None:
    assert failure("not_there") == f"a picture needs not_there: {install_hint('eval')}"
    assert failure("not_there.part") == f"a picture needs not_there: {install_hint('eval')}"
    with (
        pytest.raises(MissingDependencyError, match=r"^a picture needs not_there: pip install not-there$"),
        needs("a picture", install="pip install not-there"),
    ):
        __import__("not_there")


def test_what_another_package_misses_is_named(package: Path) -> None:
    (package / "__init__.py").write_text("import not_there")
    assert failure("half_there") == f"a picture needs not_there: {install_hint('eval')}"


@pytest.mark.parametrize(
    ("source", "name", "reason"),
    [
        ("import half_there.lib", "half_there.lib", "No module named 'half_there.lib'"),
        ("raise ImportError('libx.so.1: cannot be opened', name=__name__)", "half_there", "libx.so.1"),
        ("from half_there import thing", "half_there", "cannot import name 'thing'"),
        # Python's own parts come with no extra.
        ("import asyncio.no_such_part", "asyncio.no_such_part", "No module named 'asyncio.no_such_part'"),
        ("raise ModuleNotFoundError(\"No module named 'asyncio'\", name='asyncio')", "asyncio", "'asyncio'"),
        ("raise ImportError('DLL load failed')", "a module", "DLL load failed"),
    ],
)
def test_what_is_there_but_fails_gives_its_reason(package: Path, source: str, name: str, reason: str) -> None:
    (package / "__init__.py").write_text(source)
    said = failure("half_there")
    assert said.startswith(f"a picture cannot import {name} (") and reason in said
    assert said.endswith("repair its installation") and "pip install" not in said
