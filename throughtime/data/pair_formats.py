"""Which files hold pairs, and where in their rows source and target stand: formats and columns, told by content."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from throughtime.data.files import StrPath, check_encoding, plain_name, read_lines
from throughtime.data.readers.detect import by_bytes, by_ending
from throughtime.data.readers.dictionary import dictionary_rows, looks_like_dictionary
from throughtime.data.readers.jsonl import first_object
from throughtime.data.readers.names import find_column, is_number, known_column, names_in
from throughtime.data.readers.parallel import find_parallel, parallel_rows
from throughtime.data.readers.rows import Row, Tally, shown
from throughtime.data.readers.tables import FORMATS, Stream, Wanted, no_rows, numbered, open_table
from throughtime.errors import DataError, UsageError

__all__ = ["SAID", "PairRows", "PairSource", "format_like", "is_one", "open_rows", "tell_format"]

Format = Literal["parallel", "csv", "tsv", "jsonl", "parquet", "dictionary"]
_FORMATS: tuple[Format, ...] = get_args(Format)
SAID = FORMATS | {"parallel": "parallel files", "dictionary": "a pronunciation dictionary"}
"""What people call a format."""
_LOOKED_AT = 200  # lines that tell a format

# The first row of a table is its header where both columns are called so; a language's code may well be a word.
_SOURCES = ("source", "src", "input", "original", "incorrect", "wrong", "word", "grapheme", "graphemes", "english")
_TARGETS = ("target", "tgt", "output", "translation", "corrected", "correct", "right", "pronunciation", "phonemes",
            "phones", "ipa", "transliteration", "german", "french", "spanish")  # fmt: skip


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


def tell_format(path: StrPath, encoding: str) -> Format:
    """Tell files' format by their names, or by what is inside.

    Where there is no file of that very name, it is what the names of parallel files begin with.

    Raises:
        DataError: the file cannot be read, or looks like none with pairs.
        UsageError: for a pipe whose name does not tell.
    """
    if not is_one(path):
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


def format_like(path: StrPath, source: PairSource, format: str | None) -> Format:
    """The format that was asked for, or that of `source` where these files can be of it, or the one they look like."""
    if format is None and is_one(path) != (source.format != "parallel"):
        format = "auto"
    for known in _FORMATS:
        if known == (format or source.format):
            return known
    if format == "auto":
        return tell_format(path, source.encoding)
    raise UsageError(f"expected one of the formats auto, {', '.join(_FORMATS)}; found {format!r}")


def is_one(path: StrPath) -> bool:
    """Whether there is a file, or a pipe, of this very name."""
    try:
        return Path(path).exists() and not Path(path).is_dir()
    except (OSError, ValueError):  # an impossible name, which opening the file then explains
        return True


@dataclass(frozen=True)
class PairRows:
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
def open_rows(path: StrPath, source: PairSource, need_target: bool, tally: Tally) -> Generator[PairRows]:
    """Open files whose format is known, and tell where in their rows source and right answers stand.

    Raises:
        DataError: the content cannot be used; the message names file and line.
        UsageError: endings or columns that are not there, or it is not plain which are meant.
    """
    check_encoding(source.encoding)
    if source.format == "parallel":
        found = find_parallel(path, source.source, source.target, need_target=need_target)
        tally.path = str(found.source)
        with closing(parallel_rows(found.paths, source.encoding)) as rows:
            targets = range(1, 1 + len(found.targets))
            yield PairRows(rows, 0, targets, source, found.notes, [str(target) for target in found.targets])
    elif source.format == "dictionary":
        with closing(read_lines(path, source.encoding)) as lines:
            entries = dictionary_rows(lines, str(path), tally, stress=source.stress)
            yield PairRows(entries, 0, (1,), source, [])
    else:
        label = next(iter(names_in(source.target)), None)
        wanted = Wanted(source.format, source.encoding, source.source, label, need_target, source.delimiter, lists=True)
        with open_table(path, wanted) as stream:
            yield _told(stream, source, need_target, tally)


def _told(stream: Stream, source: PairSource, need_target: bool, tally: Tally) -> PairRows:
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
    return PairRows(_rows(stream, [] if header else [first], tally), at, others, known, notes)


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
