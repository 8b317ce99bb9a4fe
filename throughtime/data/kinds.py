"""What a symbol of a language model is: how text becomes symbols of each kind, and what each of them writes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer

from throughtime.data.vocabulary import SPECIALS, UNK
from throughtime.data.wording import JOINER, SPELT, speller, words_of

__all__ = ["BYTES", "BYTE_OF", "KINDS", "Decoder", "Kind", "code_points"]

BYTES = 1 << 8
_REMEMBERED = 1 << 19  # words whose symbols are kept at hand

_RUN = re.compile(r"\n| *[^ \n]+| +")

Written = tuple[bytes, bool]  # what a symbol writes in UTF-8, and whether a blank stands before it within a line


class Decoder:
    """Text from symbols that come one by one; a character comes out once all its bytes are there.

    Args:
        written: ``[V]`` what each symbol writes, and whether a blank stands before it within a line.

    >>> from throughtime.data.language import LanguageConfig, LanguageVocabulary
    >>> vocabulary = LanguageVocabulary.learn(["é"], LanguageConfig(tokens="byte"))
    >>> decoder = vocabulary.decoder()
    >>> [decoder.push(symbol) for symbol in vocabulary.encode("né")], decoder.flush()
    (['n', '', 'é'], '')
    """

    def __init__(self, written: Sequence[Written]) -> None:
        self._written = written
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._line_begins = True

    def push(self, symbol: int) -> str:
        """What this symbol adds to the text."""
        raw, apart = self._written[symbol]
        if apart and not self._line_begins:
            raw = b" " + raw
        if raw or apart:
            self._line_begins = raw.endswith(b"\n")
        return self._utf8.decode(raw)

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that lacks bytes. Another text may follow."""
        self._line_begins = True
        return self._utf8.decode(b"", final=True)


class Kind(Protocol):
    """One of them, with the symbols that were learnt."""

    written: list[Written]
    """``[V]`` what each symbol writes, and whether a blank stands before it within a line."""

    def encode(self, text: str) -> np.ndarray:
        """``[T]`` the text's symbols."""


class _Characters:
    """One symbol a code point, found in a table of all of them."""

    def __init__(self, symbols: Sequence[str], _: Tokenizer, dtype: np.dtype[Any]) -> None:
        self.table = np.full(0x110000, UNK, dtype)
        codes = [ord(symbol) for symbol in symbols[len(SPECIALS) :]]
        self.table[codes] = np.arange(len(SPECIALS), len(symbols))
        self.written = [*_specials("\ufffd"), *((chr(code).encode(), False) for code in codes)]

    def encode(self, text: str) -> np.ndarray:
        ids: np.ndarray = self.table[code_points(text)]
        return ids


class _Bytes:
    """One symbol a byte of UTF-8."""

    def __init__(self, symbols: Sequence[str], _: Tokenizer, dtype: np.dtype[Any]) -> None:
        spelt = [BYTE_OF[symbol] for symbol in symbols[len(SPECIALS) :]]
        if spelt != list(range(BYTES)):
            raise KeyError("not the 256 bytes in order")
        self.dtype, self.written = dtype, [*_specials("\ufffd"), *((bytes([byte]), False) for byte in spelt)]

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode(), np.uint8).astype(self.dtype) + len(SPECIALS)


