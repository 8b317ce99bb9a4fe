"""The report's curves as inline SVG whose colours the page's style sheet decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from throughtime.tasks.targets import Measure
from throughtime.train.protocol import Record

__all__ = ["COLOURS", "STEPS", "Chart", "Line", "charts", "draw", "drawn", "percent_axis"]

# Drawn in these, then named for what they are, so that one picture serves the light and the dark page.
COLOURS = {"ink": "#000001", "quiet": "#000002", "line": "#000003", "first": "#000004", "second": "#000005"}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # real text: small, sharp, found by a search in the page
    "svg.hashsalt": "throughtime",
    "font.size": 9.5,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["quiet"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.5,
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["quiet"],
    "ytick.labelcolor": COLOURS["quiet"],
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
}
MOST_MARKERS = 40
STEPS = (1, 2, 5, 10)
NOTHING = {"Creator": None, "Date": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Line:
    """One curve: its name in the legend, its values, one an evaluation, and its colour's name."""

    name: str
    values: Sequence[float]
    colour: str = "first"


@dataclass(frozen=True)
class Chart:
    """One picture: a title, its lines, whether they are shares, and its height in inches."""

    title: str
    lines: Sequence[Line]
    percent: bool = False
    height: float = 2.7


def charts(history: Sequence[Record], measures: Sequence[Measure]) -> list[Chart]:
    """What a run's evaluations show: the loss, the measures if it had validation data, and the gradient."""
    valid = [record.valid for record in history if record.valid]
    loss = [Line("training", [record.loss for record in history], "second")]
    found = [Chart("Loss", loss)]
    if len(valid) == len(history):
        loss.append(Line("validation", [part["loss"] for part in valid]))
        found += [chart for percent in (True, False) if (chart := _measured(valid, measures, percent)).lines]
    norms = [Line("gradient norm", [record.grad_norm for record in history])]
    clipped = [Line("clipped share", [record.clipped for record in history])]
    return [
        *found,
        Chart("Mean norm of the gradient", norms, height=1.6),
        Chart("Share of updates clipped", clipped, percent=True, height=1.6),
    ]


def _measured(valid: Sequence[dict[str, Any]], measures: Sequence[Measure], percent: bool) -> Chart:
    """Shares and other numbers apart, at most two a chart; the more important one in the stronger colour."""
    own = [
        m
        for m in measures
        if m.percent == percent and m.curve and m.key != "loss" and all(v.get(m.key) is not None for v in valid)
    ]
    lines = [
        Line(measure.title, [part[measure.key] for part in valid], colour)
        for measure, colour in zip(own[:2], ("first", "second"), strict=False)
    ]
    title = "Scores on the validation data" if percent else "Errors on the validation data"
    return Chart(title, lines[::-1], percent=percent)


def draw(chart: Chart, history: Sequence[Record], name: str) -> str:
    """The chart as an ``<svg>`` element; the same input gives the same text.

    Args:
        chart: one of :func:`charts`.
        history: the evaluations it was made from.
        name: different for each picture of a page: the ids in it begin with it.
    """
    return drawn(lambda axes: _plot(axes, chart, history), chart.height, name, _in_words(chart, history))


def drawn(paint: Callable[[Axes], None], height: float, name: str, words: str) -> str:
    """An ``<svg>`` element of what is painted on the axes.

    Args:
        paint: in the colours of ``COLOURS``.
        height: in inches, of a width of 4.8.
        name: different for each picture of a page: the ids in it begin with it.
        words: what it shows, for those who do not see it.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(4.8, height), layout="constrained")
        paint(figure.subplots())
        buffer = StringIO()
        figure.savefig(buffer, format="svg", metadata=NOTHING, transparent=True)
    return _inline(buffer.getvalue(), name, words)


def _plot(axes: Axes, chart: Chart, history: Sequence[Record]) -> None:
    epochs = [record.epoch for record in history]
    marker = "o" if len(history) <= MOST_MARKERS else ""
    best = _best(history)
    axes.axvline(epochs[best], color=COLOURS["quiet"], linewidth=0.8, linestyle=(0, (2, 3)))
    for line in chart.lines:
        colour = COLOURS[line.colour]
        axes.plot(epochs, line.values, color=colour, linewidth=1.6, marker=marker, markersize=3, label=line.name)
        axes.plot(epochs[best], line.values[best], color=colour, marker="o", markersize=5.5, linestyle="none")
    axes.set_xlim(0, epochs[-1] * 1.03)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=STEPS, integer=epochs[-1] >= 2))
    axes.yaxis.set_major_locator(MaxNLocator(6 if chart.height > 2 else 3, steps=STEPS))
    if chart.percent:
        percent_axis(axes.yaxis)
    axes.set_xlabel("epochs")
    if len(chart.lines) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, handlelength=1.4)


def percent_axis(axis: Axis) -> None:
    """Shares as people read them."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))


def _best(history: Sequence[Record]) -> int:
    return max((number for number, record in enumerate(history) if record.best), default=len(history) - 1)


def _in_words(chart: Chart, history: Sequence[Record]) -> str:
    """What the picture shows, for those who do not see it."""
    best = _best(history)
    read = "{:.1%}" if chart.percent else "{:.3g}"
    told = [
        f"{line.name} from {read.format(line.values[0])} to {read.format(line.values[-1])}, "
        f"{read.format(line.values[best])} at the best evaluation"
        for line in chart.lines
    ]
    return f"{chart.title}: {'; '.join(told)}. {len(history)} evaluations, the best at epoch {history[best].epoch:.3g}."


def _inline(svg: str, name: str, words: str) -> str:
    """Of a file, what a page takes: no prologue, no outside names, ids that are the page's only ones, its font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", rf'<svg \1 role="img" aria-label="{escape(words)}">', svg, count=1
    )
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    for colour, value in COLOURS.items():
        svg = svg.replace(value, f"var(--{colour})")
    return svg
