"""The snippets of the README, the tutorials and the how-tos run as they are written.

Every shell and Python block runs, in the order of its page, in a folder with the recordings that it names.
One that cannot has a comment before it that says why:

    <!-- slow -->                           it runs with `-m slow`
    <!-- not run: needs a GPU -->           it needs what no test has
    <!-- run by tests/scale/test_queries.py -->

A page's Python blocks share one namespace, and its addresses are those of a server of this test. Lines with
`pip install` are not run: what they name must be an extra of the package.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from unislu.audio import load_audio
from unislu.cli import main
from unislu.recognition import model as models

from . import needs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted([*DOCS.glob("tutorial*.md"), *(DOCS / "how-to").glob("*.md")])]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCK = re.compile(r"(?:^<!-- ([^\n]+) -->\n+)?^```(sh|console|python|sql)\n(.*?)^```", re.M | re.S)
SLOW, NOT_RUN, ELSEWHERE = "slow", "not run: ", "run by "
SERVER = "127.0.0.1:8000"
CODECS = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "libmp3lame", ".ogg": "libopus"}
RECORDINGS = (
    *("call.mp3", "call.wav", "talk.m4a", "talk.mp3", "clip.ogg", "meeting.mp4", "meeting.mp3"),
    *("interview.wav", "ann.wav", "calls/march-1.wav", "calls/march-2.wav"),
)
MANIFESTS = ("", "dev", "my-dev", "slue-dev", "slue-dev-joe", "restaurant-dev", "meld-dev")
SAID = "And so my fellow Americans."


@dataclass(frozen=True)
class Block:
    """A snippet, where it stands, and the comment before it."""

    page: str
    line: int
    language: str
    code: str
    comment: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        comment, language, code = found.groups()
        line = text.count("\n", 0, found.start(3))
        yield Block(str(page.relative_to(ROOT)), line, language, code, comment or "")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_runs_or_says_why_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^```(?:sh|console|python|sql)$", text, re.M)) == len(list(blocks(page)))
    for block in blocks(page):
        if block.comment.startswith(ELSEWHERE):
            test = ROOT / block.comment.removeprefix(ELSEWHERE)
            assert page.name in test.read_text(encoding="utf-8"), block.place
        elif block.comment.startswith(NOT_RUN):
            assert len(block.comment) > len(NOT_RUN) + 5, block.place
        else:
            assert block.language != "sql" and block.comment in ("", SLOW), f"{block.place}: {block.comment}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_pip_installs_is_an_extra(page: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = page.read_text(encoding="utf-8")
    assert "unislu[" not in text, "there is no such name on an index"
    for named in re.findall(r'pip install [^\n`"]*"(?:\.|unislu-[^"]*\.whl)\[([^"]*)\]"', text):
        assert set(named.split(",")) <= set(extras)


def encode(samples: np.ndarray[Any, Any], path: Path) -> None:
    """Write 16 kHz samples [n] in the container of the path's suffix."""
    path.parent.mkdir(exist_ok=True)
    rate = 48_000 if path.suffix == ".ogg" else 16_000
    with av.open(str(path), "w") as out:
        stream = out.add_stream(CODECS.get(path.suffix, "aac"), rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32_767).astype("<i2")[None], "s16", "mono")
        frame.sample_rate = 16_000
        for resampled in [*av.AudioResampler(stream.format, "mono", rate).resample(frame)]:
            out.mux(stream.encode(resampled))
        out.mux(stream.encode(None))


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that a page names and no command makes."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "jfk.flac", folder / "examples")
    words = load_audio(ROOT / "examples" / "jfk.flac")[: round(3.3 * 16_000)]
    for name in RECORDINGS:
        encode(words, folder / name)
    entities = [{"type": "NORP", "start": 17, "end": 26}]
    record = {"id": "a", "audio": "a.flac", "text": SAID, "entities": entities, "sentiment": "neutral"}
    for name in MANIFESTS:
        (folder / name).mkdir(exist_ok=True)
        encode(words, folder / name / "a.flac")
        (folder / name / "manifest.jsonl").write_text(json.dumps(record) + "\n")
    entities = [{"type": "NORP", "text": "Americans"}]
    for name in ("ours.jsonl", "theirs.jsonl"):
        answer = {"id": "a", "text": SAID, "entities": entities, "sentiment": "neutral"}
        (folder / name).write_text(json.dumps(answer) + "\n")
    (folder / "submission.tsv").write_text(f"a\t{SAID}\t[['NORP', 'Americans']]\tNeutral\n")
    (folder / "names.txt").write_text("Kowalczyk\n")
    (folder / "whisperner.txt").write_text("a\tand so my fellow <norp>americans<norp>>\n")
    (folder / "recipes").symlink_to(ROOT / "recipes")
    (folder / "bin").mkdir()
    command = folder / "bin" / "unislu"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m unislu "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def load_once() -> Callable[..., Any]:
    """`unislu.load`, which keeps the embedded model."""
    load = models.load
    kept = functools.cache(load)

    def once(bundle: Any = "default", **options: Any) -> Any:
        return kept(bundle, **options) if bundle in (None, "default") else load(bundle, **options)

    return once


@pytest.fixture(scope="session")
def address(load_once: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a server."""
    from unislu.server.settings import ServerSettings

    from .server.conftest import running

    settings = ServerSettings(port=0, data=str(tmp_path_factory.mktemp("data")))
    with running(settings, load_once) as server:
        yield server.url.removeprefix("http://")


def commands(block: Block) -> list[str]:
    """The lines that a reader types, without what a console answers."""
    code = block.code.replace("\\\n", " ")
    lines = code.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.startswith("pip install ")]


def bash(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True)


def run_shell(block: Block) -> None:
    lines = commands(block)
    if all(re.fullmatch(r"unislu [^|<>;&$`]+", line.partition("  #")[0]) for line in lines):
        for line in lines:  # in this process, which has the model already; bash reads the words as it does
            expand = 'unislu() { printf "%s\\0" "$@"; }\n' + line
            words = bash(expand).stdout.split("\0")[:-1]
            assert main(words) == 0, f"{block.place}: {line}"
        return
    script = "\n".join(lines)
    needs.commands(script)
    done = bash(script)
    assert done.returncode == 0, f"{block.place}: {done.stderr}"
    assert not re.search(r'"error": ?\{', done.stdout), f"{block.place}: {done.stdout}"


def run_page(page: Path, slow: bool, request: pytest.FixtureRequest) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.comment.startswith((NOT_RUN, ELSEWHERE)) or (block.comment == SLOW and not slow):
            continue
        code = block.code
        if SERVER in code:
            code = code.replace(SERVER, request.getfixturevalue("address"))
        if block.language == "python":
            exec(compile(code, block.place, "exec"), names)
        else:
            run_shell(Block(block.page, block.line, block.language, code, block.comment))


@pytest.fixture
def folder(
    desk: Path, tmp_path: Path, load_once: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The current folder, with the example files; the embedded model is loaded once."""
    import unislu

    here = shutil.copytree(desk, tmp_path / "desk")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", f"{here / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setattr(models, "load", load_once)
    monkeypatch.setattr(unislu, "load", load_once, raising=False)
    return here


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_page(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    run_page(page, False, request)


SLOW_PAGES = [page for page in PAGES if any(block.comment == SLOW for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW_PAGES, ids=[page.name for page in SLOW_PAGES])
def test_page_with_its_slow_blocks(page: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    run_page(page, True, request)
