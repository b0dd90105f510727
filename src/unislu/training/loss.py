"""The losses: cross-entropy, the divergence from a teacher, and how the tokens of an example weigh: all the
same, by UniSLU's dynamic weighting of transcript and task (eq. 4-5), others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from unislu.training.config import Weighting

#: Label of a position that no loss reads.
IGNORE = -100
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)
"""A tensor has each weighting's place here."""
_DYNAMIC, _WITHOUT_END, _SUM = (WEIGHTINGS.index(n) for n in ("dynamic", "dynamic-without-end", "sum"))


@dataclass
class Tensors:
    """Base of dataclasses of tensors, some of which may be None."""

    def to(self, device: torch.device | str) -> Self:
        """The same on a device."""
        present = {name: tensor.to(device) for name, tensor in vars(self).items() if tensor is not None}
        return replace(self, **present)


@dataclass
class SoftTargets(Tensors):
    """What teachers would have written at some positions of a batch, row by row."""

    places: Tensor
    """Which positions: bool `[batch, tokens]`; `n` are true."""
    tokens: Tensor
    """Their likeliest text tokens, int64 `[n, kept]`."""
    logprobs: Tensor
    """Their log-probabilities at the temperature, float32 `[n, kept]`."""
    temperature: Tensor
    """float32 `[n]`."""
    weight: Tensor
    """What the divergence weighs, float32 `[n]`."""


def token_losses(
    hidden: Tensor, rows: Sequence[Tensor], labels: Tensor, among: Tensor | None = None
) -> Tensor:
    """Cross-entropy of each position; positions labelled `IGNORE` cost nothing to compute and are 0.

    Args:
        hidden: decoder output `[batch, tokens, d]` float.
        rows: the tied embedding in blocks of rows `[n, d]` float, which together are the vocabulary.
        labels: `[batch, tokens]` int64.
        among: bool `[vocabulary]`, the tokens that may be chosen; by default all.

    Returns:
        `[batch, tokens]` float32.
    """
    chosen = labels != IGNORE
    logits = _logits(hidden[chosen], rows)
    if among is not None:
        logits = logits.masked_fill(~among, float("-inf"))
    return _spread(F.cross_entropy(logits, labels[chosen], reduction="none"), chosen)


def distillation_losses(
    hidden: Tensor, rows: Sequence[Tensor], targets: SoftTargets, text: Tensor, words: bool = False
) -> Tensor:
    """The KL divergence from teacher to student at each position of `targets`; the others are 0.

    Both distributions are over text tokens. The divergence has the place of what is left of a text token's
    cross-entropy once it is known that text follows and no tag; that part is learned beside it. At a
    temperature the divergence counts by its square, so that gradients keep their size (Hinton et al., 2015).
    Beyond the teacher's likeliest tokens it is not summed.

    Args:
        hidden, rows: see `token_losses`.
        text: bool `[vocabulary]`, the tokens of text and the end.
        words: only text can follow.
    """
    logits = _logits(hidden[targets.places], rows)
    inside = logits.masked_fill(~text, float("-inf"))
    temperature = targets.temperature[:, None]
    ours = F.log_softmax(inside / temperature, dim=1).gather(1, targets.tokens)
    apart = (targets.logprobs.exp() * (targets.logprobs - ours)).sum(1)
    losses = targets.weight * targets.temperature**2 * apart
    if not words:
        losses = losses + logits.logsumexp(1) - inside.logsumexp(1)
    return _spread(losses, targets.places)


def _logits(states: Tensor, rows: Sequence[Tensor]) -> Tensor:
    """`[n, vocabulary]` float32 of states `[n, d]`."""
    return torch.cat([states @ block.T for block in rows], dim=1).float()


def _spread(losses: Tensor, places: Tensor) -> Tensor:
    """Losses `[n]` at the `n` true places of a batch, zeros elsewhere."""
    return torch.zeros(places.shape, dtype=losses.dtype, device=losses.device).masked_scatter(places, losses)


