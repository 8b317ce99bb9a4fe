"""Ragged batches: filled to a budget of tokens, of similar lengths, in an order that the seed and epoch decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from throughtime.ragged import Ragged

__all__ = ["Batch", "Batches", "Dataset"]


@dataclass(frozen=True)
class Dataset:
    """Encoded examples: ``inputs`` of ``M`` sequences, ``targets [M]`` (class numbers), and a word on each row.

    ``places`` says where each example stands in the user's file, for messages.
    """

    inputs: Ragged
    targets: Tensor | None = None
    places: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> Dataset:
        """The same examples with their tensors on ``device``."""
        targets = None if self.targets is None else self.targets.to(device)
        return replace(self, inputs=self.inputs.to(device), targets=targets)


@dataclass(frozen=True)
class Batch:
    """Some rows of a dataset: ``inputs`` of ``B`` sequences, ``targets [B]``, and which ``rows`` they are."""

    inputs: Ragged
    targets: Tensor | None
    rows: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)


class Batches:
    """A dataset cut into batches of at most ``budget`` tokens (a longer sequence makes a batch of its own).

    Args:
        data: the dataset.
        budget: tokens a batch.
        seed: with the epoch's number it decides everything; none keeps rows sorted by length, for evaluation.

    Shuffled batches hold sequences of similar length: rows are shuffled, sorted by length within pools of
    ``POOL`` batches, cut, and the batches are shuffled. An epoch can be made again from its number alone, which is
    what lets a killed run go on in the middle of one.

    >>> data = Dataset(Ragged.from_lengths(torch.zeros(10, dtype=torch.int64), [1, 2, 3, 4]))
    >>> [batch.rows for batch in Batches(data, budget=5)]
    [(3,), (2, 1), (0,)]
    """

    POOL = 50

    def __init__(self, data: Dataset, budget: int, seed: int | None = None) -> None:
        if budget < 1:
            raise ValueError(f"expected a budget of at least one token, found {budget}")
        self.data, self.budget, self.seed = data, budget, seed
        self._lengths = data.inputs.lengths.numpy()

    def plan(self, epoch: int = 0) -> list[list[int]]:
        """The rows of each batch of an epoch."""
        if self.seed is None:
            return self._cut(np.argsort(-self._lengths, kind="stable"))
        generator = np.random.default_rng([self.seed, epoch])
        rows = generator.permutation(len(self._lengths))
        tokens = np.cumsum(self._lengths[rows])
        pools = np.split(rows, np.searchsorted(tokens, np.arange(self._pool, tokens[-1], self._pool)))
        batches = [
            batch for pool in pools for batch in self._cut(pool[np.argsort(-self._lengths[pool], kind="stable")])
        ]
        return [batches[place] for place in generator.permutation(len(batches))]

    @property
    def _pool(self) -> int:
        return self.POOL * self.budget

    def _cut(self, rows: np.ndarray) -> list[list[int]]:
        batches: list[list[int]] = []
        tokens = 0
        for row in rows.tolist():
            length = int(self._lengths[row])
            if not batches or tokens + length > self.budget:
                batches.append([])
                tokens = 0
            batches[-1].append(row)
            tokens += length
        return batches

    def load(self, rows: list[int]) -> Batch:
        """The batch of these rows."""
        index = torch.tensor(rows)
        targets = None if self.data.targets is None else self.data.targets[index]
        return Batch(self.data.inputs.take(index), targets, tuple(rows))

    def __iter__(self) -> Iterator[Batch]:
        return map(self.load, self.plan())

    def places(self, rows: tuple[int, ...]) -> list[str]:
        """Where these rows stand in the user's file."""
        return [self.data.places[row] if self.data.places else f"row {row + 1}" for row in rows]
