"""The papers' comparisons on a small budget: train every arm, score it, write docs/experiments.md's tables.

    export DATA=… CACHE=… RUNS=… WHISPER_BASE=…    # as recipes/default-base/make.sh makes them
    python benchmarks/experiments.py --out benchmarks/results/2026-11-22-experiments --seeds 0 1

An arm is a recipe of recipes/experiments with a few keys replaced. Its log and its scores are kept in
`--out`; one that is there is not run again, so a stopped run goes on. `--tables` writes only the page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes" / "experiments"
PAGE = ROOT / "docs" / "experiments.md"

_SLUE = "{manifest: '${DATA}/slue-train/restored.jsonl', weight: 0.264, entities: closed, loss: dynamic}"
_MELD = "{manifest: '${DATA}/meld-train/manifest.jsonl', loss: dynamic}"
_SST = "{manifest: '${DATA}/sst-train/manifest.jsonl', loss: dynamic}"
_NER = (f"corpora=[{_SLUE}]", "max_steps=60", "evaluation.test=['${DATA}/slue-dev-joe/first-150.jsonl']")
_SA = (f"corpora=[{_MELD}, {_SST}]", "max_steps=60",
       "evaluation.test=['${DATA}/meld-dev/first-150.jsonl', '${DATA}/sst-dev/first-150.jsonl']")  # fmt: skip
_PLAIN = tuple(f"corpora.{number}.loss=plain" for number in range(3))
_THAWED = ("model.freeze_encoder=false", "encoder_cache=null")

#: Arm: its recipe and the keys it replaces.
ARMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "unislu": ("unislu", ()),
    "unislu-no-dynamic": ("unislu", _PLAIN),
    "unislu-inline": ("unislu", ("model.format=inline", *_PLAIN)),
    "genslu-ner": ("unislu", _NER),
    "genslu-sa": ("unislu", _SA),
    "slue-ner": ("unislu", (*_NER, "model.format=inline", "corpora.0.loss=plain")),
    "slue-sa": ("sentiment-classifier", ()),
    "whisperner": ("whisperner", ()),
    "whisperner-bio": ("whisperner", ("model.format=bio",)),
    "negatives-0": ("whisperner", ("prompts.negatives=0",)),
    "negatives-1": ("whisperner", ("prompts.negatives=1",)),
    "negatives-4": ("whisperner", ("prompts.negatives=4",)),
    "no-dropout": ("whisperner", ("prompts.dropout=0.0",)),
    "slue-ner-thawed": (
        "unislu",
        (*_NER, "model.format=inline", "corpora.0.loss=plain", *_THAWED),
    ),
}
#: Dev clips that are heard: the first so many of each set.
SAMPLES = {"slue-dev-joe": 150, "meld-dev": 150, "sst-dev": 150,
           "mit-restaurant-dev": 100, "mit-movie-eng-dev": 100}  # fmt: skip

Figures = dict[str, dict[str, float]]


def samples(data: Path) -> None:
    """Write the first clips of each dev set as a manifest beside the whole one."""
    for name, count in SAMPLES.items():
        with (data / name / "manifest.jsonl").open(encoding="utf-8") as whole:
            (data / name / f"first-{count}.jsonl").write_text("".join(islice(whole, count)), encoding="utf-8")


def run(arm: str, seed: int, out: Path, more: Iterable[str]) -> None:
    """Train and score one arm; its scores appear in `out` when it is done."""
    kept = out / f"{arm}.seed-{seed}.json"
    if kept.exists():
        return
    recipe, changes = ARMS[arm]
    command = [sys.executable, "-m", "unislu", "train", str(RECIPES / f"{recipe}.yaml"),
               f"seed={seed}", f"name={arm}/seed-{seed}", *changes, *more]  # fmt: skip
    with kept.with_suffix(".log").open("a", encoding="utf-8") as log:
        log.write(" ".join(command[1:]) + "\n")
        log.flush()
        code = subprocess.run(command, stderr=log, stdout=log).returncode
    if code:
        raise SystemExit(f"{arm}, seed {seed}: exit code {code}; see {kept.with_suffix('.log')}")
    folder = Path(os.environ["RUNS"]) / "experiments" / arm / f"seed-{seed}"
    shutil.copy(folder / "scores.json", kept)
    for state in folder.glob("checkpoint-*"):  # the weights stay in `last`
        shutil.rmtree(state)


@dataclass(frozen=True)
class Row:
    """A row of a table: its name, the arms that give its figures, and what the paper reports."""

    name: str
    arms: tuple[str, ...]
    paper: tuple[str, ...]


UNISLU_ROWS = (
    Row("SLUE: two models (inline; classifier)", ("slue-ner", "slue-sa"), ("61.9", "51.9", "67.4")),
    Row("GenSLU: two models, suffix", ("genslu-ner", "genslu-sa"), ("50.3", "59.7", "66.2")),
    Row("UniSLU: one model, suffix, dynamic loss", ("unislu",), ("59.6", "59.1", "69.0")),
    Row("… without the dynamic loss", ("unislu-no-dynamic",), ("51.2", "59.9", "66.6")),
    Row("… inline in place of suffix", ("unislu-inline",), ("", "", "")),
    Row("SLUE's entities alone, encoder trained", ("slue-ner-thawed",), ("", "", "")),
)
OPEN_ROWS = (
    Row("WhisperNER: 2 negatives, dropout 0.1", ("whisperner",), ("81.4", "71.5")),
    Row("WhisperNER-BIO", ("whisperner-bio",), ("80.9", "72.7")),
    Row("0 negatives", ("negatives-0",), ("", "")),
    Row("1 negative", ("negatives-1",), ("", "")),
    Row("4 negatives", ("negatives-4",), ("", "")),
    Row("no type dropout", ("no-dropout",), ("", "")),
)
@dataclass(frozen=True)
class Pair:
    """Two rows that differ in one thing, and the figures whose difference is of interest."""

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    figures: tuple[str, ...]


#: The order of `unislu_figures` and of `open_figures`.
UNISLU_NAMES = ("WER, entities", "WER, sentiment", "F1", "label-F1", "sentiment F1", "score")
OPEN_NAMES = ("Movie F1", "Movie label-F1", "Movie WER", "Restaurant F1", "Restaurant label-F1",
              "Restaurant WER")  # fmt: skip
_BOTH = ("Movie F1", "Movie label-F1", "Restaurant F1", "Restaurant label-F1")
PAIRS = (
    Pair("one model − two, suffix", ("unislu",), ("genslu-ner", "genslu-sa"), ("F1", "sentiment F1")),
    Pair("one model − two, inline", ("unislu-inline",), ("slue-ner",), ("F1", "WER, entities")),
    Pair("inline − suffix, one model", ("unislu-inline",), ("unislu-no-dynamic",), ("F1", "WER, entities")),
    Pair("dynamic loss − plain", ("unislu",), ("unislu-no-dynamic",), ("WER, entities", *UNISLU_NAMES[2::2])),
    Pair("generated − classified", ("unislu-no-dynamic",), ("slue-sa",), ("sentiment F1",)),
    Pair("BIO − markers", ("whisperner-bio",), ("whisperner",), _BOTH),
    Pair("0 negatives − 2", ("negatives-0",), ("whisperner",), _BOTH),
    Pair("1 negative − 2", ("negatives-1",), ("whisperner",), _BOTH),
    Pair("4 negatives − 2", ("negatives-4",), ("whisperner",), _BOTH),
    Pair("no type dropout − dropout 0.1", ("no-dropout",), ("whisperner",), _BOTH),
)
QUANTILES = {2: 12.71, 3: 4.30}
"""Student's t at 97.5 %, by the number of seeds."""
UNISLU_HEAD = ("WER, entities", "WER, sentiment", "F1", "label-F1", "sentiment F1", "score",
               "paper: F1", "sentiment F1", "score")  # fmt: skip
