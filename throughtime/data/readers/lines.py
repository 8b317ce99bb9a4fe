"""Files of lines: a label and then the text on each, or only a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from throughtime.data.files import without_return
from throughtime.data.readers.rows import BLANK_LINE, Row, Tally
from throughtime.errors import DataError

__all__ = ["FASTTEXT", "label_first_rows", "line_rows", "split_label"]

FASTTEXT = "__label__"
# Only blanks and tabs part the label from the text: other spaces (no-break, ideographic) may stand in a label.
_LABEL_TEXT = re.compile(r"([^ \t]*)[ \t]*(.*)", re.DOTALL)


def split_label(line: str) -> tuple[str, str]:
    """Split a line into its first word and the rest.

    >>> split_label("DESC:manner How did it begin ?")
    ('DESC:manner', 'How did it begin ?')
    """
    found = _LABEL_TEXT.match(line)
    return (found[1], found[2]) if found else ("", line)


def label_first_rows(lines: Iterable[str], path: str, tally: Tally) -> Iterator[Row]:
    """Yield label and text of each line; fastText's `__label__` is dropped.

    Raises:
        DataError: a line has several fastText labels.
    """
    for row in line_rows(lines, path, tally):
        label, text = split_label(row.fields[0])
        if label.startswith(FASTTEXT):
            label = label.removeprefix(FASTTEXT)
            if text.startswith(FASTTEXT):
                raise DataError("expected one label, found several", path=path, line=row.line)
        yield Row((label, text), path, row.line)


def line_rows(lines: Iterable[str], path: str, tally: Tally) -> Iterator[Row]:
    """Yield each line as a row of one field; blank lines are counted."""
    for number, line in enumerate(lines, 1):
        if line.strip(" \t\r"):
            yield Row((without_return(line),), path, number)
        else:
            tally.add(BLANK_LINE, path, number)
