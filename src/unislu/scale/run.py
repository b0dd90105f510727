"""A batch run from end to end: inputs, remaining work, workers, partitions, summary."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..bundle import MANIFEST, file_digest, open_bundle
from ..errors import BatchError, OptionError
from ..progress import Progress
from ..recognition.request import Request
from ..version import __version__
from .fetch import content_key
from .inputs import Input
from .ledger import Known, Ledger
from .local import run_local
from .options import BatchOptions, in_shard
from .packing import Batch, pack
from .rows import Row
from .sources import find_inputs

SCHEMA_VERSION = 1
_HASHERS = 8


@dataclass(frozen=True)
class Summary:
    """How a run ended."""

    out: str
    """The output folder."""
    inputs: int
    """Files of all sessions."""
    done: int
    """Files of all sessions that were transcribed."""
    failed: int
    """Files of all sessions that failed."""
    causes: dict[str, int]
    """Number of failures by `error.kind`."""
    new: int
    """Files of this run."""
    audio_seconds: float
    """Audio of this run."""
    wall_seconds: float
    """Duration of this run."""
    kept: int = 0
    """Files that changed or are missing and could not be transcribed again; their earlier rows stay, and
    count as done.
    """
    notes: tuple[str, ...] = ()
    """Messages for the user."""
    first: Mapping[str, str] = field(default_factory=dict)
    """The first file that failed, by `error.kind`."""


def run_batch(specs: Sequence[str], out: str, options: BatchOptions, *, quiet: bool = False) -> Summary:
    """Transcribe every input that has no row in `out` yet; returns when each has exactly one.

    Raises:
        OptionError: inputs that do not exist, or options that differ from those with which `out` was begun.
        RecordError: a bad line of a manifest.
        BatchError: the run cannot continue, or half of the transcribed files are missing; what was committed
            is kept.
        MissingDependencyError: pyarrow, fsspec, a storage package or Ray is not installed.
        BundleError: the model cannot be used.
    """
    found = find_inputs(specs)
    inputs = [entry for entry in found.inputs if in_shard(entry.id, options.shard)]
    settings = options.settings(file_digest(open_bundle(options.worker.bundle).path / MANIFEST))
    ledger = Ledger(out)
    with ledger.open() as known:
        ledger.notes += found.notes
        session = _Session(inputs, ledger, options, settings, known, quiet)
        return session.run()


@dataclass
class _Session:
    """One start of the command; the run consists of all of them."""

    inputs: list[Input]
    ledger: Ledger
    options: BatchOptions
    settings: dict[str, Any]
    known: dict[str, Known]
    quiet: bool
    replaced: dict[str, Known] = field(default_factory=dict)
    """Rows that are deleted as soon as new ones of the same inputs are written."""
    stand: dict[str, str] = field(default_factory=dict)
    """Inputs whose earlier row stays, and why they could not be transcribed again."""
    waiting: list[Row] = field(default_factory=list)
    written: float = 0.0
    wall_seconds: float = 0.0
    new: dict[str, tuple[str | None, float]] = field(default_factory=dict)  # id → (failure, seconds of audio)

    def run(self) -> Summary:
        manifest = self._manifest()
        started = time.monotonic()
        todo = self._todo()
        session = {"started_at": _now(), "host": socket.gethostname(), "engine": self.options.engine}
        manifest["sessions"].append({**session, "files_to_do": len(todo)})
        self.ledger.write_manifest(manifest)
        try:
            if todo:
                self._transcribe(todo)
        finally:
            self._flush()
            self.wall_seconds = time.monotonic() - started
        missing = [entry.id for entry in todo if entry.id not in self.new]
        if missing:
            raise BatchError(f"{len(missing)} files have no row, the first is {missing[0]!r}; run again")
        summary = self._summary()
        self._finish(manifest, summary)
        return summary

    def _manifest(self) -> dict[str, Any]:
        """The run manifest of the folder, or a new one. Raises `OptionError` if another run began it."""
        found = self.ledger.manifest()
        if found is None or not self.known:  # a start without results does not fix the options
            sessions = found["sessions"] if found else []
            found = {"schema_version": SCHEMA_VERSION, "settings": self.settings, "sessions": sessions}
        if changed := _changed(found["settings"], self.settings):
            raise OptionError(
                f"{self.ledger.url}: was begun with {', '.join(changed)}; "
                "choose another output folder, or give the same options"
            )
        found |= {"unislu_version": __version__, "finished_at": None, "bundle": self.options.worker.bundle}
        found["inputs"] = {"count": len(self.inputs), "sha256": _digest(self.inputs)}
        return found

    def _todo(self) -> list[Input]:
        """The inputs without a valid row."""
        self._refuse_vanished()
        changed = [
            entry
            for entry in self.inputs
            if entry.id in self.known and self.known[entry.id].stamp != entry.stamp
        ]
        with ThreadPoolExecutor(_HASHERS) as pool:
            keys = list(pool.map(content_key, [entry.uri for entry in changed]))
        stale = {
            entry.id
            for entry, key in zip(changed, keys, strict=True)
            if key is None or key + entry.fragment != self.known[entry.id].content_key
        }
        if self.options.retry_errors:
            stale |= {
                entry.id for entry in self.inputs if entry.id in self.known and self.known[entry.id].error
            }
        self.replaced = {identity: self.known.pop(identity) for identity in stale}
        return [entry for entry in self.inputs if entry.id not in self.known]

    def _refuse_vanished(self) -> None:
        """If half of the transcribed files are missing, they were hardly deleted: a disk is not mounted, or a
        right was revoked.
        """
        known = [entry for entry in self.inputs if entry.id in self.known and not self.known[entry.id].error]
        gone = [entry for entry in known if entry.stamp is None]
        if gone and 2 * len(gone) >= len(known):
            raise BatchError(
                f"{len(gone)} of {len(known)} files that were transcribed before cannot be found, the first "
                f"is {gone[0].place}: is their storage mounted and readable? Nothing was changed; if they "
                "were deleted, remove them from the inputs (their rows stay)"
            )

    def _transcribe(self, todo: list[Input]) -> None:
        expected = {entry.id: entry.seconds for entry in todo}
        progress = Progress(
            len(self.inputs), len(self.inputs) - len(todo), unit="files", expected=sum(expected.values()),
            enabled=not self.quiet,
        )  # fmt: skip
        self.written = time.monotonic()
        with progress, closing(self._results(todo)) as results:
            for rows in results:
                # A cluster may repeat the work of a machine that it lost.
                for row in (row for row in rows if row["id"] in expected and row["id"] not in self.new):
                    self._take(row)
                    seconds, failed = self.new[row["id"]][1], bool(row.get("error"))
                    progress.advance(seconds, expected=expected[row["id"]], failed=failed)
                if time.monotonic() - self.written >= self.options.commit_every:
                    self._flush()

    def _take(self, row: Row) -> None:
        identity, failure = row["id"], row["error"]["kind"] if row.get("error") else None
        self.new[identity] = (failure, row.get("duration") or 0.0)
        before = self.replaced.get(identity)
        if failure is not None and before is not None and before.error is None:
            self.known[identity] = self.replaced.pop(identity)  # only a success replaces a success
            self.stand[identity] = failure
            return
        self.waiting.append(row)
        if len(self.waiting) >= self.options.partition_rows:
            self._flush()

    def _results(self, todo: list[Input]) -> Generator[list[Row], None, None]:
        options = self.options
        identity = self.settings["bundle_hash"]
        if options.engine == "ray":
            from .cluster import Cluster

            with Cluster(options) as cluster:
                batches = self._pack(todo, cluster.workers)
                yield from cluster.run(batches, identity)
            return
        workers = options.workers or max(1, (os.cpu_count() or 1) // options.worker.threads)
        yield from run_local(self._pack(todo, workers), options.worker, identity, workers)

    def _pack(self, todo: list[Input], workers: int) -> list[Batch]:
        return pack(todo, self.options.batch_seconds, self.options.batch_files, workers)

    def _flush(self) -> None:
        if self.waiting:
            rows, self.waiting = self.waiting, []
            self.ledger.commit(rows)
            superseded: dict[str, set[str]] = {}
            for identity in (row["id"] for row in rows if row["id"] in self.replaced):
                superseded.setdefault(self.replaced.pop(identity).partition, set()).add(identity)
            self.ledger.drop(dict(superseded))
        self.written = time.monotonic()

    def _summary(self) -> Summary:
        failures = {i: failure for i, (failure, _) in self.new.items() if i not in self.stand}
        failures |= {entry.id: self.known[entry.id].error for entry in self.inputs if entry.id in self.known}
        causes = Counter(failure for failure in failures.values() if failure)
        notes = list(self.ledger.notes)
        extra = len(set(self.known) - {entry.id for entry in self.inputs})
        if extra:
            notes.append(f"{extra} rows belong to files that are no longer among the inputs; they were kept")
        if self.stand:
            first = min(self.stand)
            notes.append(
                f"{len(self.stand)} files could not be transcribed again; their earlier rows were kept, the "
                f"first is {first} ({self.stand[first]})"
            )
        return Summary(
            self.ledger.url, len(self.inputs), len(failures) - causes.total(), causes.total(),
            dict(causes.most_common()), len(self.new), sum(seconds for _, seconds in self.new.values()),
            self.wall_seconds, len(self.stand), tuple(notes),
            {kind: identity for identity, kind in sorted(failures.items(), reverse=True) if kind},
        )  # fmt: skip

    def _finish(self, manifest: dict[str, Any], summary: Summary) -> None:
        commits = self.ledger.commits()
        manifest["sessions"][-1] |= {
            "finished_at": _now(),
            "files": summary.new,
            "audio_seconds": round(summary.audio_seconds, 3),
            "wall_seconds": round(summary.wall_seconds, 3),
        }
        manifest |= {
            "finished_at": _now(),
            "totals": {
                "rows": sum(commit["rows"] for commit in commits),
                "heard": summary.done,
                "failed": summary.failed,
                "causes": summary.causes,
                "audio_seconds": round(sum(commit["audio_seconds"] for commit in commits), 3),
            },
            "partitions": commits,
        }
        self.ledger.write_manifest(manifest)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Settings that differ, as `NAME OLD (now NEW)`; those of a group (`analyze`) one by one."""
    changed = []
    for key, new in now.items():
        old = before.get(key)
        if key == "analyze" and isinstance(old, Mapping):
            old = _completed(old)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changed += _changed(old, new)
        elif old != new:
            changed.append(f"{key} {_shown(old)} (now {_shown(new)})")
    return changed


def _shown(value: Any) -> str:
    """A setting as it stands in a message; a vocabulary may have thousands of phrases."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _completed(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of an earlier run, completed with the defaults, which older versions did not store."""
    try:
        return Request(**asked).to_dict()
    except (TypeError, OptionError):  # another version's options
        return asked


def _digest(inputs: Sequence[Input]) -> str:
    digest = hashlib.sha256()
    for entry in sorted(inputs, key=lambda entry: entry.id):
        digest.update(f"{entry.id}\0{entry.uri}\0{entry.stamp}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
