"""MIDI files, through symusic: one read onto a grid, one written from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from throughtime.data.packed import StrPath, open_binary, peek, read_block, unpacked
from throughtime.data.piece import HIGHEST, MOST_STEPS, REST, Note, Piece
from throughtime.errors import DataError, UsageError

__all__ = ["CHURCH_ORGAN", "DRUMS", "MIDI", "MOVED", "need_symusic", "read_midi", "write_midi"]

MIDI = b"MThd"
"""How every MIDI file begins."""
CHURCH_ORGAN = 19
"""A program of General MIDI, counted from 0 as in the file; 0 is a grand piano, 52 a choir."""
MOVED, DRUMS = "moved", "drums"
_TICKS = 480  # of a quarter note in what is written: a grid of any usual step fits
_OFF_GRID = 1 / 8  # of a step: what is nearer than that is how programs round, and says nothing
_VOICES = ("soprano", "alto", "tenor", "bass")
_LOUDNESS = 80


def need_symusic(name: str) -> Any:
    """Give the library.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import symusic
    except ImportError:
        raise UsageError(
            f"{name}: expected symusic, which reads and writes MIDI, found it missing: pip install 'throughtime[music]'"
        ) from None
    return symusic


def read_midi(path: StrPath, step: float = 0.25, met: Counter[str] | None = None) -> Piece:
    """Read one MIDI file onto a grid of steps.

    Each note begins and ends at the step that is nearest, and lasts one at least. The grid counts quarter notes, so
    that tempo and its changes have no part in it, nor has the metre. Drums are left out; how loud a note is and
    which instrument plays it are not kept. Where there are several tracks of which each plays one note at a time,
    they are the piece's voices.

    Args:
        path: the file, gzipped or not.
        step: the step's length in quarter notes; the default is a 16th note.
        met: is told of the notes that are drums, and of those that began off the grid and were moved to it.

    Raises:
        DataError: the file cannot be opened, is damaged or no MIDI file, or has more than a million steps.
        UsageError: the step is not positive, or symusic is not installed.
    """
    if not (step > 0 and math.isfinite(step)):
        raise UsageError(f"expected a step of a positive length in quarter notes, found {step:g}")
    name, met = str(path), Counter() if met is None else met
    score = _score(path, name)
    ticks = score.ticks_per_quarter * step
    tracks = []
    for track in score.tracks:
        if track.is_drum:
            met[DRUMS] += len(track.notes)
        elif len(track.notes):
            tracks.append(_on_grid(track, ticks, name, met))
    piece = Piece.from_notes([note for track in tracks for note in track], quarters=step, path=name)
    return Piece(piece.steps, step, piece.repeats, _voices(tracks, len(piece)), name)


def write_midi(path: StrPath, piece: Piece, *, tempo: float = 90, program: int = CHURCH_ORGAN) -> None:
    """Write a piece as a MIDI file: a track for each voice where they are known, else one track.

    A pitch in consecutive steps is written as one held note, unless the piece knows that it is struck again: see
    :class:`~throughtime.data.piece.Piece`.

    Args:
        path: the file, which is replaced if it is there.
        piece: of any length.
        tempo: quarter notes a minute.
        program: the instrument, from 0 to 127, as General MIDI numbers them from 0.

    Raises:
        DataError: the file cannot be written.
        UsageError: the tempo or the program is not one, or symusic is not installed.
    """
    if not 4 <= tempo <= 1000:  # MIDI itself cannot say less than 3.6
        raise UsageError(f"expected a tempo from 4 to 1000 quarter notes a minute, found {tempo:g}")
    if not 0 <= program <= HIGHEST:
        raise UsageError(f"expected a program from 0 to {HIGHEST}, found {program}")
    symusic = need_symusic(str(path))
    score = symusic.Score(_TICKS)
    score.tempos.append(symusic.Tempo(0, tempo))
    parts = piece.voice_notes()
    names = _VOICES if len(parts) == len(_VOICES) else [f"voice {n}" for n in range(1, len(parts) + 1)]
    ticks = _TICKS * piece.quarters
    for title, notes in zip(names, parts, strict=True):
        track = symusic.Track(title, program, False)
        for note in notes:
            start, end = round(note.start * ticks), round((note.start + note.length) * ticks)
            track.notes.append(symusic.Note(start, max(end - start, 1), note.pitch, _LOUDNESS))
        score.tracks.append(track)
    try:
        Path(path).write_bytes(score.dumps_midi())
    except OSError as error:
        raise DataError(f"cannot be written: {(error.strerror or str(error)).lower()}", path=str(path)) from None


def _score(path: StrPath, name: str) -> Any:
    with open_binary(path) as file, ExitStack() as stack:
        peek(file, name)
        stream = unpacked(file, stack)
        data = b"".join(iter(lambda: read_block(stream, name), b""))
    if not data.startswith(MIDI):
        raise DataError("expected a MIDI file, found other content", path=name)
    try:
        score = need_symusic(name).Score.from_midi(data)
    except (RuntimeError, ValueError) as error:
        reason = str(error).removeprefix("MiniMidi: ").removesuffix(": iostream error")
        raise DataError(f"expected a whole MIDI file, found a damaged one ({reason})", path=name) from None
    if score.ticks_per_quarter < 1:
        raise DataError("expected a whole MIDI file, found a damaged one (no ticks in a quarter note)", path=name)
    return score


def _on_grid(track: Any, ticks: float, name: str, met: Counter[str]) -> list[Note]:
    columns = track.notes.numpy()
    notes = []
    for time, duration, pitch in zip(*(columns[key].tolist() for key in ("time", "duration", "pitch")), strict=True):
        start, end = math.floor(time / ticks + 0.5), math.floor((time + duration) / ticks + 0.5)
        if not 0 <= start <= end <= MOST_STEPS:
            found = f"found a note that begins at step {start:,} and ends at {end:,}"
            raise DataError(f"expected at most {MOST_STEPS:,} steps, {found}", path=name)
        met[MOVED] += abs(time / ticks - start) > _OFF_GRID
        notes.append(Note(start, pitch, max(end - start, 1)))
    return notes


def _voices(tracks: Sequence[Sequence[Note]], length: int) -> Sequence[tuple[int, ...]]:
    """Tracks as voices, if there are several, and none has two notes at once."""
    if len(tracks) < 2:
        return ()
    lines = [[REST] * length for _ in tracks]
    for line, track in zip(lines, tracks, strict=True):
        for note in track:
            if any(pitch != REST for pitch in line[note.start : note.start + note.length]):
                return ()
            line[note.start : note.start + note.length] = [note.pitch] * note.length
    return list(zip(*lines, strict=True))
