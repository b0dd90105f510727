"""`unislu.json`, the description of a checkpoint, read and checked in one place."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

from unislu.bundle import MANIFEST, TOKENIZER, file_digest
from unislu.bundle.manifest import Padding
from unislu.errors import BundleError, RecipeError, VocabularyError
from unislu.files import write_whole
from unislu.sequence import LabelSet, Vocabulary, WhisperTokenizer

UNISLU = "unislu.json"
"""Name of the file beside the weights."""
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Names the files of weights that were saved in several."""
CONFIG = "config.json"
_TYPES: dict[str, type] = {
    "kind": str,
    "vocabulary": dict,
    "format": str,
    "alphabet": str,
    "leading_blank": bool,
    "padding": str,
    "decode": dict,
    "labels": dict,
    "types_seen": list,
    "provenance": dict,
}
_JSON: dict[type, str] = {str: "string", dict: "object", list: "array", bool: "boolean"}
_REMEDY = "train or copy it again"


@dataclass(frozen=True)
class Checkpoint:
    """A folder that `unislu train` wrote, or a published Whisper whose delimiters are text."""

    folder: Path
    """Of the weights."""
    kind: str = "whisper"
    """"whisper", "ctc", "classifier" or "speech-llm"."""
    vocabulary: Mapping[str, Any] = field(default_factory=dict)
    """Control tokens and labels, as in a bundle's manifest; empty for kinds without one."""
    format: str = "inline"
    """The format it was trained on."""
    alphabet: str = "atomic"
    """Of its delimiters: "atomic" or "plain"."""
    leading_blank: bool = True
    """Whether it writes a blank before the first word."""
    padding: Padding = "none"
    """Of the audio it was trained on: "none" or "full", see `unislu.bundle.AudioSettings`."""
    decode: Mapping[str, Any] = field(default_factory=dict)
    """The section `decode` of its recipe."""
    labels: LabelSet | None = None
    """Its closed sets; None in older files."""
    types_seen: tuple[str, ...] = ()
    """The open entity types of its training data."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Recipe, step and scores."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Specific to its kind: `text` (ctc), `classes` (classifier), `model` (speech LLM)."""

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Checkpoint:
        """Read a folder's `unislu.json`.

        Raises:
            BundleError: the file is missing, is no JSON object, or a key has a wrong value.
        """
        path = Path(folder) / UNISLU
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BundleError(f"{folder}: no {UNISLU}; give a checkpoint that `unislu train` wrote") from None
        except (OSError, ValueError) as error:
            raise BundleError(f"{path}: not JSON ({error}); {_REMEDY}") from error
        if not isinstance(values, dict):
            raise BundleError(f"{path}: holds {values!r:.40}, not an object; {_REMEDY}")
        for key, wanted in _TYPES.items():
            if key in values and not isinstance(values[key], wanted):
                raise BundleError(
                    f"{path}: key {key!r} is {values[key]!r:.40}, not a JSON {_JSON[wanted]}; {_REMEDY}"
                )
        known = {key: values.pop(key) for key in _TYPES if key in values}
        if known.get("padding", "none") not in get_args(Padding):
            raise BundleError(
                f"{path}: key 'padding' is {known['padding']!r}, none of {', '.join(get_args(Padding))}; "
                f"{_REMEDY}"
            )
        try:
            if "labels" in known:
                sets = known["labels"]
                known["labels"] = LabelSet(tuple(sets["entity_types"]), tuple(sets["sentiments"]))
        except (KeyError, TypeError, VocabularyError) as error:
            raise BundleError(f"{path}: key 'labels' is damaged ({error!r}); {_REMEDY}") from error
        known["types_seen"] = tuple(known.get("types_seen", ()))
        return cls(Path(folder), **known, details=values)

    @classmethod
    def published(cls, folder: Path) -> Checkpoint:
        """A checkpoint that others published without `unislu.json`, such as `aiola/whisper-ner-v1`.

        It writes its delimiters as text, so nothing is added to its vocabulary, and its labels are those of
        the prompt. It was trained on audio padded to 30 s, and begins without a blank.

        Raises:
            BundleError: the folder has no readable `config.json`, or its tokenizer is not Whisper's.
        """
        try:
            rows = int(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["vocab_size"])
            tokenizer = WhisperTokenizer.from_file(tokenizer_of(folder))
            vocabulary = Vocabulary(tokenizer, rows, tokenizer.special_tokens, LabelSet((), ()))
        except (OSError, ValueError, KeyError, VocabularyError) as error:
            raise BundleError(f"{folder}: not a published Whisper checkpoint: {error}") from error
        return cls(
            folder,
            vocabulary=vocabulary.to_manifest(),
            format="inline-open",
            alphabet="plain",
            leading_blank=False,
            padding="full",
            provenance={"checkpoint": folder.name},
        )

    @classmethod
    def backbone(cls, name: str, kind: str) -> Checkpoint | None:
        """The checkpoint that a recipe continues; None for any other folder or hub name.

        Raises:
            RecipeError: the checkpoint is damaged, or of another kind of model.
        """
        if not (Path(name) / UNISLU).exists():
            return None
        try:
            found = cls.read(name)
        except BundleError as error:
            raise RecipeError(f"recipe key 'model.backbone': {error}") from error
        if found.kind != kind:
            raise RecipeError(
                f"recipe key 'model.backbone': {name!r} is of kind {found.kind!r}, not {kind!r}; "
                f"give a backbone of that kind, or set model.kind"
            )
        return found

    def decoded_with(self, tokenizer: WhisperTokenizer) -> Vocabulary:
        """The vocabulary over the folder's tokenizer. Raises `BundleError` if there is none, or another's."""
        if not self.vocabulary:
            raise BundleError(f"{self.folder / UNISLU}: no key 'vocabulary'; {_REMEDY}")
        try:
            return Vocabulary.from_manifest(tokenizer, dict(self.vocabulary))
        except VocabularyError as error:
            raise BundleError(f"{self.folder / UNISLU}: key 'vocabulary': {error}") from error

    def detail(self, key: str) -> Any:
        """A key of this kind of model. Raises `BundleError` if it is missing."""
        if key not in self.details:
            raise BundleError(f"{self.folder / UNISLU}: no key {key!r}; {_REMEDY}")
        return self.details[key]

    def to_dict(self) -> dict[str, Any]:
        """The content of `unislu.json`."""
        written = {"vocabulary": self.vocabulary, "format": self.format, "alphabet": self.alphabet}
        blank = {} if self.leading_blank else {"leading_blank": False}
        return {
            "kind": self.kind,
            **({**written, **blank} if self.vocabulary else {}),
            **({"padding": self.padding} if self.padding != "none" else {}),
            "decode": self.decode,
            **({"labels": self.labels.to_dict()} if self.labels else {}),
            "types_seen": list(self.types_seen),
            "provenance": self.provenance,
            **self.details,
        }

    def write(self, folder: Path) -> None:
        """Write `unislu.json` into a folder."""
        write_unislu(folder, self.to_dict())


