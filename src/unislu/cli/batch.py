"""Transcribe many files, on this machine or a cluster, into Parquet partitions with one row per file.

A killed run resumes where it was if the same command is given again.

examples:
  unislu batch calls/ results/
  unislu batch 's3://bucket/calls/*.mp3' s3://bucket/results --workers 16
  unislu batch manifest.jsonl results/ --engine ray --ray-address auto
  unislu batch manifest.jsonl results/shard-3 --shard 3/16
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..errors import require
from . import complain, request_options
from .arguments import not_negative, positive

if TYPE_CHECKING:
    from ..scale.run import Summary


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="files, globs, folders, manifests (JSON lines); local or a URL",
    )
    parser.add_argument("out", metavar="OUT", help="folder or URL for the partitions; each run needs its own")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where to run (default: local)"
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="processes or actors (default: by the number of cores)"
    )
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="threads of one worker (default: 1)"
    )
    parser.add_argument(
        "--bundle",
        "--model",
        metavar="B",
        help="model bundle: a name of `unislu models`, a folder, or hf:owner/name",
    )
    parser.add_argument(
        "--loader", metavar="M:F", help="function that loads the model, e.g. with an engine of your own"
    )
    request_options.configure_files(parser)
    _run_options(parser)
    parser.add_argument(
        "--ray-address", metavar="A", help="address of a running Ray cluster: auto, or host:port"
    )
    parser.add_argument("--gpus", type=float, default=0.0, metavar="N", help="GPUs of each Ray actor")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress; still prints the summary")


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--retries",
        type=not_negative,
        default=2,
        metavar="N",
        help="retries of a file that crashes or hangs (default: 2)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds a file may take in addition to its length",
    )
    parser.add_argument("--retry-errors", action="store_true", help="retry files that earlier runs failed on")
    parser.add_argument(
        "--partition-rows", type=positive, default=1000, metavar="N", help="maximum rows of a partition"
    )
    parser.add_argument(
        "--commit-every", type=float, default=60.0, metavar="S", help="write a partition at least this often"
    )
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="only part I of N of the inputs"
    )
    parser.add_argument(
        "--failures-ok",
        action="store_true",
        help="exit with 0 if every file has a row, error rows included",
    )


def run(arguments: argparse.Namespace) -> int:
    """Transcribe everything; 1 if a file failed, unless failures are allowed."""
    require("scale", "fsspec", "pyarrow")
    if arguments.engine == "ray":
        require("ray", "ray")
    from ..recognition.request import Request
    from ..scale.options import DEFAULT_LOADER, BatchOptions, WorkerOptions
    from ..scale.run import run_batch

    worker = WorkerOptions(
        request=Request(**request_options.file_options(arguments)),
        bundle=arguments.bundle,
        loader=arguments.loader or DEFAULT_LOADER,
        threads=arguments.threads,
        retries=arguments.retries,
        timeout=arguments.timeout,
    )
    options = BatchOptions(
        worker=worker,
        engine=arguments.engine,
        workers=arguments.workers,
        partition_rows=arguments.partition_rows,
        commit_every=arguments.commit_every,
        retry_errors=arguments.retry_errors,
        shard=arguments.shard,
        ray_address=arguments.ray_address,
        gpus=arguments.gpus,
    )
    summary = run_batch(arguments.inputs, arguments.out, options, quiet=arguments.quiet)
    for note in summary.notes:
        complain(f"warning: {note}")
    sys.stdout.write(render(summary))
    return 1 if (summary.failed or summary.kept) and not arguments.failures_ok else 0


def render(summary: Summary) -> str:
    """The summary as lines: files, speed, failures by cause."""
    from ..scale.rows import KINDS

    lines = [f"{summary.done} of {summary.inputs} files processed, {summary.failed} failed: {summary.out}"]
    if summary.kept:
        lines.append(f"  {summary.kept:6d}  could not be processed again; their earlier rows were kept")
    if summary.new:
        speed = summary.audio_seconds / summary.wall_seconds
        lines.append(
            f"this run: {summary.new} files, {summary.audio_seconds / 3600:.2f} h of audio "
            f"in {summary.wall_seconds:.1f} s, {speed:.1f}x real time"
        )
    for kind, count in summary.causes.items():
        first = f"{'first: ' if count > 1 else ''}{summary.first[kind]}"
        lines.append(f"  {count:6d}  {KINDS.get(kind, kind)} ({kind}): {first}")
    return "\n".join(lines) + "\n"


def _shard(value: str) -> tuple[int, int]:
    part, slash, parts = value.partition("/")
    if not slash or not part.isdigit() or not parts.isdigit():
        raise argparse.ArgumentTypeError(f"{value!r} is not of the form I/N, e.g. 3/16")
    return int(part), int(parts)
