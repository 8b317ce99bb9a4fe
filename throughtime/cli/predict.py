"""``throughtime predict DIR FILE``: a file with predictions beside its own columns, or lines as they come."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from throughtime.cli.common import add_model, check_out, decoded_lines, open_model, refuse_generator, source_of
from throughtime.cli.labelling import label_file, label_lines
from throughtime.cli.options import flag
from throughtime.cli.screen import console
from throughtime.cli.translating import add_search, answer_file, answer_lines, beam_of
from throughtime.cli.writers import BLANKS, WRITERS
from throughtime.data.columns import Example, Source, open_examples
from throughtime.data.readers.rows import Row
from throughtime.errors import UsageError
from throughtime.model import LabelModel, Model, TextModel, TranslatorModel

__all__ = ["add_arguments"]

CHUNK = 1024
"""Rows read, predicted and written at a time, so that a file of any length takes the same memory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR, FILE, and where the predictions go."""
    add_model(parser)
    parser.add_argument("file", metavar="FILE", help="a file like that of the training data, or - for lines")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a .csv, .tsv or .jsonl file (default: CSV on screen); of labelled words a file like FILE; of texts that "
        "answer texts any other too, which then has an answer a line (default: that on screen)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file that --out names")
    parser.add_argument("--format", help="the file's format, where it is not that of the training data")
    parser.add_argument("--encoding", help="how the file's bytes are read, where not as the training data's")
    parser.add_argument(
        "--source",
        help="of pairs, the sources: the ending of their file, or a table's column (default: as in training)",
    )
    add_search(parser)
    parser.add_argument(
        "--prefix-column",
        metavar="COLUMN",
        help="what each answer begins with: a column of FILE, or of parallel files the ending of one",
    )
    parser.set_defaults(run=predict)


def predict(arguments: argparse.Namespace) -> int:
    """Predict a file or standard input."""
    if arguments.prefix is not None and arguments.prefix_column is not None:
        raise UsageError("expected --prefix or --prefix-column, found both")
    if arguments.file == "-":
        if arguments.out is not None or arguments.format is not None:
            raise UsageError("expected no --out and no --format with -: lines are answered on standard output")
        for name in ("source", "prefix_column"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"{flag(name)}: expected a file, whose column it is, found standard input")
        model, encoding = open_model(arguments), arguments.encoding or "utf-8"
        refuse_generator(model)
        beam_of(arguments, model)
        if isinstance(model, TranslatorModel):
            answer_lines(model, sys.stdin.buffer, arguments)
        elif isinstance(model, LabelModel):
            label_lines(model, sys.stdin.buffer, sys.stdout.buffer, encoding)
        else:
            _answer_lines(_of_texts(model), sys.stdin.buffer, sys.stdout, encoding)
        return 0
    check_out(arguments.out, arguments.overwrite)
    model = open_model(arguments)
    refuse_generator(model)
    beam_of(arguments, model)
    screen = console(quiet=arguments.quiet)
    where = f", in {arguments.out}" if arguments.out else ""
    if isinstance(model, LabelModel):
        count = label_file(arguments, model)
        screen.print(f"{count:,} sentence{'s' * (count != 1)} labelled{where}")
        return 0
    if isinstance(model, TranslatorModel):
        (count, notes), what, done = answer_file(arguments, model), "source", "answered"
    else:
        (count, notes), what, done = _predict(arguments, _of_texts(model)), "row", "predicted"
    for note in notes:
        screen.print(f"{arguments.file}: {note}")
    screen.print(f"{count:,} {what}{'s' * (count != 1)} {done}{where}")
    return 0


def _of_texts(model: Model) -> TextModel:
    assert isinstance(model, TextModel)
    return model


def _answer_lines(model: TextModel, source: BinaryIO, target: TextIO, encoding: str) -> None:
    """Label and probability, or number, and text for each line, as it comes."""
    most = 2 if model.config.task == "classify" else 1
    for text in decoded_lines(source, encoding):
        told = model.task.targets.cells(model.answers([text])[0])[:most]
        target.write("".join(f"{_cell(value)}\t" for value in told) + f"{text}\n")
        target.flush()


# ---- files ----


def _predict(arguments: argparse.Namespace, model: TextModel) -> tuple[int, list[str]]:
    """Predict a table: how many rows it has, and what to tell of it."""
    out: Path | None = arguments.out
    if out is None:
        return _predict_into(arguments, model, sys.stdout, ".csv")
    if out.suffix.lower() not in WRITERS:
        raise UsageError(f"--out {out}: expected a name that ends in .csv, .tsv or .jsonl")
    partial = out.with_name(f".{out.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as target:
            found = _predict_into(arguments, model, target, out.suffix.lower())
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _predict_into(
    arguments: argparse.Namespace, model: TextModel, target: TextIO, ending: str
) -> tuple[int, list[str]]:
    count, source = 0, source_of(model)
    assert isinstance(source, Source)
    with open_examples(
        Path(arguments.file),
        source,
        need_label=False,
        encoding=arguments.encoding,
        format=arguments.format,
    ) as opened:
        writer = WRITERS[ending](target, _columns(opened.names, opened.header, model.task.targets.columns()))
        for chunk in _chunks(opened.rows):
            answers = model.answers([example.text for _, example in chunk])
            for (row, _), answer in zip(chunk, answers, strict=True):
                writer.write([*row.fields, *model.task.targets.cells(answer)])
            count += len(chunk)
        return count, opened.tally.notes()


def _columns(names: Sequence[str], header: bool, told: Sequence[str]) -> list[str]:
    """The file's own columns, then ours; a name that is taken gets an underscore more."""
    own = names if header else [f"column {name}" if name.isdecimal() else name for name in names]
    columns: list[str] = []
    for name in (*own, *told):
        while name in columns:
            name += "_"
        columns.append(name)
    return columns


def _cell(value: str | float) -> str:
    return value.translate(BLANKS) if isinstance(value, str) else f"{value:.4f}"


def _chunks(rows: Iterator[tuple[Row, Example]]) -> Iterator[list[tuple[Row, Example]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
