"""Train a model from a recipe. A killed run resumes from its last checkpoint.

examples:
  unislu train recipes/unislu/small.yaml
  unislu train recipes/unislu/small.yaml optimizer.lr=1e-5 seed=2
  unislu train recipes/unislu/small.yaml --seeds 3     # three runs and their mean, in scores.json
  unislu train recipes/unislu/small.yaml --smoke       # two steps of a tiny random model: does it run?
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import OptionError, require


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("recipe", metavar="RECIPE", help="YAML file that describes the run")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="recipe values to replace, with dotted keys",
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="run N seeds, in subfolders, and average their scores"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="try the recipe with tiny random models on six made-up clips"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the path of the checkpoint (with --seeds: of the scores)."""
    if arguments.seeds is not None and arguments.seeds < 1:
        raise OptionError(f"--seeds {arguments.seeds}: give 1 or more")
    require("train", "torch", "transformers", "accelerate", "yaml")
    if not arguments.smoke:
        print(_train(arguments, None))
        return 0
    from ..training.smoke import make_tiny

    with TemporaryDirectory(prefix="unislu-smoke-") as folder:
        _train(arguments, make_tiny(Path(folder)))
    print(f"{arguments.recipe}: trains")
    return 0


def _train(arguments: argparse.Namespace, tiny: Path | None) -> Path:
    from ..training.train import train, train_seeds

    options: dict[str, Any] = {"quiet": arguments.quiet, "tiny": tiny}
    if arguments.seeds is None:
        return train(arguments.recipe, arguments.overrides, **options)
    return train_seeds(arguments.recipe, arguments.seeds, arguments.overrides, **options)
