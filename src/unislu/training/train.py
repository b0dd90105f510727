"""The training loop: recipe in, checkpoints out; exact resume after a kill.

The order of batches is a pure function of (recipe, epoch), so the state of a run is the step, the weights,
the optimiser and the random state of dropout: after a restart it goes on with the very next batch.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from unislu.sequence import SLUE, LabelSet
from unislu.training.cache import EncoderCache
from unislu.training.collate import AudioSource, Batch, EpochPlan, collate
from unislu.training.config import OptimizerConfig, Recipe, load_recipe, to_dict
from unislu.training.examples import Corpus, Example, ExampleMaker, load_corpora
from unislu.training.models.whisper import UnifiedWhisper, load_unified
from unislu.training.validate import Validator

STATE = "state.json"


def train(recipe_path: str | Path, overrides: Sequence[str] = (), *, quiet: bool = False) -> Path:
    """Run a recipe to its end, from its last checkpoint if there is one.

    Returns:
        The folder of the best checkpoint (or the last, when nothing is evaluated), ready for `unislu export`.

    Raises:
        RecipeError: see `unislu.training.config`.
    """
    return Run(load_recipe(recipe_path, overrides), quiet=quiet).run()


class Run:
    """One training run: everything it needs, built from its recipe."""

    def __init__(self, recipe: Recipe, *, labels: LabelSet = SLUE, quiet: bool = False):
        self.recipe, self.labels, self.quiet = recipe, labels, quiet
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        set_seed(recipe.seed)
        self.out = Path(recipe.out) / recipe.name
        self.accelerator = Accelerator(
            log_with="tensorboard" if _has_tensorboard() else None, project_dir=self.out
        )
        self.model: UnifiedWhisper = load_unified(recipe.model, labels)
        self.corpora = load_corpora(recipe.corpora)
        self.source = _audio_source(recipe, self.corpora)
        self.plan = EpochPlan(
            recipe, self.corpora, ExampleMaker(recipe, self.model.vocabulary, self.corpora), self.source
        )
        self.validator = Validator(recipe, self.model.vocabulary, self.source)
        self.pad = self.model.vocabulary["<|endoftext|>"]
        self.step, self.best = 0, -math.inf

    def run(self) -> Path:
        """Train, evaluate, keep the best."""
        recipe, accelerator = self.recipe, self.accelerator
        steps_per_epoch = len(self.plan.batches(0))
        total = recipe.max_steps or math.ceil(steps_per_epoch * recipe.epochs)
        optimizer = make_optimizer(self.model, recipe.optimizer)
        scheduler = LambdaLR(optimizer, _schedule(recipe.optimizer, total))
        model, optimizer, scheduler = accelerator.prepare(self.model, optimizer, scheduler)
        accelerator.init_trackers("logs")
        rates = list(scheduler.scheduler.base_lrs)
        self._resume()
        scheduler.scheduler.base_lrs = rates  # a learning rate changed in the recipe holds from here on
        self._log(f"{recipe.name}: {steps_per_epoch} steps an epoch, {total} in all, from step {self.step}")
        bar = tqdm(
            total=total,
            initial=self.step,
            desc=recipe.name,
            unit="step",
            disable=self.quiet or not _on_terminal(),
        )
        started, first = time.monotonic(), self.step
        model.train()
        for batch in self._batches(total):
            loss = model(batch, recipe.reduction)
            accelerator.backward(loss)
            if recipe.optimizer.clip:
                accelerator.clip_grad_norm_(model.parameters(), recipe.optimizer.clip)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            self.step += 1
            bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
            bar.update()
            self._report(float(loss.detach()), scheduler.get_last_lr()[0], total, started, first)
            if self.step % recipe.evaluation.every == 0 or self.step == total:
                self._evaluate()
            if self.step % recipe.checkpoint_every == 0 or self.step == total:
                self._checkpoint()
        bar.close()
        self.model.save(self.out / "last", self._manifest())
        accelerator.end_training()
        best = self.out / "best"
        return best if best.exists() else self.out / "last"

    def _batches(self, total: int) -> Iterator[Batch]:
        """Batches from the current step on, the next one made while this one trains."""
        with ThreadPoolExecutor(1) as pool:
            waiting = None
            for examples in self._examples(total):
                coming = pool.submit(collate, examples, self.source, self.pad, str(self.recipe.seed))
                if waiting is not None:
                    yield waiting.result().to(self.accelerator.device)
                waiting = coming
            if waiting is not None:
                yield waiting.result().to(self.accelerator.device)

    def _examples(self, total: int) -> Iterator[list[Example]]:
        step, epoch = 0, 0
        start = self.step
        while step < total:
            batches = self.plan.batches(epoch)
            for batch in batches[: total - step]:
                if step >= start:
                    yield batch
                step += 1
            epoch += 1

    def _report(self, loss: float, lr: float, total: int, started: float, first: int) -> None:
        """Log the loss; where no bar can be drawn, a line every twenty steps with the time left."""
        self.accelerator.log({"loss": loss, "lr": lr}, step=self.step)
        if not _on_terminal() and (self.step % 20 == 0 or self.step == total):
            rate = (self.step - first) / (time.monotonic() - started)
            left = (total - self.step) / rate
            self._log(
                f"step {self.step}/{total} loss {loss:.4f} lr {lr:.2e} {rate:.2f} steps/s "
                f"{left / 60:.0f} min left"
            )

    def _evaluate(self) -> None:
        if not self.recipe.evaluation.manifests:
            return
        scores = self.validator.scores(self.model)
        self.model.train()
        self.accelerator.log(scores, step=self.step)
        self._log(f"step {self.step} " + " ".join(f"{k} {v:.2f}" for k, v in scores.items()))
        value = scores.get(self.recipe.evaluation.metric)
        if value is not None and value > self.best:
            self.best = value
            self.model.save(self.out / "best", self._manifest(scores))

    def _checkpoint(self) -> None:
        """Save weights that learn, optimiser, schedule and random states; replaced atomically."""
        folder = self.out / f"checkpoint-{self.step}"
        self.accelerator.save_state(str(folder))
        (folder / STATE).write_text(
            json.dumps({"step": self.step, "best": self.best, "recipe": to_dict(self.recipe)})
        )
        for old in self._checkpoints()[:-1]:
            for file in sorted(old.rglob("*"), reverse=True):
                file.unlink()
            old.rmdir()

    def _checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first: `state.json` is written last."""
        found = [p.parent for p in self.out.glob(f"checkpoint-*/{STATE}")]
        return sorted(found, key=lambda p: int(p.name.rpartition("-")[2]))

    def _resume(self) -> None:
        checkpoints = self._checkpoints()
        if checkpoints:
            state = json.loads((checkpoints[-1] / STATE).read_text())
            self.accelerator.load_state(str(checkpoints[-1]))
            self.step, self.best = state["step"], state["best"]

    def _manifest(self, scores: dict[str, float] | None = None) -> dict[str, Any]:
        """What `unislu export` needs to know, written beside the weights as `unislu.json`."""
        types = sorted({name for corpus in self.corpora for types in corpus.type_sets for name in types})
        return {
            "vocabulary": self.model.vocabulary.to_manifest(),
            "format": self.recipe.model.format,
            "labels": {
                "entity_types": list(self.labels.entity_types),
                "sentiments": list(self.labels.sentiments),
            },
            "types_seen": types if any(c.config.entities == "open" for c in self.corpora) else [],
            "provenance": {
                "recipe": _portable(to_dict(self.recipe)),
                "step": self.step,
                "scores": scores or {},
            },
        }

    def _log(self, line: str) -> None:
        if not self.quiet and self.accelerator.is_main_process:
            tqdm.write(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr)
            sys.stderr.flush()


