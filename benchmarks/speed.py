"""Latency and throughput of unislu against the usual pipeline, on the same clips in one run.

    pip install . -r benchmarks/requirements.txt
    python benchmarks/speed.py --speech FOLDER --faster-whisper FOLDER_OF_THE_SAME_BACKBONE

The pipeline is faster-whisper (CTranslate2, int8) → spaCy's small English model → VADER. Each system
runs in a process of its own, so that neither's waiting threads disturb the other; their turns are
interleaved clip by clip, and the median over the rounds is reported. Loading a model is not counted
(benchmarks/cold_start.py does that), and many clips at once are benchmarks/throughput.py's matter. Results:
benchmarks/results/speed-DATE.json and .md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
OURS = {
    "unislu: transcript": ("asr",),
    "unislu: + entities": ("asr", "ner"),
    "unislu: + sentiment": ("asr", "sa"),
    "unislu: all": ("asr", "ner", "sa"),
}
TRANSCRIPT, ALL = "unislu: transcript", "unislu: all"
BEAMS = {"faster-whisper, greedy": 1, "faster-whisper, beam 5 (its default)": 5}
PIPELINE = "{} → spaCy → VADER"


@dataclass
class Sample:
    """One clip through one system: seconds of computing, in all and by stage."""

    seconds: float
    stages: dict[str, float] = field(default_factory=dict)
    words: int = 0
    entities: int = 0


Run = Callable[[str, Any], Any]
"""A system's work: (variant, input) -> what was measured; here a clip -> `Sample`."""


def open_unislu(options: argparse.Namespace) -> Run:
    import unislu

    model = unislu.load(options.bundle, threads=options.threads)

    def run(variant: str, clip: np.ndarray) -> Sample:
        start = time.perf_counter()
        result = model.analyze(clip, sample_rate=16_000, tasks=OURS[variant])
        seconds = time.perf_counter() - start
        stages = {name: value for name, value in result.timings.items() if name not in ("load", "total")}
        return Sample(seconds, stages, len((result.text or "").split()), len(result.entities or ()))

    return run


def open_pipeline(options: argparse.Namespace) -> Run:
    from usual import open_parts

    model, tagger, vader = open_parts(options.faster_whisper, options.threads)

    def run(variant: str, clip: np.ndarray) -> Sample:
        start = time.perf_counter()
        segments, _ = model.transcribe(clip, language="en", beam_size=BEAMS[variant], without_timestamps=True)
        text = " ".join(segment.text for segment in segments)
        heard = time.perf_counter()
        entities = tagger(text).ents
        tagged = time.perf_counter()
        vader.polarity_scores(text)
        end = time.perf_counter()
        stages = {"transcript": heard - start, "entities": tagged - heard, "sentiment": end - tagged}
        return Sample(end - start, stages, len(text.split()), len(entities))

    return run


def serve(connection, opener: Callable[[argparse.Namespace], Run], options: argparse.Namespace) -> None:
    """The loop of a system's process: answers (variant, input) with what was measured until told to stop."""
    try:
        run = opener(options)
        connection.send("ready")
        while (request := connection.recv()) is not None:
            connection.send(run(*request))
    except Exception as error:
        connection.send(error)


class System:
    """A system in its own process."""

    def __init__(self, opener: Callable[[argparse.Namespace], Run], options: argparse.Namespace) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, opener, options), daemon=True)
        self.process.start()
        self._answer()

    def run(self, variant: str, given: Any) -> Any:
        self.connection.send((variant, given))
        return self._answer()

    def close(self) -> None:
        self.connection.send(None)
        self.process.join(timeout=10)

    def _answer(self):
        answer = self.connection.recv()
        if isinstance(answer, Exception):
            raise SystemExit(f"{Path(sys.argv[0]).name}: {type(answer).__name__}: {answer}")
        return answer


def measure(options: argparse.Namespace) -> dict[int, dict[str, list[Sample]]]:
    """Samples by clip length and variant."""
    from clips import make_clips

    clips = {seconds: make_clips(options.speech, seconds, options.clips) for seconds in options.lengths}
    ours = System(open_unislu, options)
    systems = {variant: ours for variant in OURS}
    if options.faster_whisper:
        theirs = System(open_pipeline, options)
        systems |= {variant: theirs for variant in BEAMS}
    order = list(systems)
    samples = {seconds: {variant: [] for variant in order} for seconds in options.lengths}
    for variant in order:
        for seconds in options.lengths:
            systems[variant].run(variant, clips[seconds][0])
    for turn in range(options.rounds):
        for seconds in options.lengths:
            for clip in clips[seconds]:
                for variant in order:
                    samples[seconds][variant].append(systems[variant].run(variant, clip))
                order = order[1:] + order[:1]
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    for system in set(systems.values()):
        system.close()
    return samples


def summarize(samples: dict[int, dict[str, list[Sample]]]) -> list[dict[str, object]]:
    """One row for each clip length and system: medians, and what follows from them."""
    rows = []
    for seconds, by_variant in samples.items():
        for variant, runs in by_variant.items():
            stages = {
                name: statistics.median(run.stages.get(name, 0.0) for run in runs) for name in runs[0].stages
            }
            whole = row(seconds, variant, [run.seconds for run in runs], runs, stages)
            if variant in BEAMS:
                heard = [run.stages["transcript"] for run in runs]
                rows += [row(seconds, variant, heard, runs, {}), whole | {"system": PIPELINE.format(variant)}]
            else:
                rows.append(whole)
    return rows


