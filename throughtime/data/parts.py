"""A user's files as three parts: to learn from, to choose by, to report on; looked over, and kept ready if large."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.data.columns import Example, Source, iter_examples, open_new
from throughtime.data.config import DataConfig
from throughtime.data.corpus import Corpus, gather, take
from throughtime.data.lint import lint, other_columns
from throughtime.data.readers.tables import Wanted
from throughtime.data.split import stratified_split
from throughtime.data.store import Store
from throughtime.errors import DataError, UsageError
from throughtime.storage import sha256, sha256_of_json
from throughtime.version import __version__

__all__ = ["Meaning", "Parts", "plain", "read_parts"]

NAMES = ("train", "valid", "test")

Said = Callable[[int], None]


@dataclass(frozen=True)
class Meaning:
    """What a task takes labels for.

    Attributes:
        task: its name.
        value: what an example's label is to it.
        strata: what each of some examples is like, so that a split can keep every kind's share.
    """

    task: str
    value: Callable[[Example], Hashable]
    strata: Callable[[Sequence[Example]], list[str]]


@dataclass(frozen=True)
class Parts:
    """What was read.

    Attributes:
        train: examples to learn from.
        valid: to choose by; may be empty.
        test: to report on; may be empty.
        facts: how they were read, for ``config.json``.
        warnings: what looks wrong with them, a sentence each.
        folder: where they are kept, when they were too large for memory.
        kept: whether they were there already.
    """

    train: Sequence[Example]
    valid: Sequence[Example]
    test: Sequence[Example]
    facts: dict[str, Any]
    warnings: list[str]
    folder: Path | None = None
    kept: bool = False


def read_parts(
    path: Path, options: DataConfig, meaning: Meaning, seed: int, cache: Path, read: Said = lambda rows: None
) -> Parts:
    """Read a file, part it by its options, and look it over.

    What holds more text than memory should is written to ``cache`` as it is read, and found there the next time, as
    long as neither the files nor the options have changed.

    Args:
        path: a file, or a folder with a file or folder a class.
        options: how it is read, and what is held out.
        meaning: what the task takes labels for.
        seed: decides what is held out.
        cache: where large data is kept.
        read: is told how many rows were read, now and then.

    Raises:
        DataError: the content cannot be used; the message names file, line and column.
        UsageError: options that do not fit together or the files.
    """
    reading = _Reading(path, options, meaning, seed, read)
    store, name = Store(cache), reading.name()
    found = store.find(name)
    if found is not None:
        return reading.found(found, before=True)
    try:
        with store.make(name) as folder:
            parts = reading.anew(folder)
    except OSError as error:
        raise DataError(
            f"expected to keep there what is too large for memory, found: {error.strerror or error}; "
            "--cache says another place",
            path=str(cache),
        ) from error
    if parts.folder is None:  # all in memory
        return parts
    store.tidy(keep=name)
    return reading.found(store.folder / name)


@dataclass(frozen=True)
class _Reading:
    path: Path
    options: DataConfig
    meaning: Meaning
    seed: int
    read: Said

    def name(self) -> str:
        """What the data is called in the cache: a hash of the files' sizes and times, and of all that parts them."""
        files = [_identity(Path(name)) for name in (str(self.path), self.options.valid, self.options.test) if name]
        return sha256_of_json([__version__, files, self.options.model_dump(), self.seed, self.meaning.task])[:20]

    # ---- reading ----

    def anew(self, folder: Path) -> Parts:
        """Read, part and look over; what is too large for memory is in ``folder``, and then so is all else."""
        options = self.options
        wanted = Wanted(options.format, options.encoding, options.text, options.label)
        with open_new(self.path, wanted, header=options.header, label_until=options.label_until) as opened:
            everything = self._gather(opened.examples, folder / "train")
            source = opened.source()
        shares = {name: _share(name, given) for name, given in self._given()}
        files = {name: Path(given) for name, given in self._given() if given is not None and shares[name] is None}
        rows = self._hold_out(everything, {name: share for name, share in shares.items() if share})
        parts = {name: take(everything, rows[name]) for name in NAMES if name in rows}
        parts |= {name: self._gather(iter_examples(file, source), folder / name) for name, file in files.items()}
        facts: dict[str, Any] = {"source": asdict(source), "rows": len(everything), "options": options.model_dump()}
        for name in NAMES:
            facts[name] = {"rows": len(parts.setdefault(name, []))}
        for name, file in {"train": self.path, **files}.items():
            facts[name] |= {"path": str(file), "sha256": _hash(file)}
        facts, warnings = _plain(facts), self._lint(source, parts)
        if not any(isinstance(part, Corpus) for part in parts.values()):
            return Parts(parts["train"], parts["valid"], parts["test"], facts, warnings)
        self._keep(folder, parts | {"train": everything}, rows, {"facts": facts, "warnings": warnings})
        return self.found(folder)

    def _given(self) -> Iterator[tuple[str, str | None]]:
        yield "test", self.options.test
        yield "valid", self.options.valid

    def _hold_out(self, everything: Sequence[Example], shares: dict[str, float]) -> dict[str, np.ndarray]:
        """The rows of each part that has a share of the file; what is left is to learn from."""
        rows = {"train": np.arange(len(everything))}
        for name, share in shares.items():
            strata = self.meaning.strata(take(everything, rows["train"]))
            kept, held = stratified_split(strata, share, self.seed)
            rows[name], rows["train"] = rows["train"][held], rows["train"][kept]
        return rows

    def _gather(self, examples: Iterable[Example], folder: Path) -> Sequence[Example]:
        return gather(self._counted(examples), folder)

    def _counted(self, examples: Iterable[Example]) -> Iterator[Example]:
        for number, example in enumerate(examples, 1):
            if number % 4096 == 0:
                self.read(number)
            yield example

    def _lint(self, source: Source, parts: dict[str, Sequence[Example]]) -> list[str]:
        """What looks wrong; a table's other columns are read again, a pipe cannot be."""
        columns = other_columns(self.path, source, parts["train"]) if self.path.is_file() else {}
        return [
            str(warning)
            for warning in lint(*(parts[name] for name in NAMES), value=self.meaning.value, columns=columns)
        ]

    # ---- keeping ----

    def _keep(
        self, folder: Path, files: dict[str, Sequence[Example]], rows: dict[str, np.ndarray], told: dict[str, Any]
    ) -> None:
        """Write what is still in memory, so that the next run finds all of it."""
        for name, examples in files.items():
            if name in rows:
                np.save(folder / f"{name}.rows.npy", rows[name])
            if (name == "train" or name not in rows) and not isinstance(examples, Corpus):
                (folder / name).mkdir(parents=True)
                Corpus.write(folder / name, examples)
        (folder / "parts.json").write_text(json.dumps(told), encoding="utf-8")

    def found(self, folder: Path, *, before: bool = False) -> Parts:
        """What :meth:`anew` left in a folder.

        Raises:
            DataError: it is not there any more.
        """

        def part(name: str) -> Corpus:
            rows = folder / f"{name}.rows.npy"
            return Corpus(folder / "train").take(np.load(rows)) if rows.exists() else Corpus(folder / name)

        try:
            told = json.loads((folder / "parts.json").read_text(encoding="utf-8"))
            train, valid, test = map(part, NAMES)
        except (OSError, ValueError) as error:
            found = f"expected data that was kept ready, found: {error}; remove it, and it is made again"
            raise DataError(found, path=str(folder)) from error
        return Parts(train, valid, test, told["facts"], told["warnings"], folder, before)


