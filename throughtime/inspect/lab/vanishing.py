"""Elman, GRU and LSTM side by side on one problem, to see how far back each of them learns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import nn

from throughtime.config import Config
from throughtime.data.batches import Batch
from throughtime.environment import cores
from throughtime.inspect.lab.explosion import DISTANCE, Explosion, explode
from throughtime.inspect.lab.network import Network
from throughtime.inspect.lab.problems import PROBLEMS, Problem
from throughtime.inspect.reach import Reach, measure
from throughtime.train.config import TrainConfig
from throughtime.train.optimizers import make_optimizer, schedule_factor

__all__ = ["CELLS", "LEARNING_RATES", "SOLVED", "Experiment", "Outcome", "Trained", "VanishingConfig", "run_vanishing"]

CELLS = ("elman", "gru", "lstm")
LEARNING_RATES = (1e-3, 3e-3, 1e-2)
"""Every cell is trained with each of them, and shown with the one that is best on sequences held out for this."""
SOLVED = 0.9
"""A distance counts as solved where so many answers are right."""
TESTS = 500
"""Sequences of each distance, to choose by and to test on."""
TIMED = 6
"""Updates of each distance that are timed for ``--minutes``, the first third of them not counted."""
FOR_TRAINING = 0.85
"""The share of the minutes that training may have; the tests, the measurements and the page take the rest."""
PROBES = 32
"""Sequences that gradients are measured on."""


class VanishingConfig(Config):
    """What is learnt, and for how long."""

    task: Literal["agreement", "adding", "copy"] = Field("agreement", description="the problem")
    distances: str = Field("5,10,20,40,80,160", description="how far back what is asked for was read")
    hidden_size: int = Field(64, ge=1, description="hidden units of each network")
    updates: int = Field(600, ge=1, description="updates of each network")
    batch_size: int = Field(32, ge=1, description="sequences in a batch")
    init: Literal["lasting", "torch"] = Field(
        "lasting",
        description="weights that begin made for long distances, each cell's own way, or as torch's layers do",
    )
    minutes: float = Field(4.5, gt=0, description="fewer updates where they would take longer than this")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="decides every random choice")
    threads: int = Field(1, ge=1, description="threads to compute with; networks so small gain nothing by more")

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
class Trained:
    """A cell trained and tested at one distance.

    Attributes:
        lr: the learning rate that did best.
        tried: for each learning rate the accuracy on the sequences to choose by.
        accuracy: with that learning rate, on other sequences.
        start: its reach before the first update.
        end: and after the last.
    """

    lr: float
    tried: dict[float, float]
    accuracy: float
    start: Reach
    end: Reach

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and words."""
        return {
            "lr": self.lr,
            "tried": {f"{lr:g}": share for lr, share in self.tried.items()},
            "accuracy": self.accuracy,
            "start": self.start.to_json(),
            "end": self.end.to_json(),
        }


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: ``elman``, ``gru`` or ``lstm``, its number of weights, and each distance's network."""

    cell: str
    weights: int
    trained: dict[int, Trained]

    @property
    def solved(self) -> int:
        """The furthest distance that it solves, with every shorter one; 0 for none."""
        furthest = 0
        for distance, trained in self.trained.items():
            if trained.accuracy < SOLVED:
                break
            furthest = distance
        return furthest

    @property
    def furthest(self) -> Trained:
        """The network of the furthest distance."""
        return self.trained[max(self.trained)]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and words."""
        distances = {str(distance): trained.to_json() for distance, trained in self.trained.items()}
        return {"cell": self.cell, "weights": self.weights, "solved": self.solved, "distances": distances}


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
                "distance": DISTANCE,
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

    For each distance every cell learns from sequences of that distance alone: no shorter ones show it the way, so the
    gradient must come all the way back. All networks see the same sequences, as many, in the same order.

    Args:
        config: the settings.
        tell: is called after every update of all networks of a distance.
    """
    begun = time.monotonic()
    torch.set_num_threads(min(config.threads, cores()))
    problem = PROBLEMS[config.task]
    distances = sorted({max(problem.nearest, distance) for distance in config.tested})
    updates = _affordable(problem, config, distances)
    found: dict[int, dict[str, Trained]] = {}
    for place, distance in enumerate(distances):
        said = _Said(tell, place * updates, len(distances) * updates, distance)
        found[distance] = _train(problem, config, distance, updates, said)
    outcomes = tuple(
        Outcome(cell, _weights(problem, config, cell), {distance: found[distance][cell] for distance in distances})
        for cell in CELLS
    )
    explosion = explode(config.seed)
    return Experiment(config, updates, time.monotonic() - begun, outcomes, explosion)


