"""Files as bytes: opened, unpacked (gzip, bzip2, xz), told from their first bytes, faults said in a sentence."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from contextlib import ExitStack
from io import BufferedReader
from os import PathLike
from pathlib import Path

from throughtime.errors import DataError

__all__ = [
    "GZIP",
    "XZ",
    "Binary",
    "StrPath",
    "damage",
    "first_bytes",
    "is_bzip2",
    "is_tar",
    "open_binary",
    "peek",
    "read_block",
    "unpacked",
]

StrPath = str | PathLike[str]
Binary = BufferedReader | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile

GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
_BLOCK = 1 << 20
_HEADER = 512
_FAULTS = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)


def open_binary(path: StrPath) -> BufferedReader:
    """Open a file for reading bytes.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        return Path(path).open("rb")
    except (OSError, ValueError) as error:
        raise DataError(_reason(error, path), path=str(path)) from None


def unpacked(file: BufferedReader, stack: ExitStack) -> Binary:
    """Give the bytes inside a file that gzip, bzip2 or xz has packed, and of any other the file itself."""
    magic = file.peek(10)
    inside: Binary = file
    if magic.startswith(GZIP):
        inside = gzip.GzipFile(fileobj=file, mode="rb")
    elif is_bzip2(magic):
        inside = bz2.BZ2File(file)
    elif magic.startswith(XZ):
        inside = lzma.LZMAFile(file)  # noqa: SIM115 (the stack closes it)
    if inside is not file:
        stack.callback(inside.close)
    return inside


def peek(file: BufferedReader, name: str) -> bytes:
    """Give some of the next bytes, which stay to be read.

    Raises:
        DataError: they cannot be read.
    """
    try:
        return file.peek(10)
    except _FAULTS as error:
        raise DataError(damage(error), path=name) from None


def read_block(stream: Binary, name: str) -> bytes:
    """Read about a megabyte; nothing at the end.

    Raises:
        DataError: it cannot be read, or what packed it is damaged or cut off.
    """
    try:
        return stream.read(_BLOCK)
    except _FAULTS as error:
        raise DataError(damage(error), path=name) from None


def first_bytes(path: StrPath) -> tuple[bytes, bytes]:
    """Give the first bytes of a file as it lies, and the first 512 inside it if it is packed.

    Nothing comes of what cannot be read, since reading it whole then says why, nor of a pipe, which can be read
    only once.
    """
    raw = inside = b""
    try:
        if Path(path).is_file():
            with Path(path).open("rb") as file, ExitStack() as stack:
                raw = file.peek(_HEADER)[:_HEADER]
                inside = unpacked(file, stack).read(_HEADER)
    except (*_FAULTS, ValueError):
        return raw, inside
    return raw, inside


def is_tar(block: bytes) -> bool:
    """Tell whether a file that begins like this is a tar archive, from the header of its first member."""
    header = block[:_HEADER]
    if len(header) < _HEADER or b"\0" not in header:
        return False
    try:
        tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return header[257:262] == b"ustar"  # one that is damaged
    return True


def is_bzip2(magic: bytes) -> bool:
    """Tell whether a file that begins like this is packed by bzip2; its first three letters alone could be a word's."""
    return magic.startswith(b"BZh") and magic[4:10] == b"1AY&SY"


def damage(error: Exception) -> str:
    """Say in a sentence what is wrong with a packed file or an archive.

    >>> damage(EOFError())
    'the packed file ends too early: it was cut off'
    """
    if isinstance(error, EOFError):
        return "the packed file ends too early: it was cut off"
    if isinstance(error, OSError) and error.errno is not None:
        return _reason(error, "")
    return f"the packed file is damaged: {error or type(error).__name__}"


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
