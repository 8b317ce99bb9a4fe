"""The report's sections on a language model: what it writes, what it finds hard, and what its memory is worth to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from throughtime.data.batches import Batch, Dataset
from throughtime.data.events import from_events
from throughtime.data.streams import Streams
from throughtime.decode.sampling import SamplingConfig
from throughtime.inspect.card import shown_part
from throughtime.inspect.report.page import details, figure, grid, note, section, table
from throughtime.model import LanguageModel
from throughtime.tasks.answering import answering
from throughtime.tasks.targets import Measure
from throughtime.train.protocol import Record

__all__ = ["Foretold", "Position", "foretold", "hardest", "positions", "sample", "written"]

MOST_TOKENS = 200_000
"""Symbols that positions are measured on."""

HARDEST = 20
SEEN = 10
"""Times that a symbol must occur to be listed."""

WRITTEN = 300
"""Symbols of a sample."""

_SEEN_AS = str.maketrans({"\n": "⏎", "\r": "␍", "\t": "⇥", " ": "␣"})
"""What stands for a symbol that would show nothing."""

ON_THE_WAY = 8
"""Examples that were written on the way, at most."""


@dataclass(frozen=True)
class Position:
    """Nats of the symbols ``begin`` to ``end`` of a chunk, on average: with the state carried on, and without."""

    begin: int
    end: int
    carried: float
    fresh: float


@dataclass(frozen=True)
class Foretold:
    """What a part's symbols cost.

    Attributes:
        totals: ``[V]`` nats of each symbol, all in all.
        counts: ``[V]`` how often it occurs.
        positions: where in a chunk; none of lines, which stand alone.
    """

    totals: np.ndarray
    counts: np.ndarray
    positions: tuple[Position, ...] = ()


def foretold(model: LanguageModel, data: Dataset) -> tuple[dict[str, Any], Foretold]:
    """The metrics on a held-out part, and what its symbols cost."""
    size = len(model.vocabulary)
    totals, counts = np.zeros(size), np.zeros(size, dtype=np.int64)

    def heard(batch: Batch, nats: torch.Tensor) -> None:
        told = ~nats.isnan()
        symbols = batch.targets[told].cpu().numpy()  # type: ignore[index]
        totals[:] += np.bincount(symbols, nats[told].double().cpu().numpy(), size)
        counts[:] += np.bincount(symbols, minlength=size)

    batches = model.batches(data)
    scores = model.task.evaluate(batches, heard)
    places = _positions(model, batches) if isinstance(batches, Streams) else ()
    return scores, Foretold(totals, counts, places)


def _positions(model: LanguageModel, batches: Streams) -> tuple[Position, ...]:
    """By place in a chunk as long as those of training, on the first chunks of streams that begin with the text's."""
    steps = model.task.config.chunk
    streams = Streams(batches.data, batches.streams, steps, device=batches.device)
    totals, counts = np.zeros((2, steps)), np.zeros(steps)
    state = None
    with answering(model.task):
        for number, chunk in enumerate(streams.plan()):
            batch = streams.load(chunk)
            carried, state = model.task.step_losses(batch, state)
            if number:  # in the first, nothing has been carried yet
                fresh, _ = model.task.step_losses(batch)
                places = torch.cat([torch.arange(length) for length in batch.inputs.lengths.tolist()]).numpy()
                for row, nats in enumerate((carried, fresh)):
                    totals[row] += np.bincount(places, nats.double().cpu().numpy(), steps)
                counts += np.bincount(places, minlength=steps)
            if counts.sum() > MOST_TOKENS:
                break
    edges = [0, *(2**power for power in range(int(math.log2(steps)) + 1) if 2**power < steps), steps]
    found = []
    for begin, end in pairwise(edges):
        seen = counts[begin:end].sum()
        if seen:
            means = totals[:, begin:end].sum(1) / seen
            found.append(Position(begin + 1, end, float(means[0]), float(means[1])))
    return tuple(found)


def written(model: LanguageModel) -> str:
    """A sample of what the model writes, the same chance each time."""
    [text] = model.generate(length=WRITTEN, seed=1, sampling=SamplingConfig(temperature=0.8))
    return text


# ---- the sections ----


def sample(model: LanguageModel, text: str, history: Sequence[Record]) -> list[str]:
    """What it wrote, at the end and on the way; none without.

    Args:
        model: that wrote it.
        text: at the end.
        history: the evaluations, some with an example of what it wrote then.
    """
    if not text:
        return []
    words = note("It begins with nothing, at temperature 0.8.")
    told = f'<pre class="written">{escape(text)}</pre>'
    if model.vocabulary.config.tokens == "event":
        return [section("What it writes", f"{_rolled(model, text)}{details('In its words', told)}\n{words}")]
    return [section("What it writes", f"{told}\n{words}{_on_the_way(history, model.task.measures[0])}")]


