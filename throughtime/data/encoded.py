"""Texts as symbols, in memory or in a file that is mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from throughtime.data.columns import Example
from throughtime.data.mapped import Mapped, write_pieces
from throughtime.data.vocabulary import Vocabulary
from throughtime.ragged import Ragged

__all__ = ["Encoded", "encode_into", "encode_texts", "open_encoded"]


@dataclass(frozen=True)
class Encoded:
    """Sequences of symbols in the smallest integers that hold them.

    Attributes:
        inputs: the sequences.
        cut: how many of them ``max_length`` cut short.
        mapped: the file that their values lie in, if they do.
    """

    inputs: Ragged
    cut: int
    mapped: Mapped | None = None


def encode_texts(examples: Iterable[Example], vocabulary: Vocabulary) -> Encoded:
    """In memory.

    >>> from throughtime.data.vocabulary import VocabularyConfig
    >>> vocabulary = Vocabulary.learn(["a b"], VocabularyConfig(spelling=False))
    >>> encode_texts([Example("b a", None, "a.csv", 2)], vocabulary).inputs.values
    tensor([2, 5, 4, 3], dtype=torch.int16)
    """
    pieces = list(vocabulary.encode_small(example.text for example in examples))
    nothing = np.zeros((0, *vocabulary.width), vocabulary.dtype)
    values = np.concatenate([nothing, *(values for values, _, _ in pieces)])
    lengths = np.concatenate([np.zeros(0, np.int64), *(lengths for _, lengths, _ in pieces)])
    inputs = Ragged.from_lengths(torch.from_numpy(values), torch.from_numpy(lengths))
    return Encoded(inputs, sum(cut for _, _, cut in pieces))


def encode_into(folder: Path, name: str, examples: Iterable[Example], vocabulary: Vocabulary) -> int:
    """In two files, a thousand texts at a time; see :func:`open_encoded`. Gives how many were cut short."""
    lengths: list[np.ndarray] = []
    cut = 0

    def values() -> Iterator[np.ndarray]:
        nonlocal cut
        for piece, own, short in vocabulary.encode_small(example.text for example in examples):
            lengths.append(own.astype(np.int32))
            cut += short
            yield piece

    write_pieces(folder / f"{name}.symbols", values(), vocabulary.dtype)
    write_pieces(folder / f"{name}.lengths", lengths, np.int32)
    return cut


def open_encoded(folder: Path, name: str, vocabulary: Vocabulary, cut: int) -> Encoded:
    """What :func:`encode_into` wrote, its symbols read as they are needed; memory holds 16 bytes a sequence.

    Raises:
        OSError, ValueError: when the files are not whole.
    """
    mapped = Mapped(folder / f"{name}.symbols", vocabulary.dtype)
    lengths = torch.from_numpy(np.fromfile(folder / f"{name}.lengths", np.int32))
    values = torch.from_numpy(mapped.array.reshape(-1, *vocabulary.width))
    return Encoded(Ragged.from_lengths(values, lengths), cut, mapped)
