"""How long an update and an evaluation take, measured on a copy so that training itself is not touched."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from throughtime.data.batches import Batched
from throughtime.errors import NonFiniteLossError
from throughtime.train.averaging import WeightAverage
from throughtime.train.config import TrainConfig
from throughtime.train.loop import Place, train_steps
from throughtime.train.optimizers import make_optimizer
from throughtime.train.protocol import Task

__all__ = ["Timing", "measure"]


EVALUATED = 32
"""Batches that one evaluation's time is told from: of large data the whole of it would keep a run from beginning."""


@dataclass(frozen=True)
class Timing:
    """Seconds: an average update's, one evaluation's; and what was spent on finding out."""

    update: float
    evaluation: float
    spent: float


def measure(
    task: Task,
    batches: Batched,
    valid: Batched | None,
    config: TrainConfig,
    seconds: float,
    most: int | None = None,
) -> Timing:
    """Time updates for about ``seconds``, at least three and at most ``most``, and one evaluation.

    The updates timed are the first of the first epoch; their times, as a line through batch length and batch tokens,
    give the mean over the whole epoch. Random states are put back, so that what follows is as if nothing had been.
    """
    begun = time.perf_counter()
    cuda = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=cuda):
        trial = copy.deepcopy(task)
        trial.train()
        evaluation = _time_evaluation(trial, valid)
        taken, sizes = _time_updates(trial, batches, config, time.perf_counter() + seconds, most or sys.maxsize)
    update = _mean_over_epoch(np.array(taken), np.array(sizes), batches)
    return Timing(update, evaluation, time.perf_counter() - begun)


def _time_evaluation(trial: Task, valid: Batched | None) -> float:
    """Of a sample of the batches, evenly spread from the longest to the shortest sequences, where there are many."""
    if valid is None:
        return 0.0
    trial.evaluate([next(iter(valid))])  # the first one also imports the metrics
    plan = valid.plan()
    places = np.unique(np.linspace(0, len(plan) - 1, EVALUATED).round().astype(int))
    begun = time.perf_counter()
    trial.evaluate(valid.load(plan[place]) for place in places)
    taken = time.perf_counter() - begun
    tokens = _sizes(valid, plan)[:, 1]
    return float(taken * tokens.sum() / max(1, tokens[places].sum()))


def _time_updates(
    trial: Task, batches: Batched, config: TrainConfig, until: float, most: int
) -> tuple[list[float], list[tuple[int, int]]]:
    place = Place()
    steps = train_steps(
        trial,
        batches,
        make_optimizer(trial.parameters(), config),
        WeightAverage(trial, config.average, even=config.average_after is not None),
        config,
        place,
        1,
    )
    taken: list[float] = []
    sizes: list[tuple[int, int]] = []
    plan = batches.plan(0)
    now = time.perf_counter()
    while len(taken) < 3 or (now < until and len(taken) < most):
        if place.batch == 0:
            plan = batches.plan(place.epoch)
        sizes.append(batches.size(plan[place.batch]))
        try:
            next(steps)
        except NonFiniteLossError:  # the run itself will say so, if it comes to that
            sizes.pop()
            break
        before, now = now, time.perf_counter()
        taken.append(now - before)
    if len(taken) > 20:  # the first updates also make the library's own preparations
        return taken[5:], sizes[5:]
    return taken, sizes


def _mean_over_epoch(taken: np.ndarray, sizes: np.ndarray, batches: Batched) -> float:
    if len(taken) < 10:
        return float(taken.mean()) if len(taken) else 0.0
    line, *_ = np.linalg.lstsq(np.column_stack([np.ones(len(sizes)), sizes]), taken, rcond=None)
    estimate = float(np.array([1, *_sizes(batches, batches.plan(0)).mean(0)]) @ line)
    # A line through few points may lean anywhere: it corrects the plain mean, within reason.
    return float(np.clip(estimate, 0.7 * taken.mean(), 1.4 * taken.mean()))


def _sizes(batches: Batched, plan: Sequence[Any]) -> np.ndarray:
    """``[n, 2]``: of each planned batch the longest sequence's steps, and all steps."""
    return np.fromiter(map(batches.size, plan), np.dtype((np.int64, 2)), len(plan))
