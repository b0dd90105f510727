"""Curves of confidences in a manifest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.bundle.calibration import UNCALIBRATED, Calibration, Curve, tempered

SHARES = st.floats(0, 1)


@given(SHARES, SHARES, st.floats(0.01, 5), st.floats(-5, 5))
def test_a_curve_rises_and_stays_a_share(first: float, second: float, slope: float, offset: float) -> None:
    curve = Curve(slope, offset)
    low, high = sorted((first, second))
    assert 0 <= curve(low) <= curve(high) <= 1


def test_the_identity() -> None:
    assert Curve()(0.3) == pytest.approx(0.3)
    assert tempered({"a": 0.2, "b": 0.8}, 1.0) == pytest.approx({"a": 0.2, "b": 0.8})
    assert UNCALIBRATED.word(None) is None and UNCALIBRATED.word(0.2) == UNCALIBRATED.entity(0.2) == 0.2
    assert UNCALIBRATED.sentiment({"a": 1.0}) == {"a": 1.0}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.floats(0.2, 10))
def test_a_temperature_keeps_the_order_and_the_sum(values: list[float], temperature: float) -> None:
    total = sum(values)
    if not total:
        return
    scores = {str(n): value / total for n, value in enumerate(values)}
    found = tempered(scores, temperature)
    assert sum(found.values()) == pytest.approx(1)
    for one in scores:
        for other in scores:
            if scores[one] >= scores[other]:
                assert found[one] >= found[other] - 1e-12


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"words": {"slope": 1.0}}, "words.offset is None"),
        ({"words": {"slope": -1.0, "offset": 0}}, "words.slope is -1.0, not above 0"),
        ({"entities": {"slope": "x", "offset": 0}}, "entities.slope is 'x'"),
        ({"sentiment": {"temperature": 0}}, "temperature is 0.0, not above 0"),
        ({"sentiment": 3}, "temperature is None"),
    ],
)
def test_what_is_no_curve_is_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Calibration.from_manifest(data)
