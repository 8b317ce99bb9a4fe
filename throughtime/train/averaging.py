"""A moving average of the weights, which usually predicts better than the last weights themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from throughtime.train.protocol import Task

__all__ = ["WeightAverage"]


class WeightAverage:
    """Exponential moving average of a task's parameters (Polyak & Juditsky 1992).

    Args:
        task: whose parameters are averaged.
        decay: how much of the old average stays at each update. Early on less does, ``(1 + n) / (10 + n)`` after
            ``n`` updates, so that the random start is forgotten. 0 follows the weights themselves.
    """

    def __init__(self, task: Task, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self._parameters = dict(task.named_parameters())
        self.average: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in self._parameters.items() if decay
        }

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, average in self.average.items():
            average.lerp_(self._parameters[name].detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The task holds the average inside, and its own weights again after."""
        kept = {name: self._parameters[name].detach().clone() for name in self.average}
        self._load(self.average)
        try:
            yield
        finally:
            self._load(kept)

    @torch.no_grad()
    def _load(self, weights: dict[str, Tensor]) -> None:
        for name, weight in weights.items():
            self._parameters[name].copy_(weight)
