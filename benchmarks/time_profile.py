"""Where the time of one clip goes: a table per clip length, beside what the machine could do at best.

    python benchmarks/time_profile.py --speech FOLDER --threads 1
    python benchmarks/time_profile.py --bundle BUNDLE --lengths 10 30 --tasks asr,ner

Parts: features; the encoder; the decoder's first step (the prompt) and its steps of one token; the tagger, if
the bundle has a second decoder; choosing (grammar, biases, probabilities); alignment and words; and the rest,
which is Python between these. With one thread seconds are the thread's own, so that other work on the machine
counts little; with more they are by the clock. The median over the clips and rounds is reported.

The limit of a part is the larger of two times: its products of weights over the int8 products a second that
ONNX Runtime reaches here in one large matrix product, and the bytes of its weights over the rate at which as
many bytes as the decoder's weights can be read again and again. Attention is not in it. Results:
benchmarks/results/time_profile-DATE.json and .md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from clips import make_clips
from speed import HERE, save, set_threads, shown

PARTS = (
    "features",
    "encoder",
    "first step",
    "steps",
    "tagger",
    "choosing",
    "alignment, words",
    "Python between",
)
Weights = dict[str, int]
"""Bytes of weights that a bundle's graphs read once a call: `encoder`, `decoder`, `logits` and `tagger`."""


