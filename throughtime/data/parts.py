"""A user's files as three parts: to learn from, to choose by, to report on; looked over, and kept ready if large."""

from __future__ import annotations

import atexit
import json
import shutil
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from throughtime.data.columns import Example, NewExamples, iter_examples, open_new
from throughtime.data.columns import Source as TextSource
from throughtime.data.config import DataConfig
from throughtime.data.corpus import Corpus, gather, take
from throughtime.data.identity import all_plain, content_hash, plain, stamp
from throughtime.data.lint import lint, other_columns
from throughtime.data.readers.rows import Tally
from throughtime.data.readers.tables import Wanted
from throughtime.data.running import RunningText
from throughtime.data.split import grouped_split, stratified_split
from throughtime.data.store import FORMAT, Store, make_private
from throughtime.errors import DataError, UsageError
from throughtime.storage import sha256_of_json

__all__ = ["Files", "Meaning", "Parts", "Said", "TextFiles", "read_parts", "share_of"]

NAMES = ("train", "valid", "test")

Said = Callable[[str], None]


@dataclass(frozen=True)
class Meaning:
    """What a task takes labels for.

    Attributes:
        task: its name.
        value: what an example's label is to it.
        strata: what each of some examples is like, so that a split can keep every kind's share.
        called: what an example is called.
        together: what examples have in common that must all be on one side of a split; there are no strata then.
        holds: what an example's text and label are called; where it has none, the latter is empty.
        several: whether one text may well have several labels.
    """

    task: str
    value: Callable[[Any], Hashable]
    strata: Callable[[Sequence[Any]], list[str]]
    called: str = "row"
    together: Callable[[Sequence[Any]], Sequence[Hashable]] | None = None
    holds: tuple[str, str] = ("text", "label")
    several: bool = False

    def split(self, examples: Sequence[Any], share: float, seed: int) -> tuple[list[int], list[int]]:
        """The numbers of those that are kept and of those that are held out."""
        if self.together is not None:
            return grouped_split(self.together(examples), share, seed)
        return stratified_split(self.strata(examples), share, seed)


class New(Protocol):
    """A file being read for the first time."""

    @property
    def examples(self) -> Iterator[Any]:
        """What it holds, once."""

    @property
    def source(self) -> Callable[[], Any]:
        """How it was read, complete when all was."""


class Files(Protocol):
    """How files of one kind are read: :class:`TextFiles`, or :class:`~throughtime.data.tagged.SentenceFiles`."""

    @property
    def options(self) -> Any:
        """What the user said of them: settings with ``valid`` and ``test``."""

    @property
    def large(self) -> bool:
        """Whether they are written to disk where they are too large for memory."""

    def files(self, path: Path) -> Sequence[Path]:
        """The files that a path stands for: itself, unless it is what the names of several begin with."""

    def open_new(self, path: Path) -> AbstractContextManager[New]:
        """Open a file of which nothing is known."""

    def like(self, path: Path, source: Any, tally: Tally | None = None) -> Iterable[Any]:
        """Read another file like it; `tally` counts what is passed over."""

    def remember(self, content: dict[str, Any]) -> Any:
        """A source from its plain values."""

    def columns(self, path: Path, source: Any, examples: Sequence[Any]) -> Mapping[str, Any]:
        """What stands beside the examples, to be looked over with them."""


@dataclass(frozen=True)
class TextFiles:
    """Files of texts with a class, or a number, each."""

    options: DataConfig
    large: bool = True

    def files(self, path: Path) -> Sequence[Path]:
        """See :class:`Files`."""
        return [path]

    def open_new(self, path: Path) -> AbstractContextManager[NewExamples]:
        """See :class:`Files`."""
        options = self.options
        wanted = Wanted(options.format, options.encoding, options.text, options.label)
        return open_new(path, wanted, header=options.header, label_until=options.label_until)

    def like(self, path: Path, source: TextSource, tally: Tally | None = None) -> Iterable[Example]:
        """See :class:`Files`."""
        return iter_examples(path, source, tally=tally)

    def remember(self, content: dict[str, Any]) -> TextSource:
        """See :class:`Files`."""
        return TextSource(**content)

    def columns(self, path: Path, source: TextSource, examples: Sequence[Any]) -> Mapping[str, Any]:
        """A table's other columns; they are read again, which a pipe cannot be."""
        return other_columns(path, source, examples) if path.is_file() else {}


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

    train: Sequence[Any] | RunningText
    valid: Sequence[Any] | RunningText
    test: Sequence[Any] | RunningText
    facts: dict[str, Any]
    warnings: list[str]
    folder: Path | None = None
    kept: bool = False