def row(
    seconds: int, system: str, times: list[float], runs: list[Sample], stages: dict[str, float]
) -> dict[str, object]:
    median = statistics.median(times)
    return {
        "clip_seconds": seconds,
        "system": system,
        "latency_seconds": round(median, 4),
        "fastest_seconds": round(min(times), 4),
        "rtfx": round(seconds / median, 1),
        "words": statistics.median(run.words for run in runs),
        "entities": statistics.median(run.entities for run in runs),
        "stages": {name: round(value, 4) for name, value in stages.items()},
        "runs": len(times),
    }


def comparisons(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """For each length: the cost of entities and sentiment, and the speed-up over each pipeline."""
    found = []
    for seconds in dict.fromkeys(r["clip_seconds"] for r in rows):
        latency = {r["system"]: r["latency_seconds"] for r in rows if r["clip_seconds"] == seconds}
        speedups = {
            system: round(latency[system] / latency[ALL], 2)
            for system in map(PIPELINE.format, BEAMS)
            if system in latency
        }
        extra = round(100 * (latency[ALL] / latency[TRANSCRIPT] - 1), 1)
        found.append({"clip_seconds": seconds, "tasks_add_percent": extra, "times_faster_than": speedups})
    return found


def markdown(report: dict) -> str:
    machine, limits = report["machine"], report["machine"]["limits"]
    lines = [
        f"# Speed, {report['date']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['instruction_sets'])}), "
        f"{machine['memory_gib']} GiB, {machine['system']}; threads of every system: {machine['threads']}; "
        f"load average at the start {machine['load_average']}.",
        f"At best this machine does {limits['sgemm_gflops']} GFLOP/s in float32 matrix products and reads "
        f"{limits['memory_read_gb_s']} GB/s.",
        f"A step of the decoder reads its {report['decoder_mb']} MB of weights, so it takes at least "
        f"{report['decoder_mb'] / limits['memory_read_gb_s']:.1f} ms from memory.",
        f"Python {machine['python']}, " + ", ".join(f"{k} {v}" for k, v in machine["versions"].items()) + ".",
        "",
        f"Median of {report['rounds']} rounds over {report['clips']} clips a length ({report['speech']}), "
        "interleaved in one run, models loaded and warm. RTFx: seconds of audio a second of computing.",
        "",
        "```",
        report["command"],
        "```",
        "",
        "| clip | system | latency | RTFx | words | entities | where the time goes |",
        "|---:|---|---:|---:|---:|---:|---|",
    ]
    for r in report["rows"]:
        stages = ", ".join(f"{name} {1000 * value:.0f}" for name, value in r["stages"].items())
        lines.append(
            f"| {r['clip_seconds']} s | {r['system']} | {1000 * r['latency_seconds']:.0f} ms | {r['rtfx']} "
            f"| {r['words']:.0f} | {r['entities']:.0f} | {stages and stages + ' ms'} |"
        )
    pipelines = list(report["comparisons"][0]["times_faster_than"])
    lines += [
        "",
        "| clip | entities and sentiment add |" + "".join(f" times faster than {p} |" for p in pipelines),
    ]
    lines.append("|---:|---:|" + "---:|" * len(pipelines))
    for c in report["comparisons"]:
        speedups = "".join(f" {c['times_faster_than'][p]} |" for p in pipelines)
        lines.append(f"| {c['clip_seconds']} s | {c['tasks_add_percent']} % |{speedups}")
    return "\n".join(lines) + "\n"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--speech", type=Path, help="folder of speech to cut clips from; default: synthesised"
    )
    parser.add_argument("--faster-whisper", type=Path, help="CTranslate2 folder of the same backbone")
    parser.add_argument("--bundle", help="the unislu bundle; default: the one in the package")
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=[5, 10, 20, 30], help="seconds of the clips"
    )
    parser.add_argument("--clips", type=int, default=4, help="different clips of each length")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for every system alike")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    set_threads(options.threads)
    import machine

    about = machine.describe(options.threads) | {"limits": machine.limits(options.threads)}
    rows = summarize(measure(options))
    own = {"decoder_mb": decoder_megabytes(options.bundle)}
    save("speed", options.out, about_run(options, about, rows, comparisons(rows)) | own, markdown)


def about_run(
    options: argparse.Namespace, about: dict, rows: list[dict[str, object]], compared: list[dict[str, object]]
) -> dict:
    """What a report holds: the run and its results."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": f"python benchmarks/{Path(sys.argv[0]).name} " + " ".join(shown(sys.argv[1:])),
        "machine": about,
        "speech": "cut from recordings" if options.speech else "synthesised",
        "rounds": options.rounds,
        "clips": options.clips,
        "rows": rows,
        "comparisons": compared,
    }


def save(name: str, folder: Path, report: dict, page: Callable[[dict], str]) -> None:
    """Write the report as NAME-DATE.json and .md, and show it."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}-{report['date']}"
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    stem.with_suffix(".json").write_text(text, encoding="utf-8")
    stem.with_suffix(".md").write_text(page(report), encoding="utf-8")
    print(page(report))
    print(f"written: {stem}.json, {stem}.md", file=sys.stderr)


def set_threads(count: int) -> None:
    """Call it before a system's process loads a library that reads these."""
    os.environ |= {"OMP_NUM_THREADS": str(count), "TOKENIZERS_PARALLELISM": "false"}


def decoder_megabytes(bundle: str | None) -> float:
    from unislu.bundle import open_bundle

    return round(open_bundle(bundle).decoder.stat().st_size / 1e6, 1)


def shown(arguments: list[str]) -> list[str]:
    """The arguments as a reader can use them: the folders of this machine say nothing elsewhere."""
    return [Path(argument).name if Path(argument).is_absolute() else argument for argument in arguments]


if __name__ == "__main__":
    main()
