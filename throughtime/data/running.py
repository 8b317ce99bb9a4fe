"""Running text from files: a stream of blocks in constant memory, as often as it is wanted."""

from __future__ import annotations

import hashlib
import io
import math
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from throughtime.data import corpus
from throughtime.data.files import StrPath, check_encoding, plain_name, stream_blocks
from throughtime.data.identity import visible_files
from throughtime.data.packed import open_binary
from throughtime.data.readers.trees import NOT_A_CLASS
from throughtime.errors import DataError, UsageError
from throughtime.storage import sha256_of_json

__all__ = ["RunningText", "Span"]

_SIZE = 1 << 20


@dataclass(frozen=True)
class Span:
    """The characters of a file from ``begin`` up to ``end``; a byte order mark is none of them.

    ``ends`` tells whether the document does end there, and was not cut.
    """

    path: Path
    begin: int
    end: int
    ends: bool = True

    def __len__(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True)
class _File:
    """What the first reading of a file found, and what messages call it."""

    name: str
    sha256: str
    spool: _Spool | None = None


class RunningText:
    r"""Documents one after another, on disk: a text file is one, and so is each text file of a folder.

    ``len()`` is their characters.

    Args:
        spans: the documents.
        files: of each span's path, what is known of it.
        encoding: how their bytes are read.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.txt")
    ...     _ = file.write_text("one\ntwo\nthree\n")
    ...     text = RunningText.open(file)
    ...     first, last = text.part(0.25)
    ...     print(len(text), list(text.pieces(size=9)), list(last.pieces()))
    14 [(True, 'one\ntwo\n'), (False, 'three\n')] [(True, 'ree\n')]
    """

    def __init__(self, spans: Iterable[Span], files: dict[Path, _File], encoding: str) -> None:
        self.spans, self._files, self.encoding = [span for span in spans if len(span)], files, encoding

    @classmethod
    def open(cls, path: StrPath, encoding: str = "utf-8") -> RunningText:
        """Read a file, a folder's files, or a pipe once, to count its characters; gzipped files are read too.

        Where a folder and those inside it hold ``.txt`` files, they are read and no others; hidden files, read-mes and
        licences never are. A pipe, and standard input, which is called ``-``, is first copied into a temporary file.

        Raises:
            DataError: a file cannot be opened, is empty, is a damaged gzip, or holds a byte that is not of this
                encoding; a folder holds no text files.
            UsageError: the encoding is unknown.
        """
        check_encoding(encoding)
        spans, files = [], {}
        for file, name, spool in _found(path):
            length, sha256 = _count(file, name, encoding)
            spans.append(Span(file, 0, length))
            files[file] = _File(name, sha256, spool)
        return cls(spans, files, encoding)

    def __len__(self) -> int:
        return sum(map(len, self.spans))

    @property
    def line_end(self) -> str:
        r"""How its first line ends, ``\n`` or ``\r\n``; ``\n`` where it has none."""
        with closing(self.pieces()) as pieces:
            line, end, _ = next(pieces, (True, ""))[1].partition("\n")
        return "\r\n" if end and line.endswith("\r") else "\n"

    @property
    def large(self) -> bool:
        """Whether its symbols are too many for memory."""
        return len(self) > corpus.IN_MEMORY

    @property
    def sha256(self) -> dict[str, str]:
        """Of each file, by its name, the hash of its bytes as they lay there when they were counted."""
        return {file.name: file.sha256 for file in self._files.values()}

    @property
    def fingerprint(self) -> str:
        """A hash of all of them, by which a run that goes on knows that they have not changed."""
        return sha256_of_json(list(self.sha256.values()))

    def part(self, share: float, most: int | None = None) -> tuple[RunningText, RunningText]:
        """The first and the last of its characters, the latter this share of them, rounded up, but at most so many.

        A document may be cut in two; each part of it then is one.

        Raises:
            UsageError: when the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise UsageError(f"expected a share of the text between 0 and 1, found {share}")
        left = math.floor(len(self) * (1 - Fraction(str(share))))  # 0.1 as it is written, not as a float has it
        if most is not None:
            left = max(left, len(self) - most)
        first, last = [], []
        for span in self.spans:
            cut = span.begin + min(left, len(span))
            left -= cut - span.begin
            first.append(replace(span, end=cut, ends=span.ends and cut == span.end))
            last.append(replace(span, begin=cut))
        return (
            RunningText(first, self._files, self.encoding),
            RunningText(last, self._files, self.encoding),
        )

    def pieces(self, size: int = _SIZE) -> Generator[tuple[bool, str]]:
        """Yield the text in blocks of at most ``size`` characters, and of each whether it begins a document.

        A block ends where a line or the document does; where a line is longer, after a blank; where there is none,
        anywhere. The files are read anew each time.

        Raises:
            DataError: a file has become shorter, or cannot be read any more.
        """
        for span in self.spans:
            begins = True
            for block in _cut(self._read(span), size):
                yield begins, block
                begins = False

    def _read(self, span: Span) -> Iterator[str]:
        name, at = self._files[span.path].name, 0
        with open_binary(span.path) as file, closing(stream_blocks(file, name, self.encoding)) as blocks:
            for block in blocks:
                yield block[max(0, span.begin - at) : span.end - at]
                at += len(block)
                if at >= span.end:
                    return
        raise DataError(f"expected {span.end:,} characters as before, found {at:,}: the file has changed", path=name)


def _cut(blocks: Iterable[str], size: int) -> Iterator[str]:
    rest = ""
    for block in blocks:
        text, at = rest + block, 0
        while len(text) - at > size:
            end = text.rfind("\n", at, at + size) + 1 or text.rfind(" ", at, at + size) + 1 or at + size
            if text[end - 1 : end + 1] == "\r\n" and end - 1 > at:
                end -= 1  # a line's end stays whole
            yield text[at:end]
            at = end
        rest = text[at:]
    if rest:
        yield rest


# ---- finding and counting ----


class _Spool:
    """A temporary file with what a pipe holds; it goes when nothing needs it any more."""

    def __init__(self, pipe: io.BufferedReader) -> None:
        handle, name = tempfile.mkstemp(prefix="throughtime-")
        self.path = Path(name)
        weakref.finalize(self, self.path.unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(pipe, file)


def _found(path: StrPath) -> Iterator[tuple[Path, str, _Spool | None]]:
    """Yield each file to read, what messages call it, and what keeps it there."""
    if str(path) == "-":
        spool = _Spool(sys.stdin.buffer)  # type: ignore[arg-type]
        yield spool.path, "standard input", spool
    elif Path(path).is_dir():
        for file in _text_files(Path(path)):
            yield file, str(file), None
    elif Path(path).exists() and not Path(path).is_file():
        with open_binary(path) as pipe:
            spool = _Spool(pipe)
        yield spool.path, str(path), spool
    else:
        yield Path(path), str(path), None


def _text_files(folder: Path) -> list[Path]:
    files = [file for file in visible_files(folder) if plain_name(file).stem.casefold() not in NOT_A_CLASS]
    texts = [file for file in files if plain_name(file).suffix.lower() == ".txt"]
    if not files:
        raise DataError("expected a folder of text files, found none in it", path=str(folder))
    return sorted(texts or files)


class _Hashed(io.RawIOBase):
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file, self.hash = file, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = self._file.readinto(buffer)
        self.hash.update(buffer[:size])
        return size


def _count(path: Path, name: str, encoding: str) -> tuple[int, str]:
    """A file's characters and the hash of its bytes, in one reading."""
    with open_binary(path) as file:
        hashed = _Hashed(file)
        stream: io.BufferedReader = io.BufferedReader(hashed, _SIZE)
        length = sum(len(block) for block in stream_blocks(stream, name, encoding))
        while stream.read(_SIZE):  # what may lie behind a gzip's end
            pass
    if not length:
        raise DataError("expected text, found an empty file", path=name)
    return length, hashed.hash.hexdigest()
