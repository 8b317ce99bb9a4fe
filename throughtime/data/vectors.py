"""Sequences of vectors: sensor traces, movements, one row of an image after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from throughtime.errors import DataError
from throughtime.ragged import Ragged

__all__ = ["Vectors"]


class Vectors:
    """Arrays of numbers as the network reads them: every feature with mean 0 and deviation 1 in training.

    In the place of a :class:`~throughtime.data.vocabulary.Vocabulary` where the sequences are no texts.

    Args:
        mean: ``[F]`` of each feature over all steps.
        deviation: ``[F]``; 1 for a feature that never changes.

    >>> vectors = Vectors.learn([[1.0, 3.0], [5.0]])
    >>> vectors.encode([[3.0, 5.0]]).values.flatten().round(decimals=2)
    tensor([0.0000, 1.2200])
    """

    spelling = None
    """Vectors are not spelt; see the vocabulary."""

    def __init__(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        self.mean, self.deviation = mean, deviation

    @classmethod
    def learn(cls, sequences: Sequence[Any]) -> Vectors:
        """From arrays ``[T, F]``, or ``[T]`` for one feature.

        Raises:
            DataError: see :meth:`encode`.
        """
        steps = np.concatenate(_arrays(sequences))
        deviation = steps.std(0)
        return cls(steps.mean(0), np.where(deviation > 0, deviation, 1.0))

    def __len__(self) -> int:
        return len(self.mean)

    def encode(self, sequences: Sequence[Any]) -> Ragged:
        """``[N, F]`` values of arrays ``[T, F]``, or ``[T]`` for one feature.

        Raises:
            DataError: for an array of another shape, without steps, or with anything else than finite numbers; the
                sequence's number counts from 0.
        """
        arrays = _arrays(sequences, len(self))
        scaled = [torch.from_numpy(((array - self.mean) / self.deviation).astype(np.float32)) for array in arrays]
        return Ragged.from_list(scaled) if scaled else Ragged.from_lengths(torch.zeros(0, len(self)), [])

    def counts(self, inputs: Ragged) -> list[int]:
        """None: no vector is rare."""
        return []

    def unknown(self, inputs: Ragged) -> None:
        """None: no vector is unknown."""


def _arrays(sequences: Sequence[Any], features: int | None = None) -> list[np.ndarray]:
    found = []
    for number, sequence in enumerate(sequences):
        try:
            array = np.asarray(sequence, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"expected an array of numbers as sequence {number}, found {type(sequence)}") from error
        array = array[:, None] if array.ndim == 1 else array
        features = features or (array.shape[1] if array.ndim == 2 else None)
        if array.ndim != 2 or not len(array) or array.shape[1] != features:
            raise DataError(f"expected sequence {number} of shape [T, {features or 'F'}], found {np.shape(sequence)}")
        if not np.isfinite(array).all():
            raise DataError(f"expected finite numbers in sequence {number}, found NaN or infinity")
        found.append(array)
    return found
