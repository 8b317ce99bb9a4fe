"""Tagging schemes: spans of tokens (names, chunks, slots) written as one tag a token, and read back.

::

             John   Smith  left  York   Paris
    bio      B-PER  I-PER  O     B-LOC  B-LOC   a span begins with B
    iob1     I-PER  I-PER  O     I-LOC  B-LOC   B is needed only between neighbours of one type
    iobes    B-PER  E-PER  O     S-LOC  S-LOC   the last token is E, one alone is S
    bilou    B-PER  L-PER  O     U-LOC  U-LOC   iobes in other letters

A tag may also be a letter alone (`B`, `I`, `O`), where there is one type only. Tjong Kim Sang & Veenstra (1999),
"Representing text chunks", compare the schemes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from throughtime.data.readers.rows import printable
from throughtime.errors import DataError

__all__ = [
    "OUTSIDE",
    "SCHEMES",
    "Scheme",
    "Span",
    "Tag",
    "Transitions",
    "allowed",
    "check_tags",
    "convert",
    "parse",
    "read_spans",
    "transitions",
    "write_tags",
]

Scheme = Literal["bio", "iob1", "iobes", "bilou"]
SCHEMES: tuple[Scheme, ...] = ("bio", "iob1", "iobes", "bilou")
OUTSIDE = "O"

_TAG = re.compile(r"([BIESLU])(?:-(.+))?", re.DOTALL)
_LETTERS = {"bio": "BI", "iob1": "IB", "iobes": "BIES", "bilou": "BILU"}
_SAME = {"L": "E", "U": "S"}  # read alike; only how they are written tells bilou from iobes
_WRITTEN = {"E": "L", "S": "U"}


class Span(NamedTuple):
    """Tokens from `begin` up to, not including, `end`; `type` is empty where tags are letters alone."""

    begin: int
    end: int
    type: str


class Tag(NamedTuple):
    """A tag's letter (of B, I, O, E, S; L is read as E, U as S) and its type, empty for O."""

    letter: str
    type: str


class Transitions(NamedTuple):
    """What a scheme allows K tags, as truth values.

    Attributes:
        starts: `[K]` the tags that may stand first.
        ends: `[K]` those that may stand last.
        pairs: `[K, K]` whether the tag of the row may be followed by that of the column.
    """

    starts: np.ndarray
    ends: np.ndarray
    pairs: np.ndarray


@lru_cache(maxsize=4096)
def parse(tag: str) -> Tag | None:
    """Take a tag apart; None if it is no tag of any scheme.

    >>> parse("B-PER"), parse("U-PER"), parse("O"), parse("NN")
    (Tag(letter='B', type='PER'), Tag(letter='S', type='PER'), Tag(letter='O', type=''), None)
    """
    if tag == OUTSIDE:
        return Tag(OUTSIDE, "")
    found = _TAG.fullmatch(tag)
    return Tag(_SAME.get(found[1], found[1]), found[2] or "") if found else None


# ---- reading and writing ----


def read_spans(tags: Iterable[str]) -> list[Span]:
    """Read the spans of one sequence, of whatever scheme, also where it is broken: as conlleval does.

    A span begins at B and S, and at any other tag that follows O, E, S or another type; it ends where the next
    begins, at O, or at the sequence's end. (conlleval knows no S and no B after E: what these mean is added.)

    Raises:
        DataError: something is no tag of a scheme.

    >>> read_spans(["I-PER", "I-LOC", "O", "B-LOC", "I-LOC", "B-LOC"])
    [Span(begin=0, end=1, type='PER'), Span(begin=1, end=2, type='LOC'), Span(begin=3, end=5, type='LOC'), \
Span(begin=5, end=6, type='LOC')]
    """
    spans: list[Span] = []
    before, begin, at = Tag(OUTSIDE, ""), 0, -1
    for at, text in enumerate(tags):
        tag = _parsed(text)
        if before.letter != OUTSIDE and (tag.letter == OUTSIDE or _begins(before, tag)):
            spans.append(Span(begin, at, before.type))
        if tag.letter != OUTSIDE and _begins(before, tag):
            begin = at
        before = tag
    if before.letter != OUTSIDE:
        spans.append(Span(begin, at + 1, before.type))
    return spans


