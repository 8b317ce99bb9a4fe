"""From running text to the symbols of a language model and back, without a loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from throughtime.config import Config
from throughtime.data.events import EVENTS
from throughtime.data.kinds import BYTE_OF, BYTES, KINDS, Decoder, code_points
from throughtime.data.vocabulary import EOS, SPECIALS, read_tokenizer
from throughtime.data.wording import SPLITS, speller, tell_split, words_of
from throughtime.errors import DataError, ModelError
from throughtime.storage import write_atomically

__all__ = ["LanguageConfig", "LanguageVocabulary", "least_size"]

_SAMPLE = 1 << 20  # characters of the beginning that tell whether words are already split
_COUNTED = 1 << 21  # words, as blanks part them, that are counted at a time: some 400 MB of memory

_MANY_WORDS = 50_000  # WikiText-2's 33,278 whole; the softmax, most of a word model's work, grows with every one
_MANY_PIECES = 4_000  # a megabyte of English shows each of them some 80 times

# GPT-2's pieces (Radford et al. 2019), with the marks of Indic and other scripts among the letters. A newline stands
# alone, so that no merge crosses a line's end; blanks and other white space are kept apart, so that what lies between
# two runs, as throughtime.data.kinds cuts them, is cut alike alone and in its text.
_PIECES = r"\n|'(?:s|t|re|ve|m|ll|d)| ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+| +(?!\S)| |[^\S\n ]+"


class LanguageConfig(Config):
    """How running text becomes symbols."""

    tokens: Literal["char", "byte", "word", "bpe", "event"] = Field(
        "char",
        description="what a step is: a character, a byte, a word or a byte-pair piece; of music an event, where chords "
        "are the default",
    )
    lowercase: bool = Field(False, description="read capitals as small letters")
    min_count: int | None = Field(
        None,
        ge=1,
        description="leave out symbols seen less often than this in training (words and pieces 2, characters 1; words "
        "1 where the text has <unk> itself)",
    )
    vocab_size: int | None = Field(
        None,
        ge=5,
        description=f"keep at most this many symbols, the most frequent (words {_MANY_WORDS:,}, pieces "
        f"{_MANY_PIECES:,}, characters all)",
    )
    split: Literal["auto", "blanks", "marks"] = Field(
        "auto",
        description="where words end: at blanks alone, in text that is already split, or at punctuation marks too; "
        "told from the text's beginning otherwise",
    )

    @model_validator(mode="after")
    def _holds_the_least(self) -> LanguageConfig:
        least, what = least_size(self.tokens)
        if self.vocab_size is not None and self.vocab_size < least:
            raise ValueError(f"expected a vocab_size of {least} or more, which holds {what}")
        return self


def least_size(tokens: str) -> tuple[int, str]:
    """The smallest vocabulary of its kind, and what it holds beside the special symbols.

    Of pieces that is every byte; of words a line's end, a blank and one word.

    >>> least_size("word")
    (7, 'a word')
    """
    own, what = {"bpe": (BYTES, "every byte"), "word": (3, "a word")}.get(tokens, (1, "a symbol"))
    return len(SPECIALS) + own, what


class LanguageVocabulary:
    r"""The symbols of a language model: ``<pad> <unk> <sos> <eos>`` and those learnt from its training text.

    **Characters** are Unicode's code points; one that was not learnt is ``<unk>``. **Bytes** are UTF-8's, and
    **pieces** are byte pairs (Sennrich et al. 2016) of GPT-2's kind: both know every text.

    **Words** carry no blank. A line is read as its words with one blank between each two; what stands *without* a blank
    before it, as a comma after a word, has a symbol that begins with a joiner, ``￭,``. GPT-2's convention, which marks
    the blanks, gives a word at the beginning of a line another symbol than the same word after a blank, and this one
    does not: fewer symbols, each seen more often. A line's end is a symbol of its own (``\n`` or ``\r\n``), and so is
    each blank beyond the one between two words: as an empty word, ``" "``. Thus text comes back as it was, apart from
    words not known.

    **Events** are the words of :mod:`throughtime.data.events`, all of them, with blanks between.

    Where words are split at ``blanks`` alone, the text has been split by others, and its blanks say nothing more: any
    run of white space in a line is read as one blank and none at its ends, and ``<unk>`` is the unknown word.
    Everywhere else text that spells a special symbol is ordinary text. Languages written without blanks are better
    read as characters or pieces.

    A lone surrogate, which no UTF-8 can hold, is read as U+FFFD. With ``lowercase`` text comes back in small letters.

    >>> vocabulary = LanguageVocabulary.learn(["The sun, the sea.\n", "the sand\n"], LanguageConfig(tokens="word"))
    >>> vocabulary.symbols
    ['<pad>', '<unk>', '<sos>', '<eos>', '\n', ' ', 'the']
    >>> vocabulary.encode("the  sea\n").tolist()
    [6, 5, 1, 4]
    >>> vocabulary.decode([6, 5, 1, 4])
    'the  <unk>\n'
    """

    files: ClassVar = ("tokenizer.json",)

    def __init__(self, tokenizer: Tokenizer, config: LanguageConfig, told: str = "") -> None:
        self.tokenizer, self.config, self.told = tokenizer, config, told
        tokenizer.encode_special_tokens = True
        numbers: dict[str, int] = tokenizer.get_vocab()
        self.symbols = sorted(numbers, key=lambda symbol: numbers[symbol])
        """All symbols, by number."""
        if self.symbols[: len(SPECIALS)] != list(SPECIALS) or sorted(numbers.values()) != list(range(len(numbers))):
            raise ModelError(
                f"expected the symbols {' '.join(SPECIALS)} as numbers 0 to 3 and others after them, "
                f"found {' '.join(self.symbols[:4])} and numbers to {max(numbers.values(), default=0)}"
            )
        try:
            self._kind = KINDS[config.tokens](self.symbols, tokenizer, self.dtype)
        except (KeyError, TypeError) as error:
            raise ModelError(f"expected the symbols of a model of {config.tokens}s, found others ({error})") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew when it is unpickled: a tokenizer forgets there that text which spells a special symbol is text."""
        return type(self), (self.tokenizer, self.config, self.told)

    # ---- making and keeping ----

    @classmethod
    def learn(cls, pieces: Iterable[str], config: LanguageConfig) -> LanguageVocabulary:
        """Learn the symbols of a text that comes in blocks, each of which ends where a line does.

        It is read once, and only what differs in it is held in memory. Where two million words differ, as blanks part
        them, those seen least so far are forgotten and counted anew (Manku & Motwani 2002, "Approximate frequency
        counts over data streams"). Until then the same text in other blocks gives the same vocabulary. ``told`` then
        says in words how its words were found to be split.

        Raises:
            DataError: when the text is empty or holds nothing but blanks, or no symbol is seen often enough.
        """
        tokenizer, told = _LEARN[config.tokens](_not_blank(_read(piece, config) for piece in pieces), config)
        tokenizer.normalizer = normalizers.Lowercase() if config.lowercase else None
        return cls(tokenizer, config, told)

    @classmethod
    def load(cls, folder: Path, config: LanguageConfig) -> LanguageVocabulary:
        """Read the ``tokenizers`` library's own file in a folder.

        Raises:
            ModelError: when it cannot be read, or is of another kind.
        """
        return cls(read_tokenizer(folder / cls.files[0]), config)

    def save(self, folder: Path) -> None:
        """Write the ``tokenizers`` library's own file."""
        write_atomically(folder / self.files[0], self.tokenizer.to_str(pretty=True))

    # ---- using ----

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Integers that hold every symbol."""
        return np.dtype(np.int16 if len(self) <= 1 << 15 else np.int32)

    def encode(self, text: str) -> np.ndarray:
        """``[T]`` the text's symbols in ``dtype``, without ``<sos>`` and ``<eos>``.

        Those of two blocks, the first of which ends where a line does, are those of both in one.
        """
        return self._kind.encode(self.read(text))

    def read(self, text: str) -> str:
        """A text as its symbols tell it: in small letters, where there are no others, and without lone surrogates."""
        return _read(text, self.config)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the symbols, an unknown character as U+FFFD and an unknown word as ``<unk>``."""
        decoder = self.decoder()
        return "".join(map(decoder.push, ids)) + decoder.flush()

    def decoder(self) -> Decoder:
        """One that writes symbols as they come."""
        return Decoder(self._kind.written)

    def spelt(self, ids: Iterable[int]) -> str:
        """What symbols write in the middle of a line: with the blank before the first, if there is one."""
        return b"".join(map(self.raw.__getitem__, ids)).decode("utf-8", "replace")

    @cached_property
    def raw(self) -> list[bytes]:
        """The bytes that each symbol writes there."""
        return [b" " * apart + raw for raw, apart in self._kind.written]

    @cached_property
    def written(self) -> list[str]:
        """What each symbol writes there; bytes that are no text as U+FFFD."""
        return [self.spelt([symbol]) for symbol in range(len(self))]

    @cached_property
    def begins_word(self) -> np.ndarray:
        """``[V]``: whether what a symbol writes begins something new, and so ends the word before it."""
        begins = [not text[:1].isalnum() and text[:1] not in ("'", "’", "\ufffd") for text in self.written]
        begins[EOS] = True
        return np.array(begins)


