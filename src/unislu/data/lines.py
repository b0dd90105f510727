"""Files of lines that grow while work goes on: a kill may leave half a line at their end."""

from __future__ import annotations

import os
from pathlib import Path


def drop_half_line(path: Path) -> None:
    """Cut off what follows the last line break, so that the next line does not continue it."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
