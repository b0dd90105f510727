"""The pipeline over an engine that writes what the test tells it to, through the real decoder."""

from __future__ import annotations

import io
import json
import math
import resource
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unislu.assemble import Found, Heard, entity_confidence, merge_passes, moved
from unislu.audio import load_audio
from unislu.bundle import REQUIRED_FILES, AudioSettings, DecoderSettings, Manifest
from unislu.errors import AudioError, AudioNotFoundError, EngineError, OptionError, RecordError
from unislu.options import AnalyzeOptions, plan_entities
from unislu.pipeline import Model, load
from unislu.recording import Progress
from unislu.result import Analysis
from unislu.sequence import SLUE, Prompt, Span, Target, Vocabulary, WhisperTokenizer, get_format
from unislu.sequence.prompt import MASK
from unislu.sequence.vocabulary import END, NER, NO_TIMESTAMPS, PREVIOUS, START, TRANSCRIPT_END
from unislu.style import normalize
from unislu.vad import MAX_SECONDS, is_silent, windows

from ..made import bytes_tokenizer

ROWS = 300


def tokenizer() -> WhisperTokenizer:
    """One token a byte."""
    return WhisperTokenizer(bytes_tokenizer())


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    words = tokenizer()
    return Vocabulary.extend(words, ROWS, words.special_tokens, SLUE)


@dataclass
class State:
    """What every row hears and has written."""

    heard: list[int]
    rows: list[list[int]] = field(default_factory=list)


class ScriptedEngine:
    """Writes the target scripted for a window's number of frames, in whatever format the prompt asks for."""

    max_tokens = 448

    def __init__(self, vocabulary: Vocabulary, script: Mapping[int, Target]) -> None:
        self.vocab_size = vocabulary.size
        self.vocabulary = vocabulary
        self.script = script
        self.batches: list[list[int]] = []
        self.prompts: list[str] = []

    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> list[int]:
        assert mel.dtype == np.float32 and mel.shape[:2] == (len(frames), 80) and mel.shape[2] == frames.max()
        self.batches.append(list(map(int, frames)))
        return list(map(int, frames))

    def start(self, encoded: list[int]) -> State:
        return State(list(encoded), [[] for _ in encoded])

    def step(self, tokens: NDArray[np.int64], state: State) -> tuple[NDArray[np.float32], State]:
        logits = np.zeros((len(tokens), self.vocab_size), np.float32)
        for row, new in enumerate(tokens):
            state.rows[row] += map(int, new)
            token = self._next(state.rows[row], state.heard[row])
            logits[row, token] = 12.0
            if token == self.vocabulary[TRANSCRIPT_END]:  # allowed only when the sentiment is asked for
                logits[row, self.vocabulary[END]] = 11.0
        return logits, state

    def select(self, state: State, rows: Sequence[int], lengths: Sequence[int] | None = None) -> State:
        cut = [None] * len(rows) if lengths is None else lengths
        kept = [state.rows[row][:length] for row, length in zip(rows, cut, strict=True)]
        return State([state.heard[row] for row in rows], kept)

    def lengths(self, state: State) -> list[int]:
        return [len(row) for row in state.rows]

    def _next(self, row: list[int], heard: int) -> int:
        vocabulary = self.vocabulary
        name, types, mask = "inline", None, False
        if row[0] == vocabulary[PREVIOUS]:
            text = vocabulary.tokenizer.decode(row[1 : row.index(vocabulary[START])])
            mask = MASK in text
            name, types = "inline-open", tuple(text.strip().removeprefix(MASK).split(", "))
            self.prompts.append(text)
        prefix = row.index(vocabulary[NO_TIMESTAMPS]) + 1
        ner = len(row) > prefix and row[prefix] == vocabulary[NER]
        prompt = Prompt(frozenset({"ner", "sa"} if ner else {"sa"}), types, mask=mask)
        rendered = get_format(name, vocabulary).render(self.script[heard], prompt).ids
        written = row[prefix + ner :]
        same = list(rendered[: len(written)]) == written and len(written) < len(rendered)
        return rendered[len(written)] if same else vocabulary["<|endoftext|>"]


