"""Telling a file's format from its name and, where that says nothing, from what is inside.

A wrong guess costs more than a question, so every test asks for evidence that prose does not give by chance,
and what fits nothing is refused with the words that force a format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Literal

from throughtime.data.files import StrPath, plain_name, without_return
from throughtime.data.packed import first_bytes, is_tar
from throughtime.data.readers.delimited import csv_rows, tell_delimiter
from throughtime.data.readers.jsonl import first_object, is_array
from throughtime.data.readers.lines import FASTTEXT, split_label
from throughtime.data.readers.names import LABEL_NAMES, TEXT_NAMES, known_column
from throughtime.data.readers.parquet import PARQUET
from throughtime.data.readers.rows import Tally
from throughtime.errors import DataError

__all__ = ["by_bytes", "by_content", "by_ending", "by_name", "label_words"]

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
}
_PARQUETS = (".parquet", ".pq")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_SAMPLE = 2000

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_COMPOUND = re.compile(r"[^\W\d_][\w-]*(:[\w-]+)+")
_WORD = re.compile(r"[^\W\d_][\w+&/:-]*(?<!:)")
# Words that open a sentence or a verse again and again, and are nobody's class.
_OPENERS = """
a an the and or but nor so yet for if then else as at by from in into of off on out over to up with
without i you he she it we they me him her us them my your his its our their mine this that these those
there here is are was were be been am do does did have has had can could will would shall should may
might must let who whom whose what which when where why how not no yes all any some one two each every
both o oh
"""
_OPENER_WORDS = frozenset(_OPENERS.split())


def by_bytes(path: StrPath) -> Literal["parquet", "archive"] | None:
    """Tell a Parquet file and a tar archive from their first bytes, or else from their name.

    A name alone is enough, so that one cut off at its beginning is not taken for a strange text.
    """
    raw, inside = first_bytes(path)
    if raw.startswith(PARQUET):
        return "parquet"
    if is_tar(inside):
        return "archive"
    name = str(path).lower()
    if name.endswith(_PARQUETS):
        return "parquet"
    return "archive" if name.endswith(_ARCHIVES) else None


def by_ending(path: StrPath) -> str | None:
    """Tell the format of a text from the name's ending."""
    return _ENDINGS.get(plain_name(path).suffix.lower())


def by_name(path: StrPath, head: Sequence[str]) -> str | None:
    """Tell the format from the name's ending; a `.csv` whose lines are parted by tabs alone is TSV."""
    told = by_ending(path)
    if told == "csv" and head and not {",", ";"} & set(head[0]) and _is_tabbed(head):
        return "tsv"
    return told


def by_content(lines: Sequence[str], path: str, need_label: bool = True) -> tuple[str, str]:
    """Tell the format from the lines that are not blank, and say why.

    Raises:
        DataError: nothing fits; with `need_label=False` the lines are then plain text.
    """
    if is_array(lines[0]):
        return "jsonl", "the file opens a JSON array"  # which the reader refuses, and says what to do
    if first_object(lines[0]):
        return "jsonl", "the first line is a JSON object"
    if _is_tabbed(lines):
        return "tsv", "every line has the same number of tabs"
    if _is_comma_separated(lines, path):
        return "csv", "every row has the same number of fields"
    if labels := label_words(lines):
        several = f"one of {len(labels)} labels" if len(labels) > 1 else "a label"
        return "label-first", f"every line begins with {several}"
    if not need_label:
        return "lines", "nothing else fits"
    raise DataError(
        "expected labelled rows; tried JSON lines, tab-separated, comma-separated and label-first lines, and "
        "none of them fits: say --format csv, tsv, jsonl or label-first if it is one of them (a text alone, "
        "without labels, is --format lines)",
        path=path,
    )


def label_words(lines: Sequence[str]) -> set[str]:
    """Give the labels of label-first lines, or nothing if the lines look like anything else.

    >>> sorted(label_words(["pos a fine film", "neg a dull film", "pos lovely work"]))
    ['neg', 'pos']
    >>> label_words(["the film was fine", "the plot was thin", "we left early"])
    set()
    """
    labels: Counter[str] = Counter()
    alone: Counter[str] = Counter()  # labels with no text behind them
    for line in lines:
        label, text = split_label(without_return(line))
        (labels if text.strip() else alone)[label] += 1
    if all(label.startswith(FASTTEXT) for label in labels | alone):
        return set(labels | alone)
    if alone.total() * 10 > len(lines) or alone.keys() - labels.keys():
        return set()
    return set(labels) if _are_few(labels) and _are_labels(labels, lines) else set()


def _are_few(labels: Counter[str]) -> bool:
    """Two at least, and each for two lines on average; of `DESC:manner` the part before the colon counts."""
    if all(map(_COMPOUND.fullmatch, labels)):
        labels = Counter(label.partition(":")[0] for label in labels.elements())
    total = labels.total()
    return 2 <= len(labels) <= max(2, (total + 1) // 2) and len(labels) < total


def _are_labels(labels: Counter[str], lines: Sequence[str]) -> bool:
    """Judge the few first words that repeat: grades and `DESC:manner` are labels, plain words may be prose."""
    if all(map(_NUMBER.fullmatch, labels)) or all(map(_COMPOUND.fullmatch, labels)):
        return True
    return (
        all(map(_WORD.fullmatch, labels))
        and _repeat_enough(labels)
        and _OPENER_WORDS.isdisjoint(label.casefold() for label in labels)
        and not _look_like_sentences(labels, lines)
        and not _stand_in_texts(labels, lines)
    )


def _repeat_enough(labels: Counter[str]) -> bool:
    """First words of prose have a long tail that occurs once; labels hardly do."""
    once = sum(count == 1 for count in labels.values())
    enough = labels.total() < 50 or len(labels) * 5 <= labels.total()
    return enough and once <= max(1, len(labels) // 5)


def _look_like_sentences(labels: Counter[str], lines: Sequence[str]) -> bool:
    """A capitalised word and then a small one, nearly everywhere, is how sentences begin in most scripts."""
    capitalised = sum(count for label, count in labels.items() if label.istitle())
    small = sum(split_label(line)[1][:1].islower() for line in lines)
    return capitalised * 2 > len(lines) and small * 5 >= len(lines) * 4


def _stand_in_texts(labels: Counter[str], lines: Sequence[str]) -> bool:
    """Words of the language stand inside the lines as often as before them; labels seldom do."""
    words = {label.casefold() for label in labels}
    sample = lines[:_SAMPLE]
    inside = sum(not words.isdisjoint(split_label(line)[1].casefold().split()) for line in sample)
    return inside * 10 > len(sample) * 3


def _is_tabbed(lines: Sequence[str]) -> bool:
    """Nine lines of ten with one number of tabs: the reader then names those that differ."""
    tabs, times = Counter(line.count("\t") for line in lines).most_common(1)[0]
    return tabs > 0 and times * 10 >= len(lines) * 9


def _is_comma_separated(lines: Sequence[str], path: str) -> bool:
    """Equal rows of fields, no blank after the separators as in prose, and a column that could be the label."""
    try:
        rows = [row.fields for row in islice(csv_rows(lines, path, Tally(path), tell_delimiter(lines[0])), _SAMPLE)]
    except DataError:
        return False
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    spaced = sum(any(field.startswith(" ") for field in fields[1:]) for fields in rows)
    if spaced * 20 > len(rows):
        return False
    if known_column(rows[0], TEXT_NAMES) is not None or known_column(rows[0], LABEL_NAMES) is not None:
        return True
    return any(len(set(column)) <= max(2, len(rows) // 2) < len(rows) for column in zip(*rows, strict=True))
