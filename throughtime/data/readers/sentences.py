"""Sentences that can be written back with other labels: what all have in common, and those of a column file.

What a reader of text passes on is every line of its file, so that the sentences' texts, joined, are the file.
"""

from __future__ import annotations

import gzip
import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from io import BufferedWriter, TextIOWrapper
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO, final

from throughtime.data.files import StrPath, check_encoding, text_blocks, whole_lines
from throughtime.data.readers.rows import printable
from throughtime.errors import DataError

__all__ = [
    "MARK",
    "ColumnSentence",
    "Columns",
    "Other",
    "Sentence",
    "Word",
    "encoded",
    "no_sentences",
    "read_sentences",
    "spelled",
    "write_sentences",
]

MARK = "\ufeff"
"""The byte order mark, as text."""


class Word(NamedTuple):
    """A token, its label, and where the label stands in its line; nowhere (`begin == end`) where it is to be added."""

    token: str
    label: str | None
    begin: int
    end: int


class Other(Enum):
    """Lines that hold no token: those that end a sentence, and those that are passed over."""

    END = auto()
    PASSED = auto()


class Columns(Protocol):
    """How a format's lines are read, one after the other."""

    @property
    def separator(self) -> str:
        """What parts the columns, known after the first word: a tab or a blank."""

    def read(self, line: str, number: int) -> Word | Other:
        """Read a line, given without its end.

        Raises:
            DataError: it cannot be read.
        """


class _Cell(NamedTuple):
    """Where a label stands: which line of the sentence, from where to where."""

    line: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence(ABC):
    """A sentence of T tokens that knows where it stands, and how it is written with other labels.

    Attributes:
        tokens: `[T]` its words.
        labels: `[T]` their labels, or None where one is missing.
        lines: `[T]` the line of each, from 1.
        path: the file.
        line: where it begins: the line of its first word.
    """

    tokens: list[str]
    labels: list[str] | None
    lines: list[int]
    path: str
    line: int

    @property
    def text(self) -> str:
        """Its words, parted by blanks."""
        return " ".join(self.tokens)

    @property
    def label(self) -> str | None:
        """Its labels, parted by blanks."""
        return None if self.labels is None else " ".join(self.labels)

    @abstractmethod
    def written(self, labels: Sequence[str] | None = None) -> str:
        """Give its lines as they stand, or with other labels in their place and all else the same.

        Args:
            labels: `[T]` the new ones.

        Raises:
            DataError: a label, or what stands beside it, cannot be written in this format.
            ValueError: there are not T labels.
        """

    def check_count(self, labels: Sequence[str]) -> None:
        """Raise ValueError unless there is a label for each token."""
        if len(labels) != len(self.tokens):
            raise ValueError(f"expected {len(self.tokens)} labels, found {len(labels)}")


@final
@dataclass(frozen=True, slots=True)
class ColumnSentence(Sentence):
    """A sentence of a column file, and the lines from the end of the sentence before to its own.

    Attributes:
        separator: what parts the columns, a tab or a blank.
    """

    separator: str
    _raw: list[str] = field(repr=False)
    _cells: list[_Cell] = field(repr=False)

    @property
    def label_column(self) -> int:
        """The number, from 1, of the labels' column, also where it is yet to be added."""
        cell = self._cells[0]
        before = self._raw[cell.line][: cell.begin]
        if self.lines[0] == 1:
            before = before.removeprefix("\ufeff")
        if self.separator == "\t":
            return 1 + before.count("\t") + (cell.begin == cell.end)
        # Blanks and tabs part columns; other spaces, an ideographic one say, may stand in a word.
        return 1 + len(re.findall(r"[^ \t]+", before))

    def written(self, labels: Sequence[str] | None = None) -> str:
        r"""Give its lines as they stand, or with other labels in their place and all else the same.

        Args:
            labels: `[T]` the new ones.

        Raises:
            DataError: a label is empty or holds a separator or a line end, so that it would not be read again.
            ValueError: there are not T labels.

        >>> import pathlib, tempfile
        >>> from throughtime.data.readers.conll import read_conll
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "a.conll")
        ...     _ = file.write_bytes(b"York  NNP \r\n")
        ...     [sentence] = read_conll(file)
        >>> sentence.written(), sentence.written(["NN"])
        ('York  NNP \r\n', 'York  NN \r\n')
        """
        if labels is None:
            return "".join(self._raw)
        self.check_count(labels)
        raw = list(self._raw)
        for label, cell, number in zip(labels, self._cells, self.lines, strict=True):
            self._check(label, number)
            old = raw[cell.line]
            glue = self.separator if cell.begin == cell.end else ""
            raw[cell.line] = f"{old[: cell.begin]}{glue}{label}{old[cell.end :]}"
        return "".join(raw)

    def _check(self, label: str, line: int) -> None:
        blanks = "\t\r\n" if self.separator == "\t" else " \t\r\n"
        if not label or label != label.strip(" ") or any(blank in label for blank in blanks):
            message = f'expected a label that fits into a column, found "{printable(label)}"'
            raise DataError(message, path=self.path, line=line)