def entity(text: str, phrase: str, type_: str) -> Span:
    return Span(text.index(phrase), text.index(phrase) + len(phrase), type_)


TEXT = "Angela Merkel's visit to Berlin, on Monday."
SCRIPT = {
    200: Target(TEXT, (entity(TEXT, "Angela Merkel", "PERSON"), entity(TEXT, "Berlin", "PLACE")), "Positive"),
    300: Target("Take aspirin, Ünal!", (Span(5, 12, "ORG"),), "Negative"),
    150: Target("", (), None),
}


def manifest(vocabulary: Vocabulary, **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "scripted", "version": "1", "formats": ("inline", "inline-open"),
        "vocabulary": vocabulary.to_manifest(), "files": dict.fromkeys(REQUIRED_FILES, "0" * 64),
    }  # fmt: skip
    return Manifest(**values | changes)


def make(
    vocabulary: Vocabulary, script: Mapping[int, Target] = SCRIPT, **changes: Any
) -> tuple[Model, ScriptedEngine]:
    engine = ScriptedEngine(vocabulary, script)
    return Model(engine, vocabulary, manifest(vocabulary, **changes)), engine


@pytest.fixture
def model(vocabulary: Vocabulary) -> Model:
    return make(vocabulary)[0]


def noise(frames: int) -> NDArray[np.float32]:
    """Sound that ends by itself: it is given to the engine as it is."""
    samples = np.random.default_rng(frames).normal(0, 0.1, frames * 160).astype(np.float32)
    samples[-12 * 160 :] *= 0.001
    return samples


def wav(samples: NDArray[np.float32]) -> bytes:
    data = (samples * 32767).clip(-32768, 32767).astype("<i2").tobytes()
    fmt = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt \x10\0\0\0"
        + fmt
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


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


def test_windows_are_joined_with_their_offsets(vocabulary: Vocabulary) -> None:
    samples = np.concatenate([noise(1_450), np.zeros(16_000, np.float32), noise(1_600)])
    (_, first), (_, last) = spans = windows(samples)
    frames = [round((end - start) * 100) for start, end in spans]
    script = {frames[0]: SCRIPT[200], frames[1]: SCRIPT[300]}
    result = make(vocabulary, script)[0].analyze(samples, sample_rate=16_000, vad="energy")
    assert result.text == f"{TEXT} Take aspirin, Ünal!"
    assert result.entities is not None and result.sentiment is not None
    assert [e.text for e in result.entities] == ["Angela Merkel", "Berlin", "aspirin"]
    assert [(s.start, s.end) for s in result.segments] == [(0.0, first), (first, last)]
    assert result.segments[1].text == "Take aspirin, Ünal!"
    assert result.sentiment.scores["positive"] == pytest.approx(first / last, abs=0.01)
    assert math.fsum(result.sentiment.scores.values()) == pytest.approx(1.0, abs=1e-3)


def test_silence_is_not_heard_and_said(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary)
    result = model.analyze(np.zeros(16_000 * 40, np.float32), sample_rate=16_000)
    assert engine.batches == [] and result.no_speech
    assert (result.text, result.entities, result.sentiment) == ("", (), None)
    assert "no speech was found in 40.0 s" in result.warnings[0]


def test_a_short_clip_without_speech_is_not_heard_where_the_bundle_says_so(vocabulary: Vocabulary) -> None:
    script = {200: Target("Made up.", ())}
    careful = manifest(vocabulary, audio=AudioSettings(min_speech=0.5))
    engine = ScriptedEngine(vocabulary, script)
    result = Model(engine, vocabulary, careful).analyze(noise(200), sample_rate=16_000)
    assert engine.batches == [] and result.no_speech and result.text == "" and result.entities == ()
    assert make(vocabulary, script)[0].analyze(noise(200), sample_rate=16_000).text == "Made up."


def test_a_bundle_may_tag_whenever_it_writes(vocabulary: Vocabulary) -> None:
    tagged, _ = make(vocabulary, decoder=DecoderSettings(tag_always=True))
    result = tagged.analyze(noise(200), sample_rate=16_000, tasks=["asr"])
    assert result.text == TEXT and result.entities is None and result.sentiment is None


