"""What the commands show a person, on standard error, so that standard output stays free for results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["console", "scores_table", "sparkline"]


def console(*, quiet: bool = False, stderr: bool = True) -> Console:
    """A console on standard error, or on standard output for results; ``quiet`` shows nothing."""
    # No markup: square brackets in a file's name, a label or a note are just that.
    return Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, soft_wrap=True)


def sparkline(values: list[float]) -> str:
    """A curve in one line of text.

    >>> sparkline([0, 1, 2, 3])
    '▁▃▆█'
    """
    low, high = min(values), max(values)
    blocks = "▁▂▃▄▅▆▇█"
    return "".join(blocks[round((value - low) / ((high - low) or 1) * (len(blocks) - 1))] for value in values)


def scores_table(metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    """One row a data set: accuracy, macro F1, loss, examples; then F1 of each class when they are few."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    names = ["accuracy", "macro F1", "loss", "examples"]
    classes = list(next(iter(metrics.values()))["f1_by_class"])
    shown = classes if len(classes) <= 8 else []
    for name in [*names, *(f"F1 {label}" for label in shown)]:
        table.add_column(name, justify="right")
    for name, scores in metrics.items():
        cells = [f"{scores['accuracy']:.2%}", f"{scores['macro_f1']:.2%}", f"{scores['loss']:.4f}"]
        cells.append(str(scores["examples"]))
        table.add_row(name, *cells, *(f"{scores['f1_by_class'][label]:.2%}" for label in shown))
    return table
