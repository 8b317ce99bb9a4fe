"""Ragged batches: filled to a budget of tokens, of similar lengths, in an order that the seed and epoch decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from throughtime.data.mapped import Mapped
from throughtime.data.words import Words
from throughtime.ragged import Ragged

__all__ = ["Batch", "Batched", "Batches", "Dataset"]


@dataclass(frozen=True)
class Dataset:
    """Encoded examples, on the CPU or in a file: ``M`` sequences, and their targets (class numbers, or others).

    Attributes:
        inputs: :class:`Ragged`, its symbols integers of any size, to take little room; or :class:`Words`.
        targets: ``[M]``, one a sequence; or one a step, ragged as the inputs are.
        examples: what was encoded; messages name their places.
        mapped: the file that the inputs' values lie in, if they do.
    """

    inputs: Any
    targets: Tensor | Ragged | None = None
    examples: Sequence[Any] = ()
    mapped: Mapped | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Tensor) -> Any:
        """The sequences of these rows, symbols as int64."""
        taken = self.inputs.take(rows)
        if self.mapped is not None:
            self.mapped.release()
        if isinstance(taken, Words) or taken.values.is_floating_point():
            return taken
        return taken.with_values(taken.values.long())

    def take_targets(self, rows: Tensor) -> Tensor | None:
        """The targets of these rows: one a sequence, or one for each of their steps."""
        if self.targets is None:
            return None
        return self.targets.take(rows).values.long() if isinstance(self.targets, Ragged) else self.targets[rows]

    def places(self, rows: Iterable[int]) -> list[str]:
        """Where these rows stand in the user's file."""
        if not self.examples:
            return [f"row {row + 1}" for row in rows]
        return [f"{example.path} line {example.line}" for example in map(self.examples.__getitem__, rows)]


@dataclass(frozen=True)
class Batch:
    """Some rows of a dataset.

    Attributes:
        inputs: ``B`` sequences, as the dataset has them.
        targets: ``[B]``, or one a step, ``[N]``.
        rows: which rows they are.
        data: of what dataset, where it is known.
        resets: ``[N]`` truth values, where a state is carried from batch to batch: it becomes zero before these steps.
        update: how many updates came before the one that it is for, where it is learnt from.
    """

    inputs: Any
    targets: Tensor | None
    rows: tuple[int, ...]
    data: Dataset | None = None
    resets: Tensor | None = None
    update: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def examples(self) -> list[Any]:
        """The rows as they were read."""
        return [] if self.data is None else [self.data.examples[row] for row in self.rows]


class Batched(Protocol):
    """A dataset in batches: :class:`Batches`, or :class:`~throughtime.data.streams.Streams`."""

    data: Dataset

    @property
    def budget(self) -> int:
        """Tokens a batch, about."""

    def plan(self, epoch: int = 0) -> Sequence[Any]:
        """What :meth:`load` is given for each batch of an epoch, which the epoch's number decides."""

    def size(self, part: Any) -> tuple[int, int]:
        """How many steps the longest sequence of a planned batch has, and how many all have."""

    def load(self, part: Any) -> Batch:
        """A planned batch."""

    def places(self, rows: tuple[int, ...]) -> list[str]:
        """Where rows of a batch stand in the user's file."""

    def __iter__(self) -> Iterator[Batch]:
        """The batches of epoch 0."""


class Batches:
    """A dataset cut into batches of at most ``budget`` tokens (a longer sequence makes a batch of its own).

    Args:
        data: the dataset.
        budget: tokens a batch.
        seed: with the epoch's number it decides everything; none keeps rows sorted by length, for evaluation.
        device: where batches go.

    Shuffled batches hold sequences of similar length: rows are shuffled, sorted by length within pools of
    ``POOL`` batches, cut, and the batches are shuffled. An epoch can be made again from its number alone, which is
    what lets a killed run go on in the middle of one.

    >>> data = Dataset(Ragged.from_lengths(torch.zeros(10, dtype=torch.int64), [1, 2, 3, 4]))
    >>> [batch.rows for batch in Batches(data, budget=5)]
    [(3,), (2, 1), (0,)]
    """

    POOL = 50

    def __init__(self, data: Dataset, budget: int, seed: int | None = None, device: torch.device | str = "cpu") -> None:
        if budget < 1:
            raise ValueError(f"expected a budget of at least one token, found {budget}")
        self.data, self.budget, self.seed, self.device = data, budget, seed, device
        self._lengths = data.inputs.lengths.numpy()

    def plan(self, epoch: int = 0) -> list[np.ndarray]:
        """The rows of each batch of an epoch."""
        if self.seed is None:
            return self._cut(self._sorted(np.arange(len(self._lengths))))
        generator = np.random.default_rng([self.seed, epoch])
        rows = generator.permutation(len(self._lengths))
        tokens = np.cumsum(self._lengths[rows])
        pools = np.split(rows, np.searchsorted(tokens, np.arange(self._pool, tokens[-1], self._pool)))
        batches = [batch for pool in pools for batch in self._cut(self._sorted(pool))]
        return [batches[place] for place in generator.permutation(len(batches))]

    @property
    def _pool(self) -> int:
        return self.POOL * self.budget

    def _sorted(self, rows: np.ndarray) -> np.ndarray:
        """What is alike side by side: the longest first."""
        found: np.ndarray = rows[np.argsort(-self._lengths[rows], kind="stable")]
        return found

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum(self._lengths[rows])
        batches, begin = [], 0
        while begin < len(rows):
            before = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + self.budget, side="right")))
            batches.append(rows[begin:end])
            begin = end
        return batches

    def load(self, rows: Sequence[int] | np.ndarray) -> Batch:
        """The batch of these rows."""
        index = torch.as_tensor(rows)
        targets = self.data.take_targets(index)
        targets = None if targets is None else targets.to(self.device)
        return Batch(self.data.take(index).to(self.device), targets, tuple(index.tolist()), self.data)

    def size(self, rows: np.ndarray) -> tuple[int, int]:
        """How many steps the longest of these rows has, and how many all have."""
        lengths = self._lengths[rows]
        return int(lengths.max()), int(lengths.sum())

    def __iter__(self) -> Iterator[Batch]:
        return map(self.load, self.plan())

    def places(self, rows: tuple[int, ...]) -> list[str]:
        """Where these rows stand in the user's file."""
        return self.data.places(rows)
