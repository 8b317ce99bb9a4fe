"""Curves against a distance as inline SVG, in the look of the report's charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from throughtime.inspect.plots import COLOURS, STEPS, drawn, percent_axis

__all__ = ["Curve", "Picture", "draw_curves", "power_of_ten"]

THIRD = "#000006"
"""A colour that the charts have no use for; the page's style sheet says what ``--third`` is."""
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: in the legend.
        x: where its points are.
        y: their values; what is not finite is left out.
        colour: ``first``, ``second``, ``third`` or ``quiet``.
        dashes: matplotlib's line style: what tells curves apart besides their colour.
        marker: matplotlib's marker, or none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = "first"
    dashes: str = "-"
    marker: str = ""


@dataclass(frozen=True)
class Picture:
    """What a picture shows.

    Attributes:
        words: for those who do not see it.
        curves: from the back to the front.
        x: what its axis counts.
        y: likewise.
        ticks: the only places named on ``x``, which is then logarithmic.
        logarithmic: whether ``y`` is.
        decades: how many of them it then shows below its highest value; what is fainter has left it.
        percent: whether ``y`` are shares, from 0 to 1.
        level: a dotted line across, and its name.
        height: in inches, of a width of 4.8.
    """

    words: str
    curves: Sequence[Curve]
    x: str
    y: str = ""
    ticks: Sequence[float] = ()
    logarithmic: bool = False
    decades: int = 12
    percent: bool = False
    level: tuple[float, str] | None = None
    height: float = 3.0


def draw_curves(picture: Picture, name: str) -> str:
    """The picture as an ``<svg>`` element; the same input gives the same text.

    Args:
        picture: what it shows.
        name: different for each picture of a page: the ids in it begin with it.
    """
    svg = drawn(lambda axes: _paint(axes, picture), picture.height, name, picture.words)
    return svg.replace(THIRD, "var(--third)")


def _paint(axes: Axes, picture: Picture) -> None:
    for curve in picture.curves:
        _plot(axes, curve)
    _scale(axes, picture)
    if picture.level is not None:
        _level(axes, *picture.level)
    if len(picture.curves) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0, handlelength=1.8)


def _plot(axes: Axes, curve: Curve) -> None:
    points = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y)]
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        label=curve.name,
        color=COLOURS.get(curve.colour, THIRD),
        linestyle=curve.dashes,
        marker=curve.marker,
        linewidth=1.6,
        markersize=4,
    )


def _scale(axes: Axes, picture: Picture) -> None:
    axes.set_xlabel(picture.x)
    axes.set_ylabel(picture.y)
    if picture.ticks:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(list(picture.ticks)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=STEPS, integer=True))
        axes.set_xlim(left=0)
    if picture.logarithmic:
        _logarithmic(
            axes, [y for curve in picture.curves for y in curve.y if math.isfinite(y) and y > 0], picture.decades
        )
    if picture.percent:
        axes.set_ylim(0, 1.03)
        percent_axis(axes.yaxis)


def _logarithmic(axes: Axes, values: Sequence[float], decades: int) -> None:
    axes.set_yscale("log")
    # Its own formatter writes mathematics, which a page's font knows nothing of.
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_minor_locator(NullLocator())
    if values:
        highest = max(values)
        axes.set_ylim(max(min(values), highest * 10.0**-decades) / 2, 2 * highest)


def _power(value: float) -> str:
    """Powers of ten as they are read.

    >>> [_power(value) for value in (0.01, 1, 10, 1e-7, 1e12)]
    ['0.01', '1', '10', '10⁻⁷', '10¹²']
    """
    exponent = round(math.log10(value))
    return f"{value:g}" if abs(exponent) <= 2 else power_of_ten(exponent)


def power_of_ten(exponent: int) -> str:
    """As it is read: ``10⁻⁷``."""
    return f"10{str(exponent).translate(SUPERSCRIPT)}"


def _level(axes: Axes, value: float, name: str) -> None:
    axes.axhline(value, color=COLOURS["quiet"], linewidth=0.8, linestyle=(0, (2, 3)))
    axes.annotate(
        name,
        (1, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=COLOURS["quiet"],
        fontsize=8.5,
    )
