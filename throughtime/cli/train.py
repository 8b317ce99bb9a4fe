"""``throughtime train TASK FILE --out DIR``."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from throughtime.cli.common import makes_music
from throughtime.cli.main import BEGUN
from throughtime.cli.meaning import add_music, meant
from throughtime.cli.options import add_config, flag, given_fields, read_config_flags
from throughtime.cli.progress import ProgressScreen
from throughtime.cli.screen import console, print_scores
from throughtime.config import Config
from throughtime.data.config import DataConfig, MusicConfig, PassageConfig
from throughtime.data.identity import all_plain, plain
from throughtime.data.music_files import read_pieces, told_in_events
from throughtime.data.noise import NoiseConfig
from throughtime.data.pairs import PairConfig, PairFiles, pair_meaning
from throughtime.data.parts import Files, Meaning, Parts, TextFiles, read_parts
from throughtime.data.passage_files import read_passages
from throughtime.data.right import RightFiles, foreign
from throughtime.data.running import RunningText
from throughtime.data.store import Store, usual_cache
from throughtime.data.tagged import SentenceConfig, SentenceFiles
from throughtime.errors import DataError, TrainingError, UsageError
from throughtime.fit import OWN_FILES, Fitted, fit
from throughtime.inspect.words import seconds_in_words
from throughtime.model import Model, ModelConfig, RunConfig, read_config, training_of
from throughtime.prepare import Splits
from throughtime.tasks import TASKS
from throughtime.tasks.targets import PIECES
from throughtime.train.checkpoint import remove_checkpoints
from throughtime.train.run import Outcome

__all__ = ["add_arguments"]

WORDS = {
    "classify": ("one class for a text", "Learn to give each text one class."),
    "rate": ("a number for a text", "Learn to give each text a number: a grade, or any."),
    "generate": (
        "the next symbol",
        "Learn what comes next in a text, or in music: to tell its probability, complete it, write new.",
    ),
    "translate": (
        "a text for a text",
        "Learn to answer a text with a text: translation, transliteration, pronunciation, correction.",
    ),
    "label": ("a label for each word", "Learn to give each word of a sentence a label: its part of speech, a name."),
}
FILES = {
    "classify": "a file, or a folder with a file or folder a class",
    "rate": "a file",
    "generate": "a text file, MIDI, JSON piano rolls, or a folder of text or of MIDI files",
    "translate": "what the names of parallel files begin with (train, for train.en and train.de), or a table of pairs",
    "label": "a file of sentences: CoNLL-U, CoNLL columns, JSON lines or Parquet",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The tasks, and under each its flags."""
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    for name, (help, description) in WORDS.items():
        task = tasks.add_parser(name, help=help, description=description, allow_abbrev=False)
        task.add_argument("file", type=Path, metavar="FILE", help=FILES[name])
        folder = task.add_argument_group("The model's folder")
        folder.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the model goes")
        folder.add_argument("--resume", action="store_true", help="go on where an earlier run in DIR stopped")
        folder.add_argument("--overwrite", action="store_true", help="replace the model in DIR")
        folder.add_argument(
            "--cache",
            type=Path,
            metavar="DIR",
            help="where data too large for memory is kept ready (~/.cache/throughtime)",
        )
        folder.add_argument("--quiet", action="store_true", help="show nothing but errors")
        kind = TASKS[name]
        for config in (kind.data, kind.vocabulary, kind.network, training_of(name), RunConfig):
            add_config(task, config)
        if name == "translate":
            add_config(task, NoiseConfig)
        if name == "generate":
            add_music(task)
        task.set_defaults(run=train_task, task=name)


def train_task(arguments: argparse.Namespace) -> int:
    """Read, train, save, and say what to do next."""
    screen = console(quiet=arguments.quiet)
    found = meant(arguments)
    kind = TASKS[found.task]
    data = read_config_flags(arguments, found.data)
    vocabulary = read_config_flags(arguments, kind.vocabulary)
    network = read_config_flags(arguments, kind.network)
    train = read_config_flags(arguments, training_of(found.task))
    config = ModelConfig(
        command=_command(arguments.words),
        vocabulary=vocabulary,
        task=found.task,
        network=network,
        run=read_config_flags(arguments, RunConfig),
        train=train.model_dump(),
        noise=_noise(arguments, data),
    ).settled()
    begun = _look_at_folder(arguments)
    if begun is not None and begun.files:
        remove_checkpoints(arguments.out / "checkpoints")  # left where a kill came between the last two steps
        screen.print(f"{arguments.out}: the run is finished; nothing is left to do")
        return 0
    parts = _read(arguments, data, found.task, config.run.seed, screen)
    config = config.settled(parts.train)
    train = train.settled_with(config.network.learning(config.vocabulary))  # type: ignore[arg-type]
    config = config.model_copy(update={"data": parts.facts, "train": train.model_dump()})
    splits = Splits(parts.train, parts.valid, parts.test, parts.folder)
    if begun is not None:
        _check_same(begun, config)
    deadline = None if train.minutes is None else BEGUN + 60 * train.minutes - _closing_seconds(train.minutes)
    try:
        with ProgressScreen(screen) as progress:
            fitted = fit(
                splits, config, train, arguments.out, deadline=deadline, resume=begun is not None, listener=progress
            )
    except KeyboardInterrupt as error:
        kept = arguments.out / "checkpoints"
        if not kept.exists():
            raise
        raise TrainingError(
            f"stopped by {str(error) or 'Ctrl-C'}; {kept} keeps what was learnt: "
            "go on with the same command and --resume"
        ) from error
    _close(screen, arguments.out, fitted)
    if parts.folder is not None:
        Store(arguments.cache or usual_cache()).tidy(keep=parts.folder.parent.name)
    return 0


