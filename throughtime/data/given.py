"""Sentences that come from no file: a program gave them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["GivenSentence"]


@final
@dataclass(frozen=True, slots=True)
class GivenSentence:
    """A sentence of T tokens, with the face of those that are read from files.

    Attributes:
        tokens: `[T]` its words.
        labels: `[T]` their labels, or None where they are not known.
        line: its row, in place of a line.
        path: what it is a row of, in place of a file.

    >>> sentence = GivenSentence(["New", "York"], ["B-LOC", "I-LOC"], 7)
    >>> sentence.text, sentence.label, sentence.path, sentence.lines
    ('New York', 'B-LOC I-LOC', 'X', [7, 7])
    """

    tokens: list[str]
    labels: list[str] | None
    line: int
    path: str = "X"

    @property
    def lines(self) -> list[int]:
        """`[T]` the row, for each of its words."""
        return [self.line] * len(self.tokens)

    @property
    def text(self) -> str:
        """Its words, parted by blanks."""
        return " ".join(self.tokens)

    @property
    def label(self) -> str | None:
        """Its labels, parted by blanks."""
        return None if self.labels is None else " ".join(self.labels)
