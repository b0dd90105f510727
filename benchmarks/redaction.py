"""Verified redactions of varied containers, heard by a recogniser that has nothing to do with unislu's model.

    python benchmarks/redaction.py --faster-whisper FOLDER [--count 100] [--out FOLDER]

Sentences with names of people are spoken by several voices and put into containers of every kind, awkward
ones among them: sound that begins late, holes in its time codes, headers with wrong sizes, channels that
cancel each other out. Each is redacted (types person, place and organization) as `unislu redact --verify`
does. What is handed out is heard by faster-whisper, mixed and each channel. A leak is a redacted phrase that
it still hears, or a word that is masked in the transcript, unless the redacted transcript has the same word
at the time at which it is heard: "year" of "the coming year" is no leak because "that year" was masked.

`--faster-whisper`: a Whisper model in CTranslate2's format. The texts are the script's own; nothing is
fetched.
"""

from __future__ import annotations

import argparse
import io
import json
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from machine import describe
from numpy.typing import NDArray

import unislu
from unislu.audio import SAMPLE_RATE, open_audio, read_audio
from unislu.data.voices import open_voice
from unislu.errors import RedactionError, UnisluError
from unislu.redact import Pseudonyms, Redaction, redact_verified
from unislu.redact.leaks import tells
from unislu.redact.phrases import Text, letters
from unislu.result import Analysis, Word

VOICES = ("flite:slt", "flite:awb", "flite:rms", "hibari:us", "hibari:gb")
NAMES = (
    "Angela Merkel", "Martin Schulz", "Margaret Thatcher", "Antonio Tajani", "Donald Trump", "Barack Obama",
    "Emmanuel Macron", "Winston Churchill", "Federica Mogherini", "Boris Johnson", "Michael Jackson",
    "Nelson Mandela", "Hillary Clinton", "George Washington", "Manfred Weber", "Charles Dickens",
)  # fmt: skip
PLACES = ("Germany", "London", "Chicago", "Hungary", "New York", "Brussels", "Poland", "Vienna")
SENTENCES = (
    "Yesterday {name} talked to the committee in {place} about the new budget.",
    "I would like to thank {name} for the report, because it was very good.",
    "We were told that {name} had left {place} before the meeting began.",
    "The president met {name} last week, and they agreed on a plan for the coming year.",
    "In {place} nobody knew what {name} wanted to do about the water in the river.",
)
TYPES = ("PERSON", "PLACE", "ORG")
SAME_TIME = 1.0
"""Two recognisers' times of one word differ by less, beside a tone too."""

Samples = NDArray[np.float32]
Maker = Callable[[Samples], tuple[str, bytes]]


def encoded(container: str, codec: str, suffix: str, rate: int = SAMPLE_RATE, bits: int = 0) -> Maker:
    """Files of one codec; `bits`: its bit rate."""

    def make(samples: Samples) -> tuple[str, bytes]:
        buffer, mono = io.BytesIO(), _resampled(samples, rate)
        with av.open(buffer, "w", format=container) as out:
            sound = out.add_stream(codec, rate=rate, layout="mono")
            if bits:
                sound.bit_rate = bits
            frame = av.AudioFrame.from_ndarray(mono[None], "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            out.mux([*sound.encode(frame), *sound.encode(None)])
        return suffix, buffer.getvalue()

    return make


def stereo(turn: float) -> Maker:
    """FLAC whose right channel is the left one times `turn`."""

    def make(samples: Samples) -> tuple[str, bytes]:
        buffer = io.BytesIO()
        both = (np.stack([samples, turn * samples], axis=1) * 32_000).astype(np.int16).reshape(1, -1)
        with av.open(buffer, "w", format="flac") as out:
            sound = out.add_stream("flac", rate=SAMPLE_RATE, layout="stereo")
            frame = av.AudioFrame.from_ndarray(both, "s16", "stereo")
            frame.sample_rate = SAMPLE_RATE
            out.mux([*sound.encode(frame), *sound.encode(None)])
        return ".flac", buffer.getvalue()

    return make


def late(start: float, hole: float) -> Maker:
    """Video whose sound begins at `start` s and whose time codes leap by `hole` s before its middle."""

    def make(samples: Samples) -> tuple[str, bytes]:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="matroska") as out:
            video = out.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            sound = out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
            seconds = start + hole + len(samples) / SAMPLE_RATE
            for number in range(round(10 * seconds)):
                image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number % 200, np.uint8), "rgb24")
                image.pts, image.time_base = number, Fraction(1, 10)
                out.mux(video.encode(image))
            pcm = (samples * 32_000).astype(np.int16)
            for first in range(0, len(pcm), 1600):
                frame = av.AudioFrame.from_ndarray(pcm[None, first : first + 1600], "s16", "mono")
                frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
                leap = hole if first > len(pcm) / 2 else 0.0
                frame.pts = round((start + leap) * SAMPLE_RATE) + first
                out.mux(sound.encode(frame))
            for track in out.streams:
                out.mux(track.encode(None))
        return ".mkv", buffer.getvalue()

    return make


