"""Figures of slue-toolkit, taken by running its `get_ner_scores` and `get_wer` on these corpora."""

from __future__ import annotations

import pytest

from unislu.evaluation.question import Gold, Prediction
from unislu.evaluation.score import score

GOLD = """NORP one/QUANT eu/ORG eu/QUANT one
NORP mr x/LAW mr x/ORG one
QUANT one/QUANT one/PERSON today

PERSON eu/WHEN today
LAW eu/NORP today

NORP mr x

WHEN mr x/LAW council/LAW today/WHEN eu
LAW one/PERSON eu/PERSON council
"""
PREDICTED = """ORG one/QUANT eu/ORG eu/NORP council
WHEN council/LAW mr x/LAW eu/ORG today
QUANT one/QUANT one/PERSON council/NORP eu
QUANT today
PERSON eu/WHEN today/LAW eu
LAW eu/PLACE one/PLACE today

NORP mr x

LAW council/PERSON eu/WHEN eu
WHEN council/LAW mr x/PERSON council/NORP council
NORP mr x"""


def _entities(block: str) -> list[tuple[tuple[str, str], ...]]:
    lines = (line.split("/") if line else [] for line in block.split("\n"))
    return [tuple((e.split(" ", 1)[0], e.split(" ", 1)[1]) for e in line) for line in lines]


def test_entities() -> None:
    golds = [Gold(str(n), "", found) for n, found in enumerate(_entities(GOLD))]
    answers = [Prediction(str(n), "", found) for n, found in enumerate(_entities(PREDICTED))]
    assert len(golds) == len(answers) == 12
    entities = score(golds, answers, "slue").entities
    assert entities is not None
    assert entities.micro.precision == pytest.approx(42.857142857142854)
    assert entities.micro.recall == pytest.approx(54.54545454545454)
    assert entities.micro.f1 == pytest.approx(48.0)
    assert entities.macro_f1 == pytest.approx(42.701504844361987)
    assert entities.label_f1 == pytest.approx(64.0)


def test_words() -> None:
    pairs = [
        ("we agreed at the last session", "we all agreed at last session"),
        ("madam president", "madame president"),
        ("europe 's markets", "europe 's markets"),
        ("there", ""),
    ]
    golds = [Gold(str(n), text) for n, (text, _) in enumerate(pairs)]
    answers = [Prediction(str(n), heard) for n, (_, heard) in enumerate(pairs)]
    words = score(golds, answers, "slue").words
    # 1 inserted and 1 deleted, 1 substituted, none, 1 deleted: 4 of 12 words
    assert words is not None and words.errors == 4
    assert words.wer == pytest.approx(33.333333333333336)
