"""Word vectors made elsewhere, in the text format of word2vec and GloVe, read only for the words that are needed.

A line holds a word and its numbers, with a blank between each. A first line of two whole numbers says how many words
follow, and of how many numbers each (word2vec, fastText); without one (GloVe) the first word tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from throughtime.data.files import StrPath, refuse_packed
from throughtime.data.packed import open_binary, read_block, unpacked
from throughtime.data.readers.rows import printable
from throughtime.errors import DataError

__all__ = ["Pretrained", "read_vectors", "vectors_for", "vectors_size"]

_MARK = b"\xef\xbb\xbf"
_LONGEST = 1 << 20  # bytes of a line: a hundred thousand numbers
_BLOCKS_TOLD = 32  # progress is told each time so many have been read


@dataclass(frozen=True)
class Pretrained:
    """Words, and a vector of each.

    Attributes:
        words: ``n`` different ones.
        table: ``[n, E]``, 32-bit.
    """

    words: list[str]
    table: np.ndarray

    @property
    def sha256(self) -> str:
        """Of all of it: the same words with the same numbers have the same."""
        found = hashlib.sha256("\n".join(self.words).encode("utf-8", "surrogatepass"))
        found.update(self.table.astype("<f4").tobytes())
        return found.hexdigest()


def vectors_for(
    path: StrPath, forms: Iterable[str], normal: Callable[[str], str], said: Callable[[str], None] = lambda words: None
) -> Pretrained:
    """The vectors of words as a model reads them.

    Of each the file is asked for the word itself, then for the word in small letters, then for the ways in which it is
    written in the data, in the order of ``forms``; the first that is there counts.

    Args:
        path: see :func:`read_vectors`.
        forms: words as they are written.
        normal: gives a form as the model reads it.
        said: see :func:`read_vectors`.

    Raises:
        DataError: see :func:`read_vectors`.
    """
    asked: dict[str, dict[str, None]] = {}
    for form in forms:
        word = normal(form)
        asked.setdefault(word, dict.fromkeys((word, word.lower()))).setdefault(form)
    found = read_vectors(path, {name for names in asked.values() for name in names}, said)
    rows = {name: row for row, name in enumerate(found.words)}
    firsts = {word: next((name for name in names if name in rows), None) for word, names in asked.items()}
    kept = {word: rows[name] for word, name in firsts.items() if name is not None}
    return Pretrained(list(kept), found.table[list(kept.values())])


def vectors_size(path: StrPath) -> int:
    """How many numbers each word of a file has, as its first line tells.

    Raises:
        DataError: it cannot be read, or is no such file.
    """
    if not Path(path).is_file() and Path(path).exists() and not Path(path).is_dir():
        raise DataError("expected a file of word vectors, found a pipe: its beginning is read twice", path=str(path))
    with closing(_blocks(path, lambda words: None)) as blocks:
        return _Lines(path, ()).begin(next(blocks, b"").partition(b"\n")[0])


def read_vectors(
    path: StrPath, wanted: Collection[str], said: Callable[[str], None] = lambda words: None
) -> Pretrained:
    r"""The vectors of those wanted words that a file has, in its order; about a megabyte of it is held at a time.

    Every line must hold as many numbers as the others, or be that of a word with blanks inside. The numbers are read
    only of words that are wanted, and only these are known to stand there once.

    Args:
        path: the file, in UTF-8; gzip, bzip2 or xz may have packed it.
        wanted: words.
        said: is told how far it is, now and then.

    Raises:
        DataError: the file cannot be read, is none of word vectors, or a line is not as it must be; with the line.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "vectors.txt")
    ...     _ = file.write_text("the 0.5 -1\na 0 2\ncat 1e-1 3\n")
    ...     found = read_vectors(file, {"cat", "the", "dog"})
    >>> found.words, found.table
    (['the', 'cat'], array([[ 0.5, -1. ],
           [ 0.1,  3. ]], dtype=float32))
    """
    lines = _Lines(path, wanted)
    with closing(_blocks(path, said)) as blocks:
        for block in blocks:
            lines.read(block)
    return lines.end()


class _Lines:
    """What was read so far."""

    def __init__(self, path: StrPath, wanted: Collection[str]) -> None:
        self._path = str(path)
        self._wanted = {word.encode("utf-8", "surrogatepass"): word for word in wanted}
        self._found: dict[bytes, int] = {}  # in which line
        self._rows: list[np.ndarray] = []
        self._size = 0
        self._promised: int | None = None
        self._line = self._words = 0

    def begin(self, line: bytes) -> int:
        """How many numbers each word has, from the first line."""
        fields = line.split()
        if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]):
            self._promised, self._size = int(fields[0]), int(fields[1])
        elif len(fields) < 2 or not all(map(_is_number, fields[1:])):
            found = f'"{_shown(line)}"' if line.strip() else "nothing"
            raise self._error(f"a word and its numbers, in word2vec's or GloVe's text format, found {found}", 1)
        self._size = self._size or len(fields) - 1
        return self._size

    def read(self, block: bytes) -> None:
        """Read whole lines."""
        lines = block.split(b"\n")
        if not self._size:
            self.begin(lines[0])
            if self._promised is not None:
                self._line += 1
                del lines[0]
        size, wanted = self._size, self._wanted
        for number, line in enumerate(lines, self._line + 1):
            if line.count(b" ") == size:  # quicker than taking it apart, as nearly all are passed over
                word = line[: line.index(b" ")]
            elif not line.strip(b" \r"):
                self._words -= 1
                continue
            else:
                line = line.rstrip(b" \r")  # word2vec leaves a blank at the end
                word = self._word(line, number)
            if word in wanted or not word:
                self._take(word, line, number)
        self._line += len(lines)
        self._words += len(lines)

    def end(self) -> Pretrained:
        """All that was found, when the file has been read."""
        if not self._size:
            self.begin(b"")
        if self._promised not in (None, self._words):
            message = f"expected {self._promised:,} words, as the first line says, found {self._words:,}"
            raise DataError(f"{message}: the file is not whole", path=self._path)
        table = np.stack(self._rows) if self._rows else np.empty((0, self._size), np.float32)
        return Pretrained([self._wanted[word] for word in self._found], table)

    def _word(self, line: bytes, number: int) -> bytes:
        """The word of a line that has blanks at its end, or inside the word, which is then no number."""
        fields = line.split(b" ")
        extra = fields[1 : -self._size]
        if len(fields) <= self._size or any(not field or _is_number(field) for field in extra):
            found = f"{len(fields) - 1:,}" if len(fields) > 1 else f'only "{_shown(line)}"'
            raise self._error(f"a word and {self._size:,} numbers, a blank between each, found {found}", number)
        return b" ".join(fields[: -self._size])

    def _take(self, word: bytes, line: bytes, number: int) -> None:
        if not word:
            raise self._error("a word, found a line that begins with a blank", number)
        if word in self._found:
            first = self._found[word]
            raise self._error(f'each word once, found "{_shown(word)}" again, as in line {first:,}', number)
        fields = line[len(word) + 1 :].split(b" ")
        try:
            with np.errstate(over="ignore"):
                row = np.array(list(map(float, fields)), np.float32)
        except ValueError:
            row = np.array([np.nan])
        if not np.isfinite(row).all() or b"_" in line[len(word) :]:  # which float takes for a comma of thousands
            wrong = next(field for field in fields if not _is_number(field))
            raise self._error(f'a number for "{_shown(word)}", found "{_shown(wrong)}"', number)
        self._found[word] = number
        self._rows.append(row)

    def _error(self, expected: str, line: int) -> DataError:
        return DataError(f"expected {expected}", path=self._path, line=line)


def _blocks(path: StrPath, said: Callable[[str], None]) -> Generator[bytes, None, None]:
    """Yield a file's lines, about a megabyte of them at a time, the last newline of each left off."""
    name, rest = str(path), b""
    with open_binary(path) as file, ExitStack() as stack:
        total = max(1, Path(path).stat().st_size)
        stream, count = unpacked(file, stack), 0
        while data := read_block(stream, name):
            if not count:
                refuse_packed(data, name)
                data = data.removeprefix(_MARK)
            if b"\0" in data:
                raise DataError("expected word vectors in text format, found a binary file", path=name)
            if count % _BLOCKS_TOLD == 0:
                said(f"reading {name}: {min(1.0, file.tell() / total):.0%}")
            count += 1
            end = data.rfind(b"\n")
            if end < 0 and len(rest) + len(data) > _LONGEST:
                raise DataError("expected a word and its numbers on each line, found one of megabytes", path=name)
            if end >= 0:
                yield rest + data[:end]
            rest = data[end + 1 :] if end >= 0 else rest + data
    if rest:
        yield rest


def _is_number(field: bytes) -> bool:
    """Whether it is one that 32 bits hold."""
    try:
        value = float(field)
    except ValueError:
        return False
    return abs(value) <= float(np.finfo(np.float32).max) and b"_" not in field


def _shown(text: bytes) -> str:
    shown = text.decode("utf-8", "replace")
    return printable(shown if len(shown) <= 40 else f"{shown[:37]}...")
