"""Whether the first row of a CSV or TSV file names the columns."""

from __future__ import annotations

from collections.abc import Sequence

from throughtime.data.readers.names import (
    LABEL_NAMES,
    TEXT_NAMES,
    find_column,
    is_number,
    known_column,
)
from throughtime.data.readers.rows import Row, shown

__all__ = ["tell_header"]


def tell_header(rows: Sequence[Row], header: bool | None, text: str | None, label: str | None) -> tuple[bool, str]:
    r"""Tell whether the first row is a header, and say why.

    Unless it was said, or columns were asked for by name, or stand there under well-known names, the first row
    is a header when its value in the label column (in any column, if that is unknown) stands nowhere below.

    Raises:
        DataError: the label column's number is higher than the number of columns.

    >>> rows = [Row(("ham", "See you at six"), "a", 1), Row(("ham", "On my way"), "a", 2)]
    >>> tell_header(rows, None, None, None)
    (False, 'no header: the first row\'s "ham" stands again below')
    """
    if header is not None:
        return header, "the first row is the header, as was said" if header else "no header, as was said"
    first = rows[0].fields
    if any(column is not None and not is_number(column) for column in (text, label)):
        return True, "the first row is the header, since the columns were given by name"
    taken = known_column(first, TEXT_NAMES)
    if taken is not None and known_column(first, LABEL_NAMES, {taken}) is not None:
        return True, f"the first row is the header: {shown(first)}"
    if label is not None and is_number(label):
        numbers = [str(number) for number in range(1, len(first) + 1)]
        columns = [find_column(numbers, label, rows[0].path)]
    else:
        columns = list(range(len(first)))
    again = _again(rows, columns)
    if again is None:
        return True, f"the first row is the header, since it stands nowhere below: {shown(first)}"
    whose = "first row's label" if label is not None else "first row's"
    return False, f"no header: the {whose} {shown([first[again]])} stands again below"


def _again(rows: Sequence[Row], columns: Sequence[int]) -> int | None:
    """Give the first column whose first value comes again; empty ones say nothing (unnamed columns)."""
    first = rows[0].fields
    for column in columns:
        if first[column] and any(row.fields[column] == first[column] for row in rows[1:]):
            return column
    return None
