"""Files that are whole or not there: hashes, flushing, and writing under a temporary name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["flush", "sha256", "write_atomically"]


def sha256(path: Path) -> str:
    """The file's hash in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write under a temporary name, flush to the disk, and rename."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, encoding="utf-8")
    flush(temporary)
    temporary.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Push a file or folder to the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
