"""What every reader gives: rows with their place, the table they make, and a tally of what was met."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

__all__ = ["BLANK_LINE", "Row", "Table", "Tally", "Texts", "printable", "shown"]

# One occurrence and several, as a note says them after the number.
Kind = tuple[str, str]
BLANK_LINE: Kind = ("blank line skipped", "blank lines skipped")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of fields, and the line (from 1) of the file where it begins."""

    fields: tuple[str, ...]
    path: str
    line: int


class Texts(str):
    """A field that is a list of texts: its JSON, so that it is told from any text."""

    __slots__ = ()

    def listed(self) -> list[str]:
        """The texts."""
        texts: list[str] = json.loads(self)
        return texts


@dataclass(frozen=True)
class Table:
    """Rows of one file or folder under the names of their columns.

    `columns` are "1", "2", ... where a CSV or TSV file has no header. `notes` are sentences for a person: how
    the file was understood and what was skipped. `delimiter` is what separates the fields of a CSV file.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    format: str
    header: bool
    notes: list[str]
    path: str = ""
    delimiter: str | None = None


@dataclass
class Tally:
    """Counts what a reader met, so that nothing is passed over in silence.

    >>> tally = Tally("a.txt")
    >>> tally.add(BLANK_LINE, "a.txt", 4)
    >>> tally.add(BLANK_LINE, "a.txt", 9)
    >>> tally.notes()
    ['2 blank lines skipped (first: line 4)']
    """

    path: str
    _met: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    _said: list[str] = field(default_factory=list)

    def add(self, kind: Kind, path: str, line: int) -> None:
        """Count one more of a kind; the place of the first is kept."""
        count, first = self._met.get(kind) or (0, self._place(path, line))
        self._met[kind] = count + 1, first

    def say(self, sentence: str) -> None:
        """Keep a sentence of another sort."""
        self._said.append(sentence)

    def count(self, kind: Kind) -> int:
        """Give how many of a kind were met."""
        return self._met.get(kind, (0, ""))[0]

    def notes(self) -> list[str]:
        """Give what was said, and what was met."""
        return [*self._said, *self.met()]

    def met(self) -> list[str]:
        """Give one sentence for each kind that was met."""
        return [f"{n} {kind[n > 1]} (first: {first})" for kind, (n, first) in self._met.items()]

    def _place(self, path: str, line: int) -> str:
        return f"line {line}" if path == self.path else f"{path}, line {line}"


def shown(words: list[str] | tuple[str, ...], limit: int = 12) -> str:
    """List names for a message, long ones and long lists cut short.

    >>> shown(["text", "label"])
    '"text", "label"'
    """
    short = [f'"{printable(word) if len(word) <= 40 else printable(word[:37]) + "..."}"' for word in words[:limit]]
    more = [f"and {len(words) - limit} more"] if len(words) > limit else []
    return ", ".join(short + more)


def printable(word: str) -> str:
    """Spell out line ends and what else cannot be printed, so that a message stays one line of text."""
    return word if word.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in word)
