"""A progress line with the time left, on stderr; where that is not a terminal, one line a minute."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

_TERMINAL_SECONDS, _LOG_SECONDS = 0.25, 60.0


class Progress:
    """Counts to `total`, starting at `done`. Use as a context manager."""

    def __init__(
        self, total: int, done: int = 0, *, enabled: bool = True, stream: TextIO | None = None
    ) -> None:
        self._total, self._done, self._first = total, done, done
        self._stream = stream or sys.stderr
        self._enabled = enabled
        self._terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._shown = float("-inf")
        self._seconds = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show(final=True)

    def advance(self, seconds: float) -> None:
        """One clip more, `seconds` long."""
        self._done += 1
        self._seconds += seconds
        self._show()

    def _show(self, *, final: bool = False) -> None:
        now = time.monotonic()
        pause = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        if not self._enabled or (not final and now - self._shown < pause):
            return
        self._shown = now
        text = self.line(now - self._started)
        if self._terminal:
            self._stream.write(f"\r\x1b[K{text}" + ("\n" if final else ""))
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def line(self, elapsed: float) -> str:
        """The text of the line after `elapsed` seconds."""
        made = self._done - self._first
        share = self._done / self._total if self._total else 1.0
        parts = [f"{self._done}/{self._total} clips", f"{share:4.0%}"]
        if made and elapsed > 0:
            left = (self._total - self._done) * elapsed / made
            parts += [f"{made / elapsed:.1f}/s", f"{self._seconds / elapsed:.0f}x real time"]
            parts.append(f"{_clock(left)} left" if self._done < self._total else f"took {_clock(elapsed)}")
        return "  ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
