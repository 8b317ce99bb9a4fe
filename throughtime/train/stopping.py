"""When training ends. Each rule looks at the progress so far and gives its reason, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from throughtime.train.config import TrainConfig
from throughtime.train.plan import Plan

__all__ = ["Progress", "Rule", "stop_rules"]


@dataclass
class Progress:
    """What the rules look at.

    Attributes:
        updates: updates done.
        epochs: whole passes over the data done.
        epoch_loss: mean training loss of the last whole epoch, per sequence.
        stale: evaluations since the best one.
        seconds: time spent, all parts of a resumed run together.
    """

    updates: int = 0
    epochs: int = 0
    epoch_loss: float | None = None
    stale: int = 0
    seconds: float = 0.0


Rule = Callable[[Progress], str | None]

LATE = 1.04
"""How far over ``--minutes`` a run may go when the machine turns out slower than it was timed."""


def stop_rules(config: TrainConfig, plan: Plan) -> list[Rule]:
    """The rules of a run, in the order in which they are asked.

    >>> plan = Plan(updates=30, per_epoch=10, bound="--epochs", epochs=3, seconds=1.0, limit=None)
    >>> rules = stop_rules(TrainConfig(epochs=3), plan)
    >>> [rule(Progress(epochs=3)) for rule in rules]
    [None, '3 epochs are done (--epochs)']
    """
    rules: list[Rule] = [_loss_zero]
    if config.until_loss is not None:
        rules.append(_loss_below(config.until_loss))
    if config.patience is not None:
        rules.append(_patience(config.patience))
    rules.append(_updates(plan.updates, plan.bound) if plan.epochs is None else _epochs(plan.epochs))
    if plan.limit is not None:
        rules.append(_late(plan.limit))
    return rules


def _loss_zero(progress: Progress) -> str | None:
    return "the training loss is zero" if progress.epoch_loss is not None and progress.epoch_loss <= 0 else None


def _loss_below(limit: float) -> Rule:
    def rule(progress: Progress) -> str | None:
        if progress.epoch_loss is not None and progress.epoch_loss < limit:
            return f"the epoch's training loss {progress.epoch_loss:.4g} is below {limit:g} (--until-loss)"
        return None

    return rule


def _patience(limit: int) -> Rule:
    def rule(progress: Progress) -> str | None:
        if progress.stale >= limit:
            return f"no better validation score in {limit} evaluation{'s' if limit > 1 else ''} (--patience)"
        return None

    return rule


def _updates(limit: int, flag: str) -> Rule:
    def rule(progress: Progress) -> str | None:
        return f"{limit} update{'s are' if limit > 1 else ' is'} done ({flag})" if progress.updates >= limit else None

    return rule


def _epochs(limit: int) -> Rule:
    def rule(progress: Progress) -> str | None:
        if progress.epochs >= limit:
            return f"{limit} epoch{'s are' if limit > 1 else ' is'} done (--epochs)"
        return None

    return rule


def _late(limit: float) -> Rule:
    def rule(progress: Progress) -> str | None:
        if progress.updates and progress.seconds > LATE * limit:
            return f"time is up after {progress.updates} updates: the machine is slower than it was timed (--minutes)"
        return None

    return rule
