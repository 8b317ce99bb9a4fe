"""A recurrence run one step at a time with everything it carries kept: what a layer's outputs alone do not show."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.ops import reference
from throughtime.ops.cells import recurrent_product
from throughtime.ops.layer import GATES
from throughtime.ops.loop import State, run_through_time
from throughtime.ops.reference import Weights

__all__ = ["Pass", "Trace"]

SIGMOIDS = {"lstm": {"i": 0, "f": 1, "o": 3}, "gru": {"r": 0, "z": 1}}
"""The sigmoid gates of each cell, and where they stand among its products."""


@dataclass(frozen=True)
class Pass:
    """One direction of one layer over a batch.

    Attributes:
        cell: one of :data:`throughtime.ops.layer.CELLS`.
        reverse: whether it read from each sequence's end to its beginning.
        states: for each step ``t`` of the sequences, the state after it was read, ``[n_t, ·]`` for each part. What
            comes later was computed from these very tensors: a gradient with respect to them is that of all of it.
        gates: for each sigmoid gate its values ``[N, H]``, in the order in which they were read.
    """

    cell: str
    reverse: bool
    states: list[State]
    gates: dict[str, Tensor]


class Trace:
    """Takes the place of :func:`throughtime.ops.layer` and keeps what passes.

    It computes by the reference, whatever the backend, so that it runs everywhere and can be differentiated anywhere.

    Attributes:
        passes: one for each direction of each layer that was run, in that order.

    >>> _ = torch.manual_seed(0)
    >>> trace, weights = Trace(), Weights(hh=[torch.randn(4, 4)], ih=[torch.randn(4, 3)])
    >>> sizes = torch.tensor([2, 2, 1])
    >>> outputs, _ = trace.layer("elman_tanh", torch.randn(5, 3), (torch.zeros(1, 2, 4),), weights, sizes)
    >>> [len(h) for (h,) in trace.passes[0].states]
    [2, 2, 1]
    >>> torch.equal(outputs, torch.cat([h for (h,) in trace.passes[0].states]))
    True
    """

    def __init__(self) -> None:
        self.passes: list[Pass] = []

    def layer(
        self,
        cell: str,
        data: Tensor,
        state: tuple[Tensor, ...],
        weights: Weights,
        batch_sizes: Tensor,
        *,
        dropout_mask: Tensor | None = None,
        resets: Tensor | None = None,
        backend: str = "auto",
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """See :func:`throughtime.ops.layer`."""
        outputs, finals = [], []
        for direction in range(len(weights.hh)):
            output, final = self._read(
                cell,
                reference.contribution(data, weights, direction),
                tuple(part[direction] for part in state),
                Weights(*(own[direction : direction + 1] for own in weights))._replace(ih=(), bias_ih=(), norm_ih=()),
                batch_sizes,
                None if dropout_mask is None else dropout_mask[direction],
                resets,
                reverse=direction == 1,
            )
            outputs.append(output)
            finals.append(final)
        return torch.cat(outputs, dim=1), tuple(torch.stack(parts) for parts in zip(*finals, strict=True))

    def _read(
        self,
        cell: str,
        inputs: Tensor,
        state: State,
        weights: Weights,
        batch_sizes: Tensor,
        mask: Tensor | None,
        resets: Tensor | None,
        *,
        reverse: bool,
    ) -> tuple[Tensor, State]:
        states: list[State] = []
        gates: list[dict[str, Tensor]] = []

        def step(x: Tensor, before: State) -> State:
            rows = None if mask is None else mask[None, : len(x)]
            gates.append(_gates(cell, x, before[0], weights, mask))
            own = tuple(part[None] for part in before)
            _, after = reference.layer(cell, x, own, weights, torch.tensor([len(x)]), rows, None)
            states.append(tuple(part[0] for part in after))
            return states[-1]

        result = run_through_time(step, inputs, state, batch_sizes.tolist(), reverse=reverse, resets=resets)
        if reverse:
            states.reverse()
        names = gates[0] if gates else ()
        self.passes.append(Pass(cell, reverse, states, {n: torch.cat([step[n] for step in gates]) for n in names}))
        return result


@torch.no_grad()
def _gates(cell: str, x: Tensor, h: Tensor, weights: Weights, mask: Tensor | None) -> dict[str, Tensor]:
    """The sigmoid gates of one step, ``[n, H]`` each, from the input's contribution and the state before."""
    if cell not in SIGMOIDS:
        return {}
    bias, norm = (tensors[0] if tensors else None for tensors in (weights.bias_hh, weights.norm_hh))
    # The first gates of a cell are plain sums; only the GRU's n, which is no gate, is more than that.
    parts = (x + recurrent_product(h, weights.hh[0], bias, mask, norm)).chunk(GATES[cell], dim=1)
    return {name: parts[place].sigmoid() for name, place in SIGMOIDS[cell].items()}
