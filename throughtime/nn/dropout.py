"""Dropout of whole words, and of the same features at all the steps of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ragged import Ragged

__all__ = ["sequence_dropout", "word_dropout"]


def word_dropout(symbols: Ragged, p: float, unk: int, keep_below: int = 0) -> Ragged:
    """Each symbol becomes ``unk`` with probability ``p`` (Iyyer et al. 2015); symbols below ``keep_below`` stay.

    It is what teaches a model its ``<unk>``: without it a vocabulary of all the training words never shows one.

    >>> word_dropout(Ragged.from_list([[2, 9, 3]]), 1.0, unk=1, keep_below=4).to_list()
    [[2, 1, 3]]
    """
    if not p:
        return symbols
    drop = torch.rand(symbols.values.shape, device=symbols.values.device) < p
    drop &= symbols.values >= keep_below
    return symbols.with_values(symbols.values.masked_fill(drop, unk))


def sequence_dropout(batch: Ragged, p: float) -> Ragged:
    """Dropout of vectors ``[N, F]`` with one mask ``[F]`` a sequence (Gal & Ghahramani 2016)."""
    if not p:
        return batch
    mask: Tensor = F.dropout(batch.values.new_ones(len(batch), batch.values.shape[1]), p)
    return batch.with_values(batch.values * mask.index_select(0, batch.row_of_step))
