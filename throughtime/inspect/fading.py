"""The report's section on the fading gradient: how far back a model reached before training, and after."""

from __future__ import annotations

from collections.abc import Iterable

from throughtime.inspect.reach import HIGH, LOW, Layer, Reach

__all__ = ["section"]


def section(start: Reach, end: Reach) -> str:
    """A ``<section>`` of the report: a picture for each layer and direction, the saturated gates, and the sentence.

    Args:
        start: measured before the first update.
        end: measured on the same sequences with the weights that were kept.

    >>> layer = Layer(1, False, (1.0, 0.4, 0.2), {"i": 0.0, "f": 0.5, "o": 0.1})
    >>> reach = Reach((layer,), sequences=3, median_length=2)
    >>> page = section(reach, reach)
    >>> page.startswith("<section>"), page.count("<svg"), reach.sentence() in page
    (True, 1, True)
    """
    figures = "".join(
        _figure(before, after, number)
        for number, (before, after) in enumerate(zip(start.layers, end.layers, strict=True), 1)
    )
    note = (
        f"The norm of the gradient of a sequence's loss with respect to a layer's state k steps before the end of its "
        f"reading; mean over {end.sequences} sequences (those that are long enough). Where it fades, nothing is learnt "
        f"from what was read there."
    )
    return f"""<section>
<h2>How far back it reaches</h2>
<p>{end.sentence()}</p>
<div class="grid">{figures}</div>
<p class="note">{note}</p>
{_saturation(start, end)}
</section>"""


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
    return f"<figure>\n<h3>{title}</h3>\n{draw_curves(picture, f'reach{number}')}</figure>\n"


def _saturation(start: Reach, end: Reach) -> str:
    rows = "".join(
        f'<tr><th scope="row" class="long">{after.name.capitalize()}</th><td class="long">{gate}</td>'
        f'<td class="n">{before.saturated[gate]:.1%}</td><td class="n">{share:.1%}</td></tr>\n'
        for before, after in zip(start.layers, end.layers, strict=True)
        for gate, share in after.saturated.items()
    )
    of = _what(gate for layer in end.layers for gate in layer.saturated)
    return (
        '<div class="box" role="region" aria-label="Saturated" tabindex="0"><table><thead><tr>'
        '<th scope="col" class="long">layer</th><th scope="col" class="long">saturated</th>'
        '<th scope="col" class="n">before training</th><th scope="col" class="n">after training</th>'
        f'</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n<p class="note">{of}</p>'
    )


def _what(gates: Iterable[str]) -> str:
    if set(gates) == {"h"}:
        return f"h: units at |h| > {HIGH} (of relu units: at 0), where little gradient passes."
    return f"Share of a gate's values below {LOW} or above {HIGH}: wholly shut or wholly open, and slow to change."
