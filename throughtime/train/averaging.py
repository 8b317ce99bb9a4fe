"""A moving average of the weights, which usually predicts better than the last weights themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from throughtime.train.protocol import Task

__all__ = ["WeightAverage"]


class WeightAverage:
    """Average of a task's parameters (Polyak & Juditsky 1992): an exponential moving one, or an even one.

    Args:
        task: whose parameters are averaged.
        decay: how much of the old average stays at each update. Early on less does, ``(1 + n) / (10 + n)`` after
            ``n`` updates, so that the random start is forgotten. 0 follows the weights themselves.
        even: in place of that, the mean of the weights at every update since :meth:`begin`; until then the weights
            themselves. With plain SGD it is the averaged SGD of Merity, Keskar & Socher (2018, section 4).

    Attributes:
        updates: how many have been averaged.
        begun: whether the average has begun; a moving one has from the start.
    """

    def __init__(self, task: Task, decay: float, *, even: bool = False) -> None:
        self.decay, self.even, self.updates, self.begun = decay, even, 0, not even
        self._parameters = dict(task.named_parameters())
        self.average: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in self._parameters.items() if decay or even
        }

    def begin(self) -> None:
        """Begin an even average, with the present weights as its first."""
        if not self.begun:
            self.begun, self.updates = True, 1

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        self.updates += self.begun
        decay = self._even_decay() if self.even else min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, average in self.average.items():
            average.lerp_(self._parameters[name].detach(), 1 - decay)

    def _even_decay(self) -> float:
        """What makes the ``n``-th weights count for an ``n``-th; those before the beginning for all."""
        return 1 - 1 / self.updates if self.begun else 0.0

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
