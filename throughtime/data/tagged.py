"""Files of sentences whose words have labels: told apart, read, and read again alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from throughtime.config import Config
from throughtime.data.files import StrPath, plain_name, read_lines
from throughtime.data.readers.conll import read_conll
from throughtime.data.readers.conllu import read_conllu
from throughtime.data.readers.names import is_number
from throughtime.data.readers.sentences import Sentence
from throughtime.errors import DataError, UsageError

__all__ = ["SentenceConfig", "SentenceFiles", "SentenceSource", "open_new_sentences", "read_tagged"]

Format = Literal["conllu", "conll"]
_LOOKED_AT = 1000  # lines, comments mostly, before the first word of a file


class SentenceConfig(Config):
    """Which columns, which format, and what is held out."""

    text: str | None = Field(None, description="the words' column: its number from 1, or its name (default: form; 1)")
    label: str | None = Field(
        None, description="the labels' column: its number from 1, or its name (default: upos; the last one)"
    )
    format: Literal["auto", "conllu", "conll"] = Field(
        "auto", description="the files' format; told from name and content otherwise"
    )
    encoding: str = Field("utf-8", description="how the files' bytes are read")
    valid: str = Field("0.1", description="choose by this: a file, or a share held out by the seed (0 for none)")
    strict: bool = Field(False, description="refuse data that looks wrong, where otherwise there is a warning")
    test: str | None = Field(None, description="report on this at the end: a file, or a share held out by the seed")


@dataclass(frozen=True)
class SentenceSource:
    """How a file was read, so that another of its kind can be read alike; plain values, ready for JSON.

    `text` and `label` are the columns as they were asked for; none for the format's own.
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

    def open_new(self, path: Path) -> AbstractContextManager[NewSentences]:
        """A file whose format is to be told."""
        return open_new_sentences(path, self.options)

    def like(self, path: Path, source: SentenceSource) -> Iterable[Sentence]:
        """Another file like it."""
        return read_tagged(path, source)

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
        UsageError: columns that the format does not have.
    """
    format = options.format if options.format != "auto" else tell_format(path, options.encoding)
    source = SentenceSource(format, options.text, options.label, options.encoding, [])
    with closing(read_tagged(path, source)) as examples:
        yield NewSentences(examples, lambda: source)


def read_tagged(
    path: StrPath,
    source: SentenceSource,
    *,
    need_label: bool = True,
    encoding: str | None = None,
    format: str | None = None,
) -> Generator[Sentence, None, None]:
    """Yield sentences, read as the file that `source` tells about was, without holding them in memory.

    Raises:
        DataError: the content cannot be used; the message names the line.
        UsageError: columns that the format does not have.
    """
    encoding, kind = encoding or source.encoding, format or source.format
    # Another format has other columns: its own ones are meant then.
    text, label = (source.text, source.label) if kind == source.format else (None, None)
    if kind == "conllu":
        return read_conllu(path, label=label or "upos", text=text or "form", encoding=encoding, need_label=need_label)
    if kind == "conll":
        numbers = _number(text), _number(label)
        return read_conll(path, text=numbers[0] or 1, label=numbers[1], encoding=encoding, need_label=need_label)
    raise UsageError(f"expected one of the formats conllu, conll; found {kind!r}")


def _number(column: str | None) -> int | None:
    if column is None:
        return None
    if not is_number(column):
        raise UsageError(
            f"expected a column's number, counted from 1, as CoNLL columns have no names; found {column!r}"
        )
    return int(column)


def tell_format(path: StrPath, encoding: str) -> Format:
    """Tell CoNLL-U from CoNLL columns: by the name, or by ten columns of which the first counts the words.

    Raises:
        DataError: the file cannot be read, or looks like neither.
        UsageError: for a pipe.
    """
    if plain_name(path).suffix.lower() == ".conllu":
        return "conllu"
    if Path(path).is_dir():
        raise DataError("expected a file of sentences, one word a line, found a folder", path=str(path))
    if Path(path).exists() and not Path(path).is_file():
        # It can be read only once: what is looked at here would be missing later.
        raise UsageError(f"{path}: expected --format conllu or conll for a pipe, found none")
    with closing(read_lines(path, encoding)) as lines:
        for line in islice(lines, _LOOKED_AT):
            fields = line.split("\t")
            if len(fields) == 10 and fields[0].partition("-")[0].partition(".")[0] in ("0", "1"):
                return "conllu"
            if line.strip() and not line.startswith("#"):
                return "conll"
    return "conll"
