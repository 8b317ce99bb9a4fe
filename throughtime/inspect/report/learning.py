"""The report's section on how the model learnt: its curves, their numbers, and why training ended."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from throughtime.inspect.report.page import TALL, details, figure, grid, note, section, table
from throughtime.inspect.words import seconds_in_words
from throughtime.model import Model
from throughtime.tasks.targets import Measure
from throughtime.train.protocol import Record

__all__ = ["learning"]


def learning(model: Model, history: Sequence[Record]) -> str:
    """The section."""
    return section("How it learnt", _learning(model, history))


def _learning(model: Model, history: Sequence[Record]) -> str:
    measures = model.task.measures
    told = f"<p>{_ending(model.config.result)}</p>"
    if not history:
        return told
    how_to_read = (
        "A training loss is the mean since the evaluation before it, with dropout"
        f"{' and label smoothing' if hasattr(model.config.network, 'label_smoothing') else ''}; "
        "validation is measured without. "
        "The dotted line marks the evaluation whose weights were kept."
    )
    if "calibration" in model.config.result:
        how_to_read += " All of this is before calibration."
    curves, numbers = _curves(history, measures), _evaluations(history, measures)
    return f"{told}\n{grid(curves)}\n{numbers}\n{note(how_to_read)}"


def _curves(history: Sequence[Record], measures: Sequence[Measure]) -> list[str]:
    # Here, since matplotlib takes a good part of a second to import, which a short training need not wait for.
    from throughtime.inspect.plots import charts, draw

    return [
        figure(chart.title, draw(chart, history, f"chart{number}"))
        for number, chart in enumerate(charts(history, measures), 1)
    ]


def _ending(result: dict[str, Any]) -> str:
    best, valid = result["best"], result.get("valid")
    kept = "the best on the validation data" if valid else "the last, there being no validation data to choose by"
    return (
        f"Training ended after {seconds_in_words(result['seconds'])} and {result['updates']:,} updates: "
        f"{escape(result['reason'])}. "
        f"The weights of update {best['update']:,} (epoch {best['epoch']:.3g}) were kept, {kept}."
    )


def _evaluations(history: Sequence[Record], measures: Sequence[Measure]) -> str:
    scores = [measure.title for measure in measures if measure.key != "loss"]
    columns = ["update", "epoch", "training loss", "validation loss", *scores]
    columns += ["gradient norm", "clipped", "learning rate", "time", "kept"]
    kept = max((number for number, record in enumerate(history) if record.best), default=None)
    rows = [[*_evaluation(record, measures), "✓" if number == kept else ""] for number, record in enumerate(history)]
    content = table(columns, rows, "n" * len(columns), "Evaluations", tall=len(rows) > TALL)
    return details("The numbers of the curves", content)


def _evaluation(record: Record, measures: Sequence[Measure]) -> list[str]:
    valid = record.valid or {}
    loss = Measure("loss", "loss")
    scores = [
        measure.shown(valid.get(measure.key))
        for measure in (loss, *measures)
        if measure is loss or measure.key != "loss"
    ]
    return [
        f"{record.update:,}",
        f"{record.epoch:.2f}",
        f"{record.loss:.4f}",
        *scores,
        f"{record.grad_norm:.3f}",
        f"{record.clipped:.1%}",
        f"{record.lr:.2e}",
        seconds_in_words(record.seconds),
    ]
