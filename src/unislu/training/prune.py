"""Removing unneeded text tokens from a checkpoint (`unislu tools prune`).

A third of Whisper's tokens write words of languages that a fine-tuned model never writes, and every
decoder step computes a logit for each. What stays: the tokens that the texts are made of (one text a line;
records of a `.jsonl` file give theirs), the merges that lead to them, every single byte and ASCII sign, so
that any text can still be written, and all control tokens. Kept tokens get new ids in their old order; a
text made of them is split as before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unislu.data.lines import read_lines
from unislu.data.records import read_records
from unislu.errors import BundleError, RecipeError, RecordError
from unislu.sequence import WhisperTokenizer
from unislu.training.checkpoint import Checkpoint

TOKENIZER = "tokenizer.json"
#: Ids in Hugging Face's two configuration files.
_ID_KEYS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_LIST_KEYS = ("suppress_tokens", "begin_suppress_tokens")


def prune(checkpoint: Path, out: Path, texts: Iterable[str]) -> tuple[int, int]:
    """Write `checkpoint` with fewer tokens to `out`.

    Args:
        checkpoint: a folder that `unislu train` wrote.
        out: the folder to write.
        texts: what the model must be able to write as before.

    Returns:
        Rows of the embedding before and after.

    Raises:
        BundleError: not such a folder.
    """
    import torch
    from transformers import WhisperForConditionalGeneration

    known = Checkpoint.read(checkpoint)
    try:
        definition = json.loads((checkpoint / TOKENIZER).read_text(encoding="utf-8"))
        tokenizer = WhisperTokenizer.from_file(checkpoint / TOKENIZER)
    except (OSError, ValueError) as error:
        raise BundleError(f"{checkpoint / TOKENIZER}: cannot be read ({error}); copy it again") from error
    known.decoded_with(tokenizer)  # refuses what has no vocabulary
    rows = with_ancestors(definition, tokenizer, needed(tokenizer, texts))
    kept = sorted(rows | set(known.vocabulary["tokens"].values()))
    places = {old: new for new, old in enumerate(kept)}

    model = WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    table = model.model.decoder.embed_tokens.weight.detach()[torch.tensor(kept)].clone()
    model.resize_token_embeddings(len(kept))
    model.model.decoder.embed_tokens.weight.data.copy_(table)  # the output projection is the same tensor
    for config in (model.config, model.generation_config):
        _renumber(config, places)
    model.save_pretrained(out)

    (out / TOKENIZER).write_text(json.dumps(_fewer(definition, places), ensure_ascii=False), encoding="utf-8")
    before = int(known.vocabulary["size"])
    tokens = {name: places[id_] for name, id_ in known.vocabulary["tokens"].items()}
    replace(
        known,
        vocabulary={**known.vocabulary, "tokens": tokens, "size": len(kept)},
        provenance={**known.provenance, "pruned": {"from": before, "to": len(kept)}},
    ).write(out)
    return before, len(kept)


def needed(tokenizer: WhisperTokenizer, texts: Iterable[str]) -> set[int]:
    """The tokens of the texts, single bytes, and tokens of ASCII signs without letters."""
    found = {id_ for id_, data in tokenizer.text_bytes.items() if len(data) == 1 or _is_sign(data)}
    for text in texts:
        found.update(tokenizer.encode(text), tokenizer.encode(f" {text}"))
    return found


def with_ancestors(definition: Mapping[str, Any], tokenizer: WhisperTokenizer, rows: set[int]) -> set[int]:
    """`rows` and every token that byte-pair encoding makes on the way to one of them."""
    ids = definition["model"]["vocab"]
    parents: dict[int, list[tuple[int, int]]] = {}
    for left, right in _merges(definition):
        parents.setdefault(ids[left + right], []).append((ids[left], ids[right]))
    found, waiting = set(rows), list(rows)
    while waiting:
        for pair in parents.get(waiting.pop(), ()):
            fresh = set(pair) - found
            found |= fresh
            waiting += fresh
    return found & set(tokenizer.text_bytes)


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """The texts of records, or lines.

    Raises:
        RecipeError: a file that cannot be read.
    """
    for path in paths:
        if path.suffix == ".jsonl":
            yield from (record.text for record in read_records(path))
            continue
        try:
            yield from (line for _, line in read_lines(path))
        except RecordError as error:
            raise RecipeError(f"cannot read the texts: {error}") from error


def _is_sign(data: bytes) -> bool:
    return data.isascii() and not any(chr(byte).isalpha() for byte in data)


def _merges(definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges, which older files write as `left right` and newer ones as pairs."""
    pairs = (m.split(" ") if isinstance(m, str) else m for m in definition["model"]["merges"])
    return [(left, right) for left, right in pairs]


def _fewer(definition: Mapping[str, Any], places: Mapping[int, int]) -> dict[str, Any]:
    """The tokenizer with the kept tokens, under their new ids, and the merges between them."""
    model = definition["model"]
    vocabulary = {token: places[id_] for token, id_ in model["vocab"].items() if id_ in places}
    merges = [
        merge
        for merge, (left, right) in zip(model["merges"], _merges(definition), strict=True)
        if left in vocabulary and right in vocabulary and left + right in vocabulary
    ]
    added = [
        {**token, "id": places[token["id"]]} for token in definition["added_tokens"] if token["id"] in places
    ]
    # A post-processor would name special tokens by their old ids; unislu writes its own prefix.
    return {
        **definition,
        "added_tokens": added,
        "post_processor": None,
        "model": {**model, "vocab": vocabulary, "merges": merges},
    }


def _renumber(config: Any, places: Mapping[int, int]) -> None:
    for key in (*_ID_KEYS, *_LIST_KEYS):
        old = getattr(config, key, None)
        if old is not None:
            new = places.get(old) if key in _ID_KEYS else [places[id_] for id_ in old if id_ in places]
            setattr(config, key, new)
