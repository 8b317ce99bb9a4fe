"""Listening by measure: what pieces are like, and how those that a model made differ from real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean
from typing import TypeVar

from throughtime.data.piece import REST, Piece, pitch_name

__all__ = ["Heard", "comparison", "listen", "longest_copy", "longest_repeat"]

CONSONANT = frozenset({0, 3, 4, 5, 7, 8, 9})
"""Semitones, without octaves: unison, thirds, fourth, fifth and sixths. The fourth is one between upper voices."""
_MOST_LENGTHS = 4

Step = tuple[int, ...]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Heard:
    """What some pieces are like.

    Attributes:
        pieces: how many there are.
        steps: of all of them.
        ranges: the lowest and the highest pitch of each voice, from the first or top one; where voices are not known,
            the first is the highest of the steps that have as many notes as most have, and so on.
        sizes: the share of the steps with so many notes.
        lengths: the share of the notes that last so many quarter notes.
        mean_length: of a note, in quarter notes.
        same: the share of the steps that are what the step before is, of those that have one.
        consonant: the share of consonant intervals among all that sound at a step; None where there are none.
        silent: the share of the steps at which nothing sounds.
        repeat: the longest passage that comes twice, in quarter notes, as a mean over the pieces.
    """

    pieces: int
    steps: int
    ranges: list[tuple[int, int]]
    sizes: dict[int, float]
    lengths: dict[float, float]
    mean_length: float
    same: float
    consonant: float | None
    silent: float
    repeat: float

    @property
    def notes_per_step(self) -> float:
        """The mean number of notes at a step."""
        return sum(size * share for size, share in self.sizes.items())


def listen(pieces: Sequence[Piece]) -> Heard:
    """Measure pieces.

    Raises:
        ValueError: there is no step to hear.

    >>> heard = listen([Piece([(60, 64, 67), (60, 64, 67), (60, 61), ()])])
    >>> heard.same, heard.silent, heard.consonant  # of seven intervals the last is a semitone
    (0.3333333333333333, 0.25, 0.8571428571428571)
    """
    steps = [step for piece in pieces for step in piece.steps]
    if not steps:
        raise ValueError("expected pieces with steps, found none")
    pairs = [after == before for piece in pieces for before, after in zip(piece.steps, piece.steps[1:], strict=False)]
    intervals = [(high - low) % 12 in CONSONANT for step in steps for low, high in combinations(step, 2)]
    lengths = [note.length * piece.quarters for piece in pieces for note in piece.notes()]
    return Heard(
        pieces=len(pieces),
        steps=len(steps),
        ranges=_ranges(pieces, steps),
        sizes=_shares(len(step) for step in steps),
        lengths=_shares(lengths),
        mean_length=mean(lengths) if lengths else 0.0,
        same=mean(pairs) if pairs else 0.0,
        consonant=mean(intervals) if intervals else None,
        silent=mean(not step for step in steps),
        repeat=mean(longest_repeat(piece.steps) * piece.quarters for piece in pieces),
    )


def longest_repeat(steps: Sequence[Step]) -> int:
    """How many steps the longest passage has that comes twice in a piece, the two not overlapping.

    >>> a, b, c = (60,), (62,), (64,)
    >>> longest_repeat([a, b, c, a, b, a, a])
    2
    """
    line = _written([steps])[0]

    def twice(length: int) -> bool:
        first: dict[str, int] = {}
        return any(first.setdefault(line[at : at + length], at) + length <= at for at in range(len(line) - length + 1))

    return _longest(twice, len(line) // 2)


def longest_copy(made: Sequence[Sequence[Step]], real: Sequence[Sequence[Step]]) -> int:
    """How many steps the longest passage has of a made piece that is in a real one too.

    >>> longest_copy([[(60,), (62,), (64,)]], [[(1,), (62,), (64,)], [(60,)]])
    2
    """
    lines = _written([*made, *real])
    new, old = lines[: len(made)], lines[len(made) :]

    def shared(length: int) -> bool:
        known = {line[at : at + length] for line in old for at in range(len(line) - length + 1)}
        return any(line[at : at + length] in known for line in new for at in range(len(line) - length + 1))

    return _longest(shared, max(map(len, new), default=0))


def comparison(real: Sequence[Piece], made: Sequence[Piece]) -> list[tuple[str, str, str]]:
    """A table of what is measured, and its value in the real pieces and in the made ones, on the same grid.

    >>> for row in comparison([Piece([(60, 64), (60, 64)])], [Piece([(60, 61), ()])])[:4]:
    ...     print(*row, sep=" | ")
    steps | 2 | 2
    voice 1 | E4–E4 | C♯4–C♯4
    voice 2 | C4–C4 | C4–C4
    notes a step | 2.00 | 1.00
    """
    one, other = listen(real), listen(made)
    voices = range(max(len(one.ranges), len(other.ranges)))
    common = sorted(one.lengths, key=one.lengths.__getitem__, reverse=True)[:_MOST_LENGTHS]
    copied = longest_copy([p.steps for p in made], [p.steps for p in real]) * made[0].quarters
    return [
        ("steps", f"{one.steps:,}", f"{other.steps:,}"),
        *((f"voice {number + 1}", _range(one, number), _range(other, number)) for number in voices),
        ("notes a step", f"{one.notes_per_step:.2f}", f"{other.notes_per_step:.2f}"),
        ("silent steps", f"{one.silent:.1%}", f"{other.silent:.1%}"),
        ("steps like the one before", f"{one.same:.1%}", f"{other.same:.1%}"),
        ("consonant intervals", _percent(one.consonant), _percent(other.consonant)),
        ("a note's length, mean in quarter notes", f"{one.mean_length:.2f}", f"{other.mean_length:.2f}"),
        *(
            (f"notes of {length:g}", _percent(one.lengths[length]), _percent(other.lengths.get(length, 0.0)))
            for length in sorted(common)
        ),
        ("longest passage that comes twice, quarter notes", f"{one.repeat:.1f}", f"{other.repeat:.1f}"),
        ("longest passage taken from the real ones, quarter notes", "–", f"{copied:.1f}"),
    ]


def _ranges(pieces: Sequence[Piece], steps: Sequence[Step]) -> list[tuple[int, int]]:
    counts = {len(piece.voices[0]) if piece.voices else 0 for piece in pieces}
    if len(counts) == 1 and counts != {0}:
        lines = list(zip(*(step for piece in pieces for step in piece.voices), strict=True))
    else:
        usual = Counter(len(step) for step in steps if step).most_common(1)
        lines = list(zip(*(step[::-1] for step in steps if usual and len(step) == usual[0][0]), strict=True))
    heard = [[pitch for pitch in line if pitch != REST] for line in lines]
    return [(min(line), max(line)) for line in heard if line]


def _shares(values: Iterable[Number]) -> dict[Number, float]:
    counts = Counter(values)
    return {value: count / counts.total() for value, count in sorted(counts.items())}


def _written(lines: Sequence[Sequence[Step]]) -> list[str]:
    """Each step as one character, the same for the same: passages are then pieces of text."""
    names: dict[Step, str] = {}
    return ["".join(names.setdefault(tuple(step), chr(len(names))) for step in line) for line in lines]


def _longest(holds: Callable[[int], bool], most: int) -> int:
    """The greatest length for which it holds, by halving: what holds of a passage holds of its parts."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if holds(middle) else (least, middle - 1)
    return least


def _range(heard: Heard, voice: int) -> str:
    return "–".join(pitch_name(pitch) for pitch in heard.ranges[voice]) if voice < len(heard.ranges) else "–"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
