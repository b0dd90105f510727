from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unislu.audio import load_audio
from unislu.errors import AudioError, OptionError
from unislu.recognition.request import Request
from unislu.result import Analysis, Entity, Segment, Sentiment, Word
from unislu.speakers import Voice, VoiceTrack, cluster, embed, profile, unmet, with_speakers
from unislu.speakers.clustering import MANY
from unislu.speakers.embedding import FRAMES, spectrogram, unit
from unislu.writers import get_writer
from unislu.writers.rttm import speaker_turns

SECOND = 16_000


@pytest.fixture(scope="module")
def jfk() -> Path:
    return Path(__file__).parents[2] / "examples" / "jfk.flac"


def directions(count: int, per: int, noise: float = 0.02, seed: int = 0) -> np.ndarray:
    """`per` embeddings of each of `count` voices, one voice after the other."""
    generator = np.random.default_rng(seed)
    centres = np.eye(256, dtype=np.float32)[:count]
    rows = np.repeat(centres, per, axis=0) + noise * generator.standard_normal((count * per, 256))
    return unit(rows)


def said(words: list[tuple[str, float, float]], **fields: object) -> Analysis:
    """A result with one segment of these words."""
    text = " ".join(word for word, _, _ in words)
    placed, position = [], 0
    for word, start, end in words:
        placed.append(Word(word, start, end, position, position + len(word), 0.9))
        position += len(word) + 1
    segment = Segment(0.0, words[-1][2] + 0.5, text, 0, len(text), words=tuple(placed))
    changed = replace(segment, **fields)  # type: ignore[arg-type]
    return Analysis(text, words[-1][2] + 0.5, "test 1", file="call.wav", segments=(changed,))


def voices(*stretches: tuple[int, float, float]) -> list[Voice]:
    """Windows of 1.6 s every 0.75 s with the voice `number` from start to end."""
    rows = directions(3, 1, noise=0.0)
    return [
        Voice(start, start + 1.6, rows[number])
        for number, first, last in stretches
        for start in np.arange(first, max(first + 0.1, last - 1.6), 0.75)
    ]


def test_spectrogram_is_the_power_of_a_tone_in_its_band() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(SECOND) / SECOND).astype(np.float32)
    found = spectrogram(tone)
    assert found.shape == (101, 40) and found.dtype == np.float32
    # 1 kHz is 15 mel of 45.2 on Slaney's scale, nearest to the centre of the 14th of 40 bands.
    # Zeros stand before the beginning.
    assert found[50].argmax() == 13
    assert found[0].sum() < found[50].sum()
    assert np.allclose(spectrogram(2 * tone), 4 * found, rtol=1e-3, atol=1e-6)


def test_a_voice_is_like_itself_at_any_level(jfk: Path) -> None:
    samples = load_audio(jfk)
    found = embed(samples)
    rows = np.stack([row for _, _, row in found])
    assert rows.shape[1] == 256 and np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-3)
    assert found[0][0] == 0.0 and found[-1][1] == pytest.approx(len(samples) / SECOND, abs=0.02)
    quiet = np.stack([row for _, _, row in embed(0.05 * samples)])
    assert (rows * quiet).sum(axis=1).min() > 0.99
    half = len(samples) // 2
    assert profile(samples[:half]) @ profile(samples[half:]) > 0.75


