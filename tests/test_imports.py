"""The directions in which modules may import each other, and what importing the package must not load."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import unislu

PACKAGE = Path(unislu.__file__).parent
ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnxruntime", "transformers", "av", "scipy", "soundfile")

POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    *"os.fork os.getuid os.geteuid os.killpg os.mkfifo os.sched_getaffinity os.setsid os.WNOHANG".split(),
    *"os.O_DIRECTORY os.O_NOFOLLOW os.O_NONBLOCK".split(),
    *"signal.SIGALRM signal.SIGHUP signal.SIGKILL signal.SIGPIPE signal.SIGUSR1 signal.SIGUSR2".split(),
}


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
def test_rooms_import_one_way() -> None:
    """The contracts of `pyproject.toml`, which `make lint` checks too."""
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_nothing_at_import_needs_posix() -> None:
    """Modules and names that Windows lacks are used inside functions, where somebody asked for them."""
    found = [
        f"{path}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in _at_import(ast.parse(path.read_text(encoding="utf-8")))
        if _needs_posix(node)
    ]
    assert not found


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _at_import(child)


def _needs_posix(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name in POSIX_MODULES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.level == 0 and node.module in POSIX_MODULES
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}" in POSIX_NAMES
    return False


SCRIPTS = sorted(path for folder in ("benchmarks", "recipes") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_scripts_import_what_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "unislu":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                found = hasattr(module, alias.name)
                found = found or importlib.util.find_spec(f"{node.module}.{alias.name}") is not None
                assert found, f"{path}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os, fcntl", True),
        ("class A:\n    limit = os.getuid()", True),
        ("from resource import getrlimit", True),
        ("def f():\n    import fcntl", False),
        ("import os\nos.getcwd()", False),
    ],
)
def test_what_needs_posix_is_seen(code: str, expected: bool) -> None:
    assert any(map(_needs_posix, _at_import(ast.parse(code)))) == expected


def _loaded_by(code: str) -> set[str]:
    """Runs `code` in a fresh interpreter; returns the heavy packages it loaded."""
    probe = f"{code}\nimport sys\nprint('LOADED', *sorted(set(sys.modules) & {set(HEAVY)!r}))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert _loaded_by("import unislu; unislu.__version__; dir(unislu)") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["analyze", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    lines = ["import contextlib", "from unislu.cli import main"]
    code = "\n".join([*lines, f"with contextlib.suppress(SystemExit): main({arguments!r})"])
    assert _loaded_by(code) == set()


def test_a_command_imports_no_other() -> None:
    """A start pays for what it runs: no other command, no HTTP client for a format that nobody asked for."""
    code = "from unislu.cli import build_parser\nbuild_parser('analyze')\nimport unislu.cli.output"
    probe = f"{code}\nimport sys\nprint(*sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "unislu.cli.analyze" in loaded
    assert not loaded & {"unislu.cli.train", "unislu.cli.redact", "unislu.cli.tools", "http.client"}
