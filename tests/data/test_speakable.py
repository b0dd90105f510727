"""What a voice is given to say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.data.speakable import speakable


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("madam president first of all", "madam president first of all"),
        ("Oh my God, he's lost it.", "Oh my God, he's lost it."),
        ("AL-AIN , United Arab Emirates 1996-12-06", "AL-AIN, United Arab Emirates 1996-12-06"),
        ("JAPAN GET LUCKY WIN IN SURPRISE DEFEAT .", "japan get lucky win in surprise defeat."),
        ("He is n't here , it 's late", "He isn't here, it's late"),
        ("profits -LRB- before tax -RRB- rose 5%", "profits, before tax, rose 5 percent"),
        ("AT&amp;T &lt;b&gt;", "AT and T b"),
        ("see https://www.example.com/a?b=c now", "see example dot com now"),
        ("@anna loves #Paris", "anna loves Paris"),
        ("it costs $ 3 or £4", "it costs $ 3 or £4"),
        ("“quoted” – dash", '"quoted" - dash'),
        ("[hibari](/x/) [[piper]] <ssml>", "hibari, /x/, piper ssml"),
        ("emoji 🎉 done", "emoji done"),
        ("naïve café", "naïve café"),
        ("NATO and UNESCO met", "NATO and Unesco met"),
        ("the EIB's share, the UNHCR and two MEPs", "the E I B's share, the U N H C R and two M E P's"),
        ("TOKYO: JFK met DR NO on MTV", "TOKYO: J F K met DR NO on M T V"),
    ],
)
def test_examples(text: str, spoken: str) -> None:
    assert speakable(text) == spoken


@pytest.mark.parametrize("text", ["", "  ", "...", "🎉", "-- ?", "\u200b"])
def test_nothing_to_say(text: str) -> None:
    assert speakable(text) is None


@given(st.text())
def test_any_text_gives_one_line_without_markup(text: str) -> None:
    spoken = speakable(text)
    if spoken is not None:
        assert spoken.strip() and "\n" not in spoken and not set("<>[]{}|\\^~*_#") & set(spoken)
