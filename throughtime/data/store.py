"""Folders that are whole or not there: where what took long to make is kept for the next time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from throughtime.storage import flush

__all__ = ["MOST", "Store", "usual_cache"]

MOST = 20 << 30
"""Bytes that a cache may hold."""

_PARTIAL = ".partial"
_DAY = 86_400.0


def usual_cache() -> Path:
    """Where caches of a user live: ``$XDG_CACHE_HOME/throughtime``, else ``~/.cache/throughtime``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "throughtime"


class Store:
    """A folder of folders, each made once under the name that says what it was made of.

    Args:
        folder: where they are; it is made when it is needed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(Path(folder))
    ...     print(store.find("a1"))
    ...     with store.make("a1") as made:
    ...         made.mkdir(parents=True)
    ...         _ = (made / "word").write_text("kept")
    ...     (store.find("a1") / "word").read_text()
    None
    'kept'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Path | None:
        """The folder of that name, now the last one used, if it was made."""
        found = self.folder / name
        if not found.is_dir():
            return None
        os.utime(found)
        return found

    @contextmanager
    def make(self, name: str) -> Iterator[Path]:
        """Give the path of a new folder, to be made if it is needed; it has its name only afterwards.

        After an error it is removed. Two processes may make the same one: the first to end gives it the name.
        """
        own = self.folder / f"{name}.{os.getpid()}{_PARTIAL}"
        shutil.rmtree(own, ignore_errors=True)
        try:
            yield own
            for file in own.rglob("*"):
                flush(file)
            if own.is_dir() and not (self.folder / name).is_dir():
                own.rename(self.folder / name)
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def tidy(self, most: int = MOST, keep: str = "") -> list[str]:
        """Remove what was used longest ago until at most so many bytes are left, and what a killed process left.

        Gives the names of what was removed; ``keep`` never is.
        """
        if not self.folder.is_dir():
            return []
        for left in self.folder.glob(f"*{_PARTIAL}"):
            if time.time() - left.stat().st_mtime > _DAY:
                shutil.rmtree(left, ignore_errors=True)
        whole = [path for path in self.folder.iterdir() if path.is_dir() and not path.name.endswith(_PARTIAL)]
        sizes = {path: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in whole}
        removed = []
        for path in sorted(whole, key=lambda path: path.stat().st_mtime):
            if sum(sizes.values()) <= most:
                break
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)
                del sizes[path]
                removed.append(path.name)
        return removed
