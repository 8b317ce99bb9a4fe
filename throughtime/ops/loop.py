"""The loop through time over packed rows. It knows no cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["State", "Step", "run_through_time"]

State = tuple[Tensor, ...]
"""What a cell carries from step to step, ``[B, ·]`` each; the first of them is also the step's output."""

Step = Callable[[Tensor, State], State]
"""One step: what the input contributes to the gates ``[n, G·H]`` and the state before it, to the state after it."""


def run_through_time(
    step: Step,
    inputs: Tensor,
    state: State,
    batch_sizes: Sequence[int],
    *,
    reverse: bool = False,
    resets: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Run a cell over time-major packed rows.

    Args:
        step: the cell. It is called with the ``n`` sequences that are running at a step, longest first.
        inputs: ``[N, G·H]`` what the input contributes at every step, in time-major order.
        state: the state before the first step, ``[B, ·]`` each, longest sequence first.
        batch_sizes: how many sequences run at each step; never grows.
        reverse: from each sequence's last step to its first.
        resets: ``[N]`` truth values: before a step marked there the state becomes zero.

    Returns:
        The outputs ``[N, ·]`` in time-major order, and the state after each sequence's own last step (its first, when
        ``reverse``). A sequence of length zero keeps the state it came with.
    """
    sizes = list(batch_sizes)
    cuts = [None] * len(sizes) if resets is None else resets.split(sizes)
    steps = list(zip(inputs.split(sizes), cuts, strict=True))
    if reverse:
        outputs, final = _backward(step, steps, state)
    else:
        outputs, final = _forward(step, steps, state)
    return (torch.cat(outputs) if outputs else state[0][:0]), final


_Steps = Sequence[tuple[Tensor, Tensor | None]]
"""At every step the input's contribution ``[n, G·H]``, and ``[n]`` whether the state is cut before it."""


def _forward(step: Step, steps: _Steps, state: State) -> tuple[list[Tensor], State]:
    """Rows leave as their sequences end; what they leave behind is their final state."""
    outputs: list[Tensor] = []
    ended: list[State] = []
    for x, cut in steps:
        if len(x) < len(state[0]):
            ended.append(tuple(part[len(x) :] for part in state))
            state = tuple(part[: len(x)] for part in state)
        state = step(x, _cut(state, cut))
        outputs.append(state[0])
    ended.append(state)
    final = tuple(torch.cat(parts) for parts in zip(*reversed(ended), strict=True))
    return outputs, final


def _backward(step: Step, steps: _Steps, initial: State) -> tuple[list[Tensor], State]:
    """Rows join, with their initial state, at their own last step."""
    outputs: list[Tensor] = []
    state = tuple(part[:0] for part in initial)
    for x, cut in reversed(steps):
        state = _joined(state, initial, len(x))
        state = step(x, _cut(state, cut))
        outputs.append(state[0])
    outputs.reverse()
    return outputs, _joined(state, initial, len(initial[0]))


def _cut(state: State, cut: Tensor | None) -> State:
    return state if cut is None else tuple(part.masked_fill(cut[:, None], 0) for part in state)


def _joined(state: State, initial: State, rows: int) -> State:
    running = len(state[0])
    if running == rows:
        return state
    return tuple(torch.cat([part, first[running:rows]]) for part, first in zip(state, initial, strict=True))
