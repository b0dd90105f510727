"""One client must not stop the others: every way of holding on to the server has an end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from contextlib import closing
from typing import Any

import httpx
import pytest

from unislu.result import Analysis, Entity, Segment, Word
from unislu.server.answers import ApiError
from unislu.server.jobs import JobStore
from unislu.server.places import Places
from unislu.writers import get_writer

websockets = pytest.importorskip("websockets")

KEYS = ("first-key-of-ours", "second-key-of-ours")
FIRST, SECOND = ({"Authorization": f"Bearer {key}"} for key in KEYS)
JSON = {"Content-Type": "application/json"}


def many_words(count: int) -> Analysis:
    """One segment with `count` words of one letter, each of them an entity."""
    text = " ".join("a" * count)
    words = tuple(Word("a", i * 0.1, i * 0.1 + 0.1, 2 * i, 2 * i + 1) for i in range(count))
    entities = tuple(Entity("X", "a", 2 * i, 2 * i + 1) for i in range(count))
    segment = Segment(0.0, count * 0.1, text, 0, len(text), words=words)
    return Analysis(text, count * 0.1, "m", entities=entities, segments=(segment,))


def one_word(count: int) -> Analysis:
    """A single word of `count` letters, every other one of them an entity."""
    text = "a" * count
    entities = tuple(Entity("X", "a", i, i + 1) for i in range(0, count, 2))
    return Analysis(text, 1.0, "m", entities=entities, segments=(Segment(0.0, 1.0, text, 0, count),))


@pytest.mark.parametrize("make", [many_words, one_word])
@pytest.mark.parametrize("format_", ["srt", "vtt", "html", "txt"])
def test_rendering_takes_time_in_proportion(make: Any, format_: str) -> None:
    """Eight times the words, eight times as long; if it were quadratic, 64 times."""

    def seconds(count: int) -> float:
        analysis, tries = make(count), []
        for _ in range(3):
            begun = time.process_time()
            get_writer(format_).render(analysis)
            tries.append(time.process_time() - begun)
        return min(tries)

    assert seconds(16_000) < 30 * max(0.002, seconds(2_000))


def test_two_megabytes_to_render_hold_nobody_up(server: Any) -> None:
    body = json.dumps(one_word(20_000).to_dict()).encode()
    assert len(body) > 1_500_000
    begun = time.monotonic()
    answer = httpx.post(f"{server.url}/v1/render?format=vtt", content=body, headers=JSON, timeout=60)
    assert answer.status_code == 200 and answer.text.startswith("WEBVTT")
    assert time.monotonic() - begun < 20  # a second of computing; it was more than a minute


def begin(server: Any, path: str = "/v1/analyze", length: int = 100_000) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
    found.sendall(head.encode() + b"Content-Type: audio/wav\r\n\r\n")
    return found


def drip(client: socket.socket, seconds: float, piece: bytes = b"x") -> bytes:
    """One byte after another until the server answers or hangs up: what it said."""
    client.settimeout(0.1)
    until, said = time.monotonic() + seconds, b""
    while time.monotonic() < until:
        # Listen before speaking: what is sent to a server that has hung up throws away its answer.
        with contextlib.suppress(TimeoutError):
            try:
                data = client.recv(4096)
            except ConnectionResetError:
                return said
            if not data:
                return said
            said += data
        with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            client.sendall(piece)
    raise AssertionError("the server still listens")


def test_a_byte_now_and_then_is_no_upload(start: Any) -> None:
    with start(read_timeout=0.5, max_queue=1) as server, closing(begin(server)) as client:
        said = drip(client, 20)
        assert said.startswith(b"HTTP/1.1 408") and b"slower than 1000 bytes a second" in said
        assert b"upload_too_slow" in said
        assert server.service.places.held == 0


def test_an_upload_has_an_end(start: Any) -> None:
    with (
        start(upload_timeout=0.8, read_timeout=30, upload_rate=1) as server,
        closing(begin(server)) as client,
    ):
        said = drip(client, 20, b"x" * 100)
        assert said.startswith(b"HTTP/1.1 408") and b"longer than 0.8 s" in said


def test_half_a_head_on_a_connection_that_was_used(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.run.IDLE_SECONDS", 0.5)
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as client:
        for _ in range(2):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            said = b""
            while b'{"status":"ok"}' not in said and (data := client.recv(4096)):  # it may come in pieces
                said += data
            assert said.startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /healthz HT")
        drip(client, 20)
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /healthz HT")  # at once
        drip(client, 20)


def test_the_rest_of_a_body_that_nobody_wants(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.run.IDLE_SECONDS", 0.5)
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        drip(client, 20)


def test_a_first_head_has_a_time_too(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.run.IDLE_SECONDS", 0.5)
    for first in (b"", b"GET / HTTP/1.1\r\n"):
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as client:
            client.sendall(first)
            client.settimeout(20)
            assert client.recv(4096) == b""


def test_connections_that_are_used_stay(server: Any, hum: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.run.IDLE_SECONDS", 0.3)
    with httpx.Client(base_url=server.url, timeout=60) as client:
        client.post("/v1/analyze", data={"tasks": "asr"}, files={"file": ("a.wav", hum)})
        time.sleep(0.8)
        assert client.get("/healthz").status_code == 200


def listen(server: Any, messages: Any, query: str = "tasks=asr") -> tuple[list[dict[str, Any]], int | None]:
    async def run() -> tuple[list[dict[str, Any]], int | None]:
        found = []
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/v1/listen?{query}") as connection:

            async def send() -> None:
                with contextlib.suppress(websockets.ConnectionClosed):
                    async for message in messages():
                        await connection.send(message)

            sending = asyncio.create_task(send())
            async for event in connection:
                found.append(json.loads(event))
            sending.cancel()
        return found, connection.close_code

    return asyncio.run(asyncio.wait_for(run(), 30))


async def empty() -> Any:
    while True:
        yield b""
        yield ""
        await asyncio.sleep(0.05)


async def alive() -> Any:
    while True:
        yield '{"type": "KeepAlive"}'
        await asyncio.sleep(0.05)


async def sound() -> Any:
    while True:
        yield bytes(1_600)
        await asyncio.sleep(0.05)


def test_empty_messages_are_none(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.listen_routes.IDLE_SECONDS", 0.5)
    found, code = listen(server, empty)
    assert code == 1001 and found[-1]["error"]["code"] == "idle"


def test_keep_alives_without_sound_have_an_end(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.listen_routes.SILENT_SECONDS", 0.5)
    found, code = listen(server, alive)
    assert code == 1001 and "no audio was received" in found[-1]["error"]["message"]


def test_a_longest_session(start: Any) -> None:
    with start(max_session=0.8) as server:
        found, code = listen(server, sound)
        assert code == 1001 and found[-1]["error"]["code"] == "session_ended"
        assert found[-2]["type"] == "end", "what came is heard to its end"


def test_places() -> None:
    told: list[int] = []
    places = Places(4, 0.5, told.append)
    with places.hold("a", "wait", 1), places.hold("a", "wait", 1):
        with pytest.raises(ApiError, match="2 wait with this key, the maximum for one key") as refused:
            places.hold("a", "wait", 7).__enter__()
        assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, "key_quota", 7)
        with places.hold("b", "wait", 1), places.hold("c", "wait", 1), pytest.raises(ApiError) as full:
            places.hold("d", "wait", 1).__enter__()
        assert full.value.code == "queue_full" and places.held == 2
    assert places.held == 0 and max(told) == 4 and told[-1] == 0
    assert Places(1, 0.1).each == 1 and Places(8).each == 8


def test_one_key_leaves_room_for_others(start: Any, hum: bytes) -> None:
    with start(keys=KEYS, max_queue=4) as server, contextlib.ExitStack() as held:
        for _ in range(2):
            client = held.enter_context(
                closing(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            )
            head = f"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nAuthorization: {FIRST['Authorization']}\r\n"
            client.sendall(head.encode() + b"Content-Length: 9999\r\nContent-Type: audio/wav\r\n\r\nx")
        for _ in range(500):
            if server.service.places.held == 2:
                break
            time.sleep(0.02)
        refused = server.post("/v1/analyze", {"tasks": "asr"}, hum, headers=FIRST)
        assert refused.status_code == 429 and refused.json()["error"]["code"] == "key_quota"
        assert int(refused.headers["retry-after"]) >= 1
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum, headers=SECOND).status_code == 200


def test_one_key_does_not_fill_the_jobs_of_all(
    start: Any, hum: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobStore, "take", lambda *_, **__: None)  # none of them begins
    with start(keys=KEYS, max_jobs=4) as server:
        codes = [server.post("/v1/jobs", {}, hum, headers=FIRST).status_code for _ in range(4)]
        assert codes == [202, 202, 429, 429]
        assert server.post("/v1/jobs", {}, hum, headers=SECOND).status_code == 202


def test_one_key_does_not_hold_every_listener(start: Any) -> None:
    async def run(url: str) -> None:
        async with websockets.connect(url, additional_headers=FIRST):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(url, additional_headers=FIRST)
            assert refused.value.response.status_code == 429
            async with websockets.connect(url, additional_headers=SECOND):
                pass

    with start(keys=KEYS, max_listeners=2) as server:
        asyncio.run(run(f"ws://127.0.0.1:{server.port}/v1/listen"))
