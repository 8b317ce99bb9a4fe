"""``throughtime complete DIR``: the next words, with their probabilities, as one types."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator

from throughtime.cli.common import add_model, decoded_lines, open_language_model, positive
from throughtime.model import LanguageModel

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR, and how many."""
    add_model(parser)
    parser.add_argument("--count", type=positive, default=5, metavar="N", help="words at most (default: 5)")
    parser.add_argument("--encoding", default="utf-8", help="how standard input's bytes are read (default: utf-8)")
    parser.set_defaults(run=complete)


def complete(arguments: argparse.Namespace) -> int:
    """In a terminal as one types; elsewhere a line out for each line in: word, probability, word, …, with tabs."""
    model = open_language_model(arguments)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from throughtime.cli.typing import type_with

        return type_with(model, arguments.count)
    for line in _answered(model, decoded_lines(sys.stdin.buffer, arguments.encoding), arguments.count):
        print(line, flush=True)
    return 0


def _answered(model: LanguageModel, lines: Iterable[str], count: int) -> Iterator[str]:
    for line in lines:
        found = model.complete(line, count)
        yield "\t".join(f"{word}\t{probability:.4f}" for word, probability in found)
