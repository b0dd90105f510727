"""`unislu package`: a bundle as an installable wheel, which is found by its entry point.

The wheel installs one folder with the bundle's files. Where an index limits the size of a file, further
wheels bring parts of the same folder, and the main one requires them: most files of a bundle stay whole, and
only one that is larger than a wheel may be is cut (`unislu.bundle.parts` joins it, once).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unislu.bundle import MANIFEST, MODEL_CARD, Bundle, Manifest, parse_reference
from unislu.bundle.installed import DEFAULT, GROUP
from unislu.bundle.parts import PARTS
from unislu.errors import BundleError, OptionError
from unislu.version import __version__

from .wheel import Span, Wheel

PREFIX = "unislu-model-"
SMALLEST_PART = 100_000
_ROOM = 20_000
"""Bytes of a wheel that are kept for what lists its files."""


@dataclass(frozen=True)
class PackageOptions:
    """Changes to the manifest, and the maximum size of a wheel."""

    name: str | None = None
    """By which the model is asked for; default: the one in the manifest."""
    version: str | None = None
    licence: str | None = None
    unislu_version: str | None = None
    """Default: this version of unislu and later ones."""
    part_size: int | None = None
    """Most bytes of one wheel; None for a single one."""

    def __post_init__(self) -> None:
        if self.part_size is not None and self.part_size < SMALLEST_PART:
            raise OptionError(f"part size {self.part_size}: give at least {SMALLEST_PART // 1000}kB")


def package(bundle: Bundle, out: Path, options: PackageOptions | None = None) -> list[Path]:
    """Write the wheels of a bundle into a folder; the main one is the first.

    Raises:
        OptionError: the name or the version cannot be a package's; the parts are too small for the manifest.
        BundleError: the bundle is damaged, this unislu is not in the range, or the folder cannot be written.
    """
    options = options or PackageOptions()
    bundle.verify()
    manifest = _manifest(bundle.manifest, options)
    main = _main(bundle, manifest)
    folder = main.name.replace("-", "_")
    files = {name: bundle.path / name for name in manifest.files}
    spans = {name: Span(path, 0, path.stat().st_size) for name, path in files.items()}
    wheels = [main]
    if options.part_size is None:
        main.files |= {f"{folder}/{name}": span for name, span in spans.items()}
    else:
        wheels += _parts(main, folder, spans, options.part_size)
    try:
        out.mkdir(parents=True, exist_ok=True)
        return [wheel.write(out) for wheel in wheels]
    except OSError as error:
        reason = error.strerror or error
        raise BundleError(f"{out}: cannot be written ({reason}); choose another -o") from None


def _manifest(manifest: Manifest, options: PackageOptions) -> Manifest:
    try:
        changed = replace(
            manifest,
            name=options.name or manifest.name,
            version=_version(options.version or manifest.version),
            licence=options.licence or manifest.licence,
            unislu_version=options.unislu_version or manifest.unislu_version or f">={__version__}",
        )
    except ValueError as error:
        raise OptionError(str(error)) from None
    reference = parse_reference(changed.name)
    if reference is None or reference.version is not None or changed.name == DEFAULT:
        raise OptionError(
            f"the name {changed.name!r} cannot be a model's: give --name with letters, digits, dots and "
            "dashes"
        )
    return changed


def _version(text: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text))
    except InvalidVersion:
        raise OptionError(
            f"the version {text!r} cannot be a package's: give --model-version, for example 1.0.0"
        ) from None


def _main(bundle: Bundle, manifest: Manifest) -> Wheel:
    name = PREFIX + re.sub(r"[-_.]+", "-", manifest.name).lower().removeprefix("unislu-")
    module = name.replace("-", "_")
    content = json.dumps(manifest.to_dict(), indent=2, ensure_ascii=False) + "\n"
    code = (
        f'"""A model of unislu: `unislu.load({manifest.name!r})`."""\n\n'
        f"__version__ = {manifest.version!r}\n"
    )
    return Wheel(
        name,
        manifest.version,
        f"The speech model {manifest.name} for unislu",
        [f"unislu{manifest.unislu_version}"],
        manifest.licence,
        (bundle.path / MODEL_CARD).read_text(encoding="utf-8", errors="replace"),
        f"[{GROUP}]\n{manifest.name} = {module}\n",
        {f"{module}/__init__.py": code.encode(), f"{module}/{MANIFEST}": content.encode()},
    )


def _parts(main: Wheel, folder: str, spans: Mapping[str, Span], limit: int) -> list[Wheel]:
    """Put the files into `main` and as many further wheels as they need; returns those."""
    room = limit - _ROOM - limit // 1000  # what cannot be compressed grows a little
    pieces: dict[str, list[str]] = {}
    places: dict[str, Span] = {}
    for name, span in spans.items():
        if span.size <= room:
            places[name] = span
            continue
        starts = range(0, span.size, room)
        pieces[name] = [f"{name}.{number}" for number in range(1, len(starts) + 1)]
        for piece, start in zip(pieces[name], starts, strict=True):
            places[piece] = Span(span.path, start, min(room, span.size - start))
    if pieces:
        main.files[f"{folder}/{PARTS}"] = (json.dumps(pieces, indent=2) + "\n").encode()
    fixed = sum(len(data) for data in main.files.values() if isinstance(data, bytes)) + len(main.description)
    if fixed > room:
        raise OptionError(f"part size {limit}: the manifest and the model card alone have {fixed} bytes")
    left, wheels = [room - fixed], [main]
    for name, span in sorted(places.items(), key=lambda item: -item[1].size):
        fits = next((number for number, space in enumerate(left) if span.size <= space), None)
        if fits is None:
            fits = len(wheels)
            part = Wheel(
                f"{main.name}-part{fits}", main.version, f"{main.summary}: part {fits}", licence=main.licence
            )
            wheels.append(part)
            left.append(room)
        wheels[fits].files[f"{folder}/{name}"] = span
        left[fits] -= span.size
    main.requires = [*main.requires, *(f"{part.name}=={part.version}" for part in wheels[1:])]
    return wheels[1:]
