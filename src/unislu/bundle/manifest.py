"""A model bundle: a folder with a manifest, two graphs, a tokenizer and a model card.

    manifest.json   what this module reads and checks: see `Manifest`
    encoder.onnx    log-mel of the true length → cross-attention keys and values
    decoder.onnx    tokens and caches → logits of the last position and the updated cache
    tokenizer.json  Whisper's byte-level BPE
    MODEL_CARD.md   what the model was trained on and what it scores

The default bundle ships with the package. `export` writes manifests through `Manifest.to_dict`,
`load` reads them through `Manifest.from_dict`: one schema, strict in both directions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from unislu.errors import BundleError
from unislu.version import __version__

from .calibration import PARTS, Calibration

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
ENCODER = "encoder.onnx"
DECODER = "decoder.onnx"
TOKENIZER = "tokenizer.json"
MODEL_CARD = "MODEL_CARD.md"
REQUIRED_FILES = (ENCODER, DECODER, TOKENIZER, MODEL_CARD)
TAGGER = "tagger.onnx"
"""A second decoder that tags what the first has transcribed; a bundle may have one."""
DATA = ".data"
"""Ending of the file beside a graph with its weights, where they are more than the graph's own can hold."""
EMBEDDING = "embedding.bin"
"""The embedding that both decoders read, where it is the same (external data of their graphs)."""

FORMATS = ("suffix", "inline", "inline-open", "bio", "copy", "copy-open")
ALPHABETS = ("atomic", "plain")
Padding = Literal["none", "full"]


@dataclass(frozen=True)
class AudioSettings:
    """The encoder's expected input."""

    sample_rate: int = 16_000
    """In Hz; only 16000 is supported."""
    mels: int = 80
    """Mel bands, 80 or 128."""
    max_seconds: float = 30.0
    """Longest window."""
    min_speech: float = 0.0
    """The probability of speech that the VAD must find somewhere in a short clip before it is decoded at all;
    0 decodes every clip. (Long audio is cut by the VAD anyway.)
    """
    padding: Padding = "none"
    """"none" for audio of its own length, "full" for silence behind it up to `max_seconds`: all that a
    published Whisper was trained on.
    """

    def __post_init__(self) -> None:
        if self.sample_rate != 16_000:
            raise ValueError(f"sample_rate {self.sample_rate} is not 16000, the only one supported")
        if self.mels not in (80, 128):
            raise ValueError(f"mels {self.mels} is neither 80 nor 128")
        if not 1.0 <= self.max_seconds <= 30.0:
            raise ValueError(f"max_seconds {self.max_seconds} is outside 1…30")
        if not 0.0 <= self.min_speech <= 1.0:
            raise ValueError(f"min_speech {self.min_speech} is not a probability")
        if self.padding not in get_args(Padding):
            raise ValueError(f"padding {self.padding!r} is none of {', '.join(get_args(Padding))}")


@dataclass(frozen=True)
class DecoderSettings:
    """Limits and defaults of decoding."""

    max_positions: int = 448
    """Prompt and output together."""
    bias: Mapping[str, float] = field(default_factory=dict)
    """Default bias on entity openers, by closed tag or normalised open type; "*" is for the types not
    listed.
    """
    sentiment_bias: Mapping[str, float] = field(default_factory=dict)
    """Default bias on the log-probability of a sentiment, by its label."""
    tag_always: bool = False
    """Write transcripts with closed entities even if none were requested, and drop these from the result:
    better text from a model that learned little from speech without annotation.
    """
    suppress: tuple[int, ...] = ()
    """Tokens that are never written, as a checkpoint's `generation_config.json` says."""
    begin_suppress: tuple[int, ...] = ()
    """Tokens that begin no transcript, from the same file."""
    leading_blank: bool = True
    """Whether the first word's tokens are those of a word behind a blank, as Whisper has it; the published
    WhisperNER (alphabet `plain`) does not.
    """

    def __post_init__(self) -> None:
        if self.max_positions < 8:
            raise ValueError(f"max_positions {self.max_positions} is too small for any output")
        for name, value in (*self.bias.items(), *self.sentiment_bias.items()):
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"bias of {name!r} is {value!r}, not a finite number")
        for name in ("suppress", "begin_suppress"):
            ids = getattr(self, name)
            if not all(isinstance(id_, int) and not isinstance(id_, bool) and id_ >= 0 for id_ in ids):
                raise ValueError(f"{name} is {list(ids)!r}, not a list of token ids")


