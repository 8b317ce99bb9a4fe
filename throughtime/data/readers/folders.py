"""Trees that say the class: one file a class (each line a row), or one folder a class (each file a row).

The tree is a folder on disk or a tar archive of one.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from pathlib import PurePath

from throughtime.data.files import cut_lines, plain_name, without_return
from throughtime.data.readers.lines import line_rows
from throughtime.data.readers.rows import Row, Tally, printable, shown
from throughtime.data.readers.trees import NOT_A_CLASS, Tree
from throughtime.errors import DataError

__all__ = ["file_per_class_rows", "folder_per_class_rows", "tell_folder_format"]

_PARTS = {"train", "training", "dev", "devel", "valid", "validation", "val", "test", "testing", "eval"}
_TABLES = {".csv", ".tsv", ".jsonl", ".json", ".parquet"}


def tell_folder_format(tree: Tree) -> str:
    """Tell which of the two it is: where there are folders, they are the classes.

    Raises:
        DataError: the folder is empty, cannot be listed, or holds tables, which are read one by one.
    """
    entries = tree.entries(tree.root())
    if entries.folders:
        _refuse_parts([folder.name for folder in entries.folders], tree)
        return "folder-per-class"
    tables = [file.name for file in entries.files if plain_name(file).suffix.lower() in _TABLES]
    if tables:
        found = f"found tables ({shown(tables, 3)}): give one of these files itself"
        raise DataError(f"expected a folder with one file or one folder a class, {found}", path=tree.name)
    _refuse_parts([plain_name(file).name for file in _class_files(entries.files)[0]], tree)
    return "file-per-class"


def file_per_class_rows(tree: Tree, encoding: str, tally: Tally) -> Generator[Row, None, None]:
    """Yield label and text of each line of each file; the label is the file's name before its last dot.

    Where the files differ only after that dot (`rt.pos`, `rt.neg`), the label is what comes after it.

    Raises:
        DataError: there are no files, two of them name one class, or one is empty or not text.
    """
    root = tree.root("file-per-class")
    entries = tree.entries(root)
    files, passed = _class_files(entries.files)
    if not files:
        raise DataError("expected one file a class, found none", path=tree.name)
    _note_passed(tally, [*tree.around(root), *entries.aside, *passed, *entries.folders])
    labels = _labels(files, tree)
    for file, blocks in tree.read(files, encoding):
        place, empty = tree.place(file), True
        for row in line_rows(cut_lines(blocks), place, tally):
            yield Row((labels[file], row.fields[0]), place, row.line)
            empty = False
        if empty:
            raise DataError("expected a line for each row of the class, found none", path=place)


def folder_per_class_rows(tree: Tree, encoding: str, tally: Tally) -> Generator[Row, None, None]:
    """Yield label and text of each file of each folder; the label is the folder's name.

    Raises:
        DataError: there are no folders, one of them has no files, or a file is not text.
    """
    root = tree.root("folder-per-class")
    top = tree.entries(root)
    if not top.folders:
        raise DataError("expected one folder a class, found no folders", path=tree.name)
    found = {folder: tree.entries(folder) for folder in top.folders}
    texts = any(_is_text(file) for entries in found.values() for file in entries.files)
    passed = [*tree.around(root), *top.aside, *top.files]
    labels: dict[PurePath, str] = {}
    for folder, entries in found.items():
        files, others = _class_files(entries.files, texts)
        if not files:
            inside = [nested.name for nested in entries.folders]
            told = f"found only folders ({shown(inside, 3)})" if inside else "found none"
            raise DataError(f"expected the text files of one class, {told}", path=tree.place(folder))
        passed += [*entries.aside, *entries.folders, *others]
        labels |= dict.fromkeys(files, _name(folder.name, tree.place(folder)))
    _note_passed(tally, passed)
    for file, blocks in tree.read(labels, encoding):
        text = without_return("".join(blocks).removesuffix("\n"))
        yield Row((labels[file], text), tree.place(file), 1)


def _refuse_parts(names: list[str], tree: Tree) -> None:
    """Refuse `x.train`, `x.dev` and `x.test`, whose names would make a fine set of wrong labels."""
    if names and all(_PARTS & set(re.split(r"[\W_]+", name.casefold())) for name in names):
        found = f"found the parts of a data set ({shown(names, 3)}): give one of them itself"
        raise DataError(f"expected a folder with one file or one folder a class, {found}", path=tree.name)


def _class_files(files: Sequence[PurePath], texts: bool | None = None) -> tuple[list[PurePath], list[PurePath]]:
    """Part the files to read from those beside them: a read-me, and where there are `.txt` files, any others."""
    if texts is None:
        texts = any(map(_is_text, files))
    read: list[PurePath] = []
    beside: list[PurePath] = []
    for file in files:
        is_class = plain_name(file).stem.casefold() not in NOT_A_CLASS and (not texts or _is_text(file))
        (read if is_class else beside).append(file)
    return read, beside


def _is_text(file: PurePath) -> bool:
    return plain_name(file).suffix.lower() == ".txt"


def _labels(files: Sequence[PurePath], tree: Tree) -> dict[PurePath, str]:
    """Give each file its label."""
    plain = [plain_name(file) for file in files]
    stems, endings = {name.stem for name in plain}, {name.suffix for name in plain}
    by_ending = len(files) > 1 and len(stems) == 1 and len(endings) == len(files) and "" not in endings
    owners: dict[str, PurePath] = {}
    for file, name in zip(files, plain, strict=True):
        label = _name(name.suffix[1:] if by_ending else name.stem, tree.place(file))
        if label in owners:
            both = shown([owners[label].name, file.name])
            raise DataError(f'expected one file for the class "{label}", found {both}', path=tree.name)
        owners[label] = file
    return {file: label for label, file in owners.items()}


def _name(label: str, place: str) -> str:
    try:
        label.encode()
    except UnicodeEncodeError:
        raise DataError("expected a name in Unicode, which is to be a label", path=printable(place)) from None
    return label


def _note_passed(tally: Tally, passed: Sequence[PurePath]) -> None:
    if passed:
        what = "entry of the folder is" if len(passed) == 1 else "entries of the folder are"
        names = shown([entry.name for entry in passed], 5)
        tally.say(f"{len(passed)} {what} no class file and not read: {names}")
