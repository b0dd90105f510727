"""Files and hours done, speed and time left."""

from __future__ import annotations

from typing import TextIO

from ..progress import ProgressLine, clock


class Progress:
    """Counts files to `total`. The time left follows the estimated seconds of audio, not the files."""

    def __init__(
        self,
        total: int,
        done: int,
        seconds_left: float,
        *,
        enabled: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        self._total, self._done = total, done
        self._expected, self._passed = seconds_left, 0.0
        self._heard = 0.0
        self._failed = 0
        self._line = ProgressLine(self.line, enabled=enabled, stream=stream)

    def advance(self, expected: float, heard: float, failed: bool) -> None:
        """One file more: its expected and its true seconds, and whether it failed."""
        self._done += 1
        self._passed += expected
        self._heard += heard
        self._failed += failed
        self._line.show()

    def close(self) -> None:
        """Show the last state."""
        self._line.show(final=True)

    def line(self, elapsed: float) -> str:
        """The text of the line after `elapsed` seconds."""
        parts = [f"{self._done}/{self._total} files", f"{self._heard / 3600:.2f} h"]
        if self._failed:
            parts.append(f"{self._failed} failed")
        if elapsed > 0 and self._passed > 0:
            parts.append(f"{self._heard / elapsed:.1f}x real time")
            left = (self._expected - self._passed) * elapsed / self._passed
            done = self._done >= self._total
            parts.append(f"took {clock(round(elapsed))}" if done else f"{clock(round(left))} left")
        return "  ".join(parts)