def read_parts(
    path: Path, reader: Files, meaning: Meaning, seed: int, cache: Path, said: Said = lambda words: None
) -> Parts:
    """Read a file, part it by its options, and look it over.

    What holds more text than memory should is written to ``cache`` as it is read, and found there the next time, as
    long as neither the files nor how they are read has changed; so is each way of parting them.

    Args:
        path: a file, or a folder with a file or folder a class.
        reader: how it is read, and what is held out.
        meaning: what the task takes labels for.
        seed: decides what is held out.
        cache: where large data is kept.
        said: is told what is being done, now and then.

    Raises:
        DataError: the content cannot be used; the message names file, line and column. Or the cache cannot be written.
        UsageError: options that do not fit together or the files.
    """
    options = reader.options
    shares = {name: share_of(name, getattr(options, name)) for name in ("test", "valid")}
    others = {name: Path(getattr(options, name)) for name, share in shares.items() if share is None}
    reading = _Reading({"train": path, **others}, reader, meaning.called, said)
    name = reading.name()
    kept = Store(cache).find(name) is not None
    files = Store(cache).get(name, reading.anew, reading.open)
    dividing = _Dividing(
        files, {name: share for name, share in shares.items() if share}, meaning, seed, path, reader, said
    )
    if files.folder is None:
        rows, warnings = dividing.divide()
    else:
        rows, warnings = Store(files.folder).get(dividing.name(), dividing.keep, _open_division)
    parts = files.examples | {name: take(files.examples["train"], own) for name, own in rows.items()}
    facts: dict[str, Any] = {"source": asdict(files.source), "rows": len(files.examples["train"])}
    facts["options"] = options.model_dump()
    for name in NAMES:
        facts[name] = {"rows": len(parts.setdefault(name, []))}
    for name, file in reading.paths.items():
        facts[name] |= {"path": str(file), "sha256": files.hashes[name]}
    folder = None if files.folder is None else files.folder / dividing.name()
    return Parts(parts["train"], parts["valid"], parts["test"], all_plain(facts), warnings, folder, kept)


# ---- reading ----


@dataclass(frozen=True)
class _Files:
    """What files hold: each one's examples, hash, and how the first was read; and where they are, if not in memory."""

    source: Any
    examples: dict[str, Sequence[Example]]
    hashes: dict[str, str | None]
    folder: Path | None = None


@dataclass(frozen=True)
class _Reading:
    paths: dict[str, Path]
    reader: Files
    called: str
    said: Said

    def name(self) -> str:
        """What they are called in the cache: by the files' sizes and times, and all that decides how they are read."""
        stamps = {name: [[plain(str(file)), stamp(file)] for file in files] for name, files in self._files().items()}
        if any(found is None for stamped in stamps.values() for _, found in stamped):
            return f"pipe-{uuid.uuid4().hex}"
        how = self.reader.options.model_dump(exclude={"valid", "test", "strict"})
        return sha256_of_json([FORMAT, stamps, how])[:20]

    def anew(self, folder: Path) -> _Files | None:
        """Read them, into memory if they all have room there, and else into ``folder``."""
        with self.reader.open_new(self.paths["train"]) as opened:
            examples = {"train": self._gather(opened.examples, folder, "train")}
            source = opened.source()
        for name, path in self.paths.items():
            if name != "train":
                tally = Tally(str(path))
                examples[name] = self._gather(self.reader.like(path, source, tally), folder, name)
                source = replace(source, notes=source.notes + [f"{path}: {note}" for note in tally.notes()])
        hashes = {name: _hash(files) for name, files in self._files().items()}
        if not any(isinstance(part, Corpus) for part in examples.values()):
            return _Files(source, examples, hashes)
        for name, part in examples.items():
            if not isinstance(part, Corpus):
                Corpus.write(make_private(folder / name), part)
        told = {"source": asdict(source), "hashes": hashes}
        (folder / "files.json").write_text(json.dumps(told), encoding="utf-8")
        return None

    def open(self, folder: Path) -> _Files:
        """What :meth:`anew` wrote; of a pipe, which nobody will find again, only for this run."""
        if folder.name.startswith("pipe-"):
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        told = json.loads((folder / "files.json").read_text(encoding="utf-8"))
        examples: dict[str, Sequence[Example]] = {name: Corpus(folder / name) for name in self.paths}
        return _Files(self.reader.remember(told["source"]), examples, told["hashes"], folder)

    def _files(self) -> dict[str, Sequence[Path]]:
        return {name: self.reader.files(path) for name, path in self.paths.items()}

    def _gather(self, examples: Iterable[Example], folder: Path, name: str) -> Sequence[Example]:
        counted = self._counted(examples, self.paths[name])
        return gather(counted, folder / name) if self.reader.large else list(counted)

    def _counted(self, examples: Iterable[Example], path: Path) -> Iterator[Example]:
        for number, example in enumerate(examples, 1):
            if number % 4096 == 0:
                self.said(f"reading {path}: {number:,} {self.called}s")
            yield example


