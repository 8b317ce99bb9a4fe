"""Elman, GRU and LSTM side by side on one problem: how far back does each of them learn?"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import nn

from throughtime.config import Config
from throughtime.data.batches import Batch
from throughtime.inspect.lab.explosion import Explosion, explode
from throughtime.inspect.lab.network import Network
from throughtime.inspect.lab.problems import PROBLEMS, Problem, log_uniform
from throughtime.inspect.reach import Reach, measure
from throughtime.train.config import TrainConfig
from throughtime.train.optimizers import make_optimizer, schedule_factor

__all__ = ["CELLS", "LEARNING_RATES", "SOLVED", "Experiment", "Outcome", "VanishingConfig", "run_vanishing"]

CELLS = ("elman", "gru", "lstm")
LEARNING_RATES = (1e-3, 3e-3, 1e-2)
"""Every cell is trained with each of them, and shown with the one that is best on sentences held out for this."""
SOLVED = 0.9
"""A distance counts as solved where so many answers are right, there and at every shorter distance tested."""
TESTS = 500
"""Sequences of each distance, to choose by and to test on."""
TIMED = 12
"""Updates that are timed for ``--minutes``, the first third of them not counted."""


class VanishingConfig(Config):
    """What is learnt, and for how long."""

    task: Literal["agreement", "adding", "copy"] = Field("agreement", description="the problem")
    distances: str = Field("5,10,20,40,80,160", description="how far back to test; trained on all up to the furthest")
    hidden_size: int = Field(64, ge=1, description="hidden units of each network")
    updates: int = Field(2000, ge=1, description="updates of each network")
    batch_size: int = Field(64, ge=1, description="sequences in a batch")
    init: Literal["torch", "orthogonal"] = Field(
        "torch", description="how weights begin: as torch's layers do, or with orthogonal recurrent matrices"
    )
    minutes: float = Field(4.5, gt=0, description="fewer updates where they would take longer than this")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="decides every random choice")
    threads: int = Field(2, ge=1, description="threads to compute with, where there are so many cores")

    @field_validator("distances")
    @classmethod
    def _check_distances(cls, value: str) -> str:
        words = value.split(",")
        if not all(word.strip().isdecimal() and 0 < int(word) <= FURTHEST for word in words):
            raise ValueError(f"expected whole numbers from 1 to {FURTHEST} with commas between them")
        return value

    @property
    def tested(self) -> list[int]:
        """The distances, in order.

        >>> VanishingConfig(distances="20,5").tested
        [5, 20]
        """
        return sorted({int(word) for word in self.distances.split(",")})


FURTHEST = 10_000


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes:
        cell: ``elman``, ``gru`` or ``lstm``.
        weights: how many the network has.
        lr: the learning rate that did best.
        tried: for each learning rate the mean accuracy over the distances, on the sequences to choose by.
        accuracy: for each distance, on other sequences.
        start: its reach before the first update, at the furthest distance.
        end: and after the last.
    """

    cell: str
    weights: int
    lr: float
    tried: dict[float, float]
    accuracy: dict[int, float]
    start: Reach
    end: Reach

    @property
    def solved(self) -> int:
        """The furthest distance that it solves, with every shorter one; 0 for none."""
        furthest = 0
        for distance, share in self.accuracy.items():
            if share < SOLVED:
                break
            furthest = distance
        return furthest

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and words."""
        return {
            "cell": self.cell,
            "weights": self.weights,
            "lr": self.lr,
            "tried": {f"{lr:g}": share for lr, share in self.tried.items()},
            "accuracy": {str(distance): share for distance, share in self.accuracy.items()},
            "solved": self.solved,
            "start": self.start.to_json(),
            "end": self.end.to_json(),
        }


@dataclass(frozen=True)
class Experiment:
    """Everything that the page shows. ``updates`` is what ``--minutes`` left of them; ``seconds`` what all took."""

    config: VanishingConfig
    updates: int
    seconds: float
    outcomes: tuple[Outcome, ...]
    explosion: Explosion

    @property
    def problem(self) -> Problem:
        """What was learnt."""
        return PROBLEMS[self.config.task]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and words; what is not finite is null."""
        runs = {"free": self.explosion.free, "clipped": self.explosion.clipped}
        return {
            "settings": self.config.model_dump(),
            "updates": self.updates,
            "seconds": round(self.seconds, 1),
            "cells": [outcome.to_json() for outcome in self.outcomes],
            "explosion": {
                "distance": self.explosion.distance,
                **{
                    name: {
                        "ended": run.ended,
                        "losses": [loss if math.isfinite(loss) else None for loss in run.losses],
                        "norms": [norm if math.isfinite(norm) else None for norm in run.norms],
                    }
                    for name, run in runs.items()
                },
            },
        }


Told = Callable[[int, int, str], None]
"""Is told how it goes: updates done, updates in all, and a word on it."""