def test_what_is_too_short_or_silent_has_no_voice() -> None:
    assert embed(np.zeros(0, np.float32)) == []
    assert embed(np.ones(SECOND // 5, np.float32)) == []
    assert embed(np.zeros(3 * SECOND, np.float32)) == []
    with pytest.raises(AudioError, match=r"ann\.wav: too little sound"):
        profile(np.zeros(SECOND, np.float32), "ann.wav")
    with pytest.raises(AudioError, match="give a clip of 3 seconds"):
        profile(np.full(SECOND, 0.1, np.float32), "ann.wav")


def test_half_a_second_is_described(jfk: Path) -> None:
    assert len(embed(load_audio(jfk)[SECOND : SECOND + SECOND // 2])) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_number_of_speakers_is_found(count: int) -> None:
    found = cluster(directions(count, 12))
    assert found.shape == (count, 256)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_clusters_do_not_depend_on_the_order_of_windows() -> None:
    rows = directions(3, 20)
    mixed = np.random.default_rng(1).permutation(rows)
    likeness = cluster(rows) @ cluster(mixed).T
    assert np.allclose(likeness.max(axis=1), 1.0, atol=1e-4)


@pytest.mark.parametrize("asked", [2, 3, 7])
def test_one_voice_does_not_become_two_people(asked: int) -> None:
    assert len(cluster(directions(4, 10), asked)) == min(4, asked)
    assert len(cluster(directions(1, 12), asked)) == 1
    rows = directions(2, 12)
    assert np.array_equal(cluster(rows, asked), cluster(rows))
    assert len(cluster(np.zeros((0, 256), np.float32), asked)) == 0


def test_voices_of_a_moment_do_not_count_where_the_number_is_known() -> None:
    rows = np.concatenate([directions(2, 20), np.eye(256, dtype=np.float32)[100:102]])
    found = cluster(rows, 3)
    assert found.shape == (2, 256) and (found @ np.eye(256)[:, :2]).max(axis=0).min() > 0.95


def test_what_was_asked_and_is_not_there_is_said() -> None:
    words = [("hello", 0.0, 1.5), ("goodbye", 4.5, 6.0)]
    track = voices((0, 0.0, 2.0), (0, 0.2, 2.2), (0, 0.1, 2.1), (1, 4.2, 6.2), (1, 4.4, 6.4), (1, 4.3, 6.3))
    names, known = ("Ann", "Ben", "Cat"), {"Dan": np.eye(256, dtype=np.float32)[9]}
    found = with_speakers(said(words), track, 3, names, known)
    assert unmet(found, 3, names, known) == [
        "3 speakers were asked for; 2 voices can be told apart",
        "speaker names that nobody got: Cat; 2 voices can be told apart",
        "known voices that nobody sounds like: Dan",
    ]
    assert unmet(found, 2, names[:2], ()) == []


def test_speech_too_short_for_a_voice_is_one_speaker() -> None:
    found = with_speakers(said([("yes", 0.0, 0.2)]), (), 2, ("Ann",))
    assert [(speaker.id, speaker.name) for speaker in found.speakers or ()] == [("S1", "Ann")]


def test_three_hours_are_clustered_with_a_small_table() -> None:
    rows = np.concatenate([directions(2, 4000, seed=1), directions(2, 3200, seed=2)])
    assert len(rows) > 4 * MANY
    assert len(cluster(rows)) == 2


def test_fast_turns_are_told_apart_in_long_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.speakers.clustering.MANY", 100)
    found = cluster(np.random.default_rng(3).permutation(directions(4, 150)))
    assert found.shape == (4, 256) and np.allclose((found @ np.eye(256)[:, :4]).max(axis=0), 1.0, atol=0.01)


def test_words_get_the_speaker_of_the_windows_around_them() -> None:
    words = [(f"a{n}", 0.4 * n, 0.4 * n + 0.3) for n in range(10)]
    words += [(f"b{n}", 4.4 + 0.4 * n, 4.7 + 0.4 * n) for n in range(10)]
    found = with_speakers(said(words), voices((0, 0.0, 4.2), (1, 4.3, 8.6)))
    assert [word.speaker for word in found.segments[0].words or ()] == ["S1"] * 10 + ["S2"] * 10
    assert [(speaker.id, speaker.seconds) for speaker in found.speakers or ()] == [("S1", 3.0), ("S2", 3.0)]


def test_an_interjection_between_pauses_is_kept() -> None:
    words = [(f"a{n}", 0.4 * n, 0.4 * n + 0.35) for n in range(12)]
    words += [("yes", 5.6, 6.6)]
    words += [(f"c{n}", 7.6 + 0.4 * n, 7.95 + 0.4 * n) for n in range(12)]
    track = voices((0, 0.0, 4.8), (1, 5.3, 6.9), (0, 7.6, 12.4))
    found = with_speakers(said(words), [*track, *voices((1, 5.4, 5.5), (1, 5.2, 5.3))], 2)
    assert [word.speaker for word in found.segments[0].words or ()] == ["S1"] * 12 + ["S2"] + ["S1"] * 12


def test_entities_and_sentiment_go_with_the_speaker() -> None:
    words = [("in", 0.0, 0.3), ("Boston", 0.4, 1.5), ("no", 4.5, 5.0), ("never", 5.1, 6.0)]
    mood = Sentiment("negative", {"negative": 0.75, "positive": 0.25})
    result = said(words, sentiment=mood)
    result = replace(result, entities=(Entity("PLACE", "Boston", 3, 9),))
    found = with_speakers(result, voices((0, 0.0, 2.0), (0, 0.2, 2.2), (1, 4.2, 6.2), (1, 4.4, 6.4)), 2)
    assert found.entities is not None and found.entities[0].speaker == "S1"
    assert [speaker.sentiment for speaker in found.speakers or ()] == [mood, mood]


def test_names_follow_the_order_of_speaking_and_known_voices_come_first() -> None:
    words = [("hello", 0.0, 1.5), ("goodbye", 4.5, 6.0)]
    track = voices((0, 0.0, 2.0), (0, 0.2, 2.2), (1, 4.2, 6.2), (1, 4.4, 6.4))
    named = with_speakers(said(words), track, 2, names=("Ann", "Ben"))
    assert [(speaker.id, speaker.name) for speaker in named.speakers or ()] == [("S1", "Ann"), ("S2", "Ben")]
    ben = {"Ben": directions(3, 1, noise=0.0)[0]}
    known = with_speakers(said(words), track, 2, names=("Ann", "Ben"), enrolled=ben)
    assert [(speaker.id, speaker.name) for speaker in known.speakers or ()] == [("S1", "Ben"), ("S2", "Ann")]


def test_separate_channels_are_speakers() -> None:
    one, other = said([("hello", 0.0, 1.0)], channel=0), said([("yes", 1.0, 2.0)], channel=1)
    moved = replace(
        other.segments[0], start_char=6, end_char=9,
        words=tuple(replace(w, start_char=6, end_char=9) for w in other.segments[0].words or ()),
    )  # fmt: skip
    result = replace(one, text="hello yes", segments=(one.segments[0], moved))
    found = with_speakers(result, ())
    assert [segment.speaker for segment in found.segments] == ["S1", "S2"]


def test_writers_show_who_speaks() -> None:
    words = [("hello", 0.0, 1.5), ("goodbye", 4.5, 6.0)]
    track = voices((0, 0.0, 2.0), (0, 0.2, 2.2), (1, 4.2, 6.2), (1, 4.4, 6.4))
    found = with_speakers(said(words), track, 2, names=("Ann Lee", "Ben"))
    assert get_writer("txt").render(found) == "Ann Lee: hello\nBen: goodbye\n"
    assert "Ben: goodbye" in get_writer("srt").render(found)
    assert "<v Ann Lee>hello" in get_writer("vtt").render(found)
    assert get_writer("rttm").render(found) == (
        "SPEAKER call 1 0.000 1.900 <NA> <NA> Ann_Lee <NA> <NA>\n"
        "SPEAKER call 1 4.100 2.300 <NA> <NA> Ben <NA> <NA>\n"
    )
    with pytest.raises(OptionError, match="--speakers auto"):
        get_writer("rttm").render(said(words))


def test_turns_without_times_of_words_are_segments() -> None:
    result = said([("hello", 0.0, 1.5)])
    result = replace(result, segments=(replace(result.segments[0], words=None),))
    found = with_speakers(result, voices((0, 0.0, 2.0)))
    assert speaker_turns(found) == [(0.0, 2.0, "S1")]


def test_json_has_speakers_only_where_they_were_requested() -> None:
    plain = said([("hello", 0.0, 1.5)])
    assert "speaker" not in json.dumps(plain.to_dict())
    found = with_speakers(plain, voices((0, 0.0, 2.0)))
    assert Analysis.from_dict(json.loads(found.to_json())) == found
    assert found.to_dict()["speakers"] == [{"id": "S1", "seconds": 1.5, "name": None, "sentiment": None}]


def test_silence_has_no_speakers() -> None:
    silent = Analysis("", 3.0, "test 1", segments=(Segment(0.0, 3.0, "", 0, 0, no_speech=True),))
    assert with_speakers(silent, ()).speakers == ()


@pytest.mark.parametrize("value", [0, -1, 21, "many", 2.5, True])
def test_bad_numbers_of_speakers(value: object) -> None:
    with pytest.raises(OptionError, match="from 1 to 20"):
        Request(speakers=value)  # type: ignore[arg-type]


def test_requests_with_speakers() -> None:
    assert Request(speakers="off") == Request()
    assert Request(speakers="2").speakers == 2
    request = Request(speakers="auto", speaker_names=["Ann"], voices={"Ben": [0.0] * 256})
    assert Request(**request.to_dict()) == request and hash(request)
    with pytest.raises(OptionError, match="without speakers"):
        Request(speaker_names=("Ann",))
    with pytest.raises(OptionError, match="given twice"):
        Request(speakers="auto", speaker_names=("Ann", "Ann"))
    with pytest.raises(OptionError, match="one speaker each"):
        Request(speakers="auto", voices={"Ben": [0.0] * 256}, channels="split")
    with pytest.raises(OptionError, match="without a transcript"):
        Request(speakers="auto", tasks=("sa",))


def test_short_stretches_share_batches_and_keep_their_order(jfk: Path) -> None:
    samples = load_audio(jfk)
    track, alone = VoiceTrack(), []
    for start in (0, 3, 6, 0, 3, 6):  # three windows each
        stretch = samples[start * SECOND : (start + 3) * SECOND]
        alone += [row for *_, row in embed(stretch)]
        track.add(stretch, 10.0 + start)
    found = track.voices
    assert len(found) == 18 and track.voices is found
    assert [round(voice.start, 2) for voice in found[3:6]] == [13.0, 13.85, 14.71]
    likeness = [float(voice.embedding @ row) for voice, row in zip(found, alone, strict=True)]
    assert min(likeness) > 0.98  # eight bits, of other ranges


def test_a_track_keeps_embeddings_alone(jfk: Path) -> None:
    track = VoiceTrack()
    samples = load_audio(jfk)
    track.add(samples, 100.0)
    assert all(voice.embedding.nbytes == 1024 for voice in track.voices)
    assert track.voices[0].start == 100.0
    assert track.voices[0].end == pytest.approx(100.0 + FRAMES / 100)


def test_names_with_markup_are_escaped_and_html_is_cut_where_the_speaker_changes() -> None:
    words = [("hello", 0.0, 1.5), ("goodbye", 4.5, 6.0)]
    track = voices((0, 0.0, 2.0), (0, 0.2, 2.2), (1, 4.2, 6.2), (1, 4.4, 6.4))
    found = with_speakers(said(words), track, 2, names=("<Ann> & co", "Ben"))
    page = get_writer("html").render(found)
    assert "&lt;Ann&gt; &amp; co" in page and "<Ann>" not in page
    assert page.count('<p class="text">') == 2
    assert "<v &lt;Ann&gt; &amp; co>hello" in get_writer("vtt").render(found)
    tiers = get_writer("textgrid").render(found)
    assert "Ben - words" in tiers and "S2" not in tiers


def test_other_services_shapes_have_speakers() -> None:
    pytest.importorskip("fastapi")
    from unislu.server.formats import assemblyai, deepgram

    words = [("hello", 0.0, 1.5), ("goodbye", 4.5, 6.0)]
    track = voices((0, 0.0, 2.0), (0, 0.2, 2.2), (1, 4.2, 6.2), (1, 4.4, 6.4))
    found = with_speakers(said(words), track, 2, names=("Ann",))
    shown = deepgram(found)["results"]["channels"][0]["alternatives"][0]["words"]
    assert [word["speaker"] for word in shown] == [0, 1]
    body = assemblyai(found)
    assert [word["speaker"] for word in body["words"]] == ["Ann", "S2"]
    said_by = [(part["speaker"], part["text"]) for part in body["utterances"]]
    assert said_by == [("Ann", "hello"), ("S2", "goodbye")]
    plain = said(words)
    assert "speaker" not in deepgram(plain)["results"]["channels"][0]["alternatives"][0]["words"][0]
    assert assemblyai(plain)["words"][0]["speaker"] is None and "utterances" not in assemblyai(plain)
