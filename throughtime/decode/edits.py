"""What an answer changes of its source, word by word: correction is not rewriting, and each change can be judged alone.

It knows nothing of networks: how probable the candidates are is told from without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

__all__ = ["FEW", "Change", "Changes"]

FEW = 2
"""Words that a change touches at most, before or after, where it is judged: what touches more is rewriting."""

_WORDS = re.compile(r"\S+")


@dataclass(frozen=True)
class Change:
    """Words ``source[begin:end]`` that become ``words``."""

    begin: int
    end: int
    words: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many words it touches, before or after."""
        return max(self.end - self.begin, len(self.words))


class Changes:
    """An answer as changes of its source: the fewest words that are replaced, left out or added.

    What becomes of neighbouring words is one change, unless they are as many as before: then each is its own. Words are
    what blanks part.

    Args:
        source: the text before.
        answer: the text after.

    >>> changes = Changes("He go to school in the New York .", "He goes to school in Newyork again .")
    >>> [(change.begin, change.end, change.words) for change in changes.found]
    [(1, 2, ('goes',)), (5, 8, ('Newyork', 'again'))]
    >>> changes.apply([True, False])
    'He goes to school in the New York .'
    """

    def __init__(self, source: str, answer: str) -> None:
        self.text, self.source, words = source, _WORDS.findall(source), _WORDS.findall(answer)
        self.found = list[Change]()
        kept = [0, 0]  # how far source and answer have been compared
        equal = (code for code in Levenshtein.opcodes(self.source, words) if code.tag == "equal")
        ends = (len(self.source), len(self.source), len(words), len(words))
        for begin, end, first, last in [*((c.src_start, c.src_end, c.dest_start, c.dest_end) for c in equal), ends]:
            self._add(kept[0], begin, words[kept[1] : first])
            kept = [end, last]

    def _add(self, begin: int, end: int, words: Sequence[str]) -> None:
        """What becomes of ``source[begin:end]``, if anything does."""
        if len(words) == end - begin:
            self.found += [Change(begin + place, begin + place + 1, (word,)) for place, word in enumerate(words)]
        else:
            self.found.append(Change(begin, end, tuple(words)))

    def apply(self, kept: Iterable[bool]) -> str:
        """The source with the changes that are kept; as it stands where none is."""
        words, at, some = list[str](), 0, False
        for change, keep in zip(self.found, kept, strict=True):
            if keep:
                words += [*self.source[at : change.begin], *change.words]
                at, some = change.end, True
        return " ".join([*words, *self.source[at:]]) if some else self.text

    def without_each(self) -> list[str]:
        """The answer with all changes but one, for each of them."""
        places = range(len(self.found))
        return [self.apply(place != other for place in places) for other in places]
