"""A long recording through unislu and through the usual pipeline, on the same audio, in turn.

    python benchmarks/long.py --speech FOLDER … --faster-whisper MODEL --python OTHER/bin/python

Clips of the folders (each with a `manifest.jsonl`: audio, text) are joined with pauses to one recording.
Every run is a process of its own: `unislu.Model.analyze` with words, entities and sentiment, and
faster-whisper (int8, its voice activity filter and batched pipeline) → spaCy's small English model → VADER,
greedy and with the beam of 5 that is its default. `--python` names the interpreter that has those packages,
by default this one. Loading a model is not counted; reading the file is. Printed are the times faster than
real time (RTFx), the peak memory and the word error rate.

    python benchmarks/long.py --memory --speech FOLDER …

measures unislu's peak memory on ten minutes and on three hours of that speech, of silence and of noise.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
RATE = 16_000
SYSTEMS = ("unislu", "pipeline-greedy", "pipeline-beam-5")
NAMES = {
    "unislu": "unislu: words, entities, sentiment",
    "pipeline-greedy": "faster-whisper batched, greedy → spaCy → VADER",
    "pipeline-beam-5": "faster-whisper batched, beam 5 (its default) → spaCy → VADER",
}


def run_unislu(options: argparse.Namespace) -> dict[str, object]:
    """One run in this process."""
    import unislu

    model = unislu.load(options.bundle, threads=options.threads)
    start, spent = time.perf_counter(), time.process_time()
    cutting = {} if options.window is None else {"window": options.window}
    result = model.analyze(options.audio, **cutting)
    seconds, used = time.perf_counter() - start, time.process_time() - spent
    return {
        "seconds": seconds,
        "cpu_seconds": used,
        "text": result.text,
        "entities": len(result.entities or ()),
        "windows": len(result.segments),
        "window_seconds": sum(segment.end - segment.start for segment in result.segments),
        "failed": sum(segment.failed is not None for segment in result.segments),
        "stages": {name: value for name, value in result.timings.items() if name != "load"},
    }


def run_pipeline(options: argparse.Namespace) -> dict[str, object]:
    """One run of faster-whisper, spaCy and VADER in this process."""
    from faster_whisper import BatchedInferencePipeline
    from usual import open_parts

    whisper, tagger, vader = open_parts(options.faster_whisper, options.threads)
    beam = 1 if options.run == "pipeline-greedy" else 5
    start, spent = time.perf_counter(), time.process_time()
    segments, _ = BatchedInferencePipeline(whisper).transcribe(
        str(options.audio), language="en", batch_size=options.batch, beam_size=beam
    )
    texts = [segment.text.strip() for segment in segments]
    heard = time.perf_counter()
    entities = sum(len(document.ents) for document in tagger.pipe(texts))
    tagged = time.perf_counter()
    for text in texts:
        vader.polarity_scores(text)
    end, used = time.perf_counter(), time.process_time() - spent
    return {
        "seconds": end - start,
        "cpu_seconds": used,
        "text": " ".join(texts),
        "entities": entities,
        "windows": len(texts),
        "stages": {"transcript": heard - start, "entities": tagged - heard, "sentiment": end - tagged},
    }


def assemble(folders: list[Path], seconds: float, path: Path) -> tuple[float, str]:
    """Write a recording of clips and pauses of 0.3 to 1.5 s; its length and what is said in it."""
    import numpy as np

    from unislu.audio import load_audio

    rows = [
        (folder / record["audio"], record["text"], record["duration"])
        for folder in folders
        for record in map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    ]
    rng = np.random.default_rng(0)
    said: list[str] = []
    total = 0.0
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for clip, text, _ in _forever([rows[number] for number in rng.permutation(len(rows))]):
            pause = np.zeros(round(rng.uniform(0.3, 1.5) * RATE), np.float32)
            samples = np.concatenate([load_audio(clip), pause])
            samples += rng.normal(0, 3e-4, len(samples)).astype(np.float32)  # no room is quite silent
            file.writeframes((samples * 32767).clip(-32768, 32767).astype("<i2").tobytes())
            said.append(text)
            total += len(samples) / RATE
            if total >= seconds:
                return total, " ".join(said)
    raise SystemExit("long.py: the folders hold no clips")


def _forever(rows: list[tuple[Path, str, float]]) -> Iterator[tuple[Path, str, float]]:
    while rows:
        yield from rows


def sound(kind: str, seconds: int, path: Path) -> None:
    """Write silence or noise."""
    import numpy as np

    rng = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(seconds // 10):
            samples = rng.normal(0, 3_000 if kind == "noise" else 0, 10 * RATE)
            file.writeframes(samples.clip(-32768, 32767).astype("<i2").tobytes())


def start(system: str, audio: Path, options: argparse.Namespace) -> dict[str, object]:
    """One run in a process of its own."""
    command = [str(Path(__file__)), "--run", system, "--audio", str(audio), "--threads", str(options.threads)]
    command += ["--batch", str(options.batch)]
    for name, value in (
        ("--bundle", options.bundle),
        ("--faster-whisper", options.faster_whisper),
        ("--window", options.window),
    ):
        command += [] if value is None else [name, str(value)]
    python = sys.executable if system == "unislu" else options.python
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run([python, *command], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"long.py: {system}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(options: argparse.Namespace) -> dict[str, object]:
    """All systems in turn over one recording."""
    from unislu.evaluation.profiles import profile
    from unislu.evaluation.wer import word_errors

    words = profile("unislu").words
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "recording.wav"
        seconds, said = assemble(options.speech, 60 * options.minutes, audio)
        systems = SYSTEMS if options.faster_whisper else SYSTEMS[:1]
        systems = tuple(name for name in systems if not options.only or name in options.only)
        runs: dict[str, list[dict[str, object]]] = {name: [] for name in systems}
        for turn in range(options.rounds):
            for name in systems if turn % 2 == 0 else reversed(systems):
                runs[name].append(start(name, audio, options))
                print(f"round {turn + 1}: {name} {runs[name][-1]['seconds']:.1f} s", file=sys.stderr)
    rows = []
    for name in systems:
        median = statistics.median(run["seconds"] for run in runs[name])
        last = runs[name][-1]
        rows.append(
            {
                "system": name,
                "seconds": round(median, 2),
                "rtfx": round(seconds / median, 1),
                "cpu_seconds": round(statistics.median(run["cpu_seconds"] for run in runs[name]), 2),
                "peak_mb": max(run["peak_mb"] for run in runs[name]),
                "wer": round(word_errors(words(said), words(last["text"])).wer or 0.0, 2),
                **{key: last[key] for key in ("entities", "windows", "failed") if key in last},
                "stages": {key: round(value, 2) for key, value in last["stages"].items()},
            }
        )
    ours = rows[0]["seconds"]
    for row in rows[1:]:
        row["unislu_is_times_faster"] = round(row["seconds"] / ours, 2)
    return {"audio_seconds": round(seconds, 1), "rounds": options.rounds, "rows": rows}


def memory(options: argparse.Namespace) -> dict[str, object]:
    """Peak memory by length and kind of sound."""
    rows = []
    for kind in ("speech", "silence", "noise"):
        for minutes in (10, 180):
            with tempfile.TemporaryDirectory() as folder:
                audio = Path(folder) / "recording.wav"
                if kind == "speech":
                    assemble(options.speech, 60 * minutes, audio)
                else:
                    sound(kind, 60 * minutes, audio)
                run = start("unislu", audio, options)
            keys = ("seconds", "cpu_seconds", "peak_mb", "windows")
            rows.append({"sound": kind, "minutes": minutes, **{key: run[key] for key in keys}})
            print(json.dumps(rows[-1]), file=sys.stderr)
    return {"rows": rows}


def markdown(report: dict[str, object]) -> str:
    machine, measured = report["machine"], report["measured"]
    lines = [
        f"# Long audio, {report['date']}",
        "",
        f"`{report['command']}` on {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads.",
        "",
    ]
    if "audio_seconds" in measured:
        lines += [
            f"{measured['audio_seconds'] / 60:.1f} minutes, median of {measured['rounds']} rounds.",
            "",
            "| system | seconds | RTFx | CPU seconds | peak MB | WER | unislu is faster |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {NAMES[row['system']]} | {row['seconds']} | {row['rtfx']} | {row['cpu_seconds']} | "
            f"{row['peak_mb']} | {row['wer']} | {row.get('unislu_is_times_faster', '')} |"
            for row in measured["rows"]
        ]
    else:
        lines += ["| sound | minutes | seconds | peak MB | windows |", "|---|---:|---:|---:|---:|"]
        lines += [
            f"| {row['sound']} | {row['minutes']} | {row['seconds']:.1f} | {row['peak_mb']} | "
            f"{row['windows']} |"
            for row in measured["rows"]
        ]
    return "\n".join(lines) + "\n"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, nargs="+", default=[], help="folders with a manifest.jsonl")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the recording")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for every system alike")
    parser.add_argument("--window", type=float, help="longest window of unislu, in seconds")
    parser.add_argument("--bundle", help="the unislu bundle; default: the one in the package")
    parser.add_argument("--faster-whisper", type=Path, help="CTranslate2 folder of the same backbone")
    parser.add_argument("--batch", type=int, default=8, help="of faster-whisper's batched pipeline")
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs the pipeline")
    parser.add_argument("--only", nargs="+", choices=SYSTEMS, help="these systems")
    parser.add_argument("--memory", action="store_true", help="peak memory by length instead")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--run", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--audio", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    if options.run:
        result = run_unislu(options) if options.run == "unislu" else run_pipeline(options)
        # ru_maxrss is in KiB on Linux.
        result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
        print(json.dumps(result))
        return
    if not options.speech:
        raise SystemExit("long.py: name folders of speech with --speech")
    import machine
    from speed import shown

    about = machine.describe(options.threads)
    report = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": "python benchmarks/long.py " + " ".join(shown(sys.argv[1:])),
        "machine": about,
        "measured": memory(options) if options.memory else compare(options),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"{'long-memory' if options.memory else 'long'}-{report['date']}"
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    stem.with_suffix(".md").write_text(markdown(report), encoding="utf-8")
    print(markdown(report))


if __name__ == "__main__":
    main()
