"""What the documentation promises: links that lead somewhere, code that compiles, commands that exist."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from unislu import bundle
from unislu.cli import build_parser
from unislu.training import config

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield body


def _commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `unislu …` line, up to a redirection or a pipe."""
    for body in _blocks(page, "", "sh", "console"):
        for line in body.replace("\\\n", " ").splitlines():
            line = line.removeprefix("$ ")
            if not line.startswith("unislu "):
                continue
            lexer = shlex.shlex(line, posix=True, punctuation_chars="<>|;&")
            lexer.whitespace_split = True
            words = list(lexer)
            end = next((n for n, word in enumerate(words) if set(word) <= set("<>|;&")), len(words))
            yield words[1:end]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            path = page.parent / target.partition("#")[0] if not target.startswith("#") else page
            assert path.exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/reference/api/*.md")), ids=lambda page: page.stem)
def test_the_api_reference_names_what_there_is(page: Path) -> None:
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert pkgutil.resolve_name(name), name  # raises


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_compiles(page: Path) -> None:
    for body in _blocks(page, "python"):
        ast.parse(body)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist(page: Path) -> None:
    for arguments in _commands(page):
        try:
            build_parser().parse_args(arguments)
        except SystemExit as stop:
            assert not stop.code, f"{page.name}: unislu {' '.join(arguments)}"


def test_the_site_has_every_page() -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!ENV", lambda loader, node: loader.construct_sequence(node))
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)

    def pages(entry: object) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        for part in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
            yield from pages(part)

    docs = ROOT / "docs"
    assert sorted(pages(settings["nav"])) == sorted(
        page.relative_to(docs).as_posix() for page in docs.rglob("*.md")
    )


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The long name of every option of every command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _options(command)
        else:
            names = (name for name in action.option_strings if name.startswith("--"))
            yield from (name for name in names if name not in ("--help", "--version"))


def test_every_option_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert not [option for option in _options(build_parser()) if f"`{option}" not in page]


def test_every_recipe_key_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")
    parts = [part for part in vars(config).values() if dataclasses.is_dataclass(part)]
    keys = [field.name for part in parts for field in dataclasses.fields(part)]
    assert len(keys) > 20
    assert not [key for key in keys if f"`{key}`" not in page]


def test_every_key_of_a_manifest_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "bundle.md").read_text(encoding="utf-8")
    parts = (bundle.Manifest, bundle.AudioSettings, bundle.DecoderSettings)
    keys = [field.name for part in parts for field in dataclasses.fields(part)]
    assert not [key for key in keys if f"`{key}`" not in page]
