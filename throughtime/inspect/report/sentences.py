"""The report's section on the worst sentences: their words, with what is right and what was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from throughtime.data.identity import plain
from throughtime.data.readers.sentences import Sentence
from throughtime.data.spans import Span
from throughtime.inspect.card import shown_part
from throughtime.inspect.report.evidence import Evidence
from throughtime.inspect.report.labelled import Labelled
from throughtime.inspect.report.page import note, ranked, section
from throughtime.inspect.report.tags import type_name

__all__ = ["worst_sentences"]

MOST, AT_ONCE = 12, 4
"""So many sentences, and so many of them that are seen without asking."""
MOST_WORDS = 120
JOINT = "\N{NO-BREAK SPACE}"
"""Before a label, which should not stand on a line without its word."""
COLOURS = 8
"""Of the style sheet; further types take them again, and have their names beside them like all others."""


def worst_sentences(evidence: Evidence) -> list[str]:
    """The section, from the test data or else the validation data; none without both."""
    found = shown_part(evidence.labelled)
    if found is None:
        return []
    name, part = found
    rows = _worst(part)
    if not rows:
        mistakes = "no mistakes" if part.right.all() else "mistakes only beside labels that training did not show"
        return [section("The worst sentences", f"<p>There are {mistakes} on the {name} data.</p>")]
    marks = (
        "A line for what is right and one for what was told; ✗ marks what the other line has not."
        if part.spans
        else "Marked words were labelled wrongly: the right label, an arrow, and what was told."
    )
    told = f"Of the {name} data, the sentences whose right labels seemed the least likely to it. {marks}"
    colours = {type: number % COLOURS for number, type in enumerate(_types(part, rows))}
    items = [_item(part, row, colours) for row in rows]
    warning = note("Whoever gets this page can read these sentences.")
    return [section("The worst sentences", f"<p>{told}</p>\n{ranked(items, AT_ONCE)}\n{warning}")]


def _worst(part: Labelled) -> list[int]:
    """Of those with mistakes, the ones whose labels together had the least probability."""
    wrong = np.zeros(len(part), bool)
    wrong[np.repeat(np.arange(len(part)), part.lengths)[~part.right]] = True
    order = np.lexsort((np.arange(len(part)), -part.losses))  # NaN comes last
    return [row for row in order[wrong[order]][:MOST].tolist() if not np.isnan(part.losses[row])]


def _types(part: Labelled, rows: Sequence[int]) -> list[str]:
    if not part.spans:
        return []
    return sorted({span.type for row in rows for spans in part.spans_of(row) for span in spans})


def _item(part: Labelled, row: int, colours: dict[str, int]) -> str:
    sentence = part.sentences[row]
    place = f"{escape(plain(Path(sentence.path).name or sentence.path))}, line{JOINT}{sentence.line}"
    verdict, lines = _spans(part, row, colours) if part.spans else _tags(part, row)
    return f'<p class="verdict">{verdict} <span class="place">{place}</span></p>\n{lines}'


def _spans(part: Labelled, row: int, colours: dict[str, int]) -> tuple[str, str]:
    right, told = part.spans_of(row)
    same = set(right) & set(told)
    verdict = f"{len(same)} of {len(right)} spans found, {len(told) - len(same)} told that are not there"
    lines = (
        f'<div class="tagged"><b>{name}</b><p dir="auto">{_marked(part.sentences[row], spans, same, colours)}</p></div>'
        for name, spans in (("right", right), ("told", told))
    )
    return verdict, "\n".join(lines)


def _marked(sentence: Sentence, spans: Sequence[Span], same: set[Span], colours: dict[str, int]) -> str:
    """The words, those of a span together, with its type."""
    parts, at = [], 0
    for span in spans:
        if span.begin >= MOST_WORDS:
            break
        parts += _words(sentence.tokens[at : span.begin])
        cross = "" if span in same else f"{JOINT}✗"
        words = " ".join(_words(sentence.tokens[span.begin : span.end]))
        kind = f"kind{colours[span.type]}{' off' if cross else ''}"
        parts.append(
            f'<mark class="{kind}">{words}{JOINT}<small dir="ltr">{escape(type_name(span.type))}{cross}</small></mark>'
        )
        at = span.end
    parts += _words(sentence.tokens[at:MOST_WORDS])
    return " ".join([*parts, *_rest(sentence, max(at, MOST_WORDS))])


def _tags(part: Labelled, row: int) -> tuple[str, str]:
    sentence, labels = part.sentences[row], list(zip(*part.of(row), strict=True))
    wrong = sum(label != told for label, told in labels)
    parts = list(_compared(sentence.tokens[:MOST_WORDS], labels))
    text = " ".join([*parts, *_rest(sentence, MOST_WORDS)])
    verdict = f"{wrong} of {len(labels)} words {'is' if wrong == 1 else 'are'} wrong"
    return verdict, f'<div class="tagged"><p dir="auto">{text}</p></div>'


def _compared(words: Sequence[str], labels: Sequence[tuple[str, str]]) -> Iterator[str]:
    for word, (label, told) in zip(_words(words), labels, strict=False):
        if label == told:
            yield word
        else:
            pair = f"{escape(label)}{JOINT}→{JOINT}{escape(told)}"
            yield f'<mark class="off">{word}{JOINT}<small dir="ltr">{pair}</small></mark>'


def _words(tokens: Sequence[str]) -> list[str]:
    return [escape(" ".join(token.split())) for token in tokens]


def _rest(sentence: Sentence, shown: int) -> list[str]:
    left = len(sentence.tokens) - shown
    return [f'<span class="place">… and {left:,} words more</span>'] if left > 0 else []
