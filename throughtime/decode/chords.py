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


class ChordSampler:
    """Draws chords; ``B`` rows of log-odds over ``P`` pitches at a time.

    Pitches that are each drawn by themselves make chords of any size: four voices come out as two now and then, or as
    seven. So the size is drawn first, its probability under the model (a Poisson binomial) times how often training
    has such chords; then the chord, given its size (conditional Bernoulli sampling, Chen & Liu 1997). No chord is
    larger than those of training, and silence is no more frequent there.

    Args:
        sizes: how often there are none, one, two … pitches; of all sizes the same leaves the model's own chords.
        temperature: divides the log-odds: less is safer, more is bolder; 0 takes the most probable size, and of the
            pitches the most probable.

    Raises:
        ValueError: the temperature is negative, or no size has a share.

    >>> log_odds = torch.tensor([[2.0, -1.0, 3.0, -9.0]])
    >>> ChordSampler([0.1, 0.1, 0.8], temperature=0)(log_odds, [Generator()])
    tensor([[ True, False,  True, False]])
    """

    def __init__(self, sizes: Sequence[float], temperature: float = 1.0) -> None:
        if not temperature >= 0:
            raise ValueError(f"expected a temperature of at least 0, found {temperature:g}")
        self._shares = np.asarray(sizes, dtype=np.float64)
        if not self._shares.sum() > 0 or self._shares.min() < 0:
            raise ValueError(f"expected the shares of chords' sizes, found {list(sizes)}")
        self.temperature = temperature

    def __call__(self, logits: Tensor, generators: Sequence[Generator]) -> Tensor:
        """``[B, P]`` truth values: the pitches that sound.

        Each row takes ``P + 1`` numbers from its stream, and none at temperature 0.

        Args:
            logits: ``[B, P]``.
            generators: ``B`` streams.
        """
        scores = logits.double().numpy(force=True) / (self.temperature or 1.0)
        on, off = log_expit(scores), log_expit(-scores)
        ways = _ways(on, off, min(len(self._shares) - 1, scores.shape[1]))
        with np.errstate(divide="ignore"):
            sizes = ways[0] + np.log(self._shares[: ways.shape[2]])
        if not self.temperature:
            return torch.from_numpy(_likeliest(scores, sizes.argmax(1)))
        count = scores.shape[1] + 1
        drawn = np.stack([torch.rand(count, dtype=torch.float64, generator=own).numpy() for own in generators])
        return torch.from_numpy(_chords(on, ways, _drawn(sizes, drawn[:, 0]), drawn[:, 1:]))


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


def _drawn(weights: Floats, drawn: Floats) -> NDArray[np.intp]:
    """``[B]``: places by their log-weights ``[B, K]`` and a number from 0 to 1 each."""
    cumulative = np.exp(weights - weights.max(1, keepdims=True)).cumsum(1)
    places: NDArray[np.intp] = (cumulative <= drawn[:, None] * cumulative[:, -1:]).sum(1)
    return places


def _chords(on: Floats, ways: Floats, sizes: NDArray[np.intp], drawn: Floats) -> NDArray[np.bool_]:
    """Pitch after pitch, each by its probability given how many are still to come."""
    rows, pitches = on.shape
    every, left = np.arange(rows), sizes.copy()
    sounds = np.zeros((rows, pitches), dtype=bool)
    for pitch in range(pitches):
        wanted = left > 0
        with np.errstate(invalid="ignore"):  # of a row that has all its pitches
            chance = np.exp(on[:, pitch] + ways[pitch + 1, every, left - 1] - ways[pitch, every, left])
        # The last ones must sound, however the chance was rounded.
        sounds[:, pitch] = wanted & ((drawn[:, pitch] < chance) | (left >= pitches - pitch))
        left -= sounds[:, pitch]
    return sounds


def _likeliest(scores: Floats, sizes: NDArray[np.intp]) -> NDArray[np.bool_]:
    order = np.argsort(-scores, axis=1, kind="stable")
    sounds = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(sounds, order, np.arange(scores.shape[1]) < sizes[:, None], axis=1)
    return sounds
