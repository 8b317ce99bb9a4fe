"""CoNLL-U, the format of Universal Dependencies (https://universaldependencies.org/format.html).

Ten columns parted by tabs, one word a line, a blank line after each sentence. Lines that begin with `#` are comments;
the ids `3-4` (one token that is two words) and `8.1` (a word that is not written) are no words. All of these stay where
they are.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import final

from throughtime.data.files import StrPath, check_encoding
from throughtime.data.readers.names import is_number
from throughtime.data.readers.rows import printable, shown
from throughtime.data.readers.sentences import ColumnSentence, Other, Word, read_sentences
from throughtime.errors import DataError, UsageError

__all__ = ["COLUMNS", "read_conllu"]

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_NOT_WORDS = re.compile(r"[0-9]+[-.][0-9]+")
_EMPTY = "_"
_NEVER_EMPTY = {"upos", "head", "deprel"}  # of the others `_` is a value: no features, no tag of the language's own


def read_conllu(
    path: StrPath, *, label: str = "upos", text: str = "form", encoding: str = "utf-8", need_label: bool = True
) -> Generator[ColumnSentence, None, None]:
    r"""Yield the sentences of a CoNLL-U file, gzipped or not, in constant memory.

    Args:
        path: the file.
        label: the column of the labels, a name of `COLUMNS` or its number from 1.
        text: the column of the words.
        encoding: how its bytes are read.
        need_label: whether every word must have a label; else those of a sentence where one misses are None.

    Raises:
        DataError: the file cannot be read; the message names the line, what was expected and what was found.
        UsageError: there is no such column, both are one, or the encoding is unknown.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.conllu")
    ...     words = "1\tGo\tgo\tVERB\t_\t_\t0\troot\t_\t_\n2\t!\t!\tPUNCT\t_\t_\t1\tpunct\t_\t_\n"
    ...     _ = file.write_text(f"# text = Go!\n{words}\n")
    ...     [sentence] = read_conllu(file)
    >>> sentence.tokens, sentence.labels, sentence.lines
    (['Go', '!'], ['VERB', 'PUNCT'], [2, 3])
    """
    check_encoding(encoding)
    columns = _ConlluColumns(str(path), _column(text), _column(label), need_label)
    return read_sentences(path, encoding, columns)


def _column(wanted: str) -> int:
    at = int(wanted) - 1 if is_number(wanted) else COLUMNS.index(wanted) if wanted in COLUMNS else -1
    if not 0 < at < len(COLUMNS):
        raise UsageError(f'expected one of the columns {shown(COLUMNS[1:])} of CoNLL-U, found "{printable(wanted)}"')
    return at


@final
class _ConlluColumns:
    """Reads lines; a word's id must be one more than that of the word before, so that no loss goes unseen."""

    separator = "\t"

    def __init__(self, path: str, text: int, label: int, need_label: bool) -> None:
        if text == label:
            raise UsageError(f'the text and the label cannot be the same column, "{COLUMNS[text]}"')
        self._path, self._text, self._label = path, text, label
        self._need_label = need_label
        self._words = 0  # of this sentence
        self._others = False  # whether it has lines that are neither words nor comments

    def read(self, line: str, number: int) -> Word | Other:
        """Read a line: a word, or what is kept as it stands."""
        if line.startswith("#"):
            return Other.PASSED
        if not line.strip(" "):
            if self._others and not self._words:
                raise self._error("words in a sentence", "none, only ids such as 1-2 or 1.1", number)
            self._words, self._others = 0, False
            return Other.END
        fields = line.split("\t")
        if len(fields) != len(COLUMNS):
            hint = " (blanks part no columns)" if len(fields) == 1 and " " in line else ""
            raise self._error("10 columns with a tab between them", f"{len(fields)}{hint}", number)
        if self._is_word(fields[0], number):
            return self._word(fields, number)
        self._others = True
        return Other.PASSED

    def _is_word(self, id: str, number: int) -> bool:
        expected = str(self._words + 1)
        if id == expected:
            self._words += 1
            return True
        if _NOT_WORDS.fullmatch(id):
            return False
        hint = " (is the blank line between two sentences missing?)" if id == "1" else ""
        raise self._error(f"the id {expected}, or one such as 3-4 or 8.1", f'"{_short(id)}"{hint}', number, "id")

    def _word(self, fields: list[str], number: int) -> Word:
        token = _cell(fields, self._text)[0]
        label, begin, end = _cell(fields, self._label)
        if not token:
            raise self._error("a word", "nothing", number, COLUMNS[self._text])
        name = COLUMNS[self._label]
        if not label:
            raise self._error(f'a label or "{_EMPTY}"', "nothing", number, name)
        if label == _EMPTY and name in _NEVER_EMPTY:
            if self._need_label:
                raise self._error("a label", f'"{_EMPTY}"', number, name)
            return Word(token, None, begin, end)
        return Word(token, label, begin, end)

    def _error(self, expected: str, found: str, line: int, column: str | None = None) -> DataError:
        return DataError(f"expected {expected}, found {found}", path=self._path, line=line, column=column)


def _cell(fields: list[str], column: int) -> tuple[str, int, int]:
    """Give a column's text without the blanks around it, and where it begins and ends in the line."""
    text = fields[column]
    bare = text.strip(" ")
    begin = sum(map(len, fields[:column])) + column + len(text) - len(text.lstrip(" "))
    return bare, begin, begin + len(bare)


def _short(text: str) -> str:
    return printable(text if len(text) <= 40 else f"{text[:37]}...")