def test_an_empty_transcript_has_no_sentiment(model: Model) -> None:
    result = model.analyze(noise(150), sample_rate=16_000)
    assert result.text == "" and result.sentiment is None and result.segments[0].no_speech
    assert "no speech" in result.warnings[0]


def test_open_types_are_spelled_as_asked_and_their_order_and_case_do_not_matter(
    vocabulary: Vocabulary,
) -> None:
    text = "Dial 555 for Ann."
    script = {
        200: Target(text, (entity(text, "555", "phone-number"), entity(text, "Ann", "person")), "Neutral")
    }
    model, engine = make(vocabulary, script)
    first = model.analyze(noise(200), sample_rate=16_000, entities=["Phone Number", "person"])
    second = model.analyze(noise(200), sample_rate=16_000, entities=["person", "Phone Number"])
    assert first.entities is not None and first.entities == second.entities
    assert [(e.type, e.text) for e in first.entities] == [("Phone Number", "555"), ("person", "Ann")]
    assert set(engine.prompts) == {" person, phone-number"}


def test_types_of_the_closed_set_use_the_closed_format(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, {200: Target(TEXT, (entity(TEXT, "Berlin", "PLACE"),), "Neutral")})
    result = model.analyze(noise(200), sample_rate=16_000, entities=["place"])
    assert result.entities is not None and engine.prompts == []
    assert [(e.type, e.text) for e in result.entities] == [("place", "Berlin")]


def test_many_types_take_several_passes(vocabulary: Vocabulary) -> None:
    text = "Dial 555 for Ann."
    script = {
        200: Target(text, (entity(text, "555", "a-type-7"), entity(text, "Ann", "z-type-9")), "Neutral")
    }
    model, engine = make(vocabulary, script)
    types = [f"a type {n}" for n in range(30)] + [f"z type {n}" for n in range(30)]
    result = model.analyze(noise(200), sample_rate=16_000, entities=types)
    assert result.entities is not None and result.sentiment is not None
    assert [(e.type, e.text) for e in result.entities] == [("a type 7", "555"), ("z type 9", "Ann")]
    assert len(engine.batches) == 1 and len(set(engine.prompts)) > 1
    assert all(len(prompt) <= 224 for prompt in engine.prompts)
    assert "60 entity types do not fit one prompt" in result.warnings[0]


def test_normalized_style_moves_everything(model: Model) -> None:
    result = model.analyze(noise(200), sample_rate=16_000, style="normalized")
    assert result.text == "angela merkel 's visit to berlin on monday"
    assert result.entities is not None
    assert [e.text for e in result.entities] == ["angela merkel", "berlin"]
    assert result.segments[0].text == result.text


def test_bias_changes_what_is_found(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary)
    none = model.analyze(noise(200), sample_rate=16_000, bias=-50.0)
    some = model.analyze(noise(200), sample_rate=16_000, bias={"person": -50.0})
    assert none.entities == () and some.entities is not None
    assert [e.type for e in some.entities] == [] or some.entities[0].type == "PLACE"


@pytest.mark.parametrize("beam", [1, 3])
def test_beam(model: Model, beam: int) -> None:
    assert model.analyze(noise(200), sample_rate=16_000, beam=beam).text == TEXT


def test_a_loop_is_cut_and_said(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, {200: Target("na " * 60, (), "Neutral")})
    result = model.analyze(noise(200), sample_rate=16_000)
    assert result.text is not None and len(result.text) < 30
    assert "repeat itself at 0.0–2.0 s" in result.warnings[0]


def test_many_files_give_the_same_as_one_by_one(vocabulary: Vocabulary, tmp_path: Path) -> None:
    model, engine = make(vocabulary)
    files = []
    for number, frames in enumerate([300, 200, 150, 300, 200]):
        files.append(tmp_path / f"{number}.wav")
        files[-1].write_bytes(wav(noise(frames)))
    together = list(model.analyze_many(files))
    assert engine.batches == [[150, 200, 200, 300, 300]]
    for file, result in zip(files, together, strict=True):
        alone = model.analyze(file)
        assert isinstance(result, Analysis) and result.file == str(file)
        assert (alone.text, alone.entities, alone.sentiment) == (
            result.text,
            result.entities,
            result.sentiment,
        )


