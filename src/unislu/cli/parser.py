"""Usage errors in one line: the command, the value, and what to write instead."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from ..version import __version__
from .arguments import number


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line each, with the closest name in place of a page of usage."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # An abbreviation would silently become whichever option it begins, as `--model` did `--models`.
        super().__init__(*arguments, **{**options, "allow_abbrev": False})
        self.register("type", float, number)
        self.register("type", int, whole)

    def error(self, message: str) -> NoReturn:
        """One line on stderr; exit code 2."""
        text = " ".join(message.removeprefix("argument ").split())
        self.exit(2, f"{self.prog}: {text} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Raises if help or a version cannot be written, which argparse ignores."""
        if file is sys.stdout:
            sys.stdout.write(message)
        else:
            super()._print_message(message, file)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Help and versions that cannot be written raise here, while `main` still reports it."""
        sys.stdout.flush()
        super().exit(status, message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Extra arguments are an error here, where the command and its options are known."""
        found, extras = super().parse_known_args(args, namespace)
        if extras:
            self.error(self._left_over(extras))
        return found, extras

    def _left_over(self, extras: list[str]) -> str:
        for text in extras:
            if text.startswith("-") and text != "-":
                name = text.partition("=")[0]
                return f"unknown option {name}{_meant(name, self._option_string_actions)}"
        return (
            f"{extras[0]!r} is unexpected: list all files together, before or after the options, and join "
            "lists with commas"
        )

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        if not arg_string.strip() and action.nargs != argparse.PARSER:
            raise argparse.ArgumentError(action, "the value is empty; is a shell variable unset?")
        return super()._get_value(action, arg_string)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if action.nargs == argparse.PARSER and _is_file(str(value)):
            raise argparse.ArgumentError(
                action, f"{value!r} is a file: did you mean `{self.prog} analyze {shlex.quote(str(value))}`?"
            )
        choices = [str(choice) for choice in action.choices]
        meant = _meant(str(value), choices)
        choose = f"{meant} Choose" if meant else "; choose"
        raise argparse.ArgumentError(action, f"{value!r} is unknown{choose} from {', '.join(choices)}")


class Version(argparse.Action):
    """`--version`: those of the package and of its embedded model, which are numbered apart."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from ..bundle.installed import DEFAULT, DEFAULT_PATH, Installed

        model = Installed(DEFAULT, DEFAULT_PATH, "embedded")
        print(f"unislu {__version__} (default model: {model.names[-1]} {model.version or 'not installed'})")
        parser.exit()


def _is_file(value: str) -> bool:
    """Whether a word in place of a command is the path of a file, or looks like one."""
    return os.path.exists(value) or bool(re.fullmatch(r".+\.[A-Za-z0-9]{2,5}", value))


def whole(value: str) -> int:
    """A whole number."""
    try:
        return int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number") from None


def _meant(name: str, known: Iterable[str]) -> str:
    """The nearest known name; dashes, which all options share, make none alike."""
    bare = {option.lstrip("-"): option for option in known}
    close = get_close_matches(name.lstrip("-"), bare, n=1)
    return f", did you mean {bare[close[0]]}?" if close else ""
