"""The way in: finds the command, runs it, and turns every expected error into one sentence and an exit code."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import time
from collections.abc import Sequence

from throughtime.errors import ThroughtimeError
from throughtime.version import __version__

__all__ = ["main", "run"]

BEGUN = time.monotonic()
"""``--minutes`` counts from here: importing and reading are part of it."""

COMMANDS = {
    "train": "learn a model from a file",
    "evaluate": "measure a model on a file with labels",
    "predict": "label a file, or lines as they come on standard input",
    "inspect": "show what a model is, its data and its curve",
    "verify": "check that padding, batches and order change no prediction",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code: 0 done, 1 failed, 2 usage or data."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = words[0] if words and words[0] in COMMANDS else None
    try:
        # Only the command asked for is imported: `--help` should not wait for PyTorch.
        arguments = _parser(command).parse_args(words)
        code: int = arguments.run(arguments)
        return code
    except ThroughtimeError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped by Ctrl-C", 1)
    except BrokenPipeError:
        # The reader of our output is gone (`| head`): nothing more to say, not even when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}cannot be written: {error.strerror}", 1)


def run() -> None:
    """The console script."""
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
