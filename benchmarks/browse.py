"""How long the page of `unislu browse` waits for its answers, over synthetic results of a batch run.

python benchmarks/browse.py [--recordings 100000] [--words 500] [--repeats 5] [--keep FOLDER] [--json FILE]

Words are drawn with the frequencies of a natural language (Zipf); a call has two channels, a sentiment, some
twenty segments and about ten entities. No audio is made: nothing here hears any.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from machine import describe

from unislu.browse.export import write_csv
from unislu.browse.filters import Filter
from unislu.browse.index import Index
from unislu.browse.queries import search
from unislu.browse.recording import read_recording
from unislu.scale.rows import schema

ROWS = 1000  # of a partition, as `unislu batch` writes them
SEGMENTS, ENTITIES = 20, 10
LABELS = ["negative", "neutral", "positive", "mixed"]
TYPES = ["PERSON", "ORG", "GPE", "DATE", "MONEY", "PRODUCT", "CARDINAL"]
KNOWN = "the and you to i a of that it in we is for have on delivery parcel order refund late invoice".split()


def vocabulary(size: int = 20_000) -> list[str]:
    """Common words, then made-up ones of three to ten letters."""
    draw = np.random.default_rng(1)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    made = ["".join(draw.choice(letters, draw.integers(3, 11))) for _ in range(size)]
    return list(dict.fromkeys([*KNOWN, *made]))


def partition(number: int, words: list[str], length: int, rows: int) -> pa.Table:
    """`rows` calls of `length` words each."""
    draw = np.random.default_rng(number)
    ranks = (draw.zipf(1.2, rows * length) - 1) % len(words)
    chosen = np.array(words, object)[ranks].reshape(rows, length)
    sizes = np.array([len(word) for word in words])[ranks].reshape(rows, length)
    ends = np.cumsum(sizes + 1, axis=1) - 1
    starts = ends - sizes
    texts = [" ".join(row) for row in chosen]
    times = np.tile(np.arange(length) * 0.4, (rows, 1))
    scores = draw.dirichlet([1.0, 2.0, 1.0, 0.3], rows)
    firsts = np.sort(draw.integers(0, length - 2, (rows, ENTITIES)), axis=1)
    days = draw.integers(0, 720, rows)
    names = [f"/calls/{datetime(2025, 1, 1) + timedelta(int(day)):%Y-%m-%d}-{number:04d}-{row:04d}.wav"
             for row, day in enumerate(days)]  # fmt: skip
    kinds = {field.name: field.type for field in schema()}

    def lists(name: str, count: int, fields: dict[str, Any]) -> pa.Array:
        kind = kinds[name].value_type
        parts = [_column(fields.get(kind.field(n).name), kind.field(n).type, rows * count)
                 for n in range(kind.num_fields)]  # fmt: skip
        items = pa.StructArray.from_arrays(parts, fields=[kind.field(n) for n in range(kind.num_fields)])
        offsets = pa.array(np.arange(rows + 1) * count, pa.int32())
        return pa.ListArray.from_arrays(offsets, items, type=kinds[name])

    index = np.arange(rows)[:, None]
    borders = np.linspace(0, length, SEGMENTS + 1).astype(int)
    segment_texts = [" ".join(row[a:b]) for row in chosen for a, b in pairwise(borders)]
    sentiments = [_sentiment(row) for row in scores]
    columns: dict[str, Any] = {
        "id": names, "uri": names, "stamp": ["480000:1780000000.0"] * rows,
        "content_key": [f"sha256:{number:032x}{row:032x}" for row in range(rows)],
        "duration": np.full(rows, length * 0.4), "language": ["en"] * rows, "text": texts,
        "words": lists("words", length, {
            "text": pa.array(words).take(pa.array(ranks)), "start": times.ravel(),
            "end": times.ravel() + 0.35, "start_char": starts.ravel(), "end_char": ends.ravel(),
            "confidence": draw.uniform(0.5, 1, rows * length),
        }),
        "entities": lists("entities", ENTITIES, {
            "type": draw.choice(TYPES, rows * ENTITIES),
            "text": [texts[row][starts[row, n]:ends[row, n + 1]] for row in range(rows) for n in firsts[row]],
            "start_char": starts[index, firsts].ravel(), "end_char": ends[index, firsts + 1].ravel(),
            "confidence": draw.uniform(0.3, 1, rows * ENTITIES), "start": times[index, firsts].ravel(),
            "end": times[index, firsts + 1].ravel() + 0.35, "start_word": firsts.ravel(),
            "end_word": firsts.ravel() + 2,
        }),
        "sentiment": sentiments,
        "segments": lists("segments", SEGMENTS, {
            "start": np.tile(borders[:-1] * 0.4, rows), "end": np.tile(borders[1:] * 0.4, rows),
            "text": segment_texts,
            "start_char": starts[:, borders[:-1]].ravel(), "end_char": ends[:, borders[1:] - 1].ravel(),
            "no_speech": np.zeros(rows * SEGMENTS, bool), "avg_logprob": np.full(rows * SEGMENTS, -0.2),
            "sentiment": [mood for mood in sentiments for _ in range(SEGMENTS)],
            "channel": np.tile(np.arange(SEGMENTS) % 2, rows),
        }),
        "timings": [[("total", 3.0)]] * rows, "warnings": [[]] * rows, "model": ["synthetic"] * rows,
        "bundle_hash": ["0" * 64] * rows, "unislu_version": ["0.3.0"] * rows, "worker": ["host:1"] * rows,
        "finished_at": [datetime.now(UTC)] * rows,
    }  # fmt: skip
    arrays = [_column(columns.get(name), kind, rows) for name, kind in kinds.items()]
    return pa.Table.from_arrays(arrays, schema=schema())


def _sentiment(scores: Any) -> dict[str, Any]:
    return {
        "label": LABELS[int(scores.argmax())],
        "scores": list(zip(LABELS, map(float, scores), strict=True)),
    }


def _column(values: Any, kind: pa.DataType, count: int) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.nulls(count, kind) if values is None else pa.array(values, kind)


def make(folder: Path, recordings: int, words: int) -> None:
    """A results folder."""
    folder.mkdir(parents=True, exist_ok=True)
    known = vocabulary()
    for number, first in enumerate(range(0, recordings, ROWS), 1):
        table = partition(number, known, words, min(ROWS, recordings - first))
        pq.write_table(table, folder / f"part-{number:06d}-{number:08x}.parquet", compression="zstd")
    (folder / "run.json").write_text("{}\n")


QUERIES = {
    "everything": {},
    "a common word": {"q": "delivery"},
    "a rare word": {"q": vocabulary()[9_000]},
    "a word that is nowhere": {"q": "antidisestablishment"},
    "a prefix": {"q": "deliver*"},
    "two words and not a third": {"q": "delivery late -refund"},
    "a phrase": {"q": '"the delivery"'},
    "one or the other": {"q": "invoice OR refund"},
    "sentiment": {"sentiment": ["negative"], "certainty": "0.7"},
    "a type, surely": {"type": ["PERSON"], "confidence": "0.8"},
    "an entity's words": {"entity": "delivery"},
    "a speaker's words": {"q": "delivery", "speaker": "Channel 2", "sentiment": ["negative"]},
    "a month": {"from": "2026-03-01", "to": "2026-03-31"},
    "all of it": {"q": "delivery", "speaker": "Channel 2", "sentiment": ["negative"],
                  "type": ["PERSON", "ORG"], "confidence": "0.5", "from": "2026-03-01", "to": "2026-03-31"},
    "the last page": {"offset": "99950"},
    "most negative first": {"sort": "negative"},
}  # fmt: skip


def seconds(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Of some runs: the median and the longest time that a person waits, and the processor time of one, which
    does not depend on what else the machine does.
    """
    taken, busy = [], time.process_time()
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    processor = (time.process_time() - busy) / repeats
    return {"median": statistics.median(taken), "longest": max(taken), "processor": processor}


