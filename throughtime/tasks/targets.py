"""What all tasks share of their targets and metrics: how people call them, and what a batch must have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "EVENTS",
    "PAIRS",
    "PASSAGES",
    "PIECES",
    "SENTENCES",
    "TEXTS",
    "Measure",
    "Names",
    "Unlabelled",
    "entropy",
    "known",
    "number_name",
]


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
        curve: whether the report draws it.
        digits: how many are shown behind the point, but of a share.

    >>> Measure("accuracy", "accuracy", percent=True).shown(0.8215), Measure("loss", "loss").shown(None)
    ('82.15%', '–')
    >>> Measure("bleu", "BLEU", digits=2).shown(39.6293)
    '39.63'
    """

    key: str
    title: str
    percent: bool = False
    curve: bool = True
    digits: int = 4

    def shown(self, value: float | None) -> str:
        """The value in words."""
        if value is None:
            return "–"
        return f"{value:.2%}" if self.percent else f"{value:.{self.digits}f}"


class Names(NamedTuple):
    """What a task's data is called where people read of it."""

    example: str
    """An example of a file."""
    text: str
    """What is read of it."""
    token: str
    """A step of that."""
    counted: tuple[tuple[str, str], ...]
    """What metrics are of, by their names there and in words; the last is what they are means over."""


TEXTS = Names("row", "text", "token", (("examples", "examples"),))
SENTENCES = Names("sentence", "sentence", "word", (("sequences", "sentences"), ("tokens", "words")))
PASSAGES = Names("character", "text", "symbol", (("sequences", "texts"), ("tokens", "symbols")))
PIECES = Names("piece", "piece", "frame", (("sequences", "pieces"), ("frames", "frames")))
PAIRS = Names("pair", "source", "symbol", (("tokens", "symbols"), ("pairs", "pairs")))
EVENTS = Names("piece", "piece", "event", (("sequences", "pieces"), ("tokens", "events")))


def known(targets: Tensor | None) -> Tensor:
    """The targets of a batch that must have some."""
    if targets is None:
        raise ValueError("expected a batch with targets, found one without")
    return targets


class Unlabelled:
    """Targets of a task whose answers are no labels: symbols, chords, texts."""

    @classmethod
    def strata(cls, examples: Sequence[Any]) -> list[str]:
        """All are of one kind."""
        return [""] * len(examples)

    @property
    def labels(self) -> list[str]:
        """None."""
        return []


def entropy(counts: Sequence[int]) -> float:
    """Nats that guessing a symbol by frequency alone costs.

    >>> round(entropy([0, 4, 4]), 4), entropy([0, 4])
    (0.6931, 0.0)
    """
    shares = torch.tensor([count for count in counts if count], dtype=torch.float64)
    shares = shares / shares.sum()
    return max(0.0, float(-(shares * shares.log()).sum()))  # of one symbol, no -0.0
