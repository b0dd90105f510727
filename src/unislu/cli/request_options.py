"""Options of the request to the model, which commands share, as fields of a `Request`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engines.devices import DEVICES
from ..errors import OptionError
from .arguments import bias, names, positive, voice

if TYPE_CHECKING:
    from ..recognition.request import RequestOptions


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that transcribes: types, bias, tasks."""
    parser.add_argument(
        "--entities",
        type=names,
        action="extend",
        metavar="TYPE,…",
        help='entity types to look for, of any name: person,"phone number"; with a description: '
        '"drug: a medicine\'s name"; or a preset: pii, pci, phi, meeting, news (default: the closed set)',
    )
    parser.add_argument(
        "--values",
        action="store_true",
        help="give entities their value: dates as ISO 8601, amounts, numbers, phones as E.164, …",
    )
    parser.add_argument(
        "--date",
        metavar="DATE",
        help="with --values: when it was said, for relative dates: 2026-03-18 (default: now)",
    )
    parser.add_argument(
        "--region", metavar="CC", help="with --values: the speaker's country, for phones and dollars: US"
    )
    parser.add_argument(
        "--bias",
        type=bias,
        default=0.0,
        metavar="B",
        help="more entities (above 0) or fewer, more certain ones (below 0): 1.5, or by type person=2,org=-1",
    )
    parser.add_argument(
        "--tasks",
        type=names,
        metavar="TASK,…",
        help="asr (transcript), ner (entities), sa (sentiment); default: all three",
    )
    configure_vocabulary(parser)


def configure_vocabulary(parser: argparse.ArgumentParser) -> None:
    """Add the vocabulary."""
    parser.add_argument(
        "--vocabulary",
        metavar="FILE",
        help="names and words to expect, one a line: PHRASE, or PHRASE<tab>WEIGHT<tab>TYPE",
    )


def configure_files(parser: argparse.ArgumentParser) -> None:
    """Add the options of `configure` and those for whole files."""
    configure(parser)
    configure_recording(parser)
    parser.add_argument(
        "--mask",
        action="store_true",
        help="write [TYPE] in place of the words of --entities, with a model that was trained for it",
    )
    parser.add_argument("--beam", type=positive, default=1, metavar="N", help="beam size (default: 1)")
    parser.add_argument(
        "--style", default="cased", metavar="STYLE", help="cased or normalized (default: cased)"
    )
    parser.add_argument("--no-words", action="store_true", help="leave out words and their times")
    configure_speakers(parser)


def configure_recording(parser: argparse.ArgumentParser) -> None:
    """Add what every command over recordings has: operating point, channels, voice activity detection."""
    parser.add_argument(
        "--operating-point",
        metavar="NAME",
        help="biases stored in the bundle under that name by `unislu tune`",
    )
    parser.add_argument(
        "--channels",
        default="mix",
        metavar="C",
        help="mix, or split: transcribe each channel separately (default: mix)",
    )
    parser.add_argument(
        "--vad",
        default="auto",
        metavar="V",
        help="auto: skip what is not speech in long audio; silero: in short audio too; energy: skip nothing",
    )


def configure_speakers(parser: argparse.ArgumentParser) -> None:
    """Add the options about speakers."""
    parser.add_argument(
        "--speakers",
        metavar="N",
        help="tell speakers apart: auto, their number, or off (default: off; split channels are one each)",
    )
    parser.add_argument(
        "--speaker-names",
        type=names,
        default=[],
        metavar="NAME,…",
        help="names of the speakers in the order in which they begin to speak",
    )
    parser.add_argument(
        "--voice",
        type=voice,
        action="append",
        default=[],
        metavar="NAME=CLIP",
        help="clip of a person's voice; a speaker with that voice gets the name (repeatable)",
    )


def configure_model(parser: argparse.ArgumentParser) -> None:
    """Add the bundle and the number of threads."""
    parser.add_argument(
        "--bundle",
        "--model",
        metavar="B",
        help="model bundle: a name of `unislu models`, a folder, or hf:owner/name",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="threads (default: all cores)")


def configure_device(parser: argparse.ArgumentParser) -> None:
    """Add the device of the model. (The `--device` of listen is its microphone.)"""
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="device of the model; all but cpu and auto need a bundle in float16 (default: cpu)",
    )


def options(arguments: argparse.Namespace) -> RequestOptions:
    """The values of `configure` as fields of a `Request`."""
    given: RequestOptions = {
        "entities": arguments.entities,
        "bias": arguments.bias,
        "values": arguments.values,
        "date": arguments.date,
        "region": arguments.region,
    }
    if arguments.tasks is not None:
        given["tasks"] = tuple(arguments.tasks)
    return {**given, **vocabulary(arguments)}


def vocabulary(arguments: argparse.Namespace) -> RequestOptions:
    """The value of `configure_vocabulary` as a field of a `Request`. Raises `OptionError`."""
    if arguments.vocabulary is None:
        return {}
    from ..recognition.phrases import read_vocabulary

    return {"vocabulary": read_vocabulary(arguments.vocabulary)}


def file_options(arguments: argparse.Namespace) -> RequestOptions:
    """The values of `configure_files` as fields of a `Request`."""
    return {
        **options(arguments),
        "beam": arguments.beam,
        "style": arguments.style,
        "operating_point": arguments.operating_point,
        "mask": arguments.mask,
        "words": not arguments.no_words,
        "channels": arguments.channels,
        "vad": arguments.vad,
        **speakers(arguments),
    }


def speakers(arguments: argparse.Namespace) -> RequestOptions:
    """The values of `configure_speakers` as fields of a `Request`. Raises as `enrolled`."""
    return {
        "speakers": arguments.speakers,
        "speaker_names": arguments.speaker_names,
        "voices": enrolled(arguments.voice),
    }


def enrolled(clips: Sequence[tuple[str, str]]) -> dict[str, tuple[float, ...]]:
    """The voices of clips, by name.

    Raises `AudioError` for a clip that cannot be read or is too short, `OptionError` for a name given twice.
    """
    found: dict[str, tuple[float, ...]] = {}
    for name, clip in clips:
        from ..audio import load_audio
        from ..speakers import profile

        if name in found:
            raise OptionError(f"--voice {name}={clip}: {name} has a clip already; join them into one")
        found[name] = tuple(map(float, profile(load_audio(clip), clip)))
    return found
