"""Sequences of unequal length laid end to end, without padding.

Everything above this module speaks :class:`Ragged`: the real steps of a batch, one after another, and where each
sequence begins. The recurrences read it *time-major*: all first steps, then all second steps, …, with the
longest sequences first, so that at every step the sequences still running are the leading rows. That order is a
permutation of the steps; it is computed once and kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

__all__ = ["Ragged", "TimeMajor", "reorder"]


@dataclass(frozen=True)
class TimeMajor:
    """The time-major order of a ragged batch of ``B`` sequences and ``N`` steps.

    Attributes:
        batch_sizes: ``[T]`` how many sequences are still running at each step, on the CPU; never grows.
        rows: ``[B]`` the sequences, longest first (equal lengths keep their order).
        ranks: ``[B]`` the inverse of ``rows``: where each sequence stands.
        gather: ``[N]`` for every time-major place, the step's row-major place.
        scatter: ``[N]`` the inverse of ``gather``.
    """

    batch_sizes: Tensor
    rows: Tensor
    ranks: Tensor
    gather: Tensor
    scatter: Tensor


class _Reorder(torch.autograd.Function):
    """A permutation of rows, whose gradient is the inverse permutation: a gather both ways, no scatter-add."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order, inverse)
        return values.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return reorder(grads[0], inverse, order), None, None


