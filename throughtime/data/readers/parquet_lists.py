"""Parquet files of sentences: a column of lists of words and one of lists of their labels, read and written in batches.

Rows count from 1 and stand where other formats have lines.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from throughtime.data.files import StrPath
from throughtime.data.readers.lists import ListFile, Pair, Place, choose_lists, labels_of, words_of
from throughtime.data.readers.parquet import named_damage, parquet_batches, undecoded
from throughtime.data.readers.rows import printable
from throughtime.data.readers.sentences import Sentence, no_sentences
from throughtime.errors import DataError

__all__ = ["RowSentence", "open_parquet_lists", "write_rows"]

_LISTS = ("list<", "large_list<", "fixed_size_list<", "list_view<", "large_list_view<")
_TEXTS = {"string", "large_string", "string_view", "null"}
_GROUP = 16 << 20  # bytes of a group of rows, which is what is held until it is written


@final
@dataclass(frozen=True, slots=True)
class RowSentence(Sentence):
    """A sentence of T tokens that is a row of a table, and the batch of rows that it is of."""

    _batch: Any = field(repr=False)
    _row: int = field(repr=False)
    _column: str = field(repr=False)

    @property
    def rows(self) -> tuple[Any, str]:
        """The batch of rows that it is of, and which column holds the labels."""
        return self._batch, self._column

    def written(self, labels: Sequence[str] | None = None) -> str:
        """Give its row, all columns of it, as a JSON line; with other labels in their place.

        Raises:
            DataError: another column's value is none that JSON can spell; a Parquet file can hold it.
            ValueError: there are not T labels.
        """
        if labels is not None:
            self.check_count(labels)
        names = self._batch.schema.names
        if len(set(names)) < len(names):
            raise self._unspelt("columns of the same name")
        with named_damage(self.path):
            row: dict[str, Any] = {name: self._batch.column(at)[self._row].as_py() for at, name in enumerate(names)}
        if labels is not None:
            row[self._column] = list(labels)
        try:
            return json.dumps(row, ensure_ascii=False, allow_nan=False, default=self._refuse) + "\n"
        except ValueError:
            raise self._unspelt("a number that is infinite or none") from None

    def _refuse(self, value: object) -> object:
        raise self._unspelt(f"one of the type {type(value).__name__}")

    def _unspelt(self, found: str) -> DataError:
        message = f"expected values that JSON can spell, found {found}: --out FILE.parquet writes it as it is"
        return DataError(message, path=self.path, line=self.line)


def open_parquet_lists(
    path: StrPath, *, text: str | None = None, label: str | None = None, need_label: bool = True
) -> ListFile:
    """Open a Parquet file of sentences, which are read in constant memory.

    Args:
        path: the file.
        text: the column of the words, its name or its number from 1; by default a well-known name.
        label: that of the labels.
        need_label: whether every sentence must have words and a label for each. Without, labels may be null or
            missing, and a sentence may have no words.

    Raises:
        DataError: the file cannot be read; the message names the row, what was expected and what was found.
        UsageError: it is not plain which columns are meant, both are one, or pyarrow is not installed.
    """
    source = _read(path, str(path), (text, label), need_label)
    try:
        columns = next(source)  # and so the file is open, and closed with the generator
    except BaseException:
        source.close()
        raise
    return ListFile(columns, source)


def write_rows(path: StrPath, sentences: Iterable[tuple[RowSentence, Sequence[str]]]) -> int:
    """Write the table that sentences are rows of, all rows in their order, with new labels; how many they are.

    Labels keep their column's type where that is lists of strings; a column that is missing comes last. The file has
    its name only when it is whole.

    Raises:
        DataError: the sentences cannot be read.
        OSError: the file cannot be written.
    """
    path, count = Path(path), 0
    partial = path.with_name(f".{path.name}.partial")
    try:
        with ExitStack() as stack:
            writer, held, size = None, list[Any](), 0
            for batch, column, labels in _batches(sentences):
                filled = _filled(batch, column, labels)
                count += filled.num_rows
                if writer is None:
                    writer = stack.enter_context(_writer(partial, filled.schema))
                held.append(filled)
                size += filled.nbytes
                if size > _GROUP:
                    writer.write_table(_table(held))
                    held, size = [], 0
            if writer is not None and held:
                writer.write_table(_table(held))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


# ---- reading ----


def _read(
    path: StrPath, name: str, wanted: tuple[str | None, str | None], need_label: bool
) -> Generator[Any, None, None]:
    """Yield the columns, and then one sentence after the other."""
    source, number = parquet_batches(path, name), 0
    try:
        columns = _columns(next(source), wanted, name, need_label)
        yield columns
        for batch in source:
            for row, (tokens, labels) in enumerate(_lists(batch, columns, number, name, need_label)):
                number += 1
                yield RowSentence(tokens, labels, [number] * len(tokens), name, number, batch, row, columns.label)
    finally:
        source.close()
    if not number:
        raise no_sentences(name, "a table without rows")


def _columns(schema: Any, wanted: tuple[str | None, str | None], path: str, need_label: bool) -> Pair:
    with named_damage(path):
        names = tuple(schema.names)
        types = {name: schema.types[at] for at, name in enumerate(names)}
    lists = [name for name in names if _is_list(types[name]) or (not need_label and str(types[name]) == "null")]
    plain = [name for name in lists if _holds_texts(types[name])]
    columns = choose_lists(names, lists, plain, wanted, path, need_label=need_label)
    for name, what in ((columns.text, "words"), (columns.label, "labels")):
        type = types.get(name)
        if type is not None and str(type) != "null" and not _holds_texts(type):
            found = f"expected lists of {what} that are texts, found values of the type {type}"
            numbers = what == "labels" and _is_list(type) and "int" in str(type.value_type)
            advice = ": write each label's name in place of its number" if numbers else ""
            raise DataError(found + advice, path=path, column=name)
        if names.count(name) > 1:
            raise DataError(f'expected one column "{printable(name)}", found {names.count(name)}', path=path)
    return columns


def _is_list(type: Any) -> bool:
    return str(type).startswith(_LISTS)


def _holds_texts(type: Any) -> bool:
    if not _is_list(type):
        return False
    values = type.value_type
    return str(values.value_type if str(values).startswith("dictionary<") else values) in _TEXTS


def _lists(
    batch: Any, columns: Pair, before: int, path: str, need_label: bool
) -> Iterator[tuple[list[str], list[str] | None]]:
    """Yield the words and labels of a batch's rows; `before` rows stand before it."""
    words = _values(batch, columns.text, before, path)
    missing = columns.label not in batch.schema.names
    tags = [None] * len(words) if missing else _values(batch, columns.label, before, path)
    for number, (word, tag) in enumerate(zip(words, tags, strict=True), before + 1):
        place = Place(path, number, columns.text)
        tokens = words_of(word, place)
        if not tokens and need_label:
            raise place.error("expected words, found an empty list")
        place = place._replace(column=columns.label)
        yield tokens, labels_of(tag, len(tokens), place, need_label=need_label)