def measure(folder: Path, words: int, repeats: int) -> dict[str, Any]:
    """Start, memory, every query, and what else a person waits for."""
    process = psutil.Process()
    before = process.memory_info().rss
    opened: list[Index] = []
    report: dict[str, Any] = {"start": seconds(lambda: opened.append(Index(str(folder))), 1)}
    index = opened[0]
    try:
        report["memory_mib"] = (process.memory_info().rss - before) / 2**20
        report["queries"] = {}
        for name, given in QUERIES.items():
            asked = Filter.parse({key: [v] if isinstance(v, str) else v for key, v in given.items()})
            total = search(index, asked)["total"]
            found = seconds(partial(search, index, asked), repeats)
            report["queries"][name] = {"recordings": total, **found}
        identity = search(index, Filter())["rows"][0]["id"]
        report["transcript"] = seconds(partial(read_recording, index, identity), repeats)
        rare = Filter.parse({"q": ["antidisestablishment OR refund"], "from": ["2026-03-01"]})
        report["csv"] = seconds(lambda: sum(map(len, write_csv(index, rare))), 1)
        extra = folder / "part-999999-00000000.parquet"
        pq.write_table(partition(999_999, vocabulary(), words, ROWS), extra, compression="zstd")
        try:
            report["refresh_of_1000_more"] = seconds(index.refresh, 1)
        finally:
            extra.unlink()
    finally:
        index.close()
    return report


def main() -> None:
    """Make results, ask, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=500, help="of a recording")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="folder for the results; used again if it is there")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary) / "results"
        if not folder.exists():
            make(folder, args.recordings, args.words)
        size = sum(path.stat().st_size for path in folder.glob("*.parquet")) / 2**20
        machine = describe(threads=0) | {"duckdb": version("duckdb"), "pyarrow": version("pyarrow")}
        report = {"machine": machine, "recordings": args.recordings, "words": args.words, "parquet_mib": size}
        report |= measure(folder, args.words, args.repeats)
    print(render(report))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


def render(report: dict[str, Any]) -> str:
    """The report as lines."""
    machine = report["machine"]
    lines = [
        f"{report['recordings']} recordings of {report['words']} words, {report['parquet_mib']:.0f} MiB",
        f"{machine['cpu']}, {machine['cores']} cores, load average at the start {machine['load_average']}, "
        f"DuckDB {machine['duckdb']}",
        f"memory {report['memory_mib']:.0f} MiB",
        "",
        f"{'':28s} {'found':>8s} {'median':>9s} {'longest':>9s} {'processor':>9s}",
    ]
    keys = ("start", "transcript", "csv", "refresh_of_1000_more")
    others = {key.replace("_", " "): report[key] for key in keys}
    for name, found in (report["queries"] | others).items():
        times = " ".join(f"{found[key]:8.3f}s" for key in ("median", "longest", "processor"))
        lines.append(f"{name:28s} {found.get('recordings', ''):>8} {times}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
