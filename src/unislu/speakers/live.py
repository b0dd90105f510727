"""Speakers of live speech: told apart as they speak, by what was heard so far, and never revised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from unislu.result import Speaker

from .clustering import cluster, nearest_names
from .embedding import Voice, embed, unit
from .labelling import speak

ALIKE = 0.74
"""Cosine similarity from which on a voice is one that was heard before; tuned like `clustering.THRESHOLD`."""
EVIDENCE = 2
"""Windows in which a new voice must be heard; with fewer it is taken for the nearest known one."""


class LiveSpeakers:
    """The speakers of one stream, utterance by utterance. It keeps one embedding for each speaker."""

    def __init__(
        self,
        count: int | None = None,
        names: Sequence[str] = (),
        enrolled: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        """As for `with_speakers`: their number if it is known, names in order, known voices."""
        self._count, self._names = count, list(names)
        self._enrolled = list((enrolled or {}).items())
        self._voices: list[NDArray[np.float32]] = []  # sums of embeddings
        self._seconds: list[float] = []
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
        rows = np.stack([voice.embedding for voice in voices]) if voices else np.zeros((0, 256), np.float32)
        here = cluster(rows)
        nearest = (rows @ here.T).argmax(axis=1) if len(rows) else np.zeros(0, np.int64)
        known = [self._known(voice, rows[nearest == place]) for place, voice in enumerate(here)]
        known = known or [self._last]
        for speaker in known:
            self._name(speaker)
        ids = []
        for owner, (first, last) in zip(speak(units, voices, here), units, strict=True):
            speaker = known[owner]
            self._seconds[speaker] += last - first
            ids.append(f"S{speaker + 1}")
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
        voice = self._voices[place]
        if self._given[place] is not None or not voice.any():
            return
        left = [(name, known) for name, known in self._enrolled if name not in self._given]
        taken = {*self._given, *(name for name, _ in self._enrolled)}
        in_order = next((name for name in self._names if name not in taken), None)
        self._given[place] = nearest_names(unit(voice)[None], left)[0] or in_order

    @property
    def _last(self) -> int:
        """Whom an utterance without a voice, of a moment's length, is given to: the last speaker."""
        if not self._voices:
            self._add(np.zeros(256, np.float32))
        return len(self._voices) - 1

    def _known(self, voice: NDArray[np.float32], rows: NDArray[np.float32]) -> int:
        """The number of the speaker with this voice, heard in `rows` [n, 256]; a new one if there is none."""
        if self._voices and not self._voices[-1].any():  # who was heard for a moment alone is this one
            self._voices[-1] = rows.sum(axis=0)
            return len(self._voices) - 1
        likeness = [float(unit(other) @ voice) for other in self._voices]
        best = int(np.argmax(likeness)) if likeness else -1
        full = self._count is not None and len(self._voices) >= self._count
        if best >= 0 and (likeness[best] >= ALIKE or full or len(rows) < EVIDENCE):
            if likeness[best] >= ALIKE:
                self._voices[best] = self._voices[best] + rows.sum(axis=0)
            return best
        self._add(rows.sum(axis=0))
        return len(self._voices) - 1

    def _add(self, voice: NDArray[np.float32]) -> None:
        self._voices.append(voice)
        self._seconds.append(0.0)
        self._given.append(None)
