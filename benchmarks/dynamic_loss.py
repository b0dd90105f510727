"""UniSLU's dynamic loss against three others, from one start: train every arm, decode it, write one table.

    export DATA=… CACHE=… RUNS=… WHISPER_BASE=…    # as recipes/default-base/make.sh makes them
    python benchmarks/dynamic_loss.py --out benchmarks/results/DATE-dynamic-loss --seeds 0 1 2

An arm is recipes/experiments/dynamic-loss.yaml with another `corpora.*.loss`. All start from the checkpoint
of dynamic-loss-start.yaml, which is trained first where it is missing. Each of the checkpoints that a run
keeps is asked about every dev clip, greedily and without the grammar, and once more for the entities with the
gold transcript given. What is there is not computed again, so a stopped run goes on where it was; with the
start there, several processes may share the arms or the seeds. `--tables` only writes the table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unislu.audio import load_audio
from unislu.data.records import Record, read_records
from unislu.decoding.search import Rules, Written, greedy, picking, write_batch
from unislu.evaluation.question import Prediction, gold_of
from unislu.evaluation.score import judge
from unislu.evaluation.sentiment import THREE_CLASSES
from unislu.recognition.recognizer import Encoded
from unislu.recognition.request import Request
from unislu.sequence import SLUE, Prompt, Target
from unislu.sequence.vocabulary import END, NER
from unislu.training.cache import EncoderCache, cache_key
from unislu.training.checkpoint_system import load_checkpoint_model
from unislu.training.validate import closed_record

RECIPES = Path(__file__).parents[1] / "recipes" / "experiments"
#: Arm of the table: the `loss` of its corpora. Differences are to the first.
ARMS = {
    "plain": "plain",
    "dynamic, as written": "dynamic",
    "dynamic, without the end": "dynamic-without-end",
    "sum of both means": "sum",
}
TAGGED, RATED = ("slue-dev-joe",), ("meld-dev", "sst-dev")
"""Dev sets with entities, and with sentiments."""
BATCH = 16
LONGEST_LIST = 100
"""Tokens of a list of entities at most."""
SAMPLES = 2000

Counts = NDArray[np.float64]


def train(recipe: str, name: str, out: Path, overrides: Iterable[str]) -> Path:
    """Run a recipe to its end, as `unislu train` does; its folder."""
    folder = Path(os.environ["RUNS"]) / "dynamic-loss" / name
    if (folder / "scores.json").exists():
        return folder
    command = [sys.executable, "-m", "unislu", "train", str(RECIPES / f"{recipe}.yaml"), *overrides]
    log = out / f"{name.replace('/', '.')}.log"
    with log.open("a", encoding="utf-8") as sink:
        sink.write(" ".join(command[1:]) + "\n")
        sink.flush()
        code = subprocess.run(command, stdout=sink, stderr=sink).returncode
    if code:
        raise SystemExit(f"{name}: exit code {code}; see {log}")
    for state in folder.glob("checkpoint-*"):  # only what a run resumes from
        shutil.rmtree(state)
    return folder


def points(folder: Path) -> list[Path]:
    """The checkpoints that a run kept, first to last."""
    return sorted(folder.glob("step-*"), key=lambda path: int(path.stem.partition("-")[2]))


def dev_records(name: str, limit: int | None) -> tuple[Path, list[Record]]:
    """A dev set: its manifest and records."""
    manifest = Path(os.environ["DATA"]) / name / "manifest.jsonl"
    return manifest, list(read_records(manifest))[:limit]


class Bench:
    """A checkpoint that is asked about dev clips; hears cached encoder outputs, as training does."""

    def __init__(self, checkpoint: Path, cache: EncoderCache | None) -> None:
        self.recognizer = load_checkpoint_model(checkpoint).recognizer
        self._cache = cache

    def answers(self, manifest: Path, records: Sequence[Record]) -> Iterator[dict[str, Any]]:
        """What it hears in each record and, where entities are annotated, lists after the gold transcript."""
        for first in range(0, len(records), BATCH):
            yield from self._heard(manifest, records[first : first + BATCH])

    def _heard(self, manifest: Path, records: Sequence[Record]) -> Iterator[dict[str, Any]]:
        tagged = records[0].entities is not None
        request = Request(tasks=("asr", "ner" if tagged else "sa"), words=False)
        (step,) = self.recognizer.resolve(request).passes
        free = replace(step, options=replace(step.options, constrained=False, bias=0.0, label_bias={}))
        encoded = self._encoded(manifest, records)
        for place, (record, found) in enumerate(
            zip(records, self.recognizer.transcribe(encoded, (free,)), strict=True)
        ):
            answer: dict[str, Any] = {"id": record.id, "text": found.text or ""}
            if found.sentiment:
                answer["sentiment"] = max(found.sentiment, key=lambda name: found.sentiment[name]).lower()
            if tagged:
                answer["entities"] = step.format.parse(found.ids, step.prompt).listed or ()
                state = self.recognizer.engine.select(self.recognizer.engine.start(encoded.state), [place])
                answer["forced"] = self._listed(state, record.text)
            yield answer

    def _listed(self, state: Any, text: str) -> tuple[tuple[str, str], ...]:
        """The list that it writes after a given transcript."""
        recognizer = self.recognizer
        (form,) = [form for form in recognizer.formats if form.name == "suffix"]
        prompt = Prompt(frozenset({"ner"}))
        ids = form.render(Target(text, ()), prompt).ids
        given = ids[: ids.index(recognizer.vocabulary[NER]) + 1]
        tokens = np.array([[*form.prefix(prompt), *given]], np.int64)
        logits, state = recognizer.engine.step(tokens, state)
        room = min(LONGEST_LIST, recognizer.engine.max_tokens - tokens.shape[1])
        row = Written((), room)
        rules = Rules((), frozenset({recognizer.vocabulary[END]}))
        write_batch(recognizer.engine, state, logits, [row], rules, [picking(greedy)])
        return form.parse((*given, *row.ids), prompt).listed or ()

    def _encoded(self, manifest: Path, records: Sequence[Record]) -> Encoded:
        keys = [cache_key(manifest, str(record.audio)) for record in records]
        if self._cache is None or any(key not in self._cache for key in keys):
            return self.recognizer.encode([load_audio(r.audio_path(manifest.parent)) for r in records])
        rows = [torch.from_numpy(np.array(self._cache[key], np.float32)) for key in keys]
        lengths = torch.tensor([len(row) for row in rows])
        memory = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        seconds = tuple(len(row) / 50 for row in rows)
        levels = tuple(np.zeros(2 * len(row), np.float32) for row in rows)
        return Encoded(self.recognizer.engine.cross(memory, lengths), seconds, levels)


def decode(checkpoint: Path, kept: Path, cache: EncoderCache | None, limit: int | None) -> None:
    """Write a checkpoint's answers to `kept`, set by set, unless they are there."""
    wanted = {name: dev_records(name, limit) for name in (*TAGGED, *RATED)}
    if kept.exists() and len(kept.read_text().splitlines()) == sum(len(r) for _, r in wanted.values()):
        return
    bench = Bench(checkpoint, cache)
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as sink:
        for name, (manifest, records) in wanted.items():
            for answer in bench.answers(manifest, records):
                sink.write(json.dumps({"set": name, **answer}, ensure_ascii=False) + "\n")
    draft.replace(kept)


