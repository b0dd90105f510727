"""Runs a system over manifests and keeps its predictions as JSON lines: resumable, and with its speed.

A *system* is anything that answers questions about audio: a bundle, a checkpoint, a baseline. It gives one
answer at a time, in any order; each answer is on its way to the disk before the next one, so that a killed
run resumes where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unislu.data.records import Record, manifest_names, read_records
from unislu.errors import OptionError, RecordError
from unislu.evaluation.diarization import error_rate, read_turns
from unislu.evaluation.prediction_files import prediction_values, read_jsonl_predictions
from unislu.evaluation.question import Prediction, Question, System, balanced_types
from unislu.files import Journal, drop_half_line, make_folder, write_whole
from unislu.progress import Progress
from unislu.sequence.labels import normalize_type

Protocols = Literal["closed", "open"]
TypesAsked = Literal["balanced", "all"]


@dataclass(frozen=True)
class Dataset:
    """The records of one manifest under a name that is unique in the run."""

    name: str
    path: Path
    records: tuple[Record, ...]

    @property
    def has_entities(self) -> bool:
        return any(record.entities is not None for record in self.records)

    @property
    def has_sentiment(self) -> bool:
        return any(record.sentiment is not None for record in self.records)

    @property
    def types(self) -> tuple[str, ...]:
        """Every annotated entity type, normalised and sorted."""
        found = (normalize_type(e.type) for record in self.records for e in record.entities or ())
        return tuple(sorted(set(found)))

    @property
    def seconds(self) -> float:
        """Length of the audio, as far as the manifest states it."""
        return sum(record.duration or 0.0 for record in self.records)

    def audio(self, record: Record) -> Path:
        return record.audio_path(self.path.parent)

    @property
    def sha256(self) -> str:
        """Hash of the records that are used, as canonical JSON."""
        digest = hashlib.sha256()
        for record in self.records:
            digest.update(json.dumps(record.to_dict(), sort_keys=True).encode())
        return digest.hexdigest()


def read_datasets(
    manifests: Sequence[str | os.PathLike[str]], limit: int | None = None
) -> tuple[Dataset, ...]:
    """Read manifests; `limit` takes the first so many records of each.

    A manifest is called after its folder (`slue-dev/manifest.jsonl`) or, under another file name, after
    the file; of two that would have one name each is called after more of its path.

    Raises:
        RecordError: a manifest is malformed or empty.
        OptionError: one manifest is listed twice.
    """
    found = []
    for path, name in zip(map(Path, manifests), manifest_names(manifests), strict=True):
        records = tuple(read_records(path))[:limit]
        if not records:
            raise RecordError(f"{path}: has no records; nothing to evaluate")
        found.append(Dataset(name, path, records))
    return tuple(found)


def questions(
    dataset: Dataset, entities: Protocols = "closed", *, asked: TypesAsked = "balanced", seed: int = 0
) -> list[Question]:
    """The question about each record: its text, and whatever is annotated in the dataset.

    Args:
        dataset: with audio.
        entities: "closed" = the system's own types; "open" = the types of the dataset.
        asked: which of them: "balanced" = the record's own and as many absent ones (the WhisperNER protocol,
            see `open_ner`), "all" = every type of the dataset for every record.
        seed: of the absent types.

    Raises:
        RecordError: a record has no audio, or malformed turns of speakers.
        MissingDependencyError: turns are annotated and the extra `speakers` is not installed.
    """
    tasks = ("asr", *(["ner"] if dataset.has_entities else []), *(["sa"] if dataset.has_sentiment else []))
    every = dataset.types
    wanted = []
    for record in dataset.records:
        types: tuple[str, ...] | None = None
        if entities == "open" and "ner" in tasks:
            types = every
            if asked == "balanced":
                positives = {normalize_type(e.type) for e in record.entities or ()}
                types = balanced_types(record.id, positives, every, seed=seed)
            if not types:
                raise RecordError(
                    f"{dataset.path}: no entity is annotated, so there are no types to request; use the "
                    "closed set"
                )
        speakers = record.extra.get("turns") is not None
        if speakers:
            read_turns(record.extra["turns"], f"record {record.id!r}")
            error_rate()  # both before hours of work
        wanted.append(Question(record.id, dataset.audio(record), tasks, types, record.duration, speakers))
    return wanted


def check_audio(clips: Iterable[tuple[str, Path]]) -> None:
    """Check that every file of (id, path) exists, before hours of work. Raises `RecordError` naming the first
    missing one.
    """
    missing = [(key, path) for key, path in clips if not path.is_file()]
    if missing:
        key, path = missing[0]
        more = f" (and {len(missing) - 1} more are missing)" if len(missing) > 1 else ""
        raise RecordError(f"record {key!r}: {path}: no such file{more}; check the manifest's `audio`")


def predict(
    system: System, asked: Sequence[Question], out: str | os.PathLike[str], *, quiet: bool = False
) -> tuple[Prediction, ...]:
    """Run a system, or resume a run; returns the answers in the questions' order.

    Args:
        system: answers.
        asked: the questions.
        out: the JSON-lines file of the answers. Beside it, `<out>.run.json` describes the run.
        quiet: no progress line on stderr.

    Raises:
        OptionError: `out` cannot be written, or has answers to other questions or of another system.
        RecordError: the system invented an id, or left one out.
    """
    path = Path(out)
    make_folder(path.parent)
    _claim(path, system, asked)
    drop_half_line(path)  # of an interrupted run
    done = {answer.id: answer for answer in (read_jsonl_predictions(path) if path.exists() else ())}
    left = [question for question in asked if question.id not in done]
    ids = {question.id for question in left}
    with (
        Journal(path) as journal,
        Progress(len(asked), len(asked) - len(left), enabled=not quiet and bool(left)) as progress,
    ):
        for answer in system.answers(left) if left else ():
            if answer.id not in ids:
                raise RecordError(
                    f"{system.name} answered {answer.id!r}, which was not asked for, or answered it twice"
                )
            ids.remove(answer.id)
            journal.add(prediction_values(answer))
            done[answer.id] = answer
            progress.advance(answer.duration or 0.0)
    if ids:
        raise RecordError(f"{system.name} gave no answer to {len(ids)} questions, first {min(ids)!r}")
    return tuple(done[question.id] for question in asked)


def rtfx(predictions: Iterable[Prediction]) -> float | None:
    """Seconds of audio per second of computing; `None` where a duration or a time is not known."""
    known = [(p.duration, p.seconds) for p in predictions]
    audio = sum(duration or 0.0 for duration, _ in known)
    computing = sum(seconds or 0.0 for _, seconds in known)
    if not known or computing <= 0 or any(None in pair for pair in known):
        return None
    return audio / computing


def _claim(path: Path, system: System, asked: Sequence[Question]) -> None:
    """Record the run that writes `path`, or check that an existing file is of the same run."""
    key = [
        [q.id, list(q.tasks), None if q.types is None else list(q.types), *(["speakers"] * q.speakers)]
        for q in asked
    ]
    run = {
        "system": system.name,
        "facts": dict(system.facts),
        "questions": hashlib.sha256(json.dumps(key).encode()).hexdigest(),
    }
    run = json.loads(json.dumps(run))  # as it will be read again: tuples are lists
    if path.exists() and path.stat().st_size:
        before = run_facts(path)
        if before != run:
            changed = [name for name in run if before.get(name) != run[name]]
            facts = before.get("facts") or {}
            details = [name for name, value in run["facts"].items() if facts.get(name) != value]
            raise OptionError(
                f"{path}: has predictions of another run (other {', '.join(changed)}"
                f"{': ' * bool(details)}{', '.join(details)}); "
                "name another folder, or remove it"
            )
    write_whole(_beside(path), json.dumps(run, indent=1, ensure_ascii=False) + "\n")


def run_facts(path: Path) -> dict[str, Any]:
    """The description of the run that wrote some answers, from the file beside them; empty without one."""
    try:
        found = json.loads(_beside(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".run.json")


@dataclass(frozen=True)
class AskOptions:
    """How a unislu model decodes; see `unislu.Model.analyze`."""

    bias: float | Mapping[str, float] = 0.0
    beam: int | None = None
    """None = the system's own: 1 for a bundle, the recipe's for a checkpoint of `unislu train`."""
    constrained: bool | None = None
    """None = the system's own: True for a bundle, the recipe's for a checkpoint of `unislu train`."""
    operating_point: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"bias": dict(self.bias) if isinstance(self.bias, Mapping) else self.bias}

    def about(self, question: Question) -> AskOptions:
        """The options for one question: only requested types have a bias."""
        if "ner" not in question.tasks:
            return replace(self, bias=0.0, operating_point=None)
        if question.types is None or not isinstance(self.bias, Mapping):
            return self
        kept = {name: value for name, value in self.bias.items() if normalize_type(name) in question.types}
        return replace(self, bias=kept or 0.0)
