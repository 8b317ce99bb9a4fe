"""Which column is the text and which the label, and the examples they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from throughtime.data.files import StrPath
from throughtime.data.readers.names import is_number, named_columns
from throughtime.data.readers.rows import Row, Table, Tally, shown
from throughtime.data.readers.tables import Opened, Stream, Wanted, no_rows, numbered, open_table, open_told
from throughtime.errors import DataError, UsageError

__all__ = [
    "Columns",
    "Example",
    "NewExamples",
    "OpenExamples",
    "Source",
    "choose_columns",
    "iter_examples",
    "open_examples",
    "open_new",
    "read_examples",
    "read_like",
]

_EMPTY_TEXT = ("row has an empty text", "rows have an empty text")
_SPACED_LABEL = (
    "label has spaces around it, which are not read",
    "labels have spaces around them, which are not read",
)


@dataclass(frozen=True)
class Columns:
    """Which column (by index) is the text and which the label."""

    text: int
    label: int | None


@dataclass(frozen=True, slots=True)
class Example:
    """One text, its label if it has one, and where both stand."""

    text: str
    label: str | None
    path: str
    line: int


@dataclass(frozen=True)
class Source:
    """How a file was read, so that another of its kind can be read alike; plain values, ready for JSON.

    `text` and `label` are the columns' names, or their numbers where there is no header.
    """

    format: str
    header: bool
    text: str
    text_number: int
    label: str | None
    label_number: int | None
    encoding: str
    label_until: str | None
    delimiter: str | None
    notes: list[str]


def choose_columns(
    table: Table, text: str | None = None, label: str | None = None, *, need_label: bool = True
) -> Columns:
    """Pick the text and the label column, by name or number from 1, or else by what is plain to see.

    Plain to see are well-known names, and of exactly two columns the one with fewer distinct values as the
    label. With `need_label=False` the label may be missing.

    Raises:
        DataError: a column that was asked for is not there.
        UsageError: both are one column, or it is not plain which is which.

    >>> rows = [Row((f"I came {n} times", "yes" if n % 2 else "no"), "a.csv", n) for n in range(1, 5)]
    >>> choose_columns(Table(("1", "2"), rows, "csv", False, [], "a.csv"))
    Columns(text=0, label=1)
    """
    text_at, label_at = named_columns(table.columns, text, label, table.path, need_label)
    if text_at is None and not need_label and len(table.columns) == 1:
        text_at = 0
    if text_at is not None and (label_at is not None or not need_label):
        return Columns(text_at, label_at)
    if len(table.columns) == 2:
        if label is not None and label_at is not None:
            return Columns(1 - label_at, label_at)
        if text is not None and text_at is not None:
            return Columns(text_at, 1 - text_at)
        told = _fewer_distinct(table)
        if told and text_at in (None, told.text) and label_at in (None, told.label):
            return told
    raise _unclear(table, need_label)


def read_examples(
    path: StrPath,
    *,
    text: str | None = None,
    label: str | None = None,
    format: str = "auto",
    header: bool | None = None,
    encoding: str = "utf-8",
    label_until: str | None = None,
    need_label: bool = True,
    delimiter: str | None = None,
) -> tuple[list[Example], Source]:
    r"""Read texts and labels from a file or folder, and tell how it was read.

    `label_until` keeps the part of each label before that text: `DESC:manner` until `:` is `DESC`.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: options that do not fit together or the file.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "questions")
    ...     _ = file.write_text("NUM:date When ?\nNUM:count How many ?\nHUM:ind Who ?\nHUM:ind Whose ?\n")
    ...     examples, source = read_examples(file, label_until=":")
    >>> examples[0].text, examples[0].label, source.format
    ('When ?', 'NUM', 'label-first')
    """
    wanted = Wanted(format, encoding, text, label, need_label, delimiter)
    with open_new(path, wanted, header=header, label_until=label_until) as opened:
        return list(opened.examples), opened.source()


@dataclass(frozen=True)
class NewExamples:
    """A file being read for the first time: its examples, once, and how it was read, complete when they have been."""

    examples: Iterator[Example]
    source: Callable[[], Source]


@contextmanager
def open_new(
    path: StrPath, wanted: Wanted, *, header: bool | None = None, label_until: str | None = None
) -> Iterator[NewExamples]:
    """Open a file or folder as `read_examples` does, without holding it in memory.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: options that do not fit together or the file.
    """
    if label_until == "":
        raise UsageError("expected a text that ends the label, found an empty one")
    with open_told(path, wanted, header) as opened:
        stream = opened.stream
        head = Table(opened.columns, list(opened.head), stream.format, opened.header, [], stream.path)
        columns = choose_columns(head, wanted.text, wanted.label, need_label=wanted.need_label)
        head.rows.clear()
        tally = Tally(stream.path)
        reading = _Reading(columns, opened.columns, opened.header, label_until, wanted.need_label, tally)
        examples = (example for _, example in reading.pairs(opened.rows()))
        yield NewExamples(examples, lambda: _source(opened, columns, wanted.encoding, label_until, tally))


def read_like(
    path: StrPath,
    source: Source,
    *,
    need_label: bool = True,
    encoding: str | None = None,
    format: str | None = None,
) -> list[Example]:
    """Read a file as the one that `source` tells about was read; see `iter_examples`.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: labels are needed, and there are none.
    """
    return list(iter_examples(path, source, need_label=need_label, encoding=encoding, format=format))


def iter_examples(
    path: StrPath,
    source: Source,
    *,
    need_label: bool = True,
    encoding: str | None = None,
    format: str | None = None,
    tally: Tally | None = None,
) -> Iterator[Example]:
    """Yield examples, read as the file that `source` tells about was, without holding them in memory.

    Another `format` (or "auto") reads the same columns from another kind of file; a CSV or TSV file then has a
    header if the columns have names. `tally` is told at the end what was passed over.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: labels are needed, and there are none.
    """
    with open_examples(path, source, need_label=need_label, encoding=encoding, format=format) as opened:
        for _, example in opened.rows:
            yield example
        if tally is not None:
            for note in opened.tally.notes():
                tally.say(note)


@dataclass(frozen=True)
class OpenExamples:
    """A file being read: its columns' names, its rows each with the example it makes, and what to tell of it."""

    names: tuple[str, ...]
    header: bool
    rows: Iterator[tuple[Row, Example]]
    tally: Tally


