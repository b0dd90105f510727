"""`unislu tune`: from dev data and targets to an operating point in a bundle."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unislu.bundle import DEFAULT_PATH, MANIFEST, Bundle, Manifest, file_digest, open_bundle, write_manifest
from unislu.bundle.installed import is_fixed
from unislu.errors import OptionError
from unislu.evaluation.ner import Counts
from unislu.evaluation.operating_points import (
    MATCHES,
    Match,
    Point,
    Solved,
    WantedShare,
    best_reachable,
    check_targets,
    solve,
    solve_type,
    type_counts,
    wilson,
)
from unislu.evaluation.profiles import Profile
from unislu.evaluation.profiles import profile as find_profile
from unislu.evaluation.question import Gold, gold_of
from unislu.evaluation.sweep import RecordClip, default_biases, entity_request, read_clips, sweep
from unislu.evaluation.systems import from_analysis
from unislu.recognition.model import load
from unislu.recognition.recognizer import Recognizer
from unislu.sequence.labels import normalize_type

GRID = tuple(step / 2 for step in range(-12, 13))
"""Biases of the sweep, added to the bundle's defaults: -6 to 6 in halves."""


@dataclass(frozen=True)
class TuneOptions:
    """What to reach, and how it is measured."""

    targets: Sequence[WantedShare]
    name: str = "default"
    """Of the operating point."""
    entities: Sequence[str] | None = None
    """Open types to look for; None = the closed set."""
    profile: str = "unislu"
    match: Match = "phrase"
    """Whether an entity needs the right phrase (`phrase`) or only the right type (`label`)."""
    grid: Sequence[float] = GRID
    limit: int | None = None
    """Only the first records of each manifest."""
    journal: Path | None = None
    """File that stores the sweep, to resume from after a kill."""
    threads: int | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise OptionError("the operating point's name is empty: give --name")
        if self.match not in MATCHES:
            raise OptionError(f"match is {self.match!r}: choose from {', '.join(MATCHES)}")
        if self.limit is not None and self.limit < 1:
            raise OptionError(f"limit {self.limit}: give a whole number from 1")


@dataclass(frozen=True)
class Tuned:
    """An operating point and how it was found."""

    point: Mapping[str, Any]
    """What the manifest stores."""
    solved: Solved
    targets: tuple[WantedShare, ...]
    best: Mapping[WantedShare, Point | None] = field(default_factory=dict)
    """For each unmet target the best value on its curve and the bias there (None if undefined everywhere)."""

    @property
    def met(self) -> bool:
        """Whether every target is reached."""
        return not self.solved.unmet


def check_destination(bundle: Bundle, output: Path | None) -> None:
    """Check before tuning that the result can be stored.

    Raises:
        OptionError: the embedded bundle or one that cannot be written, without `output`; or an `output`
            that exists.
    """
    if output is not None:
        if output.exists():
            raise OptionError(f"-o {output}: exists already; name a folder that does not")
        return
    embedded = bundle.path.resolve() == DEFAULT_PATH.resolve()
    writable = os.access(bundle.path, os.W_OK) and os.access(bundle.path / MANIFEST, os.W_OK)
    if embedded or is_fixed(bundle.path) or not writable:
        what = "the embedded bundle" if embedded else "that bundle"
        raise OptionError(f"{bundle.path}: {what} cannot be changed; write a copy with -o FOLDER")