def plain(name: str) -> str:
    """A file's name may hold bytes that are no text; what is written down must be text."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _plain(content: Any) -> Any:
    """What JSON holds, with every file's name in it as plain text: in options and notes too."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value) for value in content]
    return plain(content) if isinstance(content, str) else content


def _identity(path: Path) -> list[Any]:
    """What changes when a file, or a file of a folder, does; of a pipe nothing does, and the time takes its place."""
    if path.is_file():
        return [str(path.resolve()), *_stamp(path)]
    if path.is_dir():
        return [str(path.resolve()), *([str(file), *_stamp(file)] for file in sorted(path.rglob("*")))]
    return [str(path), time.time_ns() if path.exists() else 0]


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _share(name: str, wanted: str | None) -> float | None:
    """The fraction that an option's value is, or none when it names a file."""
    if wanted == "":
        raise UsageError(f"--{name}: expected a file, or a share from 0 to 1, found nothing")
    if wanted is None or Path(wanted).exists():
        return None
    try:
        share = float(wanted)
    except ValueError:
        return None
    if not 0 <= share < 1:
        raise UsageError(f"--{name}: expected a file, or a share from 0 to 1, found {wanted}")
    return share


def _hash(path: Path) -> str:
    """Of a file, or of a folder's names and files."""
    if path.is_file():
        return sha256(path)
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            whole.update(f"{file.relative_to(path)}\0{sha256(file)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()