@contextmanager
def open_examples(
    path: StrPath,
    source: Source,
    *,
    need_label: bool = True,
    encoding: str | None = None,
    format: str | None = None,
) -> Iterator[OpenExamples]:
    """Open a file as `iter_examples` does, where the whole rows are wanted too.

    The tally's notes are complete when the rows have been read.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: labels are needed, and there are none.
    """
    other = format is not None and format != source.format
    wanted = Wanted(
        format=format or source.format,
        encoding=encoding or source.encoding,
        text=source.text,
        label=source.label,
        need_label=need_label,
        delimiter=None if other else source.delimiter,
    )
    with open_table(path, wanted) as stream:
        names, rows, header = _named(stream, not is_number(source.text) if other else source.header)
        first = next(rows, None)
        if first is None:
            raise no_rows(stream.path, header, stream.tally)
        columns = _columns_like(source, names, stream, need_label)
        reading = _Reading(columns, names, header, source.label_until, need_label, stream.tally)
        yield OpenExamples(names, header, reading.pairs(chain([first], rows)), stream.tally)


def _columns_like(source: Source, names: tuple[str, ...], stream: Stream, need_label: bool) -> Columns:
    text: int | None
    label: int | None
    if stream.format in ("csv", "tsv", "jsonl", "parquet", source.format):
        need = need_label and source.label is not None
        text, label = named_columns(names, source.text, source.label, stream.path, need)
    else:  # formats whose columns have one meaning and one name, whatever the model's own data called them
        text, label = names.index("text"), names.index("label") if "label" in names else None
    if source.label is None or label is None:
        if need_label:
            raise UsageError(f"expected a label for every text, found no column of labels in {stream.path}")
        label = None
    return Columns(text or 0, label)


@dataclass(frozen=True)
class _Reading:
    """How rows become examples."""

    columns: Columns
    names: tuple[str, ...]
    header: bool
    label_until: str | None
    need_label: bool
    tally: Tally

    def pairs(self, rows: Iterable[Row]) -> Iterator[tuple[Row, Example]]:
        at = self.columns.text
        for row in rows:
            text = row.fields[at]
            if not text or text.isspace():
                self.tally.add(_EMPTY_TEXT, row.path, row.line)
            yield row, Example(text, self._label(row), row.path, row.line)

    def _label(self, row: Row) -> str | None:
        at = self.columns.label
        if at is None:
            return None
        found = row.fields[at]
        label = found.strip()
        if label != found:
            self.tally.add(_SPACED_LABEL, row.path, row.line)
        if self.label_until:
            label = label.partition(self.label_until)[0].rstrip()
        if not label and self.need_label:
            raise self._no_label(found, row)
        return label or None

    def _no_label(self, found: str, row: Row) -> DataError:
        expected = f'a label before "{self.label_until}"' if found.strip() else "a label"
        nothing = f'"{found}"' if found.strip() else "none"
        column = self.names[self.columns.label or 0]
        number = int(column) if is_number(column) and not self.header else column
        return DataError(f"expected {expected}, found {nothing}", path=row.path, line=row.line, column=number)


def _named(stream: Stream, header: bool) -> tuple[tuple[str, ...], Iterator[Row], bool]:
    """Give the columns' names and the rows below the header, if there is one."""
    if stream.columns is not None:
        return stream.columns, stream.rows, False
    first = next(stream.rows, None)
    if first is None:
        return (), stream.rows, False
    return (first.fields, stream.rows, True) if header else (numbered(first), chain([first], stream.rows), False)


def _fewer_distinct(table: Table) -> Columns | None:
    """Of two columns the label is the one with fewer distinct values, if these come twice or so on average."""
    first, second = (len({row.fields[at] for row in table.rows}) for at in (0, 1))
    if first == second or 2 * min(first, second) > len(table.rows) + 1:
        return None
    return Columns(1, 0) if first < second else Columns(0, 1)


def _unclear(table: Table, need_label: bool) -> UsageError:
    say = "--text and --label" if need_label else "--text"
    return UsageError(
        f"{table.path}: expected to see which column is which, found the columns {shown(table.columns)}: "
        f"say {say}, each with a name or a number from 1"
    )


def _source(opened: Opened, columns: Columns, encoding: str, label_until: str | None, tally: Tally) -> Source:
    label, stream = columns.label, opened.stream
    return Source(
        format=stream.format,
        header=opened.header,
        text=_name(opened.columns, columns.text),
        text_number=columns.text + 1,
        label=None if label is None else _name(opened.columns, label),
        label_number=None if label is None else label + 1,
        encoding=encoding,
        label_until=label_until,
        delimiter=stream.delimiter,
        notes=stream.notes + stream.tally.notes() + tally.notes(),
    )


def _name(columns: Sequence[str], column: int) -> str:
    names = [name.strip() for name in columns]
    return names[column] if names.count(names[column]) == 1 else str(column + 1)
