"""Audio inside a page: small Opus files as data URIs up to a limit, or links relative to the page."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import numpy as np

from unislu.audio import SAMPLE_RATE, read_audio
from unislu.errors import OptionError, UnisluError

BIT_RATE = 24_000


@dataclass(frozen=True)
class AudioOptions:
    """How audio becomes part of a report."""

    mode: Literal["embed", "link", "none"] = "embed"
    """"embed" = inside the page, "link" = a link to the file, "none"."""
    megabytes: float = 8.0
    """Maximum embedded audio; the rest is linked."""

    def __post_init__(self) -> None:
        if self.mode not in ("embed", "link", "none"):
            raise OptionError(f"audio {self.mode!r}: choose embed, link or none")
        if not 0 <= self.megabytes < 1000:
            raise OptionError(f"{self.megabytes} MB of audio in a page: give 0 to 1000")


@dataclass(frozen=True)
class Player:
    """The source of a player's audio, or the reason why there is none."""

    source: str | None = None
    fault: str | None = None


class Players:
    """Adds audio to a page and keeps track of its size."""

    def __init__(self, options: AudioOptions, folder: Path) -> None:
        """`folder`: of the page."""
        self._options, self._folder = options, folder
        self._left = int(options.megabytes * 1e6)

    def __call__(self, path: Path | None) -> Player:
        """The player of a file; an empty one without a file."""
        if path is None or self._options.mode == "none":
            return Player()
        try:
            return Player(self._source(path))
        except UnisluError as error:
            return Player(fault=str(error))

    def _source(self, path: Path) -> str:
        if self._options.mode == "embed":
            encoded = base64.b64encode(to_opus(path)).decode()
            if len(encoded) <= self._left:
                self._left -= len(encoded)
                return f"data:audio/ogg;base64,{encoded}"
        return quote(Path(os.path.relpath(path.resolve(), self._folder.resolve())).as_posix())


def to_opus(path: Path) -> bytes:
    """A file as Ogg Opus, mono, 24 kbit/s.

    Raises:
        AudioError: it cannot be read.
    """
    import av

    samples = read_audio(str(path)).samples
    out = io.BytesIO()
    with av.open(out, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000)
        stream.bit_rate = BIT_RATE
        stream.layout = "mono"
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        whole = np.clip(samples * 32767, -32768, 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return out.getvalue()
