"""``throughtime inspect DIR``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.table import Table

from throughtime.cli.common import add_model, open_model, print_json
from throughtime.cli.screen import console, print_scores, sparkline
from throughtime.cli.translating import unknown_in_words
from throughtime.data.music import Rolls
from throughtime.data.piece import pitch_name
from throughtime.data.two_sided import TwoSided
from throughtime.errors import ModelError, UsageError
from throughtime.inspect.words import seconds_in_words
from throughtime.model import Looked, Model, TranslatorModel
from throughtime.tasks.targets import Measure

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """DIR, and a text to answer."""
    add_model(parser)
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="of a model that answers with texts: show where it looks as it answers"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=inspect)


def inspect(arguments: argparse.Namespace) -> int:
    """Show the model, its data, its scores and its curve."""
    model = open_model(arguments)
    if arguments.text is not None:
        return _look(model, arguments.text, as_json=arguments.json)
    score = model.task.measures[0]
    curve = _curve(arguments.model, score)
    if arguments.json:
        content = model.config.model_dump()
        print_json({**content, "parameters": model.parameters, "labels": model.labels, "curve": curve})
        return 0
    screen = console(stderr=False)
    screen.print(_facts(model))
    result = model.config.result
    scores = {name: result[name] for name in ("valid", "test") if result.get(name)}
    if scores:
        print_scores(screen, model.task.measures, model.names, scores)
    _print_curve(screen, curve, score)
    screen.print(f"\nThe whole report: {arguments.model / 'report.html'}")
    return 0


def _look(model: Model, text: str, *, as_json: bool) -> int:
    """The answer to a text; a row for each symbol of it, a column for each of the source, darker for what weighs more.

    A source that is wider than the terminal comes in several tables.

    Raises:
        UsageError: for any other model, or an empty text.
    """
    if not isinstance(model, TranslatorModel):
        raise UsageError(f"expected no text for a model of {model.config.task}, found {text!r}")
    found = model.look(text)
    if as_json:
        print_json({**asdict(found), "weights": found.weights.tolist()})
        return 0
    screen = console(stderr=False)
    if unknown := unknown_in_words(model.vocabulary.source, text):
        screen.print(f"({unknown})")
    screen.print(found.text, style="bold")
    for begin, end in _fitting(found, screen.width):
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        table.add_column(style="bold", no_wrap=True)
        for symbol in found.source[begin:end]:
            table.add_column(symbol, no_wrap=True)
        for symbol, row in zip(found.answer, found.weights[:, begin:end], strict=True):
            shades = (SHADES[min(int(weight * len(SHADES)), len(SHADES) - 1)] for weight in row)
            names = zip(shades, found.source[begin:end], strict=True)
            table.add_row(symbol, *(shade * cell_len(name) for shade, name in names))
        screen.print()
        screen.print(table)
    return 0


SHADES = " ░▒▓█"


def _fitting(looked: Looked, width: int) -> Iterator[tuple[int, int]]:
    """From where to where the source's symbols go into one table of so many columns of the terminal, at least one."""
    room = width - max(map(cell_len, looked.answer)) - 1
    begin = taken = 0
    for place, symbol in enumerate(looked.source):
        size = cell_len(symbol) + 1
        if place > begin and taken + size > room:
            yield begin, place
            begin, taken = place, 0
        taken += size
    yield begin, len(looked.source)


def _facts(model: Model) -> Table:
    config = model.config
    result, data = config.result, config.data
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    kind = {"classify": "classes", "rate": "grades", "label": "tags"}.get(config.task, "symbols")
    other = {"rate": "numbers", "generate": "what comes next", "compose": "what sounds next", "translate": "texts"}.get(
        config.task
    )
    table.add_row("task", f"{config.task}: {f'{len(model.labels)} {kind}' if model.labels else other}")
    if model.labels:
        table.add_row(kind, ", ".join(model.labels[:20]) + (" …" if len(model.labels) > 20 else ""))
    table.add_row("model", model.in_words())
    if isinstance(model.vocabulary, Rolls):
        low, high = (pitch_name(pitch) for pitch in (model.vocabulary.lowest, model.vocabulary.highest))
        table.add_row("pitches", f"{len(model.vocabulary)}, {low} to {high}")
    elif isinstance(model.vocabulary, TwoSided):
        sizes = (f"{len(side):,} of the {name}s" for name, side in model.vocabulary.named())
        table.add_row("symbols", f"{', '.join(sizes)}: {model.vocabulary.in_words()}")
    else:
        table.add_row("symbols", f"{len(model.vocabulary):,}, each a {getattr(config.vocabulary, 'tokens', 'word')}")
    example = model.names.example
    for name in ("train", "valid", "test"):
        part: dict[str, Any] = data.get(name) or {}
        if part.get("rows"):
            table.add_row(name, f"{part['rows']:,} {example}s of {part.get('path', data['train']['path'])}")
    if "source" in data:
        table.add_row("read as", data["source"]["format"])
    if result:
        table.add_row(
            "training",
            f"{result['updates']:,} updates in {seconds_in_words(result['seconds'])}; {result['reason']}; "
            f"the weights of update {result['best']['update']:,} are kept",
        )
    table.add_row("command", config.command)
    table.add_row("made by", f"throughtime {config.throughtime}, format {config.format}, seed {config.run.seed}")
    return table


def _curve(folder: Path, score: Measure) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        curve = [json.loads(line) for line in lines]
        for record in curve:
            _ = record["loss"], record["valid"] and (record["valid"]["loss"], record["valid"][score.key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: expected the record of a training run, found a file that cannot be read") from error
    return curve


def _print_curve(screen: Any, curve: list[dict[str, Any]], score: Measure) -> None:
    if not curve:
        return
    series = {"train loss": [record["loss"] for record in curve]}
    if all(record["valid"] for record in curve):
        series["valid loss"] = [record["valid"]["loss"] for record in curve]
        series[score.title] = [record["valid"][score.key] for record in curve]
    screen.print()
    for name, values in series.items():
        screen.print(f"{name:<14} {sparkline(values)}  {values[0]:.4f} → {values[-1]:.4f}")
