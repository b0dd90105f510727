"""The losses, UniSLU's eq. 4-5 among them, against figures computed by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unislu.training.loss import (  # noqa: E402
    IGNORE,
    WEIGHTINGS,
    batch_loss,
    choice_losses,
    token_losses,
    weights,
)

DYNAMIC = WEIGHTINGS.index("dynamic")


def test_dynamic_weights_are_those_of_the_paper() -> None:
    # Three transcript tokens, one task token, one that is not learned.
    labels = torch.tensor([[5, 6, 7, 8, IGNORE]])
    parts = torch.tensor([[0, 0, 0, 1, 0]])
    losses = torch.tensor([[1.0, 2.0, 3.0, 10.0, 99.0]])
    # L_ASR = 2, L_task = 10, W_task = 3/4, W_ASR = 1/4.
    dynamic, plain = torch.tensor([DYNAMIC]), torch.tensor([WEIGHTINGS.index("plain")])
    assert batch_loss(losses, labels, parts, dynamic) == pytest.approx(0.75 * 10 + 0.25 * 2)
    # Without it: the mean over the four tokens.
    assert batch_loss(losses, labels, parts, plain) == pytest.approx(16 / 4)


#: Three transcript tokens, four of a list of which the last is the end; an empty list; a transcript alone.
LABELS = torch.tensor([[5, 6, 7, 8, 9, 9, 1], [5, 6, 7, 1, *[IGNORE] * 3], [5, 6, 7, *[IGNORE] * 4]])
PARTS = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0, 0], [0] * 7])
LOSSES = torch.tensor([[1.0, 2, 3, 10, 20, 30, 4], [1, 2, 3, 8, 0, 0, 0], [1, 2, 3, 0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", (70 / 7, 14 / 4, 2)),
        # L_ASR = 2, L_task = 16, three tokens against four; the empty list's end has three quarters.
        ("dynamic", (3 / 7 * 16 + 4 / 7 * 2, 3 / 4 * 8 + 1 / 4 * 2, 2)),
        # The end is the transcript's: L_ASR = 10 / 4, L_task = 20, four tokens against three.
        ("dynamic-without-end", (4 / 7 * 20 + 3 / 7 * 2.5, 14 / 4, 2)),
        ("sum", (16 + 2, 8 + 2, 2)),
    ],
)
def test_each_weighting_by_hand(name: str, expected: tuple[float, ...]) -> None:
    every = torch.full((3,), WEIGHTINGS.index(name))  # type: ignore[arg-type]
    token_weights, lengths = weights(LABELS, PARTS, every)
    assert (token_weights * LOSSES).sum(1).tolist() == pytest.approx(expected)
    assert lengths.tolist() == [7, 4, 3]
    by_tokens = sum(n * loss for n, loss in zip((7, 4, 3), expected, strict=True)) / 14
    assert batch_loss(LOSSES, LABELS, PARTS, every) == pytest.approx(by_tokens)


def test_a_batch_may_mix_weightings() -> None:
    mixed = torch.arange(len(WEIGHTINGS))
    labels, parts = LABELS[:1].expand(4, -1), PARTS[:1].expand(4, -1)
    together, _ = weights(labels, parts, mixed)
    for place in range(len(WEIGHTINGS)):
        alone, _ = weights(LABELS[:1], PARTS[:1], torch.tensor([place]))
        torch.testing.assert_close(together[place], alone[0])


def test_without_end_changes_nothing_where_the_task_alone_learns() -> None:
    """A given transcript: the label and the end learn alike."""
    labels, parts = torch.tensor([[IGNORE, 4, 1]]), torch.tensor([[0, 1, 1]])
    token_weights, _ = weights(labels, parts, torch.tensor([WEIGHTINGS.index("dynamic-without-end")]))
    assert token_weights.tolist() == [[0, 0.5, 0.5]]


def test_an_example_without_a_task_trains_its_transcript_with_weight_one() -> None:
    labels = torch.tensor([[5, 6], [7, IGNORE]])
    parts = torch.zeros_like(labels)
    token_weights, lengths = weights(labels, parts, torch.tensor([DYNAMIC, DYNAMIC]))
    assert token_weights.tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert lengths.tolist() == [2, 1]


def test_reductions() -> None:
    labels = torch.tensor([[1, 1, 1], [1, IGNORE, IGNORE]])
    parts = torch.zeros_like(labels)
    losses = torch.tensor([[1.0, 1.0, 1.0], [5.0, 0.0, 0.0]])
    dynamic = torch.tensor([DYNAMIC, DYNAMIC])
    assert batch_loss(losses, labels, parts, dynamic, "tokens") == pytest.approx((3 * 1 + 1 * 5) / 4)
    assert batch_loss(losses, labels, parts, dynamic, "examples") == pytest.approx((1 + 5) / 2)


def test_token_losses_match_the_reference_and_skip_ignored_positions() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 3, 4, generator=generator, requires_grad=True)
    weight = torch.randn(7, 4, generator=generator)
    labels = torch.tensor([[1, IGNORE, 3], [IGNORE, 2, 6]])
    losses = token_losses(hidden, (weight[:5], weight[5:]), labels)
    reference = torch.nn.functional.cross_entropy(
        (hidden @ weight.T).transpose(1, 2), labels, reduction="none", ignore_index=IGNORE
    )
    torch.testing.assert_close(losses, reference)
    losses.sum().backward()
    assert hidden.grad is not None and (hidden.grad[0, 1] == 0).all()


def test_a_batch_that_learns_nothing_is_zero() -> None:
    labels = torch.full((1, 2), IGNORE)
    assert batch_loss(torch.zeros(1, 2), labels, torch.zeros_like(labels), torch.tensor([DYNAMIC])) == 0


def test_choices_are_among_what_may_be_chosen() -> None:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, 3, 4, generator=generator, requires_grad=True)
    weight = torch.randn(7, 4, generator=generator)
    new = weight[5:].clone().requires_grad_()
    labels = torch.tensor([[1, IGNORE, 6], [IGNORE, 5, IGNORE]])
    allowed = torch.tensor([[0, 1, IGNORE], [3, 5, 6], [2, 5, IGNORE]])
    losses = choice_losses(hidden, (weight[:5], new), labels, allowed)
    scores = hidden @ weight.T
    for place, ids, label in (((0, 0), (0, 1), 1), ((0, 2), (3, 5, 6), 6), ((1, 1), (2, 5), 5)):
        among = torch.log_softmax(scores[place][list(ids)], dim=0)
        torch.testing.assert_close(losses[place], -among[ids.index(label)])
    assert losses[0, 1] == 0 and losses[1, 0] == 0 and losses[1, 2] == 0
    losses.sum().backward()
    assert new.grad is not None and bool(new.grad.abs().sum(1).gt(0).all())
    assert hidden.grad is not None and not bool(hidden.grad[0, 1].any())
