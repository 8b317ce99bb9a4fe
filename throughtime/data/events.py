"""Pieces as words: each note its pitch and its duration, and between them how far time moves on.

The words are those of MidiTok's time shift and duration form (Fradet et al. 2021), after Performance RNN (Oore et al.
2018) and REMI (Huang and Yang 2020), without loudness and bars, which a piano roll does not have::

    Pitch_60 Duration_4 Pitch_64 Duration_2 TimeShift_2 Pitch_65 Duration_2

Unlike on a roll, a note that is struck again is told from one that is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from throughtime.data.piece import HIGHEST, MOST_STEPS, Note, Piece

__all__ = ["EVENTS", "LONGEST", "from_events", "to_events"]

LONGEST = 64
"""Steps that one word tells; what lasts longer is told by several."""
_PITCHES = {f"Pitch_{pitch}": pitch for pitch in range(HIGHEST + 1)}
_DURATIONS = {f"Duration_{steps}": steps for steps in range(1, LONGEST + 1)}
_SHIFTS = {f"TimeShift_{steps}": steps for steps in range(1, LONGEST + 1)}

EVENTS = (*_PITCHES, *_DURATIONS, *_SHIFTS)
"""All the words there are, 256."""


def to_events(piece: Piece) -> list[str]:
    """Tell a piece in words; :func:`from_events` gives back the same steps and notes.

    Notes that begin together are told from the lowest to the highest. Voices are not told.

    >>> to_events(Piece([(60, 64), (60,), (), (55,)]))
    ['Pitch_60', 'Duration_2', 'Pitch_64', 'Duration_1', 'TimeShift_3', 'Pitch_55', 'Duration_1']
    """
    events, now, end = list[str](), 0, 0
    for note in piece.notes():
        events += _told("TimeShift", note.start - now)
        events += [f"Pitch_{note.pitch}", *_told("Duration", note.length)]
        now, end = note.start, max(end, note.start + note.length)
    if end < len(piece):  # the piece ends in silence
        events += _told("TimeShift", len(piece) - now)
    return events


def from_events(events: Iterable[str], quarters: float = 1.0) -> Piece:
    """Make the piece that words tell, whatever they are: a model may say anything.

    What is no event, and a duration without a pitch, says nothing; a pitch without a duration lasts one step. A pitch
    that still sounds is struck again. After a million steps nothing more is heard.

    Args:
        events: as :func:`to_events` gives them.
        quarters: a step's length in quarter notes.

    >>> from_events(["Duration_9", "Pitch_60", "oops", "TimeShift_2", "Pitch_60", "Duration_2"]).steps
    [(60,), (), (60,), (60,)]
    """
    notes, now = list[Note](), 0
    for pitch, steps in _read(events):
        if pitch is None:
            now = min(now + steps, MOST_STEPS)
        elif now + steps <= MOST_STEPS:
            notes.append(Note(now, pitch, steps))
    return Piece.from_notes(notes, quarters=quarters, length=now)


def _told(kind: str, steps: int) -> list[str]:
    whole, rest = divmod(steps, LONGEST)
    return [f"{kind}_{LONGEST}"] * whole + ([f"{kind}_{rest}"] if rest else [])


def _read(events: Iterable[str]) -> Iterator[tuple[int | None, int]]:
    """Yield each note's pitch and its steps, and each move in time as steps without a pitch."""
    pitch, steps = None, 0
    for event in events:
        if event in _DURATIONS:
            steps += _DURATIONS[event] if pitch is not None else 0
            continue
        if event not in _PITCHES and event not in _SHIFTS:
            continue
        if pitch is not None:
            yield pitch, max(steps, 1)
        pitch, steps = _PITCHES.get(event), 0
        if pitch is None:
            yield None, _SHIFTS[event]
    if pitch is not None:
        yield pitch, max(steps, 1)
