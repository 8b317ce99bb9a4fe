"""The report's section on calibration: whether a probability says how often an answer is right."""

from __future__ import annotations

from typing import Any

from throughtime.inspect.card import PARTS, interval
from throughtime.inspect.report.evidence import Chances, Evidence
from throughtime.inspect.report.page import figure, grid, note, section, table
from throughtime.metrics import calibration_error, reliability
from throughtime.model import Model

__all__ = ["calibration"]


def calibration(model: Model, evidence: Evidence) -> list[str]:
    """The section; none where the model gives no probabilities, or no texts are at hand."""
    told = {PARTS[part]: evidence.answered[part].chances for part in PARTS if part in evidence.answered}
    parts = {name: chances for name, chances in told.items() if chances is not None}
    if not parts:
        return []
    figures = [_figure(name, chances, number) for number, (name, chances) in enumerate(parts.items(), 1)]
    verdict = f"<p>{_verdict(*next(iter(parts.items())))}</p>"
    return [section("Can its probabilities be believed?", f"{verdict}\n{grid(figures)}\n{_temperature(model)}")]


def _verdict(name: str, chances: Chances) -> str:
    mean, share = float(chances.highest.mean()), float(chances.right.mean())
    error = calibration_error(reliability(chances.highest, chances.right))
    low, high = interval(share, len(chances.right))
    side = "too sure" if mean > high else "too modest" if mean < low else "about as sure as it should be"
    return (
        f"On the {name} data it gives its answers a probability of {mean:.1%} on average, and {share:.1%} of them are "
        f"right: it is {side}. Among answers of like probability the two are {error:.1%} apart on average (expected "
        "calibration error)."
    )


def _figure(name: str, chances: Chances, number: int) -> str:
    # Here, since matplotlib takes a good part of a second to import.
    from throughtime.inspect.report.pictures import draw_reliability

    bins = reliability(chances.highest, chances.right)
    before = [] if chances.uncalibrated is None else reliability(chances.uncalibrated, chances.right)
    told = "; ".join(f"of answers given {own.confidence:.0%}, {own.accuracy:.0%} are right" for own in bins)
    words = f"Accuracy against confidence on the {name} data: {told}."
    picture = draw_reliability(bins, before, name=f"calibration{number}", words=words)
    caption = "On the dotted line a probability says how often it is right; below it the model is too sure."
    return figure(f"{name.capitalize()} data", picture, f"{caption} 15 bins of equal width, 95% intervals.")


def _temperature(model: Model) -> str:
    """What calibration did, or that there is such a thing."""
    found = model.config.result.get("calibration")
    if found is None:
        hint = "<code>--calibrate</code> fits a temperature on the validation data, which mends most of it."
        return note(hint) if model.config.task == "classify" else ""
    told = (
        f"Outputs are divided by the temperature {found['temperature']:.3f}, at which the validation data is the most "
        "likely (Guo and others 2017). No answer changes by it, only how sure it is. The validation data's own figures "
        "lean to the good side."
    )
    rows = [
        _compared(PARTS[part], found["before"][part], model.config.result[part])
        for part in PARTS
        if part in found["before"]
    ]
    head = ("data", "error before", "after", "loss before", "after")
    return table(head, rows, "lnnnn", "Calibration") + note(told)


def _compared(name: str, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    errors = (f"{scores['ece']:.1%}" for scores in (before, after))
    losses = (f"{scores['loss']:.4f}" for scores in (before, after))
    return name, *errors, *losses
