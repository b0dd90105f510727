"""Sentences to fit the default model's biases on, and the scored ones of corpora that nothing is trained on.

    python benchmarks/fit_texts.py DATA TEXTS OUT

DATA: the corpora; TEXTS: what prepare.py, open_types.py and talk_texts.py of the default recipe wrote (the
latter two to `open/` and `talk/` in it, and talk_texts.py with `--seed 1` to `talk-1/`). OUT gets one file a
set, `fit-*.jsonl` for those to fit on: none of their sentences is scored, and none of the corpora's was
trained on. See dev_sets.sh.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes/default-base"))
import open_types
from open_types import NEVER_TRAINED, bare, choose, usable
from prepare import cased, is_dev, learned_caser, pick, read_rows

Row = dict[str, Any]

#: File of DATA/open-ner or of TEXTS/open/dev: how many sentences.
OTHERS = {
    "conll2003-dev": 40, "open-multiconer2_en": 20, "open-gum": 20, "open-wnut17": 15, "open-wikigold": 10,
    "open-crossner-science": 10, "snips-dev": 25, "open-sgd": 25, "open-hr_multiwoz": 25,
    "open-multiwoz_rasa": 15, "open-presidio_synth": 20,
}  # fmt: skip
COUNT = 80


def main() -> None:
    """Write every file."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    data, texts, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for name in NEVER_TRAINED:
        never_trained(data / f"{name}.jsonl", out)
    slue = read_rows(texts / "slue-dev.jsonl")
    save(out / "fit-slue-a.jsonl", slue[400:640])
    save(out / "fit-slue-b.jsonl", slue[640:])
    known = {bare(row["text"]) for path in texts.glob("*.jsonl") for row in read_rows(path)}
    caser = learned_caser(data)
    for name in ("mit-movie-eng", "mit-restaurant"):
        rows = [row for row in read_rows(data / f"open-ner/{name}-train.jsonl") if is_dev(row)]
        new = [cased(row, caser, True) for row in pick(rows, len(rows)) if bare(row["text"]) not in known]
        save(out / f"fit-{name}.jsonl", new[:COUNT])
    for name, count in OTHERS.items():
        if name.startswith("open-"):
            rows = read_rows(texts / f"open/dev/{name}.jsonl")
            save(out / f"fit-{name}.jsonl", [row for row in rows if bare(row["text"]) not in known][:count])
        else:
            rows = list(usable(name, read_rows(data / f"open-ner/{name}.jsonl"), lambda text: False))
            lower = caser if name == "snips-dev" else None
            open_types.write(out / f"fit-{name}.jsonl", choose(rows, count), lower)
    talk(texts, out)


def never_trained(path: Path, out: Path) -> None:
    """The scored sentences of a corpus that nothing is trained on."""
    rows = list(usable(path.stem, read_rows(path), lambda text: False))
    open_types.write(out / f"{path.stem}.jsonl", choose(rows, COUNT), None)


def talk(texts: Path, out: Path) -> None:
    """Personal data, and one type asked alone, by another seed than the scored ones."""
    scored = {row["text"] for path in (texts / "talk/dev").glob("*.jsonl") for row in read_rows(path)}
    personal = read_rows(texts / "talk-1/dev/talk-personal.jsonl")
    save(out / "fit-personal.jsonl", [row for row in personal if row["text"] not in scored][:COUNT])
    # Of each type's twenty, two that have it, one with something alike and one without.
    asked = [
        row
        for n, row in enumerate(read_rows(texts / "talk-1/dev/talk-asked.jsonl"))
        if n % 20 in (0, 1, 10, 15)
    ]
    save(out / "fit-asked.jsonl", [row for row in asked if row["text"] not in scored])


def save(path: Path, rows: Iterable[Row]) -> None:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
