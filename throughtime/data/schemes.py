"""Telling a corpus's tagging scheme from its tags, and saying why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from throughtime.data.readers.rows import printable, shown
from throughtime.data.spans import OUTSIDE, Scheme, Tag, parse
from throughtime.errors import DataError

__all__ = ["Tagged", "Told", "tell_scheme"]

_SHARE = 0.9  # of the tags other than O that look like B-TYPE: the rest are then faults, not another kind of label


class Tagged(Protocol):
    """A sequence of labels that knows where they stand."""

    @property
    def labels(self) -> Sequence[str] | None:
        """One for each token."""

    @property
    def lines(self) -> Sequence[int]:
        """The line of each."""

    @property
    def path(self) -> str:
        """Their file."""


class Told(NamedTuple):
    """The scheme, None where labels are no spans, and a sentence that says why."""

    scheme: Scheme | None
    why: str


def tell_scheme(sequences: Iterable[Tagged]) -> Told:
    """Tell the scheme of a corpus, read once; `check_tags` then finds what is broken in it.

    BIO and IOB1 differ only in the tag that begins a span after O or another type: the one that is met more often
    decides, and BIO where both are met equally. Tags are no spans unless all of them look like it.

    Raises:
        DataError: nearly all tags look like spans, and one does not.

    >>> from types import SimpleNamespace as Sequence
    >>> tell_scheme([Sequence(labels=["I-PER", "I-PER", "B-PER", "O"], lines=[1, 2, 3, 4], path="a.conll")])
    Told(scheme='iob1', why='spans of "PER" in iob1: 1 begins with I, none with B')
    >>> tell_scheme([Sequence(labels=["DET", "NOUN"], lines=[1, 2], path="a.conllu")]).scheme is None
    True
    """
    seen = _Evidence()
    for sequence in sequences:
        seen.add(sequence)
    if not seen.are_spans():
        return Told(None, "no spans: the labels are not of the form B-TYPE, I-TYPE, O")
    return seen.told()


class _Evidence:
    """Counts of what decides, and where each tag was met first."""

    def __init__(self) -> None:
        self._tags: Counter[str] = Counter()
        self._first: dict[str, tuple[str, int]] = {}
        self._begins = {"B": 0, "I": 0}

    def add(self, sequence: Tagged) -> None:
        before = Tag(OUTSIDE, "")
        for at, text in enumerate(sequence.labels or ()):
            self._tags[text] += 1
            if text not in self._first:
                self._first[text] = (sequence.path, sequence.lines[at])
            tag = parse(text) or Tag(OUTSIDE, "")
            if tag.letter in self._begins and (before.letter == OUTSIDE or before.type != tag.type):
                self._begins[tag.letter] += 1
            before = tag

    def are_spans(self) -> bool:
        """Raise DataError where all but a few are."""
        tags = [tag for tag in self._tags if tag != OUTSIDE]
        if not any(map(_has_type, tags)):
            letters = {tag for tag in tags if parse(tag)}
            return len(letters) == len(tags) and "B" in letters and bool(letters & {"I", "E", "L"})
        strange = [tag for tag in tags if not _has_type(tag)]
        if strange and self._nearly_all_are(tags, strange):
            path, line = self._first[strange[0]]
            message = f'expected O or a tag such as B-TYPE, like the others, found "{printable(strange[0])}"'
            raise DataError(message, path=path, line=line)
        return not strange

    def _nearly_all_are(self, tags: list[str], strange: list[str]) -> bool:
        total = sum(self._tags[tag] for tag in tags)
        return OUTSIDE in self._tags and sum(self._tags[tag] for tag in strange) <= (1 - _SHARE) * total

    def told(self) -> Told:
        letters = {tag[0] for tag in self._tags}
        types = sorted({tag.type for tag in map(parse, self._tags) if tag and tag.type})
        what = f"spans of {shown(types)}" if types else "spans"
        if letters & set("ESLU"):
            scheme: Scheme = "iobes" if letters & set("ES") else "bilou"
            last = ("E", "S") if scheme == "iobes" else ("L", "U")
            return Told(scheme, f"{what} in {scheme}: there are tags with {last[0]} or {last[1]}")
        bio = self._begins["B"] >= self._begins["I"]
        scheme, more, less = ("bio", "B", "I") if bio else ("iob1", "I", "B")
        first, second = self._begins[more], self._begins[less]
        begin = f"{first:,} begin{'s' if first == 1 else ''} with {more}"
        return Told(scheme, f"{what} in {scheme}: {begin}, {f'{second:,}' if second else 'none'} with {less}")


def _has_type(tag: str) -> bool:
    found = parse(tag)
    return bool(found and found.type)
