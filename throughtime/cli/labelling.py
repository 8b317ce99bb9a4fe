"""``throughtime predict`` with a model that labels words: the file given back with its labels' column filled."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from throughtime.cli.common import source_of
from throughtime.data.readers.sentences import Sentence, write_sentences
from throughtime.data.tagged import SentenceSource, read_tagged
from throughtime.errors import DataError
from throughtime.model import LabelModel

__all__ = ["label_file", "label_lines"]

CHUNK = 1024
"""Sentences read, labelled and written at a time, so that a file of any length takes the same memory."""


def label_file(arguments: argparse.Namespace, model: LabelModel) -> int:
    """Write FILE with its labels' column filled, all else byte for byte the same; how many sentences it has."""
    source = source_of(model)
    assert isinstance(source, SentenceSource)
    path, encoding = Path(arguments.file), arguments.encoding or source.encoding
    read = read_tagged(path, source, need_label=False, encoding=encoding, format=arguments.format)
    with closing(read) as sentences:
        labelled = _labelled(model, sentences)
        if arguments.out is not None:
            return write_sentences(arguments.out, labelled, encoding)
        count = 0
        for sentence, labels in labelled:
            sys.stdout.buffer.write(sentence.written(labels).encode(encoding))
            count += 1
        sys.stdout.buffer.flush()
        return count


def _labelled(model: LabelModel, sentences: Iterator[Sentence]) -> Iterator[tuple[Sentence, list[str]]]:
    while chunk := list(islice(sentences, CHUNK)):
        yield from zip(chunk, model.predict([sentence.tokens for sentence in chunk]), strict=True)


def label_lines(model: LabelModel, source: Iterable[bytes], target: BinaryIO, encoding: str) -> None:
    """For each line, as it comes: its words, which blanks part, one a line with its label, and a blank line."""
    for number, line in enumerate(source, 1):
        try:
            words = line.decode(encoding).split()
        except UnicodeDecodeError as error:
            raise DataError(
                f"expected {encoding}, found byte 0x{line[error.start]:02X}: --encoding says otherwise",
                path="standard input",
                line=number,
            ) from error
        (labels,) = model.predict([words])
        told = "".join(f"{word}\t{label}\n" for word, label in zip(words, labels, strict=True))
        target.write(f"{told}\n".encode(encoding))
        target.flush()
