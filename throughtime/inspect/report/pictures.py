"""The report's pictures of single texts: lengths, scores by length, confidence against accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

from throughtime.inspect.card import interval
from throughtime.inspect.plots import COLOURS, STEPS, drawn, percent_axis
from throughtime.metrics import Bin

if TYPE_CHECKING:
    from throughtime.inspect.report.lengths import Group

__all__ = ["draw_groups", "draw_histogram", "draw_reliability"]

DOTTED = (0, (2, 3))
MOST_BARS = 30
SHOWN = 0.99
"""Of the lengths: a few very long texts would press all others into one bar."""
LINES = (("second", "-"), ("first", "--"))


def draw_groups(
    groups: Sequence[Group],
    *,
    percent: bool,
    name: str,
    words: str,
    whole: float | None = None,
    axis: str = "tokens",
) -> str:
    """A point with its interval for each group of lengths, and a line across for the whole, or the groups' mean."""
    if whole is None:
        whole = sum(group.value * group.count for group in groups) / sum(group.count for group in groups)
    return drawn(lambda axes: _groups(axes, groups, whole, percent, axis), 2.7, name, words)


def _groups(axes: Axes, groups: Sequence[Group], whole: float, percent: bool, axis: str) -> None:
    places = range(len(groups))
    axes.axhline(whole, color=COLOURS["quiet"], linewidth=0.8, linestyle=DOTTED)
    values = [group.value for group in groups]
    _points(axes, places, values, [(group.low, group.high) for group in groups])
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.xaxis.set_major_locator(FixedLocator(list(places)))
    axes.set_xticklabels([group.name for group in groups])
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    if percent:
        percent_axis(axes.yaxis)
    axes.set_xlabel(axis)


def _points(
    axes: Axes, places: Sequence[float], values: Sequence[float], bounds: Sequence[tuple[float, float]]
) -> None:
    below = [value - low for value, (low, _) in zip(values, bounds, strict=True)]
    above = [high - value for value, (_, high) in zip(values, bounds, strict=True)]
    axes.errorbar(
        places,
        values,
        yerr=[below, above],
        color=COLOURS["first"],
        marker="o",
        markersize=5,
        linestyle="none",
        elinewidth=1.4,
        capsize=3,
    )


def draw_histogram(
    lengths: Mapping[str, np.ndarray], *, name: str, words: str, texts: str = "texts", tokens: str = "tokens"
) -> tuple[str, int]:
    """Shares of the texts by length, the first data as bars and others as lines; and the last length shown."""
    every = np.concatenate(list(lengths.values()))
    first, last = int(every.min()), int(np.quantile(every, SHOWN, method="lower"))
    width = -(-(last - first + 1) // MOST_BARS)
    edges = np.arange(first, last + width + 1, width) - 0.5

    def paint(axes: Axes) -> None:
        _histogram(axes, lengths, edges)
        axes.set_xlabel(tokens)
        axes.set_ylabel(f"share of the {texts}")

    return drawn(paint, 2.7, name, words), int(edges[-1])


def _histogram(axes: Axes, lengths: Mapping[str, np.ndarray], edges: np.ndarray) -> None:
    for number, (name, own) in enumerate(lengths.items()):
        shares = np.histogram(own, edges)[0] / len(own)
        if number:
            colour, dashes = LINES[(number - 1) % len(LINES)]
            axes.stairs(shares, edges, color=COLOURS[colour], linestyle=dashes, linewidth=1.4, label=name)
        else:
            axes.stairs(shares, edges, fill=True, color=COLOURS["quiet"], alpha=0.35, label=name)
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=STEPS, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    percent_axis(axes.yaxis)
    if len(lengths) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0, handlelength=1.4)


def draw_reliability(bins: Sequence[Bin], before: Sequence[Bin], *, name: str, words: str) -> str:
    """Accuracy against confidence with the diagonal, shares of the texts below; ``before`` is the same uncalibrated."""
    return drawn(lambda axes: _reliability(axes, bins, before), 3.4, name, words)


def _reliability(axes: Axes, bins: Sequence[Bin], before: Sequence[Bin]) -> None:
    total = sum(part.count for part in bins)
    axes.bar(
        [part.confidence for part in bins],
        [part.count / total for part in bins],
        width=0.035,
        color=COLOURS["quiet"],
        alpha=0.35,
        label="share of the texts",
    )
    axes.plot([0, 1], [0, 1], color=COLOURS["quiet"], linewidth=0.8, linestyle=DOTTED)
    if before:
        places, values = [part.confidence for part in before], [part.accuracy for part in before]
        axes.plot(places, values, "x--", color=COLOURS["second"], linewidth=1, markersize=5, label="before calibration")
    _points(
        axes,
        [part.confidence for part in bins],
        [part.accuracy for part in bins],
        [interval(part.accuracy, part.count) for part in bins],
    )
    axes.set_xlim(min([part.confidence for part in (*bins, *before)]) - 0.05, 1.02)
    axes.set_ylim(0, 1.03)
    for axis in (axes.xaxis, axes.yaxis):
        percent_axis(axis)
    axes.set_xlabel("probability of the answer")
    axes.set_ylabel("share that is right")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, handlelength=1.4)
