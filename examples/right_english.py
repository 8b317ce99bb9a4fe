"""Right English from freely available data sets, a sentence a line, for `throughtime train translate --noise`.

    python examples/right_english.py --reviews imdb/train.tar.xz --pairs tatoeba_eng_fra/fra.txt.gz \
        --treebank ud_english_ewt/en_ewt-ud-train.conllu.gz > right.txt

Sentences are written as corrected essays are published (JFLEG and others): words, marks and endings such as n't and 's
with blanks between them. Reviews are cut into sentences; of those only what looks well written is taken: a capital
first, a mark last, from 4 to 40 words, nothing but ASCII. What is told twice is written once. The order is shuffled,
always alike, so that the first lines are a fair part of all.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

SENTENCE = re.compile(r"(?<=[a-z0-9\"')][.?!])\s+(?=[A-Z\"'])")
WELL = re.compile(r"[A-Z\"'][ -~]*[a-z)\"'] ?[.?!]")
PARTS = re.compile(
    r"""\w+?(?=n't\b) | n't\b | '(?:s|m|d|re|ve|ll)\b | \d+(?:[.,:]\d+)* | \w+(?:[-.]\w+)*\.?(?=\s+[a-z]) | \w+(?:-\w+)*
      | \.\.\.+ | -- | [^\w\s]""",
    re.VERBOSE,
)


def parted(text: str) -> str:
    """With a blank between any two words or marks.

    >>> parted("I don't know (yet), it's Tom's 3.5%.")
    "I do n't know ( yet ) , it 's Tom 's 3.5 % ."
    """
    return " ".join(PARTS.findall(text))


def reviews(path: Path) -> Iterator[str]:
    """The sentences of a tar archive of texts."""
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                text = file.read().decode("utf-8", "replace")
                for paragraph in re.split(r"(?:<br\s*/?>\s*)+", text):
                    yield from SENTENCE.split(paragraph.strip())


def pairs(path: Path) -> Iterator[str]:
    """The first column of a tab-separated file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield line.split("\t")[0]


def treebank(path: Path) -> Iterator[str]:
    """The sentences of a CoNLL-U file, as they were before they were parted."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("# text = "):
                yield line[len("# text = ") :].strip()


def main() -> None:
    """Write the sentences of all sources that were named."""
    parser = argparse.ArgumentParser(description="Right English, a sentence a line.")
    kinds = {"reviews": reviews, "pairs": pairs, "treebank": treebank}
    for name, read in kinds.items():
        parser.add_argument(f"--{name}", type=Path, action="append", default=[], help=read.__doc__)
    arguments = parser.parse_args()
    found = dict.fromkeys(
        parted(text)
        for name, read in kinds.items()
        for path in getattr(arguments, name)
        for text in read(path)
        if WELL.fullmatch(text) and 4 <= len(text.split()) <= 40
    )
    sentences = list(found)
    random.Random(1).shuffle(sentences)
    print("\n".join(sentences))


if __name__ == "__main__":
    main()
