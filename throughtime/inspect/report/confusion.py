"""The report's sections on what is taken for what, and on each class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from throughtime.inspect.card import PARTS
from throughtime.inspect.report.page import TALL, box, section, short, table
from throughtime.model import Model

__all__ = ["MOST_IN_MATRIX", "confusions"]

MOST_IN_MATRIX = 60
MOST_MISTAKES = 10
FEW, MANY = 4, 12
DEEPEST = 0.55
"""The strongest tint of a cell: text keeps a contrast of more than 4.5 on it, in the light and in the dark."""


def confusions(model: Model) -> list[str]:
    """The sections, from the test data or else the validation data; none without both."""
    part = next((part for part in PARTS if model.config.result.get(part)), None)
    if part is None:
        return []
    scores, name = model.config.result[part], PARTS[part]
    if "confusion" not in scores:
        return []
    counts: list[list[int]] = scores["confusion"]
    matrix = _matrix(model.labels, counts) if len(counts) <= MOST_IN_MATRIX else ""
    mistakes = _mistakes(model.labels, counts)
    found = [section("Where it errs", f"<p>{_matrix_note(name, bool(matrix))}</p>{matrix}{mistakes}")]
    if "f1_by_class" in scores:
        text = f"<p>On the {name} data, the best first.</p>{_classes(model.labels, scores)}"
        found.append(section("Each class", text))
    return found


def _matrix_note(name: str, drawn: bool) -> str:
    if not drawn:
        return f"On the {name} data. The classes are too many to set against each other in one table."
    return f"On the {name} data: each row a true class, each column what it was taken for. Colour: the row's share."


def _matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    size = "few" if len(labels) <= FEW else "many" if len(labels) > MANY else ""
    head = "".join(f'<th scope="col">{short(label)}</th>' for label in labels)
    rows = "".join(_matrix_row(labels, number, row) for number, row in enumerate(counts))
    corner = '<td class="axis">true ↓ taken for →</td>'
    content = f"<thead><tr>{corner}{head}</tr></thead>\n<tbody>\n{rows}</tbody>"
    return box("Confusion matrix", f'<table class="confusion {size}">{content}</table>', len(labels) > TALL)


def _matrix_row(labels: Sequence[str], number: int, row: Sequence[int]) -> str:
    whole = max(1, sum(row))
    cells = "".join(_matrix_cell(count, count / whole, place == number) for place, count in enumerate(row))
    return f'<tr><th scope="row">{short(labels[number])}</th>{cells}</tr>\n'


def _matrix_cell(count: int, share: float, right: bool) -> str:
    if not count:
        return '<td class="none">·</td>'
    kind = ' class="right"' if right else ""
    return f'<td{kind} style="--share:{DEEPEST * share:.3f}" title="{share:.1%}">{count:,}</td>'


def _mistakes(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """The most frequent confusions, which a large matrix hides and a small one shows by itself."""
    pairs = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j]
    if len(labels) <= FEW or not pairs:
        return ""
    rows = [
        (short(labels[i]), short(labels[j]), f"{n:,}", f"{n / sum(counts[i]):.1%}")
        for n, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:MOST_MISTAKES]
    ]
    content = table(("true class", "taken for", "texts", "of the class"), rows, "llnn", "Most frequent mistakes")
    return f"<h3>Most frequent mistakes</h3>{content}"


def _classes(labels: Sequence[str], scores: dict[str, Any]) -> str:
    counts = scores["confusion"]
    order = sorted(range(len(labels)), key=lambda number: (-scores["f1_by_class"][labels[number]], number))
    rows = []
    for number in order:
        f1, right = scores["f1_by_class"][labels[number]], counts[number][number]
        told, true = sum(row[number] for row in counts), sum(counts[number])
        bar = f'<span class="bar"><i style="width:{f1:.1%}"></i></span>'
        precision, recall = (f"{right / whole:.1%}" if whole else "–" for whole in (told, true))
        rows.append((escape(labels[number]), bar, f"{f1:.1%}", precision, recall, f"{true:,}"))
    return table(
        ("class", "", "F1", "precision", "recall", "examples"),
        rows,
        "llnnnn",
        "F1 of each class",
        wide=True,
        tall=len(rows) > TALL,
    )
