"""The training loop: recipe in, checkpoints out; exact resume after a kill.

The order of batches is a pure function of (recipe, epoch), so the state of a run is the step, the weights,
the optimiser and the random state of dropout: after a restart it goes on with the very next batch.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, set_seed
from torch.optim.lr_scheduler import LambdaLR

from unislu.errors import RecipeError, TrainingError
from unislu.progress import LiveLine
from unislu.sequence import SLUE
from unislu.training.cache import EncoderCache
from unislu.training.checkpoint import Checkpoint, portable
from unislu.training.checkpoints import Checkpoints, replace_folder, restore_folder
from unislu.training.collate import AudioSource, EpochPlan
from unislu.training.config import Recipe, drawn_by, load_recipe, to_dict
from unislu.training.distributed import (
    Balance,
    is_sharded,
    make_accelerator,
    own_part,
)
from unislu.training.examples import LONGEST, Example, TrainingCorpus, load_corpora
from unislu.training.loss import Tensors
from unislu.training.models.build import build_system
from unislu.training.models.encoders import load_weights
from unislu.training.models.predict import load_predictor
from unislu.training.models.teacher import run_teachers
from unislu.training.optimizer import count_learning, make_optimizer, rate_factor
from unislu.training.protocol import Predictor, TrainingSetting, TrainingSystem
from unislu.training.scores import averaged, with_slue_score, write_scores
from unislu.training.shards import ShardPlan, in_shards
from unislu.training.validate import Validator, value_of


def train(
    recipe_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    quiet: bool = False,
    tiny: str | Path | None = None,
) -> Path:
    """Run a recipe to completion, from its last checkpoint if there is one.

    Args:
        recipe_path, overrides, tiny: see `load_recipe`.
        quiet: write nothing to stderr.

    Returns:
        The folder of the best checkpoint (or the last, when nothing is evaluated), ready for `unislu export`.

    Raises:
        RecipeError: see `unislu.training.config`.
    """
    return Run(load_recipe(recipe_path, overrides, tiny=tiny), quiet=quiet).run()


def train_seeds(
    recipe_path: str | Path,
    seeds: int,
    overrides: Sequence[str] = (),
    *,
    quiet: bool = False,
    tiny: str | Path | None = None,
) -> Path:
    """Run a recipe with `seeds` seeds, from its own one up, and average their scores.

    Arguments as `train`. A seed's run has the folder `seed-N` in the recipe's, whose `scores.json` has mean
    and standard deviation of every figure besides each seed's own. A seed that fails leaves the others alone.

    Returns:
        The recipe's folder.

    Raises:
        TrainingError: seeds failed; the others were trained and averaged first.
    """
    recipe = load_recipe(recipe_path, overrides, tiny=tiny)
    out = Path(recipe.out) / recipe.name
    failed: dict[int, Exception] = {}
    for seed in range(recipe.seed, recipe.seed + seeds):
        try:
            Run(replace(recipe, seed=seed, name=f"{recipe.name}/seed-{seed}"), quiet=quiet).run()
        except RecipeError:  # not specific to this seed
            raise
        except Exception as error:  # memory, a disk, a library: the other seeds took days as well
            failed[seed] = error
    if done := [seed for seed in range(recipe.seed, recipe.seed + seeds) if seed not in failed]:
        write_scores(out, averaged(out, done))
    if failed:
        seed, first = next(iter(failed.items()))
        raise TrainingError(
            f"{out}: {len(failed)} of {seeds} seeds failed, the first is {seed} ({type(first).__name__}: "
            f"{first}); the others are averaged; run the command again to train the missing ones"
        ) from first
    return out


class Run:
    """One training run: everything it needs, built from its recipe."""

    def __init__(self, recipe: Recipe, *, quiet: bool = False):
        self.recipe, self.quiet = recipe, quiet
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        set_seed(recipe.seed)
        self.out = Path(recipe.out) / recipe.name
        self.accelerator = make_accelerator(recipe, self.out)
        self._line = LiveLine(not quiet and self.accelerator.is_main_process)
        self.corpora = load_corpora(recipe.corpora)
        self.source = _audio_source(recipe, self.corpora)
        self.setting = TrainingSetting(recipe, SLUE, self.corpora, self.source)
        self.system = build_system(self.setting)
        self.prepared = self.model = self.system.model
        self._run_teachers()
        self.plan = self._plan()
        self._kept: tuple[int, list[list[Example]]] | None = None
        self.validator = Validator(recipe, SLUE)
        self.checkpoints = Checkpoints(self.out)
        self.step, self.best = 0, -math.inf

    def run(self) -> Path:
        """Train, evaluate, keep the best."""
        steps_per_epoch = self._steps_per_epoch()
        total = self.recipe.max_steps or math.ceil(steps_per_epoch * self.recipe.epochs)
        self._log("{:,} of {:,} weights learn".format(*count_learning(self.model)))
        optimizer, scheduler = self._ready(total)
        self._log(
            f"{self.recipe.name}: {steps_per_epoch:.0f} steps an epoch, {total} in all, from step {self.step}"
        )
        self._train(optimizer, scheduler, total)
        self._save("last")
        self.accelerator.end_training()
        best = self.out / "best"
        kept = best if best.exists() else self.out / "last"
        if self.accelerator.is_main_process:
            self._test(kept)
        self.accelerator.wait_for_everyone()
        return kept

    def _ready(self, total: int) -> tuple[Any, Any]:
        """Optimizer and schedule for `total` steps, where the last checkpoint left them."""
        accelerator = self.accelerator
        optimizer = make_optimizer(self.model, self.recipe.optimizer)
        schedule = LambdaLR(optimizer, rate_factor(self.recipe.optimizer, total))
        self.prepared, prepared, scheduler = accelerator.prepare(self.model, optimizer, schedule)
        if accelerator.num_processes > 1:  # the weights were drawn from one seed, dropout needs others
            set_seed(self.recipe.seed + accelerator.process_index)
        accelerator.init_trackers("logs")
        rates = list(scheduler.scheduler.base_lrs)
        self._resume()
        scheduler.scheduler.base_lrs = rates  # a learning rate changed in the recipe holds from here on
        return prepared, scheduler

    def _train(self, optimizer: Any, scheduler: Any, total: int) -> None:
        """The steps that are left."""
        recipe, accelerator, model = self.recipe, self.accelerator, self.prepared
        started, first = time.monotonic(), self.step
        model.train()
        parts: list[float] = []
        balance = Balance(accelerator)
        for batch, weight, step_weight in self._batches(total):
            self.model.at_step(self.step)
            with accelerator.accumulate(model):  # exchanges gradients with the last part of a step only
                part = model(batch, recipe.reduction) * balance.share(weight, step_weight)
                accelerator.backward(part)  # divides by the number of parts
            parts.append(float(part.detach()))
            if not accelerator.sync_gradients:
                continue
            loss, parts = balance.mean(sum(parts) / len(parts)), []
            if recipe.optimizer.clip:
                accelerator.clip_grad_norm_(model.parameters(), recipe.optimizer.clip)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            self.step += 1
            self._report(loss, scheduler.get_last_lr()[0], total, started, first)
            if self.step % recipe.evaluation.every == 0 or self.step == total:
                self._evaluate()
            if self.step % recipe.checkpoint_every == 0 or self.step == total:
                self._checkpoint()
        self._line.clear()

    def _run_teachers(self) -> None:
        """The main process runs teachers on what their caches lack, for all."""
        if self.accelerator.is_main_process and any(c.config.teacher for c in self.corpora):
            found = run_teachers(self.corpora, self.model.vocabulary, self.accelerator.device, self.quiet)
            if found:
                counts = ", ".join(f"{reason} {count}" for reason, count in found.most_common())
                self._log(f"clips with a teacher's own text: {counts}")
        self.accelerator.wait_for_everyone()

    def _plan(self) -> EpochPlan | ShardPlan:
        """The plan: all of each epoch's batches, or, with audio in shards, those of this process."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        if in_shards(self.corpora):
            return ShardPlan(self.recipe, self.corpora, self.system.make, rank, processes)
        return EpochPlan(self.recipe, self.corpora, self.system.make, self.source)

    def _batches(self, total: int) -> Iterator[tuple[Tensors, float, float]]:
        """Batches that are left, their weights and their steps'; the next one is made while one trains."""
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[tuple[Future[Tensors], float, float]] = deque()
            for parts in self._steps(total):
                step_weight = sum(weight for _, weight in parts)
                for examples, weight in parts:
                    waiting.append((pool.submit(self.system.collate, examples), weight, step_weight))
                    if len(waiting) > 1:
                        yield self._placed(*waiting.popleft())
            yield from (self._placed(*batch) for batch in waiting)

    def _placed(self, batch: Future[Tensors], *weights: float) -> Any:
        return batch.result().to(self.accelerator.device), *weights

    def _steps(self, total: int) -> Iterator[list[tuple[list[Example], float]]]:
        """This process's batches of each step that is left, `accumulate` of them."""
        examples = self._examples(total)
        while parts := list(islice(examples, self.recipe.accumulate)):
            yield parts

    def _examples(self, total: int) -> Iterator[tuple[list[Example], float]]:
        """This process's batches that are left, and their weights."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        if isinstance(self.plan, ShardPlan):
            processes, rank = 1, 0  # its batches are our own already
        number, epoch = 0, 0
        start, end = self.step * self.recipe.accumulate, total * self.recipe.accumulate
        while number < end:
            batches = self._epoch(epoch)
            for batch in batches[: end - number]:
                if number >= start:
                    yield own_part(batch, rank, processes, self.recipe.reduction)
                number += 1
            epoch += 1

    def _epoch(self, epoch: int) -> list[list[Example]]:
        """An epoch's batches; those of the last one asked for are kept, for they take long to make."""
        if self._kept is None or self._kept[0] != epoch:
            self._kept = epoch, self.plan.batches(epoch)
        return self._kept[1]

    def _steps_per_epoch(self) -> float:
        """Steps of one pass, after saying which records give no example."""
        batches = self._epoch(0)
        found = sum(map(len, batches))
        wanted = sum(round(len(c.records) * c.config.weight) for c in self.corpora)
        if not found:
            raise RecipeError(
                f"recipe key 'corpora': none of the {wanted} records gives an example for a model of kind "
                f"{self.recipe.model.kind!r}: too long, or without what it learns from"
            )
        if too_long := sum(corpus.too_long for corpus in self.corpora):
            self._log(f"{too_long} records are longer than {LONGEST:.0f} s and were left out")
        if found < wanted and not isinstance(self.plan, ShardPlan):
            self._log(f"{wanted - found} of {wanted} records give no example: too long, or nothing to learn")
        return len(batches) / self.recipe.accumulate

    def _report(self, loss: float, lr: float, total: int, started: float, first: int) -> None:
        """Log the loss and the time left: on a terminal in one live line, elsewhere every twenty steps."""
        self.accelerator.log({"loss": loss, "lr": lr}, step=self.step)
        rate = (self.step - first) / (time.monotonic() - started)
        text = (
            f"step {self.step}/{total} loss {loss:.4f} lr {lr:.2e} {rate:.2f} steps/s "
            f"{(total - self.step) / rate / 60:.0f} min left"
        )
        if self._line.enabled:
            self._line.show(text)
        elif self.step % 20 == 0 or self.step == total:
            self._log(text)

    def _evaluate(self) -> None:
        if self.recipe.evaluation.keep:
            self._save(f"step-{self.step}")
        if not self.recipe.evaluation.manifests:
            return
        system = self._whole()
        if system is not None:
            scores = self.validator.scores(system.predictor())
            self.accelerator.log(scores, step=self.step)
            self._log(f"step {self.step} " + " ".join(f"{k} {v:.2f}" for k, v in scores.items()))
            value = value_of(scores, self.recipe.evaluation.metric)
            if value is None:
                self._log(f"{self.recipe.evaluation.metric} cannot be told from the dev data: no new best")
            elif value > self.best:
                self.best = value
                self._write("best", system, scores)
        self.model.train()
        self.accelerator.wait_for_everyone()

    def _save(self, name: str) -> None:
        system = self._whole()
        if system is not None:
            self._write(name, system)
        self.accelerator.wait_for_everyone()

    def _write(self, name: str, system: TrainingSystem, scores: dict[str, float] | None = None) -> None:
        """Replace `best`, `last` or a step's checkpoint; the old one stays until the new one is whole."""
        manifest = self._manifest(scores)
        replace_folder(self.out / name, lambda folder: system.model.save(folder, manifest))

    def _whole(self) -> TrainingSystem | None:
        """On the main process the system with all its weights; None on the others. All call it together."""
        if not is_sharded(self.accelerator):
            return self.system if self.accelerator.is_main_process else None
        weights = self.accelerator.get_state_dict(self.prepared)
        if not self.accelerator.is_main_process:
            return None
        system = build_system(self.setting)
        system.model.load_state_dict(weights)
        return system

    def _test(self, checkpoint: Path) -> None:
        """Write `scores.json`: scores on the dev sample, and on the test manifests, whole."""
        known = Checkpoint.read(checkpoint).provenance
        scores: dict[str, Any] = {
            "checkpoint": checkpoint.name,
            "step": known["step"],
            "dev": known["scores"],
        }
        if self.recipe.evaluation.test:
            scores["test"] = with_slue_score(self.validator.test(self._answering(checkpoint)))
        write_scores(self.out, scores)

    def _answering(self, checkpoint: Path) -> Predictor:
        """The checkpoint's predictor; a speech LLM takes its few weights into the one at hand."""
        if self.recipe.model.kind == "speech-llm" and not is_sharded(self.accelerator):
            load_weights(self.model, checkpoint)
            return self.system.predictor()
        return load_predictor(checkpoint, device=str(self.accelerator.device))

    def _checkpoint(self) -> None:
        """Save weights that learn, optimiser, schedule and random states."""
        self.accelerator.save_state(str(self.checkpoints.folder(self.step)))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.checkpoints.complete(self.step, {"best": self.best, "recipe": to_dict(self.recipe)})

    def _resume(self) -> None:
        """Go on from the newest checkpoint that is whole, which the main process finds for all."""
        found: list[Any] = [None]
        if self.accelerator.is_main_process:
            for name in ("best", "last"):
                restore_folder(self.out / name)
            found[0] = self.checkpoints.newest(self._log)
        broadcast_object_list(found)
        if found[0] is not None:
            folder, state = found[0]
            self.accelerator.load_state(str(folder))
            self.step, self.best = state["step"], state["best"]

    def _manifest(self, scores: dict[str, float] | None = None) -> dict[str, Any]:
        """What `unislu export` needs to know, written beside the weights as `unislu.json`."""
        types = sorted({name for corpus in self.corpora for types in corpus.type_sets for name in types})
        return {
            **self.model.describe(),
            "padding": self.recipe.audio.padding,
            "decode": asdict(drawn_by(self.recipe)),
            "labels": SLUE.to_dict(),
            "types_seen": types if any(c.config.entities == "open" for c in self.corpora) else [],
            "provenance": {
                "recipe": portable(to_dict(self.recipe)),
                "step": self.step,
                "scores": scores or {},
            },
        }

    def _log(self, line: str) -> None:
        if not self.quiet and self.accelerator.is_main_process:
            self._line.clear()
            print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _audio_source(recipe: Recipe, corpora: Sequence[TrainingCorpus]) -> AudioSource:
    cache = EncoderCache(recipe.encoder_cache, recipe.audio.padding) if recipe.encoder_cache else None
    clips = [(c.manifest, r.audio) for c in corpora for r in c.records if r.audio and (r.duration or 0) <= 10]
    return AudioSource(
        cache, recipe.spec_augment, random.Random(recipe.seed).sample(clips, min(2000, len(clips)))
    )
