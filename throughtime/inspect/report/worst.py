"""The report's section on the worst mistakes: what was expected, what was told, and the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from throughtime.data.columns import Example
from throughtime.data.identity import plain
from throughtime.inspect.card import shown_part
from throughtime.inspect.report.evidence import Answered, Evidence
from throughtime.inspect.report.page import details, note, ranked, section
from throughtime.model import Model
from throughtime.tasks import Numbers
from throughtime.tasks.targets import number_name

__all__ = ["worst"]

MOST, AT_ONCE = 20, 5
"""So many mistakes, and so many of them that are seen without asking."""
SHORT, WHOLE = 200, 4000
"""Characters of a text that are seen without asking, and at all: a page of novels is read by nobody."""


def worst(model: Model, evidence: Evidence) -> list[str]:
    """The section, from the test data or else the validation data; none without both, or without mistakes."""
    found = shown_part(evidence.answered)
    if found is None:
        return []
    name, own = found
    items = list(_classes(model, own) if model.config.task == "classify" else _numbers(model, own))
    if not items:
        return [section("The worst mistakes", f"<p>There are none on the {name} data.</p>")]
    worst = "the surest wrong answers" if model.config.task == "classify" else "the answers that are furthest off"
    told = f"<p>Of the {name} data, {worst}: look for labels that are wrong, and for what the texts share.</p>"
    warning = note("Whoever gets this page can read these texts.")
    return [section("The worst mistakes", f"{told}\n{ranked(items, AT_ONCE)}\n{warning}")]


def _classes(model: Model, part: Answered) -> Iterator[str]:
    """Wrong answers, those with the least probability of the right one first."""
    assert part.chances is not None
    expected = part.chances.expected
    order = np.lexsort((np.arange(len(expected)), expected))
    for row in order[part.told[order] != part.targets[order]][:MOST]:
        told, truth = (escape(model.labels[numbers[row]]) for numbers in (part.told, part.targets))
        answer = f"<b>{told}</b> ({part.chances.highest[row]:.1%})"
        yield _item(f"told {answer}, expected <b>{truth}</b> ({expected[row]:.1%})", part.examples[row])


def _numbers(model: Model, part: Answered) -> Iterator[str]:
    """Those furthest off first."""
    errors, numbers = part.errors, model.task.targets
    assert isinstance(numbers, Numbers)
    order = np.lexsort((np.arange(len(errors)), -errors))
    for row in order[errors[order] > 0][:MOST]:
        told = number_name(numbers.rounded(float(part.told[row]), 3))
        verdict = f"told <b>{told}</b>, expected <b>{number_name(part.targets[row])}</b>"
        yield _item(f"{verdict}{_grade(model.labels, part, row)}", part.examples[row])


def _grade(labels: Sequence[str], part: Answered, row: int) -> str:
    """What probability the expected grade had, where grades have one."""
    if part.chances is None or number_name(part.targets[row]) not in labels:
        return ""
    return f" ({part.chances.expected[row]:.1%})"


def _item(verdict: str, example: Example) -> str:
    place = f"{escape(plain(Path(example.path).name or example.path))}, line {example.line}"
    return f'<p class="verdict">{verdict} <span class="place">{place}</span></p>\n{_text(example.text)}'


def _text(text: str) -> str:
    """The beginning, and the rest of it on demand.

    >>> _text("a  <b>")
    '<p>a &lt;b&gt;</p>'
    """
    text = " ".join(text.split())
    if not text:
        return '<p class="note">an empty text</p>'
    if len(text) <= SHORT:
        return f"<p>{escape(text)}</p>"
    cut = text.rfind(" ", SHORT // 2, SHORT)
    cut = cut if cut > 0 else SHORT
    rest, left = text[cut:WHOLE], len(text) - WHOLE
    end = f' <span class="place">… and {left:,} characters more</span>' if left > 0 else ""
    return details(f"{escape(text[:cut])} <span>…</span>", f"<p>{escape(rest.strip())}{end}</p>")
