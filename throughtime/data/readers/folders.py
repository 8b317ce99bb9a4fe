"""Folders that say the class: one file a class (each line a row), or one folder a class (each file a row)."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

from throughtime.data.files import StrPath, plain_name, read_lines, read_text, without_return
from throughtime.data.readers.lines import line_rows
from throughtime.data.readers.rows import Row, Tally, shown
from throughtime.errors import DataError

__all__ = ["file_per_class_rows", "folder_per_class_rows", "tell_folder_format"]

_NOT_A_CLASS = {"readme", "license", "licence", "copying", "notice", "sha256sums", "md5sums", "changelog"}
_PARTS = {"train", "training", "dev", "devel", "valid", "validation", "val", "test", "testing", "eval"}
_TABLES = {".csv", ".tsv", ".jsonl", ".json", ".parquet"}


def tell_folder_format(path: StrPath) -> str:
    """Tell which of the two it is: where there are folders, they are the classes.

    Raises:
        DataError: the folder is empty, cannot be listed, or holds tables, which are read one by one.
    """
    files, folders, _ = _entries(Path(path))
    if folders:
        _refuse_parts([folder.name for folder in folders], path)
        return "folder-per-class"
    tables = [file.name for file in files if plain_name(file).suffix.lower() in _TABLES]
    if tables:
        found = f"found tables ({shown(tables, 3)}): give one of these files itself"
        raise DataError(f"expected a folder with one file or one folder a class, {found}", path=str(path))
    _refuse_parts([plain_name(file).name for file in _class_files(files)[0]], path)
    return "file-per-class"


def file_per_class_rows(path: StrPath, encoding: str, tally: Tally, notes: list[str]) -> Generator[Row, None, None]:
    """Yield label and text of each line of each file; the label is the file's name before its last dot.

    Where the files differ only after that dot (`rt.pos`, `rt.neg`), the label is what comes after it.

    Raises:
        DataError: the folder has no files, two of them name one class, or one is empty or not text.
    """
    files, folders, hidden = _entries(Path(path))
    files, passed = _class_files(files)
    if not files:
        raise DataError("expected one file a class, found none", path=str(path))
    _note_passed(notes, [*hidden, *passed, *folders])
    for label, file in _labels(files, str(path)).items():
        name, empty = str(file), True
        for row in line_rows(read_lines(file, encoding), name, tally):
            yield Row((label, row.fields[0]), name, row.line)
            empty = False
        if empty:
            raise DataError("expected a line for each row of the class, found none", path=name)


def folder_per_class_rows(path: StrPath, encoding: str, tally: Tally, notes: list[str]) -> Generator[Row, None, None]:
    """Yield label and text of each file of each folder; the label is the folder's name.

    Raises:
        DataError: there are no folders, one of them has no files, or a file is not text.
    """
    beside, folders, hidden = _entries(Path(path))
    if not folders:
        raise DataError("expected one folder a class, found no folders", path=str(path))
    found = {folder: _entries(folder) for folder in folders}
    texts = any(plain_name(file).suffix.lower() == ".txt" for files, _, _ in found.values() for file in files)
    passed = [*hidden, *beside]
    for folder, (files, nested, more) in found.items():
        files, others = _class_files(files, texts)
        if not files:
            inside = f"found only folders ({shown([n.name for n in nested], 3)})" if nested else "found none"
            raise DataError(f"expected the text files of one class, {inside}", path=str(folder))
        passed += [*more, *nested, *others]
        label = _name(folder.name, folder)
        for file in files:
            text = without_return(read_text(file, encoding).removesuffix("\n"))
            yield Row((label, text), str(file), 1)
    _note_passed(notes, passed)


def _refuse_parts(names: list[str], path: StrPath) -> None:
    """Refuse `x.train`, `x.dev` and `x.test`, whose names would make a fine set of wrong labels."""
    if names and all(_PARTS & set(re.split(r"[\W_]+", name.casefold())) for name in names):
        found = f"found the parts of a data set ({shown(names, 3)}): give one of them itself"
        raise DataError(f"expected a folder with one file or one folder a class, {found}", path=str(path))


def _entries(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """List a folder in order of name: files, folders, and what is hidden (`.DS_Store`)."""
    try:
        entries = sorted(folder.iterdir())
        hidden = [entry for entry in entries if entry.name.startswith(".")]
        seen = [entry for entry in entries if not entry.name.startswith(".")]
        folders = [entry for entry in seen if entry.is_dir()]
    except NotADirectoryError:
        raise DataError("expected a folder, found a file", path=str(folder)) from None
    except FileNotFoundError:
        raise DataError("expected a folder, found nothing of that name", path=str(folder)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"expected a folder that can be listed, found: {reason.lower()}", path=str(folder)) from None
    if not seen:
        raise DataError("expected one file or one folder a class, found an empty folder", path=str(folder))
    apart = set(folders)
    return [entry for entry in seen if entry not in apart], folders, hidden


def _class_files(files: list[Path], texts: bool | None = None) -> tuple[list[Path], list[Path]]:
    """Part the files to read from those beside them: a read-me, and where there are `.txt` files, any others."""
    if texts is None:
        texts = any(plain_name(file).suffix.lower() == ".txt" for file in files)
    read = [
        file
        for file in files
        if plain_name(file).stem.casefold() not in _NOT_A_CLASS
        and (not texts or plain_name(file).suffix.lower() == ".txt")
    ]
    kept = set(read)
    return read, [file for file in files if file not in kept]


def _labels(files: list[Path], path: str) -> dict[str, Path]:
    plain = [plain_name(file) for file in files]
    stems, endings = {name.stem for name in plain}, {name.suffix for name in plain}
    by_ending = len(files) > 1 and len(stems) == 1 and len(endings) == len(files) and "" not in endings
    labels: dict[str, Path] = {}
    for file, name in zip(files, plain, strict=True):
        label = _name(name.suffix[1:] if by_ending else name.stem, file)
        if label in labels:
            both = shown([labels[label].name, file.name])
            raise DataError(f'expected one file for the class "{label}", found {both}', path=path)
        labels[label] = file
    return labels


def _name(label: str, path: Path) -> str:
    try:
        label.encode()
    except UnicodeEncodeError:
        where = ascii(str(path))
        raise DataError("expected a name in Unicode, which is to be a label", path=where) from None
    return label


def _note_passed(notes: list[str], passed: list[Path]) -> None:
    if passed:
        what = "entry of the folder is" if len(passed) == 1 else "entries of the folder are"
        notes.append(f"{len(passed)} {what} no class file and not read: {shown([p.name for p in passed], 5)}")
