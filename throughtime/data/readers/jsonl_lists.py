"""JSON lines of sentences: one object a line, with a list of words and a list of their labels."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

from throughtime.data.files import StrPath, check_encoding, text_blocks, whole_lines
from throughtime.data.readers.jsonl import missing_key, read_object
from throughtime.data.readers.lists import ListFile, Number, Pair, Place, choose_lists, labels_of, words_of
from throughtime.data.readers.rows import BLANK_LINE, Tally
from throughtime.data.readers.sentences import MARK, Sentence, no_sentences

__all__ = ["LineSentence", "open_jsonl_lists"]

_BLANKS = re.compile(r"[ \t\r\n]*")


class _Span(NamedTuple):
    """Where the labels stand in the line, or are to be added (`begin == end`); a blank if its colons have one."""

    begin: int
    end: int
    blank: str


@final
@dataclass(frozen=True, slots=True)
class LineSentence(Sentence):
    """A sentence of T tokens that is an object on a line; blank lines before it, or at the file's end, are with it."""

    _before: str = field(repr=False)
    _raw: str = field(repr=False)
    _after: str = field(repr=False)
    _key: str = field(repr=False)
    _span: _Span = field(repr=False)

    def written(self, labels: Sequence[str] | None = None) -> str:
        r"""Give its line as it stands, or with other labels in their place and all else the same.

        They are spaced as the line is, and spelt in ASCII where it is.

        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "a.jsonl")
        ...     _ = file.write_bytes(b'{"tokens":["New","York"]}\r\n')
        ...     [sentence] = open_jsonl_lists(file, need_label=False).sentences
        >>> sentence.written(["B", "I"])
        '{"tokens":["New","York"],"labels":["B","I"]}\r\n'
        """
        if labels is None:
            return f"{self._before}{self._raw}{self._after}"
        self.check_count(labels)
        raw, (begin, end, blank) = self._raw, self._span
        ascii = raw.isascii()
        new = json.dumps(list(labels), ensure_ascii=ascii, separators=(f",{blank}", f":{blank}"))
        if begin == end:
            new = f",{blank}{json.dumps(self._key, ensure_ascii=ascii)}:{blank}{new}"
        return f"{self._before}{raw[:begin]}{new}{raw[end:]}{self._after}"


def open_jsonl_lists(
    path: StrPath,
    *,
    text: str | None = None,
    label: str | None = None,
    encoding: str = "utf-8",
    need_label: bool = True,
    tally: Tally | None = None,
) -> ListFile:
    r"""Open a file of JSON lines, gzipped or not, whose sentences are read in constant memory.

    Args:
        path: the file.
        text: the key of the words, its name or its number from 1 in the first object; by default a well-known name.
        label: that of the labels.
        encoding: how its bytes are read.
        need_label: whether every sentence must have words and a label for each. Without, labels may be null or
            missing, and a sentence may have no words.
        tally: counts blank lines.

    Raises:
        DataError: the file cannot be read; the message names the line, what was expected and what was found.
        UsageError: it is not plain which keys are meant, both are one, or the encoding is unknown.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"id": 1, "tokens": ["New", "York"], "ner_tags": ["B-LOC", "I-LOC"]}\n')
    ...     opened = open_jsonl_lists(file)
    ...     [(s.tokens, s.labels, s.lines) for s in opened.sentences], opened.columns.label
    ([(['New', 'York'], ['B-LOC', 'I-LOC'], [1, 1])], 'ner_tags')
    """
    check_encoding(encoding)
    reader = _Reader(str(path), (text, label), need_label, tally or Tally(str(path)))
    source = reader.read(path, encoding)
    try:
        columns = next(source)  # and so the file is open, and closed with the generator
    except BaseException:
        source.close()
        raise
    return ListFile(columns, source)


@dataclass(frozen=True)
class _Reader:
    path: str
    wanted: tuple[str | None, str | None]
    need_label: bool
    tally: Tally

    def read(self, path: StrPath, encoding: str) -> Generator[Any, None, None]:
        """Yield the keys, and then one sentence after the other; the last one has the blank lines behind it."""
        columns: Pair | None = None
        held: tuple[str, str, int] | None = None  # given when it is known that another follows
        blanks: list[str] = []
        with closing(text_blocks(path, encoding, keep_mark=True)) as blocks:
            for number, line in enumerate(whole_lines(blocks), 1):
                if not line.removeprefix(MARK if number == 1 else "").strip(" \t\r\n"):
                    self.tally.add(BLANK_LINE, self.path, number)
                    blanks.append(line)
                    continue
                if columns is None:
                    columns = self._columns(line, number)
                    yield columns
                if held is not None:
                    yield self._sentence(columns, *held)
                held, blanks = ("".join(blanks), line, number), []
        if columns is None or held is None:
            raise no_sentences(self.path, "only blank lines" if blanks else None)
        yield self._sentence(columns, *held, "".join(blanks))

    def _columns(self, line: str, number: int) -> Pair:
        value = self._object(line, number, first=True)
        lists = {key: found for key, found in value.items() if isinstance(found, list)}
        texts = [key for key, found in lists.items() if all(isinstance(word, str) for word in found)]
        plain = texts if len({len(lists[key]) for key in texts}) == 1 else []
        if not self.need_label:
            lists |= {key: [] for key, found in value.items() if found is None}
        return choose_lists(tuple(value), lists.keys(), plain, self.wanted, self.path, need_label=self.need_label)

    def _sentence(self, keys: Pair, before: str, line: str, number: int, after: str = "") -> LineSentence:
        value = self._object(line, number)
        if keys.text not in value:
            raise missing_key(keys.text, value, self.path, number)
        if keys.label not in value and self.need_label:
            raise missing_key(keys.label, value, self.path, number)
        place = Place(self.path, number, keys.text)
        tokens = words_of(value[keys.text], place)
        if not tokens and self.need_label:
            raise place.error("expected words, found an empty list")
        place = place._replace(column=keys.label)
        labels = labels_of(value.get(keys.label), len(tokens), place, need_label=self.need_label)
        span, lines = _span(line, keys.label), [number] * len(tokens)
        return LineSentence(tokens, labels, lines, self.path, number, before, line, after, keys.label, span)

    def _object(self, line: str, number: int, *, first: bool = False) -> dict[str, object]:
        line = line.removeprefix(MARK) if number == 1 else line
        return read_object(line, self.path, number, first=first, numbers=Number)


def _span(line: str, key: str) -> _Span:
    """Give where a key's value stands in a line that is an object, or else where its last value ends."""
    members = list(_members(line))
    blank = " " if line[members[0][1] - 1] == " " else ""
    for name, begin, end in members:
        if name == key:
            return _Span(begin, end, blank)
    last = members[-1][2]
    return _Span(last, last, blank)


def _members(line: str) -> Iterator[tuple[str, int, int]]:
    """Yield the keys of a line that is an object, and where each one's value begins and ends."""
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    at = _after_blanks(line, line.index("{") + 1)
    while line[at] != "}":
        name, at = decoder.raw_decode(line, at)
        begin = _after_blanks(line, _after_blanks(line, at) + 1)
        _, end = decoder.raw_decode(line, begin)
        yield name, begin, end
        at = _after_blanks(line, end)
        at = _after_blanks(line, at + 1) if line[at] == "," else at


def _after_blanks(line: str, at: int) -> int:
    found = _BLANKS.match(line, at)
    return found.end() if found else at
