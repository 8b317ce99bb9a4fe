"""Parallel text: files of one name and several endings, a line of each belonging together."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count, takewhile, zip_longest
from pathlib import Path

from throughtime.data.files import StrPath, read_lines, without_return
from throughtime.data.readers.names import names_in
from throughtime.data.readers.rows import Row, shown
from throughtime.errors import DataError, UsageError

__all__ = ["Parallel", "find_parallel", "parallel_rows"]


@dataclass(frozen=True)
class Parallel:
    """The file of the sources, and one for each right answer of a line; and what to tell of how they were found."""

    source: Path
    targets: list[Path]
    notes: list[str]

    @property
    def paths(self) -> list[Path]:
        """All of them, the sources' first."""
        return [self.source, *self.targets]


def find_parallel(prefix: StrPath, source: str | None, target: str | None, *, need_target: bool = True) -> Parallel:
    """Find the files whose names are `prefix`, a dot, and an ending, or that and `.gz`.

    Several target endings stand with commas between them (`ref0,ref1`); where there is no file of an ending, those
    with a number after it, from 0 or 1, are meant (`ref` for `ref0`, `ref1`, …).

    Raises:
        DataError: there is no such file.
        UsageError: an ending was not said, or two endings are of one file.
    """
    if not _names(Path(prefix)):
        found = "a folder" if Path(prefix).is_dir() else "nothing of that name"
        wanted = f"a file, or parallel files whose names begin with {Path(prefix).name}."
        raise DataError(f"expected {wanted}, found {found}", path=prefix)
    for option, ending in (("source", source), ("target", target)):
        if not ending and (need_target or option == "source"):
            raise UsageError(
                f"{prefix}: expected --{option}, the ending of a file's name after {Path(prefix).name}., "
                f"found none; there {_there(Path(prefix))}"
            )
    notes: list[str] = []
    first = _found(prefix, source or "", notes)
    if first is None:
        raise _missing(prefix, source or "")
    targets = list[Path]()
    for ending in names_in(target):
        own = _numbered(prefix, ending, notes)
        if not own and need_target:
            raise _missing(prefix, ending)
        targets += own
    if first in targets:
        raise UsageError(f"{prefix}: expected two files, found --source and --target to be one, {source!r}")
    if len(set(targets)) < len(targets):
        raise UsageError(f"{prefix}: expected a file for each right answer, found one twice in --target {target}")
    return Parallel(first, targets, notes)


def parallel_rows(paths: Sequence[Path], encoding: str) -> Generator[Row]:
    """Yield the lines of several files that belong together, each time as a row; empty ones too.

    Raises:
        DataError: a file cannot be read, or the files have unequal numbers of lines.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(closing(read_lines(path, encoding))) for path in paths]
        for number, lines in enumerate(zip_longest(*files), 1):
            fields = tuple(without_return(line) for line in lines if line is not None)
            if len(fields) < len(files):
                counts = [
                    number - 1 if line is None else number + sum(1 for _ in file)
                    for line, file in zip(lines, files, strict=True)
                ]
                raise _unequal(paths, counts)
            yield Row(fields, str(paths[0]), number)


def _found(prefix: StrPath, ending: str, notes: list[str]) -> Path | None:
    """The file of an ending, packed or not."""
    plain, packed = Path(f"{prefix}.{ending}"), Path(f"{prefix}.{ending}.gz")
    if not plain.is_dir() and plain.exists():
        if packed.exists():
            notes.append(f"{plain} is read, and not {packed.name} beside it")
        return plain
    return packed if packed.is_file() else None


def _numbered(prefix: StrPath, ending: str, notes: list[str]) -> list[Path]:
    """The file of an ending, or those with a number after it."""
    alone = _found(prefix, ending, notes)
    if alone is not None:
        return [alone]
    begin = 0 if _found(prefix, f"{ending}0", []) else 1
    several = takewhile(bool, (_found(prefix, f"{ending}{number}", notes) for number in count(begin)))
    found = [path for path in several if path is not None]
    if found:
        notes.append(f"each line has {len(found)} right answers: {', '.join(path.name for path in found)}")
    return found


def _missing(prefix: StrPath, ending: str) -> DataError:
    wanted = f"{Path(prefix).name}.{ending}"
    return DataError(
        f"expected a table, or parallel files and among them {wanted} or {wanted}.gz; there {_there(Path(prefix))} "
        "(--source and --target say which endings)",
        path=prefix,
    )


def _there(prefix: Path) -> str:
    """Say what lies there under the prefix."""
    names = _names(prefix)
    return f"{'are' if len(names) > 1 else 'is'} {shown(names)}"


def _names(prefix: Path) -> list[str]:
    """The names that begin with the prefix and a dot."""
    try:
        return sorted(path.name for path in prefix.parent.iterdir() if path.name.startswith(f"{prefix.name}."))
    except (OSError, ValueError):
        return []


def _unequal(paths: Sequence[Path], counts: Sequence[int]) -> DataError:
    found = [f"{number:,} in {path}" for number, path in zip(counts, paths, strict=True)]
    return DataError(f"expected files of equally many lines, found {', '.join(found[:-1])} and {found[-1]}")
