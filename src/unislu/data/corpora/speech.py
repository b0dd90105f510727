"""Speech corpora with transcripts only: LibriSpeech, FLEURS and VoxPopuli."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from unislu.data.corpora.build import BuildOptions, Built, CorpusAudio, Tally, listed, wanted_columns
from unislu.data.corpora.tables import dataset_rows, tsv_rows
from unislu.data.lines import read_lines
from unislu.data.records import Record
from unislu.errors import RecordError

_FLEURS = ["id", "file", "raw", "normalized", "characters", "samples", "gender"]
_FLEURS_RATE = 16000
_TOGETHER = {"train-960": ("train-clean-100", "train-clean-360", "train-other-500")}
"""Splits that are published in parts."""


def librispeech(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """LibriSpeech: `<split>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt` beside the FLAC files.

    The split `train-960` is its three training sets together.
    """
    folders = [source / part for part in _TOGETHER.get(options.split, (options.split,))]
    every = [listed(folder, "*/*/*.trans.txt", "LibriSpeech transcripts") for folder in folders]
    for transcripts in chain.from_iterable(every):
        for number, line in read_lines(transcripts):
            name, space, text = line.partition(" ")
            if not space:
                raise RecordError(f"{transcripts}:{number}: not an id and a transcript: {line[:60]!r}")
            audio = transcripts.with_name(f"{name}.flac")
            speaker = transcripts.parent.parent.name
            # LibriSpeech writes capitals only; lower case is the normalised style.
            yield (
                Record(name, text.lower(), speaker=speaker, split=options.split),
                CorpusAudio(audio, audio.name),
            )


def fleurs(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """FLEURS, one language: `<split>.tsv` with `audio/<split>/*.wav`, or Parquet of `google/fleurs`."""
    column = "raw_transcription" if options.text == "raw" else "transcription"
    table = source / f"{options.split}.tsv"
    if table.exists():
        for place, row in tsv_rows(table, _FLEURS):
            text = row["raw"] if options.text == "raw" else row["normalized"]
            audio = source / "audio" / options.split / row["file"]
            if not row["samples"].isascii() or not row["samples"].isdigit():
                raise RecordError(f"{place}: {row['samples']!r} is not a number of samples")
            seconds = int(row["samples"]) / _FLEURS_RATE
            record = Record(Path(row["file"]).stem, text, duration=seconds, split=options.split)
            yield record, CorpusAudio(audio, audio.name)
        return
    for place, row in dataset_rows(source, "en_us", {"dev": "validation"}.get(options.split, options.split)):
        audio_bytes = (row.get("audio") or {}).get("bytes")
        if not audio_bytes:
            raise RecordError(f"{place}: column 'audio' holds no bytes")
        name = Path(row["path"]).name
        yield Record(Path(name).stem, row[column], split=options.split), CorpusAudio(audio_bytes, name)


def voxpopuli(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """VoxPopuli, one language: `asr_<split>.tsv` and `<year>/<id>.ogg`, as its own scripts write them."""
    for place, row in tsv_rows(source / f"asr_{options.split}.tsv"):
        wanted_columns(row, ("id", f"{options.text}_text"), place)
        audio = source / row["id"][:4] / f"{row['id']}.ogg"  # an id begins with the date of its session
        text, speaker = row[f"{options.text}_text"], row.get("speaker_id")
        yield Record(row["id"], text, speaker=speaker, split=options.split), CorpusAudio(audio, audio.name)
