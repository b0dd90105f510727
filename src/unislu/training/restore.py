"""Restore the punctuation of a normalised text with a recogniser, given its audio.

The gold words are fed to Whisper's decoder (teacher forcing). After each word it says how likely a mark is
and how likely the next word: a mark that wins is inserted. The words stay the annotated ones; only what a
normalised corpus threw away comes back. One forward pass per clip, over cached encoder outputs.
Run it with `unislu tools restore`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from unislu.data.records import AnnotatedEntity, Record, read_records, write_records
from unislu.data.restore import insert_punctuation
from unislu.progress import Progress
from unislu.sequence import Prompt
from unislu.sequence.prompt import whisper_prefix
from unislu.training.cache import EncoderCache, cache_key
from unislu.training.collate import pad_rows
from unislu.training.models.whisper import UnifiedWhisper

MARKS = (",", ".", "?")


class PunctuationRestorer:
    """Finds the marks after each word of a text, given encoder outputs of its audio.

    Args:
        model: a Whisper in its original state (its knowledge of written text is what counts).
        margin: a mark is inserted when its log-probability exceeds the next word's by this much.
    """

    def __init__(self, model: UnifiedWhisper, margin: float = 0.0):
        self._model, self._margin = model.eval(), margin
        self._vocabulary = model.vocabulary
        encode = self._vocabulary.tokenizer.encode
        self._marks = torch.tensor([encode(mark)[0] for mark in MARKS])

    @torch.inference_mode()
    def marks(self, texts: Sequence[str], memories: Sequence[NDArray[np.float16]]) -> list[dict[int, str]]:
        """For each text, `{word index: mark to insert after it}`. `memories`: `[positions, d]` each."""
        encode, end = self._vocabulary.tokenizer.encode, self._vocabulary["<|endoftext|>"]
        prefix = whisper_prefix(self._vocabulary, Prompt())
        rows, ends = [], []
        for text in texts:
            ids, word_ends = list(prefix), []
            for word in text.split():
                ids += encode(" " + word)
                word_ends.append(len(ids) - 1)
            rows.append([*ids, end])
            ends.append(word_ends)
        tokens = pad_sequence([torch.tensor(ids) for ids in rows], batch_first=True, padding_value=end)
        hidden = self._model.decode(tokens, *pad_rows(memories))
        weight = self._model.embedding()
        return [self._choose(h, t, e, weight) for h, t, e in zip(hidden, tokens, ends, strict=True)]

    def _choose(
        self, hidden: torch.Tensor, tokens: torch.Tensor, ends: list[int], weight: torch.Tensor
    ) -> dict[int, str]:
        if not ends:
            return {}
        # Only candidates compete, so only their rows of the output projection are needed.
        states = hidden[torch.tensor(ends)]
        marks = states @ weight[self._marks].T
        going_on = (states * weight[tokens[torch.tensor(ends) + 1]]).sum(1)
        best, which = marks.max(1)
        wanted = best > going_on + self._margin
        wanted[-1] = which[-1] > 0  # the end of a text takes a full stop or a question mark
        return {k: MARKS[int(which[k])] for k in range(len(ends)) if bool(wanted[k])}


def restore_manifest(manifest: Path, out: Path, restorer: PunctuationRestorer, cache: EncoderCache) -> int:
    """Write a manifest with punctuation beside the old one; return the number of marks inserted.

    Audio paths stay valid because `out` lies in the same folder.
    """
    inserted = 0

    def restored() -> Iterator[Record]:
        nonlocal inserted
        records = [r for r in read_records(manifest) if r.audio and cache_key(manifest, r.audio) in cache]
        records.sort(key=lambda r: r.duration or 0.0)
        with Progress(len(records), unit="records") as progress:
            for first in range(0, len(records), 16):
                batch = records[first : first + 16]
                memories = [cache[cache_key(manifest, str(r.audio))] for r in batch]
                texts = [r.text for r in batch]
                for record, marks in zip(batch, restorer.marks(texts, memories), strict=True):
                    inserted += len(marks)
                    progress.advance()
                    yield punctuated(record, marks)

    write_records(out, restored())
    return inserted


def punctuated(record: Record, marks: dict[int, str]) -> Record:
    """A record with marks inserted and its entities moved along."""
    target = insert_punctuation(record.target(), marks)
    entities = record.entities
    if entities is not None and target.entities is not None:
        entities = tuple(
            AnnotatedEntity(span.start, span.end, old.type, old.extra)
            for span, old in zip(target.entities, entities, strict=True)
        )
    return replace(record, text=target.text, entities=entities)
