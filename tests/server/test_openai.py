"""The official client against a running server."""

from __future__ import annotations

from typing import Any

import pytest

from unislu.result import Analysis, Segment, Speaker, Word
from unislu.server import formats

openai = pytest.importorskip("openai")

WORDS = "my fellow Americans"


@pytest.fixture(scope="module")
def client(server: Any) -> Any:
    with openai.OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0) as found:
        yield found


def transcribe(client: Any, audio: bytes, **options: Any) -> Any:
    options.setdefault("model", "whisper-1")
    return client.audio.transcriptions.create(file=("clip.wav", audio), **options)


def test_json(client: Any, speech: bytes) -> None:
    answer = transcribe(client, speech)
    assert WORDS in answer.text
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 3.3)
    assert set(answer.to_dict()) == {"text", "usage"}  # nothing that was not asked for


def test_text(client: Any, speech: bytes) -> None:
    answer = transcribe(client, speech, response_format="text")
    assert isinstance(answer, str) and WORDS in answer and answer.endswith("\n")


def test_subtitles(client: Any, speech: bytes) -> None:
    srt = transcribe(client, speech, response_format="srt")
    assert srt.startswith("1\n00:00:00,") and WORDS in srt
    vtt = transcribe(client, speech, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:00.") and WORDS in vtt


def test_verbose_json(client: Any, speech: bytes) -> None:
    answer = transcribe(client, speech, response_format="verbose_json")
    assert (answer.task, answer.language, answer.duration) == ("transcribe", "english", 3.3)
    assert answer.words is None and answer.usage.seconds == 3.3
    (segment,) = answer.segments
    assert (segment.id, segment.seek, segment.temperature) == (0, round(segment.start * 100), 0.0)
    assert 0 <= segment.start < segment.end <= 3.3 and segment.text == f" {answer.text}"
    assert segment.tokens and all(isinstance(token, int) for token in segment.tokens)
    assert -1 < segment.avg_logprob < 0 and segment.compression_ratio > 0.3 and segment.no_speech_prob == 0


def test_diarized_json(client: Any, speech: bytes) -> None:
    answer = transcribe(
        client, speech, model="gpt-4o-transcribe-diarize", response_format="diarized_json",
        chunking_strategy="auto",
    )  # fmt: skip
    shape = openai.types.audio.TranscriptionDiarized
    assert isinstance(answer, shape) and shape.model_validate(answer.to_dict(), strict=True)
    assert set(answer.to_dict()) == {"task", "duration", "text", "segments", "usage"}
    assert (answer.task, answer.duration, answer.usage.seconds) == ("transcribe", 3.3, 3.3)
    (segment,) = answer.segments
    assert set(segment.to_dict()) == {"type", "id", "start", "end", "speaker", "text"}
    assert (segment.type, segment.id, segment.speaker) == ("transcript.text.segment", "seg_0", "A")
    assert 0 <= segment.start < segment.end <= 3.3 and segment.text == answer.text


def test_diarized_json_as_a_stream(client: Any, speech: bytes) -> None:
    events = list(transcribe(client, speech, response_format="diarized_json", stream=True))
    assert [event.type for event in events] == ["transcript.text.segment", "transcript.text.done"]
    assert (events[0].speaker, events[0].text) == ("A", events[1].text)


def test_the_labels_of_several_speakers() -> None:
    words = [
        Word(text, start, start + 0.4, 5 * place, 5 * place + 4, speaker=who)
        for place, (text, start, who) in enumerate(
            [("Good", 0.1, "S1"), ("Okay", 1.1, "S2"), ("Fine", 2.1, "S3")]
        )
    ]
    segment = Segment(0.0, 3.0, "Good Okay Fine", 0, 14, words=tuple(words), speaker="S1")
    speakers = (Speaker("S1", 0.4), Speaker("S2", 0.4, "agent"), Speaker("S3", 0.4))
    found = formats.openai_turns(
        Analysis("Good Okay Fine", 3.0, "test 1", segments=(segment,), speakers=speakers)
    )
    assert [(turn["id"], turn["speaker"], turn["text"]) for turn in found] == [
        ("seg_0", "A", "Good"), ("seg_1", "agent", "Okay"), ("seg_2", "B", "Fine")
    ]  # fmt: skip
    assert (found[1]["start"], found[1]["end"]) == (1.1, 1.5)


def test_word_times(client: Any, speech: bytes) -> None:
    answer = transcribe(
        client, speech, response_format="verbose_json", timestamp_granularities=["word"]
    )  # fmt: skip
    assert answer.segments is None
    assert [word.word for word in answer.words] == answer.text.split()
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts) and all(0 <= w.start <= w.end <= 3.3 for w in answer.words)
    both = transcribe(
        client, speech, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert both.words and both.segments


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
def test_granularities_with_and_without_brackets(server: Any, hum: bytes, name: str) -> None:
    data = {"model": "whisper-1", "response_format": "verbose_json", name: ["word", "segment"]}
    answer = server.post("/v1/audio/transcriptions", data, hum).json()
    assert answer["words"] == [] and answer["segments"] == [] and answer["text"] == ""


def test_streaming(client: Any, speech: bytes) -> None:
    events = list(transcribe(client, speech, stream=True))
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    done = events[-1]
    assert done.type == "transcript.text.done" and WORDS in done.text
    assert "".join(event.delta for event in events[:-1]) == done.text
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens > 100
    assert done.model_extra == {}


def test_the_stream_ends_as_openai_ends_it(server: Any, hum: bytes) -> None:
    answer = server.post("/v1/audio/transcriptions", {"model": "unislu", "stream": "true"}, hum)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("\n\ndata: [DONE]\n\n")


def test_include(client: Any, speech: bytes, model: Any) -> None:
    more = {"bias": 2.0}  # so that the entity does not hang on a rounding
    answer = transcribe(client, speech, include=["entities", "sentiment"], extra_body=more)
    (entity,) = answer.entities
    assert (entity["type"], entity["text"]) == ("NORP", "Americans")
    assert answer.text[entity["start_char"] : entity["end_char"]] == "Americans"
    assert set(answer.sentiment["scores"]) == {"positive", "negative", "neutral", "mixed"}
    streamed = list(transcribe(client, speech, include=["entities"], stream=True, extra_body=more))[-1]
    assert streamed.entities[0]["text"] == "Americans" and "sentiment" not in streamed.model_extra
    verbose = transcribe(client, speech, include=["sentiment"], response_format="verbose_json")
    assert verbose.sentiment["label"] in verbose.sentiment["scores"]


def test_the_same_as_the_library(client: Any, speech: bytes, model: Any) -> None:
    here: Analysis = model.analyze(
        speech, tasks=("asr", "ner", "sa"), entities=["country", "person"], bias=1.5
    )
    extra = {"entities": "country,person", "bias": 1.5}
    there = transcribe(client, speech, include=["entities", "sentiment"], extra_body=extra)
    assert there.text == here.text
    assert (there.entities, there.sentiment) == (here.to_dict()["entities"], here.to_dict()["sentiment"])


def test_models(client: Any) -> None:
    names = [found.id for found in client.models.list()]
    assert "whisper-1" in names and "unislu-base" in names
    assert client.models.retrieve("whisper-1").object == "model"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("gpt-2")


@pytest.mark.parametrize(
    ("options", "error", "param", "code"),
    [({"model": "gpt-2"}, "NotFoundError", "model", "model_not_found"),
     ({"response_format": "yaml"}, "BadRequestError", "response_format", "invalid_value"),
     ({"language": "fr"}, "BadRequestError", "language", "unsupported_language"),
     ({"temperature": 7}, "BadRequestError", "temperature", "invalid_value"),
     ({"include": ["logprobs"]}, "BadRequestError", "include[]", "invalid_value"),
     ({"timestamp_granularities": ["word"]}, "BadRequestError", "timestamp_granularities[]", "invalid_value"),
     ({"stream": True, "response_format": "srt"}, "BadRequestError", "stream", "invalid_value"),
     ({"extra_body": {"entities": "person"}}, "BadRequestError", "include[]", "invalid_value"),
     ({"include": ["entities"], "extra_body": {"bias": "nan"}}, "BadRequestError", None, "invalid_option")],
    ids=str,
)  # fmt: skip
def test_errors(
    client: Any, hum: bytes, options: dict[str, Any], error: str, param: str | None, code: str
) -> None:
    with pytest.raises(getattr(openai, error)) as caught:
        transcribe(client, hum, **options)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert caught.value.type == "invalid_request_error" and caught.value.body["message"]


def test_what_is_ignored_is_named(server: Any, hum: bytes) -> None:
    said = "This is what was said before, and there are no names in it."
    data = {"model": "whisper-1", "prompt": said, "temperature": "0", "language": "en", "hotwords": "x"}
    answer = server.post("/v1/audio/transcriptions", data, hum)
    assert answer.status_code == 200 and answer.headers["unislu-ignored"] == "prompt, hotwords"


def test_a_prompt_is_a_vocabulary(client: Any, server: Any, speech: bytes) -> None:
    assert "fellow Americans" in transcribe(client, speech).text
    assert "fellow Americanos" in transcribe(client, speech, prompt="ZyntriQix, my fellow Americanos").text
    answer = server.post("/v1/audio/transcriptions", {"model": "whisper-1", "prompt": "Ünal"}, speech)
    assert answer.status_code == 200 and "unislu-ignored" not in answer.headers


def test_the_asynchronous_client(server: Any, speech: bytes) -> None:
    import asyncio

    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(api_key="x", base_url=f"{server.url}/v1", max_retries=0) as client:
            calls = [
                client.audio.transcriptions.create(file=("a.wav", speech), model="whisper-1")
                for _ in range(3)
            ]
            return [answer.text for answer in await asyncio.gather(*calls)]

    texts = asyncio.run(ask())
    assert len(set(texts)) == 1 and WORDS in texts[0]
