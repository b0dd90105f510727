"""Augmented copies of recordings, for training: `unislu tools augment OUT MANIFEST…`.

Clips are drawn from all manifests together; texts and annotations stay. A file is named by what it was made
from, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.data import augment
from unislu.data.records import Record, read_records, write_records
from unislu.data.speech import write_audio
from unislu.errors import AudioError, OptionError, RecordError
from unislu.progress import Progress


def augment_corpus(
    out: Path, manifests: Sequence[Path], steps: str = "default", clips: int | None = None, seed: int = 0
) -> int:
    """Write `out/manifest.jsonl` and its clips; returns their number.

    A clip that cannot be read is named on stderr, and another drawn in its place.

    Args:
        out: folder to write.
        manifests: of records with audio.
        steps: probabilities, see `unislu.data.augment.parse_probabilities`.
        clips: so many, drawn at random; by default all.
        seed: of every draw.

    Raises:
        OptionError: an unknown step, or no record has audio.
        RecordError: a manifest is malformed.
    """
    probabilities = augment.parse_probabilities(steps)
    sources = [
        (path.parent, record)
        for path in manifests
        for record in read_records(path, untranscribed=True)
        if record.audio
    ]
    if not sources:
        raise OptionError(f"{', '.join(map(str, manifests))}: no record has audio")
    random.Random(seed).shuffle(sources)
    wanted = min(clips or len(sources), len(sources))
    made: list[Record] = []
    with Progress(wanted) as progress:
        for number, (folder, record) in enumerate(sources):
            if len(made) == wanted:
                break
            drawn = augment.draw(probabilities, np.random.default_rng([seed, number]))
            try:
                made.append(_copy(out, record.audio_path(folder), record, drawn))
            except (AudioError, RecordError) as error:
                print(f"{error}; left out", file=sys.stderr)
            else:
                progress.advance(made[-1].duration or 0.0)
    return write_records(out / "manifest.jsonl", made)


def _copy(out: Path, source: Path, record: Record, steps: Sequence[augment.Step]) -> Record:
    """The record of an augmented clip, which is made unless it is there."""
    made_from = json.dumps([str(source.resolve()), steps])
    name = f"audio/{hashlib.blake2b(made_from.encode(), digest_size=10).hexdigest()}.flac"
    if not (out / name).exists():
        samples = augment.apply(load_audio(source), SAMPLE_RATE, steps)
        write_audio(out / name, samples, SAMPLE_RATE)
    seconds = len(load_audio(out / name)) / SAMPLE_RATE
    before = record.augmentation or ()
    return replace(record, audio=name, duration=round(seconds, 3), augmentation=(*before, *steps))