def reorder(values: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Rows of ``values [N, …]`` in the given order; ``inverse`` is the order's inverse permutation.

    >>> reorder(torch.tensor([5, 6, 7]), torch.tensor([2, 0, 1]), torch.tensor([1, 2, 0]))
    tensor([7, 5, 6])
    """
    result: Tensor = _Reorder.apply(values, order, inverse)  # type: ignore[no-untyped-call]
    return result


@dataclass(frozen=True, eq=False)
class Ragged:
    """A batch of ``B`` sequences: ``values [N, …]`` end to end, and ``offsets [B + 1]``.

    Sequence ``b`` is ``values[offsets[b]:offsets[b + 1]]``; symbols (``[N]`` of integers) and vectors
    (``[N, F]``) alike. Sequences of length zero are allowed. ``offsets`` stays on the CPU.

    Raises:
        ValueError: when ``offsets`` does not begin at 0, grow, and end at ``N``.

    >>> batch = Ragged.from_list([[3, 1, 4], [1], [5, 9]])
    >>> batch.values, batch.offsets
    (tensor([3, 1, 4, 1, 5, 9]), tensor([0, 3, 4, 6]))
    >>> batch.time_major.batch_sizes
    tensor([3, 2, 1])
    >>> batch.values[batch.time_major.gather]
    tensor([3, 5, 1, 1, 9, 4])
    >>> batch.to_padded(value=0)
    tensor([[3, 1, 4],
            [1, 0, 0],
            [5, 9, 0]])
    """

    values: Tensor
    offsets: Tensor
    _cache: dict[str, TimeMajor] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        offsets = self.offsets
        if offsets.dtype != torch.int64 or offsets.dim() != 1 or len(offsets) < 1 or offsets.is_cuda:
            raise ValueError("expected offsets as a CPU tensor of int64 with B + 1 elements")
        if offsets[0] != 0 or offsets[-1] != len(self.values) or bool((offsets.diff() < 0).any()):
            raise ValueError(
                f"expected offsets that begin at 0, never fall and end at {len(self.values)} "
                f"(the number of steps), found {offsets.tolist() if len(offsets) < 10 else offsets}"
            )

    # ---- making one -------------------------------------------------------------------------------------------

    @classmethod
    def from_lengths(cls, values: Tensor, lengths: Tensor | Sequence[int]) -> Ragged:
        """From steps laid end to end and each sequence's length ``[B]``."""
        counts = torch.as_tensor(lengths, dtype=torch.int64, device="cpu")
        return cls(values, torch.cat([counts.new_zeros(1), counts.cumsum(0)]))

    @classmethod
    def from_list(cls, sequences: Sequence[Tensor | Sequence[Any]], dtype: torch.dtype | None = None) -> Ragged:
        """From one tensor ``[T, …]`` or list a sequence."""
        tensors = [torch.as_tensor(sequence, dtype=dtype) for sequence in sequences]
        if not tensors:
            raise ValueError("expected at least one sequence, found none")
        filled = [t for t in tensors if len(t)] or tensors[:1]  # an empty list has no element type to speak of
        return cls.from_lengths(torch.cat(filled), [len(t) for t in tensors])

    @classmethod
    def from_padded(cls, padded: Tensor, lengths: Tensor | Sequence[int], *, batch_first: bool = True) -> Ragged:
        """From ``padded [B, T, …]`` (or ``[T, B, …]``) and the true lengths ``[B]``; the padding is not read.

        Raises:
            ValueError: when there are not ``B`` lengths between 0 and ``T``.
        """
        rows = padded if batch_first else padded.transpose(0, 1)
        counts = torch.as_tensor(lengths, dtype=torch.int64, device="cpu")
        if counts.shape != rows.shape[:1] or bool(((counts < 0) | (counts > rows.shape[1])).any()):
            raise ValueError(f"expected {rows.shape[0]} lengths from 0 to {rows.shape[1]}, found {counts.tolist()}")
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        places = torch.arange(int(offsets[-1])) + _repeat(
            torch.arange(len(counts)) * rows.shape[1] - offsets[:-1], counts
        )
        return cls(rows.flatten(0, 1).index_select(0, places.to(padded.device)), offsets)

    @classmethod
    def from_packed(cls, packed: PackedSequence) -> Ragged:
        """From torch's ``PackedSequence``, in the order its sequences had before packing."""
        sizes = packed.batch_sizes
        sorted_lengths = (sizes[:, None] > torch.arange(int(sizes[0]))).sum(0)
        ranks = packed.unsorted_indices
        ranks = torch.arange(len(sorted_lengths)) if ranks is None else ranks.cpu()
        lengths = sorted_lengths[ranks]
        frame = cls.from_lengths(torch.empty(int(lengths.sum())), lengths)
        # The packing may break ties among equal lengths in an order of its own: follow its ranks, not ours.
        order = _time_major(frame.offsets, ranks=ranks)
        scatter = order.scatter.to(packed.data.device)
        return cls(reorder(packed.data, scatter, order.gather.to(packed.data.device)), frame.offsets)

    # ---- looking at it ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.values.split(self.lengths.tolist()))

    def __getitem__(self, row: int) -> Tensor:
        if not -len(self) <= row < len(self):
            raise IndexError(f"expected a row from 0 to {len(self) - 1}, found {row}")
        row %= len(self)
        return self.values[int(self.offsets[row]) : int(self.offsets[row + 1])]

    @cached_property
    def lengths(self) -> Tensor:
        """``[B]`` steps of each sequence, on the CPU."""
        return self.offsets.diff()

    @cached_property
    def row_of_step(self) -> Tensor:
        """``[N]`` which sequence each step belongs to, on the values' device."""
        return _repeat(torch.arange(len(self)), self.lengths).to(self.values.device)

    @property
    def time_major(self) -> TimeMajor:
        """The time-major order, computed once and shared by all that :meth:`with_values` makes."""
        device = str(self.values.device)
        if device not in self._cache:
            if "cpu" not in self._cache:
                self._cache["cpu"] = _time_major(self.offsets)
            order = self._cache["cpu"]
            tensors = (order.rows, order.ranks, order.gather, order.scatter)
            self._cache[device] = TimeMajor(order.batch_sizes, *(t.to(self.values.device) for t in tensors))
        return self._cache[device]

    def take(self, rows: Tensor | Sequence[int]) -> Ragged:
        """The sequences at ``rows [R]``, in that order.

        >>> Ragged.from_list([[3, 1, 4], [1], [5, 9]]).take([2, 0]).to_list()
        [[5, 9], [3, 1, 4]]
        """
        rows = torch.as_tensor(rows)
        if rows.dtype == torch.bool:
            raise ValueError("expected the rows' numbers, found truth values")
        rows = rows.to("cpu", torch.int64)
        rows = torch.where(rows < 0, rows + len(self), rows)
        if bool(((rows < 0) | (rows >= len(self))).any()):
            raise IndexError(f"expected rows from 0 to {len(self) - 1}, found {rows.tolist()}")
        lengths = self.lengths[rows]
        ends = lengths.cumsum(0)
        places = torch.arange(int(lengths.sum())) + _repeat(self.offsets[rows] - ends + lengths, lengths)
        return Ragged.from_lengths(self.values.index_select(0, places.to(self.values.device)), lengths)

    # ---- turning it into something else -----------------------------------------------------------------------

    def with_values(self, values: Tensor) -> Ragged:
        """The same sequences with other ``values [N, …]``; the time-major order is shared."""
        if len(values) != len(self.values):
            raise ValueError(f"expected {len(self.values)} steps, found {len(values)}")
        return Ragged(values, self.offsets, self._cache)

    def to(self, device: torch.device | str) -> Ragged:
        """The same batch with its values on ``device``."""
        return self.with_values(self.values.to(device))

    def to_padded(self, value: float = 0, *, batch_first: bool = True, length: int | None = None) -> Tensor:
        """``[B, T, …]`` (or ``[T, B, …]``), with ``value`` behind each end; ``length`` asks for more than the longest.

        Raises:
            ValueError: when ``length`` is less than the longest sequence.
        """
        longest = int(self.lengths.max()) if len(self) else 0
        steps = longest if length is None else length
        if steps < longest:
            raise ValueError(f"expected a length of at least {longest} (the longest sequence), found {steps}")
        places = torch.arange(len(self.values)) + _repeat(
            torch.arange(len(self)) * steps - self.offsets[:-1], self.lengths
        )
        padded = self.values.new_full((len(self) * steps, *self.values.shape[1:]), value)
        padded = padded.index_copy(0, places.to(padded.device), self.values)
        padded = padded.reshape(len(self), steps, *self.values.shape[1:])
        return padded if batch_first else padded.transpose(0, 1)

    def to_packed(self) -> PackedSequence:
        """As torch's ``PackedSequence``.

        Raises:
            ValueError: when a sequence has length zero, which torch cannot pack.
        """
        if bool((self.lengths == 0).any()):
            raise ValueError(f"expected no empty sequence, found one in row {int(self.lengths.argmin())}")
        order = self.time_major
        return PackedSequence(
            reorder(self.values, order.gather, order.scatter),
            order.batch_sizes,
            order.rows,
            order.ranks,
        )

    def to_list(self) -> list[list[Any]]:
        """Nested Python lists, one a sequence."""
        return [sequence.tolist() for sequence in self]


def _repeat(values: Tensor, counts: Tensor) -> Tensor:
    return torch.repeat_interleave(values, counts)


def _time_major(offsets: Tensor, ranks: Tensor | None = None) -> TimeMajor:
    """Without a sort of the steps and without a padded table: each step's place is its step's start plus its rank."""
    lengths = offsets.diff()
    if ranks is None:
        rows = torch.argsort(lengths, descending=True, stable=True)
        ranks = torch.empty_like(rows)
        ranks[rows] = torch.arange(len(rows))
    else:
        rows = torch.empty_like(ranks)
        rows[ranks] = torch.arange(len(ranks))
    ends = torch.bincount(lengths, minlength=1)  # ends[k]: how many sequences have length k
    sizes = len(lengths) - ends.cumsum(0)[:-1]
    starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    step = torch.arange(int(offsets[-1])) - _repeat(offsets[:-1], lengths)
    scatter = starts[step] + _repeat(ranks, lengths)
    gather = torch.empty_like(scatter)
    gather[scatter] = torch.arange(len(scatter))
    return TimeMajor(sizes, rows, ranks, gather, scatter)
