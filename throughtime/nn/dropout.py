"""Dropout of whole words, and of the same features at all the steps of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ragged import Ragged

__all__ = ["locked_dropout", "rarity", "sequence_dropout", "slots_of", "word_dropout"]


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
    return batch.with_values(locked_dropout(batch.values, batch.row_of_step, len(batch), p))


def locked_dropout(data: Tensor, slots: Tensor, batch: int, p: float) -> Tensor:
    """The same of ``data [N, F]`` in any order, whose rows belong to the sequences ``slots [N]`` of ``batch``."""
    if not p:
        return data
    mask: Tensor = F.dropout(data.new_ones(batch, data.shape[1]), p)
    return data * mask.index_select(0, slots.to(data.device))


def slots_of(batch_sizes: Tensor) -> Tensor:
    """``[N]``: the sequence of each time-major row, the longest being 0.

    >>> slots_of(torch.tensor([3, 1, 1]))
    tensor([0, 1, 2, 0, 0])
    """
    starts = batch_sizes.cumsum(0) - batch_sizes
    return torch.arange(int(batch_sizes.sum())) - torch.repeat_interleave(starts, batch_sizes)
