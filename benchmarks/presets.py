"""What the presets find: for each, and for each of its types, the share of annotated entities found.

    python benchmarks/presets.py MANIFEST... [--bundle B] [--presets pii,pci] [--bias 0,2] [--limit N]
                                 [--json FILE] [--store FOLDER]

MANIFEST: records with audio and entities, whose types may have any of the names in `--types` (the table of
types of the default recipe). For each preset the records are heard that have an entity of one of its types,
with the preset as the only types that are asked for. An entity is *found* if an entity of the preset
overlaps the words that were recognised in its place, *as its type* if that one has its type, and *covered*
if every such word is in an entity, which is what redaction needs. `--presets` takes types joined by `+` as
well: `person+phone number`. `--store` writes a copy of the bundle whose manifest has recall by type, support
and examples, as `unislu types` shows them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from pathlib import Path

import unislu
from unislu.bundle import open_bundle
from unislu.data.records import Record, read_records
from unislu.data.type_names import TypeTable
from unislu.evaluation.tune import store_manifest
from unislu.recognition.presets import PRESETS
from unislu.result import Analysis, Entity
from unislu.sequence import normalize_type

TABLE = Path(__file__).parents[1] / "recipes/default-base/types.yml"
EXAMPLES = 3


@dataclass
class Counts:
    """Of one type, or of all."""

    gold: int = 0
    found: int = 0
    typed: int = 0
    covered: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, found: bool, typed: bool, covered: bool, text: str) -> None:
        self.gold += 1
        self.found, self.typed, self.covered = self.found + found, self.typed + typed, self.covered + covered
        if typed and len(self.examples) < EXAMPLES and text not in self.examples:
            self.examples.append(text)

    @property
    def shares(self) -> tuple[float, float, float]:
        return self.found / self.gold, self.typed / self.gold, self.covered / self.gold


@dataclass
class Run:
    """One set of types at one bias."""

    preset: str
    """Its name, or types joined by `+`."""
    bias: float
    types: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    words: int = 0
    tagged: int = 0

    @property
    def total(self) -> Counts:
        every = self.types.values()
        names = ("gold", "found", "typed", "covered")
        return Counts(*(sum(getattr(one, name) for one in every) for name in names))


def asked(preset: str) -> list[str]:
    """What a run asks for."""
    return list(PRESETS[preset].types) if preset in PRESETS else preset.split("+")


def meant(name: str, types: Sequence[str], table: TypeTable) -> str | None:
    """The type of a preset that an annotated type is, or is under."""
    wanted = normalize_type(name)
    owners = {*table.owners.get(wanted, ()), wanted}
    for type_ in types:
        own = normalize_type(type_)
        if own in owners or any(own in table.broader(owner) for owner in owners):
            return type_
    return None


def words(text: str) -> list[tuple[str, int, int]]:
    """(letters and digits, first character, last character) of each word."""
    found, place = [], 0
    for part in text.split():
        place = text.index(part, place)
        found.append(("".join(c for c in part.lower() if c.isalnum()), place, place + len(part)))
        place += len(part)
    return found


def heard(said: str, recognised: str, start: int, end: int) -> list[tuple[int, int]]:
    """The words, as (first, last character) of `recognised`, in the place of `said[start:end]`."""
    gold, there = words(said), words(recognised)
    inside = {n for n, (_, first, last) in enumerate(gold) if first < end and last > start}
    matcher = SequenceMatcher(None, [w for w, _, _ in gold], [w for w, _, _ in there], autojunk=False)
    numbers: set[int] = set()
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag == "equal":
            numbers |= {b0 + n - a0 for n in range(a0, a1) if n in inside}
        elif inside & set(range(a0, a1)):
            numbers |= set(range(b0, b1))
    return [there[n][1:] for n in sorted(numbers)]


def overlaps(entity: Entity, place: tuple[int, int]) -> bool:
    return entity.start_char < place[1] and entity.end_char > place[0]


def count(run: Run, record: Record, result: Analysis, table: TypeTable) -> None:
    """Add one record to the counts."""
    found, types = result.entities or (), asked(run.preset)
    every = words(result.text or "")
    run.words += len(every)
    run.tagged += sum(any(overlaps(entity, word[1:]) for entity in found) for word in every)
    for span in record.entities or ():
        type_ = meant(span.type, types, table)
        if type_ is None:
            continue
        places = heard(record.text, result.text or "", span.start, span.end)
        touching = [e for e in found if any(overlaps(e, place) for place in places)]
        typed = any(normalize_type(e.type) == normalize_type(type_) for e in touching)
        covered = bool(places) and all(any(overlaps(e, place) for e in touching) for place in places)
        run.types[type_].add(bool(touching), typed, covered, record.text[span.start : span.end])


def measure(
    model: unislu.Model, preset: str, bias: float, chosen: Sequence[tuple[Record, Path]], table: TypeTable
) -> Run:
    """Hear the records of a preset."""
    run = Run(preset, bias)
    results = model.analyze_many(
        [str(path) for _, path in chosen], tasks=("asr", "ner"), entities=asked(preset), bias=bias
    )
    for (record, _), result in zip(chosen, results, strict=True):
        count(run, record, result, table)
    return run


def report(runs: Sequence[Run]) -> Iterator[str]:
    """Two tables in Markdown: the presets, and the types of each run."""
    yield "| preset | bias | entities | found | as its type | covered | words tagged |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for run in runs:
        shares = " | ".join(f"{share:.1%}" for share in run.total.shares)
        yield f"| {run.preset} | {run.bias:g} | {run.total.gold} | {shares} | {run.tagged / run.words:.1%} |"
    for run in runs:
        yield f"\n{run.preset}, bias {run.bias:g}\n"
        yield "| type | entities | found | as its type | covered |\n|---|---:|---:|---:|---:|"
        for name in asked(run.preset):
            if (of := run.types.get(name)) is not None:
                yield f"| {name} | {of.gold} | {' | '.join(f'{share:.0%}' for share in of.shares)} |"
        missing = [name for name in asked(run.preset) if name not in run.types]
        if missing:
            yield f"\nnot in the data: {', '.join(missing)}"


def main() -> None:
    """Measure, print, and store."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST")
    parser.add_argument("--bundle")
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--bias", default="0")
    parser.add_argument("--limit", type=int, help="records of each preset, spread over the manifests")
    parser.add_argument("--types", type=Path, default=TABLE)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    table, bundle = TypeTable.read(options.types), open_bundle(options.bundle)
    records = [
        (record, manifest.parent / str(record.audio))
        for manifest in options.manifests
        for record in read_records(manifest)
        if record.entities
    ]
    model = unislu.load(options.bundle, threads=options.threads)
    runs = []
    for preset in options.presets.split(","):
        types = asked(preset)
        chosen = [(r, p) for r, p in records if any(meant(e.type, types, table) for e in r.entities or ())]
        if options.limit is not None and len(chosen) > options.limit:
            chosen = [chosen[n * len(chosen) // options.limit] for n in range(options.limit)]
        runs += [measure(model, preset, float(bias), chosen, table) for bias in options.bias.split(",")]
    print(f"{model.name}, {len(records)} records\n")
    print("\n".join(report(runs)))
    if options.json is not None:
        data = [
            {"preset": run.preset, "bias": run.bias, "words": run.words, "tagged": run.tagged,
             "types": {name: vars(of) for name, of in run.types.items()}}
            for run in runs
        ]  # fmt: skip
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if options.store is not None:
        known = {
            name: {"recall": round(of.typed / of.gold, 4), "support": of.gold, "examples": of.examples}
            for run in runs
            for name, of in run.types.items()
        }
        scores = {**bundle.manifest.scores, "types": known}
        store_manifest(bundle, replace(bundle.manifest, scores=scores), options.store)


if __name__ == "__main__":
    main()
