"""Running text and lines as what a language model reads: symbols, and the symbols that follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from throughtime.data.batches import Dataset
from throughtime.data.language import LanguageVocabulary
from throughtime.data.running import RunningText
from throughtime.data.streams import UNTOLD
from throughtime.data.vocabulary import EOS, SOS, SPECIALS, UNK
from throughtime.ragged import Ragged

__all__ = ["Documents", "Lines", "encode_documents", "encode_lines", "encode_passages", "encode_pieces"]


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
        counts: list[int] = torch.bincount(self.inputs.values, minlength=size).tolist()
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
        return int((self.targets.values != UNTOLD).sum())

    def counts(self, size: int) -> list[int]:
        """How often each of ``size`` symbols is told."""
        assert isinstance(self.targets, Ragged)
        told = self.targets.values
        counts: list[int] = torch.bincount(told[told != UNTOLD], minlength=size).tolist()
        return counts


def encode_passages(examples: Any, vocabulary: LanguageVocabulary) -> Documents | Lines:
    """Running text, or examples whose texts stand alone; pieces of music are long, and read as running text is."""
    if isinstance(examples, RunningText):
        return encode_documents(examples, vocabulary)
    if vocabulary.config.tokens == "event":
        return encode_pieces(examples, vocabulary)
    return encode_lines([example.text for example in examples], vocabulary, examples)


def encode_documents(text: RunningText, vocabulary: LanguageVocabulary) -> Documents:
    """Running text, each document between ``<sos>`` and, unless it was cut there, ``<eos>``.

    Args:
        text: the documents.
        vocabulary: the symbols.
    """
    documents: list[list[np.ndarray]] = []
    whole_text = True
    for begins, block in text.pieces():
        if begins:
            documents.append([np.array([SOS])])
        symbols = vocabulary.encode(block)
        whole_text &= _known(symbols, block)
        documents[-1].append(symbols)
    whole = [span.ends for span in text.spans]
    for pieces, ends in zip(documents, whole, strict=True):
        pieces.append(np.full(int(ends), EOS))
    values = [np.concatenate(pieces).astype(vocabulary.dtype) for pieces in documents]
    inputs = Ragged.from_lengths(
        torch.from_numpy(np.concatenate([np.zeros(0, vocabulary.dtype), *values])), [len(own) for own in values]
    )
    return Documents(inputs, characters=len(text) + sum(whole) if whole_text else 0)


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
        before: symbols that each is read after, and the last of which also ends it, in the place of ``<eos>``.

    >>> from throughtime.data.language import LanguageConfig
    >>> vocabulary = LanguageVocabulary.learn(["ab"], LanguageConfig())
    >>> data = encode_lines(["ba", ""], vocabulary)
    >>> data.inputs.to_list(), data.targets.to_list()
    ([[2, 5, 4], [2]], [[5, 4, 3], [3]])
    """
    rows = [vocabulary.encode(text) for text in texts]
    whole_text = all(map(_known, rows, texts))
    begun = np.array([SOS, *before], vocabulary.dtype)
    end = np.array([before[-1] if before else EOS], vocabulary.dtype)
    untold = np.full(len(before), UNTOLD, vocabulary.dtype)
    nothing = np.zeros(0, vocabulary.dtype)
    inputs = np.concatenate([nothing, *(part for row in rows for part in (begun, row))])
    targets = np.concatenate([nothing, *(part for row in rows for part in (untold, row, end))])
    lengths = [len(row) + len(begun) for row in rows]
    return Lines(
        Ragged.from_lengths(torch.from_numpy(inputs), lengths),
        Ragged.from_lengths(torch.from_numpy(targets), lengths),
        examples,
        characters=sum(map(len, texts)) + len(texts) if whole_text else 0,
    )


def _known(symbols: np.ndarray, text: str) -> bool:
    """Whether a text's symbols tell all of it: an unknown one hides characters, unless the text writes it itself."""
    return int(np.count_nonzero(symbols == UNK)) <= text.count(SPECIALS[UNK])
