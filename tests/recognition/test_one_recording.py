"""One recording: what is found in it, by every task, and what is said where nothing is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from unislu.bundle import AudioSettings, DecoderSettings
from unislu.errors import AudioError
from unislu.recognition.model import Model
from unislu.result import Analysis
from unislu.sequence import Target, Vocabulary

from .scripted import SCRIPT, TEXT, Always, ScriptedEngine, make, manifest, noise, wav


def test_everything_at_once(model: Model) -> None:
    result = model.analyze(noise(200), sample_rate=16_000)
    assert result.text == TEXT and result.duration == 2.0 and result.file is None
    assert result.entities is not None and result.sentiment is not None
    assert [(e.type, e.text, e.start_char) for e in result.entities] == [
        ("PERSON", "Angela Merkel", 0),
        ("PLACE", "Berlin", 25),
    ]
    assert all(e.confidence is not None and e.confidence > 0.9 for e in result.entities)
    assert result.sentiment.label == "positive" and set(result.sentiment.scores) == {
        "positive",
        "negative",
        "neutral",
        "mixed",
    }
    assert result.model == "scripted 1" and result.language == "en" and result.warnings == ()
    (segment,) = result.segments
    assert (segment.start, segment.end, segment.text, segment.no_speech) == (0.0, 2.0, TEXT, False)
    assert segment.avg_logprob is not None and segment.avg_logprob > -0.1
    assert set(result.timings) == {"load", "audio", "features", "encode", "decode", "total"}
    assert Analysis.from_dict(json.loads(result.to_json())) == result


@pytest.mark.parametrize(
    ("tasks", "text", "entities", "sentiment"),
    [(("asr",), True, False, False), (("ner",), True, True, False), (("sa",), False, False, True),
     (("asr", "sa"), True, False, True), (("sa", "ner", "asr"), True, True, True)],
)  # fmt: skip
def test_null_for_what_was_not_asked(
    model: Model, tasks: tuple[str, ...], text: bool, entities: bool, sentiment: bool
) -> None:
    result = model.analyze(noise(200), sample_rate=16_000, tasks=tasks)
    assert (result.text == TEXT) if text else (result.text is None)
    assert (result.entities is not None) == entities and (result.sentiment is not None) == sentiment


def test_none_found_is_an_empty_list(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, {200: Target("Nothing here.", (), "Neutral")})
    assert model.analyze(noise(200), sample_rate=16_000).entities == ()


def test_silence_is_not_transcribed_and_said(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary)
    result = model.analyze(np.zeros(16_000 * 40, np.float32), sample_rate=16_000)
    assert engine.batches == [] and result.no_speech
    assert (result.text, result.entities, result.sentiment) == ("", (), None)
    assert result.warnings[0].endswith("no speech was found in 40.0 s"), "silence needs no remedy"


def test_a_short_clip_without_speech_is_not_transcribed_where_the_bundle_says_so(
    vocabulary: Vocabulary,
) -> None:
    script = {200: Target("Made up.", ())}
    careful = manifest(vocabulary, audio=AudioSettings(min_speech=0.5))
    engine = ScriptedEngine(vocabulary, script)
    result = Model(engine, vocabulary, careful).analyze(noise(200), sample_rate=16_000)
    assert engine.batches == [] and result.no_speech and result.text == "" and result.entities == ()
    assert "--vad energy" in result.warnings[0]
    assert make(vocabulary, script)[0].analyze(noise(200), sample_rate=16_000).text == "Made up."


def test_a_bundle_may_tag_whenever_it_writes(vocabulary: Vocabulary) -> None:
    tagged, _ = make(vocabulary, decoder=DecoderSettings(tag_always=True))
    result = tagged.analyze(noise(200), sample_rate=16_000, tasks=["asr"])
    assert result.text == TEXT and result.entities is None and result.sentiment is None


def test_an_empty_transcript_has_no_sentiment(model: Model) -> None:
    result = model.analyze(noise(150), sample_rate=16_000)
    assert result.text == "" and result.sentiment is None and result.segments[0].no_speech
    assert "no speech" in result.warnings[0]


def test_normalized_style_moves_everything(model: Model) -> None:
    result = model.analyze(noise(200), sample_rate=16_000, style="normalized")
    assert result.text == "angela merkel 's visit to berlin on monday"
    assert result.entities is not None
    assert [e.text for e in result.entities] == ["angela merkel", "berlin"]
    assert result.segments[0].text == result.text


@pytest.mark.parametrize("beam", [1, 3])
def test_beam(model: Model, beam: int) -> None:
    assert model.analyze(noise(200), sample_rate=16_000, beam=beam).text == TEXT


def test_a_loop_is_cut_and_said(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, {200: Target("na " * 60, (), "Neutral")})
    result = model.analyze(noise(200), sample_rate=16_000)
    assert result.text is not None and len(result.text) < 30
    assert "repeat itself at 0.0–2.0 s" in result.warnings[0]


def test_a_clip_that_breaks_off_is_transcribed_with_silence_behind_it(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, Always(SCRIPT[300]))
    cut = noise(300)[: 280 * 160]
    result = model.analyze(cut, sample_rate=16_000)
    assert engine.batches == [[330]]
    (segment,) = result.segments
    assert (segment.start, segment.end, result.duration) == (0.0, 2.8, 2.8)
    assert all(0.0 <= word.start <= word.end <= 2.8 for word in segment.words or ())
    model.analyze(np.tile(cut, 11)[: 30 * 16_000], sample_rate=16_000)
    assert max(engine.batches[-1]) <= 3_000, "no further than the model can hear"


def test_names_of_sources(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(noise(200)))
    assert model.analyze(str(path)).file == model.analyze(path).file == str(path)
    assert model.analyze(path.read_bytes()).file is None
    assert model.analyze(path.read_bytes(), name="call 7").file == "call 7"
    with path.open("rb") as file:
        assert model.analyze(file).file == str(path)
    with pytest.raises(AudioError, match="call 7: is empty"):
        model.analyze(io.BytesIO(b""), name="call 7")


def test_types_that_the_model_never_saw_are_said(vocabulary: Vocabulary) -> None:
    knowing = Model(
        ScriptedEngine(vocabulary, SCRIPT), vocabulary, manifest(vocabulary, types_seen=("drug",))
    )
    for asked, untrained in ((["drug"], ()), (["Drug", "Phone Number", "person"], ("Phone Number",))):
        result = knowing.analyze(noise(200), sample_rate=16_000, entities=asked)
        assert result.untrained_types == untrained
        assert ["not trained on the entity types 'Phone Number'" in w for w in result.warnings] == [
            True for _ in untrained
        ]
    assert knowing.analyze(noise(200), sample_rate=16_000).untrained_types == ()
    unknown = Model(ScriptedEngine(vocabulary, SCRIPT), vocabulary, manifest(vocabulary))
    assert unknown.analyze(noise(200), sample_rate=16_000, entities=["dragon"]).untrained_types == ()
