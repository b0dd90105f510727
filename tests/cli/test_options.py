"""Options: whatever the command line takes, something reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import unislu
from unislu.cli import build_parser

FOLDER = Path(unislu.__file__).parent / "cli"
COMMANDS = next(action.choices for action in build_parser()._actions if isinstance(action.choices, dict))


def _read_by(command: str) -> Iterator[str]:
    """The command's module, and what it takes out of others that may read its options."""
    source = (FOLDER / f"{command}.py").read_text(encoding="utf-8")
    yield source
    # `request_options.options(arguments)`, `Writing.of(arguments)`: read in the module of that name.
    for module in {name.lower() for name in re.findall(r"(\w+)\.\w+\(arguments\)", source)}:
        if (FOLDER / f"{module}.py").is_file():
            yield (FOLDER / f"{module}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module in COMMANDS:
            yield from _functions(node.module, {alias.name for alias in node.names})


def _functions(module: str, names: set[str]) -> Iterator[str]:
    text = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield ast.get_source_segment(text, node) or ""


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_is_consumed(command: str) -> None:
    """Flags that nothing reads are lies: each destination appears where its command reads them."""
    source = "\n".join(_read_by(command))
    if re.search(r"getattr\(arguments,|vars\(arguments\)", source):
        pytest.skip("reads them all by their names")
    for action in COMMANDS[command]._actions:
        if action.dest != "help":
            assert re.search(rf"arguments\.{action.dest}\b", source), f"{command} never reads {action.dest}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_alone_has_the_options_it_has_among_all(command: str) -> None:
    alone = next(a.choices for a in build_parser(command)._actions if isinstance(a.choices, dict))
    assert alone.keys() == COMMANDS.keys()
    assert alone[command].format_help() == COMMANDS[command].format_help()
