"""Choosing the next symbol from its scores: temperature, top-k, typical and nucleus sampling, repetition penalty.

The work is done in NumPy's float64: a row of a small vocabulary is chosen thousands of times a second, where a NumPy
call costs a fraction of what a PyTorch call does, and the cumulative distribution needs the digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Generator, Tensor

from throughtime.config import Config

__all__ = ["Sampler", "SamplingConfig", "streams"]

Floats: TypeAlias = NDArray[np.float64]

_LARGEST = np.finfo(np.float64).max


class SamplingConfig(Config):
    """How the next symbol is chosen.

    :class:`Sampler` has the order and the sources.
    """

    temperature: float = Field(
        1.0, ge=0, description="divides the scores: less is safer, more is bolder; 0 takes the most probable symbol"
    )
    top_k: int | None = Field(None, ge=1, description="choose among so many of the most probable symbols")
    typical: float | None = Field(
        None, gt=0, le=1, description="choose among the symbols nearest to the expected surprise, of this probability"
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="choose among the fewest of the most probable symbols of this probability"
    )
    repetition_penalty: float = Field(
        1.0, gt=0, description="divides the scores of symbols already produced, or multiplies them where negative"
    )


def streams(seed: int, count: int, *, first: int = 0) -> list[Generator]:
    """Random streams ``first … first + count - 1`` of a seed, one a sample.

    PyTorch's generator uses 32 bits of its seed: counted on from one that is well mixed, no two streams are the same,
    which mixing each number by itself would not promise.

    >>> last, same = streams(7, 3)[2], streams(7, 1, first=2)[0]
    >>> bool(torch.rand((), generator=last) == torch.rand((), generator=same))
    True
    """
    begin = int(np.random.SeedSequence(seed).generate_state(1)[0]) + first
    return [Generator().manual_seed((begin + number) % 2**32) for number in range(count)]


class Sampler:
    """Draws symbols; ``B`` rows of scores over ``V`` symbols at a time.

    The order is: banned symbols, repetition penalty (Keskar et al. 2019, section 4.1), temperature, top-k (Fan et al.
    2018, section 5.1), typical (Meister et al. 2023, equation 10), top-p (Holtzman et al. 2020, section 3.1); what is
    left is scaled to probability 1. Of equal symbols the lower number comes first, and one always stays. A row's
    symbol depends on its own scores and its own stream alone, to the bit.

    Args:
        config: the settings.
        banned: numbers of symbols that are never drawn.

    Raises:
        ValueError: for banned numbers below 0. Every method raises it for scores of another shape, a vocabulary without
            one of the banned numbers or with no others, a largest score that is not finite, and a number of streams
            that is not ``B``.

    >>> scores = torch.tensor([[9.0, 1.0, 3.0, 2.0]])
    >>> sampler = Sampler(SamplingConfig(top_k=2), banned=[0])
    >>> sampler.distribution(scores)
    tensor([[0.0000, 0.0000, 0.7311, 0.2689]], dtype=torch.float64)
    >>> sorted({int(sampler(scores, stream)) for stream in streams(seed=0, count=50)})
    [2, 3]
    """

    def __init__(self, config: SamplingConfig, *, banned: Sequence[int] = ()) -> None:
        if min(banned, default=0) < 0:
            raise ValueError(f"expected banned symbols of at least 0, found {min(banned)}")
        self.config = config
        self._banned = np.array(sorted(set(banned)), dtype=np.intp)
        self._size = max(banned, default=0) + 1

    def __call__(
        self, logits: Tensor, generators: Generator | Sequence[Generator], *, produced: Tensor | None = None
    ) -> Tensor:
        """``[B]`` symbols of int64.

        Each row takes one number from its stream and the symbol at which the cumulative distribution passes it; at
        temperature 0 none is taken.

        Args:
            logits: ``[B, V]``.
            generators: ``B`` streams, or one from which the rows take in turn.
            produced: ``[B, V]`` of bool: symbols said before, for the repetition penalty.
        """
        rows = len(logits)
        if isinstance(generators, Generator):
            generators = [generators] * rows
        elif len(generators) != rows:
            raise ValueError(f"expected a generator for each of {rows} rows, found {len(generators)}")
        cumulative = self._weights(logits, produced).cumsum(axis=1)
        if not self.config.temperature:
            return torch.from_numpy(cumulative.argmax(axis=1))
        chosen = np.empty(rows, dtype=np.int64)
        for number, (row, generator) in enumerate(zip(cumulative, generators, strict=True)):
            drawn: float = torch.rand((), dtype=torch.float64, generator=generator).item()
            # Drawn is below 1, and the first sum above it ends with a symbol of some probability.
            chosen[number] = row.searchsorted(drawn * row[-1], side="right")
        return torch.from_numpy(chosen)

    def distribution(self, logits: Tensor, *, produced: Tensor | None = None) -> Tensor:
        """``[B, V]`` of float64: the probabilities that symbols are drawn with."""
        weights = self._weights(logits, produced)
        return torch.from_numpy(weights / weights.cumsum(axis=1)[:, -1:])

    def _weights(self, logits: Tensor, produced: Tensor | None) -> Floats:
        """Probabilities ``[B, V]`` but for a factor a row, which makes the largest before filtering 1."""
        config = self.config
        with np.errstate(over="ignore"):  # a tiny temperature or penalty
            scores = self._allowed(logits)
            if produced is not None and config.repetition_penalty != 1:
                scores = _penalised(scores, produced, config.repetition_penalty)
            top = np.maximum.reduce(scores, axis=1, keepdims=True)
            if not np.logical_and.reduce(np.isfinite(top), axis=None):
                raise ValueError("expected a finite largest score among symbols that are not banned, found none")
            if not config.temperature:
                weights = np.zeros_like(scores)
                weights[np.arange(len(scores)), scores.argmax(axis=1)] = 1
                return weights
            scores -= top
            if config.temperature != 1:
                scores /= config.temperature
        weights = np.exp(scores, out=scores)
        if config.top_k is not None and config.top_k < weights.shape[1]:
            weights = _top_k(weights, config.top_k)
        if config.typical is not None and config.typical < 1:
            weights = _fewest(weights, _strangeness(weights), config.typical)
        if config.top_p is not None and config.top_p < 1:
            weights = _fewest(weights, -weights, config.top_p)
        return weights

    def _allowed(self, logits: Tensor) -> Floats:
        """A copy of the scores, with minus infinity for banned symbols."""
        if logits.dim() != 2 or logits.shape[1] < self._size:
            raise ValueError(f"expected logits [B, V] with V of at least {self._size}, found {list(logits.shape)}")
        if logits.dtype == torch.bfloat16:  # which NumPy has not
            logits = logits.float()
        scores: Floats = logits.numpy(force=True).astype(np.float64)  # a copy, whatever the type
        if self._banned.size:
            scores[:, self._banned] = -np.inf
        return scores


def _penalised(scores: Floats, produced: Tensor, penalty: float) -> Floats:
    """Scores of what was produced, divided where positive and multiplied where not."""
    if produced.dtype != torch.bool or produced.shape != scores.shape:
        raise ValueError(
            f"expected produced of bool {list(scores.shape)}, found {produced.dtype} {list(produced.shape)}"
        )
    mask = produced.numpy(force=True) & (scores > -np.inf)
    penalised = np.where(scores > 0, scores / penalty, scores * penalty)
    # An extreme penalty must leave a largest score, and what is banned below it.
    return np.where(mask, penalised.clip(-_LARGEST, _LARGEST), scores)


def _top_k(weights: Floats, count: int) -> Floats:
    """The ``count`` largest of each row; the others 0."""
    least = np.partition(weights, -count, axis=1)[:, -count, None]
    above, level = weights > least, weights == least
    room = count - above.sum(axis=1, keepdims=True)
    return np.where(above | (level & (level.cumsum(axis=1) <= room)), weights, 0.0)


def _strangeness(weights: Floats) -> Floats:
    """How far each symbol's surprise ``-log p`` is from its expected value, the entropy; infinite where ``p`` is 0."""
    probabilities = weights / weights.cumsum(axis=1)[:, -1:]
    surprise = -np.log(probabilities, out=np.full_like(weights, -np.inf), where=probabilities > 0)
    terms = np.multiply(probabilities, surprise, out=np.zeros_like(weights), where=probabilities > 0)
    distance: Floats = np.abs(surprise - terms.cumsum(axis=1)[:, -1:])
    return distance


def _fewest(weights: Floats, ranks: Floats, share: float) -> Floats:
    """The symbols of the lowest ranks that together have that share of each row; the others 0."""
    places = np.arange(len(weights))[:, None], ranks.argsort(axis=1, kind="stable")
    ordered = weights[places]
    sums = ordered.cumsum(axis=1)
    # A symbol stays where those before it fall short; the first always does.
    ordered[:, 1:][sums[:, :-1] >= share * sums[:, -1:]] = 0
    kept: Floats = np.empty_like(weights)
    kept[places] = ordered
    return kept
