"""`synthesize`: synthesise a text corpus with several voices, in parallel, and write a manifest.

Everything about a clip (voice, speed, augmentation) is drawn from a hash of the seed, the record's id and the
copy's number, so a clip does not depend on what ran before it, on the number of workers, or on interruptions.

The output folder holds `audio/`, and while the work goes on one journal a worker: a line is added after its
clip was moved into place, so a killed run has lost at most the clips in progress. At the end the journals
become `manifest.jsonl`, in the order of the corpus, and `skipped.jsonl`. A finished folder can be extended:
a larger `limit` or more lines in the corpus add to it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from unislu.data import journal
from unislu.data.augment import parse_probabilities
from unislu.data.journal import Entry
from unislu.data.records import Record, output_folder, read_records, write_records
from unislu.data.speech import SpeechJob, SpeechOptions
from unislu.data.voices import open_voice, parse_weights
from unislu.data.workers import run_jobs
from unislu.errors import OptionError, RecordError
from unislu.files import write_whole
from unislu.progress import Progress

_OPTIONS_FILE = "synthesis.json"


@dataclass(frozen=True)
class SynthesisReport:
    """The outcome of a run; `counts` sums to the number of clips asked for."""

    counts: Mapping[str, int]
    """Clips by outcome: `ok`, `too_long`, `unspeakable`, `failed`."""
    seconds: float
    """Length of all clips in the manifest."""
    retried: int
    """Clips spoken by another voice than the first drawn, because that one failed."""
    voices: Mapping[str, int]
    manifest: Path
    failures: tuple[str, ...] = field(default=())
    """Why clips failed or voices were changed, the first hundred."""


def synthesize(
    texts: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    voices: str | Sequence[str] | Mapping[str, float],
    *,
    augment: str | Mapping[str, float] = "none",
    copies: int = 1,
    limit: int | None = None,
    seed: int = 0,
    speed: tuple[float, float] = (0.95, 1.2),
    workers: int = 1,
    sample_rate: int = 16000,
    silence: float = 0.2,
    max_seconds: float = 30.0,
    audio_format: str = "flac",
    progress: bool = True,
) -> SynthesisReport:
    """Synthesise every record of `texts` (JSON lines) into `out_dir`.

    Args:
        texts: a corpus as `unislu.data.records` reads it.
        out_dir: created if missing; a run that was interrupted is resumed there.
        voices: specifications with weights, `"hibari:us=3,flite:awb=1"`.
        augment: probabilities by step, `"noise=0.3,reverb=0.2"`, `"default"` or `"none"`.
        copies: clips for each record, each with its own voice and augmentation.
        limit: only the first `limit` records.
        seed: of all random choices.
        speed: range of the speaking rate, 1 being a voice's own pace.
        workers: processes; with 1 the work is done in this process.
        sample_rate: of the clips, in Hz; mono.
        silence: seconds of silence at both ends.
        max_seconds: longer clips are counted and left out.
        audio_format: `flac` or `wav`, 16 bits.
        progress: show a progress line with the time left on stderr.

    Raises:
        OptionError: on a bad option, or a folder that cannot be written or was begun with other options.
        RecordError: on a malformed or empty corpus.
        MissingDependencyError: when a voice's engine is not installed; before any work is done.
        VoiceError: when a voice does not exist, or a worker died.
    """
    weights = parse_weights(voices)
    options = SpeechOptions(
        voices=tuple(weights.items()),
        augment=tuple(sorted(parse_probabilities(augment).items())),
        seed=seed,
        speed=speed,
        sample_rate=sample_rate,
        silence=silence,
        max_seconds=max_seconds,
        audio_format=audio_format,
    )
    for name, value in (("copies", copies), ("workers", workers), ("limit", limit)):
        if value is not None and value < 1:
            raise OptionError(f"{name}: {value} is not a positive number")
    records = islice(read_records(texts), limit)
    jobs = [SpeechJob(record, copy) for record in records for copy in range(copies)]
    if not jobs:
        raise RecordError(f"{os.fspath(texts)}: has no records; nothing to synthesise")
    out = output_folder(out_dir, texts)
    fresh = not _claimed(out, options)
    done = journal.load(out)
    pending = [job for job in jobs if not _is_done(done.get(job.key), job, out)]
    if pending:
        for specification in weights:
            open_voice(specification)
    if fresh:  # only now: a voice that does not exist must not claim the folder
        write_whole(out / _OPTIONS_FILE, json.dumps(_values(options), indent=2) + "\n")
    with Progress(len(jobs), len(jobs) - len(pending), enabled=progress) as shown:
        run_jobs(pending, out, options, workers, shown.advance)
    return _finish(out, jobs)


def _claimed(out: Path, options: SpeechOptions) -> bool:
    """Whether a run was begun in the folder. Raises `OptionError` if it has other options."""
    try:
        found = json.loads((out / _OPTIONS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    wanted = _values(options)
    changed = [
        f"{key} {json.dumps(found.get(key))} (now {json.dumps(wanted.get(key))})"
        for key in sorted({*wanted, *found})
        if wanted.get(key) != found.get(key)
    ]
    if changed:
        raise OptionError(
            f"{out}: was begun with {', '.join(changed)}; give the same, or choose another folder"
        )
    return True


def _values(options: SpeechOptions) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(asdict(options)))
    return found


def _is_done(entry: Entry | None, job: SpeechJob, out: Path) -> bool:
    if entry is None or (entry.source_text, entry.spoken) != (job.record.text, job.record.spoken):
        return False
    return entry.record is None or (out / str(entry.record.get("audio"))).exists()


def _finish(out: Path, jobs: Sequence[SpeechJob]) -> SynthesisReport:
    """Write the manifest and the list of what was left out, in the corpus's order, then drop the journals."""
    entries = journal.load(out)
    kept: dict[str, Record] = {}
    left_out: list[Entry] = []
    wanted = [job.key for job in jobs]
    # Clips of an earlier, larger run stay: a smaller limit must not lose hours of work.
    for key in [*wanted, *sorted(entries.keys() - set(wanted))]:
        entry = entries[key]
        if entry.record is None:
            left_out.append(entry)
        else:
            kept[key] = Record.from_dict(entry.record)
    manifest = out / journal.MANIFEST
    lines = (json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in left_out)
    write_whole(out / journal.SKIPPED, "".join(lines))
    write_records(manifest, kept.values())
    journal.remove_parts(out)
    chosen = [entries[key] for key in wanted]
    spoken = [kept[key] for key in wanted if key in kept]
    notes = [f"{entry.key}: {reason}" for entry in chosen for reason in entry.reasons]
    return SynthesisReport(
        counts=dict(Counter(entry.status for entry in chosen)),
        seconds=sum(record.duration or 0.0 for record in spoken),
        retried=sum(1 for entry in chosen if entry.status == "ok" and entry.reasons),
        voices=dict(Counter(str(record.voice) for record in spoken)),
        manifest=manifest,
        failures=tuple(notes[:100]),
    )


def parse_range(text: str) -> tuple[float, float]:
    """Read `"0.95-1.25"`, or one number for a range of no width.

    Raises:
        OptionError: when it is not a range.
    """
    low, _, high = text.partition("-")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise OptionError(f"speed: {text!r} is not a range LOW-HIGH, for example 0.95-1.25") from None


def summary(report: SynthesisReport) -> dict[str, Any]:
    """The report as a JSON object, without the list of failures."""
    return {
        "manifest": str(report.manifest),
        "counts": dict(report.counts),
        "hours": round(report.seconds / 3600, 3),
        "retried": report.retried,
        "voices": dict(report.voices),
    }
