"""Folders of files behind one face, on disk or inside a tar archive.

An archive is never unpacked: it is read through twice, once for the names and once for the texts, which come in
the archive's own order. Its member `pos/1.txt` is called `set.tar:pos/1.txt` in messages.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol, Self

from throughtime.data.files import stream_blocks, text_blocks
from throughtime.data.packed import Binary, StrPath, damage, open_binary, unpacked
from throughtime.data.readers.rows import Tally, printable
from throughtime.errors import DataError

__all__ = ["NOT_A_CLASS", "Archive", "Entries", "Folder", "Tree"]

_BLOCK = 1 << 20
NOT_A_CLASS = {"readme", "license", "licence", "copying", "notice", "sha256sums", "md5sums", "changelog"}
"""Names, without their ending, of files that lie beside the classes."""

# What `tarfile` raises for damaged headers is more than its own errors.
_HEADER_FAULTS = (ValueError, LookupError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Entries:
    """What one folder holds, each in order of name; `aside` is never read: hidden files, links in an archive."""

    files: list[PurePath]
    folders: list[PurePath]
    aside: list[PurePath]


class Tree(Protocol):
    """Files in folders; `name` is what messages call the whole."""

    name: str

    def root(self, format: str = "auto") -> PurePath:
        """Give the folder that holds the classes."""

    def entries(self, folder: PurePath) -> Entries:
        """List a folder.

        Raises:
            DataError: it is empty or cannot be listed.
        """

    def around(self, root: PurePath) -> list[PurePath]:
        """Give what lies beside the folders that the root is in, and is not read."""

    def place(self, entry: PurePath) -> str:
        """Give what messages call a file or folder."""

    def read(self, files: Collection[PurePath], encoding: str) -> Iterator[tuple[PurePath, Iterator[str]]]:
        """Yield each of these files with its text in blocks, which must be taken before the next file.

        Raises:
            DataError: a file cannot be read or is not text of this encoding.
        """


class Folder:
    """A folder on disk; its files are read in the order asked for."""

    def __init__(self, path: StrPath) -> None:
        self.name, self._path = str(path), Path(path)

    def root(self, format: str = "auto") -> PurePath:
        """Give the folder itself."""
        return self._path

    def entries(self, folder: PurePath) -> Entries:
        """List a folder; see `Tree`."""
        try:
            found = list(Path(folder).iterdir())
            apart = {entry for entry in found if entry.is_dir()}
        except NotADirectoryError:
            raise DataError("expected a folder or a tar archive, found a file", path=str(folder)) from None
        except FileNotFoundError:
            raise DataError("expected a folder, found nothing of that name", path=str(folder)) from None
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise DataError(f"expected a folder that can be listed, found: {reason}", path=str(folder)) from None
        return _parted(found, apart.__contains__, lambda _: False, str(folder))

    def around(self, root: PurePath) -> list[PurePath]:
        """Give nothing: the folder was asked for, and no other."""
        return []

    def place(self, entry: PurePath) -> str:
        """Give the path."""
        return str(entry)

    def read(self, files: Collection[PurePath], encoding: str) -> Iterator[tuple[PurePath, Iterator[str]]]:
        """Yield each file with its text; see `Tree`."""
        for file in files:
            yield file, text_blocks(file, encoding)


class Archive:
    """A tar archive, packed by gzip, bzip2, xz or not at all; its files are read in its own order.

    Raises:
        DataError: it cannot be opened, is no tar archive, or is damaged or cut off.
    """

    def __init__(self, path: StrPath, tally: Tally) -> None:
        self.name, self._path = str(path), path
        self._files: dict[PurePath, int] = {}
        self._links: set[PurePath] = set()
        self._inside: dict[PurePath, set[PurePath]] = {PurePosixPath(): set()}
        twice = 0
        with ExitStack() as stack:
            for index, member in enumerate(self._members(_open(path, stack))):
                file = _path_of(member)
                twice += file in self._files
                self._add(file, member, index)
        if both := self._files.keys() & self._inside.keys():
            found = "expected files and folders of different names, found one name for both"
            raise DataError(found, path=self.place(min(both)))
        if twice:
            names = "1 file stands" if twice == 1 else f"{twice} files stand"
            tally.say(f"{names} in the archive again under the same name: the last one is read, as unpacking would")

    def root(self, format: str = "auto") -> PurePath:
        """Give the folder of the classes: most archives wrap everything in a folder, or several."""
        root: PurePath = PurePosixPath()
        while inner := self._only_folder(root):
            root = inner
        if format == "folder-per-class" and root.parts and not self.entries(root).folders:
            return root.parent  # of a single class
        return root

    def entries(self, folder: PurePath) -> Entries:
        """List a folder; see `Tree`."""
        inside = self._inside.get(folder, set())
        return _parted(inside, self._inside.__contains__, self._links.__contains__, self.place(folder))

    def around(self, root: PurePath) -> list[PurePath]:
        """Give the read-mes and hidden entries beside the folders that wrap the classes."""
        path = {root, *root.parents}
        return sorted(entry for folder in root.parents for entry in self._inside[folder] if entry not in path)

    def place(self, entry: PurePath) -> str:
        """Give the archive's path and the name in it."""
        return f"{self.name}:{printable(str(entry))}" if entry.parts else self.name

    def read(self, files: Collection[PurePath], encoding: str) -> Iterator[tuple[PurePath, Iterator[str]]]:
        """Yield each file with its text, in the archive's order; see `Tree`."""
        wanted = {self._files[file]: file for file in files}
        with ExitStack() as stack:
            tar = _open(self._path, stack)
            for index, member in enumerate(self._members(tar)):
                file = wanted.pop(index, None)
                if file is None:
                    continue
                stream = tar.extractfile(member)
                if stream is None or _path_of(member) != file:
                    raise self._changed()
                yield file, stream_blocks(stream, self.place(file), encoding)  # type: ignore[arg-type]
        if wanted:
            raise self._changed()

    def _add(self, path: PurePath, member: tarfile.TarInfo, index: int) -> None:
        if member.isdir():
            self._inside.setdefault(path, set())
        elif member.isreg() and not member.issparse():
            self._files[path] = index
        else:
            self._links.add(path)
        while path.parts:
            path, entry = path.parent, path
            known = self._inside.setdefault(path, set())
            if entry in known:
                return
            known.add(entry)

    def _only_folder(self, folder: PurePath) -> PurePath | None:
        """Give the one folder where nothing else is beside it but what is hidden or a read-me."""
        seen = [entry for entry in self._inside[folder] if not entry.name.startswith(".")]
        folders = [entry for entry in seen if entry in self._inside]
        texts = [entry for entry in seen if entry in self._files and entry.stem.casefold() not in NOT_A_CLASS]
        return folders[0] if len(folders) == 1 and not texts else None

    def _members(self, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        """Yield the members, and make sure that nothing is behind what looks like the end."""
        before = 0
        while True:
            with _named(self.name):
                member = tar.next()
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                if member is None:
                    _check_end(tar.fileobj)  # type: ignore[arg-type]
                    return
                if member.size < 0 or tar.offset <= before:
                    raise tarfile.ReadError("a size below zero")
                before = tar.offset
            yield member

    def _changed(self) -> DataError:
        return DataError("expected an archive that stays as it is while it is read, found it changed", path=self.name)


class _Member(tarfile.TarInfo):
    """A member with a whole header: `tarfile` takes a damaged one for the archive's end, and says nothing."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """Read the next header.

        Raises:
            tarfile.ReadError: it is damaged or cut off.
        """
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None


def _open(path: StrPath, stack: ExitStack) -> tarfile.TarFile:
    file = stack.enter_context(open_binary(path))
    with _named(str(path)):
        return tarfile.TarFile(fileobj=unpacked(file, stack), mode="r", tarinfo=_Member)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn what an archive's faults raise into one sentence."""
    try:
        yield
    except tarfile.TarError as error:
        found = f"expected a whole tar archive, found a damaged one or none ({error})"
        raise DataError(found, path=name) from None
    except (OSError, EOFError, zlib.error, LZMAError) as error:
        raise DataError(damage(error), path=name) from None
    except _HEADER_FAULTS as error:
        found = f"expected a whole tar archive, found a damaged header ({type(error).__name__})"
        raise DataError(found, path=name) from None


def _check_end(file: Binary) -> None:
    """Make sure that only zeros follow the block of zeros that ends an archive."""
    while block := file.read(_BLOCK):
        if block.count(0) < len(block):
            raise tarfile.ReadError("there is more behind its end")


def _path_of(member: tarfile.TarInfo) -> PurePath:
    return PurePosixPath(member.name.lstrip("/"))


def _parted(
    found: Iterable[PurePath],
    is_folder: Callable[[PurePath], bool],
    is_aside: Callable[[PurePath], bool],
    place: str,
) -> Entries:
    """Part the entries of a folder.

    Raises:
        DataError: it holds none, or only hidden ones.
    """
    entries = Entries([], [], [])
    for entry in sorted(found):
        if entry.name.startswith(".") or is_aside(entry):
            entries.aside.append(entry)
        else:
            (entries.folders if is_folder(entry) else entries.files).append(entry)
    if not entries.files and not entries.folders:
        raise DataError("expected one file or one folder a class, found an empty folder", path=place)
    return entries
