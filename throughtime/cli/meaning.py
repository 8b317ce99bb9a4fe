"""What ``throughtime train generate`` means: a model of text, of chords, or of the events of music."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from throughtime.cli.options import add_fields, flag
from throughtime.config import Config
from throughtime.data.config import MusicConfig
from throughtime.data.readers.music import is_music
from throughtime.errors import UsageError
from throughtime.model import training_of
from throughtime.tasks import TASKS

__all__ = ["Meant", "add_music", "meant"]


class Meant(NamedTuple):
    """A task, the settings of how its files are read, and what of its settings mean nothing for them."""

    task: str
    data: type[Config]
    unmeant: frozenset[str] = frozenset()

    @property
    def settings(self) -> tuple[type[Config], ...]:
        """All that have flags, but those of the run."""
        kind = TASKS[self.task]
        return self.data, kind.vocabulary, kind.network, training_of(self.task)

    @property
    def names(self) -> set[str]:
        """What its flags set."""
        return {name for config in self.settings for name in config.model_fields} - self.unmeant


TEXT, CHORDS = (Meant(task, TASKS[task].data) for task in ("generate", "compose"))
EVENTS = Meant("generate", MusicConfig, frozenset({"lowercase", "min_count", "vocab_size", "split"}))


def add_music(parser: argparse.ArgumentParser) -> None:
    """The flags that music has and text has not."""
    fields = {
        name: field
        for config in CHORDS.settings
        for name, field in config.model_fields.items()
        if name not in TEXT.names
    }
    add_fields(parser, "Where FILE is music", fields)


def meant(arguments: argparse.Namespace) -> Meant:
    """What is to be learnt.

    Raises:
        UsageError: for a flag that means nothing there.
    """
    if arguments.task != "generate":
        return Meant(arguments.task, TASKS[arguments.task].data)
    music, tokens = is_music(arguments.file), getattr(arguments, "tokens", None)
    if tokens == "event" and not music:
        raise UsageError(f"--tokens event: expected music, found other content in {arguments.file}")
    found = TEXT if not music else EVENTS if tokens == "event" else CHORDS
    for name in _given(arguments):
        if name in found.names:
            continue
        if not music:
            raise UsageError(f"{flag(name)}: expected music, found other content in {arguments.file}")
        if found is CHORDS and name in EVENTS.names:
            raise UsageError(f"{flag(name)}: expected text, or --tokens event, found music in {arguments.file}")
        kind = "music has" if found is CHORDS else "events have"
        raise UsageError(f"{flag(name)}: expected an option that {kind}, found one of {_of(name)} alone")
    return found


def _given(arguments: argparse.Namespace) -> Iterator[str]:
    """The fields that flags were given for, as the parser orders them."""
    names = dict.fromkeys(name for kind in (TEXT, CHORDS) for config in kind.settings for name in config.model_fields)
    return (name for name in names if hasattr(arguments, name))


def _of(name: str) -> str:
    return "text" if name in TEXT.names else "chords"