def write_tags(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """Write spans, in order, as the tags of `length` tokens.

    Raises:
        ValueError: a span is empty, overlaps the one before it, or ends beyond the length.

    >>> write_tags([Span(0, 2, "PER"), Span(2, 3, "PER")], 4, "iobes")
    ['B-PER', 'E-PER', 'S-PER', 'O']
    """
    tags = [OUTSIDE] * length
    before = Span(0, 0, "")
    for span in spans:
        if not before.end <= span.begin < span.end <= length:
            raise ValueError(f"expected a span between {before.end} and {length}, found {span}")
        parts = before.end == span.begin and before.type == span.type and before.end > 0
        for at, letter in enumerate(_letters(span.end - span.begin, scheme, parts), span.begin):
            tags[at] = f"{letter}-{span.type}" if span.type else letter
        before = span
    return tags


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Write the spans of a sequence in another scheme; broken sequences are read as conlleval does.

    Raises:
        DataError: something is no tag of a scheme.

    >>> convert(["I-PER", "I-PER", "B-PER", "O"], "bio")
    ['B-PER', 'I-PER', 'B-PER', 'O']
    """
    return write_tags(read_spans(tags), len(tags), scheme)


def _begins(before: Tag, tag: Tag) -> bool:
    return tag.letter in "BS" or before.letter in "OES" or before.type != tag.type


def _letters(length: int, scheme: Scheme, parts: bool) -> str:
    """Give the letters of one span; `parts` tells that a neighbour of its type stands before it."""
    if scheme in ("bio", "iob1"):
        first = "B" if scheme == "bio" or parts else "I"
        return first + "I" * (length - 1)
    letters = "S" if length == 1 else "B" + "I" * (length - 2) + "E"
    return letters if scheme == "iobes" else "".join(_WRITTEN.get(letter, letter) for letter in letters)


def _parsed(tag: str) -> Tag:
    found = parse(tag)
    if found is None:
        raise DataError(f'expected O or a tag such as B-PER, found "{printable(tag)}"')
    return found


# ---- what a scheme allows ----


def allowed(before: str | None, after: str | None, scheme: Scheme) -> bool:
    """Tell whether a tag may follow another; None before the first tag is the beginning, after the last the end.

    Raises:
        DataError: something is no tag of a scheme.

    >>> allowed("B-PER", "I-PER", "bio"), allowed("B-PER", "I-LOC", "bio"), allowed(None, "I-PER", "bio")
    (True, False, False)
    """
    outside = Tag(OUTSIDE, "")
    left = outside if before is None else _parsed(before)
    right = outside if after is None else _parsed(after)
    inside = left.letter in "BI" and left.type == right.type
    if scheme == "bio":
        return right.letter != "I" or inside
    if scheme == "iob1":
        return True  # a B that parts nothing says nothing else than I, and stands in CoNLL-2003's own training data
    return inside if right.letter in "IE" else left.letter not in "BI"


def transitions(tags: Sequence[str], scheme: Scheme) -> Transitions:
    """Give what the scheme allows these tags: the constraints of a CRF or of a search.

    Raises:
        DataError: something is no tag of this scheme.

    >>> transitions(["O", "B-PER", "I-PER"], "bio").pairs.astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    """
    for tag in tags:
        if not _is_of(tag, scheme):
            raise _strange(tag, scheme, None, None)
    starts = np.array([allowed(None, tag, scheme) for tag in tags], dtype=bool)
    ends = np.array([allowed(tag, None, scheme) for tag in tags], dtype=bool)
    pairs = np.array([[allowed(tag, after, scheme) for after in tags] for tag in tags], dtype=bool)
    return Transitions(starts, ends, pairs.reshape(len(tags), len(tags)))


def check_tags(
    tags: Sequence[str], scheme: Scheme, *, path: str | None = None, lines: Sequence[int] | None = None
) -> None:
    """Refuse a sequence that the scheme does not allow. Of iob1's own tags every sequence has its one reading.

    Args:
        tags: `[T]` the tags of one sequence.
        scheme: the scheme they should follow.
        path: the file they stand in, for the message.
        lines: `[T]` the line of each.

    Raises:
        DataError: the first tag that cannot stand where it stands, with its line.

    >>> check_tags(["O", "I-PER"], "bio", path="a.conll", lines=[7, 8])
    Traceback (most recent call last):
    throughtime.errors.DataError: a.conll, line 8: expected B-PER (in bio a span begins with B), found I-PER after O
    """
    before: str | None = None
    for at, tag in enumerate(tags):
        line = lines[at] if lines is not None else None
        if not _is_of(tag, scheme):
            raise _strange(tag, scheme, path, line)
        if not allowed(before, tag, scheme):
            raise DataError(_illegal(before, tag, scheme), path=path, line=line)
        before = tag
    if before is not None and not allowed(before, None, scheme):
        raise DataError(_illegal(before, None, scheme), path=path, line=lines[-1] if lines is not None else None)


def _is_of(tag: str, scheme: Scheme) -> bool:
    return tag == OUTSIDE or (parse(tag) is not None and tag[0] in _LETTERS[scheme])


def _strange(tag: str, scheme: Scheme, path: str | None, line: int | None) -> DataError:
    letters = ", ".join(f"{letter}-TYPE" for letter in _LETTERS[scheme])
    return DataError(f'expected a tag of {scheme} (O, {letters}), found "{printable(tag)}"', path=path, line=line)


def _illegal(before: str | None, after: str | None, scheme: Scheme) -> str:
    """Say which tags could stand where `after` stands."""
    rest = (after or "")[1:]
    if scheme == "bio":
        expected = f"B{rest} (in bio a span begins with B)"
    else:
        last, alone = ("E", "S") if scheme == "iobes" else ("L", "U")
        is_open = before is not None and before[0] in "BI"
        rest = before[1:] if before is not None and is_open else rest
        expected = f"I{rest} or {last}{rest}" if is_open else f"B{rest} or {alone}{rest}"
    found = printable(after) if after is not None else "the end of the sequence"
    place = "at the beginning" if before is None else f"after {printable(before)}"
    return f"expected {printable(expected)}, found {found} {place}"
