"""``throughtime generate DIR``: new text, as it is written, or new music."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from throughtime.cli.common import add_model, makes_music, open_generator, positive, print_json
from throughtime.cli.composing import PROMPT_STEPS, WORDS, write_music
from throughtime.cli.options import add_config, flag, read_config_flags
from throughtime.cli.screen import console
from throughtime.data.files import check_encoding, stream_blocks
from throughtime.decode.sampling import SamplingConfig
from throughtime.errors import UsageError
from throughtime.model import LanguageModel

__all__ = ["add_arguments"]

LENGTH = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR, what the text or piece begins with, how long and how bold it is."""
    add_model(parser)
    parser.add_argument(
        "--prompt",
        default="",
        metavar="TEXT",
        help="what it begins with; - reads standard input; of music a MIDI or JSON file, whose first steps are taken",
    )
    parser.add_argument("--encoding", default="utf-8", help="how the bytes of --prompt - are read (default: utf-8)")
    parser.add_argument(
        "--length",
        type=positive,
        metavar="N",
        help=f"symbols at most (default: {LENGTH}; see --endless); of music steps (default: as the pieces of training "
        f"on average), or events (default: {WORDS:,})",
    )
    parser.add_argument("--endless", action="store_true", help="go on until stopped")
    parser.add_argument("--samples", type=positive, default=1, metavar="N", help="how many texts (default: 1)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="decides every random choice (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object with the texts")
    music = parser.add_argument_group("Where DIR makes music")
    music.add_argument("--out", type=Path, metavar="FILE.mid", help="where it goes; of several FILE-1.mid and so on")
    music.add_argument("--overwrite", action="store_true", help="replace the file that --out names")
    music.add_argument(
        "--prompt-steps", type=positive, metavar="N", help=f"steps taken of --prompt (default: {PROMPT_STEPS})"
    )
    add_config(parser, SamplingConfig)
    parser.set_defaults(run=generate)


def generate(arguments: argparse.Namespace) -> int:
    """Write one text as it comes, or several one after another."""
    if arguments.endless and (arguments.samples > 1 or arguments.json):
        raise UsageError("--endless: expected one text on screen, found --samples or --json")
    if arguments.endless and arguments.length is not None:
        raise UsageError(f"--endless: expected no --length, found {arguments.length}")
    if arguments.seed < 0:
        raise UsageError(f"--seed: expected a whole number from 0, found {arguments.seed}")
    sampling = read_config_flags(arguments, SamplingConfig)
    model = open_generator(arguments)
    if makes_music(model):
        return write_music(arguments, model)
    assert isinstance(model, LanguageModel)
    for name in ("out", "overwrite", "prompt_steps"):
        if getattr(arguments, name):
            raise UsageError(f"{flag(name)}: expected a model of music, found one of text, which goes to the screen")
    length = None if arguments.endless else arguments.length or LENGTH
    prompt = _standard_input(arguments.encoding) if arguments.prompt == "-" else arguments.prompt
    screen = console(quiet=arguments.quiet)
    if unknown := model.unknown_in(prompt):
        screen.print(f"--prompt: {unknown}", style="yellow")
    begun = time.perf_counter()
    if arguments.samples > 1 or arguments.json:
        texts = model.generate(
            prompt, arguments.length or LENGTH, samples=arguments.samples, seed=arguments.seed, sampling=sampling
        )
        written = sum(len(text) - len(prompt) for text in texts)
        if arguments.json:
            print_json({"texts": texts, "prompt": prompt, "seed": arguments.seed})
        else:
            for number, text in enumerate(texts, 1):
                print(f"── {number} of {len(texts)} ──\n{text}")
    else:
        sys.stdout.write(prompt)
        written = 0
        for _, piece in model.go_on(prompt, length, seed=arguments.seed, sampling=sampling):
            sys.stdout.write(piece)
            sys.stdout.flush()
            written += len(piece)
        sys.stdout.write("\n")
    taken = time.perf_counter() - begun
    characters = "1 character" if written == 1 else f"{written:,} characters"
    screen.print(f"{characters}, {written / max(1e-9, taken):,.0f} a second")
    return 0


def _standard_input(encoding: str) -> str:
    """All of it.

    Raises:
        DataError: for a byte that is not of the encoding, with its line.
        UsageError: the encoding is unknown.
    """
    check_encoding(encoding)
    return "".join(stream_blocks(sys.stdin.buffer, "standard input", encoding))  # type: ignore[arg-type]
