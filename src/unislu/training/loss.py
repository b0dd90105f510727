"""The losses: plain cross-entropy, UniSLU's dynamic weighting of transcript and task (eq. 4-5), others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from unislu.training.config import Weighting

#: Label of a position that no loss reads.
IGNORE = -100
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)
"""A tensor has each weighting's place here."""
_DYNAMIC, _WITHOUT_END, _SUM = (WEIGHTINGS.index(n) for n in ("dynamic", "dynamic-without-end", "sum"))


def token_losses(hidden: Tensor, rows: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Cross-entropy of each position; positions labelled `IGNORE` cost nothing to compute and are 0.

    Args:
        hidden: decoder output `[batch, tokens, d]` float.
        rows: the tied embedding in blocks of rows `[n, d]` float, which together are the vocabulary.
        labels: `[batch, tokens]` int64.

    Returns:
        `[batch, tokens]` float32.
    """
    chosen = labels != IGNORE
    states = hidden[chosen]
    logits = torch.cat([states @ block.T for block in rows], dim=1)
    losses = F.cross_entropy(logits.float(), labels[chosen], reduction="none")
    return torch.zeros(labels.shape, dtype=losses.dtype, device=losses.device).masked_scatter(chosen, losses)


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
    losses = F.cross_entropy(logits, which, reduction="none")
    return torch.zeros(labels.shape, dtype=losses.dtype, device=losses.device).masked_scatter(chosen, losses)


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
    losses: Tensor, labels: Tensor, parts: Tensor, weighting: Tensor, reduction: str = "tokens"
) -> Tensor:
    """Reduce a batch to a scalar.

    `tokens`: by token count, `Σ len·loss / Σ len`, as UniSLU's released code does. `examples`: the mean over
    examples, so that a short answer (a sentiment) counts as much as a long transcript.
    """
    token_weights, lengths = weights(labels, parts, weighting)
    if reduction == "examples":
        lengths = (lengths > 0).float()
    return ((losses * token_weights).sum(1) * lengths).sum() / lengths.sum().clamp(min=1)
