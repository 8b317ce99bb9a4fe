"""Dropout of whole words, and of the same features at all the steps of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ragged import Ragged

__all__ = ["rarity", "sequence_dropout", "word_dropout"]


def rarity(counts: Tensor, strength: float, specials: int) -> Tensor:
    """How likely each symbol is to be shown as unknown, ``[V]``: ``a / (a + n)`` for one seen ``n`` times.

    So that what a model learns of unknown words comes from words as rare as they are (Kiperwasser & Goldberg 2016,
    section 4). The first ``specials`` symbols are always shown.

    >>> rarity(torch.tensor([0, 0, 9, 9, 1, 3]), strength=1.0, specials=4)
    tensor([0.0000, 0.0000, 0.0000, 0.0000, 0.5000, 0.2500])
    """
    likely = strength / (strength + counts.float().clamp(min=1))
    likely[:specials] = 0
    return likely


def word_dropout(symbols: Ragged, likely: Tensor, unk: int) -> Ragged:
    """Each symbol becomes ``unk`` with its own probability, ``likely [V]``.

    Of ``values [N, 1 + S]`` the first column are the symbols; what stands beside them stays.

    >>> word_dropout(Ragged.from_list([[2, 5, 3]]), torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), unk=1).to_list()
    [[2, 1, 3]]
    """
    values = symbols.values
    numbers = values if values.dim() == 1 else values[:, 0]
    drop = torch.rand(numbers.shape, device=values.device) < likely[numbers]
    shown = numbers.masked_fill(drop, unk)
    return symbols.with_values(shown if values.dim() == 1 else torch.cat([shown[:, None], values[:, 1:]], dim=1))


def sequence_dropout(batch: Ragged, p: float) -> Ragged:
    """Dropout of vectors ``[N, F]`` with one mask ``[F]`` a sequence (Gal & Ghahramani 2016)."""
    if not p:
        return batch
    mask: Tensor = F.dropout(batch.values.new_ones(len(batch), batch.values.shape[1]), p)
    return batch.with_values(batch.values * mask.index_select(0, batch.row_of_step))
