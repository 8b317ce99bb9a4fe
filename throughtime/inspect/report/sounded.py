"""The report's sections on a model of music: what it writes beside the real, and what it finds hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from throughtime.data.batches import Batch, Dataset
from throughtime.data.piece import Piece, pitch_name
from throughtime.inspect.card import shown_part
from throughtime.inspect.listening import comparison
from throughtime.inspect.report.page import figure, grid, note, section, table
from throughtime.model import ComposerModel

__all__ = ["Composed", "Sounded", "along", "beside_the_real", "composed", "hard_pitches", "hard_sizes", "sounded"]

PIECES = 16
"""That are made, to be measured beside as many real ones."""

HARDEST = 12
EDGES = (0, 1, 2, 4, 8, 16, 32, 64)
"""Steps of a piece after which a new row of its places begins."""


@dataclass(frozen=True)
class Sounded:
    """What a part's frames cost.

    Attributes:
        pitches: ``[P]`` nats of each pitch, all in all.
        counts: ``[P]`` the frames in which it sounds.
        expected: ``[P]`` the sum of its probabilities in those frames.
        sizes: ``[K]`` the frames with none, one, two … pitches.
        size_nats: ``[K]`` their nats.
        size_expected: ``[K]`` how many pitches were expected in them, all in all.
        places: ``[E]`` the frames by their place in the piece.
        place_nats: ``[E]`` their nats.
    """

    pitches: np.ndarray
    counts: np.ndarray
    expected: np.ndarray
    sizes: np.ndarray
    size_nats: np.ndarray
    size_expected: np.ndarray
    places: np.ndarray
    place_nats: np.ndarray

    @property
    def frames(self) -> int:
        """All of them."""
        return int(self.sizes.sum())


@dataclass(frozen=True)
class Composed:
    """What a model makes, and real pieces that it was not learnt from, if there are any."""

    made: Sequence[Piece]
    real: Sequence[Piece]


def sounded(model: ComposerModel, data: Dataset) -> tuple[dict[str, Any], Sounded]:
    """The metrics on a held-out part, and what its frames cost."""
    width = len(model.vocabulary)
    pitches, counts, expected = np.zeros((3, width))
    sizes, size_nats, size_expected = np.zeros((3, width + 1))
    places, place_nats = np.zeros((2, len(EDGES)))

    def heard(batch: Batch, scores: Tensor) -> None:
        assert batch.targets is not None
        each = binary_cross_entropy_with_logits(scores, batch.targets, reduction="none").double()
        chances = scores.double().sigmoid()
        nats, size = _array(each.sum(1)), _array(batch.targets.sum(1)).astype(np.int64)
        pitches[:] += _array(each.sum(0))
        counts[:] += _array(batch.targets.sum(0))
        expected[:] += _array((chances * batch.targets).sum(0))
        sizes[:] += np.bincount(size, minlength=width + 1)
        size_nats[:] += np.bincount(size, nats, width + 1)
        size_expected[:] += np.bincount(size, _array(chances.sum(1)), width + 1)
        steps = np.concatenate([np.arange(length) for length in batch.inputs.lengths.tolist()])
        edge = np.searchsorted(EDGES, steps, side="right") - 1
        places[:] += np.bincount(edge, minlength=len(EDGES))
        place_nats[:] += np.bincount(edge, nats, len(EDGES))

    scores = model.task.evaluate(model.batches(data), heard)
    most = int(np.flatnonzero(sizes).max()) + 1
    return scores, Sounded(
        pitches, counts, expected, sizes[:most], size_nats[:most], size_expected[:most], places, place_nats
    )


def composed(model: ComposerModel, real: Sequence[Piece]) -> Composed | None:
    """Samples of what the model makes, the same chance each time, and real pieces to hold against them."""
    shown = [piece for piece in real if any(piece.steps)][:PIECES]
    made = [piece for piece in model.generate(samples=PIECES, seed=1) if any(piece.steps)]
    return Composed(made, shown) if made else None


def _array(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.detach().cpu().numpy()
    return array


# ---- the sections ----


def beside_the_real(pieces: Composed | None) -> list[str]:
    """Piano rolls, and how far what it makes is like the real."""
    if pieces is None:
        return []
    from throughtime.inspect.roll import MOST_QUARTERS, draw_rolls

    shown = [("Made", pieces.made[0]), *(("Real", piece) for piece in pieces.real[:1])]
    pictures = draw_rolls(shown, "roll", made=[True, False])
    rolls = grid([figure(title, picture) for (title, _), picture in zip(shown, pictures, strict=True)])
    drawn = f"at most {MOST_QUARTERS} quarter notes are drawn"
    if not pieces.real:
        words = f"The first of {len(pieces.made)} pieces made at temperature 1; {drawn}."
        return [section("What it writes", f"{rolls}\n{note(words)}")]
    rows = [[escape(cell) for cell in row] for row in comparison(pieces.real, pieces.made)]
    measured = table(("", "real", "made"), rows, "lnn", "Listening by measure")
    words = (
        f"The first of {len(pieces.made)} pieces made at temperature 1, and of {len(pieces.real)} held out; {drawn}. "
        "The table measures all of them. A roll tells no voices: voice 1 is the highest note of the chords that have "
        "as many notes as most have. What is struck again shows as held."
    )
    return [section("What it writes", f"{rolls}\n{measured}\n{note(words)}")]


def hard_pitches(model: ComposerModel, parts: Mapping[str, Sounded]) -> list[str]:
    """What each pitch costs, and what it would by its frequency alone."""
    shown = shown_part(parts)
    if shown is None:
        return []
    from throughtime.inspect.plots import COLOURS, drawn

    name, part = shown
    lowest, frames, total = model.vocabulary.lowest, part.frames, part.pitches.sum()
    guessed = _guessed(model, part)
    met = np.flatnonzero(part.counts)
    span = np.arange(met.min(), met.max() + 1)

    def paint(axes: object) -> None:
        for values, colour, label in (
            (guessed, "second", "by its frequency alone"),
            (part.pitches, "first", "by the model"),
        ):
            axes.plot(lowest + span, values[span] / frames, color=COLOURS[colour], linewidth=1.6, label=label)  # type: ignore[attr-defined]
        octaves = [pitch for pitch in (lowest + span).tolist() if pitch % 12 == 0]
        axes.set_xticks(octaves, [pitch_name(pitch) for pitch in octaves])  # type: ignore[attr-defined]
        axes.set_ylabel("nats a frame")  # type: ignore[attr-defined]
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, handlelength=1.4)  # type: ignore[attr-defined]

    words = "What each pitch costs in nats a frame, by the model and by its frequency alone."
    picture = figure("Nats by pitch", drawn(paint, 2.7, "pitches", words))
    rows = [
        [
            pitch_name(lowest + place),
            f"{part.counts[place] / frames:.1%}",
            f"{part.expected[place] / max(1, part.counts[place]):.1%}",
            f"{part.pitches[place] / frames:.3f}",
            f"{part.pitches[place] / total:.1%}",
        ]
        for place in np.argsort(-part.pitches, kind="stable")[:HARDEST].tolist()
    ]
    heads = ("pitch", "sounds in", "expected", "nats", "of all")
    costliest = table(heads, rows, "lnnnn", "The costliest pitches")
    told = note(
        f"On the {name} data. Nats are those a frame; expected is the probability that the pitch was given, on "
        "average over the frames in which it sounds."
    )
    return [section("The hardest pitches", f"{grid([picture, f'<div><h3>Costliest</h3>{costliest}</div>'])}{told}")]


def _guessed(model: ComposerModel, part: Sounded) -> np.ndarray:
    """``[P]`` nats of each pitch by its frequency in training alone."""
    odds = model.task.targets.logits.numpy()
    on, off = np.logaddexp(0, -odds), np.logaddexp(0, odds)
    nats: np.ndarray = part.counts * on + (part.frames - part.counts) * off
    return nats


def hard_sizes(parts: Mapping[str, Sounded]) -> list[str]:
    """What chords cost by how many pitches they have."""
    shown = shown_part(parts)
    if shown is None:
        return []
    name, part = shown
    rows = [
        [
            str(size),
            f"{count:,.0f}",
            f"{count / part.frames:.1%}",
            f"{part.size_expected[size] / count:.2f}",
            f"{part.size_nats[size] / count:.2f}",
        ]
        for size, count in enumerate(part.sizes.tolist())
        if count
    ]
    heads = ("notes at once", "frames", "of all", "expected", "nats a frame")
    return [section("How many notes at once", f"{table(heads, rows, 'nnnnn', 'By notes at once')}{_on(name)}")]


def along(parts: Mapping[str, Sounded]) -> list[str]:
    """What frames cost by their place in the piece."""
    shown = shown_part(parts)
    if shown is None:
        return []
    name, part = shown
    rows = []
    for begin, end, count, nats in zip(EDGES, (*EDGES[1:], None), part.places, part.place_nats, strict=True):
        if count:
            rows.append([_span(begin, end), f"{count:,.0f}", f"{nats / count:.2f}"])
    told = "The first is told from nothing; what follows, from all that was heard before."
    content = table(("frame of the piece", "frames", "nats each"), rows, "lnn", "By place in the piece")
    return [section("Along a piece", f"<p>{told}</p>{content}{_on(name)}")]


def _span(begin: int, end: int | None) -> str:
    """Steps from 0 as people count them.

    >>> _span(0, 1), _span(4, 8), _span(64, None)
    ('1', '5–8', '65 on')
    """
    if end is None:
        return f"{begin + 1} on"
    return str(end) if end == begin + 1 else f"{begin + 1}–{end}"


def _on(name: str) -> str:
    return note(f"On the {name} data.")