def wav_that_says(size: Callable[[int], int]) -> Maker:
    """16-bit WAV whose header states `size` of its bytes."""

    def make(samples: Samples) -> tuple[str, bytes]:
        data = (samples * 32_000).astype("<i2").tobytes()
        fmt = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
        head = b"WAVEfmt \x10\0\0\0" + fmt + b"data" + struct.pack("<I", size(len(data)))
        return ".wav", b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data

    return make


CONTAINERS: dict[str, Maker] = {
    "wav": wav_that_says(lambda size: size),
    "wav of a stream": wav_that_says(lambda size: 0x7FFFF000),
    "wav of the first second": wav_that_says(lambda size: 2 * SAMPLE_RATE),
    "mu-law wav": encoded("wav", "pcm_mulaw", ".wav", 8000),
    "headerless mu-law": encoded("mulaw", "pcm_mulaw", ".ul", 8000),
    "g722": encoded("g722", "g722", ".g722"),
    "flac": encoded("flac", "flac", ".flac", 44_100),
    "aiff": encoded("aiff", "pcm_s16be", ".aiff", 22_050),
    "mp3": encoded("mp3", "libmp3lame", ".mp3", 44_100, 64_000),
    "mp3 of 24 kbit/s": encoded("mp3", "libmp3lame", ".mp3", 16_000, 24_000),
    "m4a": encoded("ipod", "aac", ".m4a", 44_100, 64_000),
    "aac": encoded("adts", "aac", ".aac", 44_100, 64_000),
    "opus": encoded("ogg", "libopus", ".opus", 48_000, 24_000),
    "webm": encoded("webm", "libopus", ".webm", 48_000, 32_000),
    "late sound": late(2.0, 0.0),
    "hole in the time codes": late(0.0, 1.3),
    "late with a hole": late(0.7, 0.4),
    "stereo": stereo(1.0),
    "one channel": stereo(0.0),
    "channels that cancel out": stereo(-1.0),
}


