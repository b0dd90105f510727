"""Speakers of long recordings: their number, errors, time and peak memory, each in a process of its own.

    python benchmarks/speakers_long.py conversations/manifest.jsonl --conversation 2

One conversation of `benchmarks/speakers.py make` is repeated to twenty minutes, one hour and three hours of
WAVE. Speech is found, cut into windows and described, the embeddings are clustered, and each window gets its
speakers, as `--speakers auto` does it; words are not recognised: every second of a window stands for one.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise, repeat
from pathlib import Path

import numpy as np

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.read import open_audio
from unislu.audio.wav import write_wav
from unislu.evaluation.diarization import diarization_errors
from unislu.result import Analysis, Segment, Word
from unislu.speakers import VoiceTrack, with_speakers
from unislu.vad import Cutting, SpeechCutter, Window
from unislu.writers.rttm import Turn, speaker_turns

MINUTES = (20, 60, 180)


def main() -> None:
    """All lengths, or one of them in this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--conversation", type=int, default=0, help="its number (default: 0)")
    parser.add_argument("--recording", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    row = json.loads(arguments.manifest.read_text(encoding="utf-8").splitlines()[arguments.conversation])
    samples = load_audio(arguments.manifest.parent / row["audio"])
    if arguments.recording is not None:
        turns = [(turn["start"], turn["end"], turn["speaker"]) for turn in row["turns"]]
        print(json.dumps(diarized(arguments.recording, turns, len(samples) / SAMPLE_RATE)), flush=True)
        return
    for minutes in MINUTES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "long.wav"
            write_wav(path, repeat(samples[None], -(-minutes * 60 * SAMPLE_RATE // len(samples))))
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--recording", str(path)], check=True)


def diarized(recording: Path, turns: list[Turn], period: float) -> dict[str, object]:
    """What was found in a recording of turns that are repeated every `period` seconds, and what it took."""
    began = time.process_time()
    track, windows, end = VoiceTrack(), [], 0.0
    for window in speech(recording):
        track.add(window.samples, window.start)
        windows.append((window.start, window.end))
        end = window.end
    heard = time.process_time()
    stretches = tuple(segments(windows))
    text = " ".join(segment.text for segment in stretches)
    result = with_speakers(Analysis(text, end, "speakers", segments=stretches), track.voices)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    repeated = [
        (start + number * period, end + number * period, who)
        for number in range(round(end / period))
        for start, end, who in turns
    ]
    errors = diarization_errors([(repeated, speaker_turns(result))])
    return {
        "minutes": round(end / 60, 1), "windows_embedded": len(track.voices),
        "speakers": len({who for *_, who in turns}), "found": len(result.speakers or ()),
        **{name: round(100 * value, 1) for name, value in errors.items()},
        "seconds_reading_and_embedding": round(heard - began, 1),
        "seconds_clustering_and_labelling": round(done - heard, 1), "peak_mb": round(peak),
    }  # fmt: skip


def speech(recording: Path) -> Iterator[Window]:
    """The stretches of speech, as a recording is cut for recognition."""
    cutter = SpeechCutter(Cutting())
    with open_audio(recording) as stream:
        for block in stream:
            yield from cutter.feed(block[0])
    yield from cutter.finish()


def segments(windows: list[tuple[float, float]]) -> Iterator[Segment]:
    """A segment for each stretch, with a word a second."""
    place = 0
    for start, end in windows:
        edges = np.linspace(start, end, max(2, round(end - start) + 1))
        words = tuple(
            Word("x", float(one), float(other), place + 2 * number, place + 2 * number + 1)
            for number, (one, other) in enumerate(pairwise(edges))
        )
        text = " ".join("x" for _ in words)
        yield Segment(start, end, text, place, place + len(text), words=words)
        place += len(text) + 1


if __name__ == "__main__":
    main()
