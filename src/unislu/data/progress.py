"""Clips done, speed and time left."""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

from unislu.progress import ProgressLine, clock


class Progress:
    """Counts to `total`, starting at `done`. Use as a context manager."""

    def __init__(
        self,
        total: int,
        done: int = 0,
        *,
        unit: str = "clips",
        enabled: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        self._total, self._done, self._first = total, done, done
        self._unit = unit
        self._seconds = 0.0
        self._line = ProgressLine(self.line, enabled=enabled, stream=stream)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.show(final=True)

    def advance(self, seconds: float = 0.0) -> None:
        """One clip more, `seconds` long; or a text, which has no length."""
        self._done += 1
        self._seconds += seconds
        self._line.show()

    def line(self, elapsed: float) -> str:
        """The text of the line after `elapsed` seconds."""
        made = self._done - self._first
        share = self._done / self._total if self._total else 1.0
        parts = [f"{self._done}/{self._total} {self._unit}", f"{share:4.0%}"]
        if made and elapsed > 0:
            left = (self._total - self._done) * elapsed / made
            parts.append(f"{made / elapsed:.1f}/s")
            if self._seconds:
                parts.append(f"{self._seconds / elapsed:.0f}x real time")
            done = self._done >= self._total
            parts.append(f"took {clock(round(elapsed))}" if done else f"{clock(round(left))} left")
        return "  ".join(parts)
