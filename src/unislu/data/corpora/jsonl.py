"""JSON-lines corpora: a file of records, or a folder with `manifest.jsonl` and the audio beside it.

A development split is cut from a training file by a hash of the record's id, so it is the same on every
machine and stays the same when records are added or removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unislu.data.records import Record, read_records
from unislu.errors import OptionError, RecordError

SPLITS = ("train", "dev", "test")
MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class CorpusSource:
    """Where a corpus is and which part of it to read.

    Raises:
        OptionError: on construction, when a value is out of range.
    """

    path: str | os.PathLike[str]
    """A `.jsonl` file, or a folder that holds `manifest.jsonl`."""
    split: str | None = None
    """`train`, `dev` or `test`; None for everything."""
    dev_share: float = 0.0
    """Share of the training records that the `dev` split takes."""
    type_key: str | None = None
    """The annotation's key that holds the entity type, for example `type18`; None for `type`."""
    type_map: Mapping[str, str | None] | None = None
    """New names of entity types. A type that maps to None is dropped, one that is not listed stays."""

    def __post_init__(self) -> None:
        if self.split is not None and self.split not in SPLITS:
            raise OptionError(f"split: {self.split!r}; known: {', '.join(SPLITS)}")
        if not 0 <= self.dev_share < 1:
            raise OptionError(f"dev_share: {self.dev_share} is not a share in [0, 1)")


def load_corpus(corpus: CorpusSource | str | os.PathLike[str]) -> Iterator[Record]:
    """Stream a corpus. Audio paths come out absolute, or relative to the working directory as `path` is.

    Raises:
        RecordError: when a record is malformed or lacks the type key; names file, line or record, and field.
    """
    wanted = corpus if isinstance(corpus, CorpusSource) else CorpusSource(corpus)
    path = Path(wanted.path)
    if path.is_dir():
        path = path / MANIFEST
    for record in read_records(path):
        if wanted.split is not None and split_of(record, wanted.dev_share) != wanted.split:
            continue
        try:
            record = _with_types(record, wanted)
            if record.audio is not None:
                record = replace(record, audio=str(record.audio_path(path.parent)))
            yield record
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error


def split_of(record: Record, dev_share: float = 0.0) -> str:
    """The split of a record: its own if that is not `train`, else `dev` for `dev_share` of the ids.

    Further copies of a record (`id#1`, written by `synthesize`) fall into the split of the first.
    """
    if record.split not in (None, "train"):
        return str(record.split)
    return "dev" if in_dev(record.id, dev_share) else "train"


def in_dev(id_: str, share: float) -> bool:
    """Whether a record belongs to the `share` of records that are cut off for development."""
    digest = hashlib.blake2b(id_.partition("#")[0].encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _with_types(record: Record, corpus: CorpusSource) -> Record:
    if corpus.type_key is not None:
        record = record.with_types(corpus.type_key)
    if corpus.type_map is None or record.entities is None:
        return record
    named = [(entity, corpus.type_map.get(entity.type, entity.type)) for entity in record.entities]
    return replace(record, entities=tuple(replace(e, type=name) for e, name in named if name is not None))