def _values(batch: Any, name: str, before: int, path: str) -> list[Any]:
    values = batch.column(batch.schema.names.index(name))
    with named_damage(path):
        try:
            found: list[Any] = values.to_pylist()
        except UnicodeDecodeError:
            place = Place(path, before + undecoded(values), name)
            raise place.error("expected UTF-8, found other bytes") from None
    return found


# ---- writing ----


def _batches(sentences: Iterable[tuple[RowSentence, Sequence[str]]]) -> Iterator[tuple[Any, str, list[list[str]]]]:
    """Yield each batch of rows with the labels' column and the labels of its sentences."""
    batch, column, labels = None, "", list[list[str]]()
    for sentence, new in sentences:
        sentence.check_count(new)
        if batch is not None and sentence.rows[0] is not batch:
            yield batch, column, labels
            labels = []
        batch, column = sentence.rows
        labels.append(list(new))
    if batch is not None:
        yield batch, column, labels


def _filled(batch: Any, column: str, labels: list[list[str]]) -> Any:
    """Give a batch of rows with other labels."""
    import pyarrow

    names = batch.schema.names
    at = names.index(column) if column in names else len(names)
    old = batch.schema.field(at) if at < len(names) else pyarrow.field(column, pyarrow.null())
    kept = str(old.type).startswith(("list<", "large_list<")) and str(old.type.value_type) in ("string", "large_string")
    type = old.type if kept else pyarrow.list_(pyarrow.string())
    fields, columns = list(batch.schema), list(batch.columns)
    fields[at : at + 1] = [old.with_type(type)]
    columns[at : at + 1] = [pyarrow.array(labels, type=type)]
    return pyarrow.RecordBatch.from_arrays(columns, schema=pyarrow.schema(fields, batch.schema.metadata))


def _table(batches: list[Any]) -> Any:
    import pyarrow

    return pyarrow.Table.from_batches(batches)


def _writer(path: Path, schema: Any) -> Any:
    from pyarrow import parquet

    return parquet.ParquetWriter(path, schema)
