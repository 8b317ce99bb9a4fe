"""``throughtime score DIR FILE``: how probable each line of a text is."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from throughtime.cli.common import add_model, decoded_lines, makes_music, open_generator, print_json
from throughtime.cli.composing import score_music
from throughtime.cli.screen import console
from throughtime.data.files import read_lines, without_return
from throughtime.errors import DataError
from throughtime.model import LanguageModel, Scored

__all__ = ["add_arguments"]

CHUNK = 256
"""Lines read, scored and written at a time, so that a file of any length takes the same memory."""

HEAD = ("log_probability", "bits_per_character", "perplexity", "text")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR and FILE."""
    add_model(parser)
    parser.add_argument("file", metavar="FILE", help="a file of lines, or - for standard input; or music")
    parser.add_argument("--encoding", default="utf-8", help="how its bytes are read (default: utf-8)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=score)


@dataclass
class _Sum:
    """Of all lines."""

    lines: int = 0
    log_probability: float = 0.0
    tokens: int = 0
    characters: int = 0
    unknown: int = 0

    def add(self, scored: Scored) -> None:
        self.lines += 1
        self.log_probability += scored.log_probability
        self.tokens += scored.tokens
        self.characters += scored.characters
        self.unknown += scored.unknown

    @property
    def whole(self) -> Scored:
        return Scored(self.log_probability, self.tokens, self.characters, self.unknown)


def score(arguments: argparse.Namespace) -> int:
    """Write a row a line, or a piece, tab-separated, and all in all on the screen."""
    model = open_generator(arguments)
    if makes_music(model):
        return score_music(arguments, model)
    assert isinstance(model, LanguageModel)
    total, rows = _Sum(), []
    for text, scored in _scored(model, _lines(arguments)):
        if not total.lines and not arguments.json:
            print("\t".join(HEAD))  # only now: a file that cannot be read gives nothing but its error
        total.add(scored)
        if arguments.json:
            rows.append(_plain(scored) | {"text": text})
        else:
            print(f"{scored.log_probability:.4f}\t{_bits(scored)}\t{scored.perplexity:.4f}\t{text}")
    if not total.lines:
        raise DataError("expected lines of text, found none", path=arguments.file)
    if arguments.json:
        print_json({"lines": rows, "all": _plain(total.whole) | {"lines": total.lines}})
        return 0
    symbols = "1 symbol is" if total.unknown == 1 else f"{total.unknown:,} symbols are"
    unknown = f"; {symbols} unknown to the model" if total.unknown else ""
    console(quiet=arguments.quiet).print(
        f"{'1 line' if total.lines == 1 else f'{total.lines:,} lines'}: log probability {total.log_probability:,.2f}, "
        f"{_bits(total.whole)} bits a character, perplexity {total.whole.perplexity:,.2f}{unknown}"
    )
    return 0


def _lines(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.file == "-":
        yield from decoded_lines(sys.stdin.buffer, arguments.encoding)
        return
    with closing(read_lines(arguments.file, arguments.encoding)) as lines:
        yield from map(without_return, lines)


def _scored(model: LanguageModel, lines: Iterable[str]) -> Iterator[tuple[str, Scored]]:
    left = iter(lines)
    while chunk := list(islice(left, CHUNK)):
        yield from zip(chunk, model.score(chunk), strict=True)


def _bits(scored: Scored) -> str:
    return "—" if scored.bits_per_character is None else f"{scored.bits_per_character:.4f}"


def _plain(scored: Scored) -> dict[str, float | None]:
    return {
        "log_probability": scored.log_probability,
        "bits_per_character": scored.bits_per_character,
        "perplexity": scored.perplexity,
        "nll": -scored.log_probability / scored.tokens if scored.tokens else math.nan,
        "tokens": scored.tokens,
        "characters": scored.characters,
        "unknown": scored.unknown,
    }
