"""Sentences of many entity types, chosen from published corpora so that rare types come up. Deterministic.

    python recipes/default-base/open_types.py DATA OUT

DATA holds the corpora as JSON lines in `open-ner/` and `open-ner-2/`; OUT gets `train/open-<corpus>.jsonl`
and `dev/open-<corpus>.jsonl`. Every record has `spoken`, what a synthesiser says, and the types' plain names;
`description` is kept where a corpus has one. A file's rows are in the order in which they were chosen: its
beginning is the best choice of that length.

Three corpora are never trained on and left out: they show how the model does on types of a foreign corpus.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from prepare import CASED, NOT_NAMES, cased, hashed, is_dev, read_rows

from unislu.data.restore import SMALL, Truecaser
from unislu.data.speakable import speakable
from unislu.data.spoken import spoken_form

Row = dict[str, Any]

NEVER_TRAINED = ("open-ner-2/multidogo", "open-ner-2/btc", "open-ner/crossner-literature")
#: Corpus: how many sentences at most.
CHOSEN = {
    "open-ner-2/anem": 250, "open-ner-2/bio_mtl": 900, "open-ner-2/cyner": 300,
    "open-ner-2/gliner_sample": 64, "open-ner-2/gum": 600, "open-ner-2/home_assistant": 500,
    "open-ner-2/hr_multiwoz": 1500, "open-ner-2/hwu64": 300, "open-ner-2/multiconer2_en": 1200,
    "open-ner-2/multiwoz_rasa": 600, "open-ner-2/presidio_synth": 800, "open-ner-2/re3d": 200,
    "open-ner-2/sec_filings": 60, "open-ner-2/sgd": 1500, "open-ner-2/sgd_x": 3600,
    "open-ner-2/skillspan": 200, "open-ner-2/sofc_exp": 150, "open-ner-2/sredh_phi": 500,
    "open-ner-2/tasteset": 350, "open-ner-2/xsid_en_valid": 260,
    "open-ner/mit-movie-eng-train": 2500, "open-ner/mit-movie-trivia-train": 1200,
    "open-ner/mit-restaurant-train": 2500, "open-ner/snips-train": 900, "open-ner/atis-train": 500,
    "open-ner/slurp-train": 900, "open-ner/restaurant8k-train": 400, "open-ner/conll2003-train": 800,
    "open-ner/wikigold": 350, "open-ner/wnut17-train": 300, "open-ner/crossner-ai": 200,
    "open-ner/crossner-music": 250, "open-ner/crossner-science": 250, "open-ner/earnings21": 1000,
}  # fmt: skip
DEV_COUNT = 40
#: Corpora in lower case without punctuation.
LOWER = frozenset({"home_assistant", "hwu64", "multiconer2_en", "tasteset", "xsid_en_valid", "snips-train",
                   "atis-train", "slurp-train", "mit-movie-eng-train", "mit-movie-trivia-train",
                   "mit-restaurant-train", "restaurant8k-train"})  # fmt: skip
#: Corpora drawn from the collection of a test set: only sentences that stand in its training file are kept.
SAME_COLLECTION = {"hwu64": "open-ner/slurp-train", "xsid_en_valid": "open-ner/snips-train"}
#: Names that are not plain words already; None drops the entity.
PLAIN: dict[str, str | None] = {
    "misc": None, "miscellaneous": None, "miscellaneous entity": None, "or": None, "reference": None,
    "economy": None, "excluded": None, "experiment evoking word": None, "meaning": None,
    "organisation": "organization", "org": "organization", "gpe": "geopolitical entity", "loc": "location",
    "norp": "nationality", "cardinal": "number", "fac": "facility", "temporal": "time expression",
    "timeofday": "time of day", "timerange": "time range", "datetime": "date or time",
    "poi": "point of interest",
    "ratings average": "average rating", "fromloc city name": "departure city",
    "toloc city name": "destination city", "fromloc airport name": "departure airport",
    "toloc airport name": "destination airport", "stoploc city name": "stopover city",
    "fromloc state name": "departure state", "toloc state name": "destination state",
    "fromloc state code": "departure state", "toloc state code": "destination state",
    "toloc airport code": "destination airport code", "fromloc airport code": "departure airport code",
    "toloc country name": "destination country", "stoploc airport name": "stopover airport",
    "stoploc airport code": "stopover airport", "stoploc state code": "stopover state",
    "depart date day name": "departure weekday", "depart date day number": "departure day",
    "depart date month name": "departure month", "depart date date relative": "departure date",
    "depart date today relative": "departure date", "depart date year": "departure year",
    "depart time time": "departure time", "depart time period of day": "departure time of day",
    "depart time time relative": "before or after departure", "depart time period mod": "early or late",
    "depart time start time": "earliest departure time", "depart time end time": "latest departure time",
    "arrive time time": "arrival time", "arrive time period of day": "arrival time of day",
    "arrive time time relative": "before or after arrival", "arrive date day name": "arrival weekday",
    "arrive time start time": "earliest arrival time", "arrive time end time": "latest arrival time",
    "arrive date day number": "arrival day", "arrive date month name": "arrival month",
    "arrive date date relative": "arrival date", "arrive time period mod": "early or late arrival",
    "return date date relative": "return date", "return date day name": "return weekday",
    "return date day number": "return day", "return date month name": "return month",
    "return date today relative": "return date", "return time period of day": "return time of day",
    "return time period mod": "early or late return", "cost relative": "price level",
    "flight mod": "flight preference",
    "connect": "connection", "round trip": "one way or round trip", "mod": "modifier",
    "geopolitical entity": "country, city or state",
    "nationality, religion or political group": "nationality or religious or political group",
}  # fmt: skip

#: Types of names in corpora of dialogue, where some turns are in lower case.
_NAMED = re.compile(
    r"\b(?:name|city|artist|director|actor|title|album|airline|theater|stylist|dentist|doctor|therapist|person)$"
)
_UNITS = "one|two|three|four|five|six|seven|eight|nine"
#: Number words that a transcript has figures for.
_NUMBER_WORDS = re.compile(
    r"\b(?:ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty"
    r"|sixty|seventy|eighty|ninety|hundred|twentieth)\b"
    rf"|\b(?:{_UNITS}) (?:{_UNITS}|am|pm|a m|p m|a\.m|p\.m|o'?clock|percent|dollars?|pounds?|zero|oh|thirty"
    r"|fifteen|hundred|thousand)\b",
    re.IGNORECASE,
)
#: Signs that nobody says, and traces of markup.
_STRANGE = re.compile(
    r"\w ly\b|(?:^|\s)\"\s|https?:|www\.|[@#\[\]{}<>|\\_=~^*…•·±×→←/](?!\d)|--|\d\. \d|\.\."
    r"|[^\x00-\u024f\u2010-\u2044°½⅓⅔¼¾⅛Ω$€£₹]"
)
#: What is written otherwise than in a transcript: (pattern, replacement).
_EDITS = tuple(
    (re.compile(pattern, re.IGNORECASE), new)
    for pattern, new in (
        (r"^[\s*•·\-–.,]+", ""),
        (r"(?<=[\w)]) - (?=[\w(])", "-"),
        (r"(?<=\() +| +(?=\))", ""),
        (r"⁄", "/"),
        (r"(?<=\d) ?am\b\.?", " a.m."),
        (r"(?<=\d) ?pm\b\.?", " p.m."),
        (r"[“”]", '"'),
        (r" (?=[,.;:?!](?:\s|$))", ""),
        (r"[‘’]", "'"),
        (r"\bi m\b", "i'm"),
        (r"\b(that|there|what|who|it|where|he|she|let) s\b", r"\1's"),
        (r"\b(don|doesn|didn|can|isn|wasn|won|couldn|wouldn) t\b", r"\1't"),
        (r"\b(i|you|we|they) (ve|ll|re)\b", r"\1'\2"),
        (r"\b(\d{4})(\d{4})(\d{4})(\d{4})\b", r"\1-\2-\3-\4"),
        (r"\b(3[47]\d\d)(\d{6})(\d{5})\b", r"\1-\2-\3"),
        (r" {2,}", " "),
    )
)


def main() -> None:
    """Write every file."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    seen: set[str] = set()
    caser = Truecaser.learn(
        row["text"]
        for name in CASED
        if name not in NEVER_TRAINED
        for row in read_rows(data / f"{name}.jsonl")
    )
    for word in NOT_NAMES:
        caser.forms.pop(word, None)
    for corpus, count in CHOSEN.items():
        name = corpus.partition("/")[2]
        rows = list(usable(name, read_rows(data / f"{corpus}.jsonl"), _leaking(data, name)))
        held_out = is_dev if name.startswith("mit-") else _is_dev
        for split, chosen in (
            ("train", choose([row for row in rows if not held_out(row)], count)),
            ("dev", choose([row for row in rows if held_out(row)], DEV_COUNT)),
        ):
            chosen = [row for row in chosen if bare(row["text"]) not in seen]
            seen.update(bare(row["text"]) for row in chosen)
            write(
                out / split / f"open-{name.removesuffix('-train')}.jsonl",
                chosen,
                caser if name in LOWER else None,
            )