class Clock:
    """Adds up seconds and calls of each part; the time of a part within another counts for the inner one."""

    def __init__(self, threads: int) -> None:
        self.now = time.thread_time if threads == 1 else time.perf_counter
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self._inner = [0.0]

    def timed(
        self, call: Callable[..., Any], name: Callable[..., str | tuple[str, int]]
    ) -> Callable[..., Any]:
        """The same call, timed; `name` gives the part for its arguments, and how many tokens it is fed."""

        def measured(*args: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            start = self.now()
            try:
                return call(*args, **options)
            finally:
                spent = self.now() - start
                named = name(*args)
                part, count = named if isinstance(named, tuple) else (named, 0)
                self.seconds[part] += spent - self._inner.pop()
                self.calls[part] += 1
                self.tokens[part] += count
                self._inner[-1] += spent

        return measured


def instrument(model: Any, clock: Clock) -> None:
    """Let the clock time the parts of a model."""
    from unislu.decoding import copying, decoder, search
    from unislu.recognition import recognizer

    def wrap(owner: Any, name: str, part: Callable[..., str | tuple[str, int]]) -> None:
        setattr(owner, name, clock.timed(getattr(owner, name), part))

    def step(tokens: np.ndarray, state: Any) -> tuple[str, int]:
        return ("steps" if tokens.shape[1] == 1 else "first step"), tokens.shape[1]

    engine = model.recognizer.engine
    wrap(engine, "step", step)
    wrap(engine, "encode", lambda mel, frames: ("encoder", int(frames.max()) // 2))
    if engine.tags:
        wrap(engine, "score", lambda tokens, *_: ("tagger", len(tokens)))
    wrap(search.Rules, "scores", lambda *_: "choosing")
    wrap(search.Rules, "advance", lambda *_: "choosing")
    wrap(search, "log_sum_exp", lambda *_: "choosing")
    wrap(copying, "_chosen", lambda *_: "choosing")
    wrap(engine, "attention", lambda *_: "alignment, words")
    wrap(decoder, "alignment_matrix", lambda *_: "alignment, words")
    wrap(recognizer, "words_of", lambda *_: "alignment, words")
    wrap(recognizer, "log_mel", lambda *_: "features")


def measure(model: Any, options: argparse.Namespace) -> list[dict[str, Any]]:
    """For each length the median seconds of each part, and calls and tokens of a clip."""
    clock = Clock(options.threads)
    instrument(model, clock)
    rows = []
    for seconds in options.lengths:
        clips = make_clips(options.speech, seconds, options.clips)
        model.analyze(clips[0], sample_rate=16_000, tasks=options.tasks)
        runs: list[tuple[Counter[str], Counter[str], Counter[str]]] = []
        for clip in clips * options.rounds:
            clock.seconds, clock.calls, clock.tokens = Counter(), Counter(), Counter()
            start = clock.now()
            model.analyze(clip, sample_rate=16_000, tasks=options.tasks)
            whole = clock.now() - start
            spent = {"Python between": whole - sum(clock.seconds.values()), "all": whole}
            runs.append((clock.seconds + Counter(spent), clock.calls, clock.tokens))
        found = {
            name: {part: statistics.median(run[place][part] for run in runs) for part in (*PARTS, "all")}
            for place, name in enumerate(("seconds", "calls", "tokens"))
        }
        rows.append({"clip_seconds": seconds, **found})
    return rows


def weights_of(bundle: str | None) -> Weights:
    """Raises `BundleError` as `open_bundle` does."""
    import onnx

    from unislu.bundle import open_bundle

    def graph_of(path: Path) -> Any:
        return onnx.load(str(path), load_external_data=False).graph

    def integers(graph: Any, wanted: Callable[[str], bool]) -> int:
        kinds = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
        return sum(
            int(np.prod(item.dims))
            for item in graph.initializer
            if item.data_type in kinds and len(item.dims) > 1 and wanted(item.name)
        )

    found = open_bundle(bundle)
    decoder = graph_of(found.decoder)
    logits = integers(decoder, lambda name: "embed_tokens" in name)
    if any(node.op_type == "TopK" for node in decoder.node):
        logits //= 2  # a shortlist: four bits of every row, and all eight of a few
    weights = {
        "encoder": integers(graph_of(found.encoder), lambda name: True),
        "decoder": integers(decoder, lambda name: "embed_tokens" not in name),
        "logits": logits,
    }
    if found.tagger is not None:
        weights["tagger"] = integers(graph_of(found.tagger), lambda name: "embed_tokens" not in name)
    return weights


def int8_rate(threads: int) -> float:
    """int8 products a second in one large matrix product with the encoder's operators."""
    import onnxruntime

    from unislu.training.onnx_graph import GraphWriter, dynamic_linear

    rows, inner, out = 512, 2048, 2048
    random = np.random.default_rng(0)
    graph = GraphWriter("rate")
    x = graph.input("x", np.float32, [rows, inner])
    product = dynamic_linear(graph, x, "w", random.standard_normal((out, inner)).astype(np.float32), None)
    graph.output(product, "y", np.float32, [rows, out])
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        graph.model().SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    given = {"x": random.standard_normal((rows, inner)).astype(np.float32)}
    now = Clock(threads).now
    best = float("inf")
    for _ in range(12):
        start = now()
        session.run(None, given)
        best = min(best, now() - start)
    return rows * inner * out / best


def read_rate(size: int, threads: int) -> float:
    """Bytes a second of reading `size` bytes again and again."""
    block = np.ones(size // 8)
    parts = np.array_split(block, threads)
    now = Clock(threads).now
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(12):
            start = now()
            if threads == 1:
                block.max()
            else:
                list(pool.map(np.max, parts))
            best = min(best, now() - start)
    return block.nbytes / best


def limits(row: dict[str, Any], weights: Weights, rate: float, bandwidth: float) -> dict[str, float]:
    """Seconds that each part takes at least; see the module. `bandwidth` in bytes a second."""

    def least(part: str, each: int, once: int) -> float:
        """`each`: weights used for every token; `once`: those used once a call."""
        products = row["tokens"][part] * each + row["calls"][part] * once
        return max(products / rate, row["calls"][part] * (each + once) / bandwidth)

    found = {
        "encoder": least("encoder", weights["encoder"], 0),
        "first step": least("first step", weights["decoder"], weights["logits"]),
        "steps": least("steps", weights["decoder"], weights["logits"]),
    }
    if "tagger" in weights:
        found["tagger"] = least("tagger", weights["tagger"], 0)
    return found


def markdown(report: dict[str, Any]) -> str:
    machine = report["machine"]
    versions = machine["versions"]
    weights = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in report["weights"].items())
    lines = [
        f"# Where the time goes, {report['date']}",
        "",
        f"{machine['cpu']}, {', '.join(machine['instruction_sets'])}; threads {machine['threads']}; "
        f"load average {machine['load_average']}; ONNX Runtime {versions.get('onnxruntime')}.",
        f"int8 products {report['int8_gmacs']} G/s, weights read at {report['read_gb_s']} GB/s.",
        f"Weights in MB: {weights}.",
        "",
        "```",
        report["command"],
        "```",
        "",
        "Milliseconds a clip (median), their share, the least that the machine could need, calls and tokens.",
        "",
        "| clip | part | ms | share | limit | calls | tokens |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in report["rows"]:
        whole = row["seconds"]["all"]
        for part in (*PARTS, "all"):
            spent, limit = row["seconds"][part], row["limits"].get(part)
            if not spent:
                continue
            calls, tokens = row["calls"][part], row["tokens"][part]
            shown_limit = "" if limit is None else f"{1000 * limit:.1f}"
            lines.append(
                f"| {row['clip_seconds']} s | {part} | {1000 * spent:.1f} | {100 * spent / whole:.0f} % "
                f"| {shown_limit} | {calls:g} | {tokens:g} |"
            )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="the unislu bundle; default: the one in the package")
    parser.add_argument(
        "--speech", type=Path, help="folder of speech to cut clips from; default: synthesised"
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[5, 10, 30], help="seconds of the clips")
    parser.add_argument("--clips", type=int, default=4, help="different clips of each length")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tasks", type=lambda text: tuple(text.split(",")), default=("asr", "ner", "sa"))
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args()


def main() -> None:
    import sys
    from datetime import UTC, datetime

    options = parse()
    set_threads(options.threads)
    import machine

    import unislu

    rate, weights = int8_rate(options.threads), weights_of(options.bundle)
    bandwidth = read_rate(weights["decoder"] + weights["logits"], options.threads)
    rows = measure(unislu.load(options.bundle, threads=options.threads), options)
    for row in rows:
        row["limits"] = limits(row, weights, rate, bandwidth)
    report = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": "python benchmarks/time_profile.py " + " ".join(shown(sys.argv[1:])),
        "machine": machine.describe(options.threads),
        "int8_gmacs": round(rate / 1e9, 1),
        "read_gb_s": round(bandwidth / 1e9, 1),
        "weights": weights,
        "rows": rows,
    }
    save("time_profile", options.out, report, markdown)


if __name__ == "__main__":
    main()
