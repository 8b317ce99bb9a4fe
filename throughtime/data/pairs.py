"""Pairs of texts: parallel files, tables of two columns, and pronunciation dictionaries, told apart and read alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field

from throughtime.config import Config
from throughtime.data.files import StrPath, check_encoding, plain_name, read_lines
from throughtime.data.pair import Pair
from throughtime.data.parts import Meaning
from throughtime.data.readers.detect import by_bytes, by_ending
from throughtime.data.readers.dictionary import dictionary_rows, looks_like_dictionary
from throughtime.data.readers.jsonl import first_object
from throughtime.data.readers.names import find_column, is_number, known_column, names_in
from throughtime.data.readers.parallel import find_parallel, parallel_rows
from throughtime.data.readers.rows import BLANK_LINE, Row, Tally, Texts, shown
from throughtime.data.readers.tables import FORMATS, Stream, Wanted, no_rows, numbered, open_table
from throughtime.errors import DataError, UsageError

__all__ = [
    "Pair",
    "PairConfig",
    "PairFiles",
    "PairSource",
    "open_new_pairs",
    "pair_meaning",
    "read_pairs",
    "tell_format",
]

Format = Literal["parallel", "csv", "tsv", "jsonl", "parquet", "dictionary"]
_FORMATS: tuple[Format, ...] = get_args(Format)
_SAID = FORMATS | {"parallel": "parallel files", "dictionary": "a pronunciation dictionary"}
_LOOKED_AT = 200  # lines that tell a format

# The first row of a table is its header where both columns are called so; a language's code may well be a word.
_SOURCES = ("source", "src", "input", "original", "incorrect", "wrong", "word", "grapheme", "graphemes", "english")
_TARGETS = ("target", "tgt", "output", "translation", "corrected", "correct", "right", "pronunciation", "phonemes",
            "phones", "ipa", "transliteration", "german", "french", "spanish")  # fmt: skip

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
class PairSource:
    """How files were read, so that others of their kind can be read alike; plain values, ready for JSON.

    `source` and `target` are endings, or columns' names (their numbers where there is no header) with commas between
    several targets; none in a dictionary.
    """

    format: Format
    source: str | None
    target: str | None
    header: bool | None
    group: bool
    stress: bool
    encoding: str
    delimiter: str | None
    notes: list[str]


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
        if (_is_one(path) and options.format != "parallel") or not (options.source and options.target):
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
        tally.say(f"read as {_SAID[told]}")
    group = told == "dictionary" if options.group is None else options.group
    source = PairSource(
        told, options.source, options.target, options.header, group, options.stress, options.encoding, None, []
    )
    with _open(path, source, True, tally) as opened:
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
    kind = _format_like(path, source, format)
    if kind != source.format:
        source = replace(source, format=kind, delimiter=None, header=None)
    with _open(path, source, need_target, tally) as opened:
        yield from _pairs(opened, need_target, tally)


def tell_format(path: StrPath, encoding: str) -> Format:
    """Tell files' format by their names, or by what is inside.

    Where there is no file of that very name, it is what the names of parallel files begin with.

    Raises:
        DataError: the file cannot be read, or looks like none with pairs.
        UsageError: for a pipe whose name does not tell.
    """
    if not _is_one(path):
        return "parallel"
    told = by_bytes(path)
    if told == "archive":
        raise DataError("expected a table of pairs or parallel files, found an archive", path=str(path))
    if told == "parquet":
        return "parquet"
    if plain_name(path).suffix.lower() in (".dict", ".dic"):
        return "dictionary"
    ending = next((known for known in _FORMATS if known == by_ending(path)), None)
    if not Path(path).is_file():
        # It can be read only once: what is looked at here would be missing later.
        if ending is not None:
            return ending
        raise UsageError(f"{path}: expected --format csv, tsv, jsonl or dictionary for a pipe, found none")
    with closing(read_lines(path, encoding)) as lines:
        head = [line for line in islice(lines, _LOOKED_AT) if line.strip()]
    tabbed = bool(head) and sum("\t" in line for line in head) * 10 >= len(head) * 9
    if ending == "csv":
        return "tsv" if tabbed and not {",", ";"} & set(head[0]) else "csv"
    if ending is not None:
        return ending
    if head and first_object(head[0]):
        return "jsonl"
    if tabbed:
        return "tsv"
    if looks_like_dictionary(head):
        return "dictionary"
    raise DataError(
        "expected a table of pairs (lines with a tab, JSON lines, Parquet, or CSV by its name), a pronunciation "
        "dictionary or what the names of parallel files begin with; found none of them "
        f"(--format says it: {', '.join(_FORMATS)})",
        path=str(path),
    )


def _format_like(path: StrPath, source: PairSource, format: str | None) -> Format:
    """The format that was asked for, or that of `source` where these files can be of it, or the one they look like."""
    if format is None and _is_one(path) != (source.format != "parallel"):
        format = "auto"
    for known in _FORMATS:
        if known == (format or source.format):
            return known
    if format == "auto":
        return tell_format(path, source.encoding)
    raise UsageError(f"expected one of the formats auto, {', '.join(_FORMATS)}; found {format!r}")


def _is_one(path: StrPath) -> bool:
    """Whether there is a file, or a pipe, of this very name."""
    try:
        return Path(path).exists() and not Path(path).is_dir()
    except (OSError, ValueError):  # an impossible name, which opening the file then explains
        return True


# ---- rows of each format ----


@dataclass(frozen=True)
class _Opened:
    """Files being read: their rows, which fields (by index) are the source and its right answers, and what to say.

    `paths` are the answers' files, where they are not the row's own.
    """

    rows: Iterator[Row]
    text: int
    targets: Sequence[int]
    source: PairSource
    notes: list[str]
    paths: Sequence[str] = ()


@contextmanager
def _open(path: StrPath, source: PairSource, need_target: bool, tally: Tally) -> Generator[_Opened]:
    check_encoding(source.encoding)
    if source.format == "parallel":
        found = find_parallel(path, source.source, source.target, need_target=need_target)
        tally.path = str(found.source)
        with closing(parallel_rows(found.paths, source.encoding)) as rows:
            targets = range(1, 1 + len(found.targets))
            yield _Opened(rows, 0, targets, source, found.notes, [str(target) for target in found.targets])
    elif source.format == "dictionary":
        with closing(read_lines(path, source.encoding)) as lines:
            entries = dictionary_rows(lines, str(path), tally, stress=source.stress)
            yield _Opened(entries, 0, (1,), source, [])
    else:
        label = next(iter(names_in(source.target)), None)
        wanted = Wanted(source.format, source.encoding, source.source, label, need_target, source.delimiter, lists=True)
        with open_table(path, wanted) as stream:
            yield _told(stream, source, need_target, tally)


def _told(stream: Stream, source: PairSource, need_target: bool, tally: Tally) -> _Opened:
    """Tell a table's columns by its first row."""
    first = next(stream.rows, None)
    if first is None:
        raise no_rows(stream.path, False, stream.tally)
    notes = stream.notes
    names, header = stream.columns, False
    if names is None:
        header, note = _tell_header(first.fields, source)
        notes = [*notes, note]
        names = first.fields if header else numbered(first)
    at, others = _columns(names, source, named=header or stream.columns is not None, path=stream.path, need=need_target)
    called = [_called(names, number) for number in (at, *others)]
    if others:
        notes = [*notes, f"the source is column {shown(called[:1])}, the target {shown(called[1:])}"]
    known = replace(
        source,
        source=called[0],
        target=",".join(called[1:]) or source.target,
        header=header,
        delimiter=stream.delimiter,
    )
    return _Opened(_rows(stream, [] if header else [first], tally), at, others, known, notes)


