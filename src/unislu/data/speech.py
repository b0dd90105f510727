"""One clip: a record, a voice, an augmentation, a file. Used by the workers of `unislu.data.synthesize`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unislu.audio.wav import write_pcm
from unislu.data import augment, dsp
from unislu.data.dsp import Samples
from unislu.data.journal import Entry
from unislu.data.records import Record
from unislu.data.speakable import speakable
from unislu.data.voices import Voice, check_audio, open_voice
from unislu.errors import OptionError, VoiceError
from unislu.files import replacing

FORMATS = ("flac", "wav")
_LEVEL_DB = -23.0
"""Speech level before augmentation, dB of full scale (root mean square): the voices differ by 20 dB."""


@dataclass(frozen=True)
class SpeechOptions:
    """Options that determine how a clip sounds. Folders with equal options and seeds hold equal clips.

    Raises:
        OptionError: on construction, when a value is out of range.
    """

    voices: tuple[tuple[str, float], ...]
    augment: tuple[tuple[str, float], ...] = ()
    seed: int = 0
    speed: tuple[float, float] = (1.0, 1.0)
    sample_rate: int = 16000
    silence: float = 0.2
    max_seconds: float = 30.0
    audio_format: str = "flac"

    def __post_init__(self) -> None:
        low, high = self.speed
        if not (isfinite(low) and isfinite(high) and 0.5 <= low <= high <= 2):
            raise OptionError(f"speed: {low}-{high} is not a range within 0.5-2")
        if not 8000 <= self.sample_rate <= 48000:
            raise OptionError(f"sample_rate: {self.sample_rate} is not within 8000…48000 Hz")
        if not 0 <= self.silence <= 5:
            raise OptionError(f"silence: {self.silence} is not within 0…5 seconds")
        if not self.max_seconds > 0:
            raise OptionError(f"max_seconds: {self.max_seconds} is not positive")
        if self.audio_format not in FORMATS:
            raise OptionError(f"audio_format: {self.audio_format!r}; known: {', '.join(FORMATS)}")


@dataclass(frozen=True)
class SpeechJob:
    """One clip to make: copy number `copy` of `record`."""

    record: Record
    copy: int = 0

    @property
    def key(self) -> str:
        """The id of the clip: the record's own for the first copy."""
        return f"{self.record.id}#{self.copy}" if self.copy else self.record.id

    @property
    def file_stem(self) -> str:
        """A path below `audio/` without extension: readable, legal everywhere, different for every key."""
        digest = hashlib.blake2b(self.key.encode(), digest_size=6).hexdigest()
        return f"{digest[:2]}/{re.sub(r'[^A-Za-z0-9._-]+', '_', self.key)[:60]}-{digest}"


@dataclass
class Speaker:
    """Makes clips; keeps the voices that it has opened."""

    options: SpeechOptions
    out: Path
    _voices: dict[str, Voice] = field(default_factory=dict)

    def run(self, job: SpeechJob) -> Entry:
        """Make one clip and its file, and say what happened. Engine failures end up in the entry.

        Raises:
            MissingDependencyError: when an engine is not installed.
        """
        text = speakable(job.record.said)
        entry = Entry(job.key, "unspeakable", job.record.text, spoken=job.record.spoken)
        if text is None:
            return entry
        rng = self._generator(job)
        order = self._voice_order(rng)
        speed = round(float(rng.uniform(*self.options.speed)), 3)
        steps = augment.draw(dict(self.options.augment), rng)
        reasons: list[str] = []
        for specification in order:
            try:
                samples = self._speak(specification, text, speed)
            except VoiceError as error:
                reasons.append(str(error))
                continue
            return self._keep(
                job, samples, replace(entry, reasons=tuple(reasons)), specification, speed, steps
            )
        return replace(entry, status="failed", reasons=tuple(reasons))

    def _generator(self, job: SpeechJob) -> np.random.Generator:
        words = f"{self.options.seed}\0{job.record.id}\0{job.copy}".encode()
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(words, digest_size=16).digest(), "big"))

    def _voice_order(self, rng: np.random.Generator) -> list[str]:
        """All voices, drawn by weight without replacement: the first speaks, the others are fallbacks."""
        keys = [rng.exponential() / weight for _, weight in self.options.voices]
        return [self.options.voices[index][0] for index in np.argsort(keys, kind="stable")]

    def _speak(self, specification: str, text: str, speed: float) -> Samples:
        """Trimmed speech at a uniform level and the target rate, without silence at the ends."""
        if specification not in self._voices:
            self._voices[specification] = open_voice(specification)
        samples, rate = self._voices[specification].speak(text, speed=speed)
        check_audio(samples, specification, text)
        trimmed = dsp.trim(samples.astype(np.float32, copy=False), rate)
        return dsp.set_level(
            dsp.resample(trimmed, rate, self.options.sample_rate), self.options.sample_rate, _LEVEL_DB
        )

    def _keep(
        self,
        job: SpeechJob,
        speech: Samples,
        entry: Entry,
        voice: str,
        speed: float,
        steps: tuple[augment.Step, ...],
    ) -> Entry:
        rate = self.options.sample_rate
        samples = augment.apply(dsp.pad(speech, rate, self.options.silence), rate, steps)
        seconds = round(len(samples) / rate, 3)
        if seconds > self.options.max_seconds:
            reason = f"{voice}: {seconds} s is longer than {self.options.max_seconds} s"
            return replace(entry, status="too_long", reasons=(*entry.reasons, reason))
        name = f"audio/{job.file_stem}.{self.options.audio_format}"
        write_audio(self.out / name, samples, rate)
        record = replace(
            job.record,
            id=job.key,
            audio=name,
            duration=seconds,
            voice=voice,
            augmentation=({"name": "rate", "factor": speed}, *steps),
        )
        return replace(entry, status="ok", record=record.to_dict())


def write_audio(path: Path, samples: Samples, rate: int) -> None:
    """Write mono 16-bit FLAC or WAV, by the extension, in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with replacing(path) as partial:
        if path.suffix == ".wav":
            write_pcm(str(partial), pcm, rate)
        else:
            _write_flac(partial, pcm, rate)


def _write_flac(path: Path, pcm: NDArray[np.int16], rate: int) -> None:
    import av

    with av.open(str(path), "w", format="flac") as out:
        stream = out.add_stream("flac", rate=rate, layout="mono")
        stream.format = "s16"
        block = 4096
        for start in range(0, len(pcm), block):
            frame = av.AudioFrame.from_ndarray(pcm[None, start : start + block], format="s16", layout="mono")
            frame.sample_rate = rate
            frame.pts = start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
