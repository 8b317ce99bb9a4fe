"""Files of sentences whose words have labels: told apart, read, and read again alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field

from throughtime.config import Config
from throughtime.data.files import StrPath, plain_name, read_lines
from throughtime.data.readers.conll import read_conll
from throughtime.data.readers.conllu import read_conllu
from throughtime.data.readers.detect import by_bytes, by_ending
from throughtime.data.readers.jsonl import first_object, is_array
from throughtime.data.readers.jsonl_lists import open_jsonl_lists
from throughtime.data.readers.lists import ListFile
from throughtime.data.readers.names import is_number
from throughtime.data.readers.parquet_lists import RowSentence, open_parquet_lists
from throughtime.data.readers.rows import Tally, printable
from throughtime.data.readers.sentences import ColumnSentence, Sentence
from throughtime.errors import DataError, UsageError

__all__ = [
    "SentenceConfig",
    "SentenceFiles",
    "SentenceSource",
    "format_of",
    "open_new_sentences",
    "read_rows",
    "read_tagged",
    "tell_format",
]

Format = Literal["conllu", "conll", "jsonl", "parquet"]
_FORMATS: tuple[Format, ...] = get_args(Format)
_LISTS = ("jsonl", "parquet")  # their keys and columns have names, which are remembered
_LOOKED_AT = 1000  # lines, comments mostly, before the first word of a file


class SentenceConfig(Config):
    """Which columns, which format, and what is held out."""

    text: str | None = Field(
        None, description="the words' column or key: its number from 1, or its name (default: form; 1; tokens, words …)"
    )
    label: str | None = Field(
        None,
        description="the labels' column or key: its number from 1, or its name (default: upos; the last one; tags …)",
    )
    format: Literal["auto", "conllu", "conll", "jsonl", "parquet"] = Field(
        "auto", description="the files' format; told from name and content otherwise"
    )
    encoding: str = Field("utf-8", description="how the files' bytes are read")
    valid: str = Field("0.1", description="choose by this: a file, or a share held out by the seed (0 for none)")
    strict: bool = Field(False, description="refuse data that looks wrong, where otherwise there is a warning")
    test: str | None = Field(None, description="report on this at the end: a file, or a share held out by the seed")


@dataclass(frozen=True)
class SentenceSource:
    """How a file was read, so that another of its kind can be read alike; plain values, ready for JSON.

    `text` and `label` are the columns as they were asked for, none for the format's own; of JSON lines and Parquet the
    names of those that hold the words and the labels.
    """

    format: Format
    text: str | None
    label: str | None
    encoding: str
    notes: list[str]


@dataclass(frozen=True)
class NewSentences:
    """A file being read for the first time: its sentences, once, and how it is read."""

    examples: Iterator[Sentence]
    source: Callable[[], SentenceSource]


@dataclass(frozen=True)
class SentenceFiles:
    """Files of sentences; see :class:`~throughtime.data.parts.Files`."""

    options: SentenceConfig
    large: bool = False

    def files(self, path: Path) -> Sequence[Path]:
        """The file itself."""
        return [path]

    def open_new(self, path: Path) -> AbstractContextManager[NewSentences]:
        """A file whose format is to be told."""
        return open_new_sentences(path, self.options)

    def like(self, path: Path, source: SentenceSource, tally: Tally | None = None) -> Iterable[Sentence]:
        """Another file like it."""
        return read_tagged(path, source, tally=tally)

    def remember(self, content: dict[str, Any]) -> SentenceSource:
        """A source from its plain values."""
        return SentenceSource(**content)

    def columns(self, path: Path, source: SentenceSource, examples: Sequence[Any]) -> Mapping[str, Any]:
        """None: the other columns are other layers of the same words."""
        return {}


@contextmanager
def open_new_sentences(path: StrPath, options: SentenceConfig) -> Generator[NewSentences, None, None]:
    """Tell a file's format, and open it.

    Raises:
        DataError: the content cannot be used; the message names the line.
        UsageError: columns that the format does not have, or it is not plain which are meant.
    """
    format = options.format if options.format != "auto" else tell_format(path, options.encoding)
    source = SentenceSource(format, options.text, options.label, options.encoding, [])
    tally = Tally(str(path))
    if format in _LISTS:
        opened = _open_lists(path, source, format, need_label=True, tally=tally)
        source = replace(source, text=opened.columns.text, label=opened.columns.label)
        tally.say(f'the words are "{printable(opened.columns.text)}", their labels "{printable(opened.columns.label)}"')
        sentences = opened.sentences
    else:
        sentences = read_tagged(path, source)
    with closing(sentences):
        examples: Iterator[Sentence] = sentences
        if format == "conll" and options.label is None:
            # Remembered by its number: another file's last column may be a layer more or less.
            first = next(sentences)
            assert isinstance(first, ColumnSentence)
            source = replace(source, label=str(first.label_column))
            examples = chain([first], sentences)
        yield NewSentences(examples, lambda: replace(source, notes=tally.notes()))


def format_of(path: StrPath, source: SentenceSource, encoding: str | None = None, format: str | None = None) -> Format:
    """Give the format that a file is read in: that of `source`, or another one that was asked for, or told by it.

    Raises:
        DataError: the file cannot be read, or looks like none.
        UsageError: there is no such format.
    """
    if format == "auto":
        return tell_format(path, encoding or source.encoding)
    for known in _FORMATS:
        if known == (format or source.format):
            return known
    raise UsageError(f"expected one of the formats auto, {', '.join(_FORMATS)}; found {format or source.format!r}")


def read_tagged(
    path: StrPath,
    source: SentenceSource,
    *,
    need_label: bool = True,
    encoding: str | None = None,
    format: str | None = None,
    tally: Tally | None = None,
) -> Generator[Sentence, None, None]:
    """Yield sentences, read as the file that `source` tells about was, without holding them in memory.

    Args:
        path: the file.
        source: how another one was read.
        need_label: whether every word must have a label.
        encoding: how its bytes are read, where not as those of the other file.
        format: its format, where not that of the other file.
        tally: counts what is passed over.

    Raises:
        DataError: the content cannot be used; the message names the line.
        UsageError: columns that the format does not have, or it is not plain which are meant.
    """
    kind = format_of(path, source, encoding, format)
    source = replace(source, encoding=encoding or source.encoding)
    if kind in _LISTS:
        return _open_lists(path, source, kind, need_label=need_label, tally=tally).sentences
    text, label = _columns(source, kind)
    if kind == "conllu":
        return read_conllu(
            path, label=label or "upos", text=text or "form", encoding=source.encoding, need_label=need_label
        )
    numbers = _number(text), _number(label)
    return read_conll(path, text=numbers[0] or 1, label=numbers[1], encoding=source.encoding, need_label=need_label)


def read_rows(path: StrPath, source: SentenceSource) -> Generator[RowSentence, None, None]:
    """Yield the sentences of a Parquet file, with labels or without, so that its rows can be written again.

    Raises:
        DataError: the content cannot be used; the message names the row.
        UsageError: it is not plain which columns are meant, or pyarrow is not installed.
    """
    return _open_lists(path, source, "parquet", need_label=False).sentences


def _open_lists(
    path: StrPath, source: SentenceSource, kind: Format, *, need_label: bool, tally: Tally | None = None
) -> ListFile:
    text, label = _columns(source, kind)
    if kind == "parquet":
        return open_parquet_lists(path, text=text, label=label, need_label=need_label)
    return open_jsonl_lists(path, text=text, label=label, encoding=source.encoding, need_label=need_label, tally=tally)


def _columns(source: SentenceSource, kind: Format) -> tuple[str | None, str | None]:
    """Give the columns that were asked for; another format has other ones, whose own are meant then."""
    alike = kind == source.format or {kind, source.format} <= set(_LISTS)
    return (source.text, source.label) if alike else (None, None)


def _number(column: str | None) -> int | None:
    if column is None:
        return None
    if not is_number(column):
        raise UsageError(
            f"expected a column's number, counted from 1, as CoNLL columns have no names; found {column!r}"
        )
    return int(column)


def tell_format(path: StrPath, encoding: str) -> Format:
    """Tell a file's format by its name, or by what is inside.

    That is Parquet's first bytes, a JSON object, or ten columns of which the first counts the words; of anything else
    that is text, CoNLL columns.

    Raises:
        DataError: the file cannot be read, or looks like none.
        UsageError: for a pipe whose name does not tell.
    """
    told = by_bytes(path)
    if told == "parquet":
        return "parquet"
    if told == "archive" or Path(path).is_dir():
        found = "a folder" if told is None else "an archive"
        raise DataError(f"expected a file of sentences, found {found}", path=str(path))
    if plain_name(path).suffix.lower() == ".conllu":
        return "conllu"
    if by_ending(path) == "jsonl":
        return "jsonl"
    if Path(path).exists() and not Path(path).is_file():
        # It can be read only once: what is looked at here would be missing later.
        raise UsageError(f"{path}: expected --format conllu, conll or jsonl for a pipe, found none")
    with closing(read_lines(path, encoding)) as lines:
        for line in islice(lines, _LOOKED_AT):
            fields = line.split("\t")
            if len(fields) == 10 and fields[0].partition("-")[0].partition(".")[0] in ("0", "1"):
                return "conllu"
            if line.strip() and not line.startswith("#"):
                return "jsonl" if first_object(line) or is_array(line) else "conll"
    return "conll"
