"""Home Assistant's Wyoming protocol, by its own client over TCP: transcripts, limits, bad clients."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import wave
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest

pytest.importorskip("wyoming")
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from unislu.cli import main
from unislu.errors import OptionError
from unislu.server.settings import ServerSettings

from .conftest import Running

CHUNK = 2048
RATE, WIDTH = 16_000, 2
FORM = {"rate": RATE, "width": WIDTH, "channels": 1}


@pytest.fixture(scope="module")
def home(start: Callable[..., Any]) -> Iterator[Running]:
    settings = {"wyoming": "127.0.0.1:0", "max_seconds": 20, "read_timeout": 2, "max_listeners": 4}
    with start(**settings) as found:
        yield found


def port(home: Running) -> int:
    app: Any = home.server.config.app
    found: int = app.state.wyoming.port
    return found


def pcm(content: bytes) -> bytes:
    with wave.open(BytesIO(content)) as file:
        return file.readframes(file.getnframes())


def said(audio: bytes, form: dict[str, int] | None = None) -> list[Eventable]:
    """What a client sends for one transcript."""
    form = form or FORM
    chunks = [AudioChunk(audio=audio[n : n + CHUNK], **form) for n in range(0, len(audio), CHUNK)]
    return [Transcribe(language="en"), AudioStart(**form), *chunks, AudioStop()]


async def answer(home: Running, *events: Eventable | Event) -> Event | None:
    """The one answer to some events."""
    async with AsyncTcpClient("127.0.0.1", port(home), read_timeout=60) as client:
        for event in events:
            await client.write_event(event.event() if isinstance(event, Eventable) else event)
        return await client.read_event()


def error(home: Running, *events: Eventable | Event) -> Error:
    found = asyncio.run(answer(home, *events))
    assert found is not None and Error.is_type(found.type)
    return Error.from_event(found)


def test_what_it_can_do(home: Running) -> None:
    found = asyncio.run(answer(home, Describe()))
    assert found is not None
    (program,) = Info.from_event(found).asr
    assert program.name == "unislu" and program.models[0].languages == ["en"] and program.models[0].installed
    found = asyncio.run(answer(home, Event("a-new-kind"), Ping("hello")))
    assert found is not None and Pong.from_event(found).text == "hello"


def test_a_transcript_and_another_on_the_same_connection(home: Running, speech: bytes) -> None:
    async def talk() -> list[Transcript]:
        found = []
        async with AsyncTcpClient("127.0.0.1", port(home), read_timeout=60) as client:
            for _ in range(2):
                for event in said(pcm(speech)):
                    await client.write_event(event.event())
                answered = await client.read_event()
                assert answered is not None
                found.append(Transcript.from_event(answered))
        return found

    first, second = asyncio.run(talk())
    assert "fellow Americans" in first.text and first.language == "en" and second == first


def test_other_formats_and_silence(home: Running, speech: bytes) -> None:
    stereo = b"".join(2 * pcm(speech)[n : n + 2] for n in range(0, len(pcm(speech)), 2))
    found = asyncio.run(answer(home, *said(stereo, {"rate": RATE, "width": 2, "channels": 2})))
    assert found is not None and "fellow Americans" in Transcript.from_event(found).text
    for audio in (b"", bytes(200), bytes(64_000)):
        found = asyncio.run(answer(home, *said(audio)))
        assert found is not None and Transcript.from_event(found).text == ""


def test_names_that_a_client_expects(home: Running, speech: bytes) -> None:
    expected = Transcribe(transcript_names=["Americans"], transcript_terms=["fellow", "kitchen"])
    found = asyncio.run(answer(home, expected, *said(pcm(speech))[1:]))
    assert found is not None and "fellow Americans" in Transcript.from_event(found).text
    assert error(home, Event("transcribe", {"transcript_names": "Ann"})).code == "invalid_event"


def test_several_clients_at_once(home: Running, speech: bytes) -> None:
    async def all_of_them() -> list[Event | None]:
        return await asyncio.gather(*(answer(home, *said(pcm(speech))) for _ in range(4)))

    for found in asyncio.run(all_of_them()):
        assert found is not None and "fellow Americans" in Transcript.from_event(found).text


@pytest.mark.parametrize(
    ("events", "code", "message"),
    [([Transcribe(language="de")], "invalid_value", "'de' is not one of this model: en"),
     ([Transcribe(name="large")], "model_not_found", "'large' does not exist"),
     ([AudioStart(rate=5, width=2, channels=1)], "invalid_audio", "states 5 samples a second"),
     ([AudioStart(rate=RATE, width=9, channels=1)], "invalid_audio", "samples have 9 bytes"),
     ([AudioStart(rate=RATE, width=2, channels=999)], "invalid_audio", "999 channels"),
     ([AudioStart(**FORM), AudioChunk(8_000, 2, 1, b"ab")], "invalid_audio", "the audio changes from"),
     ([Event("audio-start", {"rate": "fast", "width": 2, "channels": 1})], "invalid_event", "wrong kind"),
     ([Event("audio-chunk", {}, b"ab")], "invalid_event", "'audio-chunk' has a value that is missing"),
     ([Event("transcribe", {"language": 5})], "invalid_event", "name and language are texts"),
     ([AudioChunk(audio=bytes(5 << 20), **FORM)], "event_too_large", "5242880 bytes: send audio in pieces"),
     ([AudioChunk(audio=bytes(700_000), **FORM)], "audio_too_long", "longer than 20 s")],
)  # fmt: skip
def test_what_is_wrong_is_said(home: Running, events: list[Any], code: str, message: str) -> None:
    found = error(home, *events)
    assert found.code == code and message in found.text


@pytest.mark.parametrize(
    "line", [b"[1]\n", b'{"type": 5}\n', b"{}\n", b'{"type": "ping", "data_length": "x"}\n']
)
def test_what_is_no_event(home: Running, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port(home)), timeout=20) as client:
        client.sendall(line + b'{"type": "ping"}\n')
        assert json.loads(client.makefile("rb").readline())["type"] in ("error", "pong")


def test_clients_that_leave_and_clients_that_say_nothing(home: Running, speech: bytes) -> None:
    for data in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"type": "audio-chunk", "payload_length": 99}\nab',
        b"x" * 200_000,
    ):
        with socket.create_connection(("127.0.0.1", port(home)), timeout=20) as client:
            client.sendall(data)

    async def leave() -> None:
        async with AsyncTcpClient("127.0.0.1", port(home)) as client:
            for event in said(pcm(speech)):
                await client.write_event(event.event())

    asyncio.run(leave())
    assert b"no event was received for 2 s" in told_in_silence(home)
    found = asyncio.run(answer(home, *said(pcm(speech))))
    assert found is not None and "fellow Americans" in Transcript.from_event(found).text
    until = time.monotonic() + 20
    while list(home.service.workspace.folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(home.service.workspace.folder.iterdir()) and home.service.places.held == 0


def told_in_silence(home: Running) -> bytes:
    """What a client is told that says nothing, once those who left before it have made room."""
    until = time.monotonic() + 20
    while True:
        with socket.create_connection(("127.0.0.1", port(home)), timeout=20) as silent:
            told = silent.makefile("rb").read()
        if b"queue_full" not in told or time.monotonic() > until:
            return told
        time.sleep(0.1)


def test_too_many_connections(home: Running) -> None:
    held = [socket.create_connection(("127.0.0.1", port(home)), timeout=20) for _ in range(5)]
    try:
        answers = [json.loads(client.makefile("rb").readline()) for client in held[4:]]
        assert [found["type"] for found in answers] == ["error"]
    finally:
        for client in held:
            client.close()


@pytest.mark.parametrize("address", ["10300", ":10300", "here:", "here:99999", "here:x"])
def test_bad_addresses(address: str) -> None:
    with pytest.raises(OptionError, match="give HOST:PORT"):
        ServerSettings(wyoming=address)


def test_it_has_no_keys(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OptionError, match="the protocol has no keys"):
        ServerSettings(wyoming="0.0.0.0:10300", keys=("k" * 20,))
    assert ServerSettings(wyoming="[::1]:10300").wyoming and ServerSettings(
        wyoming="0.0.0.0:1", insecure=True
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["serve", "--port", "0", "--wyoming", address]) == 2
    assert f"{address}: cannot listen here" in capsys.readouterr().err
