"""What no client should send: an answer of four hundred and something, in one line, at once."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unislu.cli import main
from unislu.server import security
from unislu.server.forms import AnalyzeForm, RedactForm
from unislu.server.openai_routes import TranscriptionForm

JSON = {"Content-Type": "application/json"}
JSON_INT_LIMIT = b"0" * 1_000
KEY = "a-key-with-enough-letters"
RESULT = {
    "schema_version": 1,
    "file": "a.wav",
    "duration": 1.0,
    "language": "en",
    "text": "Hi Bo.",
    "entities": [
        {
            "type": "PERSON",
            "text": "Bo",
            "start_char": 3,
            "end_char": 5,
            "confidence": 0.5,
            "start": 0.1,
            "end": 0.2,
            "start_word": 1,
            "end_word": 2,
        }
    ],
    "sentiment": {"label": "neutral", "scores": {"neutral": 1.0}},
    "model": "m",
    "warnings": [],
    "timings": {},
    "segments": [
        {
            "start": 0.0,
            "end": 1.0,
            "text": "Hi Bo.",
            "start_char": 0,
            "end_char": 6,
            "no_speech": False,
            "avg_logprob": -0.1,
            "words": [
                {"text": "Hi", "start": 0.0, "end": 0.1, "start_char": 0, "end_char": 2},
                {"text": "Bo", "start": 0.1, "end": 0.2, "start_char": 3, "end_char": 5},
            ],
        }
    ],
}
FORMATS = ("json", "txt", "srt", "vtt", "html", "deepgram", "assemblyai")


def refused(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer that is one."""
    assert 400 <= answer.status_code < 500, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["message"] and "\n" not in error["message"] and "\x1b" not in error["message"]
    return error


@pytest.mark.parametrize("value", ["per\nson", "person\r\ndrug", "person\r", "a\x0bb", "per\x1b[31mson"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/analyze", "entities"),
        ("/v1/analyze", "tasks"),
        ("/v1/analyze", "redact"),
        ("/v1/jobs", "entities"),
        ("/v1/redact", "types"),
        ("/v1/audio/transcriptions", "entities"),
    ],
)
def test_line_breaks_in_lists(server: Any, hum: bytes, path: str, field: str, value: str) -> None:
    more = {"model": "whisper-1", "include": "entities"} if "audio" in path else {}
    assert refused(server.post(path, {field: value, **more}, hum))["param"] == field


@pytest.mark.parametrize("suffix", [".g722", ".ul"])
def test_suffixes_that_say_what_the_samples_are(server: Any, suffix: str) -> None:
    """Files without a header are told by their names; what a client calls them is passed on."""
    silence = bytes(8_000) if suffix == ".g722" else b"\xff" * 8_000
    files = {"file": (f"call{suffix}", silence)}
    answer = httpx.post(f"{server.url}/v1/analyze", data={"tasks": "asr"}, files=files, timeout=60)
    assert answer.status_code == 200 and answer.json()["duration"] == 1.0


RENDERED = json.dumps(RESULT).encode()


@pytest.mark.parametrize("format_", FORMATS)
def test_what_can_be_rendered(server: Any, format_: str) -> None:
    """Or the refusals below would say nothing."""
    answer = httpx.post(f"{server.url}/v1/render?format={format_}", content=RENDERED, headers=JSON)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1.0,", b"NaN,"),
        (b"0.5", b"Infinity"),
        (b"0.5", b"1e999"),
        (b"0.1", b"-1e400"),
        (b"-0.1", b"NaN"),
        (b"Hi Bo.", b"Hi Bo\\ud800"),
        (b'"a.wav"', b'"\\udfff"'),
        (b'"m"', b'"\\ud83d"'),
        (b"[]", b'["\\ud800"]'),
        (b"PERSON", b"\\udead"),
        (b"1.0,", b"1" + b"0" * 400 + b","),
        (b"1.0,", b"1" + b"0" * 5_000 + b","),
        (b'"a.wav"', b'{"a": 1}'),
        (b'"m"', b"5"),
        (b'"start": 0.0', b'"start": "x"'),
        (b"[]", b"[1]"),
        (b'"neutral": 1.0', b'"neutral": [1]'),
    ],
    ids=lambda value: ascii(value)[:24],
)
@pytest.mark.parametrize("format_", FORMATS)
def test_results_that_cannot_be(server: Any, format_: str, old: bytes, new: bytes) -> None:
    body = RENDERED.replace(old, new, 1)
    assert body != RENDERED
    answer = httpx.post(f"{server.url}/v1/render?format={format_}", content=body, headers=JSON)
    assert answer.status_code < 500, answer.text
    if any(word in new for word in (b"NaN", b"Infinity", b"e999", b"e400", b"\\u", JSON_INT_LIMIT)):
        refused(answer)


def test_a_page_with_a_name_of_its_own(start: Any) -> None:
    """A name that is bound to this machine's address: a server without a key does not answer to it."""
    wide_open = {"host": "0.0.0.0", "insecure": True, "hosts": ("speech.example",)}
    with start() as own, start(**wide_open) as wide:
        url = f"http://127.0.0.1:{wide.port}/v1/info"
        for server in (own.url + "/v1/info", url):
            assert httpx.get(server, headers={"Host": "evil.example"}).status_code == 421
        for name in (
            "speech.example",
            "192.168.7.7:8000",
            "[fe80::1]:8000",
            "localhost",
            "Speech.Example:80",
        ):
            assert httpx.get(url, headers={"Host": name}).status_code == 200, name
        error = httpx.get(url, headers={"Host": "evil.example"}).json()["error"]
        assert error["code"] == "wrong_host" and "--hosts" in error["message"]
        refused = httpx.post(url, headers={"Host": "evil.example", "Origin": "http://evil.example"})
        assert refused.status_code == 421


