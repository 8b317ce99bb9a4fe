"""What the commands that ask a model for texts share: how it searches, and how its answers are written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from throughtime.cli.common import decoded_lines, positive, source_of
from throughtime.cli.options import add_config, flag, read_config_flags
from throughtime.cli.writers import BLANKS, WRITERS
from throughtime.data.columns import Source, iter_examples
from throughtime.data.files import read_lines
from throughtime.data.pair import Pair
from throughtime.data.pair_formats import PairSource
from throughtime.data.pairs import read_pairs
from throughtime.data.readers.detect import by_ending
from throughtime.data.readers.rows import Tally, shown
from throughtime.data.two_sided import Side
from throughtime.decode.beam import BeamConfig
from throughtime.errors import UsageError
from throughtime.model import Answer, Model, TranslatorModel

__all__ = [
    "add_search",
    "answer_file",
    "answer_lines",
    "beam_of",
    "in_a_line",
    "prefixes_of",
    "unknown_in_words",
    "warn_of_prefix",
]

CHUNK = 1024
"""Sources read, answered and written at a time, so that a file of any length takes the same memory."""

_CUT = (
    "answer has as many symbols as it may (--max-length, --max-ratio), and so may lack its end",
    "answers have as many symbols as they may (--max-length, --max-ratio), and so may lack their ends",
)
_UNKNOWN = (
    "source has symbols that the model does not know",
    "sources have symbols that the model does not know",
)
_UNKNOWN_PREFIX = (
    "answer is to begin with symbols that the model does not know",
    "answers are to begin with symbols that the model does not know",
)


def add_search(parser: argparse.ArgumentParser, *, n_best: bool = True) -> None:
    """How a model that answers with texts searches for them."""
    add_config(parser, BeamConfig)
    if n_best:
        parser.add_argument(
            "--n-best", type=positive, metavar="N", help="answers to a source, with their scores (default: 1, without)"
        )
        parser.add_argument("--prefix", metavar="TEXT", help="what every answer begins with")


def beam_of(arguments: argparse.Namespace, model: Model) -> BeamConfig | None:
    """How to search; none for a model that does not.

    Raises:
        UsageError: for a flag that means nothing to the model, or a value out of range.
    """
    if isinstance(model, TranslatorModel):
        beam, n_best = read_config_flags(arguments, BeamConfig), getattr(arguments, "n_best", None) or 1
        if n_best > beam.beam:
            raise UsageError(f"--n-best: expected at most the beam's {beam.beam}, found {n_best}")
        begun = any(getattr(arguments, name, None) is not None for name in ("prefix", "prefix_column"))
        model.check_search(beam, n_best, begun=begun)
        return beam
    given = [name for name in BeamConfig.model_fields if hasattr(arguments, name)]
    own = ("n_best", "prefix", "prefix_column", "source", "target")
    given += [name for name in own if getattr(arguments, name, None) is not None]
    if given:
        raise UsageError(
            f"{flag(given[0])}: expected a model that answers with texts (throughtime train translate), "
            f"found one of {model.config.task}"
        )
    return None


def in_a_line(answers: Sequence[Answer], scored: bool) -> str:
    r"""Answers in one line: the best alone, or each with its score behind it and tabs between.

    >>> in_a_line([Answer("ein\nHund", -1.2, -0.5), Answer("Hund", -2.0, -1.0)], True)
    'ein Hund\t-0.5000\tHund\t-1.0000'
    """
    texts = [answer.text.translate(BLANKS) for answer in answers]
    if not scored:
        return texts[0]
    return "\t".join(f"{text}\t{answer.score:.4f}" for text, answer in zip(texts, answers, strict=True))


def unknown_in_words(side: Side, text: str) -> str | None:
    """What a model does not know of a source, or of what an answer begins with, in words; none where it knows all."""
    found = side.unknown(text)
    return f"not known to the model: {shown(found, 5)}" if found else None


def warn_of_prefix(model: TranslatorModel, arguments: argparse.Namespace) -> None:
    """Say on standard error what the model does not know of --prefix."""
    unknown = unknown_in_words(model.vocabulary.target, arguments.prefix or "")
    if unknown and not arguments.quiet:
        print(f"--prefix: {unknown}", file=sys.stderr)


def prefixes_of(arguments: argparse.Namespace, count: int) -> list[str] | None:
    """What each of so many answers begins with, by --prefix."""
    return None if arguments.prefix is None else [arguments.prefix] * count


def answer_lines(model: TranslatorModel, source: BinaryIO, arguments: argparse.Namespace) -> None:
    """A line of answers for each line, as it comes; what is not known of it is told on standard error."""
    beam, n_best = beam_of(arguments, model), arguments.n_best
    warn_of_prefix(model, arguments)
    for number, text in enumerate(decoded_lines(source, arguments.encoding or "utf-8"), 1):
        if not arguments.quiet and (unknown := unknown_in_words(model.vocabulary.source, text)):
            print(f"line {number}: {unknown}", file=sys.stderr)
        (answers,) = model.translate([text], beam, n_best=n_best or 1, prefixes=prefixes_of(arguments, 1))
        print(in_a_line(answers, n_best is not None), flush=True)


def answer_file(arguments: argparse.Namespace, model: TranslatorModel) -> tuple[int, list[str]]:
    """Answer a file's sources: how many there are, and what to tell of them.

    Where the answers' file is a table by its name, each row holds the source, the answers and their scores; elsewhere
    each line holds the answers, as :func:`in_a_line` has them.
    """
    out: Path | None = arguments.out
    if out is None:
        return _answer_into(arguments, model, sys.stdout, None)
    partial = out.with_name(f".{out.name}.partial")
    ending = out.suffix.lower()
    try:
        with partial.open("w", encoding="utf-8", newline="") as target:
            found = _answer_into(arguments, model, target, ending if ending in WRITERS else None)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _answer_into(
    arguments: argparse.Namespace, model: TranslatorModel, target: TextIO, ending: str | None
) -> tuple[int, list[str]]:
    beam, n_best = beam_of(arguments, model), arguments.n_best or 1
    warn_of_prefix(model, arguments)
    tally, count = Tally(str(arguments.file)), 0
    told = [f"{name}{f'_{rank}' * (rank > 1)}" for rank in range(1, n_best + 1) for name in ("prediction", "score")]
    writer = None if ending is None else WRITERS[ending](target, ["source", *told])
    with closing(_sources(arguments, model, tally)) as sources:
        while chunk := list(islice(sources, CHUNK)):
            for pair in chunk:
                if model.vocabulary.source.unknown(pair.text):
                    tally.add(_UNKNOWN, pair.path, pair.line)
            texts, prefixes = [pair.text for pair in chunk], prefixes_of(arguments, len(chunk))
            if arguments.prefix_column is not None:
                prefixes = [_prefix(pair, arguments) for pair in chunk]
                for pair, prefix in zip(chunk, prefixes, strict=True):
                    if model.vocabulary.target.unknown(prefix):
                        tally.add(_UNKNOWN_PREFIX, *pair.places[0])
            found = model.translate(texts, beam, n_best=n_best, prefixes=prefixes)
            for pair, answers in zip(chunk, found, strict=True):
                if answers[0].cut:
                    tally.add(_CUT, pair.path, pair.line)
                if writer is None:
                    target.write(in_a_line(answers, arguments.n_best is not None) + "\n")
                    continue
                cells: list[str | float] = [cell for own in answers for cell in (own.text, round(own.score, 4))]
                writer.write([pair.text, *cells, *[""] * (len(told) - len(cells))])
            count += len(chunk)
    return count, tally.notes()


def _sources(arguments: argparse.Namespace, model: TranslatorModel, tally: Tally) -> Generator[Pair]:
    """The sources of a file like that of the training data; where this was parallel, of any text too, a line each."""
    source, path = source_of(model), Path(arguments.file)
    assert isinstance(source, PairSource | Source)
    asked = {"encoding": arguments.encoding, "format": arguments.format}
    if arguments.source is not None or arguments.prefix_column is not None:
        yield from read_pairs(path, _with_columns(arguments, source), need_target=False, tally=tally, **asked)
        return
    lines = source.format in ("parallel", "lines") and arguments.format in (None, "lines")
    if lines and path.is_file() and by_ending(path) is None:
        with closing(read_lines(path, arguments.encoding or source.encoding)) as found:
            for number, line in enumerate(found, 1):
                yield Pair(line.strip(), (), str(path), number)
    elif isinstance(source, PairSource):
        yield from read_pairs(path, source, need_target=False, tally=tally, **asked)
    else:
        if source.format == "lines" and arguments.format is None:
            asked["format"] = "auto"
        for example in iter_examples(path, source, need_label=False, tally=tally, **asked):
            yield Pair(example.text.strip(), (), example.path, example.line)


def _with_columns(arguments: argparse.Namespace, source: PairSource | Source) -> PairSource:
    """How a file is read as --source and --prefix-column say; the latter stands in the place of right answers.

    Raises:
        UsageError: of a model that learnt from no pairs, and of a pronunciation dictionary, whose columns are fixed.
    """
    name = "source" if arguments.source is not None else "prefix_column"
    if not isinstance(source, PairSource):
        raise UsageError(
            f"{flag(name)}: expected a model that learnt from pairs, found one that learnt from right text"
        )
    if (arguments.format or source.format) == "dictionary":
        raise UsageError(
            f"{flag(name)}: expected a table or parallel files, found a pronunciation dictionary "
            "(--format says otherwise)"
        )
    if arguments.source is not None:
        source = replace(source, source=arguments.source, header=None)
    return source if arguments.prefix_column is None else replace(source, target=arguments.prefix_column)


def _prefix(pair: Pair, arguments: argparse.Namespace) -> str:
    """What the answer to a source begins with, by --prefix-column.

    Raises:
        UsageError: there is no such column.
    """
    if not pair.targets:
        raise UsageError(
            f"--prefix-column {arguments.prefix_column}: expected a column of that name, or the ending of a file "
            f"beside {pair.path}, found none"
        )
    return pair.targets[0]