def _resampled(samples: Samples, rate: int) -> Samples:
    if rate == SAMPLE_RATE:
        return samples
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "fltp", "mono")
    frame.sample_rate = SAMPLE_RATE
    parts = [part.to_ndarray()[0] for part in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(parts)


def spoken(number: int, voices: dict[str, Any]) -> tuple[str, str, Samples]:
    """(text, voice, samples at 16 kHz) of utterance `number`."""
    name, place = NAMES[number % len(NAMES)], PLACES[number % len(PLACES)]
    text = SENTENCES[number % len(SENTENCES)].format(name=name, place=place)
    voice = VOICES[(number // len(CONTAINERS) + number) % len(VOICES)]
    samples, rate = voices[voice].speak(text)
    mono = read_audio(samples, rate).samples
    padding = np.zeros(SAMPLE_RATE // 4, np.float32)
    noise = np.random.default_rng(number).normal(0, 10 ** (-65 / 20), len(mono) + 2 * len(padding))
    return text, voice, np.concatenate([padding, mono, padding]) + noise.astype(np.float32)


def words_of(analysis: Analysis) -> list[Word]:
    """Its words with their times."""
    return [word for segment in analysis.segments for word in segment.words or ()]


def masked_words(redaction: Redaction, redacted: Analysis) -> set[str]:
    """The words that are in no text any more, as they are compared."""
    kept = {(word.start, word.end, word.text) for word in words_of(redacted)}
    words = {w.text for w in words_of(redaction.analysis) if (w.start, w.end, w.text) not in kept}
    words |= {word for match in redaction.matches for word in match.phrase.split()}
    return {word for word in map(letters, words) if tells(word)}


def is_shown(word: Word, shown: Sequence[Word]) -> bool:
    """Whether the redacted transcript has the word at its time."""
    return any(
        letters(other.text) == letters(word.text)
        and other.start - SAME_TIME <= word.end
        and word.start <= other.end + SAME_TIME
        for other in shown
    )


def heard(recognizer: Any, copy: Path) -> list[list[Word]]:
    """The words that the other recogniser hears in each channel and in their mix."""
    with open_audio(copy, split=True) as stream:
        channels = np.concatenate(list(stream), axis=1)
    ways = [*channels, channels.mean(axis=0)] if len(channels) > 1 else [channels[0]]
    found = []
    for samples in ways:
        segments, _ = recognizer.transcribe(
            samples, language="en", beam_size=5, vad_filter=False, word_timestamps=True
        )
        said = [word for segment in segments for word in segment.words or ()]
        found.append([Word(w.word.strip(), float(w.start), float(w.end), 0, 1) for w in said])
    return found


def one(model: Any, recognizer: Any, number: int, voices: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What became of one recording."""
    kind = list(CONTAINERS)[number % len(CONTAINERS)]
    text, voice, samples = spoken(number, voices)
    suffix, data = CONTAINERS[kind](samples)
    source, copy = folder / f"source{suffix}", folder / f"copy{suffix}"
    source.write_bytes(data)
    found: dict[str, Any] = {"number": number, "container": kind, "voice": voice, "text": text}
    try:
        options = {"bias": 1.0}
        redaction = Redaction(model.analyze(source, **options), TYPES)
        redact_verified(model, source, copy, redaction, **options)
        redaction.refuse_leaks()
    except RedactionError as error:
        return found | {"outcome": "refused", "why": str(error).replace(str(source), "source")}
    except UnisluError as error:
        return found | {"outcome": "failed", "why": str(error).replace(str(source), "source")}
    redacted = redaction.redacted(Pseudonyms("type"))
    ways, wanted = heard(recognizer, copy), masked_words(redaction, redacted)
    said = " / ".join(" ".join(word.text for word in way) for way in ways)
    words = [word for way in ways for word in way]
    again = [word for word in words if letters(word.text) in wanted]
    leaks = {letters(word.text) for word in again if not is_shown(word, words_of(redacted))}
    leaks |= {match.phrase for match in redaction.matches if list(Text(said).find(match.phrase))}
    name = NAMES[number % len(NAMES)]
    return found | {
        "outcome": "verified" if redaction.verified else "nothing found",
        "hearings": redaction.transcriptions,
        "covers": [[round(start, 2), round(end, 2)] for start, end in redaction.covers],
        "transcript": redacted.text,
        "masked": sorted(wanted),
        "never_tagged": sorted({*map(letters, name.split())} & {letters(w.text) for w in words} - wanted),
        "heard": said,
        "leaks": sorted(leaks),
        "kept_elsewhere": [
            [word.text, round(word.start, 2)] for word in again if is_shown(word, words_of(redacted))
        ],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, and write every case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faster-whisper", required=True, metavar="FOLDER")
    parser.add_argument("--first", type=int, default=0, help="number of the first recording")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bundle")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    from faster_whisper import WhisperModel

    recognizer = WhisperModel(
        options.faster_whisper, device="cpu", compute_type="int8", cpu_threads=options.threads
    )
    model = unislu.load(options.bundle, threads=options.threads)
    voices = {name: open_voice(name) for name in VOICES}
    cases, begun = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.first, options.first + options.count):
            cases.append(one(model, recognizer, number, voices, Path(folder)))
            print(json.dumps(cases[-1], ensure_ascii=False), flush=True)
    outcomes = Counter(case["outcome"] for case in cases)
    summary = {
        "recordings": len(cases),
        "outcomes": dict(outcomes),
        "verified_with_a_leak": sum(
            bool(case.get("leaks")) for case in cases if case["outcome"] == "verified"
        ),
        "verified_in_hearings": dict(
            Counter(str(c["hearings"]) for c in cases if c["outcome"] == "verified")
        ),
        "masked_words_heard_where_they_were_kept": sum(bool(case.get("kept_elsewhere")) for case in cases),
        "names_never_tagged_and_heard": sum(bool(case.get("never_tagged")) for case in cases),
        "model": model.name,
        "recognizer": Path(options.faster_whisper).name,
        "seconds": round(time.monotonic() - begun),
        "machine": describe(options.threads),
    }
    print(json.dumps(summary, indent=2))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        lines = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
        (options.out / "cases.jsonl").write_text(lines)


if __name__ == "__main__":
    main()
