"""Choosing the next chord from the log-odds of its pitches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_expit
from torch import Generator, Tensor

__all__ = ["ChordSampler"]

Floats: TypeAlias = NDArray[np.float64]
Sizes: TypeAlias = NDArray[np.intp]

CANDIDATES = 32
"""Chords drawn for each that is taken, where intervals are weighed."""


class ChordSampler:
    """Draws chords; ``B`` rows of log-odds over ``P`` pitches at a time.

    Pitches that are each drawn by themselves make chords of any size, and clashing ones: four voices come out as two
    now and then, or as seven, with a semitone between them. So the size is drawn first, its probability under the model
    (a Poisson binomial) times how often training has such chords; then chords of that size (conditional Bernoulli
    sampling, Chen & Liu 1997), of which one is taken by how much more often its intervals meet in training than by
    chance (sampling-importance-resampling, Rubin 1988). No chord is larger than those of training.

    Args:
        sizes: how often there are none, one, two … pitches; of all sizes the same leaves the model's own chords.
        intervals: ``[P]`` how much more often than by chance two pitches so many semitones apart meet; none leaves them
            to chance.
        temperature: divides the log-odds: less is safer, more is bolder; 0 takes the most probable size, and pitch
            after pitch the most probable one beside those before.

    Raises:
        ValueError: the temperature is negative, or no size has a share.

    >>> log_odds = torch.tensor([[2.0, 1.9, 1.0, -9.0]])
    >>> ChordSampler([0.1, 0.1, 0.8], temperature=0)(log_odds, [Generator()])
    tensor([[ True,  True, False, False]])
    >>> ChordSampler([0.1, 0.1, 0.8], [1.0, 0.01, 1.0, 1.0], temperature=0)(log_odds, [Generator()])
    tensor([[ True, False,  True, False]])
    """

    def __init__(
        self, sizes: Sequence[float], intervals: Sequence[float] | None = None, temperature: float = 1.0
    ) -> None:
        if not temperature >= 0:
            raise ValueError(f"expected a temperature of at least 0, found {temperature:g}")
        shares = np.asarray(sizes, dtype=np.float64)
        if not shares.sum() > 0 or shares.min() < 0:
            raise ValueError(f"expected the shares of chords' sizes, found {list(sizes)}")
        self.temperature = temperature
        with np.errstate(divide="ignore"):
            self._shares = np.log(shares)
            self._pairs = None if intervals is None else _pairs(np.log(np.asarray(intervals, dtype=np.float64)))

    def __call__(self, logits: Tensor, generators: Sequence[Generator]) -> Tensor:
        """``[B, P]`` truth values: the pitches that sound.

        Each row takes the same count of numbers from its stream each time, and none at temperature 0.

        Args:
            logits: ``[B, P]``.
            generators: ``B`` streams.
        """
        with np.errstate(over="ignore"):  # a tiny temperature
            scores = logits.double().numpy(force=True) / (self.temperature or 1.0)
        scores = scores.clip(-_MOST, _MOST)
        on, off = log_expit(scores), log_expit(-scores)
        ways = _ways(on, off, min(len(self._shares) - 1, scores.shape[1]))
        sizes = ways[0] + self._shares[: ways.shape[2]]
        if not self.temperature:
            return torch.from_numpy(self._likeliest(scores, sizes.argmax(1)))
        shape = 1 if self._pairs is None else CANDIDATES, scores.shape[1]
        drawn = [_numbers(generator, shape) for generator in generators]
        left = _drawn(sizes, np.array([size for size, _, _ in drawn]))
        chords = _chords(on, ways, left, np.stack([pitches for _, pitches, _ in drawn]))
        taken = np.zeros(len(scores), dtype=np.intp)
        if self._pairs is not None:
            weights = np.einsum("bmp,bmp->bm", chords @ self._pairs, chords)
            taken = _drawn(weights, np.array([choice for _, _, choice in drawn]))
        return torch.from_numpy(chords[np.arange(len(scores)), taken])

    def _likeliest(self, scores: Floats, sizes: Sizes) -> NDArray[np.bool_]:
        """Pitch after pitch."""
        scores, sounds = scores.copy(), np.zeros(scores.shape, dtype=bool)
        for count in range(int(sizes.max(initial=0))):
            rows = np.flatnonzero(sizes > count)
            best = scores[rows].argmax(1)
            sounds[rows, best] = True
            if self._pairs is not None:
                scores[rows] += self._pairs[best] + self._pairs[:, best].T
            scores[rows, best] = -np.inf
        return sounds


def _pairs(weights: Floats) -> Floats:
    """``[P, P]``: of a lower and a higher pitch their interval's log-weight, and of all other pairs nothing."""
    count = len(weights)
    apart = np.arange(count)[None] - np.arange(count)[:, None]
    pairs: Floats = np.where(apart > 0, np.maximum(weights, _LEAST)[apart], 0.0)
    return pairs


def _numbers(generator: Generator, shape: tuple[int, int]) -> tuple[float, Floats, float]:
    """What a row takes from its stream: a number for the size, ``[M, P]`` for the pitches, and one for the choice."""
    numbers = torch.rand(2 + shape[0] * shape[1], dtype=torch.float64, generator=generator).numpy()
    return numbers[0], numbers[2:].reshape(shape), numbers[1]


def _ways(on: Floats, off: Floats, most: int) -> Floats:
    """``[P + 1, B, most + 1]``: the log-probability that of the pitches from each on just so many sound."""
    rows, pitches = on.shape
    ways = np.full((pitches + 1, rows, most + 1), -np.inf)
    ways[pitches, :, 0] = 0
    for pitch in range(pitches - 1, -1, -1):
        after = ways[pitch + 1]
        ways[pitch] = off[:, pitch, None] + after
        ways[pitch, :, 1:] = np.logaddexp(ways[pitch, :, 1:], on[:, pitch, None] + after[:, :-1])
    return ways


def _drawn(weights: Floats, drawn: Floats) -> Sizes:
    """``[B]``: places by their log-weights ``[B, K]`` and a number from 0 to 1 each."""
    cumulative = np.exp(weights - weights.max(1, keepdims=True)).cumsum(1)
    places: Sizes = (cumulative <= drawn[:, None] * cumulative[:, -1:]).sum(1)
    return places


def _chords(on: Floats, ways: Floats, sizes: Sizes, drawn: Floats) -> NDArray[np.bool_]:
    """``[B, M, P]`` chords of a size each row, pitch after pitch, by its probability given how many are still to come.

    Args:
        on: ``[B, P]`` log-probabilities.
        ways: see :func:`_ways`.
        sizes: ``[B]``.
        drawn: ``[B, M, P]`` numbers from 0 to 1.
    """
    rows, several, pitches = drawn.shape
    every, left = np.arange(rows)[:, None], np.repeat(sizes[:, None], several, 1)
    sounds = np.zeros(drawn.shape, dtype=bool)
    for pitch in range(pitches):
        with np.errstate(invalid="ignore"):  # of a row that has all its pitches
            chance = np.exp(on[:, pitch, None] + ways[pitch + 1, every, left - 1] - ways[pitch, every, left])
        # The last ones must sound, however the chance was rounded.
        sounds[:, :, pitch] = (left > 0) & ((drawn[:, :, pitch] < chance) | (left >= pitches - pitch))
        left -= sounds[:, :, pitch]
    return sounds


_LEAST = -30.0  # an interval of weight nothing is taken only where all chords have it
_MOST = 1e300  # log-odds, so that those of all pitches together are finite
