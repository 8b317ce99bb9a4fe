"""Folders that are whole or not there: where what took long to make is kept for the next time."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from throughtime.errors import DataError
from throughtime.storage import flush

__all__ = ["FORMAT", "MOST", "PARTIAL", "Store", "make_private", "usual_cache"]

FORMAT = 1
"""Of what is kept; folders of another one are passed over, and go when room is needed."""

MOST = 20 << 30
"""Bytes that a cache may hold."""

PARTIAL = ".partial"
"""Ends the name of a folder that is being filled."""

_MARK = "throughtime.json"  # what a whole folder of ours holds, and no folder of anybody else
_DAY = 86_400.0

Found = TypeVar("Found")


def usual_cache() -> Path:
    """Where caches of a user live: ``$XDG_CACHE_HOME/throughtime``, else ``~/.cache/throughtime``.

    Who has no home, as in some containers, gets a folder that is gone when the process ends.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "throughtime"
    except RuntimeError:
        folder = Path(tempfile.mkdtemp(prefix="throughtime-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder


def make_private(folder: Path) -> Path:
    """Make a folder, and those above it that are not there, for this user's eyes alone."""
    for part in reversed([folder, *folder.parents]):
        if not part.exists():
            part.mkdir(mode=0o700, exist_ok=True)
    return folder


class Store:
    """A folder of folders, each made once under the name that says what it was made of.

    Args:
        folder: where they are; it is made when it is needed, and other things in it are let be.

    >>> import tempfile
    >>> def make(folder):
    ...     (make_private(folder) / "word").write_text("kept")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(Path(folder))
    ...     found = store.find("a1"), store.get("a1", make, lambda made: (made / "word").read_text())
    ...     print(*found, store.find("a1").name)
    None kept a1
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Path | None:
        """The folder of that name, now the last one used, if it was made."""
        if not _is_ours(self.folder / name):
            return None
        with suppress(OSError):  # in a cache that is only read
            os.utime(self.folder / name / _MARK)
        return self.folder / name

    def get(self, name: str, make: Callable[[Path], Found | None], open: Callable[[Path], Found]) -> Found:
        """What a folder holds, made first if it is not there or cannot be read.

        Args:
            name: what it is called.
            make: fills a new folder, or leaves it and gives the thing itself.
            open: reads one.

        Raises:
            DataError: when it cannot be written.
        """
        found = self.find(name)
        if found is not None:
            try:
                return open(found)
            except (OSError, ValueError, KeyError, TypeError):  # damaged; what it was made of is still there
                shutil.rmtree(found, ignore_errors=True)
        with self._making(name) as own:
            made = make(own)
        return open(self.folder / name) if made is None else made

    @contextmanager
    def _making(self, name: str) -> Iterator[Path]:
        """The path of a new folder, which has its name only afterwards; after an error it is removed."""
        # Two processes may make the same one: the first to end gives it the name.
        own = self.folder / f"{name}.{uuid.uuid4().hex[:12]}{PARTIAL}"
        try:
            yield own
            if own.is_dir():
                (own / _MARK).write_text(json.dumps({"format": FORMAT}), encoding="utf-8")
                for file in own.rglob("*"):
                    flush(file)
                if not _is_ours(own.with_name(name)):
                    shutil.rmtree(own.with_name(name), ignore_errors=True)  # of another format
                    own.rename(own.with_name(name))
        except OSError as error:
            raise DataError(
                "expected to keep there what is too large for memory, found: "
                f"{(error.strerror or str(error)).lower()}; --cache DIR says another place",
                path=str(self.folder),
            ) from error
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def tidy(self, most: int = MOST, keep: str = "") -> list[str]:
        """Remove what was used longest ago until at most so many bytes are left, and what a killed process left.

        Gives the names of what was removed; ``keep`` never is, nor what is not ours.
        """
        if not self.folder.is_dir():
            return []
        for left in self.folder.glob(f"*{PARTIAL}"):
            if time.time() - _used(left) > _DAY:
                shutil.rmtree(left, ignore_errors=True)
        ours = sorted((path for path in self.folder.iterdir() if (path / _MARK).is_file()), key=_used)
        sizes = {path: _size(path) for path in ours}
        removed = []
        for path in ours:
            if sum(sizes.values()) > most and path.name != keep:
                shutil.rmtree(path, ignore_errors=True)
                del sizes[path]
                removed.append(path.name)
        return removed


def _is_ours(folder: Path) -> bool:
    """Whether a folder is whole and of this format."""
    try:
        return bool(json.loads((folder / _MARK).read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _used(folder: Path) -> float:
    """When it was last used; now, if another process has just taken it away."""
    for path in (folder / _MARK, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return time.time()


def _size(folder: Path) -> int:
    """The bytes of its files, of those that are still there."""
    size = 0
    for path, _, files in os.walk(folder):
        for file in files:
            with suppress(OSError):
                size += Path(path, file).stat().st_size
    return size
