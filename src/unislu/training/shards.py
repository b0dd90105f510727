"""A corpus as shards: tar files of some hundred clips each, in WebDataset's layout, and an index of records.

`unislu tools shards OUT MANIFEST…` writes `OUT/index.jsonl` and `OUT/shard-000000.tar`, …; OUT may be object
storage. A recipe names the index as a corpus's `manifest`. The index holds what is annotated and where each
clip lies in which shard; a process fetches the shards of its own part of an epoch, one after another, so no
machine ever holds all the audio.
"""

from __future__ import annotations

import io
import json
import random
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from unislu.data.records import Record, read_records
from unislu.errors import AudioError, RecipeError
from unislu.scale.store import Store, open_store
from unislu.training.config import Recipe
from unislu.training.examples import Example, TrainingCorpus

INDEX = "index.jsonl"
CLIPS = 512
_KEPT = 6  # shards in memory: those that a bucket of batches is drawn from
_REFERENCE = re.compile(r"(?P<shard>.+\.tar)#(?P<start>\d+)\+(?P<size>\d+)")
BUCKET_BATCHES = 64
"""Batches are made of as many batches' examples at a time, sorted by length."""
_WINDOW_CLIPS = 4 * CLIPS


@dataclass(frozen=True)
class Reference:
    """The place of a clip: a range of bytes in a shard."""

    shard: str
    start: int
    size: int

    @classmethod
    def parse(cls, audio: str) -> Reference | None:
        """The reference that a record's `audio` is, or None for a file of its own."""
        match = _REFERENCE.fullmatch(audio)
        return None if match is None else cls(match["shard"], int(match["start"]), int(match["size"]))

    def __str__(self) -> str:
        return f"{self.shard}#{self.start}+{self.size}"


