"""Update rules and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from throughtime.train.config import TrainConfig

__all__ = ["make_optimizer", "schedule_factor"]


def make_optimizer(parameters: Iterable[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """SGD with momentum, Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019)."""
    parameters = list(parameters)
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    rule = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    # One pass over each weight instead of one an operation: a large embedding spends most of its time here.
    return rule(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def schedule_factor(config: TrainConfig, update: int, total: int) -> float:
    """What the learning rate is multiplied by at an update (from 0) of ``total``: a rise, then the way down.

    >>> config = TrainConfig(schedule="linear", warmup=0.2)
    >>> [round(schedule_factor(config, update, 10), 3) for update in range(10)]
    [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    """
    rise = round(config.warmup * total)
    if update < rise:
        return (update + 1) / rise
    done = min(1.0, (update - rise) / max(1, total - rise))
    if config.schedule == "linear":
        return 1 - done
    if config.schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 1.0
