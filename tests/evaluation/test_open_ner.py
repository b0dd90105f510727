"""The questions of the open-type protocol."""

from __future__ import annotations

import subprocess
import sys

from unislu.evaluation.question import balanced_types

TYPES = [f"type-{n}" for n in range(20)]


def test_as_many_negatives_as_positives_and_no_overlap() -> None:
    asked = balanced_types("a", ["type-1", "type-2", "type-1"], TYPES)
    assert len(asked) == len(set(asked)) == 4
    assert {"type-1", "type-2"} < set(asked) <= set(TYPES)


def test_an_example_without_entities_is_still_asked() -> None:
    assert len(balanced_types("a", [], TYPES)) == 1
    assert len(balanced_types("a", [], TYPES, minimum=3)) == 3


def test_negatives_run_out() -> None:
    assert sorted(balanced_types("a", ["x", "y"], ["x", "y", "z"])) == ["x", "y", "z"]


def test_only_the_example_and_the_seed_decide() -> None:
    asked = balanced_types("a", ["type-1"], TYPES)
    assert asked == balanced_types("a", ["type-1"], reversed(TYPES))
    assert len({balanced_types(str(n), ["type-1"], TYPES) for n in range(20)}) > 10
    assert len({balanced_types("a", ["type-1"], TYPES, seed=n) for n in range(20)}) > 10


def test_the_hash_seed_does_not_decide() -> None:
    code = (
        "from unislu.evaluation.question import balanced_types\n"
        f"print(*balanced_types('a', {{'type-1', 'type-2'}}, set({TYPES!r})))"
    )
    asked = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(asked) == 1
