"""Speakers of live speech: told apart as they speak, from the stream so far, and never revised."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from unislu.result import Speaker

from .clustering import THRESHOLD, linked, nearest_names
from .embedding import Voice, embed, unit
from .labelling import speak

EVIDENCE = 3
"""Windows that a new voice must have; with fewer it is taken for the nearest known one. Tuned like
`clustering.THRESHOLD`.
"""
KEPT = 100
"""Windows of a speaker that are kept, the last ones: more than a minute of speech."""


class LiveSpeakers:
    """The speakers of one stream, utterance by utterance.

    The windows of an utterance are clustered together with earlier ones; a cluster belongs to the
    speaker who has most of its windows. It keeps the last `KEPT` embeddings of each speaker.
    """

    def __init__(
        self,
        count: int | None = None,
        names: Sequence[str] = (),
        enrolled: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        """As for `with_speakers`: their number if it is known, names in order, known voices."""
        self._count, self._names = count, list(names)
        self._enrolled = list((enrolled or {}).items())
        self._embeddings: list[deque[NDArray[np.float32]]] = []  # by speaker
        self._seconds: list[float] = []
        self._spoke = 0  # who said the last word
        self._given: list[str | None] = []  # names, which stay with whom they were given to

    def identify(
        self, samples: NDArray[np.float32], start: float, units: Sequence[tuple[float, float]]
    ) -> list[str]:
        """Who says each word of a closed utterance, by id.

        Args:
            samples: [n] float32 at 16 kHz, of the utterance.
            start: of the samples, in seconds.
            units: start and end of each word, in seconds, in order.
        """
        found = [Voice(start + first, start + last, row) for first, last, row in embed(samples)]
        return self.assign(found, units)

    def assign(self, voices: Sequence[Voice], units: Sequence[tuple[float, float]]) -> list[str]:
        """As `identify`, from the embeddings of the utterance."""
        if not units:
            return []
        rows = [voice.embedding for voice in voices]
        owners = self._owners(rows) if rows else [self._last]
        known = sorted(set(owners))
        for speaker in known:
            self._name(speaker)
        here = np.stack([self._here(speaker, owners, rows) for speaker in known])
        ids = []
        for owner, (first, last) in zip(speak(units, voices, here), units, strict=True):
            speaker = known[owner]
            self._seconds[speaker] += last - first
            ids.append(f"S{speaker + 1}")
            self._spoke = speaker
        return ids

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Everyone who has spoken so far."""
        return tuple(
            Speaker(f"S{number}", round(seconds, 3), name)
            for number, (seconds, name) in enumerate(zip(self._seconds, self._given, strict=True), start=1)
        )

    def _name(self, place: int) -> None:
        """Give a speaker without a name that of their voice, or the next that is no known voice's."""
        voice = self._voice(place)
        if self._given[place] is not None or not voice.any():
            return
        left = [(name, known) for name, known in self._enrolled if name not in self._given]
        taken = {*self._given, *(name for name, _ in self._enrolled)}
        in_order = next((name for name in self._names if name not in taken), None)
        self._given[place] = nearest_names(voice[None], left)[0] or in_order

    @property
    def _last(self) -> int:
        """The speaker of an utterance too short to have a voice: whoever spoke before it."""
        return self._spoke if self._embeddings else self._add()

    def _owners(self, rows: Sequence[NDArray[np.float32]]) -> list[int]:
        """The number of the speaker of each window of an utterance."""
        before = [row for kept in self._embeddings for row in kept]
        points = np.stack([*before, *rows])
        labels = linked(points, np.ones(len(points)), 1, THRESHOLD)
        speakers = self._matched(labels[: len(before)], labels.max() + 1)
        own = labels[len(before) :]
        for label in dict.fromkeys(own.tolist()):
            if label not in speakers:
                speakers[label] = self._unknown(points[labels == label])
            self._embeddings[speakers[label]].extend(points[len(before) :][own == label])
        return [speakers[label] for label in own.tolist()]

    def _matched(self, labels: NDArray[np.int64], clusters: int) -> dict[int, int]:
        """The speaker of each cluster with earlier windows: whoever has most of them; each speaker once."""
        table = np.zeros((clusters, len(self._embeddings)), np.int64)
        speakers = [place for place, kept in enumerate(self._embeddings) for _ in kept]
        for label, speaker in zip(labels, speakers, strict=True):
            table[label, speaker] += 1
        found: dict[int, int] = {}
        while table.any():
            row, column = np.unravel_index(int(table.argmax()), table.shape)
            found[int(row)] = int(column)
            table[row], table[:, column] = 0, 0
        return found

    def _unknown(self, rows: NDArray[np.float32]) -> int:
        """The speaker of a cluster [n, 256] without earlier windows: the nearest one, or a new one."""
        if self._embeddings and not self._embeddings[-1]:  # who has no voice yet is this one
            return len(self._embeddings) - 1
        full = self._count is not None and len(self._embeddings) >= self._count
        if self._embeddings and (full or len(rows) < EVIDENCE):
            mean = rows.mean(axis=0)
            return int(np.argmax([mean @ self._voice(place) for place in range(len(self._embeddings))]))
        return self._add()

    def _here(
        self, speaker: int, owners: Sequence[int], rows: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """The voice of a speaker in an utterance: as it is there rather than as it was before."""
        own = [row for row, owner in zip(rows, owners, strict=False) if owner == speaker]
        return unit(np.mean([*own, self._voice(speaker)], axis=0))

    def _voice(self, place: int) -> NDArray[np.float32]:
        """The voice of a speaker, [256] float32; zeros before the first window."""
        kept = self._embeddings[place]
        return unit(np.mean(kept, axis=0)) if kept else np.zeros(256, np.float32)

    def _add(self) -> int:
        self._embeddings.append(deque(maxlen=KEPT))
        self._seconds.append(0.0)
        self._given.append(None)
        return len(self._embeddings) - 1
