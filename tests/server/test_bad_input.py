"""Everything clients do wrong, against a running server: a clear 4xx, nothing left behind, and it goes on."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import numpy as np
import pytest

PATH = "/v1/audio/transcriptions"


def float_wav(samples: Any) -> bytes:
    data = np.asarray(samples, "<f4").tobytes()
    fmt = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + fmt + b"data" + struct.pack(
        "<I", len(data)
    ) + data  # fmt: skip


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Content, and what the message must say."""
    header = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0"
    bomb = header + struct.pack("<HHIIHH", 1, 65_535, 4_000_000_000, 0, 65_535, 16) + b"data\xff\xff\xff\x7f"
    return {
        "empty": (b"", "is empty"),
        "text": (b"hello, this is no audio", "is not an audio or video file"),
        "zeros": (bytes(100_000), "is not an audio or video file"),
        "html": (b"<!doctype html><title>x</title>" * 50, "is not an audio or video file"),
        "header only": (b"RIFF\x24\0\0\0WAVE", "is not an audio or video file"),
        "no samples": (float_wav([]), "ms of audio"),
        "too short": (float_wav(np.zeros(100)), "ms of audio"),
        "nan": (float_wav(np.full(16_000, np.nan)), "not numbers"),
        "huge values": (float_wav(np.full(16_000, 1e30)), "float samples reach"),
        "header bomb": (bomb + bytes(64), ""),
        "playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n", ""),
        "mp4 cut off": (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2mp41\0\0\0\x08free", "without its index"),
    }


@pytest.mark.parametrize("name", bad_files())
def test_bad_files(server: Any, name: str) -> None:
    data, words = bad_files()[name]
    answer = server.post(PATH, {"model": "whisper-1"}, data)
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert (error["type"], error["param"], error["code"]) == (
        "invalid_request_error",
        "file",
        "invalid_audio",
    )
    assert (
        words in error["message"]
        and "clip.wav" in error["message"]
        and str(server.service.workspace.folder) not in answer.text
    )


