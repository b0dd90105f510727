"""The losses: UniSLU's dynamic weighting of transcript and task (eq. 4-5) and plain cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

#: Label of a position that no loss reads.
IGNORE = -100


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


def weights(labels: Tensor, parts: Tensor, dynamic: Tensor) -> tuple[Tensor, Tensor]:
    """Weight of each token so that a weighted sum is the loss, and the length of each example.

    With `dynamic`, an example's loss is `W_task·L_task + W_ASR·L_ASR` where each `L` is the mean over its own
    tokens, `W_task = Len_ASR / Len_total` and `W_ASR = Len_task / Len_total` (UniSLU eq. 4-5). An example
    that has only one of the two parts trains that part with weight 1. Without `dynamic` it is the mean over
    all its tokens.

    Args:
        labels: `[batch, tokens]` int64, `IGNORE` where nothing is learned.
        parts: `[batch, tokens]` int64, 0 for the transcript and 1 for the task.
        dynamic: `[batch]` bool.

    Returns:
        Token weights `[batch, tokens]` float32 that sum to 1 in each non-empty example (dynamic), and lengths
        `[batch]`.
    """
    learned = labels != IGNORE
    task = (learned & (parts == 1)).float()
    asr = (learned & (parts == 0)).float()
    n_task, n_asr = task.sum(1, keepdim=True), asr.sum(1, keepdim=True)
    total = n_task + n_asr
    both = dynamic[:, None] & (n_task > 0) & (n_asr > 0)
    balanced = task * (n_asr / total.clamp(min=1)) / n_task.clamp(min=1) + asr * (
        n_task / total.clamp(min=1)
    ) / n_asr.clamp(min=1)
    plain = (task + asr) / total.clamp(min=1)
    return torch.where(both, balanced, plain), total.squeeze(1)


def batch_loss(
    losses: Tensor, labels: Tensor, parts: Tensor, dynamic: Tensor, reduction: str = "tokens"
) -> Tensor:
    """Reduce a batch to a scalar.

    `tokens`: by token count, `Σ len·loss / Σ len`, as UniSLU's released code does. `examples`: the mean over
    examples, so that a short answer (a sentiment) counts as much as a long transcript.
    """
    token_weights, lengths = weights(labels, parts, dynamic)
    if reduction == "examples":
        lengths = (lengths > 0).float()
    return ((losses * token_weights).sum(1) * lengths).sum() / lengths.sum().clamp(min=1)
