"""Pairs as symbols, a row for each right answer, and batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.data.batches import Batch, Batches, Dataset
from throughtime.data.noise import NoisyPairs
from throughtime.data.pair import Pair
from throughtime.data.two_sided import Side, TwoSided
from throughtime.data.vocabulary import EOS, SOS
from throughtime.ragged import Ragged

__all__ = ["FreshBatches", "PairBatches", "Rows", "Sequences", "encode_pairs", "encode_side", "shifted"]


@dataclass(frozen=True)
class Sequences:
    """Some rows of :class:`Rows`, as a network reads them.

    Attributes:
        sources: symbols, ``<eos>`` last.
        heard: what the decoder is given: ``<sos>`` and the target.
        told: what it is to say after each: the target and ``<eos>``; the same lengths.
    """

    sources: Ragged
    heard: Ragged
    told: Ragged

    @property
    def values(self) -> Tensor:
        """``[N]``: the symbols of both sides, as far as something is computed of them."""
        return torch.cat([self.sources.values, self.told.values])

    def __len__(self) -> int:
        return len(self.sources)

    def to(self, device: torch.device | str) -> Sequences:
        """The same, there."""
        return Sequences(self.sources.to(device), self.heard.to(device), self.told.to(device))


@dataclass(frozen=True)
class Rows(Dataset):
    """Encoded pairs, each as often as it has right answers.

    Attributes:
        inputs: ``R`` sources, symbols with ``<eos>`` last.
        told: their targets, with ``<eos>`` last.
        examples: the pairs.
        pairs: ``[R]`` which pair each row is of.
    """

    told: Ragged = field(default_factory=lambda: Ragged.from_lengths(torch.zeros(0, dtype=torch.int64), []))
    pairs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def lengths(self) -> Tensor:
        """``[R]``: the symbols of both sides."""
        return self.inputs.lengths + self.told.lengths  # type: ignore[no-any-return]

    def take(self, rows: Tensor) -> Sequences:
        """The pairs of these rows."""
        sources, told = (part.take(rows) for part in (self.inputs, self.told))
        sources, told = (part.with_values(part.values.long()) for part in (sources, told))
        return Sequences(sources, shifted(told), told)

    def places(self, rows: Iterable[int]) -> list[str]:
        """Where these pairs stand in the user's file."""
        found = (self.examples[self.pairs[row]] for row in rows)
        return [f"{pair.path} line {pair.line}" for pair in found]


class PairBatches(Batches):
    """Rows cut into batches of at most ``budget`` symbols of both sides together; otherwise as all :class:`Batches`.

    Those of a batch are of similar lengths on both sides.
    """

    def __init__(self, data: Rows, budget: int, seed: int | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__(data, budget, seed, device)
        self._lengths = data.lengths.numpy()
        self._sources = data.inputs.lengths.numpy()

    def _sorted(self, rows: np.ndarray) -> np.ndarray:
        """Longest first, and beside each other what has sources of one length, which attention multiplies together."""
        order = np.lexsort((-self._lengths[rows], -self._sources[rows]))
        found: np.ndarray = rows[order]
        return found

    def load(self, rows: Sequence[int] | np.ndarray) -> Batch:
        """The batch of these rows."""
        index = torch.as_tensor(rows)
        return Batch(self.data.take(index).to(self.device), None, tuple(index.tolist()), self.data)


class FreshBatches(PairBatches):
    """Batches of pairs whose sources are made anew in each epoch; `data` has those of the first one.

    An epoch is cut by the lengths that sources have in the first; nothing but its number decides what goes wrong in it.

    Args:
        data: of :class:`~throughtime.data.noise.NoisyPairs`.
        side: how sources become symbols.
        budget: see :class:`PairBatches`, as the others.
        seed: see there.
        device: see there.
    """

    def __init__(
        self, data: Rows, side: Side, budget: int, seed: int | None = None, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(data, budget, seed, device)
        self.side = side

    def plan(self, epoch: int = 0) -> list[Any]:
        """The epoch and the rows of each of its batches."""
        return [(epoch, rows) for rows in super().plan(epoch)]

    def size(self, part: Any) -> tuple[int, int]:
        """About how many steps the longest row of a planned batch has, and how many all have."""
        return super().size(part[1])

    def load(self, part: Any) -> Batch:
        """The batch of these rows as they are in this epoch."""
        epoch, rows = part
        assert isinstance(self.data, Rows)
        pairs = self.data.examples
        assert isinstance(pairs, NoisyPairs)
        made = encode_side((pairs.made(row, epoch).text for row in rows.tolist()), self.side)
        order = np.argsort(-made.lengths.numpy(), kind="stable")  # as PairBatches has them, for attention
        sources = made.take(torch.from_numpy(order))
        index = torch.from_numpy(rows[order])
        own = replace(self.data.take(index), sources=sources.with_values(sources.values.long()))
        return Batch(own.to(self.device), None, tuple(index.tolist()), self.data)


def encode_pairs(pairs: Sequence[Pair], vocabulary: TwoSided) -> Rows:
    """A row for each right answer.

    >>> from throughtime.data.two_sided import TwoSidedConfig
    >>> pairs = [Pair("ab", ("B A", "A B"), "a.tsv", 1)]
    >>> two = TwoSided.learn(pairs, TwoSidedConfig().told_by(pairs))
    >>> batch = encode_pairs(pairs, two).take(torch.tensor([1]))
    >>> batch.sources.to_list(), batch.heard.to_list(), batch.told.to_list()
    ([[4, 5, 3]], [[2, 5, 6]], [[5, 6, 3]])
    """
    counts, sources, told = list[int](), list[np.ndarray](), list[np.ndarray]()
    for pair in pairs:  # once: a pair may be made when it is asked for
        counts.append(len(pair.targets))
        sources.append(_ended(pair.text, vocabulary.source))
        told += [_ended(target, vocabulary.target) for target in pair.targets]
    owners = np.repeat(np.arange(len(counts)), counts)
    rows = _joined(sources, vocabulary.source).take(torch.from_numpy(owners))
    return Rows(rows, None, pairs, told=_joined(told, vocabulary.target), pairs=owners)


def encode_side(texts: Iterable[str], side: Side) -> Ragged:
    """Texts as symbols in the smallest integers that hold them, each with ``<eos>`` last."""
    return _joined([_ended(text, side) for text in texts], side)


def _ended(text: str, side: Side) -> np.ndarray:
    return np.append(side.encode(text), side.vocabulary.dtype.type(EOS))


def _joined(encoded: Sequence[np.ndarray], side: Side) -> Ragged:
    values = np.concatenate([np.zeros(0, side.vocabulary.dtype), *encoded])
    return Ragged.from_lengths(torch.from_numpy(values), [len(own) for own in encoded])


def shifted(told: Ragged) -> Ragged:
    """The symbol before each, ``<sos>`` before the first; the same lengths.

    >>> shifted(Ragged.from_list([[5, 6, 3], [7, 3]])).to_list()
    [[2, 5, 6], [2, 7]]
    """
    before = torch.cat([told.values[:1], told.values[:-1]])
    before[told.offsets[:-1]] = SOS
    return told.with_values(before)
