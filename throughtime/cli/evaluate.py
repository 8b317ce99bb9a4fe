"""``throughtime evaluate DIR FILE``."""

from __future__ import annotations

import argparse
from pathlib import Path

from throughtime.cli.common import add_model, open_labelled, open_model, print_json
from throughtime.cli.screen import console, print_scores
from throughtime.cli.translating import add_search, beam_of
from throughtime.model import TranslatorModel

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR, FILE and how to read and print."""
    add_model(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="a file with labels, like that of the training data")
    parser.add_argument("--format", help="the file's format, where it is not that of the training data")
    parser.add_argument("--encoding", help="how the file's bytes are read, where not as the training data's")
    parser.add_argument(
        "--part",
        choices=["train", "valid", "test", "all"],
        help="of music that brings its parts, the one to measure (default: test, where it has one)",
    )
    parser.add_argument(
        "--source",
        help="of pairs, the sources: the ending of their file, or a table's column (default: as in training)",
    )
    parser.add_argument("--target", help="the right answers, likewise; several with commas between, or ref for ref0, …")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_search(parser, n_best=False)
    parser.set_defaults(run=evaluate)


def evaluate(arguments: argparse.Namespace) -> int:
    """Read, measure, print."""
    screen = console(quiet=arguments.quiet)
    model = open_model(arguments)
    beam = beam_of(arguments, model)
    with open_labelled(arguments, model) as opened:
        examples = opened.whole()
    for note in opened.notes():
        screen.print(f"{arguments.file}: {note}")
    metrics = model.evaluate(examples, beam) if isinstance(model, TranslatorModel) else model.evaluate(examples)
    if arguments.json:
        print_json({name: value for name, value in metrics.items() if name != "confusion"})
    else:
        names = model.names
        print_scores(console(stderr=False), model.task.measures, names, {arguments.file.name: metrics})
    return 0