@dataclass(frozen=True)
class Manifest:
    """The content of `manifest.json`."""

    name: str
    """Of this bundle; part of `model` in every result."""
    version: str
    """Of this bundle; part of `model` in every result."""
    formats: tuple[str, ...]
    """The target formats that the model writes, the default first; for example closed entities as `inline`
    and open ones as `inline-open`.
    """
    vocabulary: Mapping[str, Any]
    """`Vocabulary.to_manifest()`: rows, label sets, token ids by name."""
    files: Mapping[str, str]
    """sha256 in hexadecimal of every other file of the bundle, by its relative name."""
    alphabet: str = "atomic"
    """"atomic" (delimiters are tokens) or "plain" (delimiters are text)."""
    quantization: str = "float32"
    """"int8", "float32", …"""
    saturation_free: bool = False
    """Whether export checked that no processor saturates a sum of int8 products (see
    `unislu.training.saturation`); False for bundles of earlier versions.
    """
    parameters: int | None = None
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes, the default first."""
    types_seen: tuple[str, ...] = ()
    """Normalised open entity types of the training data; any other may be requested as well."""
    audio: AudioSettings = AudioSettings()
    """What the encoder expects."""
    decoder: DecoderSettings = DecoderSettings()
    """Limits and defaults of decoding."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Free form: checkpoint, recipe, seed, date, versions."""
    corpora: tuple[Mapping[str, Any], ...] = ()
    """One mapping for each corpus the model was trained on, with at least `name` and `licence`."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """Free form: measured figures by file and metric."""
    masking: bool = False
    """Whether the model was trained to write `<type>>` in place of an entity's words on request."""
    operating_points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By name, biases that `unislu tune` found; see `check_point`."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """What `unislu calibrate` fitted; see `calibration`. `fitted` in it is free form."""
    licence: str | None = None
    """Of the weights: an SPDX expression, or words."""
    unislu_version: str | None = None
    """The versions of unislu that can run it, as Python packages write them: `>=0.3,<0.5`."""
    schema_version: int = SCHEMA_VERSION
    """Version of this schema."""

    def __post_init__(self) -> None:
        """Raises ValueError with the field's name and value; `from_dict` turns it into a BundleError."""
        _check_schema(self.schema_version)
        check_range(self.unislu_version)
        for key in ("name", "version", "quantization", *(["licence"] if self.licence is not None else [])):
            if not isinstance(getattr(self, key), str) or not getattr(self, key).strip():
                raise ValueError(f"{key} is {getattr(self, key)!r}, not a name")
        if not self.formats or any(name not in FORMATS for name in self.formats):
            raise ValueError(f"formats is {list(self.formats)}; choose from {', '.join(FORMATS)}")
        if self.alphabet not in ALPHABETS:
            raise ValueError(f"alphabet is {self.alphabet!r}; choose from {', '.join(ALPHABETS)}")
        if not isinstance(self.saturation_free, bool):
            raise ValueError(f"saturation_free is {self.saturation_free!r}, not true or false")
        if self.parameters is not None and (type(self.parameters) is not int or self.parameters < 0):
            raise ValueError(f"parameters is {self.parameters!r}, not a number of weights")
        if not isinstance(self.masking, bool) or (self.masking and "inline-open" not in self.formats):
            raise ValueError(f"masking is {self.masking!r}: true or false, and true only with inline-open")
        if not self.languages:
            raise ValueError("languages is empty; name at least one, e.g. 'en'")
        for key in ("size", "tokens", "entity_types", "sentiments"):
            if key not in self.vocabulary:
                raise ValueError(f"vocabulary has no {key!r}")
        for name in REQUIRED_FILES:
            if name not in self.files:
                raise ValueError(f"files does not list {name}")
        for name, digest in self.files.items():
            _check_file_entry(name, digest)
        if TAGGER in self.files and not {"inline", "inline-open"}.issuperset(self.formats):
            raise ValueError(f"formats is {list(self.formats)}; a {TAGGER} writes inline and inline-open")
        for corpus in self.corpora:
            if not {"name", "licence"} <= set(corpus):
                raise ValueError(f"corpora lists {dict(corpus)!r} without name or licence")
        for name, point in self.operating_points.items():
            check_point(name, point)
        unknown = sorted(set(self.calibration) - {*PARTS, "fitted"})
        if unknown:
            raise ValueError(f"unknown field calibration.{unknown[0]}; known are {', '.join(PARTS)}, fitted")
        Calibration.from_manifest(self.calibration)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, in the order of the fields with the schema version first."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        for name in ("licence", "unislu_version"):
            if values[name] is None:
                del values[name]
        return {"schema_version": values.pop("schema_version"), **values}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = MANIFEST) -> Manifest:
        """Strict: an unknown, missing or ill-typed field is a `BundleError` naming `where` and it."""
        try:
            # First of all: a manifest of another schema may have fields that this one does not know.
            if isinstance(data, Mapping) and "schema_version" in data:
                _check_schema(data["schema_version"])
            values = _known(cls, data, "")
            values["audio"] = AudioSettings(**_known(AudioSettings, data.get("audio", {}), "audio."))
            decoder = _known(DecoderSettings, data.get("decoder", {}), "decoder.")
            for key in {"suppress", "begin_suppress"} & decoder.keys():
                decoder[key] = tuple(_typed(decoder[key], list, f"decoder.{key}"))
            values["decoder"] = DecoderSettings(**decoder)
            for key in ("formats", "languages", "types_seen", "corpora"):
                if key in values:
                    values[key] = tuple(_typed(values[key], list, key))
            for key in ("vocabulary", "files", "provenance", "scores", "operating_points", "calibration"):
                if key in values:
                    _typed(values[key], dict, key)
            missing = [f.name for f in fields(cls)[:5] if f.name not in values]
            if missing or "schema_version" not in values:
                raise ValueError(f"{', '.join(missing) or 'schema_version'} is missing")
            return cls(**values)
        except (ValueError, TypeError, AttributeError) as error:
            raise BundleError(f"{where}: {error}") from None


