"""CoNLL columns, as in the shared tasks of 2000 to 2003: a token a line, a blank line after each sentence.

Columns are parted by blanks, or by tabs where the first row has one (then a column may hold blanks). A line that begins
with `-DOCSTART-` opens a document and is no sentence. There are no comments: `#` is a word like any other.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import final

from throughtime.data.files import StrPath, check_encoding
from throughtime.data.readers.sentences import ColumnSentence, Other, Word, read_sentences
from throughtime.errors import DataError, UsageError

__all__ = ["read_conll"]

_DOCUMENT = re.compile(r"-DOCSTART-([ \t]|$)")
_FIELD = re.compile(r"[^ \t]+")
_Cell = tuple[str, int, int]


def read_conll(
    path: StrPath, *, text: int = 1, label: int | None = None, encoding: str = "utf-8", need_label: bool = True
) -> Generator[ColumnSentence, None, None]:
    r"""Yield the sentences of a file of CoNLL columns, gzipped or not, in constant memory.

    Args:
        path: the file.
        text: the number, from 1, of the column of the tokens.
        label: that of the labels; the last one by default.
        encoding: how its bytes are read.
        need_label: whether there must be labels. Without them the column that lies one beyond those of the file
            (or the second, of a file of words alone) is added by `Sentence.written`.

    Raises:
        DataError: the file cannot be read; the message names the line, what was expected and what was found.
        UsageError: a column's number is below 1, both are one, or the encoding is unknown.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.conll")
    ...     _ = file.write_text("-DOCSTART- O\n\nNew B-LOC\nYork I-LOC\n\nrains O\n")
    ...     [(s.tokens, s.labels, s.lines) for s in read_conll(file)]
    [(['New', 'York'], ['B-LOC', 'I-LOC'], [3, 4]), (['rains'], ['O'], [6])]
    """
    check_encoding(encoding)
    for column in (text, label):
        if column is not None and column < 1:
            raise UsageError(f"expected a column's number, counted from 1, found {column}")
    if text == label:
        raise UsageError(f"the text and the label cannot be the same column, {text}")
    return read_sentences(path, encoding, _ConllColumns(str(path), text, label, need_label))


@final
class _ConllColumns:
    """Reads lines; the first row tells the separator and how many columns all others must have."""

    def __init__(self, path: str, text: int, label: int | None, need_label: bool) -> None:
        self._path, self._text, self._need_label = path, text, need_label
        self._label = label or 0  # 0 until the first row tells which is the last
        self._width = self._first = 0
        self.separator = " "

    def read(self, line: str, number: int) -> Word | Other:
        """Read a line: a token, or the end of a sentence."""
        if not line.strip(" \t") or _DOCUMENT.match(line):
            return Other.END
        if not self._width:
            self._begin(line, number)
        cells = _cells(line, self.separator)
        if len(cells) != self._width:
            expected = f"{_columns(self._width)} as on line {self._first}"
            raise self._error(expected, str(len(cells)), number)
        token, _, _ = self._filled(cells, self._text, "a token", number)
        if self._label > self._width:
            end = len(line.rstrip(" " if self.separator == "\t" else " \t"))
            return Word(token, None, end, end)
        return Word(token, *self._filled(cells, self._label, "a label", number))

    def _begin(self, line: str, number: int) -> None:
        self.separator = "\t" if "\t" in line.strip(" \t") else " "
        self._width, self._first = len(_cells(line, self.separator)), number
        alone = self._width == self._text == 1 and not self._need_label  # words alone, whatever stood beside others
        if alone or not self._label:
            self._label = self._width + (self._width == self._text and not self._need_label)
        most = self._width if self._need_label else self._width + 1
        if self._text > self._width or self._label > most:
            needed = _columns(max(self._text, self._label))
            expected = needed if self._need_label else f"{needed}, or one less without labels, or words alone"
            raise self._error(expected, str(self._width), number)
        if self._text == self._label:
            raise self._error(f"a column beside that of the text, {self._text}", _columns(self._width), number)

    def _filled(self, cells: list[_Cell], column: int, expected: str, number: int) -> _Cell:
        if not cells[column - 1][0]:
            raise self._error(expected, "nothing", number, column)
        return cells[column - 1]

    def _error(self, expected: str, found: str, line: int, column: int | None = None) -> DataError:
        return DataError(f"expected {expected}, found {found}", path=self._path, line=line, column=column)


def _cells(line: str, separator: str) -> list[_Cell]:
    """Give each column's text without the blanks around it, and where it begins and ends."""
    if separator != "\t":
        return [(found[0], found.start(), found.end()) for found in _FIELD.finditer(line)]
    cells, begin = [], 0
    for field in line.split("\t"):
        bare = field.strip(" ")
        at = begin + len(field) - len(field.lstrip(" "))
        cells.append((bare, at, at + len(bare)))
        begin += len(field) + 1
    return cells


def _columns(number: int) -> str:
    return f"{number} column{'s' if number > 1 else ''}"
