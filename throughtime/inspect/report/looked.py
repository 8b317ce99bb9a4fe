"""The report's section on attention: where a model looked in a source as it said each symbol of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import islice

from throughtime.inspect.card import shown_part
from throughtime.inspect.report.confusion import DEEPEST
from throughtime.inspect.report.page import box, section, short
from throughtime.inspect.report.translated import Translated
from throughtime.model import Looked, TranslatorModel

__all__ = ["where_it_looks"]

PICTURES, MOST = 3, 24
"""So many answers are drawn, none with more symbols on either side."""
LOOKED_AT = 200
"""Pairs, from the first on, of which those are taken that are short enough."""


def where_it_looks(model: TranslatorModel, parts: Mapping[str, Translated]) -> list[str]:
    """The section, from the test data or else the validation data; none without both, or where all is too long."""
    found = shown_part(parts)
    if found is None:
        return []
    name, own = found
    side = model.vocabulary.source
    short_ones = (pair.text for pair in own.pairs[:LOOKED_AT] if 3 <= len(side.encode(pair.text)) < MOST)
    looked = (model.look(text) for text in short_ones)
    drawn = [_picture(one) for one in islice((one for one in looked if len(one.answer) <= MOST), PICTURES)]
    if not drawn:
        return []
    told = (
        f"<p>Sources of the {name} data in the columns, answers in the rows. "
        "Colour: the share of its attention that each symbol of the source had.</p>"
    )
    return [section("Where it looks", "\n".join([told, *drawn]))]


def _picture(looked: Looked) -> str:
    head = "".join(f'<th scope="col">{short(symbol)}</th>' for symbol in looked.source)
    rows = zip(looked.answer, looked.weights.tolist(), strict=True)
    body = "".join(f'<tr><th scope="row">{short(symbol)}</th>{"".join(map(_cell, row))}</tr>\n' for symbol, row in rows)
    corner = '<td class="axis">answer ↓ source →</td>'
    content = f"<thead><tr>{corner}{head}</tr></thead>\n<tbody>\n{body}</tbody>"
    letters = " letters" * all(len(symbol) <= 2 for symbol in looked.source[:-1])  # which may well stand upright
    return box(f"Attention of {escape(looked.text)}", f'<table class="confusion many{letters}">{content}</table>')


def _cell(weight: float) -> str:
    # The colour says it; a number in each cell would be more than the eye can take in.
    return f'<td class="right" style="--share:{DEEPEST * weight:.3f}" title="{weight:.1%}"></td>'
