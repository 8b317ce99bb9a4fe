"""Training as it is watched: a bar with rate and time left, and a line for every evaluation."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from throughtime.fit import FitListener, Summary
from throughtime.inspect.words import bytes_in_words, seconds_in_words
from throughtime.prepare import Covered
from throughtime.train.loop import Step
from throughtime.train.protocol import Record
from throughtime.train.stopping import Progress as RunProgress

__all__ = ["PLAIN_SECONDS", "ProgressScreen", "training_bar"]

PLAIN_SECONDS = 30.0
"""Without a terminal there is no bar, but a line now and then."""


def training_bar(console: Console, *more: ProgressColumn) -> Progress:
    """A bar of updates with the field ``loss``, the columns given and the time left; nothing without a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed}/{task.total} updates"),
        TextColumn("loss {task.fields[loss]}"),
        *more,
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class ProgressScreen(FitListener):
    """Shows a run on a console; use it as a context.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = training_bar(console, TextColumn("{task.fields[rate]} tokens/s"))
        self._loss, self._tokens, self._begun, self._said, self._best = 0.0, 0, 0.0, 0.0, ""
        self._status = console.status("")

    def __enter__(self) -> ProgressScreen:
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()
        self._bar.stop()

    def preparing(self, words: str) -> None:
        """What takes its time before the first update; nothing without a terminal."""
        self._status.update(words)
        self._status.start()

    def prepared(self, summary: Summary) -> None:
        """The summary, and the head of the table of evaluations."""
        self._status.stop()
        say = self.console.print
        say(summary.targets)
        text, tokens = summary.names.text, f"{summary.names.token}s"
        unknown = "" if summary.unknown is None else f", {summary.unknown:.1%} of the validation {tokens} unknown"
        say(f"{summary.symbols:,} symbols{unknown}; batches of about {summary.tokens:,} {tokens}, none of them padding")
        if summary.cut:
            say(f"{summary.cut:,} texts are longer than --max-length and were cut")
        if summary.covered:
            say(f"a vector made elsewhere for {_covered(summary.covered)}")
        say(
            f"{summary.parameters:,} parameters, whatever the length of a {text}; "
            f"{bytes_in_words(summary.memory)} of memory"
        )
        plan, self.score = summary.plan, summary.score
        say(
            f"at most {plan.updates:,} updates ({plan.updates / plan.per_epoch:.1f} epochs), "
            f"about {seconds_in_words(plan.seconds)} on this machine"
        )
        if summary.resumed_at is not None:
            say(f"going on from the checkpoint of update {summary.resumed_at:,}", style="bold")
        heads = f"{'epoch':>7} {'update':>8} {'train loss':>11} {'valid loss':>11} {self.score.title:>14}"
        say(f"\n{heads}  clipped    time")
        self._bar.start()
        self._task = self._bar.add_task(
            "training", total=plan.updates, completed=summary.resumed_at or 0, loss="—", rate="—"
        )
        self._begun = self._said = time.monotonic()

    def stepped(self, step: Step, progress: RunProgress) -> None:
        """Move the bar; the loss shown is smoothed."""
        self._loss = step.loss if not self._tokens else 0.95 * self._loss + 0.05 * step.loss
        self._tokens += step.tokens
        now = time.monotonic()
        rate = f"{self._tokens / max(1e-9, now - self._begun):,.0f}"
        self._bar.update(
            self._task,
            completed=progress.updates,
            loss=f"{self._loss:.3f}",
            rate=rate,
            description=f"training{self._best}",
        )
        if not self.console.is_terminal and now - self._said > PLAIN_SECONDS:
            self._said = now
            self.console.print(f"        update {progress.updates:,}: loss {self._loss:.3f}, {rate} tokens/s")

    def evaluated(self, record: Record) -> None:
        """A line of the table, and an example if there is one; a star marks the best so far."""
        loss, score = "—", "—"
        if record.valid is not None:
            loss, score = f"{record.valid['loss']:.4f}", self.score.shown(record.valid[self.score.key])
            if record.best:
                self._best = f" (best {score})"
        self.console.print(
            f"{record.epoch:>7.2f} {record.update:>8,} {record.loss:>11.4f} {loss:>11} {score:>14}"
            f"{'*' if record.best else ' '} {record.clipped:>8.1%} {seconds_in_words(record.seconds):>7}"
        )
        if record.sample is not None:
            line = " ".join(record.sample.split())
            self.console.print(
                f"          {line}", style="dim", markup=False, highlight=False, overflow="ellipsis", no_wrap=True
            )

    def noticed(self, message: str) -> None:
        """A warning."""
        self.console.print(message, style="yellow")


def _covered(parts: Sequence[Covered]) -> str:
    """Which words have a vector made elsewhere.

    >>> _covered([Covered("train", 1500, 2000, 0.9), Covered("valid", 300, 400, 0.88)])
    '1,500 of 2,000 training words (90.0% of the text) and 300 of 400 validation words (88.0%)'
    """
    names = {"train": "training", "valid": "validation"}
    told = [f"{part.found:,} of {part.words:,} {names[part.part]} words ({part.share:.1%}" for part in parts]
    return ") and ".join([f"{told[0]} of the text", *told[1:]]) + ")"
