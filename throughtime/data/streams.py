"""Running text for truncated back-propagation through time: read side by side in streams, chunk after chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np
import torch

from throughtime.data.batches import Batch, Dataset
from throughtime.ragged import Ragged

__all__ = ["UNTOLD", "Chunk", "Streams"]

UNTOLD = -1
"""The target of a step that is read for what comes after it, and not told."""


class Chunk(NamedTuple):
    """Steps ``begin`` to ``end`` of every stream."""

    begin: int
    end: int


class _Plan(Sequence[Chunk]):
    """Chunks from each of ``edges [n + 1]`` to the next: of a text larger than memory they are many."""

    def __init__(self, edges: np.ndarray) -> None:
        self._edges = edges

    def __len__(self) -> int:
        return len(self._edges) - 1

    @overload
    def __getitem__(self, place: int) -> Chunk: ...
    @overload
    def __getitem__(self, place: slice) -> list[Chunk]: ...
    def __getitem__(self, place: int | slice) -> Chunk | list[Chunk]:
        if isinstance(place, slice):
            return [self[number] for number in range(len(self))[place]]
        place = range(len(self))[place]
        return Chunk(int(self._edges[place]), int(self._edges[place + 1]))


class Streams:
    """A dataset of documents as ``streams`` contiguous streams, cut into chunks that follow each other.

    Each batch is one chunk of all streams: symbols, and as targets the symbols that follow them. The state after a
    chunk is the state before the next one; where a document begins, and where a stream does, it is reset.

    Args:
        data: documents ``<sos> … <eos>`` (a document that was cut has no ``<eos>``).
        streams: read side by side, ``S``.
        steps: of a chunk, ``T``.
        seed: with the epoch's number it decides where chunks begin; none begins at the beginning, for evaluation.
        vary: chunks of random lengths (Merity et al. 2018, section 5: about ``T``, now and then half of it).
        overlap: steps that a stream which begins within a document reads before its own, as ``UNTOLD``.
        device: where batches go.

    >>> data = Dataset(Ragged.from_list([[2, 5, 6, 7, 8, 3], [2, 9, 3]]))
    >>> for batch in Streams(data, streams=2, steps=2):
    ...     print(batch.inputs.to_list(), batch.targets.tolist(), batch.resets.tolist())
    [[2, 5], [7, 8]] [5, 6, 8, 3] [True, False, True, False]
    [[6], [2, 9]] [7, 9, 3] [False, True, False]
    """

    def __init__(
        self,
        data: Dataset,
        streams: int,
        steps: int,
        *,
        seed: int | None = None,
        vary: bool = False,
        overlap: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if streams < 1 or steps < 1:
            raise ValueError(f"expected at least one stream and one step, found {streams} and {steps}")
        self.data, self.steps, self.seed, self.vary, self.device = data, steps, seed, vary, device
        # Documents begin at these pairs of a symbol and the one after it.
        self._documents = np.concatenate([[0], np.maximum(data.inputs.lengths.numpy() - 1, 0).cumsum()])
        pairs = int(self._documents[-1])
        self.streams = max(1, min(streams, pairs))
        self._firsts = np.arange(self.streams + 1) * pairs // self.streams
        within = self._documents[np.searchsorted(self._documents, self._firsts[:-1], side="right") - 1]
        self._begins = np.maximum(within, self._firsts[:-1] - overlap)
        self._longest = int((self._firsts[1:] - self._begins).max())

    @property
    def budget(self) -> int:
        """Tokens a batch."""
        return self.streams * self.steps

    def plan(self, epoch: int = 0) -> Sequence[Chunk]:
        """The chunks of an epoch; in training the first has a random length, so that cuts fall elsewhere each time."""
        cuts = np.arange(0, self._longest, self.steps)
        if self.seed is not None:
            generator = np.random.default_rng([self.seed, epoch])
            if self.vary:
                bases = np.where(generator.random(2 * len(cuts) + 2) < 0.95, self.steps, max(1, self.steps // 2))
                lengths = np.maximum(np.minimum(5, bases), np.rint(generator.normal(bases, min(5, self.steps / 4))))
                cuts = np.concatenate([[0], lengths.astype(int).cumsum()])
            else:
                cuts = np.concatenate([[0], cuts + generator.integers(1, self.steps + 1)])
            cuts = cuts[cuts < self._longest]
        return _Plan(np.append(cuts, self._longest))

    def size(self, chunk: Chunk) -> tuple[int, int]:
        """How many steps it has, and how many symbols."""
        return chunk.end - chunk.begin, (chunk.end - chunk.begin) * self.streams

    def load(self, chunk: Chunk) -> Batch:
        """Its symbols, and what follows them; a stream that has ended has none."""
        begins = np.minimum(self._begins + chunk.begin, self._firsts[1:])
        ends = np.minimum(self._begins + chunk.end, self._firsts[1:])
        lengths = ends - begins
        pairs = np.arange(lengths.sum()) + np.repeat(begins - lengths.cumsum() + lengths, lengths)
        documents = np.searchsorted(self._documents, pairs, side="right") - 1
        places = torch.from_numpy(pairs + documents)
        first = (pairs == np.repeat(self._begins, lengths)) | (pairs == self._documents[documents])
        values = self.data.inputs.values
        targets = values[places + 1].long()
        targets[torch.from_numpy(pairs < np.repeat(self._firsts[:-1], lengths))] = UNTOLD
        inputs = Ragged.from_lengths(values[places].long(), torch.from_numpy(lengths))
        if self.data.mapped is not None:
            self.data.mapped.release()
        resets = torch.from_numpy(first).to(self.device)
        return Batch(inputs.to(self.device), targets.to(self.device), tuple(range(self.streams)), self.data, resets)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.load, self.plan())

    def places(self, rows: tuple[int, ...]) -> list[str]:
        """Where these streams read."""
        return [f"stream {row + 1}" for row in rows]
