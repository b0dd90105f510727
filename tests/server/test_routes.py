"""Our own endpoints: analysis in every format, redaction, rendering, live speech."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest

from unislu.audio import load_audio
from unislu.result import Analysis

websockets = pytest.importorskip("websockets")

TEXT = "my fellow Americans"


@pytest.fixture(scope="module")
def result(server: Any, speech: bytes) -> dict[str, Any]:
    found: dict[str, Any] = server.post("/v1/analyze", {}, speech).json()
    return found


def test_analysis_is_the_librarys(result: dict[str, Any], model: Any, speech: bytes) -> None:
    there, here = Analysis.from_dict(result), model.analyze(speech)
    assert (there.text, there.entities, there.sentiment) == (here.text, here.entities, here.sentiment)
    assert there.file == "clip.wav" and there.segments == here.segments


def test_a_raw_body(server: Any, speech: bytes, result: dict[str, Any]) -> None:
    headers = {"Content-Type": "audio/wav"}
    answer = server.post("/v1/analyze?filename=my/call.wav&tasks=asr", content=speech, headers=headers).json()
    assert (answer["text"], answer["file"], answer["entities"]) == (result["text"], "call.wav", None)


@pytest.mark.parametrize(
    "sent",
    ["# names\nmy fellow Americanos\t1.2", '["my fellow Americanos", ["Zyloprim", 2, "drug"]]'],
)
def test_a_vocabulary(server: Any, speech: bytes, sent: str) -> None:
    answer = server.post("/v1/analyze", {"vocabulary": sent, "tasks": "asr"}, speech)
    assert "fellow Americanos" in answer.json()["text"]


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "deepgram", "keywords": ["my fellow Americanos:1.2", "Zyloprim", "fellows:0"]},
        {"format": "deepgram", "keyterm": ["my fellow Americanos", "Zyloprim"]},
        {"format": "assemblyai", "word_boost": '["my fellow Americanos", "aws"]', "boost_param": "high"},
        {"format": "assemblyai", "word_boost": ["my fellow Americanos", "aws"]},
        {"format": "assemblyai", "keyterms_prompt": '["my fellow Americanos"]'},
    ],
)
@pytest.mark.parametrize("raw", [False, True], ids=["form", "query"])
def test_the_vocabulary_of_clients_of_other_services(
    server: Any, speech: bytes, fields: dict[str, Any], raw: bool
) -> None:
    sent = {**fields, "tasks": "asr"}
    if raw:
        headers = {"Content-Type": "audio/wav"}
        answer = server.post("/v1/analyze", content=speech, headers=headers, params=sent)
    else:
        answer = server.post("/v1/analyze", sent, speech)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    if fields["format"] == "deepgram":
        assert "fellow Americanos" in body["results"]["channels"][0]["alternatives"][0]["transcript"]
    else:
        assert "fellow Americanos" in body["text"]


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"keywords": "Anna:-10"}, "keywords", "'Anna:-10': words cannot be suppressed"),
        ({"keywords": "Anna:nan"}, "keywords", "'Anna:nan': words cannot be suppressed"),
        ({"keywords": "Anna:much"}, "keywords", "'Anna:much' is not WORD:INTENSIFIER, as in Kowalczyk:2"),
        ({"keyterm": ["Anna", "..."]}, "keyterm", "keyterm, phrase 2: '...' has no letter and no digit"),
        ({"word_boost": "[3]"}, "word_boost", "give a list of names"),
        ({"word_boost": "Anna", "boost_param": "strong"}, "boost_param", "'low', 'default' or 'high'"),
        ({"boost_param": "high"}, None, "boost_param without word_boost: list the words"),
        ({"vocabulary": ""}, "vocabulary", "vocabulary: has no phrase; write one a line"),
    ],
)
def test_a_bad_vocabulary_of_such_clients_is_named(
    server: Any, hum: bytes, fields: dict[str, Any], param: str | None, message: str
) -> None:
    answer = server.post("/v1/analyze", fields, hum)
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == param and message in error["message"]
    assert error["message"].count(f"{param}:") <= 1


@pytest.mark.parametrize(
    ("sent", "message"),
    [("Anna\tmuch", "line 1: the weight 'much' is not a number"), ("#", "has no phrase"), ("[]", "is empty"),
     ("[3]", "3 is neither a phrase"), ("[", "vocabulary is"), ("An\0na", "unprintable characters")],
)  # fmt: skip
def test_a_bad_vocabulary_is_named(server: Any, hum: bytes, sent: str, message: str) -> None:
    answer = server.post("/v1/analyze", {"vocabulary": sent}, hum)
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == "vocabulary" and message in error["message"]


@pytest.mark.parametrize(
    ("name", "begins", "kind"),
    [("txt", "", "text/plain"), ("srt", "1\n00:00:00,", "application/x-subrip"),
     ("vtt", "WEBVTT", "text/vtt"), ("html", "<!DOCTYPE html>", "text/html"),
     ("textgrid", 'File type = "ooTextFile"', "text/plain"), ("elan", "<?xml", "application/xml"),
     ("label-studio", "[", "application/json")],
)  # fmt: skip
def test_formats(server: Any, result: dict[str, Any], name: str, begins: str, kind: str) -> None:
    answer = server.post(f"/v1/render?format={name}", json=result)
    assert answer.text.startswith(begins) and "fellow" in answer.text
    assert answer.headers["content-type"].startswith(kind)


def test_bad_results_are_not_rendered(server: Any, result: dict[str, Any]) -> None:
    def code(**request: Any) -> str:
        answer = server.post("/v1/render?format=srt", **request)
        assert answer.status_code in (400, 413, 415)
        found: str = answer.json()["error"]["code"]
        return found

    json_type = {"Content-Type": "application/json"}
    assert code(json={**result, "nonsense": 1}) == code(json={**result, "text": "no"}) == "invalid_value"
    assert code(json={**result, "sentiment": {"label": "x", "scores": ["x"]}}) == "invalid_value"
    assert (
        code(json={**result, "segments": [{"start": "x"}]})
        == code(json={**result, "text": 5})
        == "invalid_value"
    )
    assert code(content=b"{", headers=json_type) == code(json=[]) == "invalid_json"
    assert code(content=b"[" * 100_000, headers=json_type) == "invalid_json"
    assert code(json={**result, "text": None, "entities": None, "segments": []}) == "invalid_option"
    assert code(content=b"x") == "unsupported_content_type"


def test_no_test_hangs_on_a_marginal_entity(model: Any, speech: bytes) -> None:
    """Other tests take the entity for granted at no bias, its absence at -4: a whole logit from both."""
    found = {
        bias: [(e.type, e.text) for e in model.analyze(speech, tasks=("asr", "ner"), bias=bias).entities]
        for bias in (1, -1, -3)
    }
    assert found == {1: [("NORP", "Americans")], -1: [("NORP", "Americans")], -3: []}


def test_deepgram(server: Any, speech: bytes) -> None:
    results = server.post("/v1/analyze", {"format": "deepgram", "bias": "2"}, speech).json()["results"]
    (alternative,) = results["channels"][0]["alternatives"]
    assert TEXT in alternative["transcript"]
    assert [word["punctuated_word"] for word in alternative["words"]] == alternative["transcript"].split()
    (entity,) = alternative["entities"]
    assert (entity["label"], entity["value"], entity["start_word"], entity["end_word"]) == (
        "NORP",
        "Americans",
        4,
        4,
    )
    average = results["sentiments"]["average"]
    assert -1 <= average["sentiment_score"] <= 1 and average["sentiment"] in (
        "positive",
        "neutral",
        "negative",
    )
    assert results["sentiments"]["segments"][0]["start_word"] == 0


def test_entities_have_the_value_in_other_services_shapes(server: Any, result: dict[str, Any]) -> None:
    entity = {
        "type": "date", "text": result["text"][:3], "start_char": 0, "end_char": 3,
        "value": {"kind": "date", "iso": "2026-03-18"},
    }  # fmt: skip
    answer = server.post("/v1/render?format=deepgram", json={**result, "entities": [entity]}).json()
    (found,) = answer["results"]["channels"][0]["alternatives"][0]["entities"]
    assert (found["value"], found["raw_value"]) == ("2026-03-18", result["text"][:3])
    other = {**entity, "value": None, "start_char": 4, "end_char": 6, "text": result["text"][4:6]}
    answer = server.post("/v1/render?format=assemblyai", json={**result, "entities": [entity, other]}).json()
    assert answer["entities"][0]["value"] == entity["value"] and "value" not in answer["entities"][1]


def test_a_preset_over_http(server: Any, speech: bytes) -> None:
    pytest.importorskip("dateparser")
    pytest.importorskip("phonenumbers")
    asked = {"entities": "meeting", "values": "true", "date": "2026-03-18", "region": "us"}
    answer = server.post("/v1/analyze", asked, speech)
    assert answer.status_code == 200 and answer.json()["entities"] is not None


def test_assemblyai(server: Any, speech: bytes) -> None:
    answer = server.post("/v1/analyze", {"format": "assemblyai", "bias": "2"}, speech).json()
    assert answer["status"] == "completed" and TEXT in answer["text"]
    (entity,) = answer["entities"]
    assert (entity["entity_type"], entity["text"]) == ("norp", "Americans")
    assert 0 <= entity["start"] < entity["end"] <= 3_300 and isinstance(entity["start"], int)
    (mood,) = answer["sentiment_analysis_results"]
    assert mood["sentiment"] in ("POSITIVE", "NEUTRAL", "NEGATIVE") and 0 < mood["confidence"] <= 1


def test_masked_results(server: Any, speech: bytes) -> None:
    answer = server.post("/v1/analyze", {"redact": "all", "redact_how": "type", "bias": "2"}, speech)
    assert "[NORP]" in answer.json()["text"] and "American" not in answer.text
    kept = server.post("/v1/analyze", {"redact": "person"}, speech).json()
    assert "Americans" in kept["text"]


def test_channels(server: Any, speech: bytes) -> None:
    soundfile = pytest.importorskip("soundfile")
    left, rate = soundfile.read(io.BytesIO(speech))
    stereo = io.BytesIO()
    soundfile.write(stereo, np.stack([left, np.zeros_like(left)], axis=1), rate, format="FLAC")
    answer = server.post("/v1/analyze", {"channels": "split", "tasks": "asr"}, stereo.getvalue()).json()
    assert {segment["channel"] for segment in answer["segments"] if segment["text"]} == {0}


def test_redaction(server: Any, speech: bytes, model: Any) -> None:
    answer = server.post("/v1/redact", {"untimed": "segment", "bias": "2"}, speech).json()
    assert "[NORP]" in answer["analysis"]["text"] and answer["verified"] and answer["leaks"] == []
    audio = base64.b64decode(answer["audio"]["data"])
    assert (answer["audio"]["content_type"], answer["audio"]["filename"]) == (
        "audio/wav",
        "clip.redacted.wav",
    )
    assert "American" not in (model.analyze(audio, tasks=("asr",)).text or "")
    (span,) = answer["masked"]
    before, after = load_audio(speech), load_audio(audio)
    inside = slice(round(span["start"] * 16_000), round(span["end"] * 16_000))
    assert len(before) == len(after) and np.abs(before[inside] - after[inside]).max() > 0.1
    assert np.array_equal(before[: max(0, inside.start - 16_000)], after[: max(0, inside.start - 16_000)])


@pytest.mark.parametrize("channels", ["mix", "split"])
def test_a_redacted_copy_says_what_its_text_says(server: Any, speech: bytes, channels: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    left, rate = soundfile.read(io.BytesIO(speech))
    stereo = io.BytesIO()
    soundfile.write(stereo, np.stack([left, left], axis=1), rate, format="FLAC")
    asked = {"bias": "2", "channels": channels}
    whole = server.post("/v1/analyze", {"entities": "norp", **asked}, stereo.getvalue()).json()
    options = {"types": "norp", "guard": "0.8", "audio": "silence", **asked}
    answer = server.post("/v1/redact", options, stereo.getvalue()).json()
    samples = load_audio(base64.b64decode(answer["audio"]["data"]))
    words = [[w for s in a["segments"] for w in s["words"]] for a in (whole, answer["analysis"])]
    kept = {(w["start"], w["end"], w["text"]) for w in words[1]}
    heard, read = set(), set()
    for w in words[0]:
        word = (w["start"], w["end"], w["text"])
        heard |= {word} if samples[round(w["start"] * 16_000) : round(w["end"] * 16_000)].any() else set()
        read |= {word} & kept
    assert heard == read and 0 < len(read) < len(words[0]) - 1, "words beside the name are covered too"


def test_redaction_in_other_shapes(server: Any, speech: bytes) -> None:
    text = server.post("/v1/redact", {"output": "text", "how": "mask", "bias": "2"}, speech)
    assert "American" not in text.text and text.headers["content-type"].startswith("text/plain")
    silence = {"output": "audio", "untimed": "segment", "audio": "silence", "bias": "2"}
    audio = server.post("/v1/redact", silence, speech)
    assert audio.headers["content-type"] == "audio/wav" and audio.content[:4] == b"RIFF"
    assert "clip.redacted.wav" in audio.headers["content-disposition"]
    refused = server.post("/v1/redact", {"tasks": "asr"}, speech)
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "tasks"


def test_redaction_looks_for_what_it_hides(server: Any, speech: bytes, hum: bytes) -> None:
    found = server.post("/v1/redact", {"types": "norp", "bias": "1.5"}, speech).json()
    assert "[NORP]" in found["analysis"]["text"] and found["verified"]
    other = server.post("/v1/redact", {"types": "person", "entities": "norp,place"}, speech)
    assert other.status_code == 400 and other.json()["error"]["param"] == "types"
    assert "'person', which is not among the entities: norp, place" in other.text
    none = server.post("/v1/redact", {"types": "law"}, speech).json()
    assert not none["verified"] and none["masked"] == [] and none["leaks"] == []
    assert any("nothing to redact was found" in note for note in none["analysis"]["warnings"])
    unheard = server.post("/v1/redact", {"verify": "false"}, hum)
    assert unheard.status_code == 422 and "no speech was found" in unheard.text


def test_redaction_of_channels(server: Any, speech: bytes, model: Any) -> None:
    soundfile = pytest.importorskip("soundfile")
    left, rate = soundfile.read(io.BytesIO(speech))
    stereo = io.BytesIO()
    soundfile.write(stereo, np.stack([left, -left], axis=1), rate, format="FLAC")
    for channels in ("mix", "split"):
        options = {"types": "norp", "channels": channels, "bias": "1.5"}
        answer = server.post("/v1/redact", options, stereo.getvalue()).json()
        assert answer["verified"], answer["analysis"]["warnings"]
        numbers = {segment["channel"] for segment in answer["analysis"]["segments"]}
        assert numbers == ({0, 1} if channels == "split" else {None})
        audio = base64.b64decode(answer["audio"]["data"])
        assert "merican" not in (model.analyze(audio, tasks=("asr",), channels="split").text or "")


def test_a_redacted_copy_that_still_speaks_is_not_sent(
    server: Any, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unislu.redact import redaction

    monkeypatch.setattr(redaction, "TRIES", 1)
    monkeypatch.setattr(redaction, "covers_of", lambda *_: ((0.0, 0.1),))
    for output in ("json", "audio"):
        refused = server.post("/v1/redact", {"output": output, "guard": "0", "bias": "1.5"}, speech)
        assert refused.status_code == 422 and refused.json()["error"]["code"] == "redaction_leaks"
        assert "merican" not in refused.text and "NORP at" in refused.text


def test_the_kind_of_a_redacted_copy(server: Any, speech: bytes) -> None:
    import av

    webm = io.BytesIO()
    with av.open(webm, "w", format="webm") as out:
        sound = out.add_stream("libopus", rate=48_000, layout="mono")
        samples = np.repeat(load_audio(speech), 3)[None]
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), "flt", "mono")
        frame.sample_rate = 48_000
        out.mux([*sound.encode(frame), *sound.encode(None)])
    files = {"file": ("blob", webm.getvalue(), "application/octet-stream")}
    url, options = f"{server.url}/v1/redact", {"output": "audio", "types": "norp", "bias": "1.5"}
    answer = httpx.post(url, data=options, files=files, timeout=60)
    assert answer.status_code == 200 and answer.headers["content-type"] == "audio/webm"
    assert "blob.redacted.webm" in answer.headers["content-disposition"]
    assert answer.content[:4] == b"\x1aE\xdf\xa3" and answer.headers["unislu-verified"] == "true"


def talk(server: Any, messages: list[Any], query: str = "") -> tuple[list[dict[str, Any]], int | None]:
    """What the server says to these messages, and the code with which it closes."""

    async def run() -> tuple[list[dict[str, Any]], int | None]:
        events = []
        url = f"ws://127.0.0.1:{server.port}/v1/listen?{query}"
        async with websockets.connect(url) as socket:
            with contextlib.suppress(websockets.ConnectionClosedError):  # refused while it is sent
                for message in messages:
                    await socket.send(message)
            with contextlib.suppress(websockets.ConnectionClosedError):
                async for event in socket:
                    events.append(json.loads(event))
        return events, socket.close_code

    return asyncio.run(run())


FINISH = json.dumps({"type": "finish"})


@pytest.mark.parametrize(
    ("rate", "encoding"),
    [
        (16_000, "s16le"),
        pytest.param(16_000, "f32le", marks=pytest.mark.slow),
        pytest.param(48_000, "s16le", marks=pytest.mark.slow),
    ],
)
def test_listening(server: Any, speech: bytes, rate: int, encoding: str) -> None:
    samples = np.concatenate([load_audio(speech), np.zeros(16_000, np.float32)])
    if rate == 48_000:
        samples = np.repeat(samples, 3)
    data = (
        samples.astype("<f4").tobytes() if encoding == "f32le" else (samples * 32_767).astype("<i2").tobytes()
    )
    chunk = len(data) // 8 // 4 * 4
    parts = [data[start : start + chunk] for start in range(0, len(data), chunk)]
    query = f"sample_rate={rate}&encoding={encoding}&tasks=asr,ner,sa&interval=1"
    events, code = talk(server, [*parts, FINISH], query)
    kinds = [event["type"] for event in events]
    assert code == 1000 and kinds[-1] == "end" and "final" in kinds and "sentiment" in kinds
    assert events[-1]["duration"] == pytest.approx(4.3, abs=0.01)
    text = " ".join(event["text"] for event in events if event["type"] == "final")
    assert text.lower().startswith("and so") and "Americans" in text


@pytest.mark.parametrize(
    ("message", "code"),
    [("hello", "unknown_message"), ("[]", "unknown_message"), ("[" * 10_000, "unknown_message"),
     (np.array([np.nan], "<f4").tobytes(), "invalid_audio")],
    ids=["text", "json", "nested", "nan"],
)  # fmt: skip
def test_what_a_listener_refuses(server: Any, message: Any, code: str) -> None:
    events, closed = talk(server, [message], "encoding=f32le")
    assert [event["type"] for event in events] == ["error"] and events[0]["error"]["code"] == code
    assert closed == 1003


def test_silence_and_nothing(server: Any) -> None:
    assert talk(server, [FINISH])[0] == [{"type": "end", "duration": 0.0, "skipped": 0}]
    events, _ = talk(server, [bytes(32_000), FINISH])
    assert [event["type"] for event in events] == ["end"]


@pytest.mark.parametrize("query", ["tasks=sa", "beam=0", "sample_rate=1", "encoding=mp3", "nonsense=1"])
def test_bad_queries_are_answered_before_the_connection(server: Any, query: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        talk(server, [], query)
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["error"]["message"]


def test_a_message_that_is_too_long(server: Any) -> None:
    events, code = talk(server, [bytes((1 << 20) + 2)])
    # 1006: the system drops the farewell of a server that leaves the rest of a message unread.
    assert events == [] and code in (1009, 1006)


def test_listeners_are_few_and_need_a_key(start: Any) -> None:
    key = base64.urlsafe_b64encode(b"a-rather-secret-key").decode().rstrip("=")

    async def run(server: Any) -> tuple[int, int, str | None]:
        url = f"ws://127.0.0.1:{server.port}/v1/listen"
        with pytest.raises(websockets.InvalidStatus) as no_key:
            await websockets.connect(url)
        async with websockets.connect(url, subprotocols=["unislu", f"bearer.{key}"]) as first:
            with pytest.raises(websockets.InvalidStatus) as too_many:
                header = {"Authorization": "Bearer a-rather-secret-key"}
                await websockets.connect(url, additional_headers=header)
            chosen = first.subprotocol
        return no_key.value.response.status_code, too_many.value.response.status_code, chosen

    with start(keys=("a-rather-secret-key",), max_listeners=1) as server:
        assert asyncio.run(run(server)) == (401, 429, "unislu")


def test_pages_of_others_may_not_listen(server: Any) -> None:
    async def run() -> None:
        await websockets.connect(f"ws://127.0.0.1:{server.port}/v1/listen", origin="https://evil.example")

    with pytest.raises(websockets.InvalidStatus) as refused:
        asyncio.run(run())
    assert refused.value.response.status_code == 403


def test_redaction_looks_for_more_than_analysis() -> None:
    from unislu.redact import REDACT_BIAS
    from unislu.server.forms import AnalyzeForm, RedactForm

    forms = (RedactForm(), RedactForm(types=["drug"]), RedactForm(preset="pci"), AnalyzeForm(redact=["all"]))
    assert {form.request().bias for form in forms} == {REDACT_BIAS}
    kept = (AnalyzeForm(), RedactForm(bias=0.0), RedactForm(operating_point="mine"))
    assert {form.request().bias for form in kept} == {0.0}
