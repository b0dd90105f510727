"""A checkpoint's audio settings and forbidden tokens, as in a bundle's manifest.

Export, evaluation of checkpoints and the choice of the best one while training take it from here, so that all
three are given and write the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unislu.bundle import AudioSettings, DecoderSettings
from unislu.sequence import Vocabulary
from unislu.training.checkpoint import Checkpoint

MOST_SECONDS = 30.0
_POSITIONS_PER_SECOND = 50
_DELIMITERS = {"inline-open": "<>", "bio": "()"}
_TAGS = "[/]"  # of closed types, and of the sections after a transcript


def audio_settings(known: Checkpoint, config: Any, min_speech: float = 0.0) -> AudioSettings:
    """`audio` of a manifest. `config`: a `transformers.WhisperConfig`."""
    return AudioSettings(
        mels=int(config.num_mel_bins),
        max_seconds=min(MOST_SECONDS, int(config.max_source_positions) / _POSITIONS_PER_SECOND),
        min_speech=min_speech,
        padding=known.padding,
    )


def decoder_settings(
    known: Checkpoint, model: Any, vocabulary: Vocabulary, formats: Iterable[str], **others: Any
) -> DecoderSettings:
    """`decoder` of a manifest.

    The suppress lists of `generation_config.json` hold where audio is padded as in Whisper's own code, for
    which they were made. Tokens that hold a delimiter of the plain alphabet stay possible, or
    nothing could be tagged.

    Args:
        known: the checkpoint.
        model: a `transformers.WhisperForConditionalGeneration`.
        vocabulary: the model's.
        formats: that the model writes.
        others: further fields.
    """
    always: tuple[int, ...] = ()
    first: tuple[int, ...] = ()
    if known.padding == "full":
        needed = _needed(known, vocabulary, formats)
        always, first = (
            tuple(sorted({int(id_) for id_ in listed or () if 0 <= id_ < vocabulary.size} - needed))
            for listed in (
                getattr(model.generation_config, "suppress_tokens", None),
                getattr(model.generation_config, "begin_suppress_tokens", None),
            )
        )
    return DecoderSettings(
        max_positions=int(model.config.max_target_positions),
        suppress=always,
        begin_suppress=first,
        leading_blank=known.leading_blank,
        **others,
    )


def _needed(known: Checkpoint, vocabulary: Vocabulary, formats: Iterable[str]) -> frozenset[int]:
    """The tokens that may hold a delimiter written as text."""
    if known.alphabet != "plain":
        return frozenset()
    letters = "".join(_DELIMITERS.get(name, _TAGS) for name in formats)
    if vocabulary.labels.sentiments:
        letters += _TAGS
    wanted = frozenset(letters.encode())
    return frozenset(id_ for id_, text in vocabulary.tokenizer.text_bytes.items() if wanted & set(text))
