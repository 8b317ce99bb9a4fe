"""One door to all formats: a file or a folder becomes a table, or a stream of rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from throughtime.data.files import StrPath, check_encoding, read_lines
from throughtime.data.readers.delimited import csv_rows, tell_delimiter, tsv_rows
from throughtime.data.readers.detect import by_bytes, by_content, by_name
from throughtime.data.readers.folders import file_per_class_rows, folder_per_class_rows, tell_folder_format
from throughtime.data.readers.header import tell_header
from throughtime.data.readers.jsonl import jsonl_rows
from throughtime.data.readers.lines import label_first_rows, line_rows
from throughtime.data.readers.names import named_columns
from throughtime.data.readers.parquet import parquet_rows
from throughtime.data.readers.rows import BLANK_LINE, Row, Table, Tally
from throughtime.data.readers.trees import Archive, Folder, Tree
from throughtime.errors import DataError, UsageError

__all__ = ["FORMATS", "TOLD_BY", "Opened", "Stream", "Wanted", "drained", "open_table", "open_told", "read_table"]

# The words of --format, and how a note says them.
FORMATS = {
    "csv": "CSV",
    "tsv": "tab-separated lines (quotes are literal)",
    "jsonl": "JSON lines",
    "parquet": "Parquet",
    "label-first": "label-first lines",
    "lines": "plain lines",
    "file-per-class": "one file a class",
    "folder-per-class": "one folder a class",
}
_FOLDERS = ("file-per-class", "folder-per-class")
_TYPED = ("jsonl", "parquet")  # whose columns always have names
_HEAD = 200

TOLD_BY = 1 << 24
"""Characters at a file's head that its format, header and columns are told by, where they must be told at all."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked of a table: its format, the columns if they were named, whether lists of texts may be fields."""

    format: str = "auto"
    encoding: str = "utf-8"
    text: str | None = None
    label: str | None = None
    need_label: bool = True
    delimiter: str | None = None
    lists: bool = False


@dataclass
class Stream:
    """A table opened for reading row by row, in a `with` block.

    `columns` are None for CSV and TSV, where the first row may name them.
    """

    path: str
    format: str
    columns: tuple[str, ...] | None
    rows: Iterator[Row]
    tally: Tally
    notes: list[str]
    delimiter: str | None = None
    source: Generator[Any, None, None] | None = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        if self.source:
            self.source.close()


@dataclass
class Opened:
    """A table that was told what it is: its columns' names, and its first rows before the others.

    `head` holds all rows, or the first ones, of at most about `TOLD_BY` characters.
    """

    columns: tuple[str, ...]
    header: bool
    head: deque[Row]
    stream: Stream

    def rows(self) -> Iterator[Row]:
        """Give all rows, once; the head is given up as they go."""
        return chain(drained(self.head), self.stream.rows)


@contextmanager
def open_told(path: StrPath, wanted: Wanted, header: bool | None = None) -> Iterator[Opened]:
    """Open a table, and tell by its first rows whether there is a header.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: the format or the encoding is unknown, or does not fit the other options.
    """
    with open_table(path, wanted, header) as stream:
        rows = deque(_head(stream.rows, lambda row: sum(map(len, row.fields))))
        columns, found = stream.columns, False
        if rows and columns is None:
            found, note = tell_header(list(rows), header, wanted.text, wanted.label)
            stream.notes.append(note)
            columns = rows[0].fields if found else numbered(rows[0])
            if found:
                rows.popleft()
        if not rows:
            raise no_rows(stream.path, found, stream.tally)
        yield Opened(columns or (), found, rows, stream)


def read_table(
    path: StrPath,
    *,
    format: str = "auto",
    header: bool | None = None,
    encoding: str = "utf-8",
    label: str | None = None,
    text: str | None = None,
    need_label: bool = True,
    delimiter: str | None = None,
) -> Table:
    r"""Read a file, or a folder of files by class, into rows that know their line.

    `text` and `label` only help to tell whether a CSV or TSV file has a header, and which keys every JSON line
    must have; `choose_columns` picks the columns.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: the format or the encoding is unknown, or does not fit the other options.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.csv")
    ...     _ = file.write_text("text,label\nlovely,pos\ndull,neg\nfine,pos\n", encoding="utf-8")
    ...     table = read_table(file)
    >>> table.columns, table.format, table.rows[0].fields, table.rows[0].line
    (('text', 'label'), 'csv', ('lovely', 'pos'), 2)
    """
    with open_told(path, Wanted(format, encoding, text, label, need_label, delimiter), header) as opened:
        rows, stream = list(opened.rows()), opened.stream
    notes = stream.notes + stream.tally.notes()
    return Table(opened.columns, rows, stream.format, opened.header, notes, stream.path, stream.delimiter)


def open_table(path: StrPath, wanted: Wanted, header: bool | None = None) -> Stream:
    """Open a table for reading row by row; the header of a CSV or TSV file is its first row.

    Raises:
        DataError: the file cannot be opened, or its format cannot be told.
        UsageError: the format, the encoding or the delimiter is unknown, or there can be no header.
    """
    _check(wanted)
    stream = _open(path, wanted)
    if header and stream.columns is not None and stream.format not in _TYPED:
        with stream:
            raise UsageError(f"only CSV and TSV have a header; {stream.path} is {FORMATS[stream.format]}")
    return stream


def numbered(row: Row) -> tuple[str, ...]:
    """Name columns by their number from 1."""
    return tuple(str(number) for number in range(1, len(row.fields) + 1))


