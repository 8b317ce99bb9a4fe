"""Running text and lines as what a language model reads: symbols, and the symbols that follow them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.data.batches import Dataset
from throughtime.data.language import LanguageVocabulary
from throughtime.data.mapped import Mapped, write_pieces
from throughtime.data.running import RunningText
from throughtime.data.store import PARTIAL, make_private, usual_cache
from throughtime.data.streams import UNTOLD
from throughtime.data.vocabulary import EOS, SOS, SPECIALS, UNK
from throughtime.errors import DataError
from throughtime.ragged import Ragged

__all__ = [
    "Documents",
    "Lines",
    "encode_documents",
    "encode_lines",
    "encode_passages",
    "encode_passages_into",
    "encode_pieces",
    "open_kept",
    "stretches",
]

_BLOCK = 1 << 20  # symbols counted at a time
_LINES = 4096  # lines encoded at a time


@dataclass(frozen=True)
class Documents(Dataset):
    """Running text: a row is a document, ``<sos> … <eos>``; one that was cut has no ``<eos>``.

    ``characters`` is the length of the text, each end of a document counting as one; 0 where some of it is unknown.
    """

    characters: int = 0

    @property
    def tokens(self) -> int:
        """Symbols that are told: all but the ``<sos>``."""
        return int((self.inputs.lengths - 1).clamp(min=0).sum())

    def counts(self, size: int) -> list[int]:
        """How often each of ``size`` symbols is told."""
        counts = _counted(self.inputs.values, size, self.mapped)
        counts[SOS] = 0
        return counts


@dataclass(frozen=True)
class Lines(Dataset):
    """Texts that stand alone: a row is ``<sos> …``, its targets are ``… <eos>``.

    ``characters`` is the length of the texts, each one's end counting as one; 0 where some of them are unknown.
    """

    characters: int = 0

    @property
    def tokens(self) -> int:
        """Symbols that are told."""
        assert isinstance(self.targets, Ragged)
        return sum(int((block != UNTOLD).sum()) for block in self.targets.values.split(_BLOCK))

    def counts(self, size: int) -> list[int]:
        """How often each of ``size`` symbols is told."""
        assert isinstance(self.targets, Ragged)
        return _counted(self.targets.values, size, self.mapped)


def _counted(values: Tensor, size: int, mapped: Mapped | None) -> list[int]:
    """How often each symbol is among ``values [N]``, a part at a time."""
    counts = np.zeros(size, np.int64)
    for block in values.split(_BLOCK):
        counts += np.bincount(block[block != UNTOLD], minlength=size)
        if mapped is not None:
            mapped.release()
    told: list[int] = counts.tolist()
    return told


def encode_passages(examples: Any, vocabulary: LanguageVocabulary) -> Documents | Lines:
    """Running text, or examples whose texts stand alone; pieces of music are long, and read as running text is."""
    if isinstance(examples, RunningText):
        return encode_documents(examples, vocabulary)
    if vocabulary.config.tokens == "event":
        return encode_pieces(examples, vocabulary)
    return encode_lines([example.text for example in examples], vocabulary, examples)


def encode_passages_into(folder: Path, name: str, examples: Any, vocabulary: LanguageVocabulary) -> Any:
    """The same in files; gives what :func:`open_kept` wants to know of them, ready for JSON."""
    if isinstance(examples, RunningText):
        return _encode_documents_into(folder, name, examples, vocabulary)
    return _encode_lines_into(folder, name, (example.text for example in examples), vocabulary)


def open_kept(folder: Path, name: str, vocabulary: LanguageVocabulary, facts: Any, examples: Any) -> Documents | Lines:
    """What :func:`encode_passages_into` wrote of these examples.

    Raises:
        OSError, ValueError: when the files are not whole.
    """
    if isinstance(examples, RunningText):
        return _open_documents(folder, name, vocabulary, facts)
    return _open_lines(folder, name, vocabulary, facts, examples)


def encode_documents(text: RunningText, vocabulary: LanguageVocabulary) -> Documents:
    """Running text, each document between ``<sos>`` and, unless it was cut there, ``<eos>``.

    What is too large for memory is read from a file without a name, which goes with the documents.

    Args:
        text: the documents.
        vocabulary: the symbols.

    Raises:
        DataError: when there is no room for the file.
    """
    if not text.large:
        encoding = _Encoding(text, vocabulary)
        values = np.concatenate([np.zeros(0, vocabulary.dtype), *encoding])
        inputs = Ragged.from_lengths(torch.from_numpy(values), encoding.lengths)
        return Documents(inputs, characters=encoding.characters)
    place = usual_cache()
    try:
        with tempfile.TemporaryDirectory(suffix=PARTIAL, dir=make_private(place)) as name:
            folder = Path(name)
            facts = _encode_documents_into(folder, "text", text, vocabulary)
            return _open_documents(folder, "text", vocabulary, facts)
    except OSError as error:
        raise DataError(
            "expected to keep there what is too large for memory, found: "
            f"{(error.strerror or str(error)).lower()}; the variable XDG_CACHE_HOME says another place",
            path=str(place),
        ) from error


def _encode_documents_into(
    folder: Path, name: str, text: RunningText, vocabulary: LanguageVocabulary
) -> dict[str, Any]:
    """The same in a file, a block at a time; gives what :func:`_open_documents` wants to know of it."""
    encoding = _Encoding(text, vocabulary)
    write_pieces(folder / f"{name}.symbols", encoding, vocabulary.dtype)
    return {"lengths": encoding.lengths, "characters": encoding.characters}


def _open_documents(folder: Path, name: str, vocabulary: LanguageVocabulary, facts: dict[str, Any]) -> Documents:
    """What :func:`_encode_documents_into` wrote, its symbols read as they are needed.

    Raises:
        OSError, ValueError: when the file is not whole.
    """
    mapped = Mapped(folder / f"{name}.symbols", vocabulary.dtype)
    inputs = Ragged.from_lengths(torch.from_numpy(mapped.array), facts["lengths"])
    return Documents(inputs, mapped=mapped, characters=facts["characters"])


class _Encoding:
    """Running text as symbols, a piece at a time, once; and what was found, complete when all have been read.

    Attributes:
        lengths: symbols of each document.
        characters: see :class:`Documents`.
    """

    def __init__(self, text: RunningText, vocabulary: LanguageVocabulary) -> None:
        self._text, self._vocabulary = text, vocabulary
        self.lengths: list[int] = []
        self.characters = len(text) + sum(span.ends for span in text.spans)

    def __iter__(self) -> Iterator[np.ndarray]:
        for begins, block in self._text.pieces():
            if begins:
                yield self._end()
                self.lengths.append(0)
                yield self._told(np.array([SOS], self._vocabulary.dtype))
            symbols = self._vocabulary.encode(block)
            if not _known(symbols, block):
                self.characters = 0
            yield self._told(symbols)
        yield self._end()

    def _end(self) -> np.ndarray:
        """That of the document read last, unless it was cut there."""
        ends = bool(self.lengths) and self._text.spans[len(self.lengths) - 1].ends
        return self._told(np.full(int(ends), EOS, self._vocabulary.dtype))

    def _told(self, symbols: np.ndarray) -> np.ndarray:
        if len(symbols):
            self.lengths[-1] += len(symbols)
        return symbols


def encode_pieces(examples: Sequence[Any], vocabulary: LanguageVocabulary) -> Documents:
    """Pieces of music as their events, each a document of its own.

    >>> from throughtime.data.columns import Example
    >>> from throughtime.data.language import LanguageConfig
    >>> vocabulary = LanguageVocabulary.learn(["Pitch_0"], LanguageConfig(tokens="event"))
    >>> encode_pieces([Example("Pitch_0 Pitch_2", None, "a.mid", 0)], vocabulary).inputs.to_list()
    [[2, 4, 6, 3]]
    """
    rows = [[SOS, *vocabulary.encode(example.text).tolist(), EOS] for example in examples]
    values = np.array([symbol for row in rows for symbol in row], vocabulary.dtype)
    return Documents(Ragged.from_lengths(torch.from_numpy(values), [len(row) for row in rows]), examples=examples)


def encode_lines(
    texts: Sequence[str], vocabulary: LanguageVocabulary, examples: Sequence[Any] = (), *, before: Sequence[int] = ()
) -> Lines:
    """Texts that stand alone.

    Args:
        texts: one a row.
        vocabulary: the symbols.
        examples: where they come from.
        before: symbols that each is read after, a line's end, and that also end it, in the place of ``<eos>``.

    >>> from throughtime.data.language import LanguageConfig
    >>> vocabulary = LanguageVocabulary.learn(["ab"], LanguageConfig())
    >>> data = encode_lines(["ba", ""], vocabulary)
    >>> data.inputs.to_list(), data.targets.to_list()
    ([[2, 5, 4], [2]], [[5, 4, 3], [3]])
    """
    encoding = _LineEncoding(texts, vocabulary, before)
    steps = np.concatenate([np.zeros((0, 2), vocabulary.dtype), *encoding])
    return _lines(np.ascontiguousarray(steps.T), encoding.lengths, encoding.characters, examples)


def _encode_lines_into(folder: Path, name: str, texts: Iterable[str], vocabulary: LanguageVocabulary) -> int:
    """The same in files, some thousand at a time; gives ``characters`` for :func:`_open_lines`."""
    encoding = _LineEncoding(texts, vocabulary)
    write_pieces(folder / f"{name}.steps", encoding, vocabulary.dtype)
    write_pieces(folder / f"{name}.lengths", [np.array(encoding.lengths)], np.int32)
    return encoding.characters


def _open_lines(
    folder: Path, name: str, vocabulary: LanguageVocabulary, characters: int, examples: Sequence[Any]
) -> Lines:
    """What :func:`_encode_lines_into` wrote, read as it is needed; memory holds 16 bytes a line.

    Raises:
        OSError, ValueError: when the files are not whole.
    """
    mapped = Mapped(folder / f"{name}.steps", vocabulary.dtype)
    lengths = np.fromfile(folder / f"{name}.lengths", np.int32)
    if len(lengths) != len(examples):
        raise ValueError(f"expected {len(examples)} lines, found {len(lengths)}")
    return _lines(mapped.array.reshape(-1, 2).T, lengths, characters, examples, mapped)


def _lines(
    steps: np.ndarray, lengths: Any, characters: int, examples: Sequence[Any], mapped: Mapped | None = None
) -> Lines:
    """From inputs and targets, ``[2, N]``."""
    inputs, targets = (Ragged.from_lengths(row, torch.as_tensor(lengths)) for row in torch.from_numpy(steps))
    return Lines(inputs, targets, examples, mapped, characters)


class _LineEncoding:
    """Texts that stand alone as inputs and targets ``[n, 2]``, many texts at a time, once; and what was found.

    Attributes:
        lengths: steps of each text, when all have been read.
        characters: see :class:`Lines`.
    """

    def __init__(self, texts: Iterable[str], vocabulary: LanguageVocabulary, before: Sequence[int] = ()) -> None:
        self._texts, self._vocabulary = texts, vocabulary
        dtype = vocabulary.dtype
        self._begun, self._untold = np.array([SOS, *before], dtype), np.full(len(before), UNTOLD, dtype)
        self._end = np.array(before or [EOS], dtype)
        self._end_length = len(vocabulary.decode(before)) or 1
        self.lengths: list[int] = []
        self._characters, self._known = 0, True

    @property
    def characters(self) -> int:
        return self._characters if self._known else 0

    def __iter__(self) -> Iterator[np.ndarray]:
        left = iter(self._texts)
        while texts := list(islice(left, _LINES)):
            rows = [self._vocabulary.encode(text) for text in texts]
            self._known &= all(map(_known, rows, texts))
            self._characters += sum(map(len, texts)) + len(texts) * self._end_length
            self.lengths += [len(self._untold) + len(row) + len(self._end) for row in rows]
            inputs = np.concatenate([part for row in rows for part in (self._begun, row, self._end[:-1])])
            targets = np.concatenate([part for row in rows for part in (self._untold, row, self._end)])
            yield np.stack([inputs, targets], 1)


def stretches(data: Documents | Lines, count: int, steps: int) -> tuple[Ragged, Ragged]:
    """Symbols and those that follow them, without what came before: of running text some stretches, of lines all.

    Args:
        data: encoded.
        count: how many stretches, evenly spread; none goes from one document into the next.
        steps: of each, where its document has so many.

    >>> data = Documents(Ragged.from_list([[2, 5, 6, 7, 8, 3], [2, 9, 3]]))
    >>> [own.to_list() for own in stretches(data, 2, 2)]
    [[[2, 5], [2, 9]], [[5, 6], [9, 3]]]
    """
    if not isinstance(data, Documents):
        assert isinstance(data.targets, Ragged)
        return data.inputs, data.targets
    offsets, values = data.inputs.offsets, data.inputs.values
    begins = torch.linspace(0, max(0, len(values) - steps - 1), count, dtype=torch.float64).long().unique()
    ends = torch.minimum(begins + steps, offsets[torch.searchsorted(offsets, begins, right=True)] - 1)
    begins, lengths = begins[ends > begins], (ends - begins)[ends > begins]
    places = torch.arange(int(lengths.sum())) + torch.repeat_interleave(begins - lengths.cumsum(0) + lengths, lengths)
    inputs = Ragged.from_lengths(values[places].long(), lengths)
    return inputs, inputs.with_values(values[places + 1].long())


def _known(symbols: np.ndarray, text: str) -> bool:
    """Whether a text's symbols tell all of it: an unknown one hides characters, unless the text writes it itself."""
    return int(np.count_nonzero(symbols == UNK)) <= text.count(SPECIALS[UNK])
