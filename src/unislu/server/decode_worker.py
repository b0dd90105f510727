"""The process that decodes uploads: `python -m unislu.server.decode_worker`. One JSON line in, one out.

Decoders are where hostile files strike, so they run apart from the server: memory is limited here, time
by `decoding.DecoderPool`, which kills this process and starts another.

    in:  {"source": path, "target": path, "name": …, "split": …, "max_seconds": …}
    out: {"seconds": …, "warnings": […], "channels": …} or {"code": …, "message": …}

With {"spans": [[start, end], …], "how": …, "guard": …, "heard": …} it writes a redacted copy instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
from typing import Any, BinaryIO

MEMORY_BYTES = 3 << 30  # address space; the libraries alone map about 1 GB


def main() -> None:
    """Answer until stdin ends."""
    _limit_memory()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    for line in sys.stdin:
        json.dump(_answer(json.loads(line)), answers)
        answers.write("\n")
        answers.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    from ..errors import UnisluError

    try:
        return _redact(task) if "spans" in task else _decode(task)
    except TooLongError:
        return {"code": "audio_too_long", "message": ""}
    except UnisluError as error:
        message = str(error).replace(task["source"], task["name"]).replace(task["target"], task["name"])
        return {"code": "invalid_audio", "message": message}
    except MemoryError:
        return {"code": "audio_too_large", "message": ""}
    except OSError as error:
        return {"code": "disk", "message": str(error)}


class TooLongError(Exception):
    """More audio than allowed."""


def _decode(task: dict[str, Any]) -> dict[str, Any]:
    """Write the source as 16 kHz float32 WAV while it is decoded, and say how long it is."""
    from ..audio import SAMPLE_RATE, open_audio

    samples, channels = 0, 0
    with (
        open_audio(task["source"], name=task["name"], split=task["split"]) as stream,
        open(task["target"], "wb") as file,
    ):
        _write_header(file, 0, 1, SAMPLE_RATE)
        for block in stream:
            samples += block.shape[1]
            channels = block.shape[0]
            if samples > task["max_seconds"] * SAMPLE_RATE:
                raise TooLongError
            file.write(block.T.astype("<f4").tobytes())
        file.seek(0)
        _write_header(file, samples, channels, SAMPLE_RATE)
        seconds = samples / SAMPLE_RATE
        return {"seconds": seconds, "warnings": list(stream.warnings), "channels": channels}


def _redact(task: dict[str, Any]) -> dict[str, Any]:
    """Write the source with the sound of some seconds covered."""
    from ..redact import redact_audio

    spans = [(start, end) for start, end in task["spans"]]
    copy = redact_audio(
        task["source"], task["target"], spans, task["how"], task["guard"],
        heard=task["heard"], name=task["name"],
    )  # fmt: skip
    return {"notes": list(copy.notes), "format": copy.format}


def _write_header(file: BinaryIO, samples: int, channels: int, rate: int) -> None:
    """The head of a float32 WAV; sizes that do not fit say that the data goes on to the end."""
    width = 4 * channels
    size = min(samples * width, 0xFFFFFFFF - 36)
    fmt = struct.pack("<HHIIHH", 3, channels, rate, rate * width, width, 32)
    file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt \x10\0\0\0" + fmt)
    file.write(b"data" + struct.pack("<I", size if size == samples * width else 0xFFFFFFFF))


if __name__ == "__main__":
    main()
