"""How exact the word times are, on speech whose word times are known by construction (`timed_speech.py`).

    python benchmarks/word_times.py --json out.json             # 60 utterances, five minutes of speech
    python benchmarks/word_times.py --bundle BUNDLE --snr 15    # with white noise

An edge is the start or the end of a word that was heard right; its error is the distance to the true one. The
voices here are not those that the constants of `unislu.decoding.alignment` were chosen on (`--tuning`). The
cost is measured on the same audio: the processor time of an analysis with words against one without, in
turn, the least of `--repeat` runs each.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from timed_speech import Spoken, fluent, joined

import unislu
from unislu.decoding import alignment
from unislu.evaluation.wer import align
from unislu.recognition import words

REPORT = {"joined": ("piper:joe", "flite:awb", "flite:kal16"), "fluent": ("flite:awb", "flite:kal16")}
TUNING = {"joined": ("hibari:us", "flite:slt"), "fluent": ("flite:slt", "flite:rms")}


def plain(word: str) -> str:
    """A word as it is compared."""
    return re.sub(r"[^\w']", "", word.lower())


def edge_errors(model: Any, utterance: Spoken) -> tuple[list[tuple[float, float]], int]:
    """(start, end) errors in seconds of the words heard right, signed; and the number of words spoken."""
    analysis = model.analyze(utterance.samples, sample_rate=16_000)
    heard = [word for segment in analysis.segments for word in segment.words or ()]
    check(heard, analysis)
    gold = [plain(word) for word, _, _ in utterance.words]
    found = []
    for edit in align(gold, [plain(word.text) for word in heard]):
        if edit.operation == "hit":
            _, start, end = utterance.words[edit.reference]
            word = heard[edit.hypothesis]
            found.append((word.start - start, word.end - end))
    return found, len(gold)


def check(words: list[Any], analysis: Any) -> None:
    """Times never run backwards or out of the audio, no word of the text is missing, entities have times."""
    last = 0.0
    for word in words:
        assert last <= word.start <= word.end <= analysis.duration, word
        last = word.end
    assert " ".join(word.text for word in words) == analysis.text
    for entity in analysis.entities:
        assert words[entity.start_word].start == entity.start <= entity.end == words[entity.end_word - 1].end


def summary(errors: list[tuple[float, float]], spoken: int) -> dict[str, float]:
    """Milliseconds."""
    signed = 1000 * np.array(errors)
    edges = np.abs(signed).ravel()
    return {
        "words_spoken": spoken,
        "words_heard": len(errors),
        "median_ms": round(float(np.median(edges)), 1),
        "p95_ms": round(float(np.percentile(edges, 95)), 1),
        "start_median_ms": round(float(np.median(np.abs(signed[:, 0]))), 1),
        "end_median_ms": round(float(np.median(np.abs(signed[:, 1]))), 1),
        "start_bias_ms": round(float(np.median(signed[:, 0])), 1),
        "end_bias_ms": round(float(np.median(signed[:, 1])), 1),
    }


def with_noise(utterance: Spoken, snr: float | None) -> Spoken:
    """White noise `snr` dB under the speech."""
    if snr is None:
        return utterance
    noise = np.random.default_rng(0).standard_normal(len(utterance.samples))
    power = np.square(utterance.samples).mean() / 10 ** (snr / 10)
    mixed = (utterance.samples + np.sqrt(power) * noise).astype(np.float32)
    return Spoken(utterance.kind, utterance.voice, mixed, utterance.words)


def cost(model: Any, utterances: list[Spoken], repeat: int) -> dict[str, float]:
    """Seconds with and without words, and the difference in percent."""
    least = {True: 0.0, False: 0.0}
    for utterance in utterances:
        runs: dict[bool, list[float]] = {True: [], False: []}
        for number in range(2 * repeat):
            timed = bool(number % 2)
            start = time.process_time()
            model.analyze(utterance.samples, sample_rate=16_000, words=timed)
            runs[timed].append(time.process_time() - start)
        for timed, seconds in runs.items():
            least[timed] += min(seconds)
    return {
        "utterances": len(utterances),
        "cpu_seconds_without": round(least[False], 3),
        "cpu_seconds_with": round(least[True], 3),
        "percent": round(100 * (least[True] / least[False] - 1), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="default: the embedded one")
    parser.add_argument("--count", type=int, default=12, help="utterances of each voice and kind")
    parser.add_argument("--tuning", action="store_true", help="the voices the constants were chosen on")
    parser.add_argument("--plain", action="store_true", help="Whisper's recipe alone, without what we add")
    parser.add_argument("--snr", type=float, help="add white noise at this signal-to-noise ratio in dB")
    parser.add_argument("--repeat", type=int, default=0, help="runs of the cost measurement (default: none)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.plain:
        alignment.LEAD, alignment.LENGTH_COST, alignment.DEVIATION_FLOOR = 0, 0.0, 1e-8
        words.quietness = lambda *_: None
    model = unislu.load(arguments.bundle, threads=arguments.threads)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"), "model": model.name, "snr_db": arguments.snr,
        "recipe": "whisper" if arguments.plain else "unislu",
        "machine": describe(arguments.threads), "voices": {},
    }  # fmt: skip
    speakers = {"joined": joined, "fluent": fluent}
    everything: list[Spoken] = []
    for kind, voices in (TUNING if arguments.tuning else REPORT).items():
        pooled: list[tuple[float, float]] = []
        total = 0
        for voice in voices:
            utterances = [with_noise(u, arguments.snr) for u in speakers[kind](voice, arguments.count, 2)]
            everything += utterances
            errors: list[tuple[float, float]] = []
            spoken = 0
            for utterance in utterances:
                found, count = edge_errors(model, utterance)
                errors += found
                spoken += count
            report["voices"][f"{kind} {voice}"] = summary(errors, spoken)
            pooled += errors
            total += spoken
        report[kind] = summary(pooled, total)
    if arguments.repeat:
        report["cost"] = cost(model, everything[:: max(1, len(everything) // 8)], arguments.repeat)
    text = json.dumps(report, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