@dataclass(frozen=True)
class _Said:
    """Puts one distance's updates in their place among all."""

    tell: Told
    before: int
    total: int
    distance: int

    def __call__(self, done: int, losses: dict[tuple[str, float], float]) -> None:
        least = {cell: min(loss for (own, _), loss in losses.items() if own == cell) for cell in CELLS}
        words = ", ".join(f"{cell} {loss:.3f}" for cell, loss in least.items())
        self.tell(self.before + done, self.total, f"{words} at distance {self.distance}")


def _train(
    problem: Problem, config: VanishingConfig, distance: int, updates: int, said: Callable[[int, Any], None]
) -> dict[str, Trained]:
    """All cells with all learning rates, side by side on the same batches."""

    def sequences(part: str, count: int) -> Batch:
        return problem.batch(Random(f"{config.seed} {part} {distance}"), [distance] * count)

    learners = _learners(problem, config, distance)
    probe = sequences("probe", PROBES)
    starts = {cell: _measure(learners[cell, LEARNING_RATES[0]].network, probe) for cell in CELLS}
    random = Random(f"{config.seed} train {distance}")
    for update in range(updates):
        batch = problem.batch(random, [distance] * config.batch_size)
        said(update + 1, {key: learner.learn(batch, update, updates) for key, learner in learners.items()})
    choosing, testing = sequences("choose", TESTS), sequences("test", TESTS)
    trained = {}
    for cell in CELLS:
        networks = {lr: learner.network for (own, lr), learner in learners.items() if own == cell}
        tried = {lr: network.accuracy(choosing) for lr, network in networks.items()}
        lr = max(tried, key=lambda rate: tried[rate])
        best = networks[lr]
        trained[cell] = Trained(lr, tried, best.accuracy(testing), starts[cell], _measure(best, probe))
    return trained


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


def _network(problem: Problem, config: VanishingConfig, cell: str, distance: int) -> Network:
    torch.manual_seed(config.seed)
    return Network(problem, cell, config.hidden_size, lasting=distance if config.init == "lasting" else None)


def _weights(problem: Problem, config: VanishingConfig, cell: str) -> int:
    network = _network(problem, config, cell, problem.nearest)
    return sum(parameter.numel() for parameter in network.parameters())


def _learners(problem: Problem, config: VanishingConfig, distance: int) -> _Learners:
    """One for each cell and learning rate; those of a cell begin with the same weights."""
    return {(c, lr): _Learner(_network(problem, config, c, distance), lr) for c in CELLS for lr in LEARNING_RATES}


def _affordable(problem: Problem, config: VanishingConfig, distances: Sequence[int]) -> int:
    """How many updates the minutes allow, from some on networks of the same kind, which are then thrown away."""
    each = sum(_seconds(problem, config, distance) for distance in distances)
    return max(1, min(config.updates, int(FOR_TRAINING * 60 * config.minutes / each)))


def _seconds(problem: Problem, config: VanishingConfig, distance: int) -> float:
    """Of one update of all networks at a distance."""
    trial = _learners(problem, config, distance)
    random = Random(f"{config.seed} timing")
    taken = []
    for update in range(TIMED):
        begun = time.perf_counter()
        batch = problem.batch(random, [distance] * config.batch_size)
        for learner in trial.values():
            learner.learn(batch, update, TIMED)
        taken.append(time.perf_counter() - begun)
    counted = taken[TIMED // 3 :]
    return sum(counted) / len(counted)


def _measure(network: Network, probe: Batch) -> Reach:
    """Of whole sequences, however long: what is asked for stands at their beginning."""
    assert probe.targets is not None
    return measure(network, probe.inputs, probe.targets, steps=int(probe.inputs.lengths.max()))