def counts(kept: Path, labels: Any, limit: int | None) -> dict[str, Counts]:
    """What every utterance adds to the scores, `[utterances, columns]`, by dev set.

    Columns: word errors, words, then for entities tp, fp, fn, the same with the gold transcript given, empty
    lists and utterances; for sentiments tp, fp, fn of each class.
    """
    answers: dict[str, list[dict[str, Any]]] = {}
    for line in kept.read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)
        answers.setdefault(answer.pop("set"), []).append(answer)
    found = {}
    for name, rows in answers.items():
        _, records = dev_records(name, limit)
        if name in TAGGED:
            records = [closed_record(record, labels) for record in records]
        golds = [gold_of(record) for record in records]
        judged = judge(golds, [_prediction(row, "entities") for row in rows], "unislu").utterances
        words = [[u.words.errors, u.words.reference_words] for u in judged if u.words is not None]
        if name in RATED:
            felt = [_classes(str(u.gold.sentiment), u.prediction.sentiment) for u in judged]
            found[name] = np.hstack([np.array(words, float), np.array(felt, float)])
            continue
        forced = judge(golds, [_prediction(row, "forced") for row in rows], "unislu").utterances
        parts = [[_micro(u) for u in judged], [_micro(u) for u in forced],
                 [[float(not row["entities"]), 1.0] for row in rows]]  # fmt: skip
        found[name] = np.hstack([np.array(part, float) for part in (words, *parts)])
    return found