OPEN_HEAD = ("Movie F1", "label-F1", "WER", "Restaurant F1", "label-F1", "WER", "paper: Movie", "Restaurant")


def read(out: Path) -> dict[str, list[Figures]]:
    """The figures of each arm's runs, by seed."""
    found: dict[str, list[Figures]] = {}
    for arm in ARMS:
        for path in sorted(out.glob(f"{arm}.seed-*.json")):
            test = json.loads(path.read_text(encoding="utf-8"))["test"]
            found.setdefault(arm, []).append({k: v for k, v in test.items() if isinstance(v, dict)})
    return found


def unislu_figures(runs: Figures) -> list[float | None]:
    """What one seed scored; the sentiment figures are the means of MELD and SST."""
    slue = runs.get("slue-dev-joe", {})
    rated = [runs[name] for name in ("meld-dev", "sst-dev") if name in runs]
    wer_sa, sa = (_mean([r.get(key) for r in rated]) for key in ("wer", "sa.f1"))
    wer, f1 = slue.get("wer"), slue.get("ner.f1")
    score = None
    if wer is not None and f1 is not None and sa is not None:
        score = ((100 - (wer if wer_sa is None else (wer + wer_sa) / 2)) + f1 + sa) / 3
    return [wer, wer_sa, f1, slue.get("ner.label_f1"), sa, score]


