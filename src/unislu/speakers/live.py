"""Speakers of live speech: told apart as they speak, by what was heard so far, and never revised."""

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
"""Windows in which a new voice must be heard; with fewer it is taken for the nearest known one. Tuned like
`clustering.THRESHOLD`.
"""
KEPT = 100
"""Windows of a speaker that are kept, the last ones: more than a minute of speech."""


class LiveSpeakers:
    """The speakers of one stream, utterance by utterance.

    The windows of an utterance are clustered together with those that were heard before; a cluster is whose
    windows most of it are. It keeps the last `KEPT` embeddings of each speaker.
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
        self._heard: list[deque[NDArray[np.float32]]] = []  # embeddings, by speaker
        self._seconds: list[float] = []
        self._spoke = 0  # who said the last word
        self._given: list[str | None] = []  # names, which stay with whom they were given to

    def hear(
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
        """As `hear`, from the embeddings of the utterance."""
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
        """Everyone who spoke so far."""
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
        """Whom an utterance without a voice, of a moment's length, is given to: who spoke before it."""
        return self._spoke if self._heard else self._add()

    def _owners(self, rows: Sequence[NDArray[np.float32]]) -> list[int]:
        """The number of the speaker of each window of an utterance."""
        before = [row for heard in self._heard for row in heard]
        points = np.stack([*before, *rows])
        labels = linked(points, np.ones(len(points)), 1, THRESHOLD)
        speakers = self._matched(labels[: len(before)], labels.max() + 1)
        own = labels[len(before) :]
        for label in dict.fromkeys(own.tolist()):
            if label not in speakers:
                speakers[label] = self._unknown(points[labels == label])
            self._heard[speakers[label]].extend(points[len(before) :][own == label])
        return [speakers[label] for label in own.tolist()]

    def _matched(self, labels: NDArray[np.int64], clusters: int) -> dict[int, int]:
        """The speaker of each cluster with windows that were heard before: whose are most, each one once."""
        table = np.zeros((clusters, len(self._heard)), np.int64)
        speakers = [place for place, heard in enumerate(self._heard) for _ in heard]
        for label, speaker in zip(labels, speakers, strict=True):
            table[label, speaker] += 1
        found: dict[int, int] = {}
        while table.any():
            row, column = np.unravel_index(int(table.argmax()), table.shape)
            found[int(row)] = int(column)
            table[row], table[:, column] = 0, 0
        return found

    def _unknown(self, rows: NDArray[np.float32]) -> int:
        """Who is heard in a cluster [n, 256] that is nobody's: the nearest speaker, or a new one."""
        if self._heard and not self._heard[-1]:  # who was heard for a moment alone is this one
            return len(self._heard) - 1
        full = self._count is not None and len(self._heard) >= self._count
        if self._heard and (full or len(rows) < EVIDENCE):
            mean = rows.mean(axis=0)
            return int(np.argmax([mean @ self._voice(place) for place in range(len(self._heard))]))
        return self._add()

    def _here(
        self, speaker: int, owners: Sequence[int], rows: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """The voice of a speaker in an utterance: as it is there rather than as it was before."""
        own = [row for row, owner in zip(rows, owners, strict=False) if owner == speaker]
        return unit(np.mean([*own, self._voice(speaker)], axis=0))

    def _voice(self, place: int) -> NDArray[np.float32]:
        """The voice of a speaker, [256] float32; zeros if none was heard."""
        heard = self._heard[place]
        return unit(np.mean(heard, axis=0)) if heard else np.zeros(256, np.float32)

    def _add(self) -> int:
        self._heard.append(deque(maxlen=KEPT))
        self._seconds.append(0.0)
        self._given.append(None)
        return len(self._heard) - 1