# ---- learning them ----


def _learn_characters(pieces: Iterable[str], config: LanguageConfig) -> tuple[Tokenizer, str]:
    counts = np.zeros(0x110000, np.int64)
    for piece in pieces:
        found = np.bincount(code_points(piece))
        counts[: len(found)] += found
    kept = np.flatnonzero(counts >= (config.min_count or 1))
    kept = kept[np.argsort(-counts[kept], kind="stable")]
    room = None if config.vocab_size is None else config.vocab_size - len(SPECIALS)
    tokenizer = _listed(map(chr, kept[:room].tolist()), config.min_count or 1, config)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer, ""


def _learn_bytes(pieces: Iterable[str], _: LanguageConfig) -> tuple[Tokenizer, str]:
    """There is nothing to learn, but a text there must be."""
    for _piece in pieces:
        pass
    numbers = {symbol: number for number, symbol in enumerate((*SPECIALS, *BYTE_OF))}
    tokenizer = Tokenizer(models.BPE(numbers, []))
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, ""


def _learn_events(pieces: Iterable[str], config: LanguageConfig) -> tuple[Tokenizer, str]:
    """There is nothing to learn here either."""
    for _piece in pieces:
        pass
    tokenizer = _listed(EVENTS, 1, config)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer, ""


def _learn_pieces(pieces: Iterable[str], config: LanguageConfig) -> tuple[Tokenizer, str]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size or _MANY_PIECES,
        min_frequency=config.min_count or 2,  # a pair that is seen once would make each word of a short text a piece
        special_tokens=list(SPECIALS),
        initial_alphabet=list(BYTE_OF),
        show_progress=False,
    )
    tokenizer.train_from_iterator(chain.from_iterable(piece.split("\n") for piece in pieces), trainer)
    return tokenizer, ""


