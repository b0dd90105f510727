"""`prepare`: a published corpus in its own layout → `manifest.jsonl` and a table of counts.

Audio that lies whole in a file is referred to where it is (or copied with `copy_audio`); audio that is cut
out of a longer recording, or embedded in a table, is written beside the manifest. Every record is
validated, and everything that was left out is counted under its reason.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.container import open_container
from unislu.audio.media import open_media
from unislu.data.corpora import label_studio, slue, speech, texts
from unislu.data.corpora.build import Builder, BuildOptions, Built, CorpusAudio, Tally
from unislu.data.corpora.jsonl import in_dev
from unislu.data.records import Record, output_folder, write_records
from unislu.errors import AudioError, OptionError, RecordError

BUILDERS: dict[str, Builder] = {
    "slue-voxpopuli": slue.voxpopuli,
    "slue-voxceleb": slue.voxceleb,
    "hub-slue-voxpopuli": slue.hub_voxpopuli,
    "hub-slue-voxceleb": slue.hub_voxceleb,
    "vp-nel": slue.vp_nel,
    "nuner": texts.nuner,
    "mit": texts.mit,
    "whisperner": texts.whisperner,
    "librispeech": speech.librispeech,
    "fleurs": speech.fleurs,
    "voxpopuli": speech.voxpopuli,
    "label-studio": label_studio.label_studio,
}


@dataclass(frozen=True)
class Published:
    """The counts in a corpus's paper; `entities` of the combined types."""

    sentences: int
    hours: float
    entities: int | None = None


#: SLUE's table of its sizes; the entities of fine-tune are those of its NER annotation.
PUBLISHED = {
    ("slue-voxpopuli", "fine-tune"): Published(5000, 14.5, 5730),
    ("slue-voxpopuli", "dev"): Published(1753, 5.0),
    ("slue-voxpopuli", "test"): Published(1842, 4.9),
    ("slue-voxceleb", "fine-tune"): Published(5777, 12.8),
    ("slue-voxceleb", "dev"): Published(1454, 3.2),
    ("slue-voxceleb", "test"): Published(3553, 7.8),
}


@dataclass(frozen=True)
class Part:
    """The part of a split's records to build. A sample is drawn first and then divided.

    Raises `OptionError` for a value out of range.
    """

    sample: int | None = None
    """So many, drawn at random."""
    seed: int = 0
    """Of the draw."""
    name: Literal["train", "dev"] | None = None
    """One of two parts that the records are divided into."""
    dev_share: float = 0.0
    """Of the part `dev`. A record's part depends on its id alone."""

    def __post_init__(self) -> None:
        if (self.name is None) != (self.dev_share == 0.0) or not 0 <= self.dev_share < 1:
            raise OptionError(
                f"part {self.name!r}, dev share {self.dev_share}: give both, the dev share between 0 and 1"
            )

    def of(self, build: Callable[[Tally], Built], tally: Tally) -> Built:
        """The records of this part. For a sample `build` is called twice: to count, and to draw."""
        chosen: frozenset[int] | None = None
        if self.sample is not None:
            count = sum(1 for _ in build(Tally()))
            draw = random.Random(self.seed).sample(range(count), min(self.sample, count))
            chosen = frozenset(draw)
        for number, (record, clip) in enumerate(build(tally)):
            if chosen is not None and number not in chosen:
                continue
            if self.name is None:
                yield record, clip
            elif in_dev(record.id, self.dev_share) == (self.name == "dev"):
                yield replace(record, split=self.name), clip


@dataclass(frozen=True)
class PrepareReport:
    """The outcome: what was built and what was left out."""

    manifest: Path
    records: int
    seconds: float
    entities: Counter[str]
    sentiments: Counter[str]
    left_out: Counter[str]
    cases: tuple[str, ...]
    published: Published | None
    broken: tuple[str, ...] = ()
    """Parts of the source that could not be read, a line each."""

    def table(self) -> str:
        """Counts, beside the paper's if it has any."""
        paper = self.published
        rows = [("", "here", "paper")]
        rows.append(("sentences", f"{self.records:,}", f"{paper.sentences:,}" if paper else ""))
        rows.append(("hours", f"{self.seconds / 3600:.1f}", f"{paper.hours:.1f}" if paper else ""))
        published = f"{paper.entities:,}" if paper and paper.entities else ""
        rows.append(("entities", f"{self.entities.total():,}", published))
        for counter in (self.entities, self.sentiments):
            rows += [(f"  {name}", f"{count:,}", "") for name, count in counter.most_common(30)]
        rows += [(f"left out: {reason}", f"{count:,}", "") for reason, count in self.left_out.most_common()]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = (f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows)
        return "\n".join(lines)


