"""``throughtime lab EXPERIMENT``."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from throughtime.cli.common import print_json
from throughtime.cli.options import add_config, read_config_flags
from throughtime.cli.progress import PLAIN_SECONDS, training_bar
from throughtime.cli.screen import console
from throughtime.errors import UsageError
from throughtime.inspect.lab.page import NAMES, verdict, write_page
from throughtime.inspect.lab.vanishing import Experiment, VanishingConfig, run_vanishing
from throughtime.inspect.words import seconds_in_words
from throughtime.storage import write_atomically

__all__ = ["add_arguments"]

RESULTS, PAGE = "results.json", "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The experiments, and under each its flags."""
    experiments = parser.add_subparsers(title="experiments", metavar="EXPERIMENT", required=True)
    vanishing = experiments.add_parser(
        "vanishing",
        help="the fading gradient: Elman, GRU and LSTM side by side",
        description="Train Elman, GRU and LSTM on one problem at growing distances, and write a page about it.",
        allow_abbrev=False,
    )
    folder = vanishing.add_argument_group("The page's folder")
    folder.add_argument(
        "--out", type=Path, default=Path("vanishing"), metavar="DIR", help="where it goes (default: vanishing)"
    )
    folder.add_argument("--overwrite", action="store_true", help="replace the page in DIR")
    folder.add_argument("--quiet", action="store_true", help="show nothing but errors")
    folder.add_argument("--json", action="store_true", help="print one JSON object")
    add_config(vanishing, VanishingConfig)
    vanishing.set_defaults(run=run_lab)


def run_lab(arguments: argparse.Namespace) -> int:
    """Train, draw, write, and say what came out."""
    screen = console(quiet=arguments.quiet)
    config = read_config_flags(arguments, VanishingConfig)
    out: Path = arguments.out
    _check_folder(out, arguments.overwrite)
    with _Watch(screen, config.updates) as watch:
        experiment = run_vanishing(config, watch.told)
    command = _command(arguments.words, experiment)
    content = {"command": command, "verdict": verdict(experiment), **experiment.to_json()}
    out.mkdir(parents=True, exist_ok=True)
    write_page(out / PAGE, experiment, command)
    write_atomically(out / RESULTS, json.dumps(content, indent=1) + "\n")
    if arguments.json:
        print_json(content)
    else:
        _print(console(stderr=False, quiet=arguments.quiet), out, experiment)
    return 0


def _check_folder(out: Path, overwrite: bool) -> None:
    """Raise UsageError when the folder has what a run would replace and nobody said that it may."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: expected a folder, found a file")
    held = [name for name in (RESULTS, PAGE) if (out / name).exists()]
    if held and not ((out / RESULTS).exists() and overwrite):
        hint = "--overwrite replaces it" if RESULTS in held else "expected a new folder or an experiment's"
        raise UsageError(f"--out {out}: already holds a {held[0]}: {hint}")


def _command(words: list[str], experiment: Experiment) -> str:
    """The command that makes the page again: with the number of updates where the minutes decided it."""
    kept = [word for word in words if word not in ("--overwrite", "--quiet", "--json")]
    if experiment.updates < experiment.config.updates:
        kept += ["--updates", str(experiment.updates)]
    return shlex.join(["throughtime", *kept])


class _Watch:
    """A bar on a terminal, elsewhere a line now and then; use it as a context."""

    def __init__(self, screen: Console, updates: int) -> None:
        self._screen, self._said = screen, time.monotonic()
        self._bar = training_bar(screen)
        self._task = self._bar.add_task("training", total=updates, loss="")

    def __enter__(self) -> _Watch:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def told(self, done: int, total: int, word: str) -> None:
        """After an update of all networks."""
        self._bar.update(self._task, completed=done, total=total, loss=word)
        if not self._screen.is_terminal and time.monotonic() - self._said > PLAIN_SECONDS:
            self._said = time.monotonic()
            self._screen.print(f"update {done:,} of {total:,}: loss {word}")


def _print(screen: Console, out: Path, experiment: Experiment) -> None:
    table: Any = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("distance", justify="right")
    for outcome in experiment.outcomes:
        table.add_column(NAMES[outcome.cell], justify="right")
    for distance in experiment.outcomes[0].trained:
        table.add_row(str(distance), *(f"{o.trained[distance].accuracy:.1%}" for o in experiment.outcomes))
    screen.print(table)
    screen.print(f"\n{verdict(experiment)}")
    ended = experiment.explosion.free.ended
    if ended is not None and experiment.explosion.clipped.ended is None:
        screen.print(f"The run without clipping ended in NaN at update {ended}; the same with clipping went on.")
    screen.print(f"{seconds_in_words(experiment.seconds)}; the page is {out / PAGE}")
