"""A piece of music on a grid: which pitches sound at each step, and the notes that these are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

__all__ = ["HIGHEST", "MOST_STEPS", "REST", "Note", "Piece", "pitch_name"]

HIGHEST = 127
"""MIDI's pitches are 0 to this; 60 is the middle C."""
REST = -1
"""What stands for a voice that is silent."""
MOST_STEPS = 1_000_000
"""Of a piece: 17 hours of semiquavers, beyond which a length is a mistake and not music."""
_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


@dataclass(frozen=True, order=True)
class Note:
    """One note: the step at which it begins, its pitch, and how many steps it lasts."""

    start: int
    pitch: int
    length: int


@dataclass(frozen=True)
class Piece:
    """A piece of music of ``T`` steps.

    A roll by itself does not tell a held note from one that is struck again: both are the same pitch in two steps.
    Such a pitch is taken as held unless `repeats` says otherwise.

    Attributes:
        steps: the pitches that sound at each step, from the lowest to the highest; none where all is silent.
        quarters: a step's length in quarter notes.
        repeats: the steps (from 0) and pitches that are struck again, though they sounded in the step before.
        voices: each step's pitch of each voice, or REST, the voices always in the same order; empty if not known.
        path: the file it comes from.
        number: which of the file's pieces it is, from 1; 0 where it is the only one.

    >>> piece = Piece([(60, 64), (60, 67), ()], quarters=0.5)
    >>> piece.notes()
    [Note(start=0, pitch=60, length=2), Note(start=0, pitch=64, length=1), Note(start=1, pitch=67, length=1)]
    """

    steps: Sequence[tuple[int, ...]]
    quarters: float = 1.0
    repeats: frozenset[tuple[int, int]] = frozenset()
    voices: Sequence[tuple[int, ...]] = ()
    path: str = ""
    number: int = 0

    @classmethod
    def from_notes(cls, notes: Iterable[Note], *, quarters: float = 1.0, length: int = 0, path: str = "") -> Piece:
        """Lay notes out on the grid; where two of a pitch overlap, it sounds until both have ended.

        The later one then strikes it again.

        Args:
            notes: in any order.
            quarters: a step's length in quarter notes.
            length: the steps it has at least, so that it may end in silence.
            path: the file they come from.

        >>> piece = Piece.from_notes([Note(0, 60, 1), Note(1, 60, 2)])
        >>> piece.steps, piece.repeats
        ([(60,), (60,), (60,)], frozenset({(1, 60)}))
        """
        notes = _one_at_a_time(notes)
        total = max((note.start + note.length for note in notes), default=0)
        sounding: list[set[int]] = [set() for _ in range(max(total, length))]
        for note in notes:
            for step in range(note.start, note.start + note.length):
                sounding[step].add(note.pitch)
        again = ((n.start, n.pitch) for n in notes if n.start and n.pitch in sounding[n.start - 1])
        return cls([tuple(sorted(pitches)) for pitches in sounding], quarters, frozenset(again), path=path)

    def notes(self) -> list[Note]:
        """The notes by their beginning and pitch; a pitch in consecutive steps is one note, unless struck again."""
        return _notes(self.steps, self.repeats)

    def voice_notes(self) -> list[list[Note]]:
        """The notes of each voice; of all together where the voices are not known.

        >>> [len(notes) for notes in Piece([(60, 64)] * 2, voices=[(64, 60)] * 2).voice_notes()]
        [1, 1]
        """
        if not self.voices:
            return [self.notes()]
        parts = zip(*self.voices, strict=True)
        return [_notes([() if p == REST else (p,) for p in part], self.repeats) for part in parts]

    def transposed(self, semitones: int) -> Piece:
        """The same, so much higher.

        Raises:
            ValueError: a pitch would leave MIDI's range.

        >>> Piece([(60, 64)]).transposed(-12).steps
        [(48, 52)]
        """
        steps = [tuple(pitch + semitones for pitch in step) for step in self.steps]
        if any(not 0 <= pitch <= HIGHEST for step in steps for pitch in step):
            raise ValueError(f"expected pitches from 0 to {HIGHEST} after transposing by {semitones}, found others")
        return replace(
            self,
            steps=steps,
            repeats=frozenset((step, pitch + semitones) for step, pitch in self.repeats),
            voices=[tuple(p if p == REST else p + semitones for p in step) for step in self.voices],
        )

    def __len__(self) -> int:
        return len(self.steps)


def pitch_name(pitch: int) -> str:
    """A pitch as musicians call it, the middle C being C4.

    >>> pitch_name(60), pitch_name(70)
    ('C4', 'A♯4')
    """
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def _one_at_a_time(notes: Iterable[Note]) -> list[Note]:
    """Cut each note where its pitch is struck again, so that the work is bounded by the steps, not by the notes.

    >>> _one_at_a_time([Note(0, 60, 8), Note(4, 60, 2)])
    [Note(start=0, pitch=60, length=4), Note(start=4, pitch=60, length=4)]
    """
    found: list[Note] = []
    end = 0  # of the longest so far of this pitch
    for note in sorted(notes, key=lambda note: (note.pitch, note.start)):
        if found and found[-1].pitch == note.pitch:
            last = found.pop()
            if last.start < note.start:
                found.append(replace(last, length=min(last.length, note.start - last.start)))
        else:
            end = 0
        end = max(end, note.start + note.length)
        found.append(replace(note, length=end - note.start))
    return found


def _notes(steps: Sequence[tuple[int, ...]], repeats: frozenset[tuple[int, int]]) -> list[Note]:
    found, begun = [], dict[int, int]()
    for at, step in enumerate([*steps, ()]):
        for pitch in [p for p in begun if p not in step or (at, p) in repeats]:
            start = begun.pop(pitch)
            found.append(Note(start, pitch, at - start))
        for pitch in step:
            begun.setdefault(pitch, at)
    return sorted(found)
