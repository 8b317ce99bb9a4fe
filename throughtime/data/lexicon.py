"""From words, as a treebank's tokens are given, to symbols, spelling and letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from tokenizers import Tokenizer, models, normalizers

from throughtime.config import Config
from throughtime.data.spelling import BUCKETS, FEATURES, spelling
from throughtime.data.vocabulary import EOS, SOS, SPECIALS, UNK, read_tokenizer
from throughtime.data.words import Forms, Words
from throughtime.errors import DataError, ModelError, UsageError
from throughtime.ragged import Ragged
from throughtime.storage import write_atomically

__all__ = ["Lexicon", "LexiconConfig", "as_read"]


class LexiconConfig(Config):
    """How words become symbols."""

    lowercase: bool = Field(True, description="read a word's capitals as small letters; its letters keep them")
    min_count: int = Field(1, ge=1, description="leave out words seen less often than this in training")
    vocab_size: int = Field(50_000, ge=5, description="keep at most this many words, the most frequent")
    spelling: bool = Field(False, description="also read each word's first and last letters and its shape")
    characters: bool = Field(True, description="also read each word letter by letter")


class Lexicon:
    """The words and characters of a model: ``<pad> <unk> <sos> <eos>`` and those of its training sentences.

    Words are taken as they are given: one that holds a blank is one word, one that spells a special symbol is a word
    like any other.

    >>> lexicon = Lexicon.learn([["New", "York"], ["new"]], LexiconConfig(spelling=False))
    >>> lexicon.symbols, "".join(lexicon.letters[4:])
    (['<pad>', '<unk>', '<sos>', '<eos>', 'new', 'york'], 'ewNYknor')
    >>> words = lexicon.encode([["New", "new", "Yak"], ["New"]])
    >>> words.steps.to_list(), words.forms.symbols.tolist()
    ([[0, 1, 2], [0]], [[4], [4], [1]])
    """

    files: ClassVar = ("tokenizer.json", "characters.json")

    def __init__(self, words: Tokenizer, letters: Tokenizer, config: LexiconConfig) -> None:
        self._words, self._letters = words, letters
        self.spelled, self.spelled_out = config.spelling, config.characters
        self._numbers: dict[str, int] = words.get_vocab()
        self._letter_numbers: dict[str, int] = letters.get_vocab()
        for found in (self._numbers, self._letter_numbers):
            if [found.get(symbol) for symbol in SPECIALS] != list(range(len(SPECIALS))):
                raise ModelError(f"expected the symbols {' '.join(SPECIALS)} as numbers 0 to 3, found others")

    # ---- making and keeping ----

    @classmethod
    def learn(cls, sentences: Iterable[Sequence[str]], config: LexiconConfig, more: Iterable[str] = ()) -> Lexicon:
        """Learn the words and characters of some sentences; the same sentences give the same lexicon.

        Args:
            sentences: to learn from.
            config: how.
            more: words as the model reads them that have a symbol in any case, behind the others.

        Raises:
            DataError: when no word is frequent enough.
            UsageError: for a word that is no text.
        """
        forms = Counter(chain.from_iterable(sentences))
        _check_text(forms)
        normalizer = _normalizer(config)
        words, letters = Counter[str](), Counter[str]()
        for form, count in forms.items():
            words[_normal(form, normalizer)] += count
            letters.update(dict.fromkeys(form, count))
        kept = _frequent(words, config.min_count, config.vocab_size)
        for word in more:
            kept.setdefault(word, len(kept))
        if len(kept) == len(SPECIALS):
            raise DataError(f"expected words seen at least {config.min_count}× in the training sentences, found none")
        tokenizer = Tokenizer(models.WordLevel(kept, unk_token="<unk>"))
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        return cls(tokenizer, Tokenizer(models.WordLevel(_frequent(letters), unk_token="<unk>")), config)

    @classmethod
    def load(cls, folder: Path, config: LexiconConfig) -> Lexicon:
        """Read the ``tokenizers`` library's own files of a model's folder.

        Raises:
            ModelError: when one cannot be read.
        """
        words, letters = (read_tokenizer(folder / name) for name in cls.files)
        return cls(words, letters, config)

    def save(self, folder: Path) -> None:
        """Write the ``tokenizers`` library's own files."""
        for name, tokenizer in zip(self.files, (self._words, self._letters), strict=True):
            write_atomically(folder / name, tokenizer.to_str(pretty=True))

    # ---- using ----

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def symbols(self) -> list[str]:
        """All words, by number."""
        return sorted(self._numbers, key=lambda word: self._numbers[word])

    @property
    def letters(self) -> list[str]:
        """All characters, by number."""
        return sorted(self._letter_numbers, key=lambda letter: self._letter_numbers[letter])

    @property
    def spelling(self) -> tuple[int, int] | None:
        """The features that come with each word and the number of their values, if they do."""
        return (FEATURES, BUCKETS) if self.spelled else None

    def encode(self, sentences: Iterable[Sequence[str]]) -> Words:
        """Sentences as numbers of their distinct words.

        Raises:
            UsageError: for a word that is no text.
        """
        forms: dict[str, int] = {}
        numbers, lengths = [], []
        for sentence in sentences:
            numbers += [forms.setdefault(word, len(forms)) for word in sentence]
            lengths.append(len(sentence))
        return Words(Ragged.from_lengths(torch.tensor(numbers, dtype=torch.int32), lengths), self.forms(list(forms)))

    def forms(self, names: Sequence[str]) -> Forms:
        """What is read of each word; see :meth:`encode`."""
        _check_text(names)
        normalizer = self._words.normalizer
        # A word that spells a special symbol would pass for one.
        rows = [(self._known(_normal(name, normalizer)), *(spelling(name) if self.spelled else ())) for name in names]
        width = 1 + FEATURES * self.spelled
        symbols = torch.tensor(rows, dtype=torch.int32).reshape(-1, width)
        if not self.spelled_out:
            return Forms(symbols)
        known = self._letter_numbers
        letters = [
            np.fromiter(chain([SOS], (known.get(letter, UNK) for letter in name), [EOS]), np.int32, len(name) + 2)
            for name in names
        ]
        values = np.concatenate(letters) if letters else np.empty(0, np.int32)
        return Forms(symbols, Ragged.from_lengths(torch.from_numpy(values), [len(row) for row in letters]))

    def _known(self, word: str) -> int:
        number = self._numbers.get(word, UNK)
        return number if number >= len(SPECIALS) else UNK

    def numbers(self, names: Iterable[str]) -> list[int]:
        """The symbols of words as the model reads them, ``<unk>`` for those that have none."""
        return [self._known(name) for name in names]

    def counts(self, words: Words) -> list[int]:
        """How often each word occurs."""
        numbers = words.forms.symbols[:, 0].long()[words.values.long()]
        counts: list[int] = torch.bincount(numbers, minlength=len(self)).tolist()
        return counts

    def unknown(self, words: Words) -> float:
        """The share of the steps that are ``<unk>``."""
        return self.counts(words)[UNK] / max(1, len(words.values))