def _noise(arguments: argparse.Namespace, options: Config) -> NoiseConfig | None:
    """What goes wrong in right texts, where sources are made of them.

    Raises:
        UsageError: for its flags where they are not.
    """
    if isinstance(options, PairConfig) and options.noise:
        return read_config_flags(arguments, NoiseConfig)
    for name in given_fields(arguments, NoiseConfig):
        raise UsageError(f"{flag(NoiseConfig.prefix + name)}: expected it beside --noise, found it alone")
    return None


def _files(options: Config) -> Files:
    if isinstance(options, DataConfig):
        return TextFiles(options)
    if isinstance(options, PairConfig):
        return RightFiles(options) if options.noise else PairFiles(options)
    assert isinstance(options, SentenceConfig)
    return SentenceFiles(options)


def _command(words: list[str]) -> str:
    """The command that makes the model again."""
    return plain(shlex.join(["throughtime", *(w for w in words if w not in ("--resume", "--overwrite", "--quiet"))]))


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
        _check_same_values(getattr(begun, part).model_dump(), all_plain(getattr(now, part).model_dump()))
    passive = {"checkpoint_seconds"}
    _check_same_values(
        {k: v for k, v in begun.train.items() if k not in passive},
        {k: v for k, v in now.train.items() if k not in passive},
    )
    _check_same_values(begun.data["options"], now.data["options"])  # which also decide what a file is read as
    for name in ("train", "valid", "test"):
        before, after = begun.data.get(name), now.data.get(name)
        if after is not None and "path" in after and after["sha256"] is None:
            raise DataError(
                "expected a file to go on with, found a pipe: whether it holds what the run began with is not known; "
                "--overwrite begins anew",
                path=after["path"],
            )
        if (before or {}).get("sha256") != (after or {}).get("sha256"):
            raise DataError(
                f"expected the {name} data that the run began with, found other content; --overwrite begins anew",
                path=(after or before or {}).get("path"),
            )
    noise = [{} if config.noise is None else config.noise.model_dump() for config in (begun, now)]
    _check_same_values(*({NoiseConfig.prefix + name: value for name, value in own.items()} for own in noise))


def _check_same_values(begun: dict[str, Any], now: dict[str, Any]) -> None:
    for name, value in now.items():
        if begun.get(name) != value:
            raise UsageError(
                f"--{name.replace('_', '-')}: expected {begun.get(name)}, as the run began with, found {value}; "
                "--overwrite begins anew"
            )


# ---- the data ----


def _read(arguments: argparse.Namespace, options: Config, task: str, seed: int, screen: Console) -> Parts:
    """The examples, parted, and what is said of them."""
    path, kind, example = arguments.file, TASKS[task].targets, _called(options, task)
    cache = arguments.cache or usual_cache()
    with screen.status(f"reading {path}") as status:
        meaning = Meaning(task, kind.value, kind.strata, example)
        if isinstance(options, PairConfig):
            meaning = replace(pair_meaning(task), called=example)
        if isinstance(options, MusicConfig):
            parts = read_pieces(path, options, seed, status.update)
            if task == "generate":
                parts = told_in_events(parts)
        elif isinstance(options, PassageConfig):
            parts = read_passages(path, options, meaning, seed, cache, status.update)
        else:
            parts = read_parts(path, _files(options), meaning, seed, cache, status.update)
    source, rows = parts.facts["source"], parts.facts["rows"]
    screen.print(f"{path}: {rows:,} {example}{'s' * (rows != 1)}, read as {source['format']}")
    for note in source["notes"]:
        screen.print(f"  {note}")
    if parts.folder:
        what = "the files have not changed: read from" if parts.kept else "too large for memory, kept ready in"
        screen.print(f"  {what} {parts.folder}")
    purposes = (("learn from", parts.train), ("choose by", parts.valid), ("test on", parts.test))
    screen.print(", ".join(f"{len(part):,} to {purpose}" for purpose, part in purposes if part))
    warnings = parts.warnings
    if isinstance(options, PairConfig) and options.noise:
        assert not isinstance(parts.train, RunningText)
        warnings = warnings + foreign(parts.train)
    _warn(screen, warnings, strict=options.strict)  # type: ignore[attr-defined]
    return parts


