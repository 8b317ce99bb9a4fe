"""Attention that knows where it has looked: See, Liu & Manning (2017, "Get to the point"), eq. 10 to 12."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from throughtime.nn.attention import Attention, Memory
from throughtime.nn.segments import segment_softmax, segment_sum
from throughtime.ops import linear
from throughtime.ragged import Ragged

__all__ = ["Coverage", "Covered"]


class Covered(NamedTuple):
    """What :class:`Coverage` gives."""

    context: Tensor
    """``[N, K]``."""
    weights: Ragged
    """``[P]``: for each query the weights of its source's steps."""
    so_far: Tensor
    """``[N, S]``: the sum of each row's weights, these included; 0 behind a source's end."""
    overlap: Tensor
    """``[N]``: ``Σ_i min(a_i, c_i)``, how much was looked at again; what coverage's loss is made of."""


class Coverage(nn.Module):
    """Weighs a source's steps for one query of each row, given the sum ``c`` of the weights of all queries before it.

    The score of a step gets ``w · c`` more: inside the ``tanh`` of additive attention (eq. 11), with a weight for each
    of its units; added to a dot product, with one weight.

    Args:
        attention: what asks and weighs otherwise. It is the caller's, and no part of this module.

    >>> _ = torch.manual_seed(0)
    >>> attention = Attention("dot", query_size=4, memory_size=4)
    >>> memory = attention.remember(Ragged.from_list([torch.randn(3, 4), torch.randn(1, 4)]))
    >>> found = Coverage(attention)(attention, torch.randn(2, 4), torch.tensor([0, 1]), memory, torch.zeros(2, 3))
    >>> found.so_far.shape, found.so_far.sum().round().item(), found.overlap.tolist()
    (torch.Size([2, 3]), 2.0, [0.0, 0.0])
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1 if attention.vector is None else len(attention.vector)))

    def start(self, memory: Memory) -> Tensor:
        """``[B, S]``: nothing is covered, of the ``S`` steps of the longest source."""
        return memory.values.new_zeros(len(memory.lengths), max(memory.lengths, default=0))

    def forward(self, attention: Attention, queries: Tensor, rows: Tensor, memory: Memory, so_far: Tensor) -> Covered:
        """Contexts and weights of ``queries [N, Q]``.

        Args:
            attention: as it was given to the constructor.
            queries: one a row.
            rows: ``[N]`` the source that each looks at, on the CPU, in any order.
            memory: from :meth:`Attention.remember`.
            so_far: ``[N, S]``, from :meth:`start` or an earlier call.
        """
        queries = queries if attention.query is None else attention.query(queries)
        places, lengths = memory.places[rows], torch.tensor(memory.lengths, dtype=torch.int64)
        frame = Ragged.from_lengths(torch.empty(int(lengths[places].sum())), lengths[places])
        own = frame.row_of_step
        step = torch.arange(len(own)) - frame.offsets[own]
        steps = ((lengths.cumsum(0) - lengths)[places][own] + step).to(queries.device)
        own, step = own.to(queries.device), step.to(queries.device)
        before = so_far[own, step]
        asked, keys = queries.index_select(0, own), memory.keys.index_select(0, steps)
        if attention.vector is None:
            scores = (asked * keys).sum(1) + self.weight * before
        else:
            inner = asked + keys + before[:, None] * self.weight
            scores = linear(inner.tanh(), attention.vector[None]).squeeze(1)
        weights = segment_softmax(frame.with_values(scores))
        context = segment_sum(frame.with_values(weights.values[:, None] * memory.values.index_select(0, steps)))
        return Covered(
            context,
            weights,
            so_far.index_put((own, step), weights.values, accumulate=True),
            segment_sum(frame.with_values(torch.minimum(weights.values, before))),
        )