def run_vanishing(config: VanishingConfig, tell: Told = lambda done, total, word: None) -> Experiment:
    """Train, measure and explode; the same settings on the same machine give the same numbers.

    All networks learn from the same sequences, as many, in the same order. The distance of each is drawn from the
    nearest to the furthest, short ones more often, as in real texts: :func:`log_uniform`.

    Args:
        config: the settings.
        tell: is called after every update.
    """
    begun = time.monotonic()
    torch.set_num_threads(min(config.threads, os.cpu_count() or 1))
    problem = PROBLEMS[config.task]
    distances = sorted({max(problem.nearest, distance) for distance in config.tested})
    learners = _learners(problem, config)
    probe = problem.batch(Random(f"{config.seed} probe"), [distances[-1]] * 32)
    starts = {cell: _measure(learners[cell, LEARNING_RATES[0]].network, probe) for cell in CELLS}
    updates = _affordable(problem, config, distances[-1])
    random = Random(f"{config.seed} train")
    for update in range(updates):
        batch = _training_batch(problem, config, distances[-1], random)
        losses = {key: learner.learn(batch, update, updates) for key, learner in learners.items()}
        tell(update + 1, updates, ", ".join(f"{cell} {_least(losses, cell):.3f}" for cell in CELLS))
    choosing, testing = (
        {d: problem.batch(Random(f"{config.seed} {part} {d}"), [d] * TESTS) for d in distances}
        for part in ("choose", "test")
    )
    outcomes = tuple(_outcome(cell, learners, choosing, testing, starts[cell], probe) for cell in CELLS)
    explosion = explode(problem, config.seed, distances[-1])
    return Experiment(config, updates, time.monotonic() - begun, outcomes, explosion)


class _Learner:
    """A network and what changes its weights."""

    def __init__(self, network: Network, lr: float) -> None:
        self.network = network
        self.config = TrainConfig(lr=lr, schedule="cosine", warmup=0.05, clip_norm=1.0)
        self.optimizer = make_optimizer(network.parameters(), self.config)

    def learn(self, batch: Batch, update: int, total: int) -> float:
        """One update; the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * schedule_factor(self.config, update, total)
        self.optimizer.zero_grad()
        loss, _ = self.network.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


_Learners = dict[tuple[str, float], _Learner]


def _learners(problem: Problem, config: VanishingConfig) -> _Learners:
    """One for each cell and learning rate; those of a cell begin with the same weights."""
    learners = {}
    for cell in CELLS:
        torch.manual_seed(config.seed)
        network = Network(problem, cell, config.hidden_size, orthogonal=config.init == "orthogonal")
        learners.update({(cell, lr): _Learner(copy.deepcopy(network), lr) for lr in LEARNING_RATES})
    return learners


def _training_batch(problem: Problem, config: VanishingConfig, furthest: int, random: Random) -> Batch:
    return problem.batch(random, [log_uniform(random, problem.nearest, furthest) for _ in range(config.batch_size)])


def _affordable(problem: Problem, config: VanishingConfig, furthest: int) -> int:
    """How many updates the minutes allow, from some on networks of the same kind, which are then thrown away."""
    trial = _learners(problem, config)
    random = Random(f"{config.seed} timing")
    taken = []
    for update in range(TIMED):
        begun = time.perf_counter()
        batch = _training_batch(problem, config, furthest, random)
        for learner in trial.values():
            learner.learn(batch, update, TIMED)
        taken.append(time.perf_counter() - begun)
    each = sum(taken[TIMED // 3 :]) / len(taken[TIMED // 3 :])
    return max(1, min(config.updates, int(FOR_TRAINING * 60 * config.minutes / each)))


FOR_TRAINING = 0.85
"""The share of the minutes that training may have; the tests, the measurements and the page take the rest."""


def _least(losses: dict[tuple[str, float], float], cell: str) -> float:
    return min(loss for (own, _), loss in losses.items() if own == cell)


def _measure(network: Network, probe: Batch) -> Reach:
    assert probe.targets is not None
    return measure(network, probe.inputs, probe.targets)


def _outcome(
    cell: str, learners: _Learners, choosing: dict[int, Batch], testing: dict[int, Batch], start: Reach, probe: Batch
) -> Outcome:
    """The network with the learning rate that did best, on sequences that had no part in the choice."""
    networks = {lr: learner.network.eval() for (own, lr), learner in learners.items() if own == cell}
    tried = {lr: sum(map(network.accuracy, choosing.values())) / len(choosing) for lr, network in networks.items()}
    lr = max(tried, key=lambda rate: tried[rate])
    best = networks[lr]
    accuracy = {distance: best.accuracy(batch) for distance, batch in testing.items()}
    weights = sum(parameter.numel() for parameter in best.parameters())
    return Outcome(cell, weights, lr, tried, accuracy, start, _measure(best, probe))