class _Remembered:
    """Symbols of text that is cut into short runs: each distinct run is worked out once."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self._known = dtype, dict[str, Sequence[int]]()

    def look_up(self, runs: list[str], work_out: Callable[[list[str]], Iterable[Sequence[int]]]) -> np.ndarray:
        # A set less the dictionary's keys would go through all of these, for each short text anew.
        new = sorted({run for run in runs if run not in self._known})
        if new:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
                new = sorted(set(runs))
            self._known.update(zip(new, work_out(new), strict=True))
        return np.fromiter(chain.from_iterable(map(self._known.__getitem__, runs)), self.dtype)


class _Pieces:
    """Byte-pair pieces."""

    def __init__(self, symbols: Sequence[str], tokenizer: Tokenizer, dtype: np.dtype[Any]) -> None:
        self.tokenizer, self._remembered = tokenizer, _Remembered(dtype)
        spelt = (bytes(map(BYTE_OF.__getitem__, symbol)) for symbol in symbols[len(SPECIALS) :])
        self.written = [*_specials("\ufffd"), *((raw, False) for raw in spelt)]

    def encode(self, text: str) -> np.ndarray:
        return self._remembered.look_up(_RUN.findall(text), self._work_out)

    def _work_out(self, runs: list[str]) -> Iterator[Sequence[int]]:
        return (encoding.ids for encoding in self.tokenizer.encode_batch_fast(runs))


class _Words:
    """Words, the ends of lines, and in text that is not yet split also marks and blanks."""

    def __init__(self, symbols: Sequence[str], tokenizer: Tokenizer, dtype: np.dtype[Any]) -> None:
        self._spell, self._remembered = speller(tokenizer), _Remembered(dtype)
        self._numbers = {symbol: number for number, symbol in enumerate(symbols)}
        self._numbers.setdefault("\r\n", self._numbers["\n"])
        self._marks = " " in self._numbers
        self.written = [*_specials(""), *map(self._write, symbols[len(SPECIALS) :])]
        self.written[UNK] = (b"<unk>", True)

    def encode(self, text: str) -> np.ndarray:
        return self._without_empty_lines(self._remembered.look_up(words_of(text), self._work_out))

    def _work_out(self, words: list[str]) -> Iterator[Sequence[int]]:
        return ([self._numbers.get(symbol, UNK) for symbol in self._spell(word)] for word in words)

    def _without_empty_lines(self, ids: np.ndarray) -> np.ndarray:
        """An empty line comes as one empty word between two ends of lines: its end alone says as much."""
        if not self._marks:
            return ids
        ends = np.ones(len(ids) + 2, bool)
        ends[1:-1] = (ids == self._numbers["\n"]) | (ids == self._numbers["\r\n"])
        kept: np.ndarray = ids[(ids != self._numbers[" "]) | ~ends[:-2] | ~ends[2:]]
        return kept

    def _write(self, symbol: str) -> Written:
        if symbol in ("\n", "\r\n"):
            return symbol.encode(), False
        if not self._marks:
            return symbol[SPELT.fullmatch(symbol) is not None :].encode(), True
        joined = symbol.startswith(JOINER) and len(symbol) > 1
        return symbol[joined:].strip(" ").encode(), not joined


class _Events:
    """One symbol for each word that tells of music."""

    def __init__(self, symbols: Sequence[str], _: Tokenizer, dtype: np.dtype[Any]) -> None:
        self.dtype, self._numbers = dtype, {symbol: number for number, symbol in enumerate(symbols)}
        self.written = [*_specials("<unk>"), *((symbol.encode(), True) for symbol in symbols[len(SPECIALS) :])]

    def encode(self, text: str) -> np.ndarray:
        return np.fromiter((self._numbers.get(event, UNK) for event in text.split()), self.dtype)


KINDS: dict[str, Callable[[Sequence[str], Tokenizer, np.dtype[Any]], Kind]] = {
    "char": _Characters,
    "byte": _Bytes,
    "word": _Words,
    "bpe": _Pieces,
    "event": _Events,
}


def _specials(unknown: str) -> list[Written]:
    written = [(b"", False)] * len(SPECIALS)
    written[UNK] = (unknown.encode(), False)
    return written


def code_points(text: str) -> np.ndarray:
    """``[T]`` of a text without lone surrogates."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _byte_characters() -> dict[str, int]:
    """The characters that stand for the bytes 0 to 255 in byte-level symbols: GPT-2's, all of them visible."""
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (code for code in range(BYTES, 2 * BYTES))
    return {chr(byte if byte in visible else next(others)): byte for byte in range(BYTES)}


BYTE_OF = _byte_characters()
"""The byte that each of those characters stands for."""