def write_shards(manifests: Sequence[Path], out: str, clips: int = CLIPS, seed: int = 0) -> int:
    """Write the clips of manifests as shards, in random order; returns the number of shards.

    Raises:
        RecordError: see `read_records`.
        AudioError: a clip that is missing.
        BatchError: `out` cannot be written.
    """
    store = Store(out)
    remote = "://" in out
    found = [
        (manifest, record) for manifest in manifests for record in read_records(manifest) if record.audio
    ]
    random.Random(seed).shuffle(found)  # a shard is a fair sample: it is read as a whole
    lines: list[str] = []
    for number, first in enumerate(range(0, len(found), clips)):
        name = f"shard-{number:06d}.tar"
        data, records = _shard(
            found[first : first + clips], f"{out.rstrip('/')}/{name}" if remote else name, first
        )
        store.write(name, data)
        lines += [json.dumps(record.to_dict(), ensure_ascii=False) for record in records]
    store.write(INDEX, ("\n".join(lines) + "\n").encode("utf-8"))
    return -(-len(found) // clips)


def _shard(found: Sequence[tuple[Path, Record]], url: str, first: int) -> tuple[bytes, list[Record]]:
    """A tar file, and its records with references into it."""
    sink = io.BytesIO()
    records = []
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, (manifest, record) in enumerate(found, start=first):
            path = record.audio_path(manifest.parent)
            try:
                audio = path.read_bytes()
            except OSError as error:
                raise AudioError(
                    f"{path}: cannot be read ({error.strerror}); make the corpus again"
                ) from None
            key = f"{number:09d}"
            kept = replace(record, id=f"{manifest.resolve().parent.name}/{record.id}", audio=None)
            _add(tar, f"{key}.json", json.dumps(kept.to_dict(), ensure_ascii=False).encode("utf-8"))
            _add(tar, f"{key}{path.suffix.lower()}", audio)
            start = sink.tell() - _padded(len(audio))
            records.append(replace(kept, audio=str(Reference(url, start, len(audio)))))
    return sink.getvalue(), records


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


@lru_cache(maxsize=_KEPT)
def fetched(url: str) -> bytes:
    """A shard; the most recently used ones stay in memory. Raises `AudioError` when it cannot be read."""
    fs, path = open_store(url)
    try:
        data: bytes = fs.cat_file(path)
    except Exception as error:  # storage packages raise what they like
        raise AudioError(f"{url}: the shard cannot be read ({error}); is the corpus complete?") from None
    return data


def clip_source(manifest: Path, audio: str) -> Path | bytes:
    """A record's audio as `load_audio` reads it: a path, or the bytes out of a shard.

    Raises `AudioError` when the shard cannot be read.
    """
    reference = Reference.parse(audio)
    if reference is None:
        return manifest.parent / audio
    url = reference.shard if "://" in reference.shard else str(manifest.parent / reference.shard)
    return fetched(url)[reference.start : reference.start + reference.size]


def in_shards(corpora: Sequence[TrainingCorpus]) -> bool:
    """Whether the audio of any corpus lies in shards."""
    return any(r.audio and Reference.parse(r.audio) for corpus in corpora for r in corpus.records)


#: The example of a record in an epoch; None where nothing is to be learned from it.
Maker = Callable[[TrainingCorpus, Record, int], "Example | None"]
#: A record with its corpus and the number that makes its prompt another one in each pass.
Drawn = tuple[TrainingCorpus, Record, int]


def draw(corpus: TrainingCorpus, epoch: int, generator: random.Random) -> Iterator[Drawn]:
    """A corpus's records in an epoch, as often as its weight says."""
    whole, rest = divmod(corpus.config.weight, 1.0)
    for pass_ in range(int(whole)):
        yield from ((corpus, record, epoch * 1000 + pass_) for record in corpus.records)
    some = generator.sample(corpus.records, round(rest * len(corpus.records)))
    yield from ((corpus, record, epoch * 1000 + int(whole)) for record in some)


class ShardPlan:
    """Batches of one process: whole shards are dealt to the processes anew in each epoch.

    A pure function of (recipe, epoch, processes). Within a process the order is that of its shards, with
    batches of similar length shuffled inside a window of some shards: each shard is fetched once an epoch.
    """

    def __init__(
        self, recipe: Recipe, corpora: Sequence[TrainingCorpus], make: Maker, rank: int, processes: int
    ) -> None:
        self._recipe, self._corpora, self._make = recipe, corpora, make
        self._rank, self._processes = rank, processes
        self._size = recipe.batch_size // processes
        if recipe.batch_size % processes:
            raise RecipeError(
                f"recipe key 'batch_size': {recipe.batch_size} cannot be shared by {processes} processes"
            )
        if any(corpus.config.text_only for corpus in corpora):
            raise RecipeError(
                "recipe key 'corpora': text_only borrows the audio of any clip: not with shards"
            )

    def batches(self, epoch: int) -> list[list[Example]]:
        """This process's batches; every process has as many.

        Raises:
            RecipeError: fewer shards than processes, or a part without any example.
        """
        generator = random.Random(f"shards/{self._recipe.seed}/{epoch}")
        dealt = self._dealt(epoch, generator)
        count = min(sum(map(len, part)) for part in dealt) // self._size
        if count == 0:
            raise RecipeError(
                f"recipe key 'corpora': {sum(map(len, dealt))} shards do not fill a batch of each of "
                f"{self._processes} processes; write smaller shards"
            )
        made = (self._make(*drawn) for shard in dealt[self._rank] for drawn in shard)
        examples = [example for example in made if example is not None]
        if not examples:
            raise RecipeError("recipe key 'corpora': the shards of a process hold nothing to learn from")
        wanted = count * self._size
        while len(examples) < wanted:  # records without an example are made up for from the beginning
            examples += examples[: wanted - len(examples)]
        return self._bucketed(examples[:wanted], generator)

    def _dealt(self, epoch: int, generator: random.Random) -> list[list[list[Drawn]]]:
        """The shards of each process: in random order, always to the one that has least."""
        shards: dict[str, list[Drawn]] = {}
        for corpus in self._corpora:
            for number, (_, record, pass_) in enumerate(draw(corpus, epoch, generator)):
                reference = Reference.parse(record.audio or "")
                name = f"files {number // CLIPS}" if reference is None else reference.shard
                shards.setdefault(f"{corpus.manifest}/{pass_}/{name}", []).append((corpus, record, pass_))
        order = sorted(shards)
        generator.shuffle(order)
        dealt: list[list[list[Drawn]]] = [[] for _ in range(self._processes)]
        held = [0] * self._processes
        for name in order:
            poorest = held.index(min(held))
            dealt[poorest].append(shards[name])
            held[poorest] += len(shards[name])
        return dealt

    def _bucketed(self, examples: Sequence[Example], generator: random.Random) -> list[list[Example]]:
        batches: list[list[Example]] = []
        # At least a batch; at most what the shards in memory hold.
        window = self._size * max(1, min(BUCKET_BATCHES, _WINDOW_CLIPS // self._size))
        for first in range(0, len(examples), window):
            bucket = sorted(examples[first : first + window], key=lambda e: (e.seconds, len(e.tokens)))
            some = [bucket[i : i + self._size] for i in range(0, len(bucket), self._size)]
            generator.shuffle(some)
            batches += some
        return batches
