"""What a layer is given, as time-major rows, and the way back to the same kind of sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from throughtime.ragged import Ragged, reorder

__all__ = ["Sequences", "Steps", "time_major"]

Sequences = TypeVar("Sequences", Ragged, PackedSequence, Tensor)


@dataclass(frozen=True)
class Steps:
    """A batch of ``B`` sequences and ``N`` steps in time-major order.

    Attributes:
        data: ``[N, F]`` vectors or ``[N]`` symbols.
        batch_sizes: ``[T]`` how many sequences run at each step, on the CPU.
        batch: ``B``.
        rows: ``[B]`` the sequences, longest first; none when they stand so already.
        ranks: ``[B]`` the inverse of ``rows``.
        restore: from ``[N, …]`` to the kind of sequences that came in.
        unbatched: whether that was one sequence, without an axis for the batch.
    """

    data: Tensor
    batch_sizes: Tensor
    batch: int
    rows: Tensor | None
    ranks: Tensor | None
    restore: Callable[[Tensor], Any]
    unbatched: bool = False


def time_major(input: Any, lengths: Tensor | Sequence[int] | None = None, *, batch_first: bool = False) -> Steps:
    """The steps of a Ragged, a PackedSequence, or a padded tensor of vectors (floats) or symbols (anything else).

    Raises:
        TypeError: for anything else.
        ValueError: for shapes and lengths that do not fit.
    """
    if lengths is not None and not isinstance(input, Tensor):
        raise ValueError(f"expected no lengths with a {type(input).__name__}, which knows its own")
    if isinstance(input, Ragged):
        return _from_ragged(input)
    if isinstance(input, PackedSequence):
        return _from_packed(input)
    if not isinstance(input, Tensor):
        raise TypeError(f"expected a Ragged, a PackedSequence or a tensor, found {type(input).__name__}")
    vector = int(input.is_floating_point())
    if input.dim() - vector not in (1, 2):
        raise ValueError(
            f"expected {'[T, F] or [T, B, F] vectors' if vector else '[T] or [T, B] symbols'}, "
            f"found shape {tuple(input.shape)}"
        )
    if input.dim() - vector == 1:
        return _from_single(input, lengths)
    if lengths is None:
        return _from_full(input.transpose(0, 1) if batch_first else input, batch_first)
    return _from_padded(input, lengths, batch_first)


def _from_ragged(batch: Ragged) -> Steps:
    order = batch.time_major

    def restore(out: Tensor) -> Ragged:
        return batch.with_values(reorder(out, order.scatter, order.gather))

    data = reorder(batch.values, order.gather, order.scatter)
    return Steps(data, order.batch_sizes, len(batch), order.rows, order.ranks, restore)


def _from_packed(packed: PackedSequence) -> Steps:
    rows, ranks = packed.sorted_indices, packed.unsorted_indices

    def restore(out: Tensor) -> PackedSequence:
        return PackedSequence(out, packed.batch_sizes, rows, ranks)

    batch = len(rows) if rows is not None else int(packed.batch_sizes[0])
    return Steps(packed.data, packed.batch_sizes, batch, rows, ranks, restore)


def _from_full(padded: Tensor, batch_first: bool) -> Steps:
    """``[T, B, …]`` without padding is in time-major order as it stands."""
    steps, batch = padded.shape[:2]

    def restore(out: Tensor) -> Tensor:
        whole = out.view(steps, batch, *out.shape[1:])
        return whole.transpose(0, 1) if batch_first else whole

    return Steps(
        padded.reshape(steps * batch, *padded.shape[2:]), torch.full((steps,), batch), batch, None, None, restore
    )


def _from_padded(padded: Tensor, lengths: Tensor | Sequence[int], batch_first: bool) -> Steps:
    within = _from_ragged(Ragged.from_padded(padded, lengths, batch_first=batch_first))
    steps = padded.shape[1 if batch_first else 0]

    def restore(out: Tensor) -> Tensor:
        whole: Tensor = within.restore(out).to_padded(batch_first=batch_first, length=steps)
        return whole

    return Steps(within.data, within.batch_sizes, within.batch, within.rows, within.ranks, restore)


def _from_single(sequence: Tensor, lengths: Tensor | Sequence[int] | None) -> Steps:
    within = time_major(sequence.unsqueeze(1), lengths)

    def restore(out: Tensor) -> Tensor:
        single: Tensor = within.restore(out).squeeze(1)
        return single

    return Steps(within.data, within.batch_sizes, 1, None, None, restore, unbatched=True)
