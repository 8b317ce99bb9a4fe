"""Labelled texts, or pairs of texts, on disk, where there are too many for memory."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from throughtime.data.columns import Example
from throughtime.data.mapped import Mapped
from throughtime.data.pair import Pair
from throughtime.data.readers.tables import drained
from throughtime.data.store import make_private

__all__ = ["IN_MEMORY", "Corpus", "gather", "take"]

IN_MEMORY = 1 << 24
"""Characters of text, and as many more a row as its other fields take, that are kept in memory; more goes to disk."""

_OVERHEAD = 100

_ROW = np.dtype([("end", "<i8"), ("line", "<i8"), ("label", "<i4"), ("path", "<i4")])
_BLOCK = 4096  # rows written, or read, before memory is given back


class Corpus(Sequence[Any]):
    """Examples in a folder's files, in an order of their own; memory holds 8 bytes a row at most, and names.

    All are :class:`~throughtime.data.columns.Example`, or all :class:`~throughtime.data.pair.Pair`.
    ``texts`` has the texts end to end, in UTF-8; ``rows`` says of each where its text ends, its line, and the numbers
    of its label and of its file in ``names.json``.

    Args:
        folder: as :meth:`write` left it.
        rows: which rows, in which order; none for all.

    Raises:
        OSError, ValueError: when the files are not whole.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     corpus = Corpus.write(Path(folder), [Example("Lovely", "good", "a.csv", 2), Example("", None, "a.csv", 3)])
    ...     print(len(corpus), corpus[1], [example.text for example in corpus.take([1, 0])])
    2 Example(text='', label=None, path='a.csv', line=3) ['', 'Lovely']
    """

    def __init__(self, folder: Path, rows: np.ndarray | None = None) -> None:
        self._texts, self._table = Mapped(folder / "texts", np.uint8), Mapped(folder / "rows", _ROW)
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        self._labels: list[str | None] = names["labels"]
        self._paths: list[str] = names["paths"]
        self._pairs: bool = names["pairs"]
        self._rows = rows
        ends = self._table.array["end"]
        if len(self._texts.array) != (int(ends[-1]) if len(ends) else 0):
            raise ValueError(f"{folder}: expected texts of {ends[-1:]} bytes, found {len(self._texts.array)}")

    @classmethod
    def write(cls, folder: Path, examples: Iterable[Any]) -> Corpus:
        """Write a folder's files; memory holds what differs of labels and paths."""
        pairs = False
        labels: dict[str | None, int] = {}
        paths: dict[str, int] = {}
        end, left = 0, iter(examples)
        with (folder / "texts").open("wb") as texts, (folder / "rows").open("wb") as table:
            while block := list(islice(left, _BLOCK)):
                rows = []
                for example in block:
                    if isinstance(example, Pair):
                        pairs, example = True, example.packed()
                    end += texts.write(example.text.encode("utf-8", "surrogatepass"))
                    label = labels.setdefault(example.label, len(labels))
                    rows.append((end, example.line, label, paths.setdefault(example.path, len(paths))))
                table.write(np.array(rows, _ROW).tobytes())
        names = {"labels": list(labels), "paths": list(paths), "pairs": pairs}
        (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
        return cls(folder)

    def take(self, rows: Sequence[int] | np.ndarray) -> Corpus:
        """These rows of it, in this order."""
        wanted = np.asarray(rows, dtype=np.int64)
        other = object.__new__(Corpus)
        other.__dict__.update(self.__dict__, _rows=wanted if self._rows is None else self._rows[wanted])
        return other

    def __len__(self) -> int:
        return len(self._table.array if self._rows is None else self._rows)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Corpus: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        if not -len(self) <= place < len(self):
            raise IndexError(f"expected a row from 0 to {len(self) - 1}, found {place}")
        place %= len(self)
        return self._example(place if self._rows is None else int(self._rows[place]))

    def __iter__(self) -> Iterator[Any]:
        for begin in range(0, len(self), _BLOCK):
            places = range(begin, min(begin + _BLOCK, len(self)))
            yield from map(self._example, places if self._rows is None else self._rows[places].tolist())
            self.release()

    def release(self) -> None:
        """Give back the memory of what was read."""
        self._texts.release()
        self._table.release()

    def _example(self, row: int) -> Example | Pair:
        end, line, label, path = self._table.array[row].tolist()
        begin = int(self._table.array["end"][row - 1]) if row else 0
        text = bytes(self._texts.array[begin:end]).decode("utf-8", "surrogatepass")
        example = Example(text, self._labels[label], self._paths[path], line)
        return Pair.unpacked(example) if self._pairs else example


def gather(examples: Iterable[Any], folder: Path) -> Sequence[Any]:
    """All of these examples: a list, or a corpus in ``folder`` where they are too many for memory."""
    head: deque[Any] = deque()
    left, size = iter(examples), 0
    for example in left:
        head.append(example)
        size += len(example.text) + _OVERHEAD
        if isinstance(example, Pair):
            size += sum(map(len, example.targets))
        if size > IN_MEMORY:
            return Corpus.write(make_private(folder), chain(drained(head), left))
    return list(head)


def take(examples: Sequence[Any], rows: Sequence[int] | np.ndarray) -> Sequence[Any]:
    """These rows of examples, in this order."""
    return examples.take(rows) if isinstance(examples, Corpus) else [examples[row] for row in rows]