def test_damage_is_said_and_the_rest_transcribed(server: Any, speech: bytes) -> None:
    cut = server.post("/v1/analyze", {"tasks": "asr"}, speech[: len(speech) // 2]).json()
    (warning,) = [one for one in cut["warnings"] if "cut off" in one]
    assert warning.startswith("clip.wav: ") and cut["duration"] == pytest.approx(1.65, abs=0.01)


def multipart(*parts: tuple[str, str | None, bytes], end: bool = True) -> tuple[dict[str, str], bytes]:
    """Headers and body; a part is (name, file name, content)."""
    body = b""
    for name, filename, content in parts:
        extra = "" if filename is None else f'; filename="{filename}"'
        body += (
            f'--BB\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return {"Content-Type": "multipart/form-data; boundary=BB"}, body + (b"--BB--\r\n" if end else b"")


MODEL = ("model", None, b"whisper-1")


@pytest.mark.parametrize(
    ("parts", "code"),
    [([MODEL], "missing_file"),
     ([MODEL, ("file", "", b"")], "missing_file"),
     ([MODEL, ("file", None, b"text")], "missing_file"),
     ([("file", "a.wav", b"x")], "missing_field"),
     ([MODEL, ("file", "a.wav", b"x"), ("file", "b.wav", b"x")], "several_files"),
     ([MODEL, ("audio", "a.wav", b"x")], "unknown_file"),
     ([MODEL, MODEL, ("file", "a.wav", b"x")], "invalid_value"),
     ([MODEL, ("prompt", None, b"x" * 70_000), ("file", "a.wav", b"x")], "invalid_value"),
     ([*[(f"f{n}", None, b"1") for n in range(80)], ("file", "a.wav", b"x")], "invalid_form")],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_bad_forms(server: Any, parts: list[Any], code: str) -> None:
    headers, body = multipart(*parts)
    answer = httpx.post(server.url + PATH, headers=headers, content=body, timeout=30)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [({"Content-Type": "application/json"}, b'{"model": "whisper-1"}', 415),
     ({"Content-Type": "text/plain"}, b"x", 415),
     ({}, b"x", 415),
     ({"Content-Type": "multipart/form-data"}, b"x", 400),
     ({"Content-Type": "multipart/form-data; boundary=" + "B" * 300}, b"x", 400),
     ({"Content-Type": "multipart/form-data; boundary=BB"}, b"garbage", 400),
     ({"Content-Type": "multipart/form-data; boundary=BB"}, b"", 400)],
    ids=str,
)  # fmt: skip
def test_bad_bodies(server: Any, headers: dict[str, str], body: bytes, status: int) -> None:
    answer = httpx.post(server.url + PATH, headers=headers, content=body, timeout=30)
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_part_headers_without_end(server: Any) -> None:
    body = b'--BB\r\nContent-Disposition: form-data; name="file"\r\nX: ' + b"x" * 50_000
    headers = {"Content-Type": "multipart/form-data; boundary=BB"}
    answer = httpx.post(server.url + PATH, headers=headers, content=body, timeout=30)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_form"


def test_a_form_that_ends_early(server: Any, speech: bytes) -> None:
    headers, body = multipart(MODEL, ("file", "a.wav", speech), end=False)
    answer = httpx.post(server.url + PATH, headers=headers, content=body, timeout=30)
    assert answer.status_code == 400 and "ends before its last boundary" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..\\..\\x.wav", "a\x00b.wav", "<script>.wav", "x" * 5_000]
)
def test_file_names_are_only_names(server: Any, name: str) -> None:
    headers, body = multipart(("file", name, b"not audio"))
    message = httpx.post(server.url + "/v1/analyze", headers=headers, content=body, timeout=30).json()[
        "error"
    ]
    shown = message["message"].partition(": ")[0]
    assert len(shown) <= 120 and not set(shown) & set("/\\<>\x00")


def open_request(server: Any, length: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
    found.sendall(head.encode() + b"Content-Type: multipart/form-data; boundary=BB\r\n\r\n")
    return found


def test_an_upload_that_stops_is_given_up(server: Any, speech: bytes) -> None:
    _, body = multipart(MODEL, ("file", "a.wav", speech))
    with closing(open_request(server, len(body))) as client:
        client.sendall(body[: len(body) // 2])
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408") and b"no byte was received for 2 s" in answer


def test_a_client_that_leaves(server: Any, speech: bytes) -> None:
    _, body = multipart(MODEL, ("file", "a.wav", speech))
    with closing(open_request(server, len(body))) as client:
        client.sendall(body[: len(body) // 2])
        for _ in range(100):
            if list(server.service.workspace.folder.iterdir()):
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the upload never began")
    _nothing_is_left(server)


def _nothing_is_left(server: Any) -> None:
    for _ in range(100):
        if not list(server.service.workspace.folder.iterdir()):
            return
        time.sleep(0.05)
    raise AssertionError("an upload was left on disk")


def zeros(size: int) -> Iterator[bytes]:
    for _ in range(size >> 16):
        yield bytes(1 << 16)


@pytest.mark.slow
@pytest.mark.parametrize("said", [True, False], ids=["length", "chunked"])
def test_a_gigabyte_of_zeros(server: Any, said: bool) -> None:
    """With a length it is refused before a byte is kept, without one at the limit (20 MB here)."""
    headers, start = multipart(("file", "a.wav", b""), end=False)
    if said:
        headers["Content-Length"] = str(len(start) + (1 << 30))

    def body() -> Iterator[bytes]:
        yield start
        yield from zeros(1 << 30)

    try:
        answer = httpx.post(server.url + PATH, headers=headers, content=body(), timeout=60)
    except httpx.HTTPError:  # it hung up before the client looked; what counts is that nothing stays
        pass
    else:
        assert answer.status_code == 413 and answer.json()["error"]["code"] == "upload_too_large"
    _nothing_is_left(server)


@pytest.mark.slow
def test_too_long_audio(server: Any) -> None:
    import io

    soundfile = pytest.importorskip("soundfile")
    data = io.BytesIO()
    soundfile.write(
        data, np.zeros(16_000 * 600, np.int16), 16_000, format="FLAC"
    )  # a few kB hold ten minutes
    assert len(data.getvalue()) < 100_000
    answer = server.post("/v1/analyze", {}, data.getvalue())
    assert answer.status_code == 413 and "more than 120 s" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 100_000,
     b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)),
     b"GET /" + b"x" * 100_000,
     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
     b"NONSENSE\r\n\r\n"],
    ids=["one header", "many headers", "path", "tls", "no http"],
)  # fmt: skip
def test_header_bombs(server: Any, head: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as client:
        try:
            client.sendall(head)
            answer = client.recv(4096)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert server.get("/healthz").status_code == 200


def test_a_length_that_is_none(server: Any) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as client:
        client.sendall(f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: many\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 400")


@pytest.mark.slow
def test_a_thousand_idle_sockets(server: Any, hum: bytes) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3_000:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3_000), hard))
    try:
        with ExitStack() as sockets:
            for _ in range(1_000):
                sockets.enter_context(
                    closing(socket.create_connection(("127.0.0.1", server.port), timeout=30))
                )
            assert server.post(PATH, {"model": "whisper-1"}, hum).status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_unknown_routes_and_methods(server: Any) -> None:
    for answer in (server.get("/v1/nothing"), server.get("/static/../app.py"), server.get(PATH)):
        assert answer.status_code in (404, 405) and answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"tasks": "asr,dance"}, "invalid_option"), ({"bias": "nan"}, "invalid_option"),
     ({"bias": "x"}, "invalid_value"), ({"bias": "{"}, "invalid_value"), ({"beam": "99"}, "invalid_value"),
     ({"entities": ""}, "invalid_option"),
     ({"entities": "[1]"}, "invalid_value"), ({"style": "x"}, "invalid_value"),
     ({"format": "docx"}, "invalid_value"), ({"tasks": "sa", "format": "srt"}, "invalid_option"),
     ({"operating_point": "none-such"}, "invalid_option"), ({"nonsense": "1"}, "unknown_field"),
     ({"tasks": "sa", "redact": "all"}, "invalid_option")],
    ids=str,
)  # fmt: skip
def test_bad_options(server: Any, hum: bytes, fields: dict[str, str], code: str) -> None:
    answer = server.post("/v1/analyze", fields, hum)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == code, answer.text


