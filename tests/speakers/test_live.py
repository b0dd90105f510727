"""Speakers of live speech: who was heard before is known again, and nothing that was said is revised."""

from __future__ import annotations

import numpy as np
import pytest

from unislu.speakers import LiveSpeakers, Voice
from unislu.speakers.embedding import unit
from unislu.speakers.live import KEPT

WORDS = [(0.5 * n, 0.5 * n + 0.4) for n in range(8)]


def utterance(*numbers: int, seed: int = 0) -> list[Voice]:
    """Four windows of each voice, one voice after the other."""
    generator = np.random.default_rng(seed)
    found = []
    for place, number in enumerate(numbers):
        for step in range(4):
            row = np.eye(256, dtype=np.float32)[number] + 0.02 * generator.standard_normal(256)
            start = 4.0 * place + 0.6 * step
            found.append(Voice(start, start + 1.6, unit(row)))
    return found


def test_a_voice_is_known_again() -> None:
    live = LiveSpeakers()
    heard = enumerate([3, 7, 3, 7, 5])
    said = [set(live.assign(utterance(number, seed=place), WORDS)) for place, number in heard]
    assert said == [{"S1"}, {"S2"}, {"S1"}, {"S2"}, {"S3"}]
    assert {speaker.id: speaker.seconds for speaker in live.speakers} == {"S1": 6.4, "S2": 6.4, "S3": 3.2}


def test_ids_are_stable_while_more_people_speak() -> None:
    live, before = LiveSpeakers(), 0
    for number in (1, 2, 3, 4):
        live.assign(utterance(number), WORDS)
        ids = [speaker.id for speaker in live.speakers]
        assert ids[:before] == [f"S{n + 1}" for n in range(before)]
        before = len(ids)


def test_two_new_voices_in_one_utterance_are_two_speakers() -> None:
    live = LiveSpeakers()
    units = [(0.5 * n, 0.5 * n + 0.4) for n in range(14)]
    said = live.assign(utterance(4, 9), units)
    assert (said[0], said[-1]) == ("S1", "S2") and len(live.speakers) == 2
    assert set(live.assign(utterance(9, seed=1), WORDS)) == {"S2"}


def test_little_is_kept_of_a_long_stream() -> None:
    live = LiveSpeakers()
    for place in range(60):
        live.assign(utterance(place % 2, seed=place), WORDS)
    assert [len(kept) for kept in live._embeddings] == [KEPT, KEPT]
    assert len(live.speakers) == 2


def test_a_known_number_is_not_exceeded() -> None:
    live = LiveSpeakers(2)
    for number in range(5):
        live.assign(utterance(number), WORDS)
    assert len(live.speakers) == 2


def test_what_is_too_short_for_a_voice_goes_to_the_last_speaker() -> None:
    live = LiveSpeakers()
    assert live.assign([], [(0.0, 0.2)]) == ["S1"]  # nobody was heard before
    assert set(live.assign(utterance(3), WORDS)) == {"S1"}
    live = LiveSpeakers()
    live.assign(utterance(1), WORDS)
    live.assign(utterance(2), WORDS)
    assert live.assign([], [(9.0, 9.2)]) == ["S2"]
    assert live.assign(utterance(6)[:1], [(9.0, 9.2)]) != ["S3"]
    assert live.assign([], []) == []


@pytest.mark.parametrize("seed", range(8))
def test_a_confirmed_speaker_never_changes(seed: int) -> None:
    """Neither whose a voice is, nor a name, whatever is heard later: also a voice nearer to a known one."""
    generator = np.random.default_rng(seed)
    near = unit(np.eye(256)[1] + 0.9 * np.eye(256)[2])  # the second voice is like it, the third even more
    live = LiveSpeakers(names=("Ann", "Ben", "Cat"), enrolled={"Ben": near, "Dan": unit(np.eye(256)[5])})
    names: dict[str, str] = {}
    owner: dict[int, str] = {}
    for place, number in enumerate(generator.integers(0, 6, 40)):
        said = set(live.assign(utterance(int(number), seed=place), WORDS))
        assert said == {owner.setdefault(int(number), *said)}
        for speaker in live.speakers:
            assert speaker.name == names.setdefault(speaker.id, speaker.name or "") or not speaker.name
    assert len(set(owner.values())) == len(owner) == len(live.speakers)
    given = [speaker.name for speaker in live.speakers if speaker.name]
    assert len(given) == len(set(given)) and {"Ben", "Dan"} <= set(given)


@pytest.mark.parametrize("names", [("Ann", "Ben"), ("Ben",)])
def test_names_and_known_voices(names: tuple[str, ...]) -> None:
    ben = {"Ben": np.eye(256, dtype=np.float32)[4]}
    live = LiveSpeakers(names=names, enrolled=ben)
    live.assign(utterance(4), WORDS)
    live.assign(utterance(5), WORDS)
    assert [speaker.name for speaker in live.speakers] == ["Ben", "Ann" if "Ann" in names else None]