def _prediction(row: dict[str, Any], key: str) -> Prediction:
    pairs = tuple((kind, phrase) for kind, phrase in row.get(key, ()))
    return Prediction(row["id"], row["text"], pairs, row.get("sentiment"))


def _micro(utterance: Any) -> list[float]:
    micro = utterance.entities.micro
    return [micro.true_positives, micro.false_positives, micro.false_negatives]


def _classes(gold: str, predicted: str | None) -> list[float]:
    """tp, fp and fn of each class."""
    if gold not in THREE_CLASSES:
        return [0.0] * 9
    return [
        float(flag)
        for name in THREE_CLASSES
        for flag in (gold == name == predicted, gold != name == predicted, gold == name != predicted)
    ]


Totals = dict[str, Counts]


def _ratio(part: Any, whole: Any) -> Any:
    """In percent; NaN of nothing."""
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1), np.nan)


def _f1(totals: Any, first: int) -> Any:
    tp, fp, fn = (totals[..., first + n] for n in range(3))
    return _ratio(2 * tp, 2 * tp + fp + fn)


def _mean(sets: Sequence[str], score: Callable[[Any], Any]) -> Callable[[Totals], Any]:
    return lambda totals: np.mean([score(totals[name]) for name in sets], axis=0)


_wer = _mean(TAGGED, lambda t: _ratio(t[..., 0], t[..., 1]))
_wer_rated = _mean(RATED, lambda t: _ratio(t[..., 0], t[..., 1]))
_ner = _mean(TAGGED, lambda t: _f1(t, 2))
_sa = _mean(RATED, lambda t: np.mean([_f1(t, 2 + 3 * n) for n in range(len(THREE_CLASSES))], axis=0))
#: Column of the table: percent of totals `[…, columns]` by dev set.
COLUMNS: dict[str, Callable[[Totals], Any]] = {
    "WER, entities": _wer,
    "WER, sentiment": _wer_rated,
    "P": _mean(TAGGED, lambda t: _ratio(t[..., 2], t[..., 2] + t[..., 3])),
    "R": _mean(TAGGED, lambda t: _ratio(t[..., 2], t[..., 2] + t[..., 4])),
    "F1": _ner,
    "F1, gold transcript": _mean(TAGGED, lambda t: _f1(t, 5)),
    "empty lists": _mean(TAGGED, lambda t: _ratio(t[..., 8], t[..., 9])),
    "sentiment F1": _sa,
    "score": lambda t: ((100 - (_wer(t) + _wer_rated(t)) / 2) + _ner(t) + _sa(t)) / 3,
}


