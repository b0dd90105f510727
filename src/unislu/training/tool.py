"""How the tools that are run as `python -m unislu.training.…` end."""

from __future__ import annotations

import sys
from collections.abc import Callable

from unislu.errors import UnisluError


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool; an error a user can cause is one line on stderr and exit code 1, not a traceback."""
    try:
        main()
    except UnisluError as error:
        sys.exit(f"unislu: {error}")
