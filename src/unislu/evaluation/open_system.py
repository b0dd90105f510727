"""A system by its name: a bundle, a checkpoint, or the specification of a baseline."""

from __future__ import annotations

from pathlib import Path

from unislu.errors import OptionError
from unislu.evaluation.baselines import is_baseline, open_baseline
from unislu.evaluation.baselines.parts import Setting
from unislu.evaluation.checkpoint_system import CheckpointSystem, checkpoint_kind
from unislu.evaluation.predict import AskOptions, System
from unislu.evaluation.systems import UnisluSystem
from unislu.sequence.labels import SLUE

EMBEDDED = "default"
"""Names the embedded bundle."""


def open_system(
    name: str, options: AskOptions, *, threads: int | None = None, device: str = "cpu"
) -> tuple[System, tuple[str, ...]]:
    """The system and its closed set of entity types.

    A checkpoint of `unislu train` answers as its run's `scores.json` was made: by the same code, with the
    decoding of its recipe. A Whisper that is asked with a bias or an operating point is heard as a bundle is.

    Raises:
        OptionError: options that the system does not have.
        BundleError: neither a bundle nor a checkpoint.
    """
    # A folder of that name is a bundle or a checkpoint, whatever it is called.
    if is_baseline(name) and not Path(name).exists():
        if options != AskOptions(beam=options.beam):
            raise OptionError(f"{name}: a baseline has no bias, no operating point and no grammar")
        return open_baseline(name, Setting(threads, options.beam or 1)), SLUE.entity_types
    path = None if name == EMBEDDED and not Path(name).exists() else name
    kind = None if path is None else checkpoint_kind(path)
    as_bundle = kind == "whisper" and (options.bias or options.operating_point)
    if path is not None and kind is not None and not as_bundle:
        trained = CheckpointSystem(Path(path), options, device=device)
        return trained, trained.entity_types
    system = UnisluSystem.open(path, options, threads=threads, device=device)
    return system, system.model.entity_types
