"""A model bundle: a folder with a manifest, two graphs, a tokenizer and a model card; see `Manifest`."""

from __future__ import annotations

from .folder import (
    Bundle,
    file_digest,
    hash_files,
    hub_repository,
    open_bundle,
    read_manifest,
    resolve_bundle,
    write_manifest,
)
from .installed import DEFAULT, DEFAULT_PATH, Installed, installed, parse_reference
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
    "DEFAULT",
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
    "Installed",
    "Manifest",
    "file_digest",
    "hash_files",
    "hub_repository",
    "installed",
    "open_bundle",
    "parse_reference",
    "read_manifest",
    "resolve_bundle",
    "write_manifest",
]
