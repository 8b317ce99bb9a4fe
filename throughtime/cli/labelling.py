"""``throughtime predict`` with a model that labels words: the file given back with its labels' column filled."""

from __future__ import annotations

import argparse
import codecs
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from throughtime.cli.common import decoded_lines, source_of
from throughtime.data.readers.detect import by_ending
from throughtime.data.readers.parquet_lists import write_rows
from throughtime.data.readers.sentences import Sentence, encoded, spelled, write_sentences
from throughtime.data.tagged import SentenceSource, format_of, read_rows, read_tagged
from throughtime.errors import UsageError
from throughtime.model import LabelModel

__all__ = ["label_file", "label_lines"]

Known = TypeVar("Known", bound=Sentence)

CHUNK = 1024
"""Sentences read, labelled and written at a time, so that a file of any length takes the same memory."""


def label_file(arguments: argparse.Namespace, model: LabelModel) -> int:
    """Write FILE with its labels' column filled, all else byte for byte the same; how many sentences it has.

    The rows of a Parquet file are written as Parquet, or as JSON lines.
    """
    source = source_of(model)
    assert isinstance(source, SentenceSource)
    path, encoding = Path(arguments.file), arguments.encoding or source.encoding
    kind = format_of(path, source, encoding, arguments.format)
    _check_ending(arguments.out, kind, path)
    if kind == "parquet" and arguments.out is not None and _is_parquet(arguments.out):
        with closing(read_rows(path, source)) as rows:
            return write_rows(arguments.out, _labelled(model, rows))
    target = "utf-8" if kind == "parquet" else encoding
    with closing(read_tagged(path, source, need_label=False, encoding=encoding, format=kind)) as sentences:
        labelled = _labelled(model, sentences)
        if arguments.out is not None:
            return write_sentences(arguments.out, labelled, target)
        encoder, count = codecs.getincrementalencoder(target)(), 0  # one, since a file has one byte order mark at most
        for sentence, labels in labelled:
            sys.stdout.buffer.write(encoder.encode(spelled(sentence, labels, target)))
            count += 1
        sys.stdout.buffer.flush()
        return count


def _check_ending(out: Path | None, kind: str, path: Path) -> None:
    """Raise UsageError for a name that says another format than the one that is written."""
    if out is None:
        return
    if kind == "parquet" and not (_is_parquet(out) or by_ending(out) == "jsonl"):
        raise UsageError(f"--out {out}: expected a name that ends in .parquet or .jsonl, as {path} is Parquet")
    if kind != "parquet" and _is_parquet(out):
        raise UsageError(f"--out {out}: expected a file like {path}, which is read as {kind}, found a name of Parquet")


def _is_parquet(out: Path) -> bool:
    return out.suffix.lower() in (".parquet", ".pq")


def _labelled(model: LabelModel, sentences: Iterator[Known]) -> Iterator[tuple[Known, list[str]]]:
    while chunk := list(islice(sentences, CHUNK)):
        yield from zip(chunk, model.predict([sentence.tokens for sentence in chunk]), strict=True)


def label_lines(model: LabelModel, source: BinaryIO, target: BinaryIO, encoding: str) -> None:
    """For each line, as it comes: its words, which blanks part, one a line with its label, and a blank line.

    Raises:
        DataError: the encoding cannot read a line, or spell a label.
        UsageError: it is unknown.
    """
    for number, line in enumerate(decoded_lines(source, encoding), 1):
        words = line.split()
        (labels,) = model.predict([words])
        told = "".join(f"{word}\t{label}\n" for word, label in zip(words, labels, strict=True))
        target.write(encoded(f"{told}\n", encoding, "standard input", number))
        target.flush()
