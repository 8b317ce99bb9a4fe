"""From pairs of texts to symbols and back: a vocabulary for the sources and one for the targets, or one for both."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from throughtime.config import Config
from throughtime.data.language import LanguageConfig, LanguageVocabulary, least_size
from throughtime.data.pair import Pair
from throughtime.data.vocabulary import EOS, SPECIALS, UNK, read_tokenizer
from throughtime.data.wording import JOINER, speller, words_of
from throughtime.errors import UsageError
from throughtime.storage import write_atomically

__all__ = ["Side", "TwoSided", "TwoSidedConfig"]

Tokens = Literal["auto", "char", "byte", "word", "bpe", "blanks"]

_LOOKED_AT = 10_000  # pairs at most, spread evenly over all, that tell what a step is
_ALONE = 0.95  # share of texts without a blank, from which on they are single words
_FEW, _SHORT = 500, 2.5  # that many different items, and of so many characters on average, are phones or letters

_CALLED = {
    "char": "characters",
    "byte": "bytes",
    "word": "words",
    "bpe": "pieces of words",
    "blanks": "symbols parted by blanks",
}


class TwoSidedConfig(Config):
    """How sources and targets become symbols."""

    tokens: Tokens = Field(
        "auto",
        description="what a step is on both sides: a character, a byte, a word, a byte-pair piece, or whatever stands "
        "between blanks (phones); told from the training data otherwise",
    )
    source_tokens: Tokens | None = Field(None, description="the same for the sources alone")
    target_tokens: Tokens | None = Field(None, description="the same for the targets alone")
    joint: bool | None = Field(
        None,
        description="one vocabulary for both sides, which share what they learn of a symbol (default: with --noise)",
    )
    lowercase: bool = Field(False, description="read capitals as small letters, and write none")
    min_count: int | None = Field(
        None, ge=1, description="leave out symbols seen less often than this in training (words and pieces 2, others 1)"
    )
    vocab_size: int | None = Field(
        None,
        ge=5,
        description="keep at most this many symbols on each side, the most frequent (pieces 4,000, words 50,000)",
    )
    source_vocab_size: int | None = Field(None, ge=5, description="the same for the sources alone")
    target_vocab_size: int | None = Field(None, ge=5, description="the same for the targets alone")

    @property
    def sides(self) -> tuple[Tokens, Tokens]:
        """What a step is of a source, and of a target."""
        return self.source_tokens or self.tokens, self.target_tokens or self.tokens

    @property
    def open(self) -> bool:
        """Whether the data must tell what a step is."""
        return "auto" in self.sides

    def told_by(self, pairs: Sequence[Pair]) -> TwoSidedConfig:
        """With what the training data tells of what was left open.

        Single words are read letter by letter, a few short symbols with blanks between them, as phones are, one by
        one, and all else in pieces; but beside phones there are only letters, whose words may be several.

        >>> TwoSidedConfig().told_by([Pair("tomato", ("T AH M EY T OW",), "a.dict", 1)]).sides
        ('char', 'blanks')
        """
        if not self.open:
            return self
        some = [pairs[place] for place in range(0, len(pairs), -(-len(pairs) // _LOOKED_AT) or 1)]
        texts = [pair.text for pair in some], [target for pair in some for target in pair.targets]
        told = [_tell(own) if tokens == "auto" else tokens for own, tokens in zip(texts, self.sides, strict=True)]
        if "blanks" in told:
            told = [
                "char" if own == "bpe" and said == "auto" else own for own, said in zip(told, self.sides, strict=True)
            ]
        return self._with_sides(told)

    def told_as(self, other: TwoSidedConfig) -> TwoSidedConfig:
        """With what others, that leave nothing open, say of what was left open.

        >>> letters = TwoSidedConfig(source_tokens="char", target_tokens="blanks")
        >>> TwoSidedConfig(target_tokens="word").told_as(letters).sides
        ('char', 'word')
        """
        if not self.open:
            return self
        return self._with_sides(
            [own if said == "auto" else said for own, said in zip(other.sides, self.sides, strict=True)]
        )

    def _with_sides(self, told: Sequence[Tokens]) -> TwoSidedConfig:
        source, target = told
        return self.model_copy(update={"source_tokens": source, "target_tokens": target})

    def side(self, target: bool) -> LanguageConfig:
        """The settings of one side's symbols.

        Raises:
            UsageError: for one vocabulary of two kinds of symbols, or too small a size.
        """
        tokens = self.sides[target]
        if self.joint and len(set(self.sides)) > 1:
            raise UsageError(f"--joint: expected the same tokens on both sides, found {' and '.join(self.sides)}")
        size = (self.target_vocab_size if target else self.source_vocab_size) or self.vocab_size
        given: dict[str, Any] = {"lowercase": self.lowercase, "vocab_size": size, "min_count": self.min_count}
        given["tokens"] = "word" if tokens == "blanks" else tokens
        if tokens == "blanks":
            given |= {"split": "blanks", "min_count": self.min_count or 1}
        least, what = least_size(given["tokens"])
        if size is not None and size < least:
            raise UsageError(f"--vocab-size: expected {least} or more, which hold {what}, found {size}")
        return LanguageConfig(**given)


class Side:
    """The symbols of sources, or of targets.

    Args:
        vocabulary: knows them.
        tokens: what a step is.

    Texts come back as they were but for symbols that are not known; where blanks part the symbols, with single ones.
    """

    def __init__(self, vocabulary: LanguageVocabulary, tokens: str) -> None:
        self.vocabulary, self.tokens = vocabulary, tokens
        # A piece begins with the blank before it: so the first one of a text is as any other.
        self._before = " " if tokens == "bpe" else ""

    def __len__(self) -> int:
        return len(self.vocabulary)

    @classmethod
    def learn(cls, texts: Iterable[str], config: LanguageConfig, tokens: str) -> Side:
        """From all texts of training."""
        before, after = " " if tokens == "bpe" else "", "\n" if config.tokens == "word" else ""
        return cls(LanguageVocabulary.learn((f"{before}{text}{after}" for text in texts), config), tokens)

    def encode(self, text: str) -> np.ndarray:
        """``[T]`` symbols, without ``<sos>`` and ``<eos>``."""
        return self.vocabulary.encode(self._before + text)

    def decode(self, symbols: Iterable[int]) -> str:
        """The text of symbols."""
        text = self.vocabulary.decode(symbols)
        return text.strip(" ") if self._before else text

    def begin(self, prefix: str) -> tuple[str, list[int]]:
        """What a text begins with, and its symbols.

        Letters and bytes begin with it to the last of them, a blank perhaps. Pieces, words and symbols that blanks
        part are wholes: their prefix has no blanks at its ends, and its last piece may be continued by others.

        >>> Side.learn(["ab c"], LanguageConfig(), "char").begin("ab ")
        ('ab ', [5, 6, 4])
        """
        prefix = prefix.lstrip() if self.tokens in ("char", "byte") else prefix.strip()
        return prefix, self.encode(prefix).tolist() if prefix else []

    def parts(self, text: str) -> list[Any]:
        """What errors are counted over: a text's symbols, also those that are not known."""
        text = text.lower() if self.vocabulary.config.lowercase else text
        if self.tokens in ("char", "byte"):
            return list(text if self.tokens == "char" else text.encode())
        return self.encode(text).tolist() if self.tokens == "bpe" else self._words(text)

    def _words(self, text: str) -> list[str]:
        spell = speller(self.vocabulary.tokenizer)
        return [symbol for word in words_of(text) for symbol in spell(word)]

    def unknown(self, text: str) -> list[str]:
        """The symbols of a text that are not known, each once.

        >>> Side.learn(["abc"], LanguageConfig(), "char").unknown("bxax")
        ['x']
        """
        if UNK not in self.encode(text):
            return []
        number = self.vocabulary.tokenizer.token_to_id
        unknown = dict.fromkeys(part for part in self.parts(text) if number(part) is None)
        return [part.removeprefix(JOINER) or part for part in unknown]

    def written(self, symbols: Sequence[int]) -> list[str]:
        """Each symbol by itself, as people read it: a mark that stands on a letter, on a ring in its place.

        >>> Side.learn(["a ि"], LanguageConfig(), "char").written([UNK, 4, 5, 6, EOS])
        ['\ufffd', '␣', 'a', '◌ि', '(end)']
        """
        texts = ("(end)" if symbol == EOS else self.vocabulary.spelt([symbol]).strip(" ") or "␣" for symbol in symbols)
        return [f"◌{text}" if unicodedata.category(text[0])[0] == "M" else text for text in texts]


