"""What became of each entity, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.evaluation.entity_errors import EntityErrors, PlacedEntity, count_pairs, pair_entities, place
from unislu.evaluation.ner import entity_scores
from unislu.evaluation.wer import align

GOLD = "the council met anna smith in new york on monday"
Entities = list[tuple[str, str]]


def pairs(gold: Entities, found: Entities, heard: str = GOLD) -> list[tuple[str, str | None, str | None]]:
    reference, hypothesis = GOLD.split(), heard.split()
    made = pair_entities(gold, found, reference, hypothesis, align(reference, hypothesis))
    return [(p.kind, p.gold and p.gold.phrase, p.found and p.found.phrase) for p in made]


@pytest.mark.parametrize(
    ("gold", "found", "heard", "expected"),
    [
        ([("org", "council")], [("org", "council")], GOLD, [("correct", "council", "council")]),
        ([("org", "council")], [("norp", "council")], GOLD, [("type", "council", "council")]),
        ([("person", "anna smith")], [("person", "anna")], GOLD, [("boundary", "anna smith", "anna")]),
        ([("person", "anna smith")], [("place", "anna")], GOLD, [("overlap", "anna smith", "anna")]),
        ([("org", "council")], [], GOLD, [("missed", "council", None)]),
        ([], [("org", "council")], GOLD, [("spurious", None, "council")]),
        # The same words of the reference, heard as others; one of them as two.
        (
            [("person", "anna smith")],
            [("person", "hannah smyth")],
            GOLD.replace("anna smith", "hannah smyth"),
            [("misheard", "anna smith", "hannah smyth")],
        ),
        (
            [("place", "new york")],
            [("place", "new your k")],
            GOLD.replace("york", "your k"),
            [("misheard", "new york", "new your k")],
        ),
        # Elsewhere in the sentence: no relation, although the type is the same.
        ([("when", "monday")], [("when", "new york")], GOLD,
         [("missed", "monday", None), ("spurious", None, "new york")]),
        # An exact match is never given away to a near one that comes first.
        (
            [("person", "anna"), ("person", "anna smith")],
            [("person", "anna smith")],
            GOLD,
            [("missed", "anna", None), ("correct", "anna smith", "anna smith")],
        ),
    ],
)  # fmt: skip
def test_kinds(gold: Entities, found: Entities, heard: str, expected: list[object]) -> None:
    assert pairs(gold, found, heard) == expected


def test_phrases_that_their_text_does_not_hold_are_compared_by_their_words() -> None:
    # A normaliser may write a number differently in its sentence: there is no place to compare.
    assert pairs([("quant", "20 euros")], [("quant", "30 euros")]) == [("boundary", "20 euros", "30 euros")]


def test_places_go_left_to_right_and_never_overlap() -> None:
    words = "paris met paris hilton in paris".split()
    entities = [("place", "paris"), ("person", "paris hilton"), ("place", "paris"), ("place", "paris")]
    assert [p.words for p in place(words, entities)] == [(0, 1), (2, 4), (5, 6), None]
    assert place(words, [("place", "")]) == [PlacedEntity("place", "")]


def test_partial_f1_counts_overlap_of_the_right_type_half() -> None:
    counts = {"correct": 2, "misheard": 1, "type": 1, "boundary": 1, "overlap": 0, "missed": 1, "spurious": 2}
    errors = EntityErrors(counts)
    # gold 6, found 7, credit 3: 2 * 3 / 13
    assert errors.partial_f1 == pytest.approx(100 * 6 / 13)
    assert EntityErrors().partial_f1 is None


def test_confusion_pairs_types_and_absence() -> None:
    reference = GOLD.split()
    made = pair_entities(
        [("org", "council"), ("person", "anna smith")], [("norp", "council"), ("when", "monday")],
        reference, reference, align(reference, reference),
    )  # fmt: skip
    errors = count_pairs(made)
    assert errors.confusion == {("org", "norp"): 1, ("person", None): 1, (None, "when"): 1}
    assert errors.to_dict()["kinds"] == {
        "correct": 0, "misheard": 0, "type": 1, "boundary": 0, "overlap": 0, "missed": 1, "spurious": 1
    }  # fmt: skip


ENTITIES = st.lists(
    st.tuples(
        st.sampled_from(["org", "place"]), st.sampled_from(["council", "new york", "york", "anna", "x"])
    ),
    max_size=5,
)


@given(ENTITIES, ENTITIES, st.lists(st.sampled_from(GOLD.split()), max_size=8))
def test_every_entity_is_in_one_pair_and_correct_ones_are_the_true_positives(
    gold: Entities, found: Entities, heard: list[str]
) -> None:
    reference = GOLD.split()
    made = pair_entities(gold, found, reference, heard, align(reference, heard))
    assert [(p.gold.type, p.gold.phrase) for p in made if p.gold] == gold
    assert sorted((p.found.type, p.found.phrase) for p in made if p.found) == sorted(found)
    correct = sum(p.kind == "correct" for p in made)
    assert correct == entity_scores(gold, found).micro.true_positives