def _is_dev(row: Row) -> bool:
    return hashed("dev" + row["id"]) % 33 == 0


def _leaking(data: Path, name: str) -> Callable[[str], bool]:
    """Whether a text may stand in a test set that its corpus shares its origin with."""
    if name not in SAME_COLLECTION:
        return lambda text: False
    known = {bare(row["text"]) for row in read_rows(data / f"{SAME_COLLECTION[name]}.jsonl")}
    return lambda text: bare(text) not in known


def bare(text: str) -> str:
    """Letters and figures alone, to compare texts."""
    return "".join(re.findall(r"\w+", text.lower()))


def usable(name: str, rows: Iterable[Row], leaks: Callable[[str], bool]) -> Iterator[Row]:
    """The rows that somebody could say and a recogniser would write so, edited and with plain type names."""
    seen = set()
    for row in rows:
        done = plain(edited(row))
        text = done["text"]
        if (
            3 <= len(text.split()) <= 40
            and not _STRANGE.search(text)
            and not _NUMBER_WORDS.search(text)
            and "(" not in text
            and not re.match(r"\d+\.\s", text)
            and not _is_cut_up(done)
            and speakable(text)
            and not leaks(text)
            and bare(text) not in seen
        ):
            seen.add(bare(text))
            yield done


def _is_cut_up(row: Row) -> bool:
    """Whether a phrase was annotated word by word."""
    pairs = pairwise(row["entities"])
    touching = sum(a["type"] == b["type"] and a["end"] + 1 >= b["start"] for a, b in pairs)
    return touching > 1


