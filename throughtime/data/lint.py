"""What looks wrong with labelled data before anything is learnt from it: counted, with the places to look at.

Texts are compared as they stand, but for blanks around them. What is kept of each is a hash of 64 bits, whatever
its length; in a million rows two different texts share one with a probability of 3 in 100 million.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from pathlib import PurePath
from typing import Any, Protocol, cast

import numpy as np

from throughtime.data.columns import Source, open_examples
from throughtime.data.packed import StrPath
from throughtime.data.readers.rows import shown
from throughtime.data.spans import parse
from throughtime.errors import DataError

__all__ = ["Labelled", "Place", "Warning", "lint", "other_columns", "sampled"]

SHOWN = 5
"""Places that a warning keeps."""

NEARLY = 0.99
"""The share of rows that something must get right to be suspicious."""

_FEWEST = 20  # rows of a class, or tests of a column, below which a perfect rule may be chance
_SAMPLE = 64  # rows of a class that a word is first looked for in; fewer where there are many classes
_CANDIDATES = 10  # words of a class that are then looked for in all rows
_MOST = 100_000  # rows, evenly spread, that other columns are tested on


class Labelled(Protocol):
    """A text with its label and where both stand; an `Example` is one."""

    @property
    def text(self) -> str:
        """The text."""

    @property
    def label(self) -> str | None:
        """What the file calls its class, or its number."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def line(self) -> int:
        """The line in it."""


@dataclass(frozen=True)
class Place:
    """A line of a file, and the earlier one that it is like, if there is one.

    >>> print(Place("a.csv", 9, Place("a.csv", 3)))
    a.csv, line 9 (as line 3)
    """

    path: str
    line: int
    like: Place | None = None

    def __str__(self) -> str:
        if self.like is None:
            return f"{self.path}, line {self.line}"
        return f"{self.path}, line {self.line} (as {self._other(self.like)})"

    def _other(self, like: Place) -> str:
        """Say of the earlier place only what is different."""
        if like.path == self.path:
            return f"line {like.line}"
        here, there = PurePath(self.path), PurePath(like.path)
        return f"{there.name if there.parent == here.parent else there}, line {like.line}"


@dataclass(frozen=True)
class Warning:
    """Something that looks wrong, how many rows (or labels) it concerns, and the first places.

    >>> print(Warning("rows repeat an earlier text and label", 3, (Place("a.csv", 9, Place("a.csv", 3)),)))
    3 rows repeat an earlier text and label: a.csv, line 9 (as line 3); ...
    """

    sentence: str
    count: int
    places: tuple[Place, ...] = ()

    def __str__(self) -> str:
        more = ["..."] if self.places and self.count > len(self.places) else []
        where = "; ".join([*map(str, self.places), *more])
        return f"{self.count:,} {self.sentence}" + (f": {where}" if where else "")


def lint(
    train: Sequence[Labelled],
    valid: Sequence[Labelled] = (),
    test: Sequence[Labelled] = (),
    *,
    value: Callable[[Any], Hashable] = attrgetter("label"),
    columns: Mapping[str, Sequence[Hashable]] | None = None,
    called: str = "row",
    holds: tuple[str, str] = ("text", "label"),
    several: bool = False,
) -> list[Warning]:
    """Give what looks wrong: repeated and contradicting rows, rows in several parts, lonely labels, telltale columns.

    Values are classes, or numbers (int or float), which may well stand alone and are not looked for in words. Empty
    texts are passed over: the readers have counted them already. Memory holds some numbers a row, but no texts.

    Args:
        train: the rows to learn from.
        valid: those to choose by.
        test: those to report on.
        value: what a row's label means; the label itself, if it is not said.
        columns: the table's other columns by name, with the values of `sampled(train)`; see `other_columns`.
        called: what a row is called.
        holds: what its text and its label are called; where it has none, the latter is empty.
        several: whether one text may well have several labels.

    >>> from throughtime.data import Example
    >>> rows = [Example(text, label, "a.csv", line) for line, (text, label) in enumerate(
    ...     [("fine", "good"), ("dull", "bad"), ("fine", "good"), ("dull", "good")], 2)]
    >>> for warning in lint(rows):
    ...     print(warning)
    1 row repeats an earlier text and label: a.csv, line 4 (as line 2)
    1 row repeats an earlier text with another label: a.csv, line 5 (as line 3)
    1 label stands on a single row of the training data ("bad"): a.csv, line 3
    """
    parts = {"training": _part(train, value), "validation": _part(valid, value), "test": _part(test, value)}
    learnt = parts["training"]
    found = [*_repeats(learnt, called, holds, several), *_shared(parts, called, holds[0])]
    if None in learnt.values:
        return found
    found += _telltale_columns(learnt, columns or {})
    if all(isinstance(value, str) for value in learnt.values):  # classes, not numbers or the tags of a sentence
        found += [*_lonely(parts), *_telltale_words(learnt)]
    elif learnt.values and all(isinstance(value, tuple) for value in learnt.values):
        found += _new_tags(parts)
    return found