def _called(options: Config, task: str) -> str:
    """An example of the data."""
    if isinstance(options, MusicConfig):
        return PIECES.example
    if isinstance(options, PairConfig) and options.noise:
        return "sentence"
    return "line" if isinstance(options, PassageConfig) and options.by == "line" else TASKS[task].names.example


def _warn(screen: Console, warnings: list[str], *, strict: bool) -> None:
    """Say them all; under --strict they end the run.

    Raises:
        DataError: with ``strict``, when there are any.
    """
    for warning in warnings:
        screen.print(f"  {warning}", style="yellow")
    if strict and warnings:
        more = f", and {len(warnings) - 1} more" if len(warnings) > 1 else ""
        raise DataError(f"expected data without warnings (--strict), found: {warnings[0]}{more}")


# ---- the end ----


ANSWERS = (
    ("evaluate {} FILE", "measure it on another file with labels"),
    ("predict {} FILE", "answer for a file, or - for lines as they come"),
)
GENERATES = (
    ("generate {} --prompt TEXT", "new text that begins so"),
    ("complete {}", "the next words, as one types"),
    ("score {} FILE", "how probable each line of a file is"),
    ("evaluate {} FILE", "measure it on another text"),
)
TRANSLATES = (
    ("translate {}", "answers, as one types"),
    ("evaluate {} FILE", "measure it on other pairs"),
    ("predict {} FILE", "answer for a file, or - for lines as they come"),
)
COMPOSES = (
    ("generate {} --out new.mid", "a new piece"),
    ("score {} FILE", "how probable each piece of a file is"),
    ("evaluate {} FILE", "measure it on other music"),
)
"""What to do with a model; ``{}`` is its folder."""


def _close(screen: Console, out: Path, fitted: Fitted) -> None:
    outcome = fitted.outcome
    screen.print(f"\nStopped after {seconds_in_words(outcome.seconds)}: {outcome.reason}.")
    if fitted.valid is not None:
        screen.print(_kept(outcome))
    scores = {name: part for name, part in (("valid", fitted.valid), ("test", fitted.test)) if part is not None}
    if scores:
        model = fitted.model
        print_scores(screen, model.task.measures, model.names, scores)
    if fitted.calibration is not None and fitted.valid is not None:
        screen.print(_calibrated(fitted.calibration, fitted.valid))
    screen.print(f"\nThe model is in {out}, its report in {out / 'report.html'}. Next:")
    for command, words in (*_uses(fitted.model), ("inspect {}", "what it is and how it learnt")):
        screen.print(f"  throughtime {command.format(out):<{len(str(out)) + 24}} {words}")


def _kept(outcome: Outcome) -> str:
    """Which weights are kept, and what to do where a third of --minutes or more only learnt by heart.

    That is so where the training loss fell on and the validation loss rose: by a twentieth, for it wavers (the
    generalisation loss of Prechelt 1998, at its usual 5%).
    """
    best, last = outcome.best, outcome.history[-1]
    kept = f"The weights of update {best.update:,} did best and are kept."
    assert best.valid is not None
    assert last.valid is not None
    by_heart = last.loss < best.loss and last.valid["loss"] > 1.05 * best.valid["loss"]
    if outcome.plan.bound == "--minutes" and by_heart and 3 * best.update <= 2 * last.update:
        kept += (
            f" What came after {seconds_in_words(best.seconds)} was learning by heart: "
            "more --dropout may make better use of the time."
        )
    return kept


def _uses(model: Model) -> tuple[tuple[str, str], ...]:
    if makes_music(model):
        return COMPOSES
    return {"generate": GENERATES, "translate": TRANSLATES}.get(model.config.task, ANSWERS)


def _calibrated(calibration: dict[str, Any], valid: dict[str, Any]) -> str:
    """What the temperature did on the data that it was fitted on."""
    before = calibration["before"]["valid"]
    return (
        f"Calibrated by the temperature {calibration['temperature']:.3f}; on the validation data the expected "
        f"calibration error went from {before['ece']:.2%} to {valid['ece']:.2%}, "
        f"the loss from {before['loss']:.4f} to {valid['loss']:.4f}."
    )
