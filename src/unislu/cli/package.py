"""Build an installable package of a bundle: pip install, then --bundle NAME.

examples:
  unislu package my-bundle --name small --licence Apache-2.0 -o dist
  unislu package my-bundle --part-size 95MB -o dist
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a folder, or a name of `unislu models`")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("dist"),
        metavar="DIR",
        help="folder for the wheels (default: dist)",
    )
    parser.add_argument("--name", metavar="NAME", help="name of the model (default: the bundle's)")
    parser.add_argument("--model-version", metavar="V", help="version of the model (default: the bundle's)")
    parser.add_argument("--licence", metavar="L", help="licence of the weights (default: the bundle's)")
    parser.add_argument(
        "--unislu-version",
        metavar="RANGE",
        help="versions of unislu that can run it, e.g. '>=0.3,<0.5' "
        "(default: the bundle's, else this one and later ones)",
    )
    parser.add_argument(
        "--part-size",
        type=size,
        metavar="SIZE",
        help="maximum size of a wheel, e.g. 95MB; further wheels contain the rest",
    )


def size(text: str) -> int:
    """Bytes from `95MB`, `95M`, `0.5GiB` or `95000000`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *(|[kmg]i?)b?", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give one like 95MB")
    return int(float(match[1]) * _UNITS[match[2]])


def run(arguments: argparse.Namespace) -> int:
    """Build it, and print the paths of its wheels."""
    from ..bundle import open_bundle
    from ..models import PackageOptions, package

    options = PackageOptions(
        arguments.name,
        arguments.model_version,
        arguments.licence,
        arguments.unislu_version,
        arguments.part_size,
    )
    for path in package(open_bundle(arguments.bundle), arguments.output, options):
        print(path)
    return 0
