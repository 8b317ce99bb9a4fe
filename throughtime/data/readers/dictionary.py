"""Pronunciation dictionaries as CMUdict has them: a word, a blank, its phones with blanks between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from throughtime.data.readers.rows import BLANK_LINE, Row, Tally

__all__ = ["dictionary_rows", "looks_like_dictionary"]

_COMMENT_LINE = ("comment line skipped", "comment lines skipped")
_COMMENT = ("comment behind a pronunciation is not read", "comments behind a pronunciation are not read")

_WHOLE = re.compile(r";;;|##|#(\s|$)")  # where a whole line is a comment; #HASH-MARK is a word of CMUdict 0.7b
_BEHIND = re.compile(r"\s#.*")
_VARIANT = re.compile(r"(.+)\(\d+\)")
_STRESS = re.compile(r"(?<=[A-Za-z])[0-2](?=\s|$)")
_PHONE = re.compile(r"[A-Z]{1,2}[0-2]?")  # of the ARPAbet


def dictionary_rows(lines: Iterable[str], path: str, tally: Tally, *, stress: bool = True) -> Iterator[Row]:
    r"""Yield each line as a word and its phones; `word(2)`, a further pronunciation, is `word` again.

    `stress=False` takes the digits off the phones.

    >>> tally = Tally("a.dict")
    >>> lines = ["tomato T AH0 M EY1 T OW2", "tomato(2) T AH0 M AA1 T OW2 # old"]
    >>> [row.fields for row in dictionary_rows(lines, "a.dict", tally, stress=False)]
    [('tomato', 'T AH M EY T OW'), ('tomato', 'T AH M AA T OW')]
    >>> tally.notes()
    ['1 comment behind a pronunciation is not read (first: line 2)']
    """
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line:
            tally.add(BLANK_LINE, path, number)
            continue
        if _WHOLE.match(line):
            tally.add(_COMMENT_LINE, path, number)
            continue
        if (bare := _BEHIND.sub("", line)) != line:
            tally.add(_COMMENT, path, number)
        word, *phones = bare.split(maxsplit=1)
        variant = _VARIANT.fullmatch(word)
        said = " ".join("".join(phones).split())
        yield Row((variant[1] if variant else word, said if stress else _STRESS.sub("", said)), path, number)


def looks_like_dictionary(lines: Sequence[str]) -> bool:
    """Tell whether all lines are words and phones of the ARPAbet, comments aside.

    >>> looks_like_dictionary([";;; CMUdict", "a AH0", "a(2) EY1"]), looks_like_dictionary(["I AM HE", "I am"])
    (True, False)
    """
    told = [line.strip() for line in lines]
    entries = [_BEHIND.sub("", line).split()[1:] for line in told if line and not _WHOLE.match(line)]
    phones = [phone for entry in entries for phone in entry]
    plain = bool(entries) and all(entries) and all(map(_PHONE.fullmatch, phones))
    return plain and any(phone[-1].isdigit() for phone in phones)