def _on_the_way(history: Sequence[Record], measure: Measure) -> str:
    """What it wrote at some of the evaluations."""
    told = [record for record in history if record.sample is not None]
    if len(told) < 2:
        return ""
    spread = np.linspace(0, len(told) - 1, min(len(told), ON_THE_WAY)).round().astype(int)
    rows = [
        [
            f"{told[place].epoch:.2f}",
            "—" if (valid := told[place].valid) is None else measure.shown(valid[measure.key]),
            f'<span class="written">{escape(told[place].sample or "")}</span>',
        ]
        for place in spread
    ]
    heads = ("epoch", escape(measure.title), "what it wrote")
    return table(heads, rows, "nnl", "What it wrote on the way")


def _rolled(model: LanguageModel, text: str) -> str:
    """Events as the piano roll that they mean."""
    from throughtime.inspect.roll import draw_rolls

    piece = from_events(text.split(), model.config.data["source"]["quarters"])
    [picture] = draw_rolls([("made", piece)], "roll", made=[True])
    return grid([figure("Made", picture)])


def hardest(model: LanguageModel, parts: Mapping[str, Foretold]) -> list[str]:
    """The symbols that cost the most, of those that occur often enough to tell."""
    shown = shown_part(parts)
    if shown is None:
        return []
    name, part = shown
    means = np.divide(part.totals, part.counts, out=np.zeros_like(part.totals), where=part.counts > 0)
    often = np.flatnonzero(part.counts >= SEEN)
    total = part.totals.sum()

    def rows(order: np.ndarray) -> list[list[str]]:
        return [
            [
                _symbol(model, symbol),
                f"{part.counts[symbol]:,}",
                f"{means[symbol]:.2f}",
                f"{part.totals[symbol] / total:.1%}",
            ]
            for symbol in order[:HARDEST].tolist()
        ]

    heads = ("symbol", "occurs", "nats each", "of all nats")
    by_mean = table(heads, rows(often[np.argsort(-means[often], kind="stable")]), "lnnn", "The hardest symbols")
    met = np.flatnonzero(part.counts)
    by_total = table(heads, rows(met[np.argsort(-part.totals[met], kind="stable")]), "lnnn", "The costliest symbols")
    told = grid([f"<div><h3>Hardest</h3>{by_mean}</div>", f"<div><h3>Costliest in all</h3>{by_total}</div>"])
    words = f"On the {name} data; hardest among symbols that occur {SEEN} times or more."
    return [section("The hardest symbols", f"{told}{note(words)}")]


def _symbol(model: LanguageModel, symbol: int) -> str:
    text = model.vocabulary.written[symbol] or model.vocabulary.symbols[symbol]
    return f"<code>{escape(text.translate(_SEEN_AS))}</code>"


def positions(parts: Mapping[str, Foretold]) -> list[str]:
    """Whether the carried state helps."""
    shown = shown_part({name: part for name, part in parts.items() if part.positions})
    if shown is None:
        return []
    name, places = shown[0], shown[1].positions
    from throughtime.inspect.plots import COLOURS, drawn

    titles = [str(place.begin) if place.begin == place.end else f"{place.begin}–{place.end}" for place in places]

    def paint(axes: object) -> None:
        at = range(len(places))
        for values, colour, label in (
            ([place.fresh for place in places], "second", "the state reset before each chunk"),
            ([place.carried for place in places], "first", "the state carried on"),
        ):
            axes.plot(at, values, color=COLOURS[colour], marker="o", markersize=4, linewidth=1.6, label=label)  # type: ignore[attr-defined]
        axes.set_xticks(list(at), titles, rotation=45 if len(titles) > 6 else 0)  # type: ignore[attr-defined]
        axes.set_xlabel("place in the chunk")  # type: ignore[attr-defined]
        axes.set_ylabel("nats")  # type: ignore[attr-defined]
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, handlelength=1.4)  # type: ignore[attr-defined]

    words = "Nats by place in the chunk, with the state carried on and without."
    picture = figure("Nats by place in the chunk", drawn(paint, 2.7, "positions", words))
    gain = sum((place.fresh - place.carried) * (place.end - place.begin + 1) for place in places)
    gain /= sum(place.end - place.begin + 1 for place in places)
    told = (
        f"What comes before a chunk of {places[-1].end} steps is worth {gain:.3f} nats a symbol: "
        "so much more each costs when the state is reset before every chunk."
    )
    return [section("What its memory is worth", f"<p>{told}</p>{grid([picture])}{note(f'On the {name} data.')}")]
