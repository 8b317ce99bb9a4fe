"""What a task is to tell of a text: how labels in a file become targets, and answers become words and columns again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from throughtime.data.columns import Example

__all__ = ["SENTENCES", "TEXTS", "Measure", "Names", "Targets", "number_name"]


def number_name(value: float) -> str:
    """A number as people write it: every number has a name of its own, and a whole one no point.

    >>> number_name(3.0), number_name(20240101.0), number_name(0.1), number_name(-0.0)
    ('3', '20240101', '0.1', '0')
    """
    return repr(float(value) + 0.0).removesuffix(".0")  # a zero more: -0.0 is 0 too


@dataclass(frozen=True)
class Measure:
    """A metric as people read it.

    Attributes:
        key: its name in ``evaluate --json``.
        title: its name in words.
        percent: whether it is a share.

    >>> Measure("accuracy", "accuracy", percent=True).shown(0.8215), Measure("loss", "loss").shown(None)
    ('82.15%', '–')
    """

    key: str
    title: str
    percent: bool = False

    def shown(self, value: float | None) -> str:
        """The value in words."""
        if value is None:
            return "–"
        return f"{value:.2%}" if self.percent else f"{value:.4f}"


class Names(NamedTuple):
    """What a task's data is called where people read of it."""

    example: str
    """An example of a file."""
    text: str
    """What is read of it."""
    token: str
    """A step of that."""


TEXTS, SENTENCES = Names("row", "text", "token"), Names("sentence", "sentence", "word")


class Targets(Protocol):
    """The answers that a task can give, learnt from the training data; ``labels.json`` keeps them.

    An answer is a row of ``K`` numbers, as the task's ``answers`` gives them.
    """

    @classmethod
    def value(cls, example: Example) -> str | float | None:
        """What an example's label is to the task.

        Raises:
            DataError: for a label that cannot be a target, with its place.
        """

    @classmethod
    def strata(cls, examples: Sequence[Example]) -> list[str]:
        """What each example is like, so that a split can keep every kind's share."""

    @property
    def labels(self) -> list[str]:
        """The names of the classes or grades; empty where answers are numbers of any size."""

    def encode(self, examples: Sequence[Example]) -> Tensor:
        """``[M]`` targets.

        Raises:
            DataError: for a label that cannot be one, with its place.
        """

    def to_json(self) -> Any:
        """What ``labels.json`` holds."""

    def in_words(self) -> str:
        """What is known of them before training, in a sentence."""

    def title(self) -> str:
        """The model's name, from what it tells."""

    def answer_names(self) -> list[str]:
        """What each of an answer's ``K`` numbers is."""

    def columns(self) -> list[str]:
        """Names of what :meth:`cells` gives."""

    def cells(self, answer: np.ndarray) -> list[str | float]:
        """What ``predict`` writes beside a row: the answer itself comes first."""
