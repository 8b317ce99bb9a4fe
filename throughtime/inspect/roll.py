"""Piano rolls as inline SVG: time to the right, pitch upwards, a bar for each note."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator

from throughtime.data.piece import Note, Piece, pitch_name
from throughtime.inspect.plots import COLOURS, drawn

__all__ = ["MOST_QUARTERS", "draw_rolls"]

MOST_QUARTERS = 64
"""How many quarter notes of a piece are drawn; more would be too thin to see."""
_GAP = 0.12  # quarter notes between bars, so that a note struck again shows as two
_INCHES = 0.055  # a semitone


def draw_rolls(pieces: Sequence[tuple[str, Piece]], name: str, *, made: Sequence[bool] = ()) -> list[str]:
    """One ``<svg>`` element a piece, all on the same axes, so that they can stand side by side.

    The colours are the page's, light or dark, as for the report's other pictures.

    Args:
        pieces: each with its title, which those hear who do not see the picture.
        name: different for each list of pictures of a page: the ids in it begin with it.
        made: whether each was made by a model, and is drawn in the second colour.

    >>> pieces = [("Real", Piece([(60, 64), (60,)])), ("Made", Piece([(62,)]))]
    >>> pictures = draw_rolls(pieces, "rolls", made=[False, True])
    >>> [picture.count("var(--first)") for picture in pictures]
    [2, 0]
    """
    cut = [[note for note in piece.notes() if note.start * piece.quarters < MOST_QUARTERS] for _, piece in pieces]
    pitches = [note.pitch for notes in cut for note in notes] or [60]
    low, high = min(pitches) - 1, max(pitches) + 1
    until = min(max((len(piece) * piece.quarters for _, piece in pieces), default=1), MOST_QUARTERS)
    colours = ["second" if number < len(made) and made[number] else "first" for number in range(len(pieces))]

    def paint(axes: Axes, number: int) -> None:
        _bars(axes, cut[number], pieces[number][1].quarters, COLOURS[colours[number]])
        _scale(axes, low, high, until)

    height = 0.7 + _INCHES * (high - low)
    return [
        drawn(lambda axes, at=number: paint(axes, at), height, f"{name}{number}", _in_words(title, piece, notes))  # type: ignore[misc]
        for number, ((title, piece), notes) in enumerate(zip(pieces, cut, strict=True))
    ]


def _bars(axes: Axes, notes: Sequence[Note], quarters: float, colour: str) -> None:
    for pitch, group in groupby(sorted(notes, key=lambda note: note.pitch), key=lambda note: note.pitch):
        gap = min(_GAP, quarters / 4)
        bars = [(note.start * quarters, note.length * quarters - gap) for note in group]
        axes.broken_barh(bars, (pitch - 0.4, 0.8), facecolors=colour, edgecolors="none")


def _scale(axes: Axes, low: int, high: int, until: float) -> None:
    axes.set_xlim(0, until)
    axes.set_ylim(low, high)
    axes.set_axisbelow(True)
    axes.set_xlabel("quarter notes")
    axes.xaxis.set_major_locator(MultipleLocator(8 if until > 32 else 4))
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    axes.yaxis.set_major_locator(FixedLocator(octaves or [low, high]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda pitch, _: pitch_name(int(pitch))))


def _in_words(title: str, piece: Piece, notes: Sequence[Note]) -> str:
    """What the picture shows, for those who do not see it.

    >>> piece = Piece([(60, 64)])
    >>> _in_words("Real", piece, piece.notes())
    'Piano roll, Real: 2 notes in 1 quarter notes, from C4 to E4.'
    """
    length = min(len(piece) * piece.quarters, MOST_QUARTERS)
    pitches = [note.pitch for note in notes]
    span = f", from {pitch_name(min(pitches))} to {pitch_name(max(pitches))}" if pitches else ""
    return f"Piano roll, {title}: {len(notes):,} notes in {length:g} quarter notes{span}."