def make_optimizer(model: UnifiedWhisper, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW; new rows have their own learning rate, and neither they, norms nor biases decay."""
    new = [model.new_rows]
    rest = [p for p in model.parameters() if p.requires_grad and p is not model.new_rows]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "lr": config.lr, "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "lr": config.lr, "weight_decay": 0.0},
        {"params": new, "lr": config.new_rows_lr, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6, fused=True)


def _schedule(config: OptimizerConfig, total: int) -> Any:
    warmup = max(1, round(config.warmup_ratio * total))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, total - warmup)
        if config.decay == "linear":
            return max(0.0, 1 - done)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if config.decay == "cosine" else 1.0

    return factor


def _audio_source(recipe: Recipe, corpora: Sequence[Corpus]) -> AudioSource:
    cache = EncoderCache(recipe.encoder_cache) if recipe.encoder_cache else None
    clips = [(c.manifest, r.audio) for c in corpora for r in c.records if r.audio and (r.duration or 0) <= 10]
    return AudioSource(
        cache, recipe.spec_augment, random.Random(recipe.seed).sample(clips, min(2000, len(clips)))
    )


def _portable(value: Any) -> Any:
    """The same values with absolute paths cut to their last two parts: a shared bundle names no machine."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return "/".join(Path(value).parts[-2:])
    return value


def _on_terminal() -> bool:
    return sys.stderr.isatty()


def _has_tensorboard() -> bool:
    import importlib.util

    return importlib.util.find_spec("tensorboard") is not None