def test_errors_of_single_files(model: Model, tmp_path: Path) -> None:
    good = tmp_path / "good.wav"
    good.write_bytes(wav(noise(200)))
    seen: list[int] = []
    sources = [good, tmp_path / "missing.wav", good]
    results = list(model.analyze_many(sources, on_error="yield", progress=seen.append, tasks=("asr",)))
    assert [type(r) for r in results] == [Analysis, AudioNotFoundError, Analysis] and seen == [0, 1, 2]
    with pytest.raises(AudioNotFoundError):
        list(model.analyze_many(sources))
    with pytest.raises(OptionError):  # at the call, not at the first result
        model.analyze_many(sources, beam=0)
    with pytest.raises(OptionError, match="on_error"):
        model.analyze_many(sources, on_error="skip")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"sources is 'a.wav': give a sequence"):
        model.analyze_many("a.wav")


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


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"tasks": ("asr", "translate")}, "unknown task 'translate'"),
    ({"tasks": ()}, "no tasks"),
    ({"tasks": "asr"}, "is the string"),
    ({"entities": []}, "entities is empty"),
    ({"entities": "person"}, "is the string"),
    ({"entities": ["person", " "]}, "is empty: name it"),
    ({"entities": ["person", None]}, "is no string: name it"),
    ({"entities": ["phone number", "Phone-Number"]}, "duplicate entity type 'Phone-Number'"),
    ({"entities": ["x" * 65]}, "65 characters"),
    ({"entities": [f"type {n}" for n in range(501)]}, "501 entity types"),
    ({"entities": ["person"], "tasks": ("asr",)}, "without the task ner"),
    ({"bias": math.nan}, "bias is nan"),
    ({"bias": math.inf}, "bias is inf"),
    ({"bias": "1"}, "bias is '1'"),
    ({"bias": True}, "bias is True"),
    ({"bias": 1e6}, "from -100 to 100"),
    ({"bias": {"person": math.nan}}, "bias of 'person' is nan"),
    ({"bias": {"dragon": 1.0}}, "bias of 'dragon', which is not asked for"),
    ({"bias": {"person": 1, "PERSON": 2}}, "duplicate bias"),
    ({"bias": {"person": 1}, "tasks": ("asr",)}, "without the task ner"),
    ({"mask": True}, "mask without entities"),
    ({"mask": True, "entities": ["person"]}, "not trained to mask"),
    ({"beam": 0}, "beam is 0"),
    ({"beam": 1.5}, "beam is 1.5"),
    ({"beam": 17}, "from 1 to 16"),
    ({"style": "shouting"}, "unknown style 'shouting'"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=lambda value: str(value)[:30])
