"""The report's sections on what is taken for what, and on each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from throughtime.inspect.card import PARTS
from throughtime.inspect.report.evidence import Answered, Evidence
from throughtime.inspect.report.page import TALL, box, section, short, table
from throughtime.model import Model

__all__ = ["Pairs", "confusions", "count_classes", "count_pairs"]

MOST_MISTAKES = 10
FEW, MANY = 4, 12
DEEPEST = 0.55
"""The strongest tint of a cell: text keeps a contrast of more than 4.5 on it, in the light and in the dark."""


Pairs = Counter[tuple[int, int]]
"""How often each true class was taken for each class, by their numbers."""


def count_pairs(scores: dict[str, Any], part: Answered | None) -> Pairs:
    """From the matrix of few classes, or the answers to single texts; nothing where there is neither, or no class."""
    if "confusion" in scores:
        matrix = enumerate(scores["confusion"])
        return Counter({(i, j): count for i, row in matrix for j, count in enumerate(row) if count})
    if part is None or "f1_by_class" not in scores:
        return Counter()
    return Counter(zip(part.targets.tolist(), part.told.tolist(), strict=True))


def count_classes(pairs: Pairs, side: int = 0) -> Counter[int]:
    """How many texts each class has; with side 1 how many were taken for it."""
    found: Counter[int] = Counter()
    for pair, count in pairs.items():
        found[pair[side]] += count
    return found


def confusions(model: Model, evidence: Evidence) -> list[str]:
    """The sections, from the test data or else the validation data; none without both."""
    part = next((part for part in PARTS if model.config.result.get(part)), None)
    if part is None:
        return []
    scores, name = model.config.result[part], PARTS[part]
    pairs = count_pairs(scores, evidence.answered.get(part))
    if not pairs:
        return []
    matrix = _matrix(model.labels, scores["confusion"]) if "confusion" in scores else ""
    mistakes = _mistakes(model.labels, pairs)
    found = [section("Where it errs", f"<p>{_matrix_note(name, bool(matrix))}</p>{matrix}{mistakes}")]
    if "f1_by_class" in scores:
        text = f"<p>On the {name} data, the best first.</p>{_classes(model.labels, scores['f1_by_class'], pairs)}"
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


def _mistakes(labels: Sequence[str], pairs: Pairs) -> str:
    """The most frequent confusions, which a large matrix hides and a small one shows by itself."""
    wrong = [(-count, pair) for pair, count in pairs.items() if pair[0] != pair[1]]
    if len(labels) <= FEW or not wrong:
        return ""
    true = count_classes(pairs)
    rows = [
        (short(labels[i]), short(labels[j]), f"{-count:,}", f"{-count / true[i]:.1%}")
        for count, (i, j) in sorted(wrong)[:MOST_MISTAKES]
    ]
    content = table(("true class", "taken for", "texts", "of the class"), rows, "llnn", "Most frequent mistakes")
    return f"<h3>Most frequent mistakes</h3>{content}"


def _classes(labels: Sequence[str], f1_by_class: dict[str, float], pairs: Pairs) -> str:
    true, told = count_classes(pairs), count_classes(pairs, 1)
    rows = []
    for number in sorted(range(len(labels)), key=lambda number: (-f1_by_class[labels[number]], number)):
        f1, right = f1_by_class[labels[number]], pairs[number, number]
        bar = f'<span class="bar"><i style="width:{f1:.1%}"></i></span>'
        precision, recall = (f"{right / whole:.1%}" if whole else "–" for whole in (told[number], true[number]))
        rows.append((escape(labels[number]), bar, f"{f1:.1%}", precision, recall, f"{true[number]:,}"))
    return table(
        ("class", "", "F1", "precision", "recall", "examples"),
        rows,
        "llnnnn",
        "F1 of each class",
        wide=True,
        tall=len(rows) > TALL,
    )
