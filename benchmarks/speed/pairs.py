"""Two ways to do the same work, timed in turns in one process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Timing", "time_pair"]

PAUSE = 0.02
"""Seconds; idle OpenMP threads give up after a few milliseconds."""


@dataclass(frozen=True)
class Timing:
    """Seconds of each, one a round, and the ratios theirs over ours of each round."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """Theirs over ours, round by round."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def summary(self) -> dict[str, float]:
        """The figures that are written down."""
        return {
            "ours_median_s": statistics.median(self.ours),
            "theirs_median_s": statistics.median(self.theirs),
            "ours_min_s": min(self.ours),
            "theirs_min_s": min(self.theirs),
            "ratio_median": statistics.median(self.ratios),
            "ratio_min": min(self.ratios),
            "rounds": len(self.ours),
        }


def time_pair(
    ours: Callable[[], object], theirs: Callable[[], object], *, seconds: float = 4.0, rounds: int = 30
) -> Timing:
    """Rounds of as many calls of each as take a fiftieth of a second of the slower, first one then the other.

    Both are warmed up alike, called equally often, and take turns at going first. Before each turn there is a pause, in
    which the other side's idle threads stop waiting busily, and one call that is not timed. At least 5 rounds, and no
    more than ``rounds`` or than fit ``seconds``.
    """
    slowest = 0.0
    for call in (ours, theirs):
        for _ in range(2):
            begun = time.perf_counter()
            call()
            slowest_call = time.perf_counter() - begun
        slowest = max(slowest, slowest_call)
    calls = max(1, int(0.02 / slowest))
    found: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    gc.collect()
    gc.disable()
    try:
        begun = time.perf_counter()
        while len(found[ours]) < 5 or (len(found[ours]) < rounds and time.perf_counter() - begun < seconds):
            for call in (ours, theirs) if len(found[ours]) % 2 == 0 else (theirs, ours):
                found[call].append(_seconds(call, calls))
    finally:
        gc.enable()
    return Timing(found[ours], found[theirs])


def _seconds(call: Callable[[], object], calls: int) -> float:
    time.sleep(PAUSE)
    call()
    begun = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begun) / calls