def _rows(stream: Stream, first: list[Row], tally: Tally) -> Iterator[Row]:
    yield from first
    yield from stream.rows
    for note in stream.tally.notes():
        tally.say(note)


def _tell_header(first: Sequence[str], source: PairSource) -> tuple[bool, str]:
    """Whether a table's first row names its columns, and why: texts that stand once each tell nothing by themselves."""
    if source.header is not None:
        return source.header, f"{'the first row is the' if source.header else 'no'} header, as was said"
    if not all(is_number(column) for column in (*filter(None, [source.source]), *names_in(source.target))):
        return True, "the first row is the header, since the columns were given by name"
    if known_column(first, _SOURCES) is not None and known_column(first, _TARGETS) is not None:
        return True, f"the first row is the header: {shown(tuple(first))}"
    return False, "no header: the first row does not name a source and a target"


def _columns(
    names: Sequence[str], source: PairSource, *, named: bool, path: str, need: bool
) -> tuple[int, tuple[int, ...]]:
    """Pick the source's column, and those of the right answers."""
    text = None if source.source is None else find_column(names, source.source, path)
    targets: list[int] = []
    for column in names_in(source.target):
        try:
            targets.append(find_column(names, column, path))
        except DataError:
            if need:
                raise
    if text is None:
        text = known_column(names, _SOURCES, targets)
    if not targets and source.target is None:
        found = known_column(names, _TARGETS, [text])
        targets = [] if found is None else [found]
    free = [number for number in range(len(names)) if number not in (text, *targets)]
    plain = len(names) == 2 or not named  # of columns without names the first two are meant
    if text is None and free and (plain or len(names) == 1):
        text = free.pop(0)
    if not targets and free and plain and need:
        targets = [free.pop(0)]
    if text is None or (need and not targets):
        raise UsageError(
            f"{path}: expected to see which column is the source and which the target, found {shown(tuple(names))}: "
            "say --source and --target, each with a name or a number from 1"
        )
    if len(set(targets)) < len(targets):
        raise UsageError(
            f"{path}: expected a column for each right answer, found one twice in --target {source.target}"
        )
    if text in targets:
        raise UsageError(f'{path}: the source and the target cannot be the same column, "{names[text]}"')
    return text, tuple(targets)


def _called(names: Sequence[str], column: int) -> str:
    """A column's name, or its number where the name would not find it."""
    name = names[column].strip()
    plain = name and "," not in name and [other.strip() for other in names].count(name) == 1
    return name if plain else str(column + 1)


# ---- from rows to pairs ----


def _pairs(opened: _Opened, need_target: bool, tally: Tally) -> Iterator[Pair]:
    pairs = _filled(opened, tally) if need_target else _all(opened)
    some = False
    for pair in _grouped(pairs, tally) if opened.source.group and need_target else pairs:
        some = True
        yield pair
    if not some:
        left = " ".join(f"({note})" for note in tally.met()[:1])
        raise DataError(f"expected pairs of a source and a target, found none {left}".strip(), path=tally.path)


def _all(opened: _Opened) -> Iterator[Pair]:
    for row in opened.rows:
        answers = _answers(opened, row)
        yield Pair(
            _source(opened, row).strip(),
            tuple(target.strip() for target, _ in answers),
            row.path,
            row.line,
            tuple(place for _, place in answers),
        )


def _filled(opened: _Opened, tally: Tally) -> Iterator[Pair]:
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


def _source(opened: _Opened, row: Row) -> str:
    source = row.fields[opened.text]
    if isinstance(source, Texts):
        raise DataError("expected a text as the source, found a list of texts", path=row.path, line=row.line)
    return source


def _answers(opened: _Opened, row: Row) -> list[tuple[str, tuple[str, int]]]:
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
