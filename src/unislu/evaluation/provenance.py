"""The provenance of figures: command, machine, versions, and data by name and hash."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unislu.engines.session import cores
from unislu.evaluation.predict import Dataset
from unislu.version import __version__

PACKAGES = ("numpy", "onnxruntime", "tokenizers", "torch", "transformers", "jiwer", "whisper-normalizer")


def provenance(
    datasets: Sequence[Dataset], system: Mapping[str, Any], *, seed: int, command: Iterable[str] | None = None
) -> dict[str, Any]:
    """Plain values for a report. Folders outside the working directory appear by their last name only."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(short_path(word) for word in (command or ["unislu", *sys.argv[1:]])),
        "seed": seed,
        "system": dict(system),
        "data": [
            {
                "name": dataset.name,
                "manifest": short_path(str(dataset.path)),
                "records": len(dataset.records),
                "sha256": dataset.sha256,
            }
            for dataset in datasets
        ],
        "machine": machine(),
        "versions": versions(),
    }


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory, system."""
    return {
        "cpu": cpu_field("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Versions of Python, unislu, and the installed packages that figures may depend on."""
    return {"python": platform.python_version(), "unislu": __version__, **installed(*PACKAGES)}


def installed(*packages: str) -> dict[str, str]:
    """The versions of the given packages, as far as they are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def short_path(word: str) -> str:
    """An absolute path by its last two names; everything else as it is."""
    path = Path(word)
    return "/".join(("…", *path.parts[-2:])) if path.is_absolute() and len(path.parts) > 3 else word


def cpu_field(key: str) -> str | None:
    """A field of the first processor, as Linux names it; None where that is not known."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return None


def memory_gib() -> float | None:
    """Memory of the machine in GiB; None if unknown."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
