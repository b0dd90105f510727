"""The tools, by a real client of the protocol over stdio; and redacted copies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("mcp")
from mcp.client import Client

import unislu
from mcp import StdioServerParameters
from unislu.audio import load_audio
from unislu.cli import main
from unislu.errors import OptionError, RedactionError
from unislu.recognition.model import Model
from unislu.server.mcp.folders import Folders
from unislu.server.mcp.tools import Places, Tools

from ..factories import write_tone
from .conftest import said

EXAMPLES = Path(__file__).parents[2] / "examples"


def command(*options: str) -> StdioServerParameters:
    paths = str(Path(unislu.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": paths}
    arguments = ["-m", "unislu", "mcp", *options]
    return StdioServerParameters(command=sys.executable, args=arguments, env=environment)


def test_a_session(tmp_path: Path, part: Callable[..., Path]) -> None:
    results = part(1, said("a", "The delivery was late.")).parent
    calls = tmp_path / "calls"
    calls.mkdir()
    (calls / "jfk.flac").write_bytes((EXAMPLES / "jfk.flac").read_bytes())
    (calls / "broken.wav").write_bytes(b"no sound")
    (calls / "link.flac").symlink_to(EXAMPLES / "jfk.flac")
    asked: dict[str, dict[str, Any]] = {
        "list": {}, "search": {"words": "delivery"}, "nothing": {}, "good": {"path": "calls/jfk.flac"},
        "full": {"path": "calls/jfk.flac", "full": True, "speakers": True, "entities": ["norp"], "bias": 3.0},
        "expected": {"path": "calls/jfk.flac", "values": True, "vocabulary": ["Kennedy", "country"]},
        "empty": {"path": "calls/jfk.flac", "vocabulary": [""]},
        "masked": {"path": "calls/jfk.flac", "types": ["norp"]}, "broken": {"path": "calls/broken.wav"},
        "link": {"path": "calls/link.flac"}, "up": {"path": "calls/../results/x"},
        "outside": {"path": "/etc/passwd"}, "copy": {"path": "calls/jfk.flac", "copy": True},
        "how": {"path": "calls/jfk.flac", "how": "blur"},
        "types": {"path": "calls/jfk.flac", "entities": [5]},
    }  # fmt: skip
    tool = {
        "list": "list_recordings",
        "search": "search",
        "nothing": "search",
        "masked": "redact",
        "copy": "redact",
        "how": "redact",
    }

    async def session() -> tuple[dict[str, Any], dict[str, Any], list[float]]:
        heard: list[float] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            heard.append(done)

        async with Client(command("--folder", str(calls), "--results", str(results))) as client:
            tools = {found.name: found for found in (await client.list_tools()).tools}
            answers = {}
            for name, arguments in asked.items():
                answers[name] = await client.call_tool(
                    tool.get(name, "analyze"), arguments, progress_callback=progress
                )
        return tools, answers, heard

    tools, answers, heard = anyio.run(session)
    assert sorted(tools) == ["analyze", "list_recordings", "redact", "search"]
    assert tools["analyze"].annotations.read_only_hint and "context" not in str(tools["analyze"].input_schema)
    good = {name: found.structured_content for name, found in answers.items() if not found.is_error}
    assert sorted(good) == ["expected", "full", "good", "list", "masked", "search"]
    assert good["list"]["recordings"] == ["calls/broken.wav", "calls/jfk.flac"]
    assert good["search"]["total"] == 1 and good["search"]["hits"][0]["uri"] == "/calls/a.wav"
    assert "fellow Americans" in good["good"]["text"] and good["good"]["file"] == "calls/jfk.flac"
    assert good["full"]["segments"][0]["words"] and "start_char" in good["full"]["entities"][0]
    assert good["expected"]["text"] == good["good"]["text"]
    assert good["full"]["speakers"] and "speakers" not in good["good"]
    assert good["masked"]["copy"] is None and good["masked"]["verified"] is False and heard
    said_wrong = {name: found.content[0].text for name, found in answers.items() if found.is_error}
    for name, message in {
        "nothing": "nothing to look for", "broken": "calls/broken.wav: is not an audio or video file",
        "link": "symbolic link", "up": "is not in the folders", "outside": "is not in the folders",
        "empty": "vocabulary",
        "copy": "start the server with --output", "how": "unknown replacement 'blur'", "types": "entities",
    }.items():  # fmt: skip
        assert message in said_wrong[name], said_wrong[name]
        assert str(tmp_path) not in said_wrong[name] and "Traceback" not in said_wrong[name]


@pytest.fixture(scope="module")
def model() -> Model:
    """The default model, made sure of the clip's entity."""
    found = unislu.load(threads=1)
    decoder = found.manifest.decoder
    sure = replace(found.manifest, decoder=replace(decoder, bias={**decoder.bias, "NORP": 1.5}))
    return Model(found.recognizer.engine, found.vocabulary, sure)


def test_redacted_copies(model: Model, tmp_path: Path) -> None:
    output = tmp_path / "redacted"
    output.mkdir()
    tools = Tools(Places(Folders([EXAMPLES]), output=output), lambda: model)
    answer = tools.redact("examples/jfk.flac", ["NORP"], "type", copy=True)
    assert answer["verified"] and answer["copy"] == "jfk.flac" and "Americans" not in str(answer)
    assert "[NORP]" in answer["text"] and [path.name for path in output.iterdir()] == ["jfk.flac"]
    assert abs(len(load_audio(output / "jfk.flac")) - len(load_audio(EXAMPLES / "jfk.flac"))) < 1600
    with pytest.raises(OptionError, match="a copy of that name is there"):
        tools.redact("examples/jfk.flac", ["NORP"], "type", copy=True)
    text = tools.redact("examples/jfk.flac", ["NORP"], "mask", copy=False)
    assert "Americans" not in str(text) and text["copy"] is None


def test_a_copy_of_silence_is_refused(model: Model, tmp_path: Path) -> None:
    calls, output = tmp_path / "calls", tmp_path / "redacted"
    calls.mkdir()
    output.mkdir()
    write_tone(calls / "tone.wav", 32_000, 0.0)
    tools = Tools(Places(Folders([calls]), output=output), lambda: model)
    with pytest.raises(RedactionError, match="no speech was found"):
        tools.redact("calls/tone.wav", None, "type", copy=True)
    assert not list(output.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [((), "nothing to serve"), (("--folder", "none"), "none: is not a folder"),
     (("--folder", ".", "--output", "none"), "--output none: is not a folder"),
     (("--results", "none"), "--results none: is not a folder")],
)  # fmt: skip
def test_wrong_usage(options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", *options]) == 2
    assert message in capsys.readouterr().err
