"""The report's sections on answers that are texts: some of them, and the worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.encoded_pairs import Rows
from throughtime.data.identity import plain
from throughtime.data.pair import Pair
from throughtime.inspect.card import shown_part
from throughtime.inspect.report.page import note, ranked, section
from throughtime.model import TranslatorModel

__all__ = ["Translated", "some_answers", "translated", "worst_answers"]

SAMPLES, AT_ONCE, MOST = 10, 5, 20
"""Answers of a sample, so many that are seen without asking, and the worst that are shown."""
LONG = 600
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Translated:
    """What a model answered to ``M`` held-out pairs.

    Attributes:
        pairs: as they were read.
        answers: ``[M]``.
        errors: ``[M]`` letters to replace, leave out or add on the way to the nearest right answer, over the letters of
            the longer of the two.
    """

    pairs: Sequence[Pair]
    answers: Sequence[str]
    errors: np.ndarray

    @classmethod
    def of(cls, pairs: Sequence[Pair], answers: Sequence[str]) -> Translated:
        """From the answers.

        >>> Translated.of([Pair("a", ("Hund", "Hunde"), "a.tsv", 1)], ["Hunde"]).errors.tolist()
        [0.0]
        """
        from rapidfuzz.distance import Levenshtein

        errors = [
            min(Levenshtein.normalized_distance(right, answer) for right in pair.targets)
            for pair, answer in zip(pairs, answers, strict=True)
        ]
        return cls(pairs, answers, np.array(errors))


def translated(model: TranslatorModel, data: Rows) -> tuple[dict[str, Any], Translated]:
    """How well a model does on data, and its answers."""
    scores, answers = model.judge(data)
    return scores, Translated.of(data.examples, answers)


def some_answers(parts: Mapping[str, Translated]) -> list[str]:
    """The section: answers to sources that are spread evenly over the data; none without held-out data."""
    found = shown_part(parts)
    if found is None:
        return []
    name, own = found
    rows = np.unique(np.linspace(0, len(own.pairs) - 1, SAMPLES).round().astype(int)).tolist()
    told = f"<p>To sources of the {name} data, spread evenly over it.</p>"
    return [section("Some answers", f"{told}\n{ranked(_items(own, rows), SAMPLES)}")]


def worst_answers(parts: Mapping[str, Translated]) -> list[str]:
    """The section, from the test data or else the validation data; none without both, or without mistakes."""
    found = shown_part(parts)
    if found is None:
        return []
    name, own = found
    order = np.lexsort((np.arange(len(own.errors)), -own.errors))
    rows = order[own.errors[order] > 0][:MOST].tolist()
    if not rows:
        return [section("The worst answers", f"<p>All answers to the {name} data are right.</p>")]
    told = f"<p>Of the {name} data, those furthest from any right answer, letter by letter.</p>"
    warning = note("Whoever gets this page can read these texts.")
    return [section("The worst answers", f"{told}\n{ranked(_items(own, rows), AT_ONCE)}\n{warning}")]


def _items(part: Translated, rows: Iterable[int]) -> list[str]:
    return [_item(part.pairs[row], part.answers[row], float(part.errors[row])) for row in rows]


def _item(pair: Pair, answer: str, error: float) -> str:
    place = f"{escape(plain(Path(pair.path).name or pair.path))}, line\N{NO-BREAK SPACE}{pair.line}"
    verdict = f"{error:.0%} of the letters wrong" if error else "right"
    lines = [("source", pair.text), *(("right", right) for right in pair.targets), ("given", answer)]
    shown = "\n".join(
        f'<div class="tagged"><b>{name}</b><p dir="auto">{_short(text)}</p></div>' for name, text in lines
    )
    return f'<p class="verdict">{verdict} <span class="place">{place}</span></p>\n{shown}'


def _short(text: str) -> str:
    left = len(text) - LONG
    more = f' <span class="place">… and {left:,} characters more</span>' if left > 0 else ""
    return f"{escape(text[:LONG])}{more}" if text else '<span class="place">nothing</span>'
