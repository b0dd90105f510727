"""The vocabulary: ids by name, never by arithmetic.

Whisper's `tokenizer.json` lists 50,364 tokens while the embedding has 51,865 rows: the timestamps are rows
without a name. Numbering new tokens by the tokenizer's length would collide with them, so new tokens start
after the embedding's last row, and a text token is one that the tokenizer lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

from unislu.errors import VocabularyError
from unislu.sequence.labels import LabelSet

END = "<|endoftext|>"
START = "<|startoftranscript|>"
PREVIOUS = "<|startofprev|>"
TRANSCRIBE = "<|transcribe|>"
NO_TIMESTAMPS = "<|notimestamps|>"
NO_SPEECH = "<|nospeech|>"
_REQUIRED = (END, START, PREVIOUS, TRANSCRIBE, NO_TIMESTAMPS)
# The same row under the name that some of the published tokenizer files give it.
_ALIASES = {NO_SPEECH: "<|nocaptions|>"}

# All the bytes whose character `str.isspace` calls whitespace.
ASCII_BLANKS = b" \t\n\v\f\r\x1c\x1d\x1e\x1f"

TRANSCRIPT_END = "[T/L]"
NER = "[NER]"
SA = "[SA]"
OPEN_TYPE, OPEN_TEXT, CLOSE_TEXT = "[<]", "[>]", "[>>]"
BIO_OUTSIDE, BIO_BEGIN, BIO_INSIDE, BIO_CLOSE = "(O)", "(B-", "(I-", ")"


class Alphabet(Enum):
    """How delimiters are written: as tokens of their own, or as text (the published WhisperNER)."""

    ATOMIC = "atomic"
    PLAIN = "plain"


class TextTokenizer(Protocol):
    """Text to ids and back, without any special token."""

    @property
    def text_bytes(self) -> Mapping[int, bytes]:
        """The id of every ordinary token, with the UTF-8 bytes it writes (at least one)."""
        ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


def opener(entity_type: str) -> str:
    """The name of the token that opens an entity of a closed type: `[ORG]`."""
    return f"[{entity_type}]"


def closer(entity_type: str) -> str:
    """The name of the token that closes an entity of a closed type: `[/ORG]`."""
    return f"[/{entity_type}]"


def control_names(labels: LabelSet) -> tuple[str, ...]:
    """The names of all tokens that unislu adds to Whisper's, in the order of their ids."""
    tags = [name for type_ in labels.entity_types for name in (opener(type_), closer(type_))]
    open_set = (OPEN_TYPE, OPEN_TEXT, CLOSE_TEXT)
    bio = (BIO_OUTSIDE, BIO_BEGIN, BIO_INSIDE, BIO_CLOSE)
    return (TRANSCRIPT_END, NER, SA, *tags, *open_set, *bio)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A tokenizer, the control tokens by name, and the number of rows of the embedding.

    That of a checkpoint as published has no tokens of ours (plain alphabet only); `extend` adds them.
    Raises `VocabularyError` when a Whisper control token is missing, an id lies outside the
    embedding, or one id is both text and control.
    """

    tokenizer: TextTokenizer = field(repr=False)
    size: int
    ids: Mapping[str, int] = field(repr=False)
    labels: LabelSet
    required: tuple[str, ...] = field(default=_REQUIRED, repr=False)
    """Required control tokens: Whisper's, or fewer for a decoder that is not Whisper's."""

    def __post_init__(self) -> None:
        ids = dict(self.ids)
        for name, alias in _ALIASES.items():
            if name not in ids and alias in ids:
                ids[name] = ids[alias]
        object.__setattr__(self, "ids", MappingProxyType(ids))
        missing = [name for name in self.required if name not in ids]
        if missing:
            raise VocabularyError(f"no id for {', '.join(missing)}: this is not a Whisper tokenizer")
        for name, id_ in ids.items():
            if not 0 <= id_ < self.size:
                raise VocabularyError(f"{name} has id {id_}, the embedding has {self.size} rows")
            if id_ in self.tokenizer.text_bytes:
                raise VocabularyError(f"{name} has id {id_}, which is also an ordinary text token")
        top = max(self.tokenizer.text_bytes, default=0)
        if top >= self.size:
            raise VocabularyError(f"the tokenizer has a text token {top}, the embedding {self.size} rows")

    @classmethod
    def extend(
        cls, tokenizer: TextTokenizer, rows: int, existing: Mapping[str, int], labels: LabelSet,
        required: tuple[str, ...] = _REQUIRED,
    ) -> Vocabulary:  # fmt: skip
        """Add the control tokens to a Whisper vocabulary, with the ids `rows`, `rows + 1`, …

        `rows`: rows of the embedding as it is (not the tokenizer's length). `existing`: Whisper's special
        tokens by name; names of ours that are already in it keep their ids. Raises `VocabularyError` as the
        class does.
        """
        cls(tokenizer, rows, existing, labels, required)  # validates against the embedding as it is
        new = [name for name in control_names(labels) if name not in existing]
        added = {name: rows + number for number, name in enumerate(new)}
        return cls(tokenizer, rows + len(added), {**existing, **added}, labels, required)

    def __getitem__(self, name: str) -> int:
        """The id of a control token. Raises `VocabularyError` if this vocabulary has none of that name."""
        try:
            return self.ids[name]
        except KeyError:
            raise VocabularyError(f"this vocabulary has no token {name}: extend it first") from None

    def __contains__(self, name: object) -> bool:
        return name in self.ids

    @cached_property
    def text_ids(self) -> frozenset[int]:
        """The ids of ordinary text: every token the tokenizer lists that is not special."""
        return frozenset(self.tokenizer.text_bytes)

    @cached_property
    def blank_ids(self) -> frozenset[int]:
        """The text ids that write nothing but ASCII whitespace."""
        return frozenset(i for i, b in self.tokenizer.text_bytes.items() if not b.strip(ASCII_BLANKS))

    @cached_property
    def inner_ids(self) -> frozenset[int]:
        """The text ids whose first byte continues a UTF-8 character."""
        return frozenset(i for i, b in self.tokenizer.text_bytes.items() if b[0] & 0xC0 == 0x80)

    @cached_property
    def byte_trie(self) -> Mapping[int, Any]:
        """The text ids by their bytes: byte -> the trie of the rest; under -1 the ids that end here."""
        root: dict[int, Any] = {}
        for id_, content in self.tokenizer.text_bytes.items():
            node = root
            for byte in content:
                node = node.setdefault(byte, {})
            node.setdefault(-1, []).append(id_)
        return root

    @cached_property
    def characters(self) -> frozenset[str]:
        """The characters that stand whole in a token; others can only be written byte by byte."""
        found: set[str] = set()
        for content in self.tokenizer.text_bytes.values():
            found.update(content.decode(errors="ignore"))
        return frozenset(found)

    @cached_property
    def names(self) -> Mapping[int, str]:
        """The control tokens by id, for messages."""
        return MappingProxyType({id_: name for name, id_ in self.ids.items()})

    def to_manifest(self) -> dict[str, Any]:
        """Plain data for `from_manifest`; the tokenizer is kept in its own file."""
        return {"size": self.size, "tokens": dict(self.ids), **self.labels.to_dict()}

    @classmethod
    def from_manifest(cls, tokenizer: TextTokenizer, manifest: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_manifest` described. Raises `VocabularyError` if it does not fit."""
        try:
            size = int(manifest["size"])
            ids = {str(name): int(id_) for name, id_ in manifest["tokens"].items()}
            types, sentiments = (tuple(map(str, manifest[key])) for key in ("entity_types", "sentiments"))
            labels = LabelSet(types, sentiments)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise VocabularyError(f"malformed vocabulary in a manifest: {error!r}") from error
        return cls(tokenizer, size, ids, labels)
