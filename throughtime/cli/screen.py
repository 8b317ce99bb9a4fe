"""What the commands show a person, on standard error, so that standard output stays free for results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from throughtime.tasks.targets import Measure

__all__ = ["console", "print_scores", "sparkline"]


def console(*, quiet: bool = False, stderr: bool = True) -> Console:
    """A console on standard error, or on standard output for results; ``quiet`` shows nothing."""
    # No markup: square brackets in a file's name, a label or a note are just that.
    return Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False, soft_wrap=True)


def sparkline(values: list[float]) -> str:
    """A curve in one line of text.

    >>> sparkline([0, 1, 2, 3])
    '▁▃▆█'
    """
    low, high = min(values), max(values)
    blocks = "▁▂▃▄▅▆▇█"
    return "".join(blocks[round((value - low) / ((high - low) or 1) * (len(blocks) - 1))] for value in values)


def print_scores(screen: Console, measures: Sequence[Measure], metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """A row a data set: its measures and size; then a row a class, or type of span, with its F1, when they are few."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    size = "tokens" if all("tokens" in scores for scores in metrics.values()) else "examples"
    for name in ("", *(measure.title for measure in measures), SIZES[size]):
        table.add_column(name, justify="right" if name else "left")
    for name, scores in metrics.items():
        cells = [measure.shown(scores[measure.key]) for measure in measures]
        table.add_row(name, *cells, str(scores[size]))
    screen.print(table)
    apart_by = "f1_by_class" if size == "examples" else "f1_by_type"
    classes = list(dict.fromkeys(name for scores in metrics.values() for name in scores.get(apart_by, ())))
    if not 0 < len(classes) <= MOST_CLASSES:
        return
    apart = Table(box=None, pad_edge=False, header_style="bold")
    apart.add_column("F1 of")
    for name in metrics:
        apart.add_column(name, justify="right")
    for label in classes:
        shares = (scores[apart_by].get(label) for scores in metrics.values())
        apart.add_row(label, *("–" if share is None else f"{share:.2%}" for share in shares))
    screen.print(apart)


MOST_CLASSES = 30
SIZES = {"tokens": "words", "examples": "examples"}
