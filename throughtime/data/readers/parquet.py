"""Parquet: columns of typed values, read a batch of rows at a time.

Rows count from 1 and stand where other formats have lines. A null, or a number that is NaN, is an empty cell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from throughtime.data.packed import StrPath, open_binary
from throughtime.data.readers.rows import Row, Tally, shown
from throughtime.errors import DataError, UsageError

__all__ = ["PARQUET", "named_damage", "parquet_batches", "parquet_rows", "undecoded"]

PARQUET = b"PAR1"
"""How every Parquet file begins, and ends."""

_ROWS = 1024  # of a batch, so that a file of any length takes the same memory
_BUFFER = 1 << 20
# Types as Arrow writes them; those of nested values and of bytes are not here.
_FLOATS = {"halffloat", "float", "double"}
_NUMBERS = _FLOATS | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_TIMES = {"date32[day]", "date64[ms]", *(f"timestamp[{unit}]" for unit in ("s", "ms", "us", "ns"))}
_READ = {"string", "large_string", "string_view", "bool", "null"} | _NUMBERS | _TIMES


def parquet_rows(
    path: StrPath, tally: Tally, needed: Callable[[tuple[str, ...]], Collection[int]]
) -> tuple[tuple[str, ...], Iterator[Row], Generator[Any, None, None]]:
    """Give the columns' names, the rows, and the generator to close when no more of them are wanted.

    `needed` tells from the names which columns (by index) must hold texts, numbers, or true and false; any others
    may hold what they like, and are then read as empty, which is said.

    Raises:
        DataError: the file cannot be opened, is damaged, or has nested values or bytes in a needed column.
        UsageError: pyarrow is not installed.
    """
    name = str(path)
    source = parquet_batches(path, name)
    try:
        schema = next(source)  # and so the file is open, and closed with the generator
        with named_damage(name):
            names = tuple(schema.names)
            types = [_value_type(type) for type in schema.types]
        _check_types(names, types, needed(names), tally)
    except BaseException:
        source.close()
        raise
    return names, _rows(source, names, types, name), source


def parquet_batches(path: StrPath, name: str) -> Generator[Any, None, None]:
    """Yield the schema, and then one batch of rows after the other.

    Raises:
        DataError: the file cannot be opened, or is damaged.
        UsageError: pyarrow is not installed.
    """
    parquet = _library(name)
    with open_binary(path) as file, named_damage(name):
        table = parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True)
        yield table.schema_arrow
        rows = 0
        for groups in _groups(table):
            for batch in table.iter_batches(_ROWS, row_groups=groups, use_threads=False):
                rows += batch.num_rows
                yield batch
        if rows != table.metadata.num_rows:
            raise DataError(f"expected {table.metadata.num_rows} rows, found {rows}", path=name)


def _groups(table: Any) -> Sequence[Sequence[int] | None]:
    """Give the groups of rows read together: all, but where lists hold dictionaries, which Arrow cannot join."""
    nested = any("dictionary<" in str(type)[1:] for type in table.schema_arrow.types)
    return [[group] for group in range(table.num_row_groups)] if nested else [None]


def _library(name: str) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            f"{name}: expected pyarrow, which reads Parquet, found it missing: pip install 'throughtime[parquet]'"
        ) from None
    return parquet


@contextmanager
def named_damage(name: str) -> Iterator[None]:
    """Turn what Arrow raises for a damaged file into one sentence."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"expected a whole Parquet file, found a damaged one or none ({reason})", path=name) from None


def _value_type(type: Any) -> str:
    """Give a column's type as Arrow writes it; of a dictionary that of its values."""
    return str(getattr(type, "value_type", type)) if str(type).startswith("dictionary<") else str(type)


def _check_types(names: tuple[str, ...], types: Sequence[str], needed: Collection[int], tally: Tally) -> None:
    other = [index for index, type in enumerate(types) if not _is_read(type)]
    for index in other:
        if index in needed:
            found = f"expected texts, numbers, or true and false, found values of the type {types[index]}"
            raise DataError(found, path=tally.path, column=names[index])
    if other:
        columns = "column holds" if len(other) == 1 else "columns hold"
        listed = shown([names[index] for index in other], 5)
        tally.say(f"{len(other)} {columns} nested values or bytes and are read as empty: {listed}")


def _is_read(type: str) -> bool:
    return type in _READ or type.startswith("decimal")


def _rows(batches: Iterator[Any], names: Sequence[str], types: Sequence[str], name: str) -> Iterator[Row]:
    number = 0
    for batch in batches:
        columns = []
        for at, type in enumerate(types):
            try:
                columns.append(_texts(batch.column(at), type, name))
            except UnicodeDecodeError:
                line = number + undecoded(batch.column(at))
                raise DataError("expected UTF-8, found other bytes", path=name, line=line, column=names[at]) from None
        for fields in zip(*columns, strict=True):
            number += 1
            yield Row(fields, name, number)


def _texts(values: Any, type: str, name: str) -> list[str]:
    """Give the values of a column as texts."""
    import pyarrow

    if not _is_read(type):
        return [""] * len(values)
    with named_damage(name):
        if pyarrow.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if type in _FLOATS:
            values = _without_nan(values)
        if type not in ("string", "large_string", "string_view"):
            values = values.cast(pyarrow.string())
    return [text or "" for text in values.to_pylist()]


def _without_nan(values: Any) -> Any:
    from pyarrow import compute, float32, scalar

    values = values.cast(float32()) if str(values.type) == "halffloat" else values
    return compute.if_else(compute.is_nan(values), scalar(None, values.type), values)


def undecoded(values: Any) -> int:
    """Give the number from 1 of the first value whose bytes are not UTF-8."""
    for number, value in enumerate(values, 1):
        try:
            value.as_py()
        except UnicodeDecodeError:
            return number
    return 1