def _check_schema(version: Any) -> None:
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"schema_version is {version!r}, this unislu reads {SCHEMA_VERSION}; "
            "install the version of unislu that the bundle was exported for, or export it again"
        )


def check_range(versions: Any) -> None:
    """Raises ValueError unless this unislu is one of `versions` (None is all of them)."""
    if versions is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(versions)
    except (InvalidSpecifier, TypeError, AttributeError):
        raise ValueError(f"unislu_version is {versions!r}, not a range such as '>=0.3,<0.5'") from None
    if not wanted.contains(__version__, prereleases=True):
        raise ValueError(
            f"unislu_version is {versions!r}, this is unislu {__version__}: install a version in that range, "
            "or a model for this one"
        )


def _known(cls: Any, data: Any, prefix: str) -> dict[str, Any]:
    _typed(data, dict, prefix.rstrip(".") or "the manifest")
    names = {f.name for f in fields(cls)}
    unknown = sorted(set(data) - names)
    if unknown:
        raise ValueError(f"unknown field {prefix}{unknown[0]}; known are {', '.join(sorted(names))}")
    return dict(data)


def _typed(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {type(value).__name__}, not {kind.__name__}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, AudioSettings | DecoderSettings):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _check_file_entry(name: str, digest: Any) -> None:
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise ValueError(f"files lists {name!r}, which lies outside the bundle")
    hexadecimal = isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    if not hexadecimal:
        raise ValueError(f"files has {digest!r} for {name}, not a sha256 in lower-case hexadecimal")


def check_point(name: str, point: Any) -> None:
    """Raises ValueError if a manifest's operating point is malformed.

    It must have `bias`, numbers by entity type, and `entities`: the open types it was tuned with, or None for
    the closed set. The rest (targets, reached, met, curve, data, profile) documents how it was found.
    """
    if not isinstance(point, Mapping) or "bias" not in point or "entities" not in point:
        raise ValueError(f"operating_points.{name} lacks `bias` or `entities`")
    bias, entities = point["bias"], point["entities"]
    if not isinstance(bias, Mapping) or not bias:
        raise ValueError(f"operating_points.{name}.bias is {bias!r}, not numbers by entity type")
    for key, value in bias.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ValueError(f"operating_points.{name}.bias of {key!r} is {value!r}, not a finite number")
    if entities is not None and not isinstance(entities, list | tuple):
        raise ValueError(f"operating_points.{name}.entities is {entities!r}, neither a list nor null")