def edited(row: Row) -> Row:
    """The row with its text as a transcript would be; its entities move along, empty ones vanish."""
    text, spans = row["text"], [[e["start"], e["end"]] for e in row.get("entities", ())]
    for pattern, new in _EDITS:
        text, spans = _replace(pattern, new, text, spans)
    entities = [
        {**entity, "start": start, "end": end}
        for entity, (start, end) in zip(row.get("entities", ()), spans, strict=True)
        if text[start:end].strip()
    ]
    for before, entity in pairwise(entities):  # a hyphen between two was dropped
        before["end"] = min(before["end"], entity["start"])
    return {**row, "text": text, "entities": _joined(entities, text)}


def _joined(entities: Sequence[Row], text: str) -> list[Row]:
    """Amounts and percentages that were annotated word by word, as one."""
    found: list[Row] = []
    for entity in entities:
        last = found[-1] if found else None
        if (
            last is not None
            and last["type"] == entity["type"]
            and entity["type"] in ("money", "percent")
            and text[last["end"] : entity["start"]] == " "
        ):
            found[-1] = {**last, "end": entity["end"]}
        else:
            found.append(entity)
    return found


def _replace(
    pattern: re.Pattern[str], new: str, text: str, spans: Sequence[Sequence[int]]
) -> tuple[str, list[list[int]]]:
    """`pattern.sub` that moves the spans: one that ends inside of a match ends after what replaces it."""
    matches = list(pattern.finditer(text))

    def moved(position: int, is_end: bool) -> int:
        shift = 0
        for match in matches:
            if position >= match.end():
                shift += len(match.expand(new)) - len(match[0])
            elif position > match.start():
                return match.start() + shift + (len(match.expand(new)) if is_end else 0)
        return position + shift

    return pattern.sub(new, text), [[moved(start, False), moved(end, True)] for start, end in spans]


