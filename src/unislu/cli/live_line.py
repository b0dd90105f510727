"""A line of a terminal that what comes next takes the place of."""

from __future__ import annotations

import sys


class LiveLine:
    """Writes to stderr if that is a terminal, unless it is not wanted."""

    def __init__(self, wanted: bool) -> None:
        self.enabled = wanted and sys.stderr.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Show `text` in place of what was shown; it must fit into one line."""
        if self.enabled:
            self.clear()
            sys.stderr.write(text)
            sys.stderr.flush()
            self._width = len(text)

    def clear(self) -> None:
        """Leave the line empty for other output."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0
