"""Words and labels as two lists of equal length: which keys or columns hold them, and what the lists may hold."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from throughtime.data.readers.jsonl import kind_of, whole
from throughtime.data.readers.names import TAGS_NAMES, WORDS_NAMES, find_column, is_number
from throughtime.data.readers.rows import printable, shown
from throughtime.errors import DataError, UsageError

__all__ = ["ADDED", "ListFile", "Number", "Pair", "Place", "choose_lists", "labels_of", "words_of"]

ADDED = "labels"
"""What the labels are called that are added to a file without any."""


class Number(NamedTuple):
    """A number as it is spelt, so that no text is taken for one."""

    text: str


class Pair(NamedTuple):
    """The keys, or columns, of the words and of their labels."""

    text: str
    label: str


class Place(NamedTuple):
    """Where a list stands."""

    path: str
    line: int
    column: str

    def error(self, message: str) -> DataError:
        """Give the error for what stands there."""
        return DataError(message, path=self.path, line=self.line, column=self.column)


@dataclass(frozen=True)
class ListFile:
    """An open file: what holds words and labels, and the sentences, whose generator is to be closed."""

    columns: Pair
    sentences: Generator[Any, None, None] = field(repr=False)


def choose_lists(
    names: Sequence[str],
    lists: Collection[str],
    plain: Collection[str],
    wanted: tuple[str | None, str | None],
    path: str,
    *,
    need_label: bool = True,
) -> Pair:
    """Pick what holds words and what holds labels: as it was asked for, by well-known names, or as the other of two.

    Args:
        names: the keys or columns.
        lists: those that hold lists; a well-known name is taken if it is the only one of these, or of `plain`.
        plain: those that hold lists of texts, all of one length as far as that can be seen.
        wanted: names, or numbers from 1, of the words and the labels that were asked for.
        path: the file.
        need_label: whether there must be labels; else they may be added, by the name asked for or as `labels`.

    Raises:
        DataError: what was asked for is not there.
        UsageError: it is not plain which is which, or both are one.

    >>> choose_lists(["id", "words", "chunks"], ["words", "chunks"], ["words", "chunks"], (None, None), "a.jsonl")
    Pair(text='words', label='chunks')
    >>> choose_lists(["tokens", "ner"], ["tokens"], ["tokens"], (None, "2"), "a.jsonl")
    Pair(text='tokens', label='ner')
    """
    text = None if wanted[0] is None else names[find_column(names, wanted[0], path)]
    label = None if wanted[1] is None else _label(names, wanted[1], path, need_label)
    if text is not None and text == label:
        raise UsageError(f'the text and the label cannot be the same, "{printable(text)}"')
    known = [_known(names, lists, kind, (text, label)) for kind in (WORDS_NAMES, TAGS_NAMES)]
    text = text or _plainest(known[0], plain)
    label = label or _plainest([name for name in known[1] if name != text], plain)
    if len(plain) == 2 and (text in plain) != (label in plain):
        text = text or _only([name for name in plain if name != label])
        label = label or _only([name for name in plain if name != text])
    if not label and not known[1] and not need_label:
        label = ADDED
    if text and label:
        return Pair(text, label)
    say = " and ".join([*(["--text"] if not text else []), *(["--label"] if not label else [])])
    raise UsageError(
        f"{path}: expected to see which list holds the words and which their labels, found {shown(tuple(names))}: "
        f"say {say}, each with a name or a number from 1"
    )


def words_of(value: object, place: Place) -> list[str]:
    """Give a list of words; it may be empty.

    Raises:
        DataError: it is no list, or a word is empty or no text.
    """
    if not isinstance(value, list):
        raise place.error(f"expected a list of words, found {_said(value)}")
    for number, word in enumerate(value, 1):
        if not isinstance(word, str):
            raise place.error(f"expected words that are texts, found {_said(word)} as word {number}")
        if not word:
            raise place.error(f"expected a word, found an empty text as word {number}")
        whole(word, place.column, place.path, place.line)
    return value


def labels_of(value: object, count: int, place: Place, *, need_label: bool) -> list[str] | None:
    """Give the labels of `count` words, or None where some are null and `need_label` does not forbid it.

    Raises:
        DataError: there are more or fewer, it is no list, or a label is empty or no text.
    """
    if value is None and not need_label:
        return None
    if not isinstance(value, list):
        raise place.error(f"expected a list of labels, found {_said(value)}")
    if len(value) != count:
        expected = "1 label" if count == 1 else f"{count} labels"
        raise place.error(f"expected {expected}, one for each word, found {len(value)}")
    for number, label in enumerate(value, 1):
        if label is None and not need_label:
            return None
        if not isinstance(label, str):
            found = f"found {_said(label)} as label {number}"
            raise place.error(f"expected labels that are texts, {found}{_advice(isinstance(label, Number | int))}")
        if not label:
            raise place.error(f"expected a label, found an empty text as label {number}")
        whole(label, place.column, place.path, place.line)
    return value


def _advice(is_number: bool) -> str:
    """What to do with labels as Hugging Face's data sets often have them."""
    return ": write the label's name in place of its number" if is_number else ""


def _label(names: Sequence[str], wanted: str, path: str, need_label: bool) -> str:
    try:
        return names[find_column(names, wanted, path)]
    except DataError:
        if need_label or is_number(wanted):
            raise
    return wanted


def _known(
    names: Sequence[str], lists: Collection[str], kind: Collection[str], taken: tuple[str | None, ...]
) -> list[str]:
    """Give those under a well-known name that are not taken."""
    return [name for name in names if name in lists and name not in taken and name.strip().casefold() in kind]


def _plainest(names: Sequence[str], plain: Collection[str]) -> str | None:
    """Give the only name, or of several the only one whose lists hold texts."""
    return _only(names) or _only([name for name in names if name in plain])


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _said(value: object) -> str:
    """Say what a value is."""
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Number):
        return f"the number {value.text if len(value.text) <= 20 else value.text[:17] + '...'}"
    return "true or false" if isinstance(value, bool) else kind_of(value)
