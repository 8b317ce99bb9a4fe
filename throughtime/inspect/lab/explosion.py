"""The other end of the same product: a gradient that explodes, and clipping that saves the run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import torch
from torch import nn

from throughtime.inspect.lab.network import Network
from throughtime.inspect.lab.problems import PROBLEMS, Problem
from throughtime.nn.init import initialise_recurrent
from throughtime.nn.recurrent import RNN

__all__ = ["CLIP", "DISTANCE", "LR", "NAIVE", "Explosion", "Run", "explode"]

UPDATES, BATCH, HIDDEN, DISTANCE = 500, 32, 64, 80
LR, CLIP = 0.03, 1.0
NAIVE = 1 / 24
"""The loss of always saying 0.5: the answer's variance."""


@dataclass(frozen=True)
class Run:
    """A run update by update, up to the first loss that is no number.

    Attributes:
        losses: before each update; the last may be NaN.
        norms: of the gradient, before clipping.
    """

    losses: tuple[float, ...]
    norms: tuple[float, ...]

    @property
    def ended(self) -> int | None:
        """The update, from 1, at which the loss was NaN; none where it never was."""
        return len(self.losses) if math.isnan(self.losses[-1]) else None


@dataclass(frozen=True)
class Explosion:
    """The same run twice, without and with clipping."""

    free: Run
    clipped: Run


def explode(seed: int, updates: int = UPDATES) -> Explosion:
    """Add two marked numbers ``DISTANCE`` steps back, by rectified Elman units that begin as the identity.

    The identity start is that of Le, Jaitly & Hinton 2015, who keep such a network in check by clipping: the gradient
    neither fades nor grows at first, and one long step of the weights is enough for it to grow with every step of time.
    Clipping is that of Pascanu, Mikolov & Bengio 2013: a gradient longer than ``CLIP`` is made that long.

    Args:
        seed: decides the weights and the sequences, which are the same in both runs.
        updates: of each run.
    """
    free, clipped = (_descend(seed, updates, clip) for clip in (None, CLIP))
    return Explosion(free, clipped)


def _descend(seed: int, updates: int, clip: float | None) -> Run:
    problem = PROBLEMS["adding"]
    random = Random(f"{seed} explosion")
    torch.manual_seed(seed)
    network = _rectified(problem)
    optimizer = torch.optim.SGD(network.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    losses: list[float] = []
    norms: list[float] = []
    while len(losses) < updates and not (losses and math.isnan(losses[-1])):
        loss, _ = network.loss(problem.batch(random, [DISTANCE] * BATCH))
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        norms.append(float(nn.utils.get_total_norm(gradients)))
        if clip is not None:
            nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        schedule.step()
    return Run(tuple(losses), tuple(norms))


@torch.no_grad()
def _rectified(problem: Problem) -> Network:
    network = Network(problem, "elman", HIDDEN)
    network.recurrent = RNN(problem.input_size, HIDDEN, nonlinearity="relu")
    initialise_recurrent(network.recurrent)
    dict(network.recurrent.named_parameters())["weight_hh_l0"].copy_(torch.eye(HIDDEN))
    return network