def write_unislu(folder: Path, values: Mapping[str, Any]) -> None:
    """Write `unislu.json` whole, or not at all."""
    write_whole(folder / UNISLU, json.dumps(values, indent=1, ensure_ascii=False))


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a Hugging Face checkpoint and no bundle."""
    return (Path(path) / CONFIG).is_file() and not (Path(path) / MANIFEST).is_file()


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files that hold a checkpoint's weights: one, or the shards that an index names.

    Raises:
        BundleError: there are none, the index is damaged, or a shard is missing.
    """
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    index = folder / INDEX
    if not index.is_file():
        raise BundleError(f"{folder}: neither {WEIGHTS} nor {INDEX}; save the checkpoint as safetensors")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{index}: not an index of weights ({error!r}); {_REMEDY}") from None
    files = tuple(folder / str(name) for name in names)
    for file in files:
        if not file.is_file():
            raise BundleError(f"{file}: is missing, though {INDEX} names it; download or copy it again")
    return files


def weight_digests(folder: Path) -> dict[str, str]:
    """The sha256 of each file of weights, by name. Raises `BundleError` as `weight_files` does."""
    return {file.name: file_digest(file) for file in weight_files(folder)}


def one_digest(digests: Mapping[str, str]) -> str:
    """One sha256 for all files: a single one's own, else that of the list of them."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def count_weights(folder: Path) -> int:
    """How many weights a checkpoint holds. Raises `BundleError` if a file of them is missing or damaged."""
    return sum(map(_count, weight_files(folder)))


def _count(path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{path}: its weights cannot be counted ({error}); {_REMEDY}") from None


def tokenizer_of(folder: Path) -> Path:
    """A folder's `tokenizer.json`, converted from older files where there is none. Raises `RecipeError`."""
    return folder / TOKENIZER if (folder / TOKENIZER).is_file() else tokenizer_file_of(str(folder))


@cache
def tokenizer_file_of(model: str) -> Path:
    """The `tokenizer.json` of a local folder or a hub name.

    Folders of older tokenizers have `vocab.json` and `merges.txt` instead: they are converted, into a folder
    of this process.

    Raises:
        RecipeError: there is no tokenizer, or none that can be written as `tokenizer.json`.
    """
    local = Path(model) / TOKENIZER
    if local.exists():
        return local
    from transformers.utils.hub import cached_file

    if not Path(model).is_dir():
        found = cached_file(model, TOKENIZER, _raise_exceptions_for_missing_entries=False)
        if found is not None:
            return Path(found)
    return _converted(model)


def _converted(model: str) -> Path:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise RecipeError(f"{model!r} has no {TOKENIZER} and no tokenizer to make one of: {error}") from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise RecipeError(f"{model!r} has no {TOKENIZER}, and its tokenizer cannot be written as one")
    path = Path(tempfile.mkdtemp(prefix="unislu-tokenizer-")) / TOKENIZER
    backend.save(str(path))
    return path


def portable(value: Any) -> Any:
    """The same values with absolute paths cut to their last two parts: a shared bundle names no machine."""
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return "/".join(Path(value).parts[-2:])
    return value