def test_wrong_keys_wait(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "FIRST_DELAY", 0.05)
    with start(keys=(KEY,)) as server:

        def seconds(key: str) -> float:
            begun = time.monotonic()
            server.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
            return time.monotonic() - begun

        assert sum(seconds("a-guess-of-somebody") for _ in range(5)) > 0.05 * (1 + 2 + 4 + 8 + 16)
        assert min(seconds(KEY) for _ in range(5)) < 0.8, "who has the key does not wait"


def test_patience_grows_forgets_and_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = security.Patience()
    delays = [patience.delay("a") for _ in range(40)]
    assert delays[0] == security.FIRST_DELAY and delays == sorted(delays)
    assert delays[-1] == security.LONGEST_DELAY and patience.delay("b") == security.FIRST_DELAY
    monkeypatch.setattr(security, "FORGET_SECONDS", 0.0)
    assert patience.delay("a") == security.FIRST_DELAY
    monkeypatch.setattr(security, "FORGET_SECONDS", 300.0)
    monkeypatch.setattr(security, "MAX_ADDRESSES", 3)
    for number in range(100):
        patience.delay(str(number))
    assert len(patience._wrong) <= 3


def test_file_names_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "\x1b]0;owned\x07\x1b[31m.wav"]) == 1
    err = capsys.readouterr().err
    assert "\x1b" not in err and "\x07" not in err and "\\x1b" in err


PATHS = {
    "/v1/analyze": AnalyzeForm,
    "/v1/jobs": AnalyzeForm,
    "/v1/redact": RedactForm,
    "/v1/audio/transcriptions": TranscriptionForm,
}
HINTS = [
    "",
    "0",
    "-1",
    "1e999",
    "nan",
    "inf",
    "true",
    "no",
    "all",
    "json",
    "verbose_json",
    "person",
    "a,b",
    '"a,b"',
    '"',
    ",",
    "[]",
    '["a"]',
    '["\\ud800"]',
    "[1]",
    '[["a"]]',
    "{}",
    '{"a": 1}',
    '{"a": NaN}',
    '{"a": "x"}',
    "[" * 3_000,
    "=",
    "a=1",
    "a=nan,b=1",
    "mask",
    "split",
    "silero",
    "1" * 5_000,
    "\x00",
    "\r\n",
    "é",
    "\U0001f600",
    "\u2028",
    "\ufeffperson",
    "../../etc/passwd",
    "%00",
    "<script>",
    "x" * 70_000,
]
VALUES = st.one_of(
    st.sampled_from(HINTS),
    st.text(max_size=40),
    st.floats().map(str),
    st.integers().map(str),
    st.lists(st.text(max_size=8), max_size=4).map(json.dumps),
)
FIELDS = st.sampled_from(sorted({(path, name) for path, form in PATHS.items() for name in form.model_fields}))


SUFFIXES = st.sampled_from(["", "", "[]", "[0]", "%5B%5D", "[x]", "\x00"])


def any_value_in_any_field(server: Any, field: tuple[str, str], value: str, suffix: str) -> None:
    """Every field of every form: what it says is heard or refused, and never a fault of the server."""
    path, name = field
    given_ = {"model": "whisper-1"} if path == "/v1/audio/transcriptions" else {}
    answer = server.post(path, {**given_, f"{name}{suffix}": value}, QUIET)
    assert answer.status_code < 500, (field, value, answer.text)
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert error["message"] and error["code"] and len(error["message"]) < 1_100
    if answer.status_code == 202:  # nobody waits for it
        assert server.delete(f"/v1/jobs/{answer.json()['id']}?forget=true") == 200


@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
@given(field=FIELDS, value=VALUES, suffix=SUFFIXES)
def test_any_value_in_any_field(server: Any, field: tuple[str, str], value: str, suffix: str) -> None:
    any_value_in_any_field(server, field, value, suffix)


@pytest.mark.slow
@settings(max_examples=1_500, derandomize=True, suppress_health_check=list(HealthCheck))
@given(field=FIELDS, value=VALUES, suffix=SUFFIXES)
def test_very_many_values_in_any_field(server: Any, field: tuple[str, str], value: str, suffix: str) -> None:
    any_value_in_any_field(server, field, value, suffix)


@settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(["sample_rate", "encoding", "interval", *AnalyzeForm.model_fields]), value=VALUES)
def test_any_value_in_any_query(server: Any, name: str, value: str) -> None:
    raw = httpx.post(
        f"{server.url}/v1/analyze",
        params={name: value[:2_000], "filename": value[:300]},
        content=QUIET,
        headers={"Content-Type": "audio/wav"},
        timeout=60,
    )
    assert raw.status_code < 500, (name, value, raw.text)
    render = httpx.post(
        f"{server.url}/v1/render", params={"format": value[:2_000]}, content=RENDERED, headers=JSON
    )
    job = server.get("/v1/jobs/x/result", params={"format": value[:2_000]})
    assert render.status_code < 500 and job.status_code < 500


def quiet_wav() -> bytes:
    import struct

    fmt = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + 6_400) + b"WAVEfmt \x10\0\0\0" + fmt
    return head + b"data" + struct.pack("<I", 6_400) + bytes(6_400)


QUIET = quiet_wav()
