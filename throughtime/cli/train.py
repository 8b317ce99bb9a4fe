"""``throughtime train TASK FILE --out DIR``."""

from __future__ import annotations

import argparse
import hashlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from throughtime.cli.main import BEGUN
from throughtime.cli.options import add_config, read_config_flags
from throughtime.cli.progress import ProgressScreen
from throughtime.cli.screen import console, print_scores
from throughtime.data.columns import Example, Source, read_examples, read_like
from throughtime.data.config import DataConfig
from throughtime.data.lint import Warning, lint, other_columns
from throughtime.data.split import stratified_split
from throughtime.data.vocabulary import VocabularyConfig
from throughtime.errors import DataError, TrainingError, UsageError
from throughtime.fit import OWN_FILES, Fitted, Splits, fit
from throughtime.inspect.words import seconds_in_words
from throughtime.model import ModelConfig, RunConfig, read_config
from throughtime.storage import sha256
from throughtime.tasks import TASKS
from throughtime.tasks.targets import Targets
from throughtime.train.checkpoint import remove_checkpoints
from throughtime.train.config import TrainConfig

__all__ = ["add_arguments"]

Strata = Callable[[Sequence[Example]], list[str]]

WORDS = {
    "classify": ("one class for a text", "Learn to give each text one class."),
    "rate": ("a number for a text", "Learn to give each text a number: a grade, or any."),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tasks, and under each its flags."""
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    for name, (help, description) in WORDS.items():
        task = tasks.add_parser(name, help=help, description=description, allow_abbrev=False)
        task.add_argument("file", type=Path, metavar="FILE", help="a file, or a folder with a file or folder a class")
        folder = task.add_argument_group("The model's folder")
        folder.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the model goes")
        folder.add_argument("--resume", action="store_true", help="go on where an earlier run in DIR stopped")
        folder.add_argument("--overwrite", action="store_true", help="replace the model in DIR")
        folder.add_argument("--quiet", action="store_true", help="show nothing but errors")
        for config in (DataConfig, VocabularyConfig, TASKS[name][1], TrainConfig, RunConfig):
            add_config(task, config)
        task.set_defaults(run=train_task, task=name)


def train_task(arguments: argparse.Namespace) -> int:
    """Read, train, save, and say what to do next."""
    task, network, _ = TASKS[arguments.task]
    screen = console(quiet=arguments.quiet)
    data = read_config_flags(arguments, DataConfig)
    vocabulary = read_config_flags(arguments, VocabularyConfig)
    train = read_config_flags(arguments, TrainConfig).for_tokens(vocabulary.tokens)
    config = ModelConfig(
        command=_command(arguments.words),
        vocabulary=vocabulary,
        task=arguments.task,
        network=read_config_flags(arguments, network),
        run=read_config_flags(arguments, RunConfig),
        train=train.model_dump(),
    ).settled()
    begun = _look_at_folder(arguments)
    if begun is not None and begun.files:
        remove_checkpoints(arguments.out / "checkpoints")  # left where a kill came between the last two steps
        screen.print(f"{arguments.out}: the run is finished; nothing is left to do")
        return 0
    splits, facts = _read(arguments.file, data, TASKS[arguments.task][2], config.run.seed, screen)
    config = config.model_copy(update={"data": facts})
    if begun is not None:
        _check_same(begun, config)
    deadline = None if train.minutes is None else BEGUN + 60 * train.minutes - _closing_seconds(train.minutes)
    try:
        with ProgressScreen(screen, task.measures[0]) as progress:
            fitted = fit(
                splits, config, train, arguments.out, deadline=deadline, resume=begun is not None, listener=progress
            )
    except KeyboardInterrupt as error:
        kept = arguments.out / "checkpoints"
        if not kept.exists():
            raise
        raise TrainingError(
            f"stopped by Ctrl-C; {kept} keeps what was learnt: go on with the same command and --resume"
        ) from error
    _close(screen, arguments.out, fitted)
    return 0


def _plain(name: str) -> str:
    """A file's name may hold bytes that are no text; what is written down must be text."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _command(words: list[str]) -> str:
    """The command that makes the model again."""
    return _plain(shlex.join(["throughtime", *(w for w in words if w not in ("--resume", "--overwrite", "--quiet"))]))


def _closing_seconds(minutes: float) -> float:
    """What the last evaluation, the report and leaving Python take: seconds, not a share, but little of a short run."""
    return min(4.0, 0.1 * 60 * minutes)


# ---- the folder ----


def _look_at_folder(arguments: argparse.Namespace) -> ModelConfig | None:
    """The settings of the run to go on with, or none to begin anew.

    Raises:
        UsageError: when the folder holds a model or a run and neither --resume nor --overwrite says what to do.
    """
    out: Path = arguments.out
    if arguments.resume and arguments.overwrite:
        raise UsageError("expected --resume or --overwrite, found both")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: expected a folder, found a file")
    if not (out / "config.json").exists():
        others = [name for name in (*OWN_FILES, "checkpoints") if (out / name).exists()]
        if others:
            raise UsageError(f"--out {out}: expected a new folder or a model's, found a {others[0]} that is no model's")
        return None
    if arguments.overwrite:
        return None
    found = read_config(out)
    if arguments.resume:
        return found
    if found.files:
        raise UsageError(f"--out {out}: already holds a model: --overwrite replaces it")
    raise UsageError(
        f"--out {out}: holds a run that has not finished: --resume goes on with it, --overwrite begins anew"
    )


def _check_same(begun: ModelConfig, now: ModelConfig) -> None:
    """Raise UsageError naming the first setting, or file, that is not what the run began with."""
    if begun.task != now.task:
        raise UsageError(f"expected train {begun.task}, as the run began with, found train {now.task}")
    for part in ("vocabulary", "network", "run"):
        _check_same_values(getattr(begun, part).model_dump(), getattr(now, part).model_dump())
    passive = {"checkpoint_seconds"}
    _check_same_values(
        {k: v for k, v in begun.train.items() if k not in passive},
        {k: v for k, v in now.train.items() if k not in passive},
    )
    for name in ("train", "valid", "test"):
        before, after = begun.data.get(name), now.data.get(name)
        if (before or {}).get("sha256") != (after or {}).get("sha256"):
            raise DataError(
                f"expected the {name} data that the run began with, found other content; --overwrite begins anew",
                path=(after or before or {}).get("path"),
            )
    _check_same_values(begun.data["options"], now.data["options"])


def _check_same_values(begun: dict[str, Any], now: dict[str, Any]) -> None:
    for name, value in now.items():
        if begun.get(name) != value:
            raise UsageError(
                f"--{name.replace('_', '-')}: expected {begun.get(name)}, as the run began with, found {value}; "
                "--overwrite begins anew"
            )


# ---- the data ----


def _read(
    path: Path, options: DataConfig, kind: type[Targets], seed: int, screen: Console
) -> tuple[Splits, dict[str, Any]]:
    """The examples, parted, and what ``config.json`` says of them."""
    everything, source = read_examples(
        path,
        text=options.text,
        label=options.label,
        label_until=options.label_until,
        format=options.format,
        header=options.header,
        encoding=options.encoding,
    )
    screen.print(f"{path}: {len(everything):,} rows, read as {source.format}")
    for note in source.notes:
        screen.print(f"  {note}")
    facts: dict[str, Any] = {
        "source": asdict(source),
        "options": options.model_dump(),
        "train": {"path": _plain(str(path)), "sha256": _hash(path)},
    }
    train = everything
    parts: dict[str, list[Example]] = {}
    for name, wanted in (("test", options.test), ("valid", options.valid)):
        share = _share(name, wanted)
        if wanted is None or share == 0:
            parts[name] = []
        elif share is None:
            parts[name] = read_like(Path(wanted), source)
            facts[name] = {"path": _plain(wanted), "sha256": _hash(Path(wanted))}
        else:
            parts[name], train = _hold_out(train, kind.strata, share, seed)
    for name, part in (("train", train), *parts.items()):
        facts.setdefault(name, {})["rows"] = len(part)
    screen.print(", ".join(f"{len(p):,} to {w}" for w, p in _purposes(train, parts) if p))
    splits = Splits(train, parts["valid"], parts["test"])
    _warn(screen, _lint(path, source, splits, kind), strict=options.strict)
    return splits, facts


def _lint(path: Path, source: Source, splits: Splits, kind: type[Targets]) -> list[Warning]:
    """What looks wrong with the data; a table's other columns are read again, a pipe cannot be."""
    columns = other_columns(path, source, splits.train) if path.is_file() else {}
    train, valid, test = (
        [_Labelled(example.text, kind.value(example), example.path, example.line) for example in part]
        for part in (splits.train, splits.valid, splits.test)
    )
    return lint(train, valid, test, columns=columns)


class _Labelled(NamedTuple):
    text: str
    label: str | float | None
    path: str
    line: int


def _warn(screen: Console, warnings: list[Warning], *, strict: bool) -> None:
    """Say them all; under --strict they end the run.

    Raises:
        DataError: with ``strict``, when there are any.
    """
    for warning in warnings:
        screen.print(f"  {warning}", style="yellow")
    if strict and warnings:
        more = f", and {len(warnings) - 1} more" if len(warnings) > 1 else ""
        raise DataError(f"expected data without warnings (--strict), found: {warnings[0]}{more}")


def _purposes(train: list[Example], parts: dict[str, list[Example]]) -> list[tuple[str, list[Example]]]:
    return [("learn from", train), ("choose by", parts["valid"]), ("test on", parts["test"])]


def _hold_out(examples: list[Example], strata: Strata, share: float, seed: int) -> tuple[list[Example], list[Example]]:
    kept, held = stratified_split(strata(examples), share, seed)
    return [examples[row] for row in held], [examples[row] for row in kept]


def _share(name: str, wanted: str | None) -> float | None:
    """The fraction that an option's value is, or none when it names a file."""
    if wanted == "":
        raise UsageError(f"--{name}: expected a file, or a share from 0 to 1, found nothing")
    if wanted is None or Path(wanted).exists():
        return None
    try:
        share = float(wanted)
    except ValueError:
        return None
    if not 0 <= share < 1:
        raise UsageError(f"--{name}: expected a file, or a share from 0 to 1, found {wanted}")
    return share


def _hash(path: Path) -> str:
    """Of a file, or of a folder's names and files."""
    if path.is_file():
        return sha256(path)
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            whole.update(f"{file.relative_to(path)}\0{sha256(file)}\n".encode())
    return whole.hexdigest()


# ---- the end ----


def _close(screen: Console, out: Path, fitted: Fitted) -> None:
    outcome = fitted.outcome
    screen.print(f"\nStopped after {seconds_in_words(outcome.seconds)}: {outcome.reason}.")
    if fitted.valid is not None:
        screen.print(f"The weights of update {outcome.best.update:,} did best and are kept.")
    scores = {name: part for name, part in (("valid", fitted.valid), ("test", fitted.test)) if part is not None}
    if scores:
        print_scores(screen, fitted.model.task.measures, scores)
    if fitted.calibration is not None and fitted.valid is not None:
        screen.print(_calibrated(fitted.calibration, fitted.valid))
    screen.print(
        f"\nThe model is in {out}, its report in {out / 'report.html'}. Next:\n"
        f"  throughtime evaluate {out} FILE      measure it on another file with labels\n"
        f"  throughtime predict {out} FILE       answer for a file, or - for lines as they come\n"
        f"  throughtime inspect {out}            what it is and how it learnt"
    )


def _calibrated(calibration: dict[str, Any], valid: dict[str, Any]) -> str:
    """What the temperature did on the data that it was fitted on."""
    before = calibration["before"]["valid"]
    return (
        f"Calibrated by the temperature {calibration['temperature']:.3f}; on the validation data the expected "
        f"calibration error went from {before['ece']:.2%} to {valid['ece']:.2%}, "
        f"the loss from {before['loss']:.4f} to {valid['loss']:.4f}."
    )
