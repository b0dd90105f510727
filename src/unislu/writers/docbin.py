"""spaCy's documents: tokens, entities and sentiment, for reading, correcting or training with spaCy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import needs
from ..result import Analysis

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc


def render(analysis: Analysis) -> bytes:
    """The bytes of a `.spacy` file, a `DocBin`, with the one document of `to_doc`.

    Raises `MissingDependencyError` without spaCy.
    """
    doc = to_doc(analysis)
    from spacy.tokens import DocBin

    data: bytes = DocBin(docs=[doc], store_user_data=True).to_bytes()
    return data


def to_doc(analysis: Analysis, nlp: Language | None = None) -> Doc:
    """The result as a spaCy document.

    Entities are `doc.ents`, widened to spaCy's tokens; sentiment scores are `doc.cats`; the file's name
    and duration are in `doc.user_data`.

    Args:
        analysis: the result.
        nlp: whose tokenizer and vocabulary it gets, None = an empty pipeline of its language. Its components
            are not run: `nlp(doc)` does that, and a component `ner` leaves these entities as they are.

    Raises:
        MissingDependencyError: spaCy is not installed.
    """
    with needs("docbin", "spacy"):
        import spacy
        from spacy.util import filter_spans
    nlp = nlp or spacy.blank(analysis.language or "xx")
    doc = nlp.make_doc(analysis.text or "")
    spans = [
        doc.char_span(entity.start_char, entity.end_char, label=entity.type, alignment_mode="expand")
        for entity in analysis.entities or ()
    ]
    doc.ents = filter_spans([span for span in spans if span is not None])
    if analysis.sentiment is not None:
        doc.cats = dict(analysis.sentiment.scores)
    doc.user_data.update({"file": analysis.file, "duration": analysis.duration, "model": analysis.model})
    return doc
