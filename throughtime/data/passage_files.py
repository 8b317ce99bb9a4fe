"""A user's files of running text, or of lines, as parts to learn from, to choose by and to report on."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from throughtime.data.columns import Example
from throughtime.data.config import PassageConfig
from throughtime.data.files import check_encoding, cut_lines, stream_blocks, text_blocks
from throughtime.data.identity import all_plain
from throughtime.data.parts import Meaning, Parts, Said, read_parts, share_of
from throughtime.data.readers.lines import line_rows
from throughtime.data.readers.rows import Tally
from throughtime.data.running import RunningText
from throughtime.data.store import FORMAT, Store, make_private
from throughtime.errors import DataError, UsageError
from throughtime.storage import sha256_of_json

__all__ = ["HELD_OUT", "LineFiles", "PassageSource", "open_passages", "read_lines_of", "read_passages"]

HELD_OUT = 1_000_000
"""Characters that a share holds out of running text at most: they tell the mean to some thousandths of a nat, and to
read more of a large text would take longer than a short training."""


@dataclass(frozen=True)
class PassageSource:
    """How files were read, so that others can be read alike; plain values, ready for JSON.

    ``line_end`` is what ends a line of running text.
    """

    by: Literal["text", "line"]
    encoding: str
    notes: list[str]
    format: str = "text"
    line_end: str = "\n"


@dataclass(frozen=True)
class _NewLines:
    examples: Iterator[Example]
    source: Callable[[], PassageSource]


@dataclass(frozen=True)
class LineFiles:
    """Files whose lines are texts of their own; see :class:`~throughtime.data.parts.Files`."""

    options: PassageConfig
    large: bool = True

    def files(self, path: Path) -> Sequence[Path]:
        """The file itself."""
        return [path]

    @contextmanager
    def open_new(self, path: Path) -> Generator[_NewLines]:
        """A file's lines."""
        tally = Tally(str(path))
        with closing(read_lines_of(path, self.options.encoding, tally)) as examples:
            yield _NewLines(examples, lambda: PassageSource("line", self.options.encoding, tally.notes(), "lines"))

    def like(self, path: Path, source: PassageSource, tally: Tally | None = None) -> Iterator[Example]:
        """Another file's."""
        return read_lines_of(path, source.encoding, tally)

    def remember(self, content: dict[str, Any]) -> PassageSource:
        """See :class:`~throughtime.data.parts.Files`."""
        return PassageSource(**content)

    def columns(self, path: Path, source: PassageSource, examples: Sequence[Any]) -> Mapping[str, Any]:
        """None."""
        return {}


def read_lines_of(path: Path | str, encoding: str, tally: Tally | None = None) -> Generator[Example]:
    """Yield the lines of a file, or of standard input, which is called ``-``, that are not blank.

    Raises:
        DataError: the file cannot be read, or holds none.
    """
    check_encoding(encoding)
    tally, some = tally or Tally(str(path)), False
    name, blocks = str(path), text_blocks(path, encoding)
    if name == "-":
        name = "standard input"
        blocks = stream_blocks(sys.stdin.buffer, name, encoding)  # type: ignore[arg-type]
    with closing(blocks):
        for row in line_rows(cut_lines(blocks), name, tally):
            yield Example(row.fields[0], None, row.path, row.line)
            some = True
    if not some:
        raise DataError("expected lines of text, found none", path=name)


def read_passages(
    path: Path, options: PassageConfig, meaning: Meaning, seed: int, cache: Path, said: Said = lambda words: None
) -> Parts:
    """Read files and part them: running text by its end, lines by the seed.

    Args:
        path: a file, or of running text a folder of them.
        options: how it is read, and what is held out.
        meaning: what the task takes a line for.
        seed: decides which lines are held out.
        cache: where large data is kept.
        said: is told what is being done, now and then.

    Raises:
        DataError: the content cannot be used; the message names file and line.
        UsageError: options that do not fit together or the files.
    """
    if options.by == "line":
        return read_parts(path, LineFiles(options), replace(meaning, holds=("text", "")), seed, cache, said)
    said(f"reading {path}")
    text = RunningText.open(path, options.encoding)
    parts, files, notes = {"train": text}, {"train": (path, text)}, []
    for name in ("test", "valid"):
        wanted = getattr(options, name)
        share = share_of(name, wanted)
        if share is None:
            parts[name] = RunningText.open(wanted, options.encoding)
            files[name] = Path(wanted), parts[name]
        elif share:
            asked = math.floor(share * len(parts["train"]))
            parts["train"], parts[name] = parts["train"].part(share, HELD_OUT)
            if len(parts[name]) < asked:
                notes.append(
                    f"--{name} {wanted}: {HELD_OUT:,} characters are held out, which is enough; a file may have more"
                )
            if not (len(parts["train"]) and len(parts[name])):
                found = "1 character" if len(text) == 1 else f"{len(text)} characters"
                raise UsageError(f"--{name}: expected text enough to part, found {found} in {path}")
    facts: dict[str, Any] = {
        "source": asdict(PassageSource("text", options.encoding, notes, line_end=text.line_end)),
        "rows": len(text),
        "options": options.model_dump(),
    }
    for name in ("train", "valid", "test"):
        facts[name] = {"rows": len(parts.get(name, ()))}
        if name in files:
            file, own = files[name]
            facts[name] |= {"path": str(file), "sha256": own.fingerprint}
    given = {name: own for name, (_, own) in files.items()}
    folder, kept = _room(given, parts, cache) if any(own.large for own in given.values()) else (None, False)
    return Parts(parts["train"], parts.get("valid", ()), parts.get("test", ()), all_plain(facts), [], folder, kept)


def _room(files: Mapping[str, RunningText], parts: Mapping[str, RunningText], cache: Path) -> tuple[Path, bool]:
    """Where the symbols of texts go that are too large for memory, and whether these have been there before."""
    content = {name: [own.fingerprint, own.encoding] for name, own in files.items()}
    name = sha256_of_json([FORMAT, content])[:20]
    store = Store(cache)
    kept = store.find(name) is not None

    def make(folder: Path) -> None:
        hashes = {name: own.sha256 for name, own in files.items()}
        (make_private(folder) / "files.json").write_text(json.dumps(all_plain(hashes)), encoding="utf-8")

    folder = store.get(name, make, lambda made: made)
    return folder / f"parts-{sha256_of_json({name: len(own) for name, own in parts.items()})[:16]}", kept


@contextmanager
def open_passages(
    path: Path, source: PassageSource, encoding: str | None = None
) -> Generator[tuple[Any, Callable[[], list[str]]]]:
    """Open a file as the training data was read: running text, or lines once; and what to tell of it when all are read.

    Raises:
        DataError: it cannot be read; see :class:`~throughtime.data.running.RunningText` and :func:`read_lines_of`.
    """
    encoding = encoding or source.encoding
    if source.by == "text":
        yield RunningText.open(path, encoding), lambda: []
        return
    tally = Tally(str(path))
    with closing(read_lines_of(path, encoding, tally)) as lines:
        yield lines, tally.notes
