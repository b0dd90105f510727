"""The default recipe's texts, from a few lines of each corpus."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Row = dict[str, Any]


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    path = Path(__file__).parents[2] / "recipes/default-base/prepare.py"
    spec = importlib.util.spec_from_file_location("prepare_default_base", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name: str, text: str, phrase: str | None = None, **keys: Any) -> Row:
    entities = []
    if phrase is not None:
        start = text.index(phrase)
        entities = [{"start": start, "end": start + len(phrase), "type": "actor", "type18": "PERSON"}]
    return {"id": name, "text": text, "entities": entities, **keys}


def write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def lower_rows(name: str) -> list[Row]:
    """A normalised corpus."""
    return [
        row(f"{name}-a", "who starred in paris with anna smith", "anna smith"),
        row(f"{name}-b", "show me a film about the war"),
        row(f"{name}-c", "look at http://example.org for more"),
    ]


def cased_rows(name: str) -> list[Row]:
    """A corpus that kept its case; Paris is a word it teaches."""
    return [
        row(f"{name}-a", "They flew to Paris with Anna Smith.", "Anna Smith"),
        row(f"{name}-b", "We like Paris in spring."),
        row(f"{name}-c", "STOCKS FALL AGAIN TODAY"),
    ]


@pytest.fixture(scope="module")
def data(prepare: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three lines of each corpus, one more for the MIT dev split, and a folder of real clips."""
    data = tmp_path_factory.mktemp("data")
    for name in ("fine-tune", "dev"):
        write(data / f"slue-voxpopuli/{name}.jsonl", lower_rows(name))
    for name in prepare.MIT:
        dev = next(i for i in range(1000) if prepare.is_dev({"id": f"{name}-{i}"}))
        rows = [*lower_rows(name), row(f"{name}-{dev}", "films with tom in them", "tom")]
        write(data / f"open-ner/{name}-train.jsonl", rows)
    for name in prepare.LOWER:
        write(data / f"open-ner/{name}.jsonl", lower_rows(name))
    for name in [*prepare.KEPT, "earnings21"]:
        write(data / f"open-ner/{name}.jsonl", cased_rows(name))
    for name, rows in (("meld", cased_rows), ("sst", lower_rows)):
        for split in ("train", "dev"):
            found = [{**r, "sentiment": "positive"} for r in rows(f"{name}-{split}")]
            write(data / f"sentiment/{name}-{split}.jsonl", found)
    clips = [
        row(f"clip-{i}", "A real clip.", audio=f"{i}.wav", split=s)
        for i, s in enumerate(["dev", "test", "dev"])
    ]
    write(data / "speech/real/manifest.jsonl", clips)
    write(data / "speech/plain/manifest.jsonl", [row("p", "No split.", audio="p.wav")])
    for place in ("real/0.wav", "real/1.wav", "real/2.wav", "plain/p.wav"):
        (data / "speech" / place).touch()
    return data


def run(prepare: ModuleType, data: Path, out: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["prepare.py", str(data), str(out)])
        prepare.main()
    return out


@pytest.fixture(scope="module")
def texts(prepare: ModuleType, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(prepare, data, tmp_path_factory.mktemp("texts"))


def test_normalised_corpora_are_cased_and_closed(prepare: ModuleType, texts: Path) -> None:
    for name in [*prepare.MIT, *prepare.LOWER, "sst-train"]:
        rows = {r["id"][-1]: r for r in read(texts / f"{name}.jsonl") if r["id"][-1] in "ab"}
        assert rows["a"]["text"] == "Who starred in Paris with Anna Smith?"
        assert rows["b"]["text"] == "Show me a film about the war."
        assert rows["a"]["text_normalized"] == "who starred in paris with anna smith"
        (entity,) = rows["a"]["entities"]
        assert rows["a"]["text"][entity["start"] : entity["end"]] == "Anna Smith"
        assert entity["type18"] == "PERSON"


def test_parliament_waits_for_its_punctuation(texts: Path) -> None:
    written = {r["text"] for name in ("train", "dev") for r in read(texts / f"slue-{name}.jsonl")}
    assert "Who starred in Paris with Anna Smith" in written


def test_cased_corpora_stay_as_they_are(prepare: ModuleType, texts: Path) -> None:
    for name in [*prepare.KEPT, "earnings21", "meld-train"]:
        written = {r["id"]: r["text"] for r in read(texts / f"{name}.jsonl")}
        assert written and set(written.values()) <= {r["text"] for r in cased_rows("")}


def test_what_nobody_says_is_left_out_of_what_is_spoken(prepare: ModuleType, texts: Path) -> None:
    for name in [*prepare.LOWER, *prepare.KEPT, "earnings21", "meld-train", "sst-train"]:
        assert not [r for r in read(texts / f"{name}.jsonl") if r["id"].endswith("-c")]
    assert len(read(texts / "meld-text.jsonl")) == 3  # trained on as text alone


def test_dev_and_train_share_no_row(prepare: ModuleType, texts: Path) -> None:
    for name in prepare.MIT:
        train, dev = ({r["id"] for r in read(texts / f"{n}.jsonl")} for n in (name, f"{name}-dev"))
        assert train and dev and not train & dev


def test_real_clips_are_linked_by_split(data: Path, texts: Path) -> None:
    for folder, ids in (("real-dev", ["clip-0", "clip-2"]), ("real-test", ["clip-1"]), ("plain", ["p"])):
        rows = read(texts / folder / "manifest.jsonl")
        assert [r["id"] for r in rows] == ids
        assert all((texts / folder / r["audio"]).is_file() for r in rows)


def test_a_second_run_writes_the_same(prepare: ModuleType, data: Path, texts: Path, tmp_path: Path) -> None:
    again = run(prepare, data, tmp_path / "again")
    names = sorted(p.name for p in texts.glob("*.jsonl"))
    assert names == sorted(p.name for p in again.glob("*.jsonl"))
    assert all((texts / name).read_bytes() == (again / name).read_bytes() for name in names)
    run(prepare, data, texts)  # over its own output: the links to the clips are kept


def test_without_folders_it_says_what_it_needs(prepare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["prepare.py"])
    with pytest.raises(SystemExit, match="DATA OUT"):
        prepare.main()


def test_a_choice_is_stable_and_keeps_its_share_of_entities(prepare: ModuleType) -> None:
    rows = [row(f"r{i}", "we met anna", "anna" if i % 2 else None) for i in range(40)]
    chosen = prepare.pick(rows, 10, with_entities=0.7)
    assert sum(bool(r["entities"]) for r in chosen) == 7 and len(chosen) == 10
    assert prepare.pick(rows[::-1], 10, with_entities=0.7) == chosen
    assert prepare.pick(rows, 5) == prepare.pick(rows, 10)[:5]
