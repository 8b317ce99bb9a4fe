"""One source text and its right answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import final

from throughtime.data.columns import Example

__all__ = ["Pair"]


@final
@dataclass(frozen=True, slots=True)
class Pair:
    """A source text, its right answers, and where each of them stands.

    Attributes:
        text: the source.
        targets: the right answers, several where any of them will do; none where they are not known.
        path: the source's file.
        line: its line.
        places: file and line of each answer.

    >>> pair = Pair("tomato", ("T AH M EY T OW", "T AH M AA T OW"), "words.dict", 8, (("words.dict", 8),) * 2)
    >>> pair.label, Pair.unpacked(pair.packed()) == pair
    ('T AH M EY T OW', True)
    """

    text: str
    targets: tuple[str, ...]
    path: str
    line: int
    places: tuple[tuple[str, int], ...] = ()

    @property
    def label(self) -> str | None:
        """The first answer, if one is known."""
        return self.targets[0] if self.targets else None

    def packed(self) -> Example:
        """All of it as one text, which a :class:`~throughtime.data.corpus.Corpus` keeps."""
        return Example(json.dumps([self.text, self.targets, self.places]), None, self.path, self.line)

    @classmethod
    def unpacked(cls, example: Example) -> Pair:
        """What :meth:`packed` gave."""
        text, targets, places = json.loads(example.text)
        return cls(text, tuple(targets), example.path, example.line, tuple((path, line) for path, line in places))
