"""Music as piano rolls: JSON files of them, MIDI files, and folders of MIDI files.

A JSON file holds a list of pieces, or an object of such lists under the names of the parts (`train`, `valid`,
`test`), as the Bach chorales of Boulanger-Lewandowski et al. (2012) are passed on. A piece is a list of steps, and a
step a list of the MIDI pitches that sound. Where all steps have the same number of entries, each is a voice, and -1 its
rest.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from throughtime.data.files import read_text
from throughtime.data.midi import DRUMS, MIDI, MOVED, read_midi
from throughtime.data.packed import StrPath, first_bytes
from throughtime.data.piece import HIGHEST, REST, Piece
from throughtime.data.readers.rows import shown
from throughtime.errors import DataError, UsageError

__all__ = ["Music", "Piece", "is_music", "read_alike", "read_music"]

_PARTS = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid", "val": "valid", "test": "test"}
_ENDINGS = (".mid", ".midi", ".mid.gz", ".midi.gz")
_ROLLS = re.compile(
    rb"""(\xef\xbb\xbf)?\s*(\{\s*"(train|valid|validation|dev|val|test)"\s*:\s*)?\[\s*\[\s*(\]|\[\s*(-?\d|\]))"""
)
_NAMED = {r"quarter": 1.0, r"8th|eighth": 0.5, r"16th|sixteenth": 0.25, r"32nd": 0.125}
_STEPS = {1.0: "a quarter note", 0.5: "an 8th note", 0.25: "a 16th note", 0.125: "a 32nd note"}
_SIXTEENTH = 0.25
_MOST_VOICES = 16

Rolls = dict[str, list[Any]]


@dataclass(frozen=True)
class Music:
    """What was read.

    Attributes:
        parts: the pieces of `train`, `valid` and `test`, those that are there; all in `train` where none is told.
        format: `json` or `midi`.
        quarters: a step's length in quarter notes.
        notes: sentences for a person: how it was understood and what was left out.
        path: the file or folder.
    """

    parts: dict[str, list[Piece]]
    format: str
    quarters: float
    notes: list[str] = field(default_factory=list)
    path: str = ""

    @property
    def pieces(self) -> list[Piece]:
        """Those of all parts."""
        return [piece for pieces in self.parts.values() for piece in pieces]


def read_music(path: StrPath, step: float | None = None) -> Music:
    """Read a JSON file of piano rolls, a MIDI file, or a folder with MIDI files, at any depth.

    A folder's own folders `train`, `valid` and `test`, and a JSON object's keys, are the parts. JSON and MIDI files may
    be gzipped. Pieces without a note are left out, and counted.

    Args:
        path: the file or folder.
        step: its length in quarter notes. MIDI is put on that grid, by default of 16th notes. A JSON file's grid is
            its own, and this only says what it is; by default its name says it (`…-16th.json`), else quarter notes.

    Raises:
        DataError: it cannot be opened, is damaged, or holds something else; the place of the fault is named.
        UsageError: the step is not positive, or symusic, which reads MIDI, is not installed.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "two.json")
    ...     _ = file.write_text("[[[60, 64], [60]], [[55]]]")
    ...     music = read_music(file)
    >>> [piece.steps for piece in music.parts["train"]]
    [[(60, 64), (60,)], [(55,)]]
    >>> music.notes
    ['read as JSON piano rolls: 2 pieces, 3 steps of a quarter note']
    """
    if step is not None and not 0 < step < float("inf"):
        raise UsageError(f"expected a step of a positive length in quarter notes, found {step:g}")
    read = _read_midi if _is_midi(path) else _read_json
    return read(path, step)


def read_alike(path: StrPath, quarters: float) -> Music:
    """Read music onto the grid that other music has.

    Args:
        path: the file or folder.
        quarters: a step's length in quarter notes.

    Raises:
        DataError: a JSON file's name says that its steps are others, or see :func:`read_music`.
    """
    named = None if _is_midi(path) else _named_step(Path(path).name)
    if named not in (None, quarters):
        found = f"found a name that says {named:g}"
        raise DataError(f"expected steps of {quarters:g} quarter notes, {found}", path=str(path))
    return read_music(path, quarters)


def is_music(path: StrPath) -> bool:
    """Tell whether a path is that of music.

    It is for a file that begins as MIDI or is called so, a folder that holds any, and for JSON that begins as rolls do:
    a list of lists of lists, of numbers or empty, under the name of a part or under none.
    """
    if Path(path).is_dir():
        return any(_midi_files(Path(path)))
    return _is_midi(path) or _ROLLS.match(first_bytes(path)[1]) is not None


def _is_midi(path: StrPath) -> bool:
    return Path(path).is_dir() or Path(path).name.lower().endswith(_ENDINGS) or first_bytes(path)[1].startswith(MIDI)


# ---- JSON ----


def _read_json(path: StrPath, step: float | None) -> Music:
    name = str(path)
    rolls = _rolls(path, name)
    quarters = step or _named_step(Path(path).name) or 1.0
    voices = _are_voices(rolls)
    parts: dict[str, list[Piece]] = {}
    empty: list[str] = []
    for part, pieces in rolls.items():
        parts[part] = []
        for number, roll in enumerate(pieces, 1):
            place = f"{part}, piece {number}" if len(rolls) > 1 else f"piece {number}"
            steps = [_step(values, f"{place}, step {at}", voices, name) for at, values in enumerate(roll, 1)]
            if not any(steps):
                empty.append(place)
                continue
            lines = [tuple(int(value) for value in values) for values in roll] if voices else ()
            parts[part].append(Piece(steps, quarters, voices=lines, path=name, number=number))
    return _music(parts, "json", quarters, _empty(empty, "piece", "pieces"), name)


def _rolls(path: StrPath, name: str) -> Rolls:
    """Give the parts with their pieces as they lie in the file, each a list of lists."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        found = f"expected JSON piano rolls or MIDI, found no JSON ({error.msg.lower()})"
        raise DataError(found, path=name, line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise DataError("expected JSON piano rolls, found JSON nested too deeply", path=name) from None
    except ValueError:  # more digits than Python reads as a number
        raise DataError(
            f"expected pitches from 0 to {HIGHEST}, found a number of thousands of digits", path=name
        ) from None
    parts = content if isinstance(content, dict) else {"train": content}
    if unknown := [key for key in parts if key not in _PARTS]:
        raise DataError(f"expected the parts train, valid and test, found {shown(unknown, 3)}", path=name)
    if len({_PARTS[key] for key in parts}) < len(parts):
        raise DataError(f"expected each part once, found {shown(list(parts))}", path=name)
    for key, pieces in parts.items():
        if not isinstance(pieces, list):
            raise DataError(f"{key}: expected a list of pieces, found {_kind(pieces)}", path=name)
        for number, piece in enumerate(pieces, 1):
            _check_piece(piece, f"{key}, piece {number}" if len(parts) > 1 else f"piece {number}", name)
    return {_PARTS[key]: pieces for key, pieces in parts.items()}


def _check_piece(piece: Any, place: str, name: str) -> None:
    if not isinstance(piece, list):
        raise DataError(f"{place}: expected a list of steps, found {_kind(piece)}", path=name)
    for at, step in enumerate(piece, 1):
        if not isinstance(step, list):
            raise DataError(f"{place}, step {at}: expected a list of pitches, found {_kind(step)}", path=name)


def _kind(value: Any) -> str:
    """Name a JSON value shortly.

    >>> [_kind(value) for value in ({}, [], "C#4", None, 3.5)]
    ['an object', 'a list', '"C#4"', 'null', '3.5']
    """
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return shown([value]) if isinstance(value, str) else json.dumps(value)


def _are_voices(rolls: Rolls) -> bool:
    """Tell whether every step of the file has the same number of entries, so that each of them is a voice."""
    sizes = {len(step) for pieces in rolls.values() for piece in pieces for step in piece}
    return len(sizes) == 1 and 2 <= max(sizes) <= _MOST_VOICES


def _step(values: list[Any], place: str, voices: bool, name: str) -> tuple[int, ...]:
    lowest = REST if voices else 0
    pitches = set()
    for value in values:
        # Some programs write whole numbers as 60.0.
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise DataError(f"{place}: expected pitches from 0 to {HIGHEST}, found {_kind(value)}", path=name)
        if not lowest <= value <= HIGHEST:
            rest = " (or -1, a voice's rest)" if voices else ""
            raise DataError(f"{place}: expected pitches from 0 to {HIGHEST}{rest}, found {_number(value)}", path=name)
        pitches.add(int(value))
    return tuple(sorted(pitches - {REST}))


def _number(value: float) -> str:
    """Write a number shortly, whatever its size.

    >>> _number(128.0), _number(10**400)
    ('128', 'a number of 401 digits')
    """
    digits = len(str(int(value)).removeprefix("-"))
    return f"{value:g}" if digits < 300 else f"a number of {digits} digits"


def _named_step(name: str) -> float | None:
    """Give the step's length that a file's name tells, if it does.

    >>> _named_step("jsb-chorales-16th.json.gz"), _named_step("chorales.json")
    (0.25, None)
    """
    return next((length for words, length in _NAMED.items() if re.search(words, name.lower())), None)


# ---- MIDI ----


def _read_midi(path: StrPath, step: float | None) -> Music:
    quarters, met, empty = step or _SIXTEENTH, Counter[str](), list[str]()
    parts: dict[str, list[Piece]] = {}
    for part, files in _midi_parts(Path(path)).items():
        read = [read_midi(file, quarters, met) for file in files]
        parts[part] = [piece for piece in read if any(piece.steps)]
        empty += [piece.path for piece in read if not any(piece.steps)]
    total = met[DRUMS]
    notes = [f"{total:,} {'note of drums is' if total == 1 else 'notes of drums are'} left out"] if total else []
    if moved := met[MOVED]:
        notes.append(f"{moved:,} of the notes began between the steps and were moved to the nearest")
    return _music(parts, "midi", quarters, [*notes, *_empty(empty, "file", "files")], str(path))


def _midi_parts(path: Path) -> dict[str, list[Path]]:
    if not path.is_dir():
        return {"train": [path]}
    files = list(_midi_files(path))
    if not files:
        raise DataError("expected a folder with MIDI files (.mid, .midi), found none in it", path=str(path))
    tops = [file.relative_to(path).parts[0] for file in files]
    if not all(top in _PARTS for top in tops):
        return {"train": files}
    parts: dict[str, list[Path]] = {}
    for top, file in zip(tops, files, strict=True):
        parts.setdefault(_PARTS[top], []).append(file)
    return parts


def _midi_files(folder: Path) -> Iterator[Path]:
    """Yield the MIDI files of a folder and of those in it, by name, without hidden ones."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(root, name) for name in sorted(files) if name.lower().endswith(_ENDINGS) and not name.startswith(".")
        )


# ---- both ----


def _empty(places: list[str], one: str, several: str) -> list[str]:
    """Say how many there were without a note."""
    if not places:
        return []
    kind = f"{one} without a note is" if len(places) == 1 else f"{several} without a note are"
    return [f"{len(places)} {kind} left out (first: {places[0]})"]


def _music(parts: dict[str, list[Piece]], format: str, quarters: float, notes: list[str], name: str) -> Music:
    """Put together what was read, with what it is in words."""
    pieces = [piece for part in parts.values() for piece in part]
    if not pieces:
        raise DataError("expected music, found not one note", path=name)
    kind = "JSON piano rolls" if format == "json" else "MIDI"
    length = _STEPS.get(quarters, f"{quarters:g} quarter notes")
    steps = sum(len(piece) for piece in pieces)
    count = "1 piece" if len(pieces) == 1 else f"{len(pieces):,} pieces"
    first = f"read as {kind}: {count}, {steps:,} steps of {length}"
    return Music(parts, format, quarters, [first, *notes], name)
