"""Text files as they lie on disk: gzipped or not, decoded, cut into lines, every fault named by its place.

Lines end at a newline or at a carriage return and a newline, and nowhere else: a line separator (U+2028), a
vertical tab or a form feed inside a text stays inside it, unlike with `str.splitlines`.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path

from throughtime.data.packed import (
    GZIP,
    XZ,
    Binary,
    StrPath,
    is_bzip2,
    is_tar,
    open_binary,
    peek,
    read_block,
    unpacked,
)
from throughtime.errors import DataError, UsageError

__all__ = [
    "StrPath",
    "check_encoding",
    "cut_lines",
    "plain_name",
    "read_lines",
    "read_text",
    "refuse_packed",
    "stream_blocks",
    "text_blocks",
    "whole_lines",
    "without_return",
]

_UNPACK = "unpack it into text (or gzipped text) first"
# Files that people hand over whole; a decoder would only say that some byte is wrong.
_PACKED = {
    b"PK\x03\x04": f"a zip archive: {_UNPACK}",
    XZ: f"an xz archive: {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"a zstd archive: {_UNPACK}",
    b"PAR1": "a Parquet file: it is read with --format parquet, and not gzipped",
}
# Codecs that are not character sets of files: they raise errors of their own, or fold escapes into the text.
_NOT_FOR_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}


def read_text(path: StrPath, encoding: str = "utf-8") -> str:
    """Read a whole file as text, gzipped or not, without its byte order mark.

    Raises:
        DataError: the file cannot be opened, is a damaged gzip, or holds a byte that is not of this encoding.
        UsageError: the encoding is unknown.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.txt")
    ...     _ = file.write_bytes(b"caf" + bytes([0xC3, 0xA9]))
    ...     read_text(file)
    'café'
    """
    return "".join(text_blocks(path, encoding))


def read_lines(path: StrPath, encoding: str = "utf-8") -> Generator[str, None, None]:
    r"""Yield a file's lines, cut at each newline, holding about a megabyte at a time.

    A carriage return before the newline is kept: inside a quoted CSV field it belongs to the text. Other
    readers take it off with `without_return`.

    Raises:
        DataError: the file cannot be opened, is a damaged gzip, or holds a byte that is not of this encoding.
        UsageError: the encoding is unknown.
    """
    yield from cut_lines(text_blocks(path, encoding))


def cut_lines(blocks: Iterable[str]) -> Generator[str, None, None]:
    r"""Yield the lines of a text that comes in blocks.

    >>> list(cut_lines(["a\nb", "c\n", "d"]))
    ['a', 'bc', 'd']
    """
    pieces: list[str] = []  # of a line longer than a block, joined once: adding them up would be quadratic
    for block in blocks:
        first, *others = block.split("\n")
        pieces.append(first)
        if others:
            yield "".join(pieces)
            yield from others[:-1]
            pieces = [others[-1]]
    if last := "".join(pieces):
        yield last


def whole_lines(blocks: Iterable[str]) -> Generator[str, None, None]:
    r"""Yield the lines of a text that comes in blocks, each with its newline: joined, they are the text.

    >>> list(whole_lines(["a\nb", "c\r\n", "d"]))
    ['a\n', 'bc\r\n', 'd']
    """
    pieces: list[str] = []
    for block in blocks:
        first, *others = block.split("\n")
        pieces.append(first)
        if others:
            yield "".join(pieces) + "\n"
            for line in others[:-1]:
                yield line + "\n"
            pieces = [others[-1]]
    if last := "".join(pieces):
        yield last


def text_blocks(path: StrPath, encoding: str, *, keep_mark: bool = False) -> Generator[str, None, None]:
    """Yield a file's text, gzipped or not, in blocks of about a megabyte.

    `keep_mark` leaves a byte order mark at the text's beginning, for those who write the text back.

    Raises:
        DataError: the file cannot be opened, is a damaged gzip, or holds a byte that is not of this encoding.
        UsageError: the encoding is unknown.
    """
    check_encoding(encoding)
    with open_binary(path) as file:
        yield from stream_blocks(file, str(path), encoding, keep_mark=keep_mark)


def stream_blocks(
    file: BufferedReader, name: str, encoding: str, *, keep_mark: bool = False
) -> Generator[str, None, None]:
    """Yield the text of an open file, gzipped or not; `name` is what messages call it.

    Raises:
        DataError: it cannot be read, is a damaged gzip, or holds a byte that is not of this encoding.
    """
    with ExitStack() as stack:
        packed = peek(file, name).startswith(GZIP)
        yield from _decode(unpacked(file, stack) if packed else file, name, encoding, keep_mark)


def without_return(line: str) -> str:
    """Take the carriage return of a Windows line end off a line."""
    return line[:-1] if line.endswith("\r") else line


def plain_name(path: StrPath) -> Path:
    """Give the path without `.gz`: the name that says what is inside."""
    path = Path(path)
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def check_encoding(encoding: str) -> None:
    """Raise UsageError unless Python can read files of this encoding."""
    try:
        name = codecs.lookup(encoding).name.replace("-", "_")
        codecs.getincrementaldecoder(encoding)
        "a".encode(encoding)  # base64 and its like are codecs too, but raise LookupError here
    except (LookupError, ValueError):
        name = "undefined"
    if name in _NOT_FOR_FILES:
        raise UsageError(f"expected an encoding such as utf-8, latin-1 or windows-1252, found {encoding!r}")


def refuse_packed(data: bytes, name: str) -> None:
    """Raise DataError where a file that begins like this is an archive, or packed in a way that is not read."""
    found = next((kind for start, kind in _PACKED.items() if data.startswith(start)), None)
    if is_bzip2(data):
        found = f"a bzip2 archive: {_UNPACK}"
    elif is_tar(data):
        found = "a tar archive: it is read with --format folder-per-class or file-per-class"
    if found:
        raise DataError(f"expected text, found {found}", path=name)


def _decode(stream: Binary, name: str, encoding: str, keep_mark: bool) -> Generator[str, None, None]:
    decoder = codecs.getincrementaldecoder(encoding)()
    size, line, started = 0, 1, keep_mark
    while True:
        data = read_block(stream, name)
        if not size:
            refuse_packed(data, name)
        size += len(data)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise _bad_byte(error, name, size, line, encoding) from None
        except UnicodeError as error:
            raise DataError(f"expected {encoding} text: {error}", path=name, line=line) from None
        if text and not started:
            text, started = text.removeprefix("\ufeff"), True
        if "\0" in text:
            raise _nul(text, name, line)
        line += text.count("\n")
        yield text
        if not data:
            return


def _bad_byte(error: UnicodeDecodeError, name: str, size: int, line: int, encoding: str) -> DataError:
    # The decoder may have held back bytes of the block before, so the place is counted from the end.
    offset = size - len(error.object) + error.start
    line += error.object[: error.start].decode(encoding, "ignore").count("\n")
    byte = error.object[error.start]
    return DataError(
        f"expected {encoding} text, found the byte 0x{byte:02X} at byte {offset} (counted from 0): "
        f"{_advice(error.object, byte, offset, encoding)}",
        path=name,
        line=line,
    )


def _advice(block: bytes, byte: int, offset: int, encoding: str) -> str:
    if offset == 0 and byte in (0xFE, 0xFF):
        return "it opens like UTF-16, so say --encoding utf-16"
    if b"\0" in block:
        return "there are NUL bytes too, so this is no text but a binary file"
    if codecs.lookup(encoding).name == "cp1252":
        return "say --encoding latin-1, which takes every byte"
    return "say --encoding latin-1 or windows-1252, if that is how it was written"


def _nul(text: str, name: str, line: int) -> DataError:
    # Kept, it would end the text in every C library it meets, and it nearly always means another encoding.
    line += text.count("\n", 0, text.index("\0"))
    message = "expected text, found a NUL byte: for UTF-16 say --encoding utf-16; a binary file cannot be read"
    return DataError(message, path=name, line=line)
