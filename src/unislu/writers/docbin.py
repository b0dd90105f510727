"""spaCy's DocBin: tokens, entities and sentiment, for reading, correcting or training with spaCy."""

from __future__ import annotations

from ..errors import MissingDependencyError
from ..result import Analysis


def render(analysis: Analysis) -> bytes:
    """The bytes of a `.spacy` file with one document.

    Entities are `doc.ents`, widened to spaCy's tokens; sentiment scores are `doc.cats`; the file's name
    and duration are in `doc.user_data`. Raises `MissingDependencyError` without spaCy.
    """
    try:
        import spacy
        from spacy.tokens import DocBin
        from spacy.util import filter_spans
    except ImportError:
        raise MissingDependencyError('docbin is spaCy\'s format: pip install "unislu[spacy]"') from None
    doc = spacy.blank(analysis.language or "xx").make_doc(analysis.text or "")
    spans = [
        doc.char_span(entity.start_char, entity.end_char, label=entity.type, alignment_mode="expand")
        for entity in analysis.entities or ()
    ]
    doc.ents = filter_spans([span for span in spans if span is not None])
    if analysis.sentiment is not None:
        doc.cats = dict(analysis.sentiment.scores)
    doc.user_data.update({"file": analysis.file, "duration": analysis.duration, "model": analysis.model})
    data: bytes = DocBin(docs=[doc], store_user_data=True).to_bytes()
    return data
