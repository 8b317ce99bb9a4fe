"""Text files as they lie on disk: gzipped or not, decoded, cut into lines, every fault named by its place.

Lines end at a newline or at a carriage return and a newline, and nowhere else: a line separator (U+2028), a
vertical tab or a form feed inside a text stays inside it, unlike with `str.splitlines`.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from io import BufferedReader
from os import PathLike
from pathlib import Path

from throughtime.errors import DataError, UsageError

__all__ = ["StrPath", "check_encoding", "plain_name", "read_lines", "read_text", "without_return"]

StrPath = str | PathLike[str]
_Binary = BufferedReader | gzip.GzipFile

_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
# Files that people hand over whole; a decoder would only say that some byte is wrong.
_PACKED = {
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"PAR1": "a Parquet file",
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
    return "".join(_blocks(path, encoding))


def read_lines(path: StrPath, encoding: str = "utf-8") -> Generator[str, None, None]:
    r"""Yield a file's lines, cut at each newline, holding about a megabyte at a time.

    A carriage return before the newline is kept: inside a quoted CSV field it belongs to the text. Other
    readers take it off with `without_return`.

    Raises:
        DataError: the file cannot be opened, is a damaged gzip, or holds a byte that is not of this encoding.
        UsageError: the encoding is unknown.
    """
    pieces: list[str] = []  # of a line longer than a block, joined once: adding them up would be quadratic
    for block in _blocks(path, encoding):
        first, *others = block.split("\n")
        pieces.append(first)
        if others:
            yield "".join(pieces)
            yield from others[:-1]
            pieces = [others[-1]]
    if last := "".join(pieces):
        yield last


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


def _blocks(path: StrPath, encoding: str) -> Iterator[str]:
    check_encoding(encoding)
    name = str(path)
    with ExitStack() as stack:
        yield from _decode(_open(path, name, stack), name, encoding)


def _open(path: StrPath, name: str, stack: ExitStack) -> _Binary:
    try:
        file = stack.enter_context(Path(path).open("rb"))  # noqa: SIM115 (the stack closes it)
        magic = file.peek(10)
    except (OSError, ValueError) as error:
        raise DataError(_reason(error, path), path=name) from None
    if magic.startswith(_GZIP):
        unpacked = gzip.GzipFile(fileobj=file)
        stack.callback(unpacked.close)
        return unpacked
    _refuse_packed(magic, name)
    return file


def _reason(error: OSError | ValueError, path: StrPath) -> str:
    """Say in a sentence why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "expected a file, found nothing of that name"
    if isinstance(error, ValueError):
        return "expected a file's name, found one with a NUL character"
    # Windows calls opening a folder a lack of permission.
    if isinstance(error, IsADirectoryError) or (isinstance(error, PermissionError) and Path(path).is_dir()):
        return "expected a file, found a folder"
    if isinstance(error, PermissionError):
        return "expected a file that may be read, found one without the permission"
    return f"expected a file that can be read, found: {(error.strerror or str(error)).lower()}"


def _refuse_packed(magic: bytes, name: str) -> None:
    kind = next((kind for start, kind in _PACKED.items() if magic.startswith(start)), None)
    if magic.startswith(b"BZh") and magic[4:10] == b"1AY&SY":
        kind = "a bzip2 archive"
    if kind:
        raise DataError(f"expected text, found {kind}: unpack it into text (or gzipped text) first", path=name)


def _read(stream: _Binary, name: str) -> bytes:
    try:
        return stream.read(_BLOCK)
    except EOFError:
        raise DataError("the gzip file ends too early: it was cut off", path=name) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"the gzip file is damaged: {error}", path=name) from None
    except OSError as error:
        raise DataError(_reason(error, name), path=name) from None


def _decode(stream: _Binary, name: str, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    size, line, started = 0, 1, False
    while True:
        data = _read(stream, name)
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
