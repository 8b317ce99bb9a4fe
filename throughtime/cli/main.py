"""The way in: finds the command, runs it, and turns every expected error into one sentence and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from throughtime.errors import ThroughtimeError
from throughtime.version import __version__

__all__ = ["main", "run"]

BEGUN = time.monotonic()
"""``--minutes`` counts from here: importing and reading are part of it."""

COMMANDS = {
    "train": "learn a model from a file",
    "evaluate": "measure a model on a file with labels",
    "predict": "label a file, or lines as they come on standard input",
    "translate": "answer texts with texts, in the terminal as one types",
    "generate": "write new text with a language model",
    "score": "tell how probable each line of a text is",
    "complete": "tell the next words, in the terminal as one types",
    "inspect": "show what a model is, its data and its curve",
    "verify": "check that padding, batches and order change no prediction",
    "lab": "experiments that show what recurrent networks can and cannot do",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code: 0 done, 1 failed, 2 usage or data."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = words[0] if words and words[0] in COMMANDS else None
    try:
        with _interrupts_end_at_once():
            # Only the command asked for is imported: `--help` should not wait for PyTorch.
            arguments = _parser(command).parse_args(words)
            arguments.words = words
        code: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # while it can be told that this fails
        return code
    except ThroughtimeError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped by Ctrl-C", 1)
    except BrokenPipeError:  # the reader of our output is gone (`| head`): nothing more to say
        _let_go_of_output()
        return 1
    except OSError as error:
        _let_go_of_output()
        place = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 1)
    except MemoryError:
        return _fail("expected enough memory for a model and batches of this size, found too little", 1)
    except RuntimeError as error:
        if "alloc" not in str(error):  # how PyTorch says that memory ran out
            raise
        return _fail(f"expected enough memory for a model and batches of this size, found too little ({error})", 1)


@contextlib.contextmanager
def _interrupts_end_at_once() -> Iterator[None]:
    """While libraries are imported, which do not all bear a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _let_go_of_output() -> None:
    """What cannot be written is dropped, so that Python does not complain of it once more at exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run() -> None:
    """The console script."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us (`<&-`): nothing is read, and nothing written
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w"))  # noqa: SIM115 (kept open)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # labels and texts are Unicode, whatever the terminal's settings
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())


def _fail(message: str, code: int) -> int:
    print(f"throughtime: {message}", file=sys.stderr)
    return code


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="throughtime",
        description="Recurrent sequence models, from your own file to a trained, saved, reusable model.",
        epilog="throughtime COMMAND --help tells a command's options.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"throughtime {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary.capitalize() + ".", allow_abbrev=False)
        if name == command:
            importlib.import_module(f"throughtime.cli.{name}").add_arguments(sub)
    return parser


if __name__ == "__main__":
    run()