def journal_for(bundle: Bundle, manifests: Sequence[Path], options: TuneOptions) -> Path:
    """The journal, in the current folder, of a sweep for which none was named.

    Its name depends on everything that decides the sweep's answers, and not on the targets: they can be tried
    again without decoding again. Raises `BundleError` for a manifest that cannot be read.
    """
    data = [describe_data(manifest, options.limit) for manifest in manifests]
    asked = [dict(bundle.manifest.files), dict(bundle.manifest.decoder.bias), list(options.grid)]
    text = json.dumps([asked, options.entities, data], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    name = re.sub(r"[^\w.-]+", "-", options.name)
    return Path(f"{name}-{key}.sweep.jsonl")


def journals(journal: Path) -> list[Path]:
    """The files of a journal: one of all types together, and one of each type swept alone."""
    alone = journal.parent.glob(f"{glob.escape(journal.stem)}-*{journal.suffix}")
    return [path for path in (journal, *sorted(alone)) if path.is_file()]


def tune(
    bundle: str | os.PathLike[str] | None,
    manifests: Sequence[Path],
    options: TuneOptions,
    say: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Solve an operating point on dev data; nothing is stored yet.

    Raises:
        OptionError, RecordError: a target that cannot be tuned; data that cannot be read.
        BundleError: the bundle is missing or damaged.
    """
    profile = find_profile(options.profile)
    clips = [clip for clip in read_clips(manifests, options.limit) if clip.record.entities is not None]
    golds = [replace(gold_of(clip.record), id=clip.id) for clip in clips]
    model = load(bundle, threads=options.threads)
    recognizer = model.recognizer
    default = default_biases(recognizer.resolve(entity_request(options.entities)))
    check_targets(options.targets, default, golds)
    curves = _curves(recognizer, clips, golds, options, profile, say)

    def run(bias: Mapping[str, float]) -> Mapping[str, Counts]:
        say("together: " + ", ".join(f"{name} {default[name] + value:+.2f}" for name, value in bias.items()))
        request = entity_request(options.entities, bias)  # one clip at a time, as in the sweep
        answers = [from_analysis(clip.id, model.analyze(clip.path, request)) for clip in clips]
        return type_counts(golds, answers, profile, options.match)

    solved = solve(curves, options.targets, run)
    best = {target: best_reachable(curves[target.type], target) for target in solved.unmet}
    point = {
        "bias": {name: round(default[name] + value, 4) for name, value in solved.bias.items()},
        "entities": None if options.entities is None else sorted(map(normalize_type, options.entities)),
        "targets": [_target(target, solved) for target in options.targets],
        "met": not solved.unmet,
        "profile": profile.name,
        "match": options.match,
        "utterances": len(golds),
        "data": [describe_data(manifest, options.limit) for manifest in manifests],
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "curve": {name: _curve(points, default[name]) for name, points in curves.items()},
    }
    return Tuned(point, solved, tuple(options.targets), best)


def _curves(
    recognizer: Recognizer,
    clips: Sequence[RecordClip],
    golds: Sequence[Gold],
    options: TuneOptions,
    profile: Profile,
    say: Callable[[str], None],
) -> dict[str, list[Point]]:
    """The curve of each type that has a target.

    All types are swept together first. If that leaves a target out of reach, the type is swept alone: the
    equal bias of the others may stand in its way.
    """

    def swept(only: str | None, journal: Path | None) -> dict[str, list[Point]]:
        who = "all types" if only is None else f"{only} alone"
        say(f"{who}: {len(options.grid)} biases over {len(clips)} clips")
        found = sweep(
            recognizer,
            clips,
            options.grid,
            options.entities,
            only=only,
            journal=journal,
            progress=options.progress,
        )
        rows = [
            type_counts(golds, found.predictions(n), profile, options.match) for n in range(len(found.grid))
        ]
        return {
            name: [Point(bias, row.get(name, Counts())) for bias, row in zip(found.grid, rows, strict=True)]
            for name in dict.fromkeys(target.type for target in options.targets)
        }

    curves = swept(None, options.journal)
    for name in curves:
        wanted = [target for target in options.targets if target.type == name]
        if not solve_type(curves[name], wanted).reachable:
            journal = options.journal
            beside = None if journal is None else journal.with_name(f"{journal.stem}-{name}{journal.suffix}")
            curves[name] = swept(name, beside)[name]
    return curves


def store(bundle: Bundle, name: str, point: Mapping[str, Any], output: Path | None) -> Path:
    """Put a point into the bundle's manifest, or into a copy of the bundle; returns the bundle's folder."""
    points = {**bundle.manifest.operating_points, name: dict(point)}
    return store_manifest(bundle, replace(bundle.manifest, operating_points=points), output)


def store_manifest(bundle: Bundle, manifest: Manifest, output: Path | None) -> Path:
    """Write a changed manifest into the bundle, or into a copy of it; returns the bundle's folder.

    The other files, and so their hashes, stay as they are.
    """
    folder = bundle.path
    if output is not None:
        folder = output
        folder.mkdir(parents=True)
        for file in bundle.manifest.files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / file, folder / file)
    write_manifest(folder, manifest)
    open_bundle(folder).verify()
    return folder


def _target(target: WantedShare, solved: Solved) -> dict[str, Any]:
    counts = solved.counts[target.type]
    interval = interval_of(target, counts)
    value = target.value(counts)
    return {
        "type": target.type,
        "metric": target.metric,
        "share": target.share,
        "reached": None if value is None else round(value, 4),
        "interval": None if interval is None else [round(bound, 4) for bound in interval],
        "met": target.met(counts),
        "precision": _share(counts.precision),
        "recall": _share(counts.recall),
        "support": counts.support,
    }


def interval_of(target: WantedShare, counts: Counts) -> tuple[float, float] | None:
    """The 95 % interval (Wilson) of the value that the counts reach."""
    predicted = counts.true_positives + counts.false_positives
    return wilson(counts.true_positives, predicted if target.metric == "precision" else counts.support)


def _curve(points: Sequence[Point], default: float) -> dict[str, list[Any]]:
    return {
        "bias": [round(default + point.bias, 4) for point in points],
        "precision": [_share(point.counts.precision) for point in points],
        "recall": [_share(point.counts.recall) for point in points],
    }


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 4)


def describe_data(manifest: Path, limit: int | None) -> dict[str, Any]:
    """A manifest without its local path: folder and file name, and its hash."""
    name = f"{manifest.resolve().parent.name}/{manifest.name}"
    return {"name": name, "sha256": file_digest(manifest), "limit": limit}