def plain(row: Row) -> Row:
    """The row with readable type names; entities of types that say nothing are dropped."""
    entities, names = [], {}
    for entity in row["entities"]:
        old = entity["type"]
        words = re.sub(r"[\s_\-/:]+", " ", old).strip()
        name = PLAIN.get(words, words)
        if name is not None:
            entities.append({"start": entity["start"], "end": entity["end"], "type": name})
            names[old] = name
    done = {"id": row["id"], "text": row["text"], "entities": entities}
    descriptions = {names[old]: text for old, text in row.get("description", {}).items() if old in names}
    return {**done, "description": descriptions} if descriptions else done


def choose(rows: Sequence[Row], count: int, without: float = 0.08) -> list[Row]:
    """At most `count` rows, the rarest types first: rounds of growing quotas, each a type's at most.

    A share `without` of the result has no entity, as far as there are such rows.
    """
    ordered = sorted(rows, key=lambda row: hashed("s" + row["id"]))
    lacking = [row for row in ordered if not row["entities"]]
    having = [row for row in ordered if row["entities"]]
    seen: Counter[str] = Counter()
    chosen: list[Row] = []
    quota = 1
    while having and len(chosen) < count:
        left = []
        for row in having:
            types = {entity["type"] for entity in row["entities"]}
            if len(chosen) < count and min(seen[name] for name in types) < quota:
                chosen.append(row)
                seen.update(types)
            else:
                left.append(row)
        having, quota = left, quota * 2
    step = max(2, round(1 / without))
    for index, row in enumerate(lacking[: count // step]):
        chosen.insert(index * step + step - 1, row)
    return chosen[:count]


def write(path: Path, rows: Iterable[Row], caser: Truecaser | None) -> None:
    """Write records with their spoken form, cased and closed by a mark where a caser is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            lower = caser is not None and row["text"] == row["text"].lower()
            done = cased(row, caser, True) if lower else closed(with_names(row))
            spoken = spoken_form(done["text"], Random(f"spoken/{done['id']}"))
            file.write(json.dumps({**done, "spoken": spoken}, ensure_ascii=False) + "\n")


def with_names(row: Row) -> Row:
    """A row with some capitals of its own, in which names that lack theirs get them."""
    text = row["text"]
    for entity in row["entities"]:
        name = text[entity["start"] : entity["end"]]
        if _NAMED.search(entity["type"]) and name == name.lower():
            words = (word if word in SMALL else word[:1].upper() + word[1:] for word in name.split(" "))
            text = text[: entity["start"]] + " ".join(words) + text[entity["end"] :]
    return {**row, "text": text}


def closed(row: Row) -> Row:
    """A row that begins with a capital and ends with a mark."""
    text = row["text"][:1].upper() + row["text"][1:]
    if text[-1] in ",;:-":
        text = text[:-1]
    ends = text.rstrip("\"')")[-1:] in ".?!"
    return {**row, "text": text if ends else f"{text}."}


if __name__ == "__main__":
    main()
