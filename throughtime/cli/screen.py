"""What the commands show a person, on standard error, so that standard output stays free for results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from throughtime.data.readers.rows import shown
from throughtime.tasks.targets import Measure, Names

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


def print_scores(
    screen: Console, measures: Sequence[Measure], names: Names, metrics: Mapping[str, Mapping[str, Any]]
) -> None:
    """A row a data set: its measures and size; then a row a class, or type of span, with its F1, when they are few.

    Labels of words that training did not show are told between: they lower the scores, whatever the model answers.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    size, called = names.counted[-1]
    for name in ("", *(measure.title for measure in measures), called):
        table.add_column(name, justify="right" if name else "left")
    for name, scores in metrics.items():
        cells = [measure.shown(scores[measure.key]) for measure in measures]
        table.add_row(name, *cells, str(scores[size]))
    screen.print(table)
    for name, scores in metrics.items():
        if new := scores.get("labels_unknown"):
            screen.print(f"{name}: {_unknown(new)}")
    apart_by = {name: scores.get("f1_by_class", scores.get("f1_by_type", {})) for name, scores in metrics.items()}
    classes = list(dict.fromkeys(label for scores in apart_by.values() for label in scores))
    if not 0 < len(classes) <= MOST_CLASSES:
        return
    apart = Table(box=None, pad_edge=False, header_style="bold")
    apart.add_column("F1 of")
    for name in metrics:
        apart.add_column(name, justify="right")
    for label in classes:
        shares = (scores.get(label) for scores in apart_by.values())
        apart.add_row(label, *("–" if share is None else f"{share:.2%}" for share in shares))
    screen.print(apart)


def _unknown(new: Mapping[str, int]) -> str:
    """Which labels training did not show, and how many words that concerns.

    >>> _unknown({"SYM": 2, "X": 1})
    '3 words have a label that training did not show ("SYM", "X"), so that every answer to them counts as wrong'
    """
    count = sum(new.values())
    words, them = ("words have", "them") if count > 1 else ("word has", "it")
    labels = f"a label that training did not show ({shown(sorted(new), 5)})"
    return f"{count:,} {words} {labels}, so that every answer to {them} counts as wrong"


MOST_CLASSES = 30
