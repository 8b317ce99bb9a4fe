"""From text to symbols and back, on the ``tokenizers`` library."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from throughtime.config import Config
from throughtime.data.spelling import BUCKETS, FEATURES, NONE, spelling
from throughtime.errors import DataError, ModelError
from throughtime.ragged import Ragged
from throughtime.storage import write_atomically

__all__ = ["EOS", "PAD", "SOS", "SPECIALS", "UNK", "Vocabulary", "VocabularyConfig", "read_tokenizer"]

SPECIALS = ("<pad>", "<unk>", "<sos>", "<eos>")
PAD, UNK, SOS, EOS = range(4)

_BLOCK = 1024  # texts that are encoded at once

# English contractions come apart as treebanks have them (do|n't, it|'s), so that written and tokenised text meet;
# a run of one punctuation mark (... or !!!) is one word.
_WORDS = r"\w+(?=n['’]t\b)|n['’]t\b|['’](?:s|m|re|ve|ll|d)\b|\w+|([^\w\s])\1*"


class VocabularyConfig(Config):
    """How text becomes symbols."""

    tokens: Literal["word", "char", "bpe"] = Field("word", description="what a step is: a word, a character or a piece")
    lowercase: bool = Field(True, description="read capitals as small letters")
    min_count: int = Field(1, ge=1, description="leave out symbols seen less often than this in training")
    vocab_size: int = Field(30_000, ge=5, description="keep at most this many symbols, the most frequent")
    spelling: bool = Field(True, description="also read each word's first and last letters and its shape (words only)")
    max_length: int | None = Field(None, ge=1, description="cut longer texts after this many symbols")


class Vocabulary:
    """The symbols of a model: ``<pad> <unk> <sos> <eos>`` and those learnt from its training texts.

    Encoded texts stand between ``<sos>`` and ``<eos>``, so that even an empty one has two steps. Text that spells a
    special symbol is ordinary text.

    >>> vocabulary = Vocabulary.learn(["Food was nice", "food wasn't nice"], VocabularyConfig(spelling=False))
    >>> vocabulary.symbols
    ['<pad>', '<unk>', '<sos>', '<eos>', 'food', 'nice', 'was', "n't"]
    >>> vocabulary.encode(["nice food", "service"]).to_list()
    [[2, 5, 4, 3], [2, 1, 3]]
    >>> vocabulary.decode([2, 5, 4, 3])
    'nice food'
    """

    files: ClassVar = ("tokenizer.json",)

    def __init__(self, tokenizer: Tokenizer, config: VocabularyConfig) -> None:
        self.tokenizer, self.max_length = tokenizer, config.max_length
        self.spelled = config.spelling and config.tokens == "word"
        tokenizer.encode_special_tokens = True
        found = [tokenizer.token_to_id(symbol) for symbol in SPECIALS]
        if found != list(range(len(SPECIALS))):
            raise ModelError(f"expected the symbols {' '.join(SPECIALS)} as numbers 0 to 3, found {found}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of what a pickle keeps; a tokenizer forgets there that text which spells a special symbol is text."""
        self.__dict__ |= state
        self.tokenizer.encode_special_tokens = True

    # ---- making and keeping ----

    @classmethod
    def learn(cls, texts: Iterable[str], config: VocabularyConfig) -> Vocabulary:
        """Learn the symbols of ``texts``; the same texts give the same vocabulary.

        Raises:
            DataError: when the texts hold nothing but blanks.
        """
        tokenizer, trainer = _PIPELINES[config.tokens](config)
        tokenizer.normalizer = normalizers.Lowercase() if config.lowercase else None
        tokenizer.train_from_iterator(texts, trainer)
        if tokenizer.get_vocab_size() <= len(SPECIALS):
            raise DataError(
                f"expected {config.tokens} symbols seen at least {config.min_count}× in the training texts, found none"
            )
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<sos> $A <eos>", special_tokens=[("<sos>", SOS), ("<eos>", EOS)]
        )
        return cls(tokenizer, config)

    @classmethod
    def load(cls, folder: Path, config: VocabularyConfig) -> Vocabulary:
        """Read the ``tokenizers`` library's own file in a folder.

        Raises:
            ModelError: when it cannot be read.
        """
        return cls(read_tokenizer(folder / cls.files[0]), config)

    def save(self, folder: Path) -> None:
        """Write the ``tokenizers`` library's own file."""
        write_atomically(folder / self.files[0], self.tokenizer.to_str(pretty=True))

    # ---- using ----

    def __len__(self) -> int:
        size: int = self.tokenizer.get_vocab_size()
        return size

    @property
    def spelling(self) -> tuple[int, int] | None:
        """The features that come with each symbol and the number of their values, if they do."""
        return (FEATURES, BUCKETS) if self.spelled else None

    @property
    def symbols(self) -> list[str]:
        """All symbols, by number."""
        numbers: dict[str, int] = self.tokenizer.get_vocab()
        return sorted(numbers, key=lambda symbol: numbers[symbol])

    def encode(self, texts: Sequence[str], *, cut: bool = True) -> Ragged:
        """``<sos> … <eos>`` for each text: ``[N]`` symbols, or ``[N, 1 + FEATURES]`` with their spelling.

        Without ``cut`` they are whole, whatever ``max_length`` says.
        """
        rows = self._spelled(texts) if self.spelled else self._symbols(texts)
        return self._ragged(self._cut(rows) if cut else rows)

    def _ragged(self, rows: list[list[Any]]) -> Ragged:
        values = torch.tensor(list(chain.from_iterable(rows)), dtype=torch.int64).reshape(-1, *self.width)
        return Ragged.from_lengths(values, [len(row) for row in rows])

    def encode_small(self, texts: Iterable[str]) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Yield what :meth:`encode` gives, a thousand texts at a time in the smallest integers that hold it.

        Values ``[N, …]``, lengths ``[B]``, and how many of them ``max_length`` cut short.
        """
        left = iter(texts)
        while block := list(islice(left, _BLOCK)):
            rows = self._spelled(block) if self.spelled else self._symbols(block)
            cut = sum(len(row) > (self.max_length or len(row)) + 2 for row in rows)
            encoded = self._ragged(self._cut(rows))
            yield encoded.values.numpy().astype(self.dtype), encoded.lengths.numpy(), cut

    def unknown(self, inputs: Ragged) -> float:
        """The share of the steps that are ``<unk>``."""
        return self.counts(inputs)[UNK] / max(1, len(inputs.values))

    @property
    def width(self) -> tuple[int, ...]:
        """The shape of a step's values: empty, or the symbol and its spelling's features."""
        return (1 + FEATURES,) if self.spelled else ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Integers that hold every symbol and feature."""
        return np.dtype(np.int16 if max(len(self), BUCKETS) <= 1 << 15 else np.int32)

    def counts(self, inputs: Ragged) -> list[int]:
        """How often each symbol occurs."""
        counts = torch.zeros(len(self), dtype=torch.int64)
        for values in inputs.values.split(_BLOCK * _BLOCK):
            symbols = values[:, 0] if self.spelled else values
            counts += torch.bincount(symbols, minlength=len(self))
        told: list[int] = counts.tolist()
        return told

    def _symbols(self, texts: Sequence[str]) -> list[list[Any]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def _spelled(self, texts: Sequence[str]) -> list[list[Any]]:
        """Each word of a text as it stands there, capitals included; special symbols stand nowhere."""
        return [
            [
                (symbol, *(spelling(text[begin:end]) if end else NONE))
                for symbol, (begin, end) in zip(encoding.ids, encoding.offsets, strict=True)
            ]
            for text, encoding in zip(texts, self.tokenizer.encode_batch(list(texts)), strict=True)
        ]

    def _cut(self, rows: list[list[Any]]) -> list[list[Any]]:
        if self.max_length is None:
            return rows
        room = self.max_length + 2
        return [row if len(row) <= room else [*row[: room - 1], row[-1]] for row in rows]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the symbols, without the special ones."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def read_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """Read the ``tokenizers`` library's own file.

    Raises:
        ModelError: when it cannot be read.
    """
    try:
        return Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))  # its own way in takes no names but Unicode's
    except Exception as error:  # the library raises plain Exception for a bad file
        raise ModelError(f"{path}: expected a tokenizer's file, found one that cannot be read ({error})") from error


def _word(config: VocabularyConfig) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordLevel({}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
    return tokenizer, trainers.WordLevelTrainer(**_learning(config))


def _char(config: VocabularyConfig) -> tuple[Tokenizer, trainers.Trainer]:
    tokenizer = Tokenizer(models.WordLevel({}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer, trainers.WordLevelTrainer(**_learning(config))


def _bpe(config: VocabularyConfig) -> tuple[Tokenizer, trainers.Trainer]:
    """Byte-pair pieces of words (Sennrich et al. 2016); ``▁`` marks where a word begins."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, trainers.BpeTrainer(**_learning(config))


def _learning(config: VocabularyConfig) -> dict[str, Any]:
    """What the library's trainers are told."""
    return {
        "vocab_size": config.vocab_size,
        "min_frequency": config.min_count,
        "special_tokens": list(SPECIALS),
        "show_progress": False,
    }


_PIPELINES = {"word": _word, "char": _char, "bpe": _bpe}
