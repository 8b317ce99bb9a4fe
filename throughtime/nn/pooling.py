"""One vector from a sequence of vectors: at once for a ragged batch, or step by step with the same result."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from throughtime.nn.linear import Linear
from throughtime.nn.segments import segment_max, segment_mean, segment_softmax, segment_sum
from throughtime.ragged import Ragged

__all__ = ["POOLINGS", "AttentionPooling", "LastPooling", "MaxPooling", "MeanPooling", "PoolState", "Pooling"]

PoolState = tuple[Tensor, ...]


class Pooling(nn.Module):
    """Abstract. ``F`` is the size of the vectors, ``B`` the number of sequences.

    Step by step: ``state = update(None, first [B, F])``, ``state = update(state, next)``, …, ``result(state)``.
    """

    def forward(self, outputs: Ragged, final: Tensor) -> Tensor:
        """``[B, F]`` from every step's output and the final state ``[B, F]`` of the last layer."""
        raise NotImplementedError("Pooling is abstract: use one of POOLINGS")

    def update(self, state: PoolState | None, output: Tensor) -> PoolState:
        """Take one more step ``[B, F]`` in."""
        raise NotImplementedError("Pooling is abstract: use one of POOLINGS")

    def result(self, state: PoolState) -> Tensor:
        """``[B, F]`` of the steps so far."""
        return state[0]


class LastPooling(Pooling):
    """The state at each sequence's own end; of a backward direction, at its beginning."""

    def forward(self, outputs: Ragged, final: Tensor) -> Tensor:
        """See :class:`Pooling`."""
        return final

    def update(self, state: PoolState | None, output: Tensor) -> PoolState:
        """See :class:`Pooling`."""
        return (output,)


class MeanPooling(Pooling):
    """The mean over the steps."""

    def forward(self, outputs: Ragged, final: Tensor) -> Tensor:
        """See :class:`Pooling`."""
        return segment_mean(outputs)

    def update(self, state: PoolState | None, output: Tensor) -> PoolState:
        """See :class:`Pooling`."""
        if state is None:
            return output, output.new_ones(())
        return state[0] + output, state[1] + 1

    def result(self, state: PoolState) -> Tensor:
        """See :class:`Pooling`."""
        return state[0] / state[1]


class MaxPooling(Pooling):
    """The maximum over the steps, of each unit apart."""

    def forward(self, outputs: Ragged, final: Tensor) -> Tensor:
        """See :class:`Pooling`."""
        return segment_max(outputs)

    def update(self, state: PoolState | None, output: Tensor) -> PoolState:
        """See :class:`Pooling`."""
        return (output if state is None else torch.maximum(state[0], output),)


class AttentionPooling(Pooling):
    """A weighted mean over the steps: weights ``softmax_t(u · tanh(W h_t + b))`` (Yang et al. 2016, eq. 5 to 7).

    Args:
        size: ``F``.

    >>> _ = torch.manual_seed(0)
    >>> outputs = Ragged.from_list([torch.randn(3, 4), torch.randn(1, 4)])
    >>> AttentionPooling(4)(outputs, torch.zeros(2, 4)).shape
    torch.Size([2, 4])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.score = nn.Sequential(Linear(size, size), nn.Tanh(), Linear(size, 1, bias=False))

    def forward(self, outputs: Ragged, final: Tensor) -> Tensor:
        """See :class:`Pooling`."""
        weights = segment_softmax(outputs.with_values(self.score(outputs.values).squeeze(1)))
        return segment_sum(outputs.with_values(outputs.values * weights.values[:, None]))

    def update(self, state: PoolState | None, output: Tensor) -> PoolState:
        """See :class:`Pooling`: the weighted sum, the sum of the weights, and the largest score they are scaled by."""
        score = self.score(output)
        if state is None:
            return output, torch.ones_like(score), score
        total, weight, top = state
        highest = torch.maximum(top, score)
        old, new = (top - highest).exp(), (score - highest).exp()
        return total * old + output * new, weight * old + new, highest

    def result(self, state: PoolState) -> Tensor:
        """See :class:`Pooling`."""
        return state[0] / state[1]


POOLINGS: dict[str, type[Pooling]] = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "attention": AttentionPooling,
}


def make_pooling(name: str, size: int) -> Pooling:
    """The pooling of that name for vectors of ``size``."""
    return AttentionPooling(size) if name == "attention" else POOLINGS[name]()