def sampled(rows: Sequence[Any]) -> Sequence[Any]:
    """Give the rows that other columns are tested on: all, or some 100,000 of them, evenly spread."""
    return rows[:: -(-len(rows) // _MOST)] if len(rows) > _MOST else rows


def other_columns(path: StrPath, source: Source, rows: Sequence[Labelled]) -> dict[str, array[int]]:
    """Read a table again for its columns beside text and label: of each a hash of its value in `sampled(rows)`.

    Raises:
        DataError: the file is no longer what it was.
    """
    if source.format not in ("csv", "tsv", "jsonl", "parquet"):
        return {}
    with open_examples(path, source) as opened:
        taken = {source.text_number - 1, (source.label_number or 0) - 1}
        others = {index: name for index, name in enumerate(opened.names) if index not in taken}
        if not others:
            return {}
        places = [(row.path, row.line) for row in sampled(rows)]
        values: dict[tuple[str, int], tuple[int, ...]] = dict.fromkeys(places, ())
        for row, _ in opened.rows:
            if (row.path, row.line) in values:
                values[row.path, row.line] = tuple(hash(row.fields[index]) for index in others)
    wanted = [values[place] for place in places]
    if not all(wanted):
        raise DataError("expected the rows that were read before, found others", path=path)
    return {
        name if opened.header or not name.isdecimal() else f"column {name}": array("q", [row[at] for row in wanted])
        for at, name in enumerate(others.values())
    }


@dataclass(frozen=True)
class _Part:
    """Rows, what the label of each means, and a hash of its text, 0 for an empty one."""

    rows: Sequence[Labelled]
    values: list[Hashable]
    hashes: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, row: int, like: Place | None = None) -> Place:
        return Place(self.rows[row].path, self.rows[row].line, like)

    def first(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The distinct hashes in order, the first row of each, and which of them each row has."""
        return np.unique(self.hashes, return_index=True, return_inverse=True)


def _part(rows: Sequence[Labelled], value: Callable[[Any], Hashable]) -> _Part:
    hashes, values = np.zeros(len(rows), np.int64), []
    for number, row in enumerate(rows):
        values.append(value(row))
        if text := row.text.strip():
            hashes[number] = hash(text) or 1
    return _Part(rows, values, hashes)


@dataclass
class _Found:
    """Counts rows, and keeps the first places."""

    count: int = 0
    places: list[Place] = field(default_factory=list)

    def add(self, part: _Part, row: int, there: _Part | None = None, like: int = 0) -> None:
        self.add_place(part.place(row, there.place(like) if there else None))

    def add_place(self, place: Place) -> None:
        self.count += 1
        if len(self.places) < SHOWN:
            self.places.append(place)

    def warning(self, one: str, several: str) -> Iterator[Warning]:
        """Give a warning, unless nothing was met."""
        if self.count:
            yield Warning(one if self.count == 1 else several, self.count, tuple(self.places))


# ---- rows that stand again ----


def _repeats(part: _Part, called: str, holds: tuple[str, str], several: bool) -> Iterator[Warning]:
    text, label = holds
    same, other = _Found(), _Found()
    more: set[tuple[int, Hashable]] = set()  # values of a text beside that of its first row
    _, first, which = part.first()
    earlier = first[which]
    for row in np.flatnonzero((earlier != np.arange(len(part))) & (part.hashes != 0)).tolist():
        at, what = int(earlier[row]), part.values[row]
        if what == part.values[at] or (at, what) in more:
            same.add(part, row, part, at)
        else:
            more.add((at, what))
            other.add(part, row, part, at)
    for found, like in ((same, f"{text} and {label}" if label else text), (other, f"{text} with another {label}")):
        if found is same or not several:
            yield from found.warning(f"{called} repeats an earlier {like}", f"{called}s repeat an earlier {like}")


def _shared(parts: Mapping[str, _Part], called: str, text: str) -> Iterator[Warning]:
    for here, there in (("validation", "training"), ("test", "training"), ("test", "validation")):
        found, part, other = _Found(), parts[here], parts[there]
        if not len(part) or not len(other):
            continue
        hashes, first, _ = other.first()
        places = np.searchsorted(hashes, part.hashes).clip(max=len(hashes) - 1)
        for row in np.flatnonzero((hashes[places] == part.hashes) & (part.hashes != 0)).tolist():
            found.add(part, row, other, int(first[places[row]]))
        yield from found.warning(
            f"{called} of the {here} data has a {text} of the {there} data",
            f"{called}s of the {here} data have a {text} of the {there} data",
        )


# ---- labels ----


def _lonely(parts: Mapping[str, _Part]) -> Iterator[Warning]:
    """Labels on a single row, and those that one part has and another has not."""
    counts = {name: Counter(part.values) for name, part in parts.items()}
    once = {label for label, count in counts["training"].items() if count == 1}
    yield from _of_labels(parts["training"], once, "on a single row of the training data", "")
    for name in ("validation", "test"):
        if not len(parts[name]):
            continue
        missing = counts["training"].keys() - counts[name].keys() - once
        yield from _of_labels(parts["training"], missing, "in the training data", f" and not in the {name} data")
        new = counts[name].keys() - counts["training"].keys()
        yield from _of_labels(parts[name], new, f"in the {name} data", " and not in the training data")


def _of_labels(part: _Part, labels: set[Hashable], where: str, lacking: str) -> Iterator[Warning]:
    found, left = _Found(), set(labels)
    for row, label in enumerate(part.values) if left else ():
        if label in left:
            left.remove(label)
            found.add(part, row)
    names = shown(sorted(map(str, labels)), SHOWN)
    yield from found.warning(f"label stands {where}{lacking} ({names})", f"labels stand {where}{lacking} ({names})")


def _new_tags(parts: Mapping[str, _Part]) -> Iterator[Warning]:
    """Words with a label that the training data has not; of spans, with a type that it has not."""
    labels = {name: cast("list[tuple[str, ...]]", part.values) for name, part in parts.items()}
    known = set(chain.from_iterable(labels["training"]))
    tags = [parse(label) for label in known]
    spans, types = all(tags), {tag.type for tag in tags if tag}
    for name in ("validation", "test"):
        found, new = _Found(), set[str]()
        for sentence, own in zip(parts[name].rows, labels[name], strict=True):
            for at, label in enumerate(own):
                tag = parse(label) if spans else None
                if label not in known and not (tag and tag.type in types):
                    new.add(label)
                    found.add_place(Place(sentence.path, cast(Any, sentence).lines[at]))
        what = f"a label that the training data does not show ({shown(sorted(new), SHOWN)})"
        yield from found.warning(f"word of the {name} data has {what}", f"words of the {name} data have {what}")


# ---- what tells the label too well ----


def _telltale_columns(part: _Part, columns: Mapping[str, Sequence[Hashable]]) -> Iterator[Warning]:
    labels = sampled(part.values)
    for name, values in columns.items():
        right, tests = _predicted(values, labels)
        if tests >= max(_FEWEST, len(labels) // 2) and right >= NEARLY * tests and _is_news(right, tests, labels):
            yield Warning(
                f'rows have a column "{name}" that tells the label by itself ({right / tests:.1%} right): '
                "was it known before the label?",
                len(part),
                (part.place(0),),
            )


def _predicted(values: Sequence[Hashable], labels: Sequence[Hashable]) -> tuple[int, int]:
    """Give how many rows a column's values predict rightly, and of how many.

    Of each value's rows one teaches its most frequent label and the others are tests, so that a number that every
    row has for itself predicts nothing.
    """
    best: dict[Hashable, int] = {}
    for (value, _), count in Counter(zip(values, labels, strict=True)).items():
        best[value] = max(count, best.get(value, 0))
    return sum(best.values()) - len(best), len(labels) - len(best)


def _is_news(right: int, tests: int, labels: Sequence[Hashable]) -> bool:
    """Tell whether the mistakes are at most a tenth of those of always saying the most frequent label."""
    most = Counter(labels).most_common(1)[0][1] / len(labels)
    return (1 - right / tests) <= 0.1 * (1 - most) and most < 1


def _telltale_words(part: _Part) -> Iterator[Warning]:
    """Words that stand in nearly all texts of one label and in hardly any of another."""
    by_label: dict[Hashable, array[int]] = {}
    for row, value in enumerate(part.values):
        by_label.setdefault(value, array("q")).append(row)
    if len(by_label) < 2:
        return
    size = max(8, min(_SAMPLE, 4096 // len(by_label)))
    samples = {label: _spread(part.rows, own, size) for label, own in by_label.items()}
    candidates = {
        label: _candidates(label, samples)[:_CANDIDATES]
        for label, own in by_label.items()
        if min(len(own), len(part) - len(own)) >= _FEWEST
    }
    met = _holding(part, {word for words in candidates.values() for word in words})
    for label, words in candidates.items():
        size = len(by_label[label])
        others = len(part) - size
        for word in words:
            inside = met[word][label].count
            outside = sum(found.count for found in met[word].values()) - inside
            if inside >= NEARLY * size and outside <= (1 - NEARLY) * min(size, others):
                yield Warning(
                    f'texts hold the word {shown([word])}, which tells the label "{label}" by itself '
                    f"({inside:,} of its {size:,} texts hold it, {outside:,} of {others:,} others): "
                    "was it there before the label?",
                    inside + outside,
                    tuple(met[word][label].places),
                )
                break  # one word of a template is enough


def _holding(part: _Part, words: set[str]) -> dict[str, dict[Hashable, _Found]]:
    """For each word, and each label, how many texts hold it."""
    met: dict[str, dict[Hashable, _Found]] = {word: defaultdict(_Found) for word in words}
    for row, labelled in enumerate(part.rows if words else ()):
        for word in words.intersection(labelled.text.split()):
            met[word][part.values[row]].add(part, row)
    return met


def _spread(rows: Sequence[Labelled], own: Sequence[int], size: int) -> list[frozenset[str]]:
    """Give the words of a sample of rows, spread evenly: files are often sorted."""
    step = max(1, len(own) // size)
    return [frozenset(rows[row].text.split()) for row in own[::step][:size]]


def _candidates(label: Hashable, samples: Mapping[Hashable, Sequence[frozenset[str]]]) -> list[str]:
    """Give the words that, by the samples, are worth a look at all rows."""
    own = samples[label]
    counts = Counter(word for words in own for word in words)
    often = {word for word, count in counts.items() if count >= 0.95 * len(own)}
    for other, sample in samples.items():
        if other != label and often:
            met = Counter(word for words in sample for word in words & often)
            often -= {word for word, count in met.items() if count > 0.05 * len(sample) + 1}
    return sorted(often)
