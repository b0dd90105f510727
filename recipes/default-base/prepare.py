"""The texts of the default bundle: chosen, cased and split, ready to be spoken. Deterministic.

    python recipes/default-base/prepare.py DATA OUT

DATA holds the corpora as JSON lines in `slue-voxpopuli/`, `sentiment/` and `open-ner/`, with their `speech/`
folder of real clips; OUT gets one `<name>.jsonl` a corpus to be spoken and one folder a corpus of real clips.
Corpora that are normalised are cased (`unislu.data.restore`); a tenth of each MIT training file, by a hash of
the id, is its dev split.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from unislu.data.restore import Truecaser, insert_punctuation
from unislu.sequence.target import Span, Target

Row = dict[str, Any]

CASED = ["open-ner/conll2003-train", "open-ner/crossner-ai", "open-ner/crossner-literature",
         "open-ner/crossner-music", "open-ner/crossner-science", "open-ner/wikigold", "open-ner/earnings21",
         "sentiment/meld-train", "open-ner/restaurant8k-train"]  # fmt: skip
MIT = {"mit-movie-eng": 6000, "mit-movie-trivia": 2000, "mit-restaurant": 6500}
LOWER = {"snips-train": 1000, "slurp-train": 800, "atis-train": 400}
KEPT = {"restaurant8k-train": 500, "conll2003-train": 1000, "wikigold": 400, "wnut17-train": 350,
        "crossner-ai": 150, "crossner-literature": 150, "crossner-music": 150,
        "crossner-science": 150}  # fmt: skip
#: Words whose capital in the cased corpora comes from titles.
NOT_NAMES = ("first", "good", "all", "new", "this", "the", "lord")


def main() -> None:
    """Write every file."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)

    def read(name: str) -> list[Row]:
        return read_rows(data / f"{name}.jsonl")

    texts(out, read, learned_caser(data))
    for folder in sorted((data / "speech").iterdir()):
        real_clips(out, folder)


def learned_caser(data: Path) -> Truecaser:
    """Of the corpora that have capitals."""
    caser = Truecaser.learn(row["text"] for name in CASED for row in read_rows(data / f"{name}.jsonl"))
    for word in NOT_NAMES:
        caser.forms.pop(word, None)
    return caser


def texts(out: Path, read: Callable[[str], list[Row]], caser: Truecaser) -> None:
    """The corpora that are spoken by synthesisers."""
    slue = [row for row in read("slue-voxpopuli/fine-tune") if len(row["text"].split()) <= 70]
    write(out, "slue-train", slue, caser, punctuate=False)  # punctuation comes from a recogniser, later
    write(out, "slue-dev", read("slue-voxpopuli/dev"), caser, punctuate=False)
    for name, count in MIT.items():
        rows = read(f"open-ner/{name}-train")
        write(out, name, pick([row for row in rows if not is_dev(row)], count), caser)
        write(out, f"{name}-dev", pick([row for row in rows if is_dev(row)], 200), caser)
    for name, count in LOWER.items():
        write(out, name, pick(filter(speakable, read(f"open-ner/{name}")), count, with_entities=0.85), caser)
    for name, count in KEPT.items():
        write(out, name, pick(filter(speakable, read(f"open-ner/{name}")), count, with_entities=0.85), None)
    write(
        out, "earnings21", pick(filter(speakable, read("open-ner/earnings21")), 1000, with_entities=0.7), None
    )
    for name, count, case in (("meld", 1500, None), ("sst", 1200, caser)):
        train, dev = read(f"sentiment/{name}-train"), read(f"sentiment/{name}-dev")
        write(out, f"{name}-train", pick(filter(speakable, train), count), case)
        write(out, f"{name}-text", train, case)
        write(out, f"{name}-dev", pick(dev, 400), case)


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSON-lines file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def hashed(text: str) -> int:
    """A stable hash."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def is_dev(row: Row) -> bool:
    """Whether a row of a file without a dev split belongs to ours."""
    return hashed("dev" + row["id"]) % 10 == 0


def pick(rows: Iterable[Row], count: int, with_entities: float | None = None) -> list[Row]:
    """A stable random choice; `with_entities` is the share that must have some."""
    ordered = sorted(rows, key=lambda row: hashed("s" + row["id"]))
    if with_entities is None:
        return ordered[:count]
    some = int(count * with_entities)
    having = [row for row in ordered if row.get("entities")]
    lacking = [row for row in ordered if not row.get("entities")]
    return having[:some] + lacking[: count - some]


def speakable(row: Row) -> bool:
    """Leave out headlines, links, markup and fragments."""
    text = row["text"]
    shouting = sum(c.isupper() for c in text) >= 0.35 * len(text)
    return (
        3 <= len(text.split()) <= 45
        and not shouting
        and not any(x in text for x in ("http", "@", "&lt", "#", "—"))
    )


def write(out: Path, name: str, rows: Iterable[Row], caser: Truecaser | None, punctuate: bool = True) -> None:
    """Write a corpus, cased and closed with a full stop or question mark where a caser is given."""
    with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            if row["text"].strip() and len(row["text"].split()) <= 70:
                file.write(
                    json.dumps(cased(row, caser, punctuate) if caser else row, ensure_ascii=False) + "\n"
                )


def cased(row: Row, caser: Truecaser, punctuate: bool) -> Row:
    """A row with its text restored, its entities moved, and the normalised text kept."""
    entities = row.get("entities")
    spans = None if entities is None else tuple(Span(e["start"], e["end"], e["type"]) for e in entities)
    target = caser.restore(Target(row["text"], spans))
    if punctuate:
        target = insert_punctuation(target)
    done = {**row, "text": target.text, "text_normalized": row["text"]}
    if entities is not None:
        done["entities"] = [
            {**entity, "start": span.start, "end": span.end}
            for entity, span in zip(entities, target.entities or (), strict=True)
        ]
    return done


def real_clips(out: Path, folder: Path) -> None:
    """Manifests of real clips, one folder a corpus and split; the audio is linked, not copied."""
    rows = read_rows(folder / "manifest.jsonl")
    for split in sorted({row.get("split", "all") for row in rows}):
        name = folder.name if split == "all" else f"{folder.name}-{split}"
        place = out / name
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "audio").exists():
            (place / "audio").symlink_to(folder.resolve())
        chosen = [row for row in rows if row.get("split", "all") == split]
        lines = (json.dumps({**row, "audio": f"audio/{row['audio']}"}) for row in chosen)
        (place / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
