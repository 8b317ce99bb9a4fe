"""Learnt vectors of words that also read how the words are spelt."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SpelledEmbedding"]


class SpelledEmbedding(nn.Module):
    """A word's vector plus those of its spelling's features.

    Args:
        num_symbols: words, ``V``.
        features: features of the spelling, ``S``.
        buckets: values of each feature.
        size: ``E``.

    >>> import torch
    >>> SpelledEmbedding(20, 3, 50, 8)(torch.tensor([[7, 1, 49, 3], [2, 0, 0, 0]])).shape
    torch.Size([2, 8])
    """

    def __init__(self, num_symbols: int, features: int, buckets: int, size: int) -> None:
        super().__init__()
        self.word = nn.Embedding(num_symbols, size)
        self.spelling = nn.ModuleList(nn.Embedding(buckets, size) for _ in range(features))

    def forward(self, values: Tensor) -> Tensor:
        """``[N, E]`` of ``values [N, 1 + S]``: a word and its features."""
        vectors: Tensor = self.word(values[:, 0])
        for place, table in enumerate(self.spelling, 1):
            vectors = vectors + table(values[:, place])
        return vectors
