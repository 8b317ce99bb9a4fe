"""Scheduled sampling: how many of the symbols that a decoder is told while it learns are the right ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

__all__ = ["DECAYS", "share_told"]


def share_told(decay: str, update: int, half: int) -> float:
    """The share of right symbols told in an update, which falls from about 1 and is one half at update `half`.

    The decays are those of Bengio et al. (2015), "Scheduled Sampling for Sequence Prediction with Recurrent Neural
    Networks", section 2.4; their constant ``k`` is chosen so that all pass one half at the same update.

    Args:
        decay: one of ``DECAYS``.
        update: how many updates came before.
        half: from 1.

    >>> [round(share_told("exponential", update, half=100), 3) for update in (0, 100, 200)]
    [1.0, 0.5, 0.25]
    >>> [round(share_told("linear", update, half=100), 3) for update in (0, 50, 100, 300)]
    [1.0, 0.75, 0.5, 0.0]
    >>> [round(share_told("inverse-sigmoid", update, half=100), 3) for update in (0, 50, 100, 200)]
    [0.967, 0.845, 0.5, 0.033]
    """
    return DECAYS[decay](update, half)


def _linear(update: int, half: int) -> float:
    return max(0.0, 1 - update / (2 * half))


def _exponential(update: int, half: int) -> float:
    return float(0.5 ** (update / half))


def _inverse_sigmoid(update: int, half: int) -> float:
    """``k / (k + exp(i / k))``."""
    k = _k(half)
    return 1 / (1 + math.exp(min(700.0, update / k - math.log(k))))


@cache
def _k(half: int) -> float:
    """The ``k`` of which ``k log k`` is `half`: exp(i / k) is as large as k there."""
    low, high = 1.0, max(math.e, float(half))
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * math.log(middle) < half else (low, middle)
    return high


DECAYS: dict[str, Callable[[int, int], float]] = {
    "linear": _linear,
    "exponential": _exponential,
    "inverse-sigmoid": _inverse_sigmoid,
}
"""Each decay by the name of its setting: a share from the update and the one at which it is to be one half."""
