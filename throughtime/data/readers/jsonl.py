"""JSON lines: one object a line, its keys the columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain

from throughtime.data.readers.rows import BLANK_LINE, Row, Tally, Texts, shown
from throughtime.errors import DataError

__all__ = ["first_object", "is_array", "jsonl_rows", "kind_of", "missing_key", "read_object", "whole"]

_NEW_KEY = (
    "object has a key that the first one does not have; it is not read",
    "objects have a key that the first one does not have; these keys are not read",
)
_UNREAD = (
    "value outside the text and label is missing, null or nested; it is read as empty",
    "values outside the text and label are missing, null or nested; they are read as empty",
)
_ARRAY = (
    "expected one JSON object a line, found a JSON array: write its objects one a line, for example with: jq -c '.[]'"
)
_KINDS = {type(None): "null", list: "an array", dict: "an object"}


def jsonl_rows(
    lines: Iterable[str],
    path: str,
    tally: Tally,
    needed: Callable[[tuple[str, ...]], Collection[int]],
    *,
    lists: bool = False,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """Give the keys of the first object, and the rows of all of them under these keys.

    Numbers, true and false become their JSON text. `needed` tells from the keys which of them (by index) every
    object must have; what is null, nested or missing under another key is read as empty, and counted. With `lists`
    a list of texts is a field too.

    Raises:
        DataError: a line is not a JSON object, or a needed value is missing, null or nested.
    """
    objects = _objects(lines, path, tally)
    first = next(objects, None)
    if first is None:
        return (), iter(())
    keys = tuple(first[1])
    strict = frozenset(keys[index] for index in needed(keys))
    return keys, (_row(value, keys, strict, path, line, tally, lists) for line, value in chain([first], objects))


def is_array(line: str) -> bool:
    """Tell whether a file's first line opens a JSON array."""
    line = line.strip()
    if line == "[" or line.startswith("[{"):
        return True
    return line.startswith("[") and isinstance(_parse(line), list)


def first_object(line: str) -> bool:
    """Tell whether a line is a JSON object."""
    return line.lstrip().startswith("{") and isinstance(_parse(line), dict)


def read_object(
    line: str, path: str, number: int, *, first: bool = False, numbers: Callable[[str], object] = str
) -> dict[str, object]:
    """Give the object that a line is.

    Args:
        line: its text.
        path: the file.
        number: the line's number from 1.
        first: whether it is the first line, where an array is the file's.
        numbers: what becomes of a number's text.

    Raises:
        DataError: it is no JSON object, or has a key twice.
    """
    value = _parse(line, numbers)
    if first and is_array(line):
        raise DataError(_ARRAY, path=path, line=number)
    if isinstance(value, ValueError):
        raise DataError(f"expected one JSON object a line, found {value}", path=path, line=number)
    if not isinstance(value, dict):
        raise DataError(f"expected one JSON object a line, found {kind_of(value)}", path=path, line=number)
    return value


def kind_of(value: object) -> str:
    """Say what kind of JSON value this is, where another one was expected."""
    return _KINDS.get(type(value), "a single value")


def _parse(line: str, numbers: Callable[[str], object] = str) -> object:
    """Give the value of a line; what is no JSON gives the error itself."""
    try:
        return json.loads(
            line,
            parse_int=numbers,
            parse_float=numbers,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as error:
        return ValueError(f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.colno}")
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("brackets nested too deep")


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word}, which JSON does not have")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("the same key twice in one object")
    return value


def _objects(lines: Iterable[str], path: str, tally: Tally) -> Iterator[tuple[int, dict[str, object]]]:
    first = True
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t\r"):
            tally.add(BLANK_LINE, path, number)
            continue
        yield number, read_object(line, path, number, first=first)
        first = False


def _row(
    value: dict[str, object],
    keys: tuple[str, ...],
    strict: frozenset[str],
    path: str,
    line: int,
    tally: Tally,
    lists: bool,
) -> Row:
    if not value.keys() <= set(keys):
        tally.add(_NEW_KEY, path, line)
    return Row(tuple(_field(value, key, key in strict, path, line, tally, lists) for key in keys), path, line)


def _field(value: dict[str, object], key: str, strict: bool, path: str, line: int, tally: Tally, lists: bool) -> str:
    found = value.get(key)
    if isinstance(found, str):
        return whole(found, key, path, line)
    if lists and isinstance(found, list) and all(isinstance(text, str) for text in found):
        return Texts(json.dumps([whole(text, key, path, line) for text in found]))
    if isinstance(found, bool):
        return "true" if found else "false"
    if not strict:
        tally.add(_UNREAD, path, line)
        return ""
    if key not in value:
        raise missing_key(key, value, path, line)
    expected = f"expected a text{', a list of texts' * lists}, a number, true or false"
    raise DataError(f"{expected}, found {kind_of(found)}", path=path, line=line, column=key)


def missing_key(key: str, value: dict[str, object], path: str, line: int) -> DataError:
    """Give the error for an object without a key that it needs."""
    return DataError(f'expected the key "{key}", found the keys {shown(tuple(value))}', path=path, line=line)


def whole(text: str, key: str, path: str, line: int) -> str:
    """Refuse half of a surrogate pair: JSON can spell it, but nothing can print or write it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = f"found half of a surrogate pair, \\u{ord(text[error.start]):04x}"
            raise DataError(f"expected whole characters, {found}", path=path, line=line, column=key) from None
    return text
