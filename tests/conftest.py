"""What every test shares: determinism, one thread, no way out to the network, and no part left out unsaid."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .needs import OPTIONAL_PACKAGES, missing

# Before any test imports a numeric library: tests are small, and threads only contend with each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# A shell that starts the tests in the background leaves them deaf to SIGINT, and with them the commands
# that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Hugging Face libraries must fail at once instead of looking a name up.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

# A busy machine is slow, not wrong; and what continuous integration runs is the same every time.
settings.register_profile(
    "unislu", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unislu")


def _refuse(self: socket.socket, address: object) -> None:
    raise RuntimeError(f"a test tried to reach the network at {address!r}; mark it with @pytest.mark.network")


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuses every outgoing connection to another machine, unless the test is marked `network`."""
    if request.node.get_closest_marker("network") is None:
        connect = socket.socket.connect

        def guarded(self: socket.socket, address: object) -> None:
            local = isinstance(address, str | bytes) or str(address[0]) in {"127.0.0.1", "::1", "localhost"}  # type: ignore[index]
            if local:
                connect(self, address)  # type: ignore[arg-type]
            else:
                _refuse(self, address)

        monkeypatch.setattr(socket.socket, "connect", guarded)
    yield


def _untested(config: pytest.Config) -> dict[str, str]:
    """What this machine lacks and tests were skipped for: name -> the part not tested, and the remedy."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    found = {}
    for report in reporter.stats.get("skipped", []) if reporter else []:
        if isinstance(report.longrepr, tuple) and (named := missing(report.longrepr[2])):
            name, need = named
            found[name] = f"{need.part} ({need.remedy})"
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all-parts`: this machine has what the tests need, so a part left out is a failure."""
    parser.addoption("--all-parts", action="store_true", help="fail if a part cannot be tested here")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which parts were not tested and how to have them tested."""
    if untested := _untested(config):
        terminalreporter.section("not tested on this machine", "-")
        for name, line in sorted(untested.items()):
            terminalreporter.write_line(f"{name}: {line}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With `--all-parts` a part that could not be tested is a failure."""
    if session.config.getoption("--all-parts") and set(_untested(session.config)) - OPTIONAL_PACKAGES:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
