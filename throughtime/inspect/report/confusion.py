"""The report's sections on what is taken for what, and on each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from throughtime.inspect.card import PARTS
from throughtime.inspect.report.evidence import Answered, Evidence
from throughtime.inspect.report.page import TALL, box, section, short, table
from throughtime.metrics import SpanScore
from throughtime.model import Model

__all__ = [
    "Nouns",
    "Pairs",
    "confusions",
    "count_classes",
    "count_pairs",
    "matrix",
    "mistakes",
    "one_by_one",
    "score_pairs",
]

MOST_MISTAKES = 10
FEW, MANY = 4, 12
DEEPEST = 0.55
"""The strongest tint of a cell: text keeps a contrast of more than 4.5 on it, in the light and in the dark."""


Pairs = Counter[tuple[int, int]]
"""How often each true class was taken for each class, by their numbers."""


class Nouns(NamedTuple):
    """What is taken for another, and what has it."""

    kind: str
    things: str


CLASSES = Nouns("class", "texts")


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
    labels, drawn = model.labels, "confusion" in scores
    table = matrix(labels, labels, pairs) if drawn else ""
    worst = mistakes(labels, labels, pairs, CLASSES)
    found = [section("Where it errs", f"<p>{_matrix_note(name, drawn)}</p>{table}{worst}")]
    if "f1_by_class" in scores:
        f1, counts = scores["f1_by_class"], score_pairs(pairs, len(labels))
        classes = [(label, f1[label], counts[number]) for number, label in enumerate(labels)]
        text = f"<p>On the {name} data, the best first.</p>{one_by_one(classes, Nouns('class', 'examples'))}"
        found.append(section("Each class", text))
    return found


def _matrix_note(name: str, drawn: bool) -> str:
    if not drawn:
        return f"On the {name} data. The classes are too many to set against each other in one table."
    return f"On the {name} data: each row a true class, each column what it was taken for. Colour: the row's share."


def matrix(rows: Sequence[str], columns: Sequence[str], pairs: Pairs) -> str:
    """The picture: what is true in the rows, what it was taken for in the columns; right on the diagonal."""
    most = max(len(rows), len(columns))
    size = "few" if most <= FEW else "many" if most > MANY else ""
    head = "".join(f'<th scope="col">{short(label)}</th>' for label in columns)
    body = "".join(_matrix_row(label, [pairs[i, j] for j in range(len(columns))], i) for i, label in enumerate(rows))
    corner = '<td class="axis">true ↓ taken for →</td>'
    content = f"<thead><tr>{corner}{head}</tr></thead>\n<tbody>\n{body}</tbody>"
    return box("Confusion matrix", f'<table class="confusion {size}">{content}</table>', len(rows) > TALL)


def _matrix_row(label: str, row: Sequence[int], number: int) -> str:
    whole = max(1, sum(row))
    cells = "".join(_matrix_cell(count, count / whole, place == number) for place, count in enumerate(row))
    return f'<tr><th scope="row">{short(label)}</th>{cells}</tr>\n'


def _matrix_cell(count: int, share: float, right: bool) -> str:
    if not count:
        return '<td class="none">·</td>'
    kind = ' class="right"' if right else ""
    return f'<td{kind} style="--share:{DEEPEST * share:.3f}" title="{share:.1%}">{count:,}</td>'


def mistakes(rows: Sequence[str], columns: Sequence[str], pairs: Pairs, nouns: Nouns) -> str:
    """The most frequent confusions, which a large matrix hides and a small one shows by itself."""
    wrong = [(-count, pair) for pair, count in pairs.items() if pair[0] != pair[1]]
    if len(columns) <= FEW or not wrong:
        return ""
    true = count_classes(pairs)
    cells = [
        (short(rows[i]), short(columns[j]), f"{-count:,}", f"{-count / true[i]:.1%}")
        for count, (i, j) in sorted(wrong)[:MOST_MISTAKES]
    ]
    head = (f"true {nouns.kind}", "taken for", nouns.things, f"of the {nouns.kind}")
    content = table(head, cells, "llnn", "Most frequent mistakes")
    return f"<h3>Most frequent mistakes</h3>{content}"


def score_pairs(pairs: Pairs, size: int) -> list[SpanScore]:
    """How many there are of each class, how many were taken for it, and how many of these are right."""
    true, told = count_classes(pairs), count_classes(pairs, 1)
    return [SpanScore(true[number], told[number], pairs[number, number]) for number in range(size)]


def one_by_one(found: Iterable[tuple[str, float, SpanScore]], nouns: Nouns) -> str:
    """The table of each class by itself, the best first: its name, its F1, and what that was counted from."""
    rows = []
    for label, f1, score in sorted(found, key=lambda own: -own[1]):
        bar = f'<span class="bar"><i style="width:{f1:.1%}"></i></span>'
        precision = f"{score.precision:.1%}" if score.predicted else "–"
        recall = f"{score.recall:.1%}" if score.targets else "–"
        rows.append((escape(label), bar, f"{f1:.1%}", precision, recall, f"{score.targets:,}"))
    head, title = (nouns.kind, "", "F1", "precision", "recall", nouns.things), f"F1 of each {nouns.kind}"
    return table(head, rows, "llnnnn", title, wide=True, tall=len(rows) > TALL)