def prepare(
    corpus: str, source: str | os.PathLike[str], out: str | os.PathLike[str], options: BuildOptions,
    *, copy_audio: bool = False, limit: int | None = None, part: Part | None = None,
) -> PrepareReport:  # fmt: skip
    """Build the manifest of a corpus.

    Args:
        corpus: a name of `BUILDERS`.
        source: the corpus as it was unpacked or downloaded (or, for the hub's, `hf:owner/name`).
        out: folder for `manifest.jsonl` and, where audio has to be written, `audio/`.
        options: split, text, types, and what is kept.
        copy_audio: copy whole audio files too, so that `out` can be moved.
        limit: only the first records.
        part: only some of them.

    Raises:
        OptionError: an unknown corpus; `out` cannot be written, or its manifest is the source.
        RecordError: the source is not in its published layout; names file, row and column.
        AudioError: audio that is missing or cannot be read.
        MissingDependencyError: for Parquet or the hub.
    """
    if corpus not in BUILDERS:
        raise OptionError(f"unknown corpus {corpus!r}: choose from {', '.join(BUILDERS)}")
    target, tally = output_folder(out, source), Tally()
    entities: Counter[str] = Counter()
    sentiments: Counter[str] = Counter()
    seen: set[str] = set()
    seconds = 0.0
    wanted = part or Part()

    def placed() -> Iterator[Record]:
        nonlocal seconds
        built = partial(BUILDERS[corpus], Path(source), options)
        for record, clip in wanted.of(built, tally):
            if limit is not None and len(seen) >= limit:
                return
            if record.id in seen:
                raise RecordError(f"{source}: the id {record.id!r} occurs twice")
            seen.add(record.id)
            done = record if clip is None else _with_audio(record, clip, target, copy_audio)
            entities.update(entity.type for entity in done.entities or ())
            sentiments.update([done.sentiment] if done.sentiment else [])
            seconds += done.duration or 0.0
            yield done
        if not seen:  # before an empty manifest takes its place
            raise RecordError(_nothing(corpus, source, options, tally))

    manifest = target / "manifest.jsonl"
    count = write_records(manifest, placed())
    published = PUBLISHED.get((corpus.removeprefix("hub-"), options.split)) if wanted == Part() else None
    return PrepareReport(
        manifest, count, seconds, entities, sentiments, tally.reasons, tuple(tally.cases), published,
        tuple(tally.broken),
    )  # fmt: skip


def _nothing(corpus: str, source: str | os.PathLike[str], options: BuildOptions, tally: Tally) -> str:
    """The reason why there is no record."""
    split = "" if corpus == "label-studio" else f" of split {options.split!r}"
    reasons = [*(f"{reason}: {count}" for reason, count in tally.reasons.items()), *tally.broken]
    more = f" and {len(reasons) - 1} more reasons" if len(reasons) > 1 else ""
    why = f": {reasons[0]}{more}" if reasons else ""
    return f"{os.fspath(source)}: no record{split} was found{why}; nothing was written"


def _with_audio(record: Record, clip: CorpusAudio, out: Path, copy_audio: bool) -> Record:
    """The record with the path of its audio, written or copied into `out` where needed, and its duration."""
    if isinstance(clip.audio, Path) and clip.start == 0 and clip.end is None:
        if not clip.audio.is_file():
            raise AudioError(f"{clip.audio}: no such file, but record {record.id!r} names it")
        seconds = record.duration if record.duration is not None else _seconds(clip.audio)
        if not copy_audio:
            return replace(record, audio=os.path.relpath(clip.audio, out), duration=seconds)
        path = out / "audio" / clip.name
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(clip.audio, path)
        return replace(record, audio=f"audio/{clip.name}", duration=seconds)
    from unislu.data.speech import write_audio

    samples = load_audio(clip.audio)
    first = round(clip.start * SAMPLE_RATE)
    last = len(samples) if clip.end is None else min(len(samples), round(clip.end * SAMPLE_RATE))
    if first >= last:
        total = len(samples) / SAMPLE_RATE
        raise AudioError(f"{clip.name}: seconds {clip.start}…{clip.end} are not in its {total:.2f} s")
    name = f"audio/{Path(clip.name).stem}.flac"
    write_audio(out / name, samples[first:last], SAMPLE_RATE)
    return replace(record, audio=name, duration=round((last - first) / SAMPLE_RATE, 3))


def _seconds(path: Path) -> float:
    """The length of a file as its header says; decoded where the header says nothing."""
    import av

    with open_media(path) as media:
        if media.report.seconds:
            return round(media.report.seconds, 3)
        with open_container(media) as container:
            if container.duration:
                return round(container.duration / av.time_base, 3)
    return round(len(load_audio(path)) / SAMPLE_RATE, 3)
