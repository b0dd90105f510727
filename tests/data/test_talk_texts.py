"""The default recipe's generated sentences: spans, style, and what training shares with evaluation."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from unislu.data.compose import Patterns
from unislu.data.records import Record, read_records
from unislu.data.type_names import TypeTable

RECIPE = Path(__file__).parents[2] / "recipes/default-base"

pytest.importorskip("faker")


@pytest.fixture(scope="module")
def talk() -> Iterator[ModuleType]:
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("talk_texts", RECIPE / "talk_texts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


@pytest.fixture(scope="module")
def out(talk: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "train").mkdir()
    (folder / "dev").mkdir()
    talk.training(folder / "train", 60, 0)
    talk.evaluation(folder / "dev", TypeTable.read(RECIPE / "types.yml"), 0)
    return folder


def rows(folder: Path) -> list[Record]:
    return [record for path in sorted(folder.glob("*.jsonl")) for record in read_records(path)]


def values(records: list[Record]) -> set[str]:
    return {
        r.text[e.start : e.end] for r in records for e in r.entities or () if len(r.text[e.start : e.end]) > 7
    }


def test_every_pattern_draws_from_known_sources(talk: ModuleType) -> None:
    for folder in ("train", "dev"):
        names = Patterns.read(sorted((RECIPE / "talk" / folder).glob("*.txt"))).sources()
        assert names <= set(talk.SOURCES), folder


def test_every_type_has_an_entry_in_the_table(out: Path) -> None:
    table = TypeTable.read(RECIPE / "types.yml")
    found = {entity.type for record in rows(out / "train") for entity in record.entities or ()}
    assert len(found) >= 60
    assert {name for name in found if name.replace(" ", "-") not in table.entries} == set()


def test_what_is_said_has_no_figures_and_spans_are_tight(out: Path) -> None:
    for record in [*rows(out / "train"), *rows(out / "dev")]:
        assert record.spoken and not re.search(r"\d", record.spoken), record.id
        assert "{" not in record.text + record.spoken and "~" not in record.text + record.spoken
        for entity in record.entities or ():
            value = record.text[entity.start : entity.end]
            assert value == value.strip() and value, record.id


def test_hesitations_are_not_written(out: Path) -> None:
    records = [*rows(out / "train"), *rows(out / "dev")]
    assert not any(re.search(r"\b(uh|um|er|hmm)\b", record.text, re.IGNORECASE) for record in records)
    assert any(re.search(r"\b(uh|um)\b", record.spoken or "", re.IGNORECASE) for record in records)


def test_evaluation_shares_no_sentence_and_no_long_number_with_training(out: Path) -> None:
    train, dev = rows(out / "train"), rows(out / "dev")
    assert not {r.text for r in train} & {r.text for r in dev}
    numbers = {value for value in values(dev) if sum(c.isdigit() for c in value) >= 6}
    assert numbers and not numbers & values(train)


def test_a_list_entry_belongs_to_one_side(talk: ModuleType) -> None:
    from talk.apart import kept_apart

    train, dev = kept_apart(talk.SOURCES, held_out=False), kept_apart(talk.SOURCES, held_out=True)
    for name in ("drug", "company", "disease", "product", "full name"):
        one = {train[name](random.Random(seed), "").written for seed in range(80)}
        other = {dev[name](random.Random(seed), "").written for seed in range(80)}
        assert one and other and not one & other, name


def test_the_same_seed_gives_the_same_files(talk: ModuleType, out: Path, tmp_path: Path) -> None:
    talk.training(tmp_path, 60, 0)
    for path in tmp_path.glob("*.jsonl"):
        assert path.read_bytes() == (out / "train" / path.name).read_bytes()


def test_one_type_asked_alone(talk: ModuleType, out: Path) -> None:
    table = TypeTable.read(RECIPE / "types.yml")
    records = list(read_records(out / "dev/talk-asked.jsonl"))
    assert len(records) == 20 * len(talk.sets.ASKED) == 800
    for record in records:
        (name,) = record.extra["asked"]
        kinds = {entity.type for entity in record.entities or ()}
        assert kinds == ({name} if "-yes-" in record.id else set())
        assert name.replace(" ", "-") in table.owners


def test_personal_data_has_every_type(talk: ModuleType, out: Path) -> None:
    records = list(read_records(out / "dev/talk-personal.jsonl"))
    found = {entity.type for record in records for entity in record.entities or ()}
    assert len(records) == 400 and set(talk.sets.PERSONAL) <= found
    assert sum(not record.entities for record in records) >= 40


def checked(digits: str) -> int:
    """Luhn's sum."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10


def test_cards_accounts_and_banks_have_valid_check_digits(talk: ModuleType) -> None:
    for seed in range(50):
        card = talk.SOURCES["card number"](random.Random(seed), "").written.replace("-", "")
        assert len(card) in (15, 16) and checked(card) == 0
        iban = talk.SOURCES["iban"](random.Random(seed), "").written.replace(" ", "")
        assert int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1
        bank = talk.SOURCES["routing number"](random.Random(seed), "").written
        assert sum(int(d) * w for d, w in zip(bank, (3, 7, 1) * 3, strict=True)) % 10 == 0


def test_main_writes_every_file(talk: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["talk_texts.py", str(tmp_path), "--count", "20"])
    talk.main()
    assert len(list((tmp_path / "train").glob("talk-*.jsonl"))) == 10
    assert "phone" in json.loads((tmp_path / "types.json").read_text())["phone-number"]["names"]
