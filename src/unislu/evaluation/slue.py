"""The one-number summary of the SLUE benchmark."""

from __future__ import annotations


def slue_score(
    wer_voxpopuli: float | None, wer_voxceleb: float | None, ner_f1: float | None, sentiment_f1: float | None
) -> float | None:
    """`((100 - mean of the two WERs) + NER micro-F1 + sentiment macro-F1) / 3`, everything in percent.

    `None` if any part is undefined.
    """
    if wer_voxpopuli is None or wer_voxceleb is None or ner_f1 is None or sentiment_f1 is None:
        return None
    return (100 - (wer_voxpopuli + wer_voxceleb) / 2 + ner_f1 + sentiment_f1) / 3
