"""Sentences with other years and abbreviations, for the default model's training."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from unislu.data.records import Record, read_records, write_records

pytest.importorskip("inflect")
SCRIPT = Path(__file__).parents[2] / "recipes/experiments/varied.py"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("varied", SCRIPT)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_what_is_written_and_what_is_said_differ_in_the_varied_words_alone(module: ModuleType) -> None:
    text, spoken = module.with_other_years("From 2014 to 2020, we met.", Random(3))
    first, second = (int(year) for year in module.YEAR.findall(text))
    assert first < second
    assert text == f"From {first} to {second}, we met."
    assert (
        spoken.startswith("From ") and spoken.endswith(", we met.") and not any(c.isdigit() for c in spoken)
    )

    text, spoken = module.with_other_letters("The EIB and NATO asked the EU.", Random(3))
    new = text.split()[1]
    assert text == f"The {new} and NATO asked the EU." and new != "EIB"
    assert spoken == f"The {' '.join(new)} and NATO asked the E U."


def test_files_of_the_script(tmp_path: Path) -> None:
    manifest = tmp_path / "right.jsonl"
    write_records(manifest, [Record("a", "In 2009 the EBRD grew."), Record("b", "Nothing to vary here.")])
    command = [sys.executable, SCRIPT, manifest, tmp_path / "out", "--years", "3", "--letters", "2"]
    subprocess.run(command, check=True)
    years = list(read_records(tmp_path / "out/years.jsonl"))
    letters = list(read_records(tmp_path / "out/letters.jsonl"))
    assert [len(years), len(letters)] == [3, 2]
    assert all(record.spoken and record.spoken != record.text for record in [*years, *letters])
    assert all("2009" in record.text for record in letters)
