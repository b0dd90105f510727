"""Listing, downloading, packaging and publishing models.

Only `unislu download`, `models` and `push` ask the network, and only because somebody typed them.
"""

from __future__ import annotations

from .catalog import Entry, catalog
from .download import download
from .index import INDEX_URL, write_index
from .package import PackageOptions, package

__all__ = ["INDEX_URL", "Entry", "PackageOptions", "catalog", "download", "package", "write_index"]
