"""The report's section on the fading gradient: how far back a model reached before training, and after."""

from __future__ import annotations

from collections.abc import Iterable

from throughtime.inspect.reach import HIGH, LOW, Layer, Reach
from throughtime.inspect.report.page import figure, grid, note, section, table

__all__ = ["fading"]


def fading(start: Reach, end: Reach) -> str:
    """The section: a picture for each layer and direction, the saturated gates, and the sentence.

    Args:
        start: measured before the first update.
        end: measured on the same sequences with the weights that were kept.

    >>> layer = Layer(1, False, (1.0, 0.4, 0.2), {"i": 0.0, "f": 0.5, "o": 0.1})
    >>> reach = Reach((layer,), sequences=3, median_length=2)
    >>> found = fading(reach, reach)
    >>> found.startswith("<section>"), found.count("<svg"), reach.sentence() in found
    (True, 1, True)
    """
    layers = zip(start.layers, end.layers, strict=True)
    figures = [_figure(before, after, number) for number, (before, after) in enumerate(layers, 1)]
    loss = "a sequence's loss"
    if end.per_step:
        backwards = " (reading backwards: of its first)" if any(layer.backwards for layer in end.layers) else ""
        loss = f"the loss of a sequence's last {end.step} alone{backwards}"
    how_to_read = (
        f"The norm of the gradient of {loss} with respect to a layer's state k steps before the end of its reading; "
        f"mean over {end.sequences} sequences (those that are long enough). Where it fades, nothing is learnt from "
        "what was read there."
    )
    content = f"<p>{end.sentence()}</p>\n{grid(figures)}\n{note(how_to_read)}\n{_saturation(start, end)}"
    return section("How far back it reaches", content)


def _figure(start: Layer, end: Layer, number: int) -> str:
    # Here, since matplotlib takes a good part of a second to import.
    from throughtime.inspect.curves import Curve, Picture, draw_curves

    title = end.name.capitalize()
    words = (
        f"{title}: norm of the gradient against the steps back. Before training it falls below 1% of its largest after "
        f"{start.steps} steps, after training after {end.steps}; {len(end.norms) - 1} steps were measured."
    )
    curves = [
        Curve("before training", range(len(start.norms)), start.norms, "second", "--"),
        Curve("after training", range(len(end.norms)), end.norms),
    ]
    picture = Picture(words, curves, "steps back", "norm of the gradient", logarithmic=True, height=2.7)
    return figure(title, draw_curves(picture, f"reach{number}"))


def _saturation(start: Reach, end: Reach) -> str:
    rows = [
        (after.name.capitalize(), gate, f"{before.saturated[gate]:.1%}", f"{share:.1%}")
        for before, after in zip(start.layers, end.layers, strict=True)
        for gate, share in after.saturated.items()
    ]
    of = _what(gate for layer in end.layers for gate in layer.saturated)
    return table(("layer", "saturated", "before training", "after training"), rows, "llnn", "Saturated") + note(of)


def _what(gates: Iterable[str]) -> str:
    if set(gates) == {"h"}:
        return f"h: units at |h| > {HIGH} (of relu units: at 0), where little gradient passes."
    return f"Share of a gate's values below {LOW} or above {HIGH}: wholly shut or wholly open, and slow to change."