def _learn_words(pieces: Iterable[str], config: LanguageConfig) -> tuple[Tokenizer, str]:
    pieces = iter(pieces)
    begun: list[str] = []
    while sum(map(len, begun)) < _SAMPLE and (piece := next(pieces, None)) is not None:
        begun.append(piece)
    split, told = tell_split("".join(begun)[:_SAMPLE]) if config.split == "auto" else (config.split, "")
    shape = Tokenizer(models.WordLevel({}, unk_token="<unk>"))
    shape.pre_tokenizer = SPLITS[split]

    found: Counter[str] = Counter()
    for piece in chain(begun, pieces):
        found.update(words_of(piece))
        if len(found) > _COUNTED:
            _forget_rare(found)
    spell, counts = speller(shape), Counter[str]()
    for word, count in found.items():
        for symbol in spell(word):
            counts[symbol] += count
    min_count = config.min_count or (1 if "<unk>" in counts else 2)
    always = ["\n", " "] if split == "marks" else ["\n"]
    words = sorted(
        (word for word, count in counts.items() if count >= min_count and word not in (*always, *SPECIALS)),
        key=lambda word: (-counts[word], word),
    )
    room = (config.vocab_size or _MANY_WORDS) - len(SPECIALS) - len(always)
    tokenizer = _listed(words[:room], min_count, config, always)
    tokenizer.pre_tokenizer = shape.pre_tokenizer
    return tokenizer, told


_LEARN = {
    "char": _learn_characters,
    "byte": _learn_bytes,
    "word": _learn_words,
    "bpe": _learn_pieces,
    "event": _learn_events,
}


def _forget_rare(found: Counter[str]) -> None:
    """Make room for as many words again, by leaving out those seen once, or if there are too many, twice, and so on."""
    least = 0
    while len(found) > _COUNTED // 2:
        least += 1
        for word in [word for word, count in found.items() if count <= least]:
            del found[word]


def _listed(symbols: Iterable[str], min_count: int, config: LanguageConfig, always: Sequence[str] = ()) -> Tokenizer:
    """A tokenizer that knows the special symbols, those that are always there, and these."""
    learnt = list(symbols)
    if not learnt:
        raise DataError(f"expected {config.tokens}s seen at least {min_count}× in the training text, found none")
    numbers = {symbol: number for number, symbol in enumerate((*SPECIALS, *always, *learnt))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def _read(text: str, config: LanguageConfig) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # lone surrogates, from JSON's escapes perhaps
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.lower() if config.lowercase else text


def _not_blank(pieces: Iterable[str]) -> Iterator[str]:
    size, blank = 0, True
    for piece in pieces:
        size, blank = size + len(piece), blank and (not piece or piece.isspace())
        yield piece
    if blank:
        raise DataError(f"expected text, found {'only blanks' if size else 'an empty one'}")
