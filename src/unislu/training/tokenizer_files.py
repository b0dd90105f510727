"""Where a model's `tokenizer.json` is; made from the older files where a folder has only those."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from unislu.errors import RecipeError

NAME = "tokenizer.json"


@cache
def tokenizer_file_of(model: str) -> Path:
    """The `tokenizer.json` of a local folder or a hub name.

    Folders of older tokenizers have `vocab.json` and `merges.txt` instead: they are converted, into a folder
    of this process.

    Raises:
        RecipeError: there is no tokenizer, or none that can be written as `tokenizer.json`.
    """
    local = Path(model) / NAME
    if local.exists():
        return local
    from transformers.utils.hub import cached_file

    if not Path(model).is_dir():
        found = cached_file(model, NAME, _raise_exceptions_for_missing_entries=False)
        if found is not None:
            return Path(found)
    return _converted(model)


def _converted(model: str) -> Path:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise RecipeError(f"{model!r} has no {NAME} and no tokenizer to make one of: {error}") from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise RecipeError(f"{model!r} has no {NAME}, and its tokenizer cannot be written as one")
    path = Path(tempfile.mkdtemp(prefix="unislu-tokenizer-")) / NAME
    backend.save(str(path))
    return path
