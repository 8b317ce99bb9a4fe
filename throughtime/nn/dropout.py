"""Dropout of whole words, and of the same features at all the steps of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ragged import Ragged

__all__ = ["sequence_dropout", "word_dropout"]


def word_dropout(symbols: Ragged, p: float, unk: int, keep_below: int = 0) -> Ragged:
    """Each symbol becomes ``unk`` with probability ``p`` (Iyyer et al. 2015); symbols below ``keep_below`` stay.

    Of ``values [N, 1 + S]`` the first column are the symbols; what stands beside them stays.

    It is what teaches a model its ``<unk>``: without it a vocabulary of all the training words never shows one.

    >>> word_dropout(Ragged.from_list([[2, 9, 3]]), 1.0, unk=1, keep_below=4).to_list()
    [[2, 1, 3]]
    """
    if not p:
        return symbols
    values = symbols.values
    numbers = values if values.dim() == 1 else values[:, 0]
    drop = (torch.rand(numbers.shape, device=values.device) < p) & (numbers >= keep_below)
    shown = numbers.masked_fill(drop, unk)
    return symbols.with_values(shown if values.dim() == 1 else torch.cat([shown[:, None], values[:, 1:]], dim=1))


def sequence_dropout(batch: Ragged, p: float) -> Ragged:
    """Dropout of vectors ``[N, F]`` with one mask ``[F]`` a sequence (Gal & Ghahramani 2016)."""
    if not p:
        return batch
    mask: Tensor = F.dropout(batch.values.new_ones(len(batch), batch.values.shape[1]), p)
    return batch.with_values(batch.values * mask.index_select(0, batch.row_of_step))
