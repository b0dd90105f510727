"""Loaders of corpora, one file for each layout. All of them yield `unislu.data.records.Record`."""

from __future__ import annotations

from unislu.data.corpora.jsonl import CorpusSource, load_corpus, split_of

__all__ = ["CorpusSource", "load_corpus", "split_of"]
