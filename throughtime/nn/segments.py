"""Sums, means, maxima and softmax over each sequence of a ragged batch.

Each sequence is reduced on its own, in the order of its steps, so that its result does not depend on the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from throughtime.ragged import Ragged

__all__ = ["segment_max", "segment_mean", "segment_softmax", "segment_sum"]


def _reduce(batch: Ragged, how: str) -> Tensor:
    if not bool((batch.lengths > 0).all()):
        raise ValueError(f"expected no empty sequence, found one in row {int(batch.lengths.argmin())}")
    return torch.segment_reduce(batch.values, how, lengths=batch.lengths.to(batch.values.device), axis=0)


def segment_sum(batch: Ragged) -> Tensor:
    """``[B, …]`` sums over each sequence of ``values [N, …]``."""
    return _reduce(batch, "sum")


def segment_mean(batch: Ragged) -> Tensor:
    """``[B, …]`` means over each sequence.

    >>> segment_mean(Ragged.from_list([[1.0, 2.0, 6.0], [4.0]]))
    tensor([3., 4.])
    """
    return _reduce(batch, "mean")


def segment_max(batch: Ragged) -> Tensor:
    """``[B, …]`` maxima over each sequence; a tie shares the gradient."""
    return _reduce(batch, "max")


def segment_softmax(batch: Ragged) -> Ragged:
    """Softmax over the steps of each sequence.

    >>> segment_softmax(Ragged.from_list([[0.0, 0.0], [7.0]])).values
    tensor([0.5000, 0.5000, 1.0000])
    """
    top = _reduce(batch.with_values(batch.values.detach()), "max")
    exponentials = batch.with_values((batch.values - top[batch.row_of_step]).exp())
    return batch.with_values(exponentials.values / segment_sum(exponentials).index_select(0, batch.row_of_step))
