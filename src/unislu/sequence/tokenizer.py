"""Whisper's byte-level BPE: the one module that touches the `tokenizers` package.

Decoding is done here, from each token's bytes: it is exact (no clean-up of blanks), never fails on an unknown
id, and knows which bytes each token contributed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from unislu.errors import VocabularyError, needs

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class WhisperTokenizer:
    """The `TextTokenizer` of a Hugging Face `tokenizer.json` with a byte-level BPE model.

    `text_bytes` maps the id of every ordinary token to its bytes; special tokens, ids the file does
    not list (Whisper's timestamps) and tokens that write nothing are not in it. `special_tokens`
    maps the names of the others to their ids.
    """

    def __init__(self, definition: str) -> None:
        """Read the JSON text of a `tokenizer.json`. Raises `VocabularyError` if it is not byte-level BPE."""
        try:
            raw = json.loads(definition)
            vocabulary: dict[str, int] = raw["model"]["vocab"]
            added = {token["content"]: int(token["id"]) for token in raw.get("added_tokens", ())}
            special = set(added.values())
            table = {id_: _to_bytes(token) for token, id_ in vocabulary.items() if id_ not in special}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VocabularyError(f"not the tokenizer.json of a byte-level BPE: {error!r}") from error
        # Without its added tokens the encoder takes a literal `<|endoftext|>` in a text for what it is: text.
        raw["added_tokens"] = []
        raw["post_processor"] = None
        self._bpe = _load(json.dumps(raw))
        self.text_bytes: Mapping[int, bytes] = MappingProxyType({i: b for i, b in table.items() if b})
        self.special_tokens: Mapping[str, int] = MappingProxyType(added)

    @classmethod
    def from_file(cls, path: str | Path) -> WhisperTokenizer:
        """Read a `tokenizer.json`. Raises `VocabularyError` if it cannot be read or is not byte-level BPE."""
        try:
            definition = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise VocabularyError(f"{path}: cannot read the tokenizer: {error}") from error
        return cls(definition)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, with nothing added and nothing in it taken for a special token."""
        ids: list[int] = self._bpe.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; ids that are not text write nothing, broken UTF-8 becomes U+FFFD."""
        table = self.text_bytes
        return b"".join([table.get(i, b"") for i in ids]).decode("utf-8", errors="replace")


def _load(definition: str) -> Tokenizer:
    with needs("a model", install="pip install tokenizers"):
        from tokenizers import Tokenizer
    try:
        return Tokenizer.from_str(definition)
    except Exception as error:  # tokenizers raises bare Exception
        raise VocabularyError(f"tokenizers cannot read this tokenizer.json: {error}") from error


def _to_bytes(token: str) -> bytes:
    try:
        return token.translate(_byte_table()).encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(f"token {token!r} is not byte-level") from error


@cache
def _byte_table() -> dict[int, int]:
    """GPT-2's byte alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 and up."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: byte for byte in printable} | {0x100 + n: byte for n, byte in enumerate(others)}
