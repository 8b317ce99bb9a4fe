"""The settings of the learning algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from throughtime.config import Config

__all__ = ["MusicTrainConfig", "PassageTrainConfig", "TrainConfig"]

_ENDS = ("epochs", "least_updates")
"""What a task says of when to end."""


class TrainConfig(Config):
    """How a model learns."""

    optimizer: Literal["sgd", "adam", "adamw"] = Field("adam", description="the update rule")
    lr: float = Field(4e-3, gt=0, description="learning rate at its highest")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    weight_decay: float = Field(0.0, ge=0, description="pull of the weights towards zero")
    schedule: Literal["constant", "linear", "cosine"] = Field("cosine", description="the learning rate's way to zero")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of all updates over which the learning rate rises")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the weights' moving average; 0 for none")
    average_after: int | None = Field(
        None,
        ge=1,
        description="average the weights evenly, in place of the moving average, "
        "from when so many evaluations have brought nothing better",
    )
    clip_norm: float | None = Field(1.0, gt=0, description="scale a gradient down to this norm")
    clip_value: float | None = Field(None, gt=0, description="cut each element of the gradient to this size")
    batch_size: int = Field(32, ge=1, le=1_000_000, description="sequences of average length in a batch")
    batch_tokens: int | None = Field(None, ge=1, description="tokens in a batch, in place of --batch-size")
    epochs: int | None = Field(
        None, ge=1, description="stop after so many passes over the data (the task says how many, if nothing else does)"
    )
    least_updates: int | None = Field(
        None, ge=1, description="pass over little data more often than --epochs says, until there were so many updates"
    )
    updates: int | None = Field(None, ge=1, description="stop after so many updates")
    minutes: float | None = Field(None, gt=0, description="stop after so many minutes, reading and reporting included")
    patience: int | None = Field(None, ge=1, description="stop after so many evaluations without a better score")
    until_loss: float | None = Field(None, gt=0, description="stop once an epoch's mean training loss is below this")
    checkpoint_seconds: float = Field(30.0, ge=0, description="seconds between checkpoints")

    def settled_with(self, usual: Mapping[str, Any]) -> TrainConfig:
        """With what usually suits, where nothing else was said.

        When to end only where nothing else tells; rates and decays only with the update rule that they are of.

        >>> usual = {"epochs": 6, "lr": 0.1}
        >>> TrainConfig().settled_with(usual).epochs, TrainConfig(updates=10).settled_with(usual).epochs
        (6, None)
        >>> given = (TrainConfig(), TrainConfig(lr=0.2), TrainConfig(optimizer="sgd"))
        >>> [train.settled_with(usual).lr for train in given]
        [0.1, 0.2, 0.004]
        """
        left = {name: value for name, value in usual.items() if name not in self.model_fields_set}
        if self.epochs or self.updates or self.minutes:
            left = {name: value for name, value in left.items() if name not in _ENDS}
        if "optimizer" in self.model_fields_set:
            left = {name: value for name, value in left.items() if name in _ENDS}
        return self.model_copy(update=left)


class PassageTrainConfig(TrainConfig):
    """How a language model learns."""

    # Its weights move further than a classifier's, and a longer average of them is behind.
    average: float = Field(0.98, ge=0, lt=1, description="decay of the weights' moving average; 0 for none")


class MusicTrainConfig(TrainConfig):
    """How a model of chords learns."""

    # Few pieces make few updates: a longer average would hold on to the beginning.
    average: float = Field(0.99, ge=0, lt=1, description="decay of the weights' moving average; 0 for none")
    batch_size: int = Field(16, ge=1, le=1_000_000, description="pieces of average length in a batch")
