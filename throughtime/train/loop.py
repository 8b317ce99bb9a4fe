"""The learning algorithm: back-propagation through time, one update a step, as a generator.

Saving, showing and stopping are ordinary code around it (:mod:`throughtime.train.run`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from throughtime.data.batches import Batched
from throughtime.errors import NonFiniteLossError
from throughtime.train.averaging import WeightAverage
from throughtime.train.config import TrainConfig
from throughtime.train.optimizers import schedule_factor
from throughtime.train.protocol import Task

__all__ = ["Place", "Step", "train_steps"]


@dataclass
class Place:
    """Where training stands: ``update`` updates done, ``batch`` batches of epoch ``epoch``.

    ``state`` is what the task carries from one batch to the next, if it does: a tuple of tensors.
    """

    epoch: int = 0
    batch: int = 0
    update: int = 0
    state: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class Step:
    """One update. ``loss`` is the batch's mean, ``norm`` the gradient's before clipping, ``lr`` the rate used."""

    loss: float
    norm: float
    clipped: bool
    lr: float
    sequences: int
    tokens: int
    ends_epoch: bool


def train_steps(
    task: Task,
    batches: Batched,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    config: TrainConfig,
    place: Place,
    total: int,
) -> Iterator[Step]:
    """Train without end, an update a step; the caller stops.

    Args:
        task: gives the loss.
        batches: what to learn from; epoch ``n`` is the same each time it is made.
        optimizer: changes the weights.
        average: follows them.
        config: clipping and the schedule.
        place: where to begin; moved along.
        total: updates over which the learning rate takes its course.

    Raises:
        NonFiniteLossError: when the loss or its gradient is NaN or infinite, before the weights are touched; it
            names the batch's rows.
    """
    while True:
        plan = batches.plan(place.epoch)
        while place.batch < len(plan):
            batch = replace(batches.load(plan[place.batch]), update=place.update)
            lr = config.lr * schedule_factor(config, place.update, total)
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.zero_grad()
            loss, place.state = task.loss(batch, place.state)
            loss.backward()
            value = loss.item()
            norm, clipped = _clip(task, config)
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise NonFiniteLossError(_report(value, norm, place, batches.places(batch.rows)))
            optimizer.step()
            average.update()
            place.update += 1
            place.batch += 1
            ends = place.batch == len(plan)
            if ends:
                place.epoch, place.batch = place.epoch + 1, 0
            yield Step(value, norm, clipped, lr, len(batch), len(batch.inputs.values), ends)
            if ends:
                break


def _clip(task: Task, config: TrainConfig) -> tuple[float, bool]:
    """The gradient's norm before clipping, and whether clipping changed it (Pascanu et al. 2013)."""
    gradients = [parameter.grad for parameter in task.parameters() if parameter.grad is not None]
    norm = float(nn.utils.get_total_norm(gradients))
    clipped = False
    if config.clip_value is not None and math.isfinite(norm):
        clipped = any(float(gradient.abs().max()) > config.clip_value for gradient in gradients)
        nn.utils.clip_grad_value_(task.parameters(), config.clip_value)
    if config.clip_norm is not None and norm > config.clip_norm:
        clipped = True
        nn.utils.clip_grad_norm_(task.parameters(), config.clip_norm)
    return norm, clipped


def _report(loss: float, norm: float, place: Place, rows: list[str]) -> str:
    named = ", ".join(rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
    what = f"loss {loss}" if not math.isfinite(loss) else f"gradient norm {norm}"
    return (
        f"expected a finite loss and gradient, found {what} at update {place.update + 1} "
        f"(epoch {place.epoch + 1}), in the batch of {named}; a lower --lr or --clip-norm usually helps"
    )