def _hash(files: Sequence[Path]) -> str | None:
    """Of a file's content, or of those of several in their order."""
    hashes = [content_hash(file) for file in files]
    return hashes[0] if len(hashes) == 1 else sha256_of_json(hashes)


# ---- parting ----


@dataclass(frozen=True)
class _Dividing:
    files: _Files
    shares: dict[str, float]
    meaning: Meaning
    seed: int
    path: Path
    reader: Files
    said: Said

    def name(self) -> str:
        """What this way of parting them is called among others."""
        seed = self.seed if self.shares else None
        return f"parts-{sha256_of_json([FORMAT, self.shares, seed, self.meaning.task])[:16]}"

    def divide(self) -> tuple[dict[str, np.ndarray], list[str]]:
        """The rows of each part that is of the first file, and what looks wrong with all parts."""
        everything = self.files.examples["train"]
        rows = {"train": np.arange(len(everything))}
        for name, share in self.shares.items():
            self.said(f"parting the {self.meaning.called}s")
            try:
                kept, held = self.meaning.split(take(everything, rows["train"]), share, self.seed)
            except DataError as error:
                if error.path is not None:  # it is a row that is wrong, not how many there are
                    raise
                out = f"--{name} says how many, or names another file"
                raise DataError(f"{error.message} ({out})", path=self.path) from error
            rows[name], rows["train"] = rows["train"][held], rows["train"][kept]
        self.said(f"looking the {self.meaning.called}s over")
        parts = self.files.examples | {name: take(everything, own) for name, own in rows.items()}
        columns = self.reader.columns(self.path, self.files.source, parts["train"])
        meaning = self.meaning
        found = lint(
            *(parts.get(name, ()) for name in NAMES),
            value=meaning.value,
            columns=columns,
            called=meaning.called,
            holds=meaning.holds,
            several=meaning.several,
        )
        return rows, [str(warning) for warning in found]

    def keep(self, folder: Path) -> None:
        """Write what :meth:`divide` finds."""
        rows, warnings = self.divide()
        make_private(folder)
        for name, own in rows.items():
            np.save(folder / f"{name}.npy", own)
        (folder / "warnings.json").write_text(json.dumps(warnings), encoding="utf-8")


def _open_division(folder: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    rows = {file.stem: np.load(file) for file in folder.glob("*.npy")}
    return rows, json.loads((folder / "warnings.json").read_text(encoding="utf-8"))


def share_of(name: str, wanted: str | None) -> float | None:
    """The fraction that an option's value is, 0 without one, or none when it names a file."""
    if wanted is None:
        return 0.0
    if wanted == "":
        raise UsageError(f"--{name}: expected a file, or a share from 0 to 1, found nothing")
    if Path(wanted).exists():
        return None
    try:
        share = float(wanted)
    except ValueError:
        return None
    if not 0 <= share < 1:
        raise UsageError(f"--{name}: expected a file, or a share from 0 to 1, found {wanted}")
    return share