def table(runs: dict[str, list[list[dict[str, Counts]]]]) -> str:
    """Mean over the seeds of each arm at each point; the last point's difference to the first arm, with its
    95 % interval of a bootstrap over seeds and utterances.

    `runs`: of each arm, of each seed, of each point the counts.
    """
    lines = ["| arm | point | seeds | " + " | ".join(COLUMNS) + " |"]
    lines.append("|---|---:|---:|" + "---:|" * len(COLUMNS))
    for arm, seeds in runs.items():
        for point in range(min(map(len, seeds))):
            cells = []
            for score in COLUMNS.values():
                values = [_scored(score, seed[point]) for seed in seeds]
                spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
                cells.append("–" if np.isnan(values).any() else f"{np.mean(values):.1f}{spread}")
            lines.append(f"| {arm} | {point + 1} | {len(seeds)} | " + " | ".join(cells) + " |")
    base, *others = runs
    for arm in others:
        count = min(len(runs[base]), len(runs[arm]))
        last = [[seed[-1] for seed in runs[name][:count]] for name in (arm, base)]
        cells = _differences(*last)
        lines.append(f"| {arm} − {base} | last | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _scored(score: Callable[[Totals], Any], run: dict[str, Counts]) -> float:
    return float(score({name: rows.sum(0) for name, rows in run.items()}))


def _differences(arm: Sequence[dict[str, Counts]], base: Sequence[dict[str, Counts]]) -> list[str]:
    generator = np.random.default_rng(0)
    sizes = {name: len(rows) for name, rows in arm[0].items()}
    drawn: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for _ in range(SAMPLES):
        # One draw for both: which seeds, and how often each utterance.
        chosen = generator.integers(0, len(arm), len(arm))
        weights = {name: generator.multinomial(n, np.full(n, 1 / n)) for name, n in sizes.items()}
        totals = [
            {name: np.stack([weights[name] @ runs[seed][name] for seed in chosen]) for name in sizes}
            for runs in (arm, base)
        ]
        for name, score in COLUMNS.items():
            drawn[name].append(float(np.mean(score(totals[0]) - score(totals[1]))))
    cells = []
    for name, score in COLUMNS.items():
        found = np.mean([_scored(score, a) - _scored(score, b) for a, b in zip(arm, base, strict=True)])
        low, high = np.nanpercentile(drawn[name], [2.5, 97.5]) if np.isfinite(found) else (np.nan, np.nan)
        cells.append(f"{found:+.1f} [{low:+.1f}, {high:+.1f}]" if np.isfinite(found) else "–")
    return cells


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of logs, answers and the table")
    losses = list(ARMS.values())
    parser.add_argument("--arms", nargs="+", choices=losses, default=losses)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--limit", type=int, metavar="N", help="the first N clips of each dev set")
    parser.add_argument("--tables", action="store_true", help="train and decode nothing")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for every recipe")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.tables:
        _run(options)
    runs: dict[str, list[list[dict[str, Counts]]]] = {}
    for arm, loss in ARMS.items():
        for seed in options.seeds:
            kept = points(options.out / "answers" / loss / f"seed-{seed}")
            if loss in options.arms and kept:
                runs.setdefault(arm, []).append([counts(path, SLUE, options.limit) for path in kept])
    text = table(runs)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    print(text, end="")


def _run(options: argparse.Namespace) -> None:
    train("dynamic-loss-start", "start", options.out, ["name=start", *options.set])
    cache = EncoderCache(os.environ["CACHE"]) if "encoder_cache=null" not in options.set else None
    for seed in options.seeds:
        for loss in options.arms:
            name = f"{loss}/seed-{seed}"
            losses = [f"corpora.{number}.loss={loss}" for number in range(3)]
            folder = train(
                "dynamic-loss", name, options.out, [f"name={name}", f"seed={seed}", *losses, *options.set]
            )
            for checkpoint in points(folder):
                kept = options.out / "answers" / name / f"{checkpoint.name}.jsonl"
                decode(checkpoint, kept, cache, options.limit)


if __name__ == "__main__":
    main()
