"""Encoder outputs on disk, for training with a frozen encoder.

Encoding costs more than half of a training step and its result never changes while the encoder is frozen, so
it is done once: `unislu tools cache`. One pair of files per
manifest: `<name>.f16` holds rows of `d` float16, `<name>.jsonl` one line `{key, start, length}` per clip.
Both only grow, a line is written after its rows, and a restart continues after the last whole line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.features import frame_count, log_mel, padded_log_mel
from unislu.bundle.manifest import Padding
from unislu.data.records import Record, read_records
from unislu.engines.session import open_small
from unislu.errors import RecipeError
from unislu.files import Journal, read_journal, write_whole
from unislu.progress import Progress

#: Log-mel `[80, frames]` float32 to encoder output `[frames // 2, d]` float32.
Encoder = Callable[[NDArray[np.float32]], NDArray[np.float32]]
POSITIONS_PER_SECOND = 50
_HEARD = 30
_LONGEST = 30.5  # what a clip of 30 s may have more by rounding and by its codec is cut off


def cache_key(manifest: Path, audio: str) -> str:
    """Name of a clip: its manifest's folder and the path the manifest gives."""
    return f"{manifest.resolve().parent.name}/{audio}"


class EncoderCache:
    """Read access to every clip of a cache folder.

    Raises:
        RecipeError: the folder is missing, holds no clip, or clips of another padding.
    """

    def __init__(self, folder: str | Path, padding: Padding = "none"):
        self._rows: dict[str, tuple[str, int, int]] = {}
        self._maps: dict[str, NDArray[np.float16]] = {}
        folder = Path(folder)
        for index in sorted(folder.glob("*.jsonl")):
            data = index.with_suffix(".f16")
            meta = json.loads(index.with_suffix(".meta").read_text())
            if meta.get("padding", "none") != padding:
                raise RecipeError(
                    f"encoder cache {str(index)!r} is of padding {meta.get('padding', 'none')}, the recipe's "
                    f"audio.padding is {padding}: fill another with `unislu tools cache --padding {padding}`"
                )
            self._maps[index.stem] = np.memmap(data, np.float16, "r").reshape(-1, meta["d"])
            for row in read_journal(index):
                self._rows[row["key"]] = (index.stem, row["start"], row["length"])
        if not self._rows:
            raise RecipeError(f"encoder cache {str(folder)!r} is empty: fill it with `unislu tools cache`")

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def length(self, key: str) -> int:
        """Positions of a clip (50 a second)."""
        return self._rows[key][2]

    def __getitem__(self, key: str) -> NDArray[np.float16]:
        """Encoder output of a clip, `[length, d]` float16."""
        name, start, length = self._rows[key]
        return self._maps[name][start : start + length]


def fill(
    manifest: Path, out: Path, encode: Encoder, d: int, workers: int = 1, padding: Padding = "none"
) -> int:
    """Encode every clip of a manifest that the cache lacks; return how many were added.

    Clips are encoded one by one, as the runtime does: int8 activations are scaled per clip. Clips that are
    longer than the model's window are left out and counted on stderr. `padding`: "full" encodes silence after
    each clip up to 30 s, which takes 1,500 positions a clip.
    """
    name = manifest.resolve().parent.name
    out.mkdir(parents=True, exist_ok=True)
    index, data = out / f"{name}.jsonl", out / f"{name}.f16"
    meta = out / f"{name}.meta"
    if meta.exists() and json.loads(meta.read_text()).get("padding", "none") != padding:
        raise RecipeError(f"{meta}: is of another padding than {padding}; give another folder")
    write_whole(meta, json.dumps({"d": d, "padding": padding}))
    done = {row["key"]: row for row in read_journal(index)}
    rows = max((row["start"] + row["length"] for row in done.values()), default=0)
    every = read_records(manifest, untranscribed=True)
    records = [r for r in every if r.audio and cache_key(manifest, r.audio) not in done]

    def encoded(record: Record) -> NDArray[np.float16] | None:
        samples = load_audio(manifest.parent / str(record.audio))
        if len(samples) > _LONGEST * SAMPLE_RATE:
            return None  # its text is of all of it
        samples = samples[: _HEARD * SAMPLE_RATE]
        full = frame_count(_HEARD * SAMPLE_RATE)
        mel = log_mel(samples) if padding == "none" else padded_log_mel(samples, full)
        return encode(mel).astype(np.float16)

    with (
        Journal(index) as lines,
        data.open("r+b" if data.exists() else "w+b") as sink,
        ThreadPoolExecutor(workers) as pool,
        Progress(len(records)) as progress,
    ):
        sink.truncate(rows * d * 2)
        sink.seek(rows * d * 2)
        left_out = 0
        for record, hidden in zip(records, pool.map(encoded, records), strict=True):
            progress.advance(0.0 if hidden is None else len(hidden) / POSITIONS_PER_SECOND)
            if hidden is None:
                left_out += 1
                continue
            sink.write(hidden.tobytes())
            sink.flush()
            lines.add({"key": cache_key(manifest, str(record.audio)), "start": rows, "length": len(hidden)})
            rows += len(hidden)
    if left_out:
        print(f"{name}: {left_out} clips are longer than {_HEARD} s and were left out", file=sys.stderr)
    return len(records) - left_out


def onnx_encoder(path: Path) -> tuple[Encoder, int]:
    """An exported `encoder_hidden.onnx`, one thread a call: `(encode, d)`."""
    session = open_small(path)

    def encode(mel: NDArray[np.float32]) -> NDArray[np.float32]:
        even = mel[None, :, : mel.shape[1] // 2 * 2]
        hidden: NDArray[np.float32] = session.run(None, {"mel": even})[0][0]
        return hidden

    return encode, int(session.get_outputs()[0].shape[-1])
