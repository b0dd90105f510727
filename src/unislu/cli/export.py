"""Turn a trained checkpoint into a model bundle, and check that both give the same.

examples:
  unislu export runs/default/best my-bundle --quantize int8
"""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    raise NotImplementedError
