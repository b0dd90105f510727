"""What a teacher writes for a clip: its text and the likeliest tokens at each position, in one file a clip.

The transcripts of a corpus with a `teacher` are learned from that Whisper's distribution over text (see
`unislu.training.loss`). Its outputs do not change, so they are cached; a file is found by all that it depends
on: the teacher, its padding and temperature, the clip, and the text it followed.
`unislu.training.models.teacher` writes them. Beside a text of its own lies a second one, written with silence
before the clip: what a teacher heard is in both, what it made up is not.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unislu.data.records import Record
from unislu.evaluation.profiles import profile
from unislu.evaluation.wer import word_errors
from unislu.files import replacing
from unislu.sequence import TextTokenizer, Vocabulary
from unislu.sequence.reader import ASR_PART, Rendered
from unislu.sequence.vocabulary import TRANSCRIPT_END
from unislu.training.cache import cache_key
from unislu.training.config import TeacherConfig

KEPT = 32
"""Tokens of the teacher's distribution that are kept at each position."""
LONGEST_TEXT = 200
"""Tokens at most along which a teacher's output is kept."""
_LOOP = 3
_NO_SPEECH = 0.6


@dataclass(frozen=True)
class TeacherOutput:
    """One clip.

    ids: `[n]` int64, text tokens. tokens `[n + 1, KEPT]` int64 and logprobs `[n + 1, KEPT]` float32: the
    likeliest among text and end at each position, at the teacher's temperature; the last position chooses
    the end. no_speech: the probability that nobody speaks.
    """

    ids: NDArray[np.int64]
    tokens: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    no_speech: float

    @property
    def flaw(self) -> str | None:
        """Why its own text cannot be learned: nobody speaks, it comes to no end, or it loops."""
        if not len(self.ids) or self.no_speech > _NO_SPEECH:
            return "no speech"
        if len(self.ids) >= LONGEST_TEXT:
            return "no end"
        often = Counter(zip(self.ids, self.ids[1:], self.ids[2:], strict=False)).most_common(1)
        return "loop" if often and often[0][1] > _LOOP else None

    def write(self, path: Path) -> None:
        """Write the file whole, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def read(cls, path: Path) -> TeacherOutput:
        """What `write` wrote. Raises `OSError` if it is not there."""
        with np.load(path) as file:
            return cls(file["ids"], file["tokens"], file["logprobs"], float(file["no_speech"]))


@dataclass(frozen=True)
class SoftLabels:
    """What a teacher would have written at some tokens of an example."""

    output: TeacherOutput
    places: tuple[int, ...]
    """The tokens: one for each position of `output`, or each but the end's."""
    temperature: float
    weight: float


def transcript_places(
    rendered: Rendered, first: int, output: TeacherOutput, vocabulary: Vocabulary
) -> tuple[int, ...]:
    """Where the words of a teacher's output stand among ids from `first` on, and the end if no task follows.

    Nothing if the words are other tokens than the output's.
    """
    ids, parts = rendered.ids, rendered.parts
    inside = (place for place in range(first, len(ids)) if parts[place] == ASR_PART)
    found = [place for place in inside if ids[place] in vocabulary.text_ids]
    if [ids[place] for place in found] != output.ids.tolist():
        return ()
    return tuple(found) if vocabulary[TRANSCRIPT_END] in ids else (*found, len(ids) - 1)


def is_taught(teacher: TeacherConfig | None, record: Record) -> bool:
    """Whether a record is learned from a teacher: it has audio and, if its own text is learned, words."""
    own = teacher is not None and teacher.text == "own"
    return teacher is not None and record.audio is not None and (own or bool(record.text.strip()))


def output_file(teacher: TeacherConfig, manifest: Path, record: Record) -> Path:
    """Where a teacher's output for a record is kept."""
    text = None if teacher.text == "own" else record.text
    clip = cache_key(manifest, str(record.audio))
    asked = json.dumps([teacher.backbone, teacher.padding, teacher.temperature, clip, text])
    name = hashlib.blake2b(asked.encode(), digest_size=12).hexdigest()
    return Path(teacher.cache) / name[:2] / f"{name}.npz"


def second_file(first: Path) -> Path:
    """Where the second text is kept, beside `output_file`."""
    return first.with_suffix(".txt")


def asks_twice(teacher: TeacherConfig) -> bool:
    """Whether a teacher writes a second text, to be compared with its own."""
    return teacher.text == "own" and teacher.agreement > 0


def why_left_out(
    teacher: TeacherConfig, file: Path, output: TeacherOutput, tokenizer: TextTokenizer
) -> str | None:
    """Why a teacher's own text is not learned, in a word or two; None if it is.

    Args:
        file: of `output`, see `output_file`.
        tokenizer: of the output's text tokens.
    """
    if output.flaw is not None or not asks_twice(teacher):
        return output.flaw
    try:
        second = second_file(file).read_text(encoding="utf-8")
    except OSError:
        return "no second text"
    agrees = agreement(tokenizer.decode(output.ids.tolist()), second) >= teacher.agreement
    return None if agrees else "no agreement"


def agreement(first: str, second: str) -> float:
    """1 less the word error rate of the second text against the first, in the profile `unislu`; at least 0.

    A text without words, such as `(music)`, agrees with nothing.
    """
    words = profile("unislu").words
    found = word_errors(words(first), words(second))
    return max(0.0, 1 - found.errors / found.reference_words) if found.reference_words else 0.0
