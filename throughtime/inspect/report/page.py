"""What pages are made of: the frame, sections, tables and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from itertools import zip_longest
from string import Template

__all__ = [
    "TALL",
    "box",
    "details",
    "figure",
    "grid",
    "note",
    "page",
    "ranked",
    "section",
    "sentence",
    "short",
    "shown_value",
    "table",
]

TALL = 20
"""Tables of more rows scroll in their own box."""


def page(title: str, sections: Iterable[str], css: str = "") -> str:
    """The whole page, which refers to nothing outside itself.

    Args:
        title: plain text.
        sections: HTML.
        css: rules beside the common ones.
    """
    return Template(_own("report.html")).substitute(
        title=escape(title), css=_own("report.css") + css, content="\n".join(sections)
    )


def _own(name: str) -> str:
    return files("throughtime.inspect").joinpath(name).read_text(encoding="utf-8")


def section(title: str, content: str) -> str:
    """A section with its heading; both are HTML."""
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>"


def note(content: str) -> str:
    """What is said in a small voice."""
    return f'<p class="note">{content}</p>'


def grid(parts: Iterable[str]) -> str:
    """Side by side where there is room."""
    return f'<div class="grid">{"".join(parts)}</div>'


def figure(title: str, picture: str, caption: str = "") -> str:
    """A picture with its heading; all are HTML."""
    below = f"<figcaption>{caption}</figcaption>\n" if caption else ""
    return f"<figure>\n<h3>{title}</h3>\n{picture}{below}</figure>\n"


def details(summary: str, content: str) -> str:
    """What is shown when asked for."""
    return f"<details><summary>{summary}</summary>{content}</details>"


def ranked(items: Sequence[str], at_once: int) -> str:
    """The worst of something, in order: so many that are seen without asking, and the others on demand."""
    hidden = items[at_once:]
    more = details(f"{len(hidden)} more", _ranked(hidden, at_once + 1)) if hidden else ""
    return _ranked(items[:at_once], 1) + more


def _ranked(items: Sequence[str], start: int) -> str:
    content = "".join(f"<li>{item}</li>\n" for item in items)
    return f'<ol class="worst" start="{start}">\n{content}</ol>'


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    columns: str,
    title: str,
    *,
    wide: bool = False,
    tall: bool = False,
    changed: Iterable[int] = (),
) -> str:
    """A table in its own scrolling box.

    Args:
        head: the columns' names.
        rows: their cells as HTML.
        columns: a letter each, ``n`` for numbers and ``l`` for text.
        title: the box's name, for those who do not see it.
        wide: as wide as the page.
        tall: with a height of its own.
        changed: numbers of the rows to mark.
    """
    kinds = ["n" if column == "n" else "long" for column in columns]
    top = "".join(f'<th scope="col" class="{kind}">{cell}</th>' for cell, kind in zip_longest(head, kinds))
    marked = set(changed)
    body = "".join(_row(cells, kinds, number in marked) for number, cells in enumerate(rows))
    size = ' class="wide"' if wide else ""
    return box(title, f"<table{size}><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>", tall)


def _row(cells: Sequence[str], kinds: Sequence[str], changed: bool) -> str:
    first, *others = zip(cells, kinds, strict=True)
    rest = "".join(f'<td class="{kind}">{cell}</td>' for cell, kind in others)
    mark = ' class="changed"' if changed else ""
    return f'<tr{mark}><th scope="row" class="{first[1]}">{first[0]}</th>{rest}</tr>\n'


def box(title: str, content: str, tall: bool = False) -> str:
    """What scrolls by itself where it is too large."""
    # What scrolls must be reachable by the keyboard, and what is reachable must have a name.
    return f'<div class="box{" tall" * tall}" role="region" aria-label="{title}" tabindex="0">{content}</div>'


def short(label: str) -> str:
    """A label of any length in little room."""
    return f'<span class="short" title="{escape(label)}">{escape(label)}</span>'


def sentence(text: str) -> str:
    """Plain text with a capital at its beginning.

    >>> sentence("loss < 1")
    'Loss &lt; 1'
    """
    return escape(text[:1].upper() + text[1:])


def shown_value(value: object) -> str:
    """A setting's value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else escape(str(value))
