"""``throughtime verify DIR [FILE]``."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from throughtime.cli.common import add_model, open_labelled, open_model, positive, print_json
from throughtime.cli.screen import console
from throughtime.inspect.invariance import LIMIT, differences, random_inputs

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR, and what to try it on."""
    add_model(parser)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="texts, or sentences (default: random ones)")
    parser.add_argument("--rows", type=positive, default=200, metavar="N", help="how many to try (default: 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=verify)


def verify(arguments: argparse.Namespace) -> int:
    """Try, print, and fail if anything changes by more than the limit."""
    model = open_model(arguments)
    if arguments.file is None:
        inputs = random_inputs(model, arguments.rows)
    else:
        with open_labelled(arguments, model, need_label=False) as opened:
            examples = list(islice(opened.examples, arguments.rows))
        for note in opened.notes():
            console(quiet=arguments.quiet).print(f"{arguments.file}: {note}")
        inputs = model.read(examples)
    found = differences(model, inputs.to(model.device))
    largest = max(found.values())
    if arguments.json:
        print_json({"differences": found, "largest": largest, "limit": LIMIT, "rows": len(inputs)})
    else:
        screen = console(stderr=False)
        for change, difference in found.items():
            screen.print(f"{change:<24} {_shown(difference)}")
        verdict = "within" if largest <= LIMIT else "beyond"
        size, text = _shown(largest), model.names.text
        screen.print(f"largest change of any answer, {len(inputs)} {text}s: {size}, {verdict} {LIMIT:.0e}")
    return 0 if largest <= LIMIT else 1


def _shown(difference: float) -> str:
    return f"{difference:.1e}" if difference else "0"
