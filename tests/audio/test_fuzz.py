"""2,000 files with mutated headers: each is heard or refused in one line, in bounded time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz_headers.py")
FILES, PROCESS = 2000, 250


def fuzz(first: int, count: int) -> int:
    """How many of some files were heard."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(first), str(count)], capture_output=True, text=True, timeout=1200
    )
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"at file {last} (code {done.returncode}): {done.stderr[-2000:]}"
    found = re.fullmatch(r"done, (\d+) heard", last[0])
    assert found is not None
    return int(found[1])


def test_some_files() -> None:
    assert 0 < fuzz(0, 48) < 48


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, FILES, PROCESS))
def test_many_files(first: int) -> None:
    assert 0 < fuzz(first, PROCESS) < PROCESS
