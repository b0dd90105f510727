"""The dynamic loss against UniSLU's eq. 4-5 computed by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unislu.training.loss import (  # noqa: E402
    IGNORE,
    batch_loss,
    choice_losses,
    token_losses,
    weights,
)


def test_dynamic_weights_are_those_of_the_paper() -> None:
    # Three transcript tokens, one task token, one that is not learned.
    labels = torch.tensor([[5, 6, 7, 8, IGNORE]])
    parts = torch.tensor([[0, 0, 0, 1, 0]])
    losses = torch.tensor([[1.0, 2.0, 3.0, 10.0, 99.0]])
    # L_ASR = 2, L_task = 10, W_task = 3/4, W_ASR = 1/4.
    assert batch_loss(losses, labels, parts, torch.tensor([True])) == pytest.approx(0.75 * 10 + 0.25 * 2)
    # Without it: the mean over the four tokens.
    assert batch_loss(losses, labels, parts, torch.tensor([False])) == pytest.approx(16 / 4)


def test_an_example_without_a_task_trains_its_transcript_with_weight_one() -> None:
    labels = torch.tensor([[5, 6], [7, IGNORE]])
    parts = torch.zeros_like(labels)
    token_weights, lengths = weights(labels, parts, torch.tensor([True, True]))
    assert token_weights.tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert lengths.tolist() == [2, 1]


def test_reductions() -> None:
    labels = torch.tensor([[1, 1, 1], [1, IGNORE, IGNORE]])
    parts = torch.zeros_like(labels)
    losses = torch.tensor([[1.0, 1.0, 1.0], [5.0, 0.0, 0.0]])
    dynamic = torch.tensor([True, True])
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
    assert batch_loss(torch.zeros(1, 2), labels, torch.zeros_like(labels), torch.tensor([True])) == 0


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
