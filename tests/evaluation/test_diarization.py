from __future__ import annotations

import pytest

from unislu.evaluation.diarization import diarization_errors

pytest.importorskip("pyannote.metrics")
REFERENCE = [(0.0, 4.0, "ann"), (5.0, 9.0, "ben")]


def test_names_do_not_matter() -> None:
    found = diarization_errors([(REFERENCE, [(0.0, 4.0, "S2"), (5.0, 9.0, "S1")])])
    assert found == {"der": 0.0, "missed": 0.0, "false_alarm": 0.0, "confusion": 0.0}


def test_the_parts_of_the_error() -> None:
    # Of 2 x 3.5 s outside the collars: one speaker's first two seconds are called by another name.
    confused = diarization_errors([(REFERENCE, [(0.0, 4.0, "S1"), (5.0, 7.0, "S1"), (7.0, 9.0, "S2")])])
    assert confused["confusion"] == pytest.approx(1.75 / 7.0)
    missed = diarization_errors([(REFERENCE, [(0.0, 4.0, "S1")])])
    assert missed["missed"] == pytest.approx(0.5) and missed["confusion"] == 0.0
    invented = diarization_errors([(REFERENCE, [*REFERENCE, (10.0, 12.0, "S3")])])
    assert invented["false_alarm"] == pytest.approx(2.0 / 7.0)


def test_edges_within_the_collar_are_free() -> None:
    found = diarization_errors([(REFERENCE, [(0.2, 3.8, "S1"), (5.2, 9.2, "S2")])])
    assert found["der"] == pytest.approx(0.0)


def test_recordings_are_pooled_by_their_speech() -> None:
    wrong = ([(0.0, 1.5, "ann")], [(5.0, 5.1, "S1")])
    right = (REFERENCE, REFERENCE)
    assert diarization_errors([right, wrong])["missed"] == pytest.approx(1.0 / 8.0)


def test_nothing_at_all() -> None:
    assert diarization_errors([])["der"] == 0.0
