"""Where the words of running text end, so that the text comes back as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from tokenizers import Regex, Tokenizer, pre_tokenizers

__all__ = ["JOINER", "SPELT", "SPLITS", "speller", "tell_split", "words_of"]

JOINER = "￭"
"""Begins the symbols that stand without a blank before them: the joiner of OpenNMT's tokenizer (Klein et al. 2017)."""

# The words of throughtime.data.vocabulary, capitals or not, and every other character but the blank and the newline,
# so that nothing is lost. The joiner is never part of a run: the symbol of two is one that is joined.
_MARKS = rf"\w+(?=(?i:n['’]t)\b)|(?i:n['’]t)\b|['’](?i:s|m|re|ve|ll|d)\b|\w+|{JOINER}|(\W)\1*"

# What stands alone only in text that is already split, and what stands there only in text that is not. French puts
# blanks before ! ? : ; too, but joins its commas.
_LOOSE = re.compile(r"[,.;:!?]+|n't|'(?:s|m|re|ve|ll|d)|``|''|-[LR]RB-|<unk>")
_GLUED = re.compile(r".*\w(?:[,;:!?]+|n't|'(?:s|m|re|ve|ll|d))")
SPELT = re.compile(rf"{JOINER}*<(?:pad|sos|eos)>")
"""A word that spells a special symbol."""

SPLITS = {"blanks": pre_tokenizers.WhitespaceSplit(), "marks": pre_tokenizers.Split(Regex(_MARKS), "isolated")}
"""What cuts a word as blanks part them."""


def tell_split(sample: str) -> tuple[Literal["blanks", "marks"], str]:
    """Whether a text is already split into words at its blanks, and why, in words."""
    words = sample.split()
    loose = sum(_LOOSE.fullmatch(word) is not None for word in words)
    glued = sum(_GLUED.fullmatch(word) is not None for word in words)
    seen = f"in its beginning {loose:,} marks and endings stand alone, {glued:,} are joined to a word"
    if loose > 20 * glued:
        return "blanks", f"words end at blanks alone, since the text is already split: {seen}"
    return "marks", f"words end at blanks and at marks: {seen}"


def words_of(text: str) -> list[str]:
    r"""Lines' words and ends, cut at every single blank: ``["a", "", "b", "\n", …]`` for ``"a  b\n…"``."""
    return text.replace("\n", " \n ").replace("\r \n ", " \r\n ").split(" ")


def speller(tokenizer: Tokenizer) -> Callable[[str], list[str]]:
    """What gives the symbols of a word as :func:`words_of` cuts it."""
    cut = tokenizer.pre_tokenizer.pre_tokenize_str

    def at_blanks(word: str) -> list[str]:
        if word in ("\n", "\r\n"):
            return [word]
        # One that spells a special symbol is set apart by a joiner.
        return [JOINER + part if SPELT.fullmatch(part) else part for part, _ in cut(word)]

    def at_marks(word: str) -> list[str]:
        if word in ("\n", "\r\n", ""):
            return [word or " "]
        first, *others = (part for part, _ in cut(word))
        return [first, *(JOINER + part for part in others)]

    return at_blanks if isinstance(tokenizer.pre_tokenizer, pre_tokenizers.WhitespaceSplit) else at_marks