def read_sentences(path: StrPath, encoding: str, columns: Columns) -> Generator[ColumnSentence, None, None]:
    """Yield a file's sentences, holding two of them and about a megabyte of the file at a time.

    What stands between two sentences belongs to the later one, what stands last to the last one.

    Raises:
        DataError: the file or a line cannot be read, or there is no sentence.
        UsageError: the encoding is unknown.
    """
    name = str(path)
    held: _Draft | None = None  # given when it is known that another follows, so that no line is left over
    with closing(text_blocks(path, encoding, keep_mark=True)) as blocks:
        for draft in _drafts(whole_lines(blocks), name, columns):
            if held and draft.words:
                yield held.sentence(name, columns.separator)
            if held and not draft.words:
                held.raw.extend(draft.raw)
            elif draft.words or draft.raw:
                held = draft
    if held is None or not held.words:
        raise no_sentences(name, "only blank lines and comments" if held else None)
    yield held.sentence(name, columns.separator)


def no_sentences(path: str, found: str | None = None) -> DataError:
    """Give the error for a file without sentences."""
    return DataError(f"expected sentences, found {found or 'an empty file'}", path=path)


def write_sentences(
    path: StrPath, sentences: Iterable[tuple[Sentence, Sequence[str] | None]], encoding: str = "utf-8"
) -> int:
    """Write sentences, each with new labels or None for its own, and give how many they are.

    The file, gzipped if its name ends in `.gz`, has its name only when it is whole.

    Raises:
        DataError: a label cannot be written in the file's format, or the encoding cannot spell it.
        OSError: the file cannot be written.
        UsageError: the encoding is unknown.
    """
    check_encoding(encoding)
    path, count = Path(path), 0
    partial = path.with_name(f".{path.name}.partial")
    try:
        with _target(partial, encoding, packed=path.suffix.lower() == ".gz") as target:
            for sentence, labels in sentences:
                target.write(spelled(sentence, labels, encoding))
                count += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


class _Draft:
    """A sentence in the making."""

    def __init__(self) -> None:
        self.raw: list[str] = []
        self.words: list[Word] = []
        self._lines: list[int] = []
        self._cells: list[_Cell] = []

    def add(self, word: Word, number: int, shift: int) -> None:
        """Add the word of the line that was added last."""
        self.words.append(word)
        self._lines.append(number)
        self._cells.append(_Cell(len(self.raw) - 1, word.begin + shift, word.end + shift))

    def sentence(self, path: str, separator: str) -> ColumnSentence:
        tokens = [word.token for word in self.words]
        labels = [word.label for word in self.words if word.label is not None]
        whole = labels if len(labels) == len(tokens) else None
        return ColumnSentence(tokens, whole, self._lines, path, self._lines[0], separator, self.raw, self._cells)


def _drafts(lines: Iterable[str], path: str, columns: Columns) -> Generator[_Draft, None, None]:
    """Yield sentences, and last what stands behind them, which has no words and may be nothing."""
    draft, number = _Draft(), 0
    for number, line in enumerate(lines, 1):
        draft.raw.append(line)
        shift = len(MARK) if number == 1 and line.startswith(MARK) else 0
        read = columns.read(_content(line, path, number)[shift:], number)
        if isinstance(read, Word):
            draft.add(read, number, shift)
        elif read is Other.END and draft.words:
            yield draft
            draft = _Draft()
    columns.read("", number)  # the last sentence may lack the blank line that closes it
    yield draft


def _content(line: str, path: str, number: int) -> str:
    """Give a line without its end."""
    content = line.rstrip("\r\n")
    if "\r" in content:
        message = "expected lines that end in a newline, found a carriage return inside a line"
        raise DataError(message, path=path, line=number)
    return content


@contextmanager
def _target(path: Path, encoding: str, *, packed: bool) -> Iterator[TextIO]:
    with ExitStack() as stack:
        file: BufferedWriter | gzip.GzipFile = stack.enter_context(path.open("wb"))
        if packed:  # without name and time, so that the same sentences give the same bytes
            file = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))
        yield stack.enter_context(TextIOWrapper(file, encoding, newline=""))


def spelled(sentence: Sentence, labels: Sequence[str] | None, encoding: str) -> str:
    """Give a sentence as it is written, if the encoding can spell it.

    Raises:
        DataError: it cannot, or see `Sentence.written`.
    """
    text = sentence.written(labels)
    encoded(text, encoding, sentence.path, sentence.line)
    return text


def encoded(text: str, encoding: str, path: str, line: int) -> bytes:
    """Give text in its encoding; `path` and `line` are where it is from.

    Raises:
        DataError: the encoding cannot spell it.
    """
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        found = printable(text[error.start])
        message = f'expected text that {encoding} can spell, found "{found}" (U+{ord(text[error.start]):04X})'
        raise DataError(message, path=path, line=line) from None
