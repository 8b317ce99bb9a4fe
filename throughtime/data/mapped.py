"""Arrays in files: written a piece at a time, read through the system's page cache and not through memory of ours."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["Mapped", "write_pieces"]

# Linux refuses a private copy that is larger than all memory, unless it is told that none of it will be written to.
# Python has a name for this from 3.13 on.
_UNRESERVED = 0x4000 if sys.platform == "linux" else 0


class Mapped:
    """A file of numbers as an array, whose pages come when they are looked at and go with :meth:`release`.

    Args:
        path: the file; it may be empty. It may be renamed or removed while it is mapped.
        dtype: what it holds.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_pieces(Path(folder, "a"), [np.arange(3), np.arange(2)], np.int16)
    ...     Mapped(Path(folder, "a"), np.int16).array
    array([0, 1, 2, 0, 1], dtype=int16)
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._map: mmap.mmap | None = None
        with path.open("rb") as file:
            if path.stat().st_size:  # an empty file cannot be mapped
                # A private copy: torch takes no array that may not be written. Nothing ever writes to it.
                flags, access = mmap.MAP_PRIVATE | _UNRESERVED, mmap.PROT_READ | mmap.PROT_WRITE
                self._map = mmap.mmap(file.fileno(), 0, flags, access)
        self.array: np.ndarray = np.frombuffer(self._map, dtype) if self._map else np.zeros(0, dtype)

    def release(self) -> None:
        """Give back the memory of the pages looked at so far; they stay in the system's cache as long as there is room.

        Without this a process that has read all of a file once holds all of it, for as long as nobody else asks.
        """
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def write_pieces(path: Path, pieces: Iterable[np.ndarray], dtype: DTypeLike) -> int:
    """Write arrays behind each other, and give how many bytes that was."""
    with path.open("wb") as file:
        return sum(file.write(np.ascontiguousarray(piece, dtype).data.cast("B")) for piece in pieces if piece.size)
