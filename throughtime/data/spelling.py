"""How a word is spelt, as three numbers: what is left to go by when the word itself was never seen.

The first three letters, the last three, and the shape (``Xxxx``, ``dd.dd``), each hashed into a bucket, as in the
multi hash embeddings of Miranda et al. (2022, "Multi hash embeddings in spaCy").
"""

from __future__ import annotations

import re
from functools import lru_cache
from zlib import crc32

__all__ = ["BUCKETS", "FEATURES", "NONE", "shape", "spelling"]

BUCKETS = 4096
FEATURES = 3
NONE = (0,) * FEATURES
"""The spelling of special symbols."""


@lru_cache(maxsize=1 << 17)
def spelling(word: str) -> tuple[int, ...]:
    """The buckets of a word's beginning, end and shape, from 1 below ``BUCKETS``.

    >>> spelling("walking") == spelling("walking"), spelling("walking")[0] == spelling("Walked")[0]
    (True, True)
    """
    low = word.lower()
    return tuple(1 + crc32(part.encode()) % (BUCKETS - 1) for part in (f"^{low[:3]}", f"{low[-3:]}$", shape(word)))


def shape(word: str) -> str:
    """Capitals as ``X``, other letters as ``x``, digits as ``d``, the rest as it is; runs are cut at four.

    >>> shape("Washington"), shape("NASA"), shape("3.14"), shape("McKay")
    ('Xxxxx', 'XXXX', 'd.dd', 'XxXxx')
    """
    return re.sub(r"(.)\1{4,}", r"\1" * 4, "".join(map(_kind, word)))


def _kind(character: str) -> str:
    if character.isalpha():
        return "X" if character != character.lower() else "x"
    return "d" if character.isdigit() else character