def as_read(config: LexiconConfig) -> Callable[[str], str]:
    """How a word as it is written becomes one that has a symbol.

    >>> as_read(LexiconConfig())("York"), as_read(LexiconConfig(lowercase=False))("York")
    ('york', 'York')
    """
    normalizer = _normalizer(config)
    return lambda word: _normal(word, normalizer)


def _check_text(names: Iterable[str]) -> None:
    """Refuse what is no text, and halves of characters (lone surrogates), which no file could hold."""
    for name in names:
        if not isinstance(name, str) or (not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name)):
            raise UsageError(f"expected words as text, found {name!r}")


def _normalizer(config: LexiconConfig) -> normalizers.Normalizer | None:
    return normalizers.Lowercase() if config.lowercase else None


def _normal(word: str, normalizer: normalizers.Normalizer | None) -> str:
    if normalizer is None:
        return word
    normal: str = normalizer.normalize_str(word)
    return normal


def _frequent(counts: Counter[str], least: int = 1, most: int | None = None) -> dict[str, int]:
    """The special symbols, then the most frequent of those seen often enough; of equals the one that sorts first."""
    found = sorted((name for name in counts if counts[name] >= least), key=lambda name: (-counts[name], name))
    found = [name for name in found if name not in SPECIALS][: None if most is None else most - len(SPECIALS)]
    return {name: number for number, name in enumerate([*SPECIALS, *found])}
