"""The choice of sentences of many types, from a few lines of each corpus."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Row = dict[str, Any]


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    before = list(sys.path)
    path = Path(__file__).parents[2] / "recipes/default-base/open_types.py"
    spec = importlib.util.spec_from_file_location("open_types", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    yield found
    sys.path[:] = before


def row(name: str, text: str, **phrases: str) -> Row:
    entities = [
        {
            "start": text.index(phrase),
            "end": text.index(phrase) + len(phrase),
            "type": type_.replace("_", " "),
        }
        for type_, phrase in phrases.items()
    ]
    return {"id": name, "text": text, "entities": entities}


def spans(done: Row) -> dict[str, str]:
    return {e["type"]: done["text"][e["start"] : e["end"]] for e in done["entities"]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (row("a", "leave at 11:10 am today", time="11:10 am"), "leave at 11:10 a.m. today"),
        (row("a", "see you at 6 pm.", time="6 pm"), "see you at 6 p.m."),
        (row("a", "the non - dominant hand", side="non - dominant"), "the non-dominant hand"),
        (row("a", "* Ability to work", skill="work"), "Ability to work"),
        (
            row("a", "card 5266170881475288 please", card="5266170881475288"),
            "card 5266-1708-8147-5288 please",
        ),
        (row("a", "i m sure that s it , really", it="it"), "i'm sure that's it, really"),
    ],
)
def test_texts_become_transcripts_and_spans_move(module: ModuleType, before: Row, after: str) -> None:
    done = module.edited(before)
    assert done["text"] == after
    assert all(phrase == phrase.strip() and phrase for phrase in spans(done).values())


def test_a_span_holds_the_whole_replacement(module: ModuleType) -> None:
    assert spans(module.edited(row("a", "see you at 6 pm.", time="6 pm"))) == {"time": "6 p.m."}


def test_amounts_cut_into_words_are_joined(module: ModuleType) -> None:
    text = "for $2.20 million now"
    cut = {"id": "a", "text": text, "entities": [
        {"start": 4, "end": 9, "type": "money"}, {"start": 10, "end": 17, "type": "money"}]}  # fmt: skip
    assert spans(module.edited(cut)) == {"money": "$2.20 million"}


def test_types_get_plain_names(module: ModuleType) -> None:
    source = row("a", "fly from Ulm with Foo", **{"fromloc-city_name": "Ulm", "misc": "Foo"})
    assert spans(module.plain(source)) == {"departure city": "Ulm"}


@pytest.mark.parametrize(
    "text",
    ["too short", "see https://x.org for it", "it costs twenty five dollars", "a bullet • here now",
     "wake me at five am", "in brackets (here) it is", "1. Some athlete 3.85 metres"],
)  # fmt: skip
def test_unspeakable_and_off_style_rows_are_left_out(module: ModuleType, text: str) -> None:
    assert list(module.usable("x", [row("a", text)], lambda _: False)) == []


def test_rare_types_come_first_and_none_dominates(module: ModuleType) -> None:
    common = [row(f"c{i}", f"number {i} is here", common="number") for i in range(200)]
    rare = [row(f"r{i}", f"number {i} is rare", **{f"rare {i}": "number"}) for i in range(20)]
    chosen = module.choose([*common, *rare], 40)
    kinds = [next(iter(spans(r))) for r in chosen]
    assert set(kinds[:21]) == {"common", *(f"rare {i}" for i in range(20))}
    assert len(chosen) == 40


def write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


@pytest.fixture
def data(module: ModuleType, tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for name in {*module.CASED, *module.CHOSEN}:
        stem = name.split("/")[1]
        rows = [row(f"{stem}-{i}", f"the {stem} meets Anna number {i}", person="Anna") for i in range(60)]
        write(data / f"{name}.jsonl", rows)
    leaked = [row("hwu64-x", "a sentence of the test set", person="test")]
    write(data / "open-ner-2/hwu64.jsonl", [*leaked, row("hwu64-y", "the slurp-train meets Anna number 7")])
    for name in module.NEVER_TRAINED:
        write(data / f"{name}.jsonl", [row("never", "this is never trained on", x="never")])
    return data


def test_main_leaves_out_what_tests_may_hold(
    module: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["open_types.py", str(data), str(out)])
    module.main()
    train = {p.stem: p.read_text(encoding="utf-8") for p in (out / "train").glob("*.jsonl")}
    dev = {p.stem: p.read_text(encoding="utf-8") for p in (out / "dev").glob("*.jsonl")}
    everything = "".join([*train.values(), *dev.values()])
    assert len(train) == len(module.CHOSEN)
    assert "never trained" not in everything and "test set" not in everything
    assert not {"open-multidogo", "open-btc", "open-crossner-literature"} & train.keys()
    texts = [
        json.loads(line)["text"] for text in (*train.values(), *dev.values()) for line in text.splitlines()
    ]
    assert len(texts) == len(set(texts))
    first = json.loads(train["open-sgd"].splitlines()[0])
    assert first["text"].endswith(".") and not any(c.isdigit() for c in first["spoken"])
