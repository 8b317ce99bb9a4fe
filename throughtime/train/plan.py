"""What a run sets out to do: how many updates, from the settings or from a short timing."""

from __future__ import annotations

import time
from dataclasses import dataclass

from throughtime.data.batches import Batched
from throughtime.errors import TrainingError, UsageError
from throughtime.train.config import TrainConfig
from throughtime.train.protocol import Task
from throughtime.train.timing import measure

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """Fixed before the first update, and kept in the checkpoints, so that a run can be repeated and resumed.

    Attributes:
        updates: over which the learning rate takes its course.
        per_epoch: updates an epoch.
        bound: the option that ends it: ``--epochs``, ``--updates`` or ``--minutes``.
        epochs: whole epochs, where these end it.
        seconds: how long it will take, as timed.
        limit: what ``--minutes`` leaves for training, in seconds.
    """

    updates: int
    per_epoch: int
    bound: str
    epochs: int | None
    seconds: float
    limit: float | None


def make_plan(task: Task, batches: Batched, valid: Batched | None, config: TrainConfig, deadline: float | None) -> Plan:
    """Time some updates on a copy and settle how many there will be.

    Args:
        task: what is trained; it is not touched.
        batches: to learn from.
        valid: evaluated after every epoch.
        config: the settings.
        deadline: for ``--minutes``: when training must have ended, by ``time.monotonic``.

    Raises:
        TrainingError: there is nothing to learn from.
        UsageError: nothing says when to end.
    """
    per_epoch = len(batches.plan(0))
    if not per_epoch:
        raise TrainingError("expected sequences to learn from, found none")
    room = None if deadline is None else deadline - time.monotonic()
    bounds: dict[str, int] = {}
    if config.updates is not None:
        bounds["--updates"] = config.updates
    if config.epochs is not None:
        bounds["--epochs"] = max(config.epochs, -(-(config.least_updates or 0) // per_epoch)) * per_epoch
    seconds = 1.0 if room is None else min(20.0, max(1.0, 0.04 * room))
    # Without a limit it is only told how long it will take: what is soon over need not be foretold for a second.
    most = min(bounds.values()) // 10 if bounds and room is None else None
    timing = measure(task, batches, valid, config, seconds, most)
    if room is not None:
        room -= timing.spent
        each = max(1e-6, timing.update + timing.evaluation / per_epoch)
        bounds["--minutes"] = max(1, int((room - timing.evaluation) / each))
    if not bounds:
        raise UsageError("expected --epochs, --updates or --minutes, found none of them")
    bound = min(bounds, key=lambda name: bounds[name])
    updates = bounds[bound]
    seconds = updates * timing.update + -(-updates // per_epoch) * timing.evaluation
    return Plan(updates, per_epoch, bound, updates // per_epoch if bound == "--epochs" else None, seconds, room)
