"""CSV and TSV: rows of fields with one character between them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator

from throughtime.data.files import without_return
from throughtime.data.readers.rows import BLANK_LINE, Row, Tally
from throughtime.errors import DataError

__all__ = ["csv_rows", "tell_delimiter", "tsv_rows"]

_QUOTED = re.compile(r'"[^"]*("|$)')
_FAULTS = {
    "unexpected end of data": "a quoted field that begins in this row is never closed",
    "expected after": "expected the next field after a closing quote, found more text (a quote inside a "
    "quoted field is written twice)",
}


def tell_delimiter(line: str) -> str:
    """Tell the separator of a CSV file from its first line: a semicolon where no comma stands outside quotes.

    >>> tell_delimiter('"Good, very good";pos'), tell_delimiter("text,label")
    (';', ',')
    """
    bare = _QUOTED.sub("", line)
    return ";" if ";" in bare and "," not in bare else ","


def csv_rows(lines: Iterable[str], path: str, tally: Tally, delimiter: str = ",") -> Iterator[Row]:
    """Yield the rows of a CSV file; a quoted field may hold separators, quotes (twice) and line ends.

    Raises:
        DataError: the quotes are wrong, or a row has another number of fields than the first.
    """
    # Python keeps one limit for the whole process; a long document in a field is nothing wrong.
    csv.field_size_limit(max(csv.field_size_limit(), 2**31 - 1))
    reader = csv.reader(_guarded(lines), delimiter=delimiter, strict=True)
    expected = 0
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(_fault(error), path=path, line=line) from None
        if not fields or (len(fields) == 1 != expected and not fields[0].strip(" ") and fields[0]):
            tally.add(BLANK_LINE, path, line)
            continue
        expected = expected or len(fields)
        if len(fields) != expected:
            hint = f' (a text that holds "{delimiter}" needs quotes)' if len(fields) > expected else ""
            raise _wrong_width(expected, len(fields), hint, path, line)
        yield Row(tuple([_restored(field) for field in fields]), path, line)


def tsv_rows(lines: Iterable[str], path: str, tally: Tally) -> Iterator[Row]:
    """Yield the rows of a tab-separated file; quotes are letters like any other.

    Raises:
        DataError: a row has another number of fields than the first.
    """
    expected = 0
    for number, line in enumerate(lines, 1):
        line = without_return(line)
        if not line.strip(" "):
            tally.add(BLANK_LINE, path, number)
            continue
        fields = line.split("\t")
        expected = expected or len(fields)
        if len(fields) != expected:
            raise _wrong_width(expected, len(fields), "", path, number)
        yield Row(tuple(fields), path, number)


def _guarded(lines: Iterable[str]) -> Iterator[str]:
    """Hide carriage returns that end no line, which Python would take for an end; NUL is free, being refused."""
    for line in lines:
        yield (line[:-1].replace("\r", "\0") + line[-1] if "\r" in line else line) + "\n"


def _restored(field: str) -> str:
    return field.replace("\0", "\r") if "\0" in field else field


def _wrong_width(expected: int, found: int, hint: str, path: str, line: int) -> DataError:
    fields = "field" if expected == 1 else "fields"
    return DataError(f"expected {expected} {fields}, found {found}{hint}", path=path, line=line)


def _fault(error: csv.Error) -> str:
    return next((said for part, said in _FAULTS.items() if part in str(error)), str(error))