def test_bad_options_are_refused_before_audio_is_read(
    model: Model, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        model.analyze("/missing.wav", **options)


def test_open_types_need_an_open_format(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, formats=("inline",))
    with pytest.raises(OptionError, match="entity type 'drug': this bundle only knows LAW"):
        model.check(AnalyzeOptions(entities=("person", "drug")))


def test_a_model_that_masks_never_writes_the_words(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, masking=True)
    result = model.analyze(noise(200), sample_rate=16_000, entities=("person", "place"), mask=True)
    assert result.text == "[PERSON]'s visit to [PLACE], on Monday."
    assert [(e.type, e.text) for e in result.entities or ()] == [("person", "[PERSON]"), ("place", "[PLACE]")]
    assert engine.prompts and all(prompt.startswith(f" {MASK}person, place") for prompt in engine.prompts)
    with pytest.raises(OptionError, match="30 types do not fit one prompt"):
        model.check(AnalyzeOptions(entities=tuple(f"type {n}" for n in range(30)), mask=True))


def test_engine_and_manifest_must_fit(vocabulary: Vocabulary) -> None:
    engine = ScriptedEngine(vocabulary, SCRIPT)
    engine.vocab_size = 10
    with pytest.raises(EngineError, match="10 tokens and the manifest"):
        Model(engine, vocabulary, manifest(vocabulary))


def test_the_bundles_bias_is_the_starting_point() -> None:
    defaults = DecoderSettings(bias={"PERSON": 1.0, "*": 0.25}).bias
    plan = plan_entities(AnalyzeOptions(bias={"person": 0.5}), SLUE, ("inline",), defaults)
    assert plan.bias["person"] == 1.5 and plan.bias["place"] == 0.25
    assert plan_entities(AnalyzeOptions(bias=-1.0), SLUE, ("inline",), defaults).bias["law"] == -0.75


def test_load_refuses_unknown_engines_and_threads() -> None:
    with pytest.raises(OptionError, match="unknown engine 'tensorrt'"):
        load(engine="tensorrt")  # type: ignore[arg-type]
    for threads in (0, -1, 1.5, True):
        with pytest.raises(OptionError, match="threads"):
            load(threads=threads)  # type: ignore[arg-type]


# Long recordings ------------------------------------------------------------------------------

SPEECH = Path(__file__).parents[2] / "examples" / "jfk.flac"
LOOP = Target("na " * 60, (), "Neutral")


class Always(dict[int, Target]):
    """A script with one target for every length that it does not list."""

    def __init__(self, target: Target, listed: Mapping[int, Target] | None = None) -> None:
        super().__init__(listed or {})
        self.target = target

    def __missing__(self, key: int) -> Target:
        return self.target


class BreakingEngine(ScriptedEngine):
    """Cannot hear windows of one length."""

    def __init__(self, vocabulary: Vocabulary, script: Mapping[int, Target], frames: int) -> None:
        super().__init__(vocabulary, script)
        self.frames = frames

    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> list[int]:
        if self.frames in frames:
            raise RuntimeError("out of memory")
        return super().encode(mel, frames)


def breaking(vocabulary: Vocabulary, script: Mapping[int, Target], frames: int) -> Model:
    return Model(BreakingEngine(vocabulary, script, frames), vocabulary, manifest(vocabulary))


def quiet(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 0.001, round(seconds * 16_000)).astype(np.float32)


def test_only_speech_of_long_audio_is_heard(vocabulary: Vocabulary) -> None:
    speech = load_audio(SPEECH)
    samples = np.concatenate([quiet(8), speech, quiet(20), speech, quiet(8)])
    model, engine = make(vocabulary, Always(SCRIPT[300]))
    result = model.analyze(samples, sample_rate=16_000, merge=3.0)
    assert result.duration == 58.0 and result.text == "Take aspirin, Ünal! Take aspirin, Ünal!"
    first, second = result.segments
    assert 7.9 < first.start < first.end < 19.2 and 38.9 < second.start < second.end < 50.2
    assert all(s.sentiment is not None and s.sentiment.label == "negative" for s in result.segments)
    assert all(s.failed is None and s.channel is None for s in result.segments)
    assert len(engine.batches) == 1
    # The same from a file, read in blocks.
    assert model.analyze(wav(samples), merge=3.0).segments == result.segments
    assert len(model.analyze(samples, sample_rate=16_000, window=5.0).segments) >= 4
    assert len(model.analyze(speech, sample_rate=16_000).segments) == 1
    assert len(model.analyze(speech, sample_rate=16_000, vad="silero", merge=0.2).segments) > 1


@pytest.mark.parametrize("level", [0.0, 0.002, 0.2])
def test_long_silence_and_noise_are_not_heard(vocabulary: Vocabulary, level: float) -> None:
    model, engine = make(vocabulary)
    samples = np.random.default_rng(0).normal(0, level, 16_000 * 60).astype(np.float32)
    result = model.analyze(samples, sample_rate=16_000)
    assert engine.batches == [] and result.no_speech and result.text == "" and result.sentiment is None
    assert [(s.start, s.end, s.no_speech) for s in result.segments] == [(0.0, 60.0, True)]
    assert "no speech was found in 60.0 s" in result.warnings[0]


def test_channels_of_a_call_are_heard_apart(vocabulary: Vocabulary) -> None:
    speech = load_audio(SPEECH)
    left = np.concatenate([speech, quiet(14), speech, quiet(14)])
    right = np.concatenate([quiet(12), speech, quiet(14), speech, quiet(2)])
    stereo = np.stack([left, right], axis=1)
    model, _ = make(vocabulary, Always(SCRIPT[200]))
    result = model.analyze(stereo, sample_rate=16_000, channels="split", merge=3.0)
    assert [s.channel for s in result.segments] == [0, 1, 0, 1]
    assert all(a.start < b.start for a, b in pairwise(result.segments))
    assert result.text == " ".join([TEXT] * 4) and result.entities is not None and len(result.entities) == 8
    short = model.analyze(stereo[: 16_000 * 20], sample_rate=16_000, channels="split")
    assert [(s.channel, s.start) for s in short.segments] == [(0, 0.0), (1, 0.0)]
    mono = model.analyze(noise(200), sample_rate=16_000, channels="split")
    assert [s.channel for s in mono.segments] == [0] and "has one channel" in mono.warnings[0]


def test_a_window_with_a_loop_is_heard_again_in_halves(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, Always(SCRIPT[300], {800: LOOP}))
    result = model.analyze(noise(800), sample_rate=16_000)
    assert [s.text for s in result.segments] == ["Take aspirin, Ünal!"] * 2 and result.warnings == ()
    assert (result.segments[0].start, result.segments[1].end) == (0.0, 8.0)
    assert result.segments[0].end == result.segments[1].start
    assert engine.batches[0] == [800]
    assert sum(engine.batches[1]) in (850, 851), "the first half breaks off and gets an end"


def test_a_clip_that_breaks_off_is_heard_with_silence_behind_it(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, Always(SCRIPT[300]))
    cut = noise(300)[: 280 * 160]
    result = model.analyze(cut, sample_rate=16_000)
    assert engine.batches == [[330]]
    (segment,) = result.segments
    assert (segment.start, segment.end, result.duration) == (0.0, 2.8, 2.8)
    assert all(0.0 <= word.start <= word.end <= 2.8 for word in segment.words or ())
    model.analyze(np.tile(cut, 11)[: 30 * 16_000], sample_rate=16_000)
    assert max(engine.batches[-1]) <= 3_000, "no further than the model can hear"


def test_a_window_that_still_grows_is_heard_once(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, Always(SCRIPT[300], {800: LOOP}))
    result = model.partial(noise(800), Target("", ()))
    assert len(engine.batches) == 1 and result.segments[0].failed == "the model began to repeat itself"
    whole = model.analyze(noise(300), sample_rate=16_000, tasks=("ner",))
    assert whole.text == "Take aspirin, Ünal!"
    begin = Target(
        "Take aspirin,", tuple(Span(e.start_char, e.end_char, e.type) for e in whole.entities or ())
    )
    again = model.partial(noise(300), begin, tasks=("ner",))
    assert again.text == whole.text and [e.text for e in again.entities or ()] == ["aspirin"]
    with pytest.raises(RecordError, match="entity type 'dragon'"):
        model.partial(noise(300), Target("Take aspirin,", (Span(5, 12, "dragon"),)))


def test_what_fails_in_the_end_is_marked_and_the_rest_is_kept(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, Always(SCRIPT[300], {400: LOOP}))
    samples = np.concatenate([noise(400), np.zeros(3_200, np.float32), noise(300)])
    failed, fine = model.analyze_many([wav(noise(400)), wav(samples)])
    assert isinstance(failed, Analysis) and isinstance(fine, Analysis)
    assert failed.segments[0].failed == "the model began to repeat itself"
    assert failed.text is not None and 0 < len(failed.text) < 30 and not failed.segments[0].no_speech
    assert fine.segments[0].failed is None and fine.text == "Take aspirin, Ünal!"


def test_an_engine_that_breaks_down_over_one_window_loses_no_other(vocabulary: Vocabulary) -> None:
    samples = np.concatenate([noise(1_450), np.zeros(16_000, np.float32), noise(1_600)])
    frames = [round((end - start) * 100) for start, end in windows(samples)]
    model = breaking(vocabulary, Always(SCRIPT[300]), frames[0])
    result = model.analyze(samples, sample_rate=16_000, vad="energy")
    assert result.text == "Take aspirin, Ünal!" and not result.no_speech
    lost, kept = result.segments
    assert lost.failed == "the engine failed (RuntimeError: out of memory)" and lost.text == ""
    assert kept.failed is None and "this part was not heard" in result.warnings[0]


def test_a_file_of_which_nothing_can_be_heard_is_an_error(vocabulary: Vocabulary) -> None:
    model = breaking(vocabulary, SCRIPT, 200)
    with pytest.raises(EngineError, match=r"array: the engine failed .RuntimeError: out of memory"):
        model.analyze(noise(200), sample_rate=16_000)
    one, other = model.analyze_many([wav(noise(200)), wav(noise(300))], on_error="yield")
    assert isinstance(one, EngineError) and isinstance(other, Analysis) and other.text


def test_work_can_end_early_and_keeps_what_was_heard(vocabulary: Vocabulary, tmp_path: Path) -> None:
    long, short = tmp_path / "long.wav", tmp_path / "short.wav"
    long.write_bytes(wav(noise(40_000)))
    short.write_bytes(wav(noise(300)))
    model, engine = make(vocabulary, Always(SCRIPT[300]))
    seen: list[tuple[int, float, float | None]] = []

    def watch(progress: Progress) -> bool:
        seen.append((progress.file, progress.seconds, progress.total))
        return len(engine.batches) >= 2

    results = list(model.analyze_many([short, long, short], watch=watch, vad="energy", window=4.0))
    first, partial = results
    assert isinstance(first, Analysis) and isinstance(partial, Analysis) and partial.file == str(long)
    assert partial.duration == 400.0 and "interrupted: only" in partial.warnings[-1]
    heard = [s for s in partial.segments if s.failed is None]
    assert 20 <= len(heard) < 60 and {s.failed for s in partial.segments} == {
        None,
        "interrupted before it was heard",
    }
    assert partial.text == " ".join(["Take aspirin, Ünal!"] * len(heard))
    assert all(total == 400.0 for file, _, total in seen if file == 1)
    assert [seconds for file, seconds, _ in seen if file == 1][-1] > 20
    # At once, before anything was heard: a result nevertheless.
    nothing = model.analyze(long, watch=lambda progress: True)
    assert nothing.text == "" and "interrupted" in nothing.warnings[-1]


class DividedEngine(ScriptedEngine):
    """An engine that offers to work side by side."""

    def divided(self) -> list[ScriptedEngine]:
        self.others = [ScriptedEngine(self.vocabulary, self.script) for _ in range(3)]
        return self.others


def test_side_by_side_gives_the_same(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.schedule.BATCH", 3)
    samples = np.concatenate([noise(100 * n) for n in range(4, 14)])
    script = Always(SCRIPT[200], {frames: SCRIPT[300] for frames in range(0, 3_000, 3)})
    engine = DividedEngine(vocabulary, script)
    divided = Model(engine, vocabulary, manifest(vocabulary))
    wanted = make(vocabulary, script)[0].analyze(samples, sample_rate=16_000, vad="energy", window=4.0)
    found = divided.analyze(samples, sample_rate=16_000, vad="energy", window=4.0)
    assert (found.text, found.entities, found.segments) == (wanted.text, wanted.entities, wanted.segments)
    assert engine.batches == [] and sum(len(other.batches) for other in engine.others) > 5
    assert divided.analyze(noise(200), sample_rate=16_000).text == TEXT and engine.batches == [[200]]


def test_an_error_in_the_middle_of_a_file_is_that_files_alone(vocabulary: Vocabulary) -> None:
    broken = bytearray(wav(noise(6_000)))
    samples = noise(6_000)
    samples[16_000 * 50] = np.nan
    model, _ = make(vocabulary, Always(SCRIPT[300]))
    with pytest.raises(AudioError, match=r"not numbers: nan at 50.000 s"):
        model.analyze(samples, sample_rate=16_000, vad="energy")
    cut = bytes(broken[: len(broken) // 2 + 1])  # in the middle of a sample
    result = model.analyze(cut, vad="energy")
    assert abs(result.duration - 30.0) < 0.01 and "is cut off: 30.0 s of 60.0 s" in result.warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 3_000])
def test_three_hours_without_speech(vocabulary: Vocabulary, tmp_path: Path, level: int) -> None:
    path = tmp_path / "hours.wav"
    block = np.random.default_rng(0).normal(0, level, 160_000).clip(-32768, 32767).astype("<i2").tobytes()
    head = wav(np.zeros(0, np.float32))
    size = len(block) * 1_080
    with path.open("wb") as file:
        file.write(head[:4] + struct.pack("<I", 36 + size) + head[8:40] + struct.pack("<I", size))
        for _ in range(1_080):
            file.write(block)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = make(vocabulary)[0].analyze(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.no_speech and result.duration == 10_800.0 and len(result.segments) == 1
    assert grown < 200_000  # KiB; the samples alone would take 690 MB


# The parts ------------------------------------------------------------------------------------


def test_windows_cover_the_audio_and_cut_in_pauses() -> None:
    rng = np.random.default_rng(0)
    for seconds in (0.2, 5, 30, 30.01, 31, 44.5, 59.99, 60, 61, 300):
        samples = rng.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
        pauses = np.arange(0, len(samples), 16_000 * 4)
        for start in pauses:
            samples[start : start + 6_400] *= 0.01
        spans = windows(samples)
        assert spans[0][0] == 0.0 and spans[-1][1] == len(samples) / 16_000
        assert all(a[1] == b[0] for a, b in pairwise(spans))
        assert all(0 < end - start <= MAX_SECONDS for start, end in spans)
        assert len(spans) == 1 or min(end - start for start, end in spans) > 10
        for start, _ in spans[1:]:
            assert min(abs(start - pause / 16_000 - 0.2) for pause in pauses) < 0.25


def test_silence() -> None:
    rng = np.random.default_rng(0)
    dither = rng.integers(-1, 2, 16_000) / 32_768
    assert is_silent(np.zeros(0, np.float32)) and is_silent(np.full(16_000, 0.5, np.float32))
    assert is_silent(dither.astype(np.float32))
    assert not is_silent(rng.normal(0, 0.001, 16_000).astype(np.float32))
    click = np.zeros(16_000, np.float32)
    click[-1] = 0.5
    assert not is_silent(click)


@pytest.mark.parametrize(
    ("text", "phrase", "expected", "found"),
    [("Europe's plan.", "Europe", "europe 's plan", "europe"),
     ("In St. Paul’s, yes!", "St. Paul’s", "in st paul 's yes", "st paul 's"),
     ("$3.5, ok? ", "$3.5", "$35 ok", "$35"),
     ("İzmir !", "İzmir", "i̇zmir", "i̇zmir"),
     ("a . b", ".", "a b", None)],
)  # fmt: skip
def test_normalized_style(text: str, phrase: str, expected: str, found: str | None) -> None:
    out, spans, kept = normalize(text, [entity(text, phrase, "X")])
    assert out == expected
    assert [out[s.start : s.end] for s in spans] == ([] if found is None else [found])
    assert kept == (() if found is None else (0,))


def test_confidence_is_a_geometric_mean() -> None:
    assert entity_confidence([0.0, math.log(0.5), math.log(0.125), -9.0], 1, 3) == pytest.approx(0.25)
    assert entity_confidence([], 0, 0) == 0.0


def test_merging_passes() -> None:
    best = Heard("Dr. Ann Lee called.", (Found(Span(4, 11, "person"), 0.9),), {"Neutral": 1.0}, -0.1)
    other = Heard(
        "Dr Ann Lee called.",
        (Found(Span(0, 10, "doctor"), 0.5), Found(Span(11, 17, "verb"), 0.6)),
        None,
        -0.2,
    )
    merged = merge_passes([other, best])
    assert merged.text == best.text and merged.scores == {"Neutral": 1.0}
    assert merged.entities is not None
    assert [(f.span.type, merged.text[f.span.start : f.span.end]) for f in merged.entities] == [
        ("person", "Ann Lee"),
        ("verb", "called"),
    ]
    assert moved(Span(0, 3, "x"), "abc", "xyz") is None