def test_a_type_named_twice_is_one(server: Any, hum: bytes) -> None:
    answer = server.post("/v1/analyze", {"entities": "a,A"}, hum)
    assert answer.status_code == 200, answer.text
    assert any("is listed twice" in warning for warning in answer.json()["warnings"])


def test_it_still_works(server: Any, speech: bytes) -> None:
    """After all of the above."""
    assert server.post(PATH, {"model": "whisper-1"}, speech).json()["text"].lower().startswith("and so")
    _nothing_is_left(server)
    assert server.get("/metrics").text.count('status="5') == 0


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/v1/analyze", {"values": "true", "region": "UK"}, "did you mean GB"),
        ("/v1/analyze", {"values": "true", "date": "2026-02-31"}, "'2026-02-31' is no date"),
        ("/v1/analyze", {"region": "US"}, "region without values"),
        ("/v1/analyze", {"entities": "drug: " + "x" * 300}, "300 characters"),
        ("/v1/redact", {"preset": "pij"}, "did you mean pii"),
        (PATH, {"model": "whisper-1", "values": "true"}, "need include[]=entities"),
    ],
)
def test_bad_values_and_presets(server: Any, speech: bytes, path: str, fields: Any, message: str) -> None:
    answer = server.post(path, fields, speech)
    assert answer.status_code == 400 and message in answer.json()["error"]["message"]
