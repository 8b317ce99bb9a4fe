"""Padding and one-hot vectors as the textbooks draw them, to look at.

Nothing here is used in training: the layers never compute on padding, and never build a one-hot vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from throughtime.errors import DataError

__all__ = ["one_hot", "pad"]


def pad(
    sequences: Sequence[str | Sequence[str]],
    *,
    sos: str | None = "<sos>",
    eos: str | None = "<eos>",
    pad: str = "<pad>",
) -> list[list[str]]:
    """An m × n matrix of tokens: each sequence between ``sos`` and ``eos``, padded to the longest of them.

    Args:
        sequences: ``m`` of them; a string is parted at its blanks.
        sos: what stands before each; none for nothing.
        eos: what stands behind each; none for nothing.
        pad: what fills the rows.

    >>> for row in pad(["Delightful place to have dinner", "Food was nice but service wasn't"]):
    ...     print(*row)
    <sos> Delightful place to have dinner <eos> <pad>
    <sos> Food was nice but service wasn't <eos>
    """
    rows = [sequence.split() if isinstance(sequence, str) else list(sequence) for sequence in sequences]
    rows = [[*([sos] if sos is not None else []), *row, *([eos] if eos is not None else [])] for row in rows]
    longest = max((len(row) for row in rows), default=0)
    return [row + [pad] * (longest - len(row)) for row in rows]


def one_hot(matrix: Sequence[Sequence[str]], vocabulary: Sequence[str] | None = None) -> tuple[Tensor, list[str]]:
    """A matrix of tokens as one-hot vectors ``[m, n, V]``, and the vocabulary: the token of each of the V places.

    Args:
        matrix: ``m`` rows of ``n`` tokens, as :func:`pad` gives them.
        vocabulary: the tokens in order; those of the matrix, as they first occur, when none.

    Raises:
        DataError: when rows differ in length, or a token is not in the vocabulary.

    >>> vectors, vocabulary = one_hot(pad(["good food", "good"], sos=None, eos=None))
    >>> vocabulary
    ['good', 'food', '<pad>']
    >>> vectors
    tensor([[[1, 0, 0],
             [0, 1, 0]],
    <BLANKLINE>
            [[1, 0, 0],
             [0, 0, 1]]])
    """
    lengths = sorted({len(row) for row in matrix})
    if len(lengths) > 1:
        raise DataError(f"expected rows of one length, found lengths {lengths}: pad() them first")
    symbols = list(dict.fromkeys(token for row in matrix for token in row)) if vocabulary is None else list(vocabulary)
    numbers = {token: number for number, token in enumerate(symbols)}
    unknown = next((token for row in matrix for token in row if token not in numbers), None)
    if unknown is not None:
        raise DataError(f"expected tokens of the vocabulary, found {unknown!r}")
    places = torch.tensor([[numbers[token] for token in row] for row in matrix], dtype=torch.int64)
    return torch.nn.functional.one_hot(places, max(1, len(symbols))), symbols
