"""Pairs of texts, of parallel files, tables of two columns, and pronunciation dictionaries alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from throughtime.config import Config
from throughtime.data.files import StrPath
from throughtime.data.pair import Pair
from throughtime.data.pair_formats import SAID, PairRows, PairSource, format_like, is_one, open_rows, tell_format
from throughtime.data.parts import Meaning
from throughtime.data.readers.parallel import find_parallel
from throughtime.data.readers.rows import BLANK_LINE, Row, Tally, Texts
from throughtime.errors import DataError, UsageError

__all__ = ["PairConfig", "PairFiles", "open_new_pairs", "pair_meaning", "read_pairs"]

_BLANKS = ("text has blanks around it, which are not read", "texts have blanks around them, which are not read")
_NO_SOURCE = ("pair has an empty source and is left out", "pairs have an empty source and are left out")
_NO_TARGET = ("pair has an empty target and is left out", "pairs have an empty target and are left out")
_LESS = ("right answer beside others is empty and left out", "right answers beside others are empty and left out")
_AGAIN = ("pair stands again and is read once", "pairs stand again and are read once")


class PairConfig(Config):
    """Which texts make a pair, which format, and what is held out."""

    source: str | None = Field(
        None,
        description="the source: the ending of its files (en, for train.en), or a table's column by name or by number "
        "from 1",
    )
    target: str | None = Field(
        None,
        description="the target, likewise; several right answers with commas between them (ref0,ref1), or ref for all "
        "files ref0, ref1, …",
    )
    noise: bool = Field(
        False,
        description="FILE is right English, a sentence a line (or --target a table's column): sources are made of it "
        "with errors, others in each epoch, so that a corrector is learnt",
    )
    format: Literal["auto", "parallel", "lines", "csv", "tsv", "jsonl", "parquet", "dictionary"] = Field(
        "auto", description="the files' format (lines with --noise); told from name and content otherwise"
    )
    header: bool | None = Field(
        None, description="whether the first row of a table names the columns; told from content otherwise"
    )
    group: bool | None = Field(
        None,
        description="take pairs of the same source for one with several right answers (default: in a pronunciation "
        "dictionary)",
    )
    stress: bool = Field(True, description="keep the digits of stress in a pronunciation dictionary (AH0)")
    encoding: str = Field("utf-8", description="how the files' bytes are read")
    valid: str = Field(
        "0.1", description="choose by this: a file, parallel files, or a share held out by the seed (0 for none)"
    )
    strict: bool = Field(False, description="refuse data that looks wrong, where otherwise there is a warning")
    test: str | None = Field(
        None, description="report on this at the end: a file, parallel files, or a share held out by the seed"
    )


@dataclass(frozen=True)
class NewPairs:
    """Files being read for the first time: their pairs, once, and how they are read."""

    examples: Iterator[Pair]
    source: Callable[[], PairSource]


@dataclass(frozen=True)
class PairFiles:
    """Files of pairs; see :class:`~throughtime.data.parts.Files`. A path may be what names of files begin with."""

    options: PairConfig
    large: bool = True

    def files(self, path: Path) -> Sequence[Path]:
        """The file itself, or those that are parallel."""
        options = self.options
        if (is_one(path) and options.format != "parallel") or not (options.source and options.target):
            return [path]
        return find_parallel(path, options.source, options.target).paths

    def open_new(self, path: Path) -> AbstractContextManager[NewPairs]:
        """Files whose format is to be told."""
        return open_new_pairs(path, self.options)

    def like(self, path: Path, source: PairSource, tally: Tally | None = None) -> Iterable[Pair]:
        """Other files like them."""
        return read_pairs(path, source, tally=tally)

    def remember(self, content: dict[str, Any]) -> PairSource:
        """A source from its plain values."""
        return PairSource(**content)

    def columns(self, path: Path, source: PairSource, examples: Sequence[Any]) -> Mapping[str, Any]:
        """None: no column tells a whole text."""
        return {}


def pair_meaning(task: str) -> Meaning:
    """What a task of pairs takes them for: those of one source stay on one side of a split.

    Several answers to one source are nothing wrong; an answer's place among others says nothing.

    >>> pairs = [Pair("hello", ("salut", "bonjour"), "a.tsv", 1), Pair("hello", ("bonjour", "salut"), "a.tsv", 2)]
    >>> meaning = pair_meaning("translate")
    >>> len(set(map(meaning.value, pairs))), len(set(meaning.together(pairs)))
    (1, 1)
    """
    return Meaning(
        task,
        value=lambda pair: frozenset(pair.targets),
        strata=lambda pairs: [""] * len(pairs),
        called="pair",
        together=lambda pairs: [hash(pair.text) for pair in pairs],
        holds=("source", "target"),
        several=True,
    )


@contextmanager
def open_new_pairs(path: StrPath, options: PairConfig) -> Generator[NewPairs]:
    """Tell files' format, and open them.

    Raises:
        DataError: the content cannot be used; the message names file and line.
        UsageError: endings or columns that are not there, or it is not plain which are meant.
    """
    tally = Tally(str(path))
    told = options.format
    if told == "lines":
        raise UsageError("--format lines: expected it with --noise, which makes pairs of lines")
    if told == "auto":
        told = tell_format(path, options.encoding)
        tally.say(f"read as {SAID[told]}")
    group = told == "dictionary" if options.group is None else options.group
    source = PairSource(
        told, options.source, options.target, options.header, group, options.stress, options.encoding, None, []
    )
    with open_rows(path, source, True, tally) as opened:
        for sentence in opened.notes:
            tally.say(sentence)
        pairs = _pairs(opened, True, tally)
        yield NewPairs(pairs, lambda: replace(opened.source, notes=tally.notes()))


def read_pairs(
    path: StrPath,
    source: PairSource,
    *,
    need_target: bool = True,
    encoding: str | None = None,
    format: str | None = None,
    tally: Tally | None = None,
) -> Generator[Pair]:
    """Yield pairs, read as the files that `source` tells about were; in memory only where sources are grouped.

    Where a target is needed, pairs without one, or without a source, are left out and counted. Where it is not, every
    line and row comes by itself, an empty one too, so that answers can be written beside them.

    Args:
        path: a file, or what the names of parallel files begin with.
        source: how others were read.
        need_target: whether there must be right answers.
        encoding: how bytes are read, where not as those of the others.
        format: the format, where not that of the others; "auto" tells it.
        tally: counts what is passed over.

    Raises:
        DataError: the content cannot be used; the message names file and line.
        UsageError: endings or columns that are not there.
    """
    tally = tally or Tally(str(path))
    source = replace(source, encoding=encoding or source.encoding)
    kind = format_like(path, source, format)
    if kind != source.format:
        source = replace(source, format=kind, delimiter=None, header=None)
    with open_rows(path, source, need_target, tally) as opened:
        yield from _pairs(opened, need_target, tally)


def _pairs(opened: PairRows, need_target: bool, tally: Tally) -> Iterator[Pair]:
    pairs = _filled(opened, tally) if need_target else _all(opened)
    some = False
    for pair in _grouped(pairs, tally) if opened.source.group and need_target else pairs:
        some = True
        yield pair
    if not some:
        left = " ".join(f"({note})" for note in tally.met()[:1])
        raise DataError(f"expected pairs of a source and a target, found none {left}".strip(), path=tally.path)


def _all(opened: PairRows) -> Iterator[Pair]:
    for row in opened.rows:
        answers = _answers(opened, row)
        yield Pair(
            _source(opened, row).strip(),
            tuple(target.strip() for target, _ in answers),
            row.path,
            row.line,
            tuple(place for _, place in answers),
        )


def _filled(opened: PairRows, tally: Tally) -> Iterator[Pair]:
    """Only what has a source and a target, the rest counted."""
    for row in opened.rows:
        source, targets = _source(opened, row), _answers(opened, row)
        text = source.strip()
        if text != source or any(target != target.strip() for target, _ in targets):
            tally.add(_BLANKS, row.path, row.line)
        answers = [(target.strip(), place) for target, place in targets if target.strip()]
        if text and answers:
            if len(answers) < len(targets):
                tally.add(_LESS, row.path, row.line)
            right, places = zip(*answers, strict=True)
            yield Pair(text, right, row.path, row.line, places)
        else:
            tally.add(_NO_TARGET if text else _NO_SOURCE if answers else BLANK_LINE, row.path, row.line)


def _source(opened: PairRows, row: Row) -> str:
    source = row.fields[opened.text]
    if isinstance(source, Texts):
        raise DataError("expected a text as the source, found a list of texts", path=row.path, line=row.line)
    return source


def _answers(opened: PairRows, row: Row) -> list[tuple[str, tuple[str, int]]]:
    """The right answers as they stand, each with its place; a field may hold a list of them."""
    paths = opened.paths or [row.path] * len(opened.targets)
    fields = [(row.fields[at], path) for at, path in zip(opened.targets, paths, strict=True)]
    listed = ((field.listed() if isinstance(field, Texts) else [field], path) for field, path in fields)
    return [(text, (path, row.line)) for texts, path in listed for text in texts]


def _grouped(pairs: Iterable[Pair], tally: Tally) -> Iterator[Pair]:
    """One pair for each source, with all its answers, where it stands first."""
    found: dict[str, tuple[Pair, dict[str, tuple[str, int]]]] = {}
    for pair in pairs:
        _, answers = found.setdefault(pair.text, (pair, {}))
        for target, place in zip(pair.targets, pair.places, strict=True):
            if target in answers:
                tally.add(_AGAIN, *place)
            answers.setdefault(target, place)
    for pair, answers in found.values():
        yield Pair(pair.text, tuple(answers), pair.path, pair.line, tuple(answers.values()))
