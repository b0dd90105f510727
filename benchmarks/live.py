"""How late words come when a recording is heard live, on a simulated clock.

    python benchmarks/live.py talk.flac --out benchmarks/results/2026-01-01-live

Audio arrives in blocks of 0.1 s at the pace of time. While the model computes, the clock goes on by the
seconds that it took and audio waits, as it would at a microphone. A word's latency is from its end, where
the word times of the whole recording put it, to the first event that shows it: first at all (in a partial
result, which may still change), and final. `--cpu-time` counts the process's own seconds instead of the wall
clock's: what one idle core would take, on a machine that is busy with other things.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

import unislu
from unislu.audio import SAMPLE_RATE, load_audio
from unislu.listen import INTERVAL, EndEvent, Event, FinalEvent, Listener, PartialEvent
from unislu.listen.draft import bare
from unislu.recognition.model import Model

BLOCK = SAMPLE_RATE // 10


class Timeline:
    """When each word of the transcript was shown first, and when it was stable, by its number."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.shown: dict[int, float] = {}
        self.final: dict[int, float] = {}
        self.partials = 0
        self._open: list[tuple[float, list[str]]] = []

    def take(self, event: Event, now: float) -> None:
        if isinstance(event, PartialEvent):
            self.partials += 1
            self._open.append((now, event.text.split()))
        elif isinstance(event, FinalEvent):
            words = event.text.split()
            for time_, heard in [*self._open, (now, words)]:
                for number in _same(words, heard):
                    self.shown.setdefault(len(self.words) + number, time_)
            self.final |= {len(self.words) + number: now for number in range(len(words))}
            self.words += words
            self._open = []


def _same(words: list[str], heard: list[str]) -> list[int]:
    """The numbers of those words that are in `heard`, in order."""
    matcher = SequenceMatcher(None, [bare(w) for w in words], [bare(w) for w in heard], autojunk=False)
    return [
        number for block in matcher.get_matching_blocks() for number in range(block.a, block.a + block.size)
    ]


def simulate(
    model: Model, samples: np.ndarray, clock: object, interval: float
) -> tuple[Timeline, float, int]:
    """Feed the samples at the pace of time; returns the timeline, seconds of computing, partials skipped."""
    measure = clock if callable(clock) else time.perf_counter
    listener, timeline = Listener(model, interval=interval), Timeline()
    now, fed, spent, skipped = 0.0, 0, 0.0, 0
    while fed < len(samples):
        now = max(now, (fed + BLOCK) / SAMPLE_RATE)  # a block is there when it was spoken
        blocks = max(1, int((now * SAMPLE_RATE - fed) / BLOCK))
        ready = min(len(samples), fed + blocks * BLOCK)
        begun = measure()
        events = listener.feed(samples[fed:ready])
        taken = measure() - begun
        now, spent, fed = now + taken, spent + taken, ready
        for event in events:
            timeline.take(event, now)
    begun = measure()
    events = listener.finish()
    now, spent = now + measure() - begun, spent + measure() - begun
    for event in events:
        timeline.take(event, now)
        skipped = event.skipped if isinstance(event, EndEvent) else skipped
    return timeline, spent, skipped


def latencies(timeline: Timeline, truth: list[tuple[str, float]]) -> dict[str, list[float]]:
    """Seconds from the end of every word that both hearings agree on to its events."""
    matcher = SequenceMatcher(
        None, [bare(word) for word, _ in truth], [bare(word) for word in timeline.words], autojunk=False
    )
    found: dict[str, list[float]] = {"shown": [], "final": []}
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            end, number = truth[block.a + step][1], block.b + step
            found["shown"].append(timeline.shown[number] - end)
            found["final"].append(timeline.final[number] - end)
    return found


def differing(truth: list[tuple[str, float]], words: list[str]) -> float:
    """The share of words that the whole recording at once has otherwise, case and stops aside."""
    ours, theirs = [bare(word) for word, _ in truth], [bare(word) for word in words]
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return (max(len(ours), len(theirs)) - same) / len(ours)


def summary(values: list[float]) -> dict[str, float]:
    return {
        "median": round(float(np.median(values)), 3),
        "p90": round(float(np.percentile(values, 90)), 3),
        "p95": round(float(np.percentile(values, 95)), 3),
        "max": round(max(values), 3),
        "within_1_s": round(float(np.mean(np.array(values) <= 1.0)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audio")
    parser.add_argument("--bundle", help="with alignment, for the word times")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--interval", type=float, default=INTERVAL, help="of the listener, in seconds")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--out", type=Path, help="folder for live.json")
    arguments = parser.parse_args()
    model = unislu.load(arguments.bundle, threads=arguments.threads)
    samples = load_audio(arguments.audio)
    whole = model.analyze(samples, sample_rate=SAMPLE_RATE, tasks=("asr",))
    truth = [(word.text, word.end) for segment in whole.segments for word in segment.words or ()]
    if not truth:
        raise SystemExit(f"{model.name} gives no word times: pass --bundle with one that does")
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    timeline, spent, skipped = simulate(model, samples, clock, arguments.interval)
    found = latencies(timeline, truth)
    seconds = len(samples) / SAMPLE_RATE
    result = {
        "audio": Path(arguments.audio).name,
        "seconds": round(seconds, 2),
        "model": model.name,
        "clock": "cpu" if arguments.cpu_time else "wall",
        "threads": arguments.threads,
        "interval": arguments.interval,
        "machine": f"{platform.processor() or platform.machine()}",
        "words": len(truth),
        "words_compared": len(found["shown"]),
        "words_other_than_at_once_percent": round(100 * differing(truth, timeline.words), 1),
        "partials": timeline.partials,
        "partials_skipped": skipped,
        "computing_share": round(spent / seconds, 3),
        "latency_shown_s": summary(found["shown"]),
        "latency_final_s": summary(found["final"]),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "live.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