class TwoSided:
    """The symbols of the sources and of the targets.

    >>> pairs = [Pair("ab", ("B A",), "a.tsv", 1)]
    >>> two = TwoSided.learn(pairs, TwoSidedConfig().told_by(pairs))
    >>> two.source.encode("ba").tolist(), two.target.decode(two.target.encode("A  B"))
    ([5, 4], 'A B')
    """

    files: ClassVar = ("source.json", "target.json")

    def __init__(self, source: Side, target: Side, config: TwoSidedConfig) -> None:
        self.source, self.target, self.config = source, target, config

    def __len__(self) -> int:
        """All symbols, those of a joint vocabulary once."""
        return len(self.source) + (0 if self.config.joint else len(self.target))

    @classmethod
    def learn(cls, pairs: Iterable[Pair], config: TwoSidedConfig) -> TwoSided:
        """From the training pairs, which are gone through twice.

        Raises:
            DataError: no symbol is seen often enough.
            UsageError: see :meth:`TwoSidedConfig.side`.
        """
        of_source, of_target = config.side(False), config.side(True)

        def sources() -> Iterator[str]:
            return (pair.text for pair in pairs)

        def targets() -> Iterator[str]:
            return (target for pair in pairs for target in pair.targets)

        source_tokens, target_tokens = config.sides
        if config.joint:
            both = Side.learn(chain(sources(), targets()), of_source, source_tokens)
            return cls(both, both, config)
        learnt = Side.learn(sources(), of_source, source_tokens)
        return cls(learnt, Side.learn(targets(), of_target, target_tokens), config)

    @classmethod
    def load(cls, folder: Path, config: TwoSidedConfig) -> TwoSided:
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: when a file cannot be read, or is of another kind.
        """
        source, target = (
            Side(LanguageVocabulary(read_tokenizer(folder / name), config.side(bool(number))), config.sides[number])
            for number, name in enumerate(cls.files)
        )
        return cls(source, source if config.joint else target, config)

    def save(self, folder: Path) -> None:
        """Write the ``tokenizers`` library's own file of each side."""
        for name, side in zip(self.files, (self.source, self.target), strict=True):
            write_atomically(folder / name, side.vocabulary.tokenizer.to_str(pretty=True))

    def named(self) -> tuple[tuple[str, Side], tuple[str, Side]]:
        """Both sides with their names."""
        return ("source", self.source), ("target", self.target)

    @property
    def copies(self) -> np.ndarray:
        """The target's symbol that writes what each of the sources' symbols does, ``<unk>`` where there is none.

        >>> pairs = [Pair("abc", ("bad",), "a.tsv", 1)]
        >>> two = TwoSided.learn(pairs, TwoSidedConfig(tokens="char"))
        >>> two.target.decode(two.copies[two.source.encode("bca")])
        'b\ufffda'
        """
        first = len(SPECIALS)
        known = {raw: symbol for symbol, raw in enumerate(self.target.vocabulary.raw) if symbol >= first}
        same = [EOS if symbol == EOS else UNK for symbol in range(first)]
        return np.array(same + [known.get(raw, UNK) for raw in self.source.vocabulary.raw[first:]], np.int64)

    def in_words(self) -> str:
        """What a step is on each side."""
        source, target = (_CALLED[tokens] for tokens in self.config.sides)
        return f"{source} to {target}"


def _tell(texts: Sequence[str]) -> Tokens:
    """What a step of these texts is."""
    if sum(len(text.split()) < 2 for text in texts) >= _ALONE * len(texts):
        return "char"
    items = [item for text in texts for item in text.split()]
    few = len(set(items)) <= _FEW
    return "blanks" if few and sum(map(len, items)) <= _SHORT * len(items) else "bpe"
