"""A user's files of music as parts to learn from, to choose by and to report on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from throughtime.data.columns import Example
from throughtime.data.config import MusicConfig
from throughtime.data.events import to_events
from throughtime.data.identity import all_plain, content_hash
from throughtime.data.parts import Parts, Said, share_of
from throughtime.data.piece import Piece
from throughtime.data.readers.music import Music, read_alike, read_music
from throughtime.data.split import stratified_split
from throughtime.errors import DataError, UsageError

__all__ = ["MusicSource", "as_texts", "open_pieces", "read_pieces", "told_in_events"]

_SHARE = "0.1"


@dataclass(frozen=True)
class MusicSource:
    """How files were read, so that others can be read alike; plain values, ready for JSON."""

    format: str
    quarters: float
    notes: list[str]


def read_pieces(path: Path, options: MusicConfig, seed: int, said: Said = lambda words: None) -> Parts:
    """Read music and part it: by the parts that the file brings, or by the seed.

    Args:
        path: JSON rolls, a MIDI file or a folder of them.
        options: how it is read, and what is held out.
        seed: decides which pieces are held out.
        said: is told what is being done, now and then.

    Raises:
        DataError: the content cannot be used; the message names its place.
        UsageError: options that do not fit together or the files.
    """
    said(f"reading {path}")
    music = read_music(path, options.step)
    parts, files = {"train": music.parts.get("train", [])}, {"train": path}
    notes = list(music.notes)
    if not parts["train"]:
        raise DataError(f"expected a part train to learn from, found {', '.join(music.parts)}", path=str(path))
    for name in ("test", "valid"):
        wanted, own = getattr(options, name), music.parts.get(name)
        if wanted is None and own is not None:
            parts[name], files[name] = own, path
            notes.append(f"its own part {name} is taken: {_pieces(own)}")
            continue
        if own is not None:
            notes.append(f"its own part {name} is left out, since --{name} says {wanted}: {_pieces(own)}")
        share = share_of(name, wanted if wanted is not None or name == "test" else _SHARE)
        if share is None:
            other = read_alike(wanted, music.quarters)
            parts[name], files[name] = other.parts.get(name) or other.pieces, Path(wanted)
        elif share:
            try:
                kept, held = stratified_split([""] * len(parts["train"]), share, seed)
            except DataError as error:
                raise DataError(error.message, path=str(path)) from None
            parts[name] = [parts["train"][row] for row in held]
            parts["train"] = [parts["train"][row] for row in kept]
    facts: dict[str, Any] = {
        "source": asdict(MusicSource(music.format, music.quarters, notes)),
        "rows": len(music.pieces),
        "options": options.model_dump(),
    }
    hashes = {file: content_hash(file) for file in set(files.values())}
    for name in ("train", "valid", "test"):
        facts[name] = {"rows": len(parts.get(name, ()))}
        if name in files:
            facts[name] |= {"path": str(files[name]), "sha256": hashes[files[name]]}
    return Parts(parts["train"], parts.get("valid", ()), parts.get("test", ()), all_plain(facts), _warnings(parts))


def open_pieces(path: Path, source: MusicSource, part: str | None = None) -> tuple[dict[str, list[Piece]], list[str]]:
    """Read music as the training data was: the pieces of its parts, or of one, and what to tell of it.

    Args:
        path: JSON rolls, a MIDI file or a folder of them.
        source: how the training data was read.
        part: ``train``, ``valid`` or ``test``, or ``all`` of them; by default its test part, where it brings one.

    Raises:
        DataError: it cannot be read.
        UsageError: it has no part of that name.
    """
    music = read_alike(path, source.quarters)
    if part is None:
        part = "test" if "test" in music.parts else "all"
    if part == "all":
        return music.parts, music.notes
    if part not in music.parts:
        raise UsageError(f"--part: expected {_named(music)}, found {part}")
    return {part: music.parts[part]}, [*music.notes, f"its part {part} is taken: {_pieces(music.parts[part])}"]


def as_texts(pieces: Sequence[Piece]) -> list[Example]:
    """Pieces as the words of their events, each a text of its own.

    >>> as_texts([Piece([(60,), (60,)], path="a.mid")])
    [Example(text='Pitch_60 Duration_2', label=None, path='a.mid', line=0)]
    """
    return [Example(" ".join(to_events(piece)), None, piece.path, piece.number) for piece in pieces]


def told_in_events(parts: Parts) -> Parts:
    """The same, each piece as the words of its events."""
    pieces: list[Any] = [parts.train, parts.valid, parts.test]
    train, valid, test = map(as_texts, pieces)
    return replace(parts, train=train, valid=valid, test=test)


def _named(music: Music) -> str:
    return " or ".join([", ".join(music.parts), "all"])


def _warnings(parts: dict[str, list[Piece]]) -> list[str]:
    """Pieces that are in two parts."""
    found = []
    known = {tuple(piece.steps) for piece in parts["train"]}
    for name in ("valid", "test"):
        again = [piece for piece in parts.get(name, ()) if tuple(piece.steps) in known]
        if again:
            have = "is a piece" if len(again) == 1 else "are pieces"
            called = {"valid": "validation", "test": "test"}[name]
            found.append(f"{len(again)} of the {called} data's {_pieces(parts[name])} {have} of the training data too")
    return found


def _pieces(pieces: Sequence[Piece]) -> str:
    return "1 piece" if len(pieces) == 1 else f"{len(pieces):,} pieces"
