"""A model bundle: a folder with a manifest, two graphs, a tokenizer and a model card; see `Manifest`."""

from __future__ import annotations

from .folder import (
    DEFAULT_PATH,
    Bundle,
    file_digest,
    hash_files,
    hub_repository,
    open_bundle,
    read_manifest,
    resolve_bundle,
    write_manifest,
)
from .manifest import (
    DATA,
    DECODER,
    EMBEDDING,
    ENCODER,
    MANIFEST,
    MODEL_CARD,
    REQUIRED_FILES,
    TAGGER,
    TOKENIZER,
    AudioSettings,
    DecoderSettings,
    Manifest,
)

__all__ = [
    "DATA",
    "DECODER",
    "DEFAULT_PATH",
    "EMBEDDING",
    "ENCODER",
    "MANIFEST",
    "MODEL_CARD",
    "REQUIRED_FILES",
    "TAGGER",
    "TOKENIZER",
    "AudioSettings",
    "Bundle",
    "DecoderSettings",
    "Manifest",
    "file_digest",
    "hash_files",
    "hub_repository",
    "open_bundle",
    "read_manifest",
    "resolve_bundle",
    "write_manifest",
]
