"""Train a model from a recipe. A killed run goes on from its last checkpoint.

examples:
  unislu train recipes/default.yaml
  unislu train recipes/default.yaml optimizer.lr=1e-5 seed=2
"""

from __future__ import annotations

import argparse

from .requirements import require


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("recipe", metavar="RECIPE", help="YAML file that says everything about the run")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="recipe values to replace, with dotted keys"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Train, and print where the checkpoint is."""
    require("train", "torch", "transformers", "accelerate", "yaml")
    from ..training.train import train

    print(train(arguments.recipe, arguments.overrides, quiet=arguments.quiet))
    return 0
