"""Whether a file, or a folder of files, is still what it was: quickly by sizes and times, surely by its content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from throughtime.storage import sha256

__all__ = ["all_plain", "content_hash", "plain", "stamp", "visible_files"]


def plain(name: str) -> str:
    r"""A file's name may hold bytes that are no text; what is written down must be text.

    >>> plain("rev\udcff.csv")
    'rev?.csv'
    """
    return name.encode("utf-8", "replace").decode("utf-8")


def all_plain(content: Any) -> Any:
    r"""What JSON holds, with every file's name in it as plain text.

    >>> all_plain({"valid": "rev\udcff.csv", "rows": [3]})
    {'valid': 'rev?.csv', 'rows': [3]}
    """
    if isinstance(content, dict):
        return {key: all_plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [all_plain(value) for value in content]
    return plain(content) if isinstance(content, str) else content


def stamp(path: Path) -> list[Any] | None:
    """What changes when a file, or a file of a folder, does; none for a pipe, of which nothing is known beforehand."""
    if not path.is_file() and not path.is_dir():
        return None
    return [[plain(str(file)), *_status(file)] for file in visible_files(path)]


def content_hash(path: Path) -> str | None:
    """Of a file, or of a folder's names and files; none for a pipe, which can be read only once."""
    if path.is_file():
        return sha256(path)
    if not path.is_dir():
        return None
    whole = hashlib.sha256()
    for file in visible_files(path):
        try:
            content = sha256(file)
        except OSError:  # one that lies beside the classes and is not read; a reader that needs it says so
            content = "unreadable"
        whole.update(f"{file.relative_to(path)}\0{content}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def visible_files(path: Path) -> Iterator[Path]:
    """Yield the file, or a folder's files in order of name, links followed, hidden ones left out as readers do."""
    if path.is_file():
        yield path
        return
    seen = set()
    for folder, folders, files in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if real not in seen else []
        seen.add(real)
        shown = (Path(folder, name) for name in sorted(files) if not name.startswith("."))
        yield from (file for file in shown if file.is_file())  # which a dangling link is not


def _status(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