def no_rows(path: str, header: bool, tally: Tally) -> DataError:
    """Give the error for a table without rows."""
    if header:
        return DataError(
            "expected rows below the header, found none (if the first row is data, say --no-header)", path=path
        )
    blank = "only blank lines" if tally.count(BLANK_LINE) else "an empty file"
    return DataError(f"expected rows, found {blank}", path=path)


def _check(wanted: Wanted) -> None:
    check_encoding(wanted.encoding)
    if wanted.format != "auto" and wanted.format not in FORMATS:
        raise UsageError(f"expected one of the formats auto, {', '.join(FORMATS)}; found {wanted.format!r}")
    if wanted.delimiter not in (None, ",", ";"):
        raise UsageError(f"expected a comma or a semicolon as delimiter, found {wanted.delimiter!r}")


def _is_folder(path: StrPath) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):  # an impossible name, which opening the file then explains
        return False


def _open(path: StrPath, wanted: Wanted) -> Stream:
    kind = None
    if wanted.format in ("auto", *_FOLDERS):
        kind = "folder" if _is_folder(path) else by_bytes(path)
    if wanted.format in _FOLDERS or kind in ("folder", "archive"):
        return _open_tree(path, wanted, packed=kind == "archive")
    if wanted.format == "parquet" or kind == "parquet":
        return _open_parquet(path, wanted)
    return _open_file(path, wanted)


def _open_tree(path: StrPath, wanted: Wanted, *, packed: bool) -> Stream:
    name = str(path)
    tally = Tally(name)
    tree: Tree = Archive(path, tally) if packed else Folder(path)
    format = tell_folder_format(tree) if wanted.format == "auto" else wanted.format
    where = ", in a tar archive" if packed else ""
    notes = [f"read as {FORMATS[format]}{where}"] if wanted.format == "auto" else []
    read = file_per_class_rows if format == "file-per-class" else folder_per_class_rows
    rows = read(tree, wanted.encoding, tally)
    return Stream(name, format, ("label", "text"), rows, tally, notes, source=rows)


def _open_parquet(path: StrPath, wanted: Wanted) -> Stream:
    name = str(path)
    tally = Tally(name)
    notes = [f"read as {FORMATS['parquet']}"] if wanted.format == "auto" else []
    columns, rows, source = parquet_rows(path, tally, partial(_needed, wanted=wanted, path=name))
    return Stream(name, "parquet", columns, rows, tally, notes, source=source)


def _open_file(path: StrPath, wanted: Wanted) -> Stream:
    name = str(path)
    source = read_lines(path, wanted.encoding)
    try:
        format, notes, lines = _told(name, source, wanted)
        tally = Tally(name)
        if format == "csv":
            first = next((line for line in lines if line.strip()), "")
            delimiter = wanted.delimiter or tell_delimiter(first)
            rows = csv_rows(chain(drained(lines), source), name, tally, delimiter)
            return Stream(name, format, None, rows, tally, notes, delimiter, source)
        columns, rows = _rows(format, chain(drained(lines), source), name, tally, wanted)
        return Stream(name, format, columns, rows, tally, notes, source=source)
    except BaseException:
        source.close()
        raise


def _rows(
    format: str, lines: Iterator[str], name: str, tally: Tally, wanted: Wanted
) -> tuple[tuple[str, ...] | None, Iterator[Row]]:
    if format == "tsv":
        return None, tsv_rows(lines, name, tally)
    if format == "jsonl":
        return jsonl_rows(lines, name, tally, partial(_needed, wanted=wanted, path=name), lists=wanted.lists)
    if format == "label-first":
        return ("label", "text"), label_first_rows(lines, name, tally)
    return ("text",), line_rows(lines, name, tally)


def _told(name: str, source: Iterator[str], wanted: Wanted) -> tuple[str, list[str], deque[str]]:
    """Tell the format: give it, a note if it was not forced, and the lines that were read for it."""
    lines = deque(islice(source, _HEAD))
    if wanted.format != "auto":
        return wanted.format, [], lines
    filled = _filled(lines)
    if format := by_name(name, filled):
        return format, [f"read as {FORMATS[format]}"], lines
    # Much of the file, since one sorted by class shows a single label at its head; readers drain it as they go.
    lines.extend(_head(source, len))
    filled = _filled(lines)
    if not filled:
        return "lines", [], lines  # and nothing to read
    format, why = by_content(filled, name, wanted.need_label)
    return format, [f"read as {FORMATS[format]}: {why}"], lines


def _filled(lines: Iterable[str]) -> list[str]:
    """Give the lines that the readers of lines take for rows: what other blanks there are (a form feed) is text."""
    return [line for line in lines if line.strip(" \t\r")]


def _head(items: Iterator[Item], size: Callable[[Item], int]) -> Iterator[Item]:
    """Yield the first items, until they hold more than `TOLD_BY` characters."""
    held = 0
    for item in items:
        yield item
        held += size(item)
        if held > TOLD_BY:
            return


def drained(items: deque[Item]) -> Iterator[Item]:
    """Yield items and let each go."""
    while items:
        yield items.popleft()


def _needed(keys: tuple[str, ...], wanted: Wanted, path: str) -> set[int]:
    """Tell which keys of JSON lines, or columns of Parquet, are read, and so must hold plain values."""
    text, label = named_columns(keys, wanted.text, wanted.label, path, wanted.need_label)
    if text is None and len(keys) <= 2:
        return set(range(len(keys)))  # which is which is told later, from their values
    if label is None and len(keys) == 2:
        label = 1 - (text or 0)
    return {index for index in (text, label if wanted.need_label else None) if index is not None}
