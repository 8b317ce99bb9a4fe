"""Tables that are written row by row: CSV, TSV, JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Protocol, TextIO

__all__ = ["BLANKS", "WRITERS", "Writer"]


class Writer(Protocol):
    """Writes rows of a table."""

    def __init__(self, target: TextIO, columns: Sequence[str]) -> None: ...

    def write(self, row: Sequence[str | float]) -> None:
        """One row."""


class CsvWriter:
    """Comma-separated, quoted where needed."""

    def __init__(self, target: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.writer(target, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, row: Sequence[str | float]) -> None:
        """One row."""
        self._writer.writerow(row)


class TsvWriter:
    """Tab-separated; quotes are literal, and tabs and line ends inside a field become blanks."""

    def __init__(self, target: TextIO, columns: Sequence[str]) -> None:
        self._target = target
        self.write(columns)

    def write(self, row: Sequence[str | float]) -> None:
        """One row."""
        self._target.write("\t".join(str(cell).translate(BLANKS) for cell in row) + "\n")


BLANKS = str.maketrans("\t\n\r", "   ")
"""What would end a cell or a row becomes a blank."""


class JsonlWriter:
    """One object a line."""

    def __init__(self, target: TextIO, columns: Sequence[str]) -> None:
        self._target, self._columns = target, columns

    def write(self, row: Sequence[str | float]) -> None:
        """One row."""
        self._target.write(json.dumps(dict(zip(self._columns, row, strict=True)), ensure_ascii=False) + "\n")


WRITERS: dict[str, type[Writer]] = {".csv": CsvWriter, ".tsv": TsvWriter, ".jsonl": JsonlWriter}
