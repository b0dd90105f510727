"""Publish a bundle on the Hugging Face hub, in one commit.

examples:
  unislu push my-bundle hf:owner/name --private
"""

from __future__ import annotations

import argparse

from ..errors import OptionError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a name of `unislu models`, or a folder")
    parser.add_argument("target", metavar="hf:OWNER/NAME", help="the repository; @BRANCH for another branch")
    parser.add_argument("--private", action="store_true", help="create a private repository if there is none")
    parser.add_argument("-m", "--message", metavar="TEXT", help="commit message (default: name and version)")


def run(arguments: argparse.Namespace) -> int:
    """Publish it, and print the name under which exactly this commit can be downloaded."""
    from ..bundle import hub_repository, open_bundle
    from ..models.hub import push

    target = hub_repository(arguments.target)
    if target is None:
        raise OptionError(f"{arguments.target!r} is no repository of the hub: give hf:owner/name")
    bundle = open_bundle(arguments.bundle)
    print(push(bundle, *target, private=arguments.private, message=arguments.message))
    return 0
