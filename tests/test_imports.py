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

# A room is a top-level module or subpackage of unislu. The value: the rooms it may import besides itself.
RUNTIME_BASE = {"errors"}
RUNTIME = {
    "errors": set(),
    "sequence": RUNTIME_BASE,
    "audio": RUNTIME_BASE,
    "result": RUNTIME_BASE,
    "decoding": RUNTIME_BASE | {"sequence", "engines"},
    "engines": RUNTIME_BASE,
}
# Everything else in the runtime may use the runtime; these stand outside and may use it, never the reverse.
OUTSIDE = {"data", "training", "evaluation", "cli", "server", "scale", "__main__"}
# What the decoder may know of an engine is its protocol.
ONLY_PROTOCOL = {("decoding", "engines"): "unislu.engines.protocol"}


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(["unislu", *(p for p in parts if p != "__init__")]), path


def _imports(name: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Yields (absolute module, runs at run time) for every import of unislu in a module, at any depth."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for child in block.body
        for node in ast.walk(child)
    }
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            # `from unislu import errors` names a module, `from unislu.errors import X` does not.
            targets = [f"{stem}.{alias.name}" for alias in node.names] if stem == "unislu" else [stem]
        else:
            continue
        for target in targets:
            if target.split(".")[0] == "unislu":
                yield target, id(node) not in typing_only


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


MODULES = list(_modules())


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_go_one_way(name: str, path: Path) -> None:
    room = _room(name)
    if not room:  # the package itself exposes names of every runtime room, lazily
        return
    for target, at_run_time in _imports(name, path):
        other = _room(target)
        if other in {room, ""} or not at_run_time:
            continue
        if room in RUNTIME:
            allowed = sorted(RUNTIME[room])
            assert other in allowed, f"{name} imports {target}: {room} may import {allowed}"
        elif room not in OUTSIDE:
            assert other not in OUTSIDE, f"{name} imports {target}: the runtime may not import {other}"
        required = ONLY_PROTOCOL.get((room, other), target)
        assert target.startswith(required), f"{name} imports {target}: only {required} is allowed"


@pytest.mark.parametrize("path", [path for _, path in MODULES], ids=[name for name, _ in MODULES])
def test_annotations_are_lazy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    annotated = (ast.FunctionDef, ast.ClassDef, ast.AnnAssign)
    if any(isinstance(node, annotated) for node in ast.walk(ast.parse(text))):
        assert "from __future__ import annotations" in text, f"{path} lacks the future import"


@pytest.mark.parametrize("path", [path for _, path in MODULES], ids=[name for name, _ in MODULES])
def test_nothing_at_import_needs_posix(path: Path) -> None:
    """Modules and names that Windows lacks are used inside functions, where somebody asked for them."""
    found = [node for node in _at_import(ast.parse(path.read_text(encoding="utf-8"))) if _needs_posix(node)]
    assert not found, f"{path}:{found[0].lineno}: {ast.unparse(found[0])}"


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
