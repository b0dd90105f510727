"""Progress of long work: a line that is redrawn on a terminal, or one line a minute in a log."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_TERMINAL_SECONDS, _LOG_SECONDS = 0.25, 60.0


class LiveLine:
    """A line on a terminal (stderr or `stream`) that the next one overwrites; elsewhere nothing is
    written.
    """

    def __init__(self, wanted: bool = True, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self.enabled = wanted and self._stream.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Replace what was shown by `text`, which must fit on one line."""
        if self.enabled:
            self.clear()
            self._stream.write(text)
            self._stream.flush()
            self._width = len(text)

    def clear(self) -> None:
        """Clear the line for other output."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


class Progress:
    """Counts from `done` to `total`, with speed and time left. Use as a context manager."""

    def __init__(
        self,
        total: int,
        done: int = 0,
        *,
        unit: str = "clips",
        expected: float | None = None,
        enabled: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        """`expected`: seconds of audio that remain, as far as known; the time left is then estimated from
        them, otherwise from the count.
        """
        self._total, self._done, self._first = total, done, done
        self._unit, self._expected = unit, expected
        self._passed = self._seconds = 0.0
        self._failed = 0
        self._enabled, self._stream = enabled, stream or sys.stderr
        self._live = LiveLine(enabled, self._stream)
        self._started, self._shown = time.monotonic(), float("-inf")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._show(final=True)

    def advance(self, seconds: float = 0.0, *, expected: float = 0.0, failed: bool = False) -> None:
        """Count one more item, `seconds` long (0 for a text), of which `expected` seconds had been
        expected.
        """
        self._done += 1
        self._seconds += seconds
        self._passed += expected
        self._failed += failed
        self._show()

    def _show(self, *, final: bool = False) -> None:
        now = time.monotonic()
        pause = _TERMINAL_SECONDS if self._live.enabled else _LOG_SECONDS
        if not self._enabled or (not final and now - self._shown < pause):
            return
        self._shown = now
        text = self.line(now - self._started)
        if self._live.enabled and not final:
            self._live.show(text)
            return
        self._live.clear()
        self._stream.write(text + "\n")
        self._stream.flush()

    def line(self, elapsed: float) -> str:
        """The text of the line after `elapsed` seconds."""
        counted = self._done - self._first
        share = self._done / self._total if self._total else 1.0
        parts = [f"{self._done}/{self._total} {self._unit}", f"{share:4.0%}"]
        if self._expected is not None:
            parts.append(f"{self._seconds / 3600:.2f} h")
        if self._failed:
            parts.append(f"{self._failed} failed")
        if counted and elapsed > 0:
            if self._expected is None:
                parts.append(f"{counted / elapsed:.1f}/s")
            if self._seconds:
                parts.append(f"{self._seconds / elapsed:.1f}x real time")
            left = self._left(elapsed / counted, elapsed)
            done = self._done >= self._total
            parts.append(f"took {clock(round(elapsed))}" if done else f"{clock(round(left))} left")
        return "  ".join(parts)

    def _left(self, each: float, elapsed: float) -> float:
        """Seconds of work left if one item takes `each`."""
        if self._expected is None or self._passed <= 0:
            return (self._total - self._done) * each
        return (self._expected - self._passed) * elapsed / self._passed


def clock(seconds: float) -> str:
    """Whole seconds as `12:05`, or as `1:00:09` from an hour on."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
