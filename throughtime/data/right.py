"""Right texts, a line or a row of a table each, from which pairs with errors are made."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from throughtime.data.columns import Example, Source, iter_examples, open_new
from throughtime.data.identity import visible_files
from throughtime.data.noise import share_of_english
from throughtime.data.pair import Pair
from throughtime.data.pairs import PairConfig
from throughtime.data.readers.detect import by_bytes, by_ending
from throughtime.data.readers.rows import Tally
from throughtime.data.readers.tables import Wanted
from throughtime.errors import DataError, UsageError

__all__ = ["RightFiles", "foreign", "read_right"]

LONG = 60
"""Words of a text that may well be several sentences."""

LOOKED_AT, ENGLISH = 1000, 0.2
"""Texts that tell a language, and the share of small words from which on it is English, which has 0.35 to 0.55."""

_LONG = (
    f"text has more than {LONG} words and is learnt as a whole: a sentence a line is learnt sooner",
    f"texts have more than {LONG} words and are learnt as a whole: a sentence a line is learnt sooner",
)
_EMPTY = ("empty text is left out", "empty texts are left out")


@dataclass(frozen=True)
class _New:
    examples: Iterator[Pair]
    source: Callable[[], Source]


@dataclass(frozen=True)
class RightFiles:
    """Files of right texts, each given as a pair of itself and itself; see :class:`~throughtime.data.parts.Files`.

    A folder stands for its files, all of one kind.
    """

    options: PairConfig
    large: bool = True

    def files(self, path: Path) -> Sequence[Path]:
        """The file itself; a folder as a whole."""
        return [path]

    @contextmanager
    def open_new(self, path: Path) -> Generator[_New]:
        """A file or folder: lines, or the column that `target` names.

        Raises:
            UsageError: options that mean nothing for right texts.
            DataError: the content cannot be used, or there is none.
        """
        self._check()
        first, *others = _files(path)
        tally, options = Tally(str(path)), self.options
        wanted = Wanted(self._format(first), options.encoding, options.target, None, need_label=False)
        with open_new(first, wanted, header=options.header) as opened:
            more = (example for file in others for example in iter_examples(file, opened.source(), need_label=False))
            pairs = _pairs(chain(opened.examples, more), tally)

            def source() -> Source:
                known = opened.source()
                return replace(known, notes=known.notes + tally.notes())

            yield _New(pairs, source)

    def like(self, path: Path, source: Source, tally: Tally | None = None) -> Iterable[Pair]:
        """Other files like them."""
        return read_right(path, source, tally=tally)

    def remember(self, content: dict[str, Any]) -> Source:
        """A source from its plain values."""
        return Source(**content)

    def columns(self, path: Path, source: Source, examples: Sequence[Any]) -> Mapping[str, Any]:
        """None: no column tells a whole text."""
        return {}

    def _check(self) -> None:
        """Refuse what only pairs have."""
        options = self.options
        if options.source is not None:
            raise UsageError(f"--source: expected none with --noise, which makes the sources, found {options.source}")
        if options.format in ("parallel", "dictionary"):
            raise UsageError(f"--format: expected lines or a table with --noise, found {options.format}")
        for name in ("group", "stress"):
            if getattr(options, name) != PairConfig.model_fields[name].default:
                raise UsageError(f"--{name}: expected an option of pairs without --noise, which has texts alone")

    def _format(self, path: Path) -> str:
        """Lines, unless a table was asked for or its name says so."""
        if self.options.format != "auto":
            return self.options.format
        table = self.options.target is not None or by_ending(path) or by_bytes(path) == "parquet"
        return "auto" if table else "lines"


def read_right(
    path: Path, source: Source, *, encoding: str | None = None, format: str | None = None, tally: Tally | None = None
) -> Generator[Pair]:
    """Yield the texts of a file or folder, read as the one that `source` tells about; each a pair with itself.

    Raises:
        DataError: the content cannot be used; the message names file and line.
    """
    tally = tally or Tally(str(path))
    found = (
        iter_examples(file, source, need_label=False, encoding=encoding, format=format, tally=tally)
        for file in _files(path)
    )
    yield from _pairs(chain.from_iterable(found), tally)


def foreign(texts: Sequence[Pair]) -> list[str]:
    """What is wrong with making errors in these texts, in a sentence: nothing where they are English.

    >>> foreign([Pair("Der Hund ist im Haus.", ("Der Hund ist im Haus.",), "a.txt", 1)])[0][:73]
    'expected English, whose errors are made, found texts with 0% of its small'
    """
    some = [texts[place].text for place in range(0, len(texts), -(-len(texts) // LOOKED_AT) or 1)]
    share = share_of_english(some)
    if share >= ENGLISH:
        return []
    return [
        f"expected English, whose errors are made, found texts with {share:.0%} of its small words (the, of, is, …): "
        "most errors fit nowhere, and those of spelling are left"
    ]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = list(visible_files(path))
    if not found:
        raise DataError("expected files of text, found an empty folder", path=str(path))
    return found


def _pairs(examples: Iterable[Example], tally: Tally) -> Iterator[Pair]:
    some = False
    for example in examples:
        text = example.text.strip()
        if not text:
            tally.add(_EMPTY, example.path, example.line)
            continue
        if len(text) > LONG and len(text.split()) > LONG:
            tally.add(_LONG, example.path, example.line)
        some = True
        yield Pair(text, (text,), example.path, example.line, ((example.path, example.line),))
    if not some:
        raise DataError("expected right texts, found none", path=tally.path)
