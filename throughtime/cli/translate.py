"""``throughtime translate DIR``: answers in the terminal as one types, or a line for each line of a pipe."""

from __future__ import annotations

import argparse
import sys

from throughtime.cli.common import add_model, open_model
from throughtime.cli.translating import (
    add_search,
    answer_lines,
    beam_of,
    prefixes_of,
    unknown_in_words,
    warn_of_prefix,
)
from throughtime.errors import UsageError
from throughtime.model import TranslatorModel

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR, and how it searches."""
    add_model(parser)
    parser.add_argument("--encoding", default="utf-8", help="how standard input's bytes are read (default: utf-8)")
    add_search(parser)
    parser.set_defaults(run=translate)


def translate(arguments: argparse.Namespace) -> int:
    """In a terminal a prompt; elsewhere a line out for each line in."""
    model = open_model(arguments)
    beam_of(arguments, model)
    if not isinstance(model, TranslatorModel):
        raise UsageError(
            f"{arguments.model}: expected a model that answers with texts (throughtime train translate), "
            f"found one of {model.config.task}"
        )
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _converse(model, arguments)
    answer_lines(model, sys.stdin.buffer, arguments)
    return 0


def _converse(model: TranslatorModel, arguments: argparse.Namespace) -> int:
    """Lines until Ctrl-D, each answered below; the arrows bring back what was typed."""
    from prompt_toolkit import PromptSession

    beam, n_best = beam_of(arguments, model), arguments.n_best
    warn_of_prefix(model, arguments)
    session: PromptSession[str] = PromptSession()
    print("Type a source; return answers it, Ctrl-D ends.")
    while True:
        try:
            text = session.prompt("> ")
        except EOFError:
            return 0
        if not text.strip():
            continue
        if unknown := unknown_in_words(model.vocabulary.source, text):
            print(f"  ({unknown})")
        (answers,) = model.translate([text], beam, n_best=n_best or 1, prefixes=prefixes_of(arguments, 1))
        for answer in answers:
            print(f"  {f'{answer.score:>8.4f}  ' if n_best else ''}{answer.text}")
