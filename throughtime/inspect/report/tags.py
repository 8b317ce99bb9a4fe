"""The report's sections on labels of words: which is taken for which, and each label or type of span by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from throughtime.data.spans import Span
from throughtime.inspect.card import shown_part
from throughtime.inspect.report.confusion import Nouns, Pairs, matrix, mistakes, one_by_one, score_pairs
from throughtime.inspect.report.evidence import Evidence
from throughtime.inspect.report.labelled import Labelled
from throughtime.inspect.report.page import section
from throughtime.metrics import MOST_IN_MATRIX, SpanCounts

__all__ = ["pair_spans", "tag_confusions", "type_name"]

NO_SPAN, BORDERS, MISSED = "no span", "other borders", "missed"
TAGS = Nouns("tag", "words")
TYPES = Nouns("type", "spans")


def tag_confusions(evidence: Evidence) -> list[str]:
    """The sections, from the test data or else the validation data; none without both."""
    found = shown_part(evidence.labelled)
    if found is None:
        return []
    name, part = found
    return _of_spans(part, name) if part.spans else _of_tags(part, name)


def type_name(type: str) -> str:
    """A span's type in words, also of tags that are letters alone."""
    return type or "span"


# ---- tags of single words ----


def _of_tags(part: Labelled, name: str) -> list[str]:
    names = sorted(part.names)
    place = np.array([names.index(name) for name in part.names])
    pairs: Pairs = Counter(zip(place[part.labels].tolist(), place[part.told].tolist(), strict=True))
    drawn = len(names) <= MOST_IN_MATRIX
    note = (
        f"On the {name} data: each row a true tag, each column what its words were taken for. Colour: the row's share."
        if drawn
        else f"On the {name} data. The tags are too many to set against each other in one table."
    )
    shown = matrix(names, names, pairs) if drawn else ""
    scores = zip(names, score_pairs(pairs, len(names)), strict=True)
    every = one_by_one([(tag, score.f1, score) for tag, score in scores], TAGS)
    return [
        section("Where it errs", f"<p>{note}</p>{shown}{mistakes(names, names, pairs, TAGS)}"),
        section("Each tag", f"<p>On the {name} data, the best first.</p>{every}"),
    ]


# ---- spans ----


def pair_spans(right: Sequence[Span], told: Sequence[Span]) -> list[tuple[str, str]]:
    """What became of each span, as a row and a column of the table: its type, and what its words were taken for.

    A span whose words were told as another is either one of ``other borders``, where some of its words were in a span,
    or ``missed``; what was told where nothing is has the row ``no span``.

    >>> right = [Span(0, 2, "PER"), Span(3, 5, "LOC"), Span(6, 7, "ORG")]
    >>> pair_spans(right, [Span(0, 2, "ORG"), Span(3, 4, "LOC"), Span(8, 9, "PER")])
    [('PER', 'ORG'), ('LOC', 'other borders'), ('ORG', 'missed'), ('no span', 'PER')]
    """
    types = {(span.begin, span.end): span.type for span in told}
    pairs = []
    for span in right:
        same = types.get((span.begin, span.end))
        beside = BORDERS if any(_touch(span, other) for other in told) else MISSED
        pairs.append((type_name(span.type), beside if same is None else type_name(same)))
    extra = (span for span in told if not any(_touch(span, other) for other in right))
    return pairs + [(NO_SPAN, type_name(span.type)) for span in extra]


def _touch(span: Span, other: Span) -> bool:
    return other.begin < span.end and span.begin < other.end


def _of_spans(part: Labelled, name: str) -> list[str]:
    counts, found = SpanCounts(), Counter[tuple[str, str]]()
    for row in range(len(part)):
        right, told = part.spans_of(row)
        counts.add(right, told)
        found.update(pair_spans(right, told))
    scores = {type_name(type): score for type, score in counts.by_type().items()}
    rows, columns = [*scores, NO_SPAN], [*scores, BORDERS, MISSED]
    pairs: Pairs = Counter({(rows.index(row), columns.index(column)): count for (row, column), count in found.items()})
    shown = matrix(rows, columns, pairs) if len(scores) <= MOST_IN_MATRIX else ""
    every = one_by_one([(type, score.f1, score) for type, score in scores.items()], TYPES)
    return [
        section("Where it errs", f"<p>{_how_to_read(name)}</p>{shown}{mistakes(rows, columns, pairs, TYPES)}"),
        section("Each type", f"<p>On the {name} data, the best first. {COUNTS}</p>{every}"),
    ]


COUNTS = "A span counts as right when its first word, its last word and its type are all right."


def _how_to_read(name: str) -> str:
    return (
        f"On the {name} data: each row the type of the spans that are there, each column what they were taken for. "
        f"<em>{BORDERS.capitalize()}</em>: a span was told that begins or ends elsewhere. "
        f"<em>{MISSED.capitalize()}</em>: none of its words was told to be in a span. "
        f"The row <em>{NO_SPAN}</em>: spans that were told where none is. "
        "Colour: the row's share."
    )
