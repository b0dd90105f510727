"""The version of the package, for all that writes or checks it."""

from __future__ import annotations

__version__ = "0.3.0"