def choice_losses(hidden: Tensor, rows: Sequence[Tensor], labels: Tensor, allowed: Tensor) -> Tensor:
    """As `token_losses`, where each position chooses among a few ids.

    Args:
        hidden, rows, labels: as there.
        allowed: `[choices, widest]` int64, for each position that is not `IGNORE`, row by row, the ids that
            it may choose among, the label's among them; padded with `IGNORE`.
    """
    chosen = labels != IGNORE
    ids, places = torch.unique(allowed.clamp(min=0), return_inverse=True)
    first = rows[0].shape[0]
    new = ids >= first
    table = F.embedding(ids.masked_fill(new, 0), rows[0])
    if len(rows) > 1 and len(rows[1]):
        added = F.embedding((ids - first).clamp(min=0), rows[1])
        table = torch.where(new[:, None], added, table)
    logits = (hidden[chosen] @ table.T).float().gather(1, places)
    logits = logits.masked_fill(allowed == IGNORE, float("-inf"))
    which = (allowed == labels[chosen][:, None]).int().argmax(1)
    return _spread(F.cross_entropy(logits, which, reduction="none"), chosen)


def weights(labels: Tensor, parts: Tensor, weighting: Tensor) -> tuple[Tensor, Tensor]:
    """Weight of each token so that a weighted sum is the loss, and the length of each example.

    `L_ASR` and `L_task` are the means over the tokens of transcript and task, and `Len` their numbers. An
    example's loss is

    - `plain`: the mean over all its tokens;
    - `dynamic`: `W_task·L_task + W_ASR·L_ASR` with `W_task = Len_ASR / Len_total` and
      `W_ASR = Len_task / Len_total` (UniSLU eq. 4-5);
    - `dynamic-without-end`: the same with the end token counted to the transcript, like the task's control
      token. As written, an empty list of entities is the end token alone and has nearly all of the weight;
    - `sum`: `L_task + L_ASR`.

    An example that has only one of the two parts trains that part with weight 1.

    Args:
        labels: `[batch, tokens]` int64, `IGNORE` where nothing is learned.
        parts: `[batch, tokens]` int64, 0 for the transcript and 1 for the task.
        weighting: `[batch]` int64, places in `WEIGHTINGS`.

    Returns:
        Token weights `[batch, tokens]` float32 that sum to 1 in each non-empty example (to 2 with `sum`), and
        lengths `[batch]`.
    """
    chosen = weighting[:, None]
    learned = labels != IGNORE
    in_task, in_asr = learned & (parts == 1), learned & (parts == 0)
    places = torch.arange(labels.shape[1], device=labels.device)
    last = places == (places * learned).argmax(1, keepdim=True)
    moved = last & in_task & in_asr.any(1, keepdim=True) & (chosen == _WITHOUT_END)
    task, asr = (in_task & ~moved).float(), (in_asr | moved).float()
    n_task, n_asr = task.sum(1, keepdim=True), asr.sum(1, keepdim=True)
    total = n_task + n_asr
    of_task, of_asr = task / n_task.clamp(min=1), asr / n_asr.clamp(min=1)
    balanced = (of_task * n_asr + of_asr * n_task) / total.clamp(min=1)
    both = (n_task > 0) & (n_asr > 0)
    found = (task + asr) / total.clamp(min=1)
    found = torch.where(both & ((chosen == _DYNAMIC) | (chosen == _WITHOUT_END)), balanced, found)
    return torch.where(both & (chosen == _SUM), of_task + of_asr, found), total.squeeze(1)


def batch_loss(
    losses: Tensor, labels: Tensor, parts: Tensor, weighting: Tensor, reduction: str = "tokens",
    scale: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Reduce a batch to a scalar.

    `tokens`: by token count, `Σ len·loss / Σ len`, as UniSLU's released code does. `examples`: the mean over
    examples, so that a short answer (a sentiment) counts as much as a long transcript. `scale` `[batch]`:
    factors on the examples' losses.
    """
    token_weights, lengths = weights(labels, parts, weighting)
    if reduction == "examples":
        lengths = (lengths > 0).float()
    each = (losses * token_weights).sum(1) * lengths
    return (each if scale is None else each * scale).sum() / lengths.sum().clamp(min=1)
