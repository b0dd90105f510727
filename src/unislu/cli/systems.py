"""A system by its name: a bundle, a checkpoint, or the specification of a baseline."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import OptionError
from ..evaluation.baselines import is_baseline, open_baseline
from ..evaluation.baselines.parts import PartSetting
from ..evaluation.predict import AskOptions
from ..evaluation.question import System
from ..evaluation.systems import UnisluSystem
from ..sequence.labels import SLUE
from ..training.checkpoint import UNISLU, Checkpoint, is_checkpoint


def open_system(
    name: str,
    options: AskOptions,
    *,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
) -> tuple[System, tuple[str, ...]]:
    """The system and its closed set of entity types.

    A checkpoint of `unislu train` is evaluated by the same code, and with the same decoding, as its run's
    `scores.json`. A Whisper with a bias or an operating point is decoded like a bundle.

    Raises:
        OptionError: options that the system does not have.
        BundleError: neither a bundle nor a checkpoint.
    """
    # A folder of that name takes precedence: it is a bundle or a checkpoint.
    if is_baseline(name) and not Path(name).exists():
        if options != AskOptions(beam=options.beam):
            raise OptionError(f"{name}: a baseline has no bias, no operating point and no grammar")
        return open_baseline(name, PartSetting(threads, options.beam or 1)), SLUE.entity_types
    known = Checkpoint.read(name) if Path(name, UNISLU).is_file() else None
    as_bundle = known is None or (known.kind == "whisper" and (options.bias or options.operating_point))
    if not as_bundle:
        from ..training.checkpoint_system import CheckpointSystem

        trained = CheckpointSystem(Path(name), options, device=device, precision=precision)
        return trained, trained.entity_types
    if precision != "fp32":
        raise OptionError(f"--precision {precision}: {name} is no checkpoint of `unislu train`; leave it out")
    system = open_unislu(name, options, threads=threads, device=device)
    return system, system.model.entity_types


def open_unislu(
    path: str | os.PathLike[str] | None,
    options: AskOptions | None = None,
    *,
    threads: int | None = None,
    device: str = "cpu",
) -> UnisluSystem:
    """A bundle (None = the embedded default), or a Whisper checkpoint, which is decoded like a bundle.

    Raises:
        BundleError: it is neither, or damaged.
        MissingDependencyError: a checkpoint, but torch is not installed.
    """
    if path is not None and is_checkpoint(path):
        from ..training.checkpoint_system import whisper_system

        return whisper_system(Path(path), options, device=device)
    return UnisluSystem.open(path, options, threads=threads, device=device)
