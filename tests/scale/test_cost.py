"""benchmarks/cost.py: counters of energy, and the page that quotes its results."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("psutil")
pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "2026-11-28-cost"


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("cost")


def test_joules_are_read_from_every_processor(
    cost: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "POWER", tmp_path)
    assert cost.joules() == {} and cost.spent({}) is None
    for number, at in enumerate((1_000_000, 9_000_000)):
        (tmp_path / f"intel-rapl:{number}").mkdir()
        (tmp_path / f"intel-rapl:{number}" / "energy_uj").write_text(f"{at}\n")
        (tmp_path / f"intel-rapl:{number}" / "max_energy_range_uj").write_text("10000000\n")
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the first processor, counted there already
    (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("5\n")
    before = cost.joules()
    assert len(before) == 2
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3500000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("1000000\n")  # it began again
    assert cost.spent(before) == pytest.approx(2.5 + 2.0)


def test_the_page_quotes_what_was_measured(cost: ModuleType) -> None:
    found = json.loads((RESULTS / "cost.json").read_text())
    page = (ROOT / "docs" / "scaling.md").read_text()
    for text in (cost.table(found), cost.projections(found)):
        assert text in page and text in (RESULTS / "cost.md").read_text()
    run = found["rows"][-1]
    core_hours = 10_000 * 3600 / run["audio_seconds"] * run["processor_seconds"] / 3600
    assert f"| core hours `H / s` | {core_hours:,.0f} |" in page