def open_figures(runs: Figures) -> list[float | None]:
    """What one seed scored on the two MIT sets."""
    sets = [runs.get(name, {}) for name in ("mit-movie-eng-dev", "mit-restaurant-dev")]
    return [found.get(key) for found in sets for key in ("ner.f1", "ner.label_f1", "wer")]


def table(
    head: Iterable[str], rows: Iterable[Row], runs: dict[str, list[Figures]],
    figures: Callable[[Figures], list[float | None]],
) -> str:  # fmt: skip
    """A Markdown table: mean over the seeds, and the deviation where there are several."""
    head = list(head)
    lines = ["| | seeds | " + " | ".join(head) + " |", "|---|---:|" + "---:|" * len(head)]
    for row in rows:
        parts = [runs.get(arm, []) for arm in row.arms]
        seeds = min(map(len, parts))
        if not seeds:
            continue
        merged = [{k: v for part in parts for k, v in part[seed].items()} for seed in range(seeds)]
        columns = zip(*map(figures, merged), strict=True)
        lines.append(f"| {row.name} | {seeds} | " + " | ".join([*map(_cell, columns), *row.paper]) + " |")
    return "\n".join(lines)


def _merged(arms: tuple[str, ...], runs: dict[str, list[Figures]]) -> list[dict[str, float | None]]:
    """The named figures of each seed that all arms have."""
    seeds = zip(*(runs.get(arm, []) for arm in arms), strict=False)
    joined = [{k: v for part in parts for k, v in part.items()} for parts in seeds]
    return [
        dict(zip(UNISLU_NAMES, unislu_figures(run), strict=True))
        | dict(zip(OPEN_NAMES, open_figures(run), strict=True))
        for run in joined
    ]


def differences(runs: dict[str, list[Figures]]) -> str:
    """A Markdown table: paired differences over the seeds that both have, with their t-interval."""
    lines = ["| | figure | seeds | of each seed | mean [95 % interval] |", "|---|---|---:|---|---:|"]
    for pair in PAIRS:
        seeds = list(zip(_merged(pair.first, runs), _merged(pair.second, runs), strict=False))
        for figure in pair.figures:
            found = [(a[figure], b[figure]) for a, b in seeds]
            apart = [a - b for a, b in found if a is not None and b is not None]
            if len(apart) not in QUANTILES:
                continue
            mean = statistics.fmean(apart)
            half = QUANTILES[len(apart)] * statistics.stdev(apart) / len(apart) ** 0.5
            each = ", ".join(f"{value:+.1f}" for value in apart)
            interval = f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"
            lines.append(f"| {pair.name} | {figure} | {len(apart)} | {each} | {interval} |")
    return "\n".join(lines)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _cell(values: tuple[float | None, ...]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    spread = f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else ""
    return f"{statistics.fmean(known):.1f}{spread}"


def write_page(out: Path) -> None:
    """Put the tables between their markers on the page."""
    runs, page = read(out), PAGE.read_text(encoding="utf-8")
    for name, text in (
        ("unislu", table(UNISLU_HEAD, UNISLU_ROWS, runs, unislu_figures)),
        ("whisperner", table(OPEN_HEAD, OPEN_ROWS, runs, open_figures)),
        ("differences", differences(runs)),
    ):
        start, end = f"<!-- measured: {name} -->", f"<!-- end of {name} -->"
        before, after = page.partition(start)[0], page.partition(end)[2]
        page = f"{before}{start}\n{text}\n{end}{after}"
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of logs and scores")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--tables", action="store_true", help="train nothing")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for every recipe")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.tables:
        samples(Path(os.environ["DATA"]))
        for seed in options.seeds:
            for arm in options.arms:
                run(arm, seed, options.out, options.set)
    write_page(options.out)


if __name__ == "__main__":
    main()
