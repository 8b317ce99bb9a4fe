"""What ``throughtime generate`` and ``score`` do with a model of music: MIDI files, and a row a piece."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from rich.console import Console

from throughtime.cli.common import check_out, music_of, print_json
from throughtime.cli.options import flag, read_config_flags
from throughtime.cli.screen import console
from throughtime.data.events import from_events, to_events
from throughtime.data.midi import need_symusic, write_midi
from throughtime.data.music_files import as_texts, open_pieces
from throughtime.data.piece import Piece, pitch_name
from throughtime.data.readers.music import read_alike
from throughtime.decode.sampling import SamplingConfig
from throughtime.errors import UsageError
from throughtime.model import ComposerModel, LanguageModel

__all__ = ["score_music", "write_music"]

PROMPT_STEPS = 16
WORDS = 2_000
"""Events of a piece at most: a chorale has some 600."""

ENDINGS = (".mid", ".midi")


def write_music(arguments: argparse.Namespace, model: ComposerModel | LanguageModel) -> int:
    """Write one MIDI file, or several."""
    sampling = _sampling(arguments, model)
    paths = _paths(arguments)
    need_symusic(str(paths[0]))
    screen = console(quiet=arguments.quiet)
    prompt = _prompt(arguments, music_of(model).quarters, screen)
    if isinstance(model, ComposerModel):
        pieces = model.generate(
            prompt,
            arguments.length,
            samples=arguments.samples,
            seed=arguments.seed,
            temperature=sampling.temperature,
        )
    else:
        pieces = _by_events(model, prompt, arguments, sampling)
    for path, piece in zip(paths, pieces, strict=True):
        write_midi(path, piece)
        screen.print(f"{path}: {_in_words(piece)}")
    if arguments.json:
        print_json({"files": [str(path) for path in paths], "steps": [len(p) for p in pieces], "seed": arguments.seed})
    screen.print("\nAny player or notation program opens it. Next:")
    screen.print(f"  throughtime score {arguments.model} {paths[0]}  how probable it is")
    return 0


def score_music(arguments: argparse.Namespace, model: ComposerModel | LanguageModel) -> int:
    """Write a row a piece, tab-separated, and all in all on the screen."""
    if arguments.file == "-":
        raise UsageError("-: expected a file of music, which is not read from standard input")
    parts, notes = open_pieces(Path(arguments.file), music_of(model), "all")
    screen = console(quiet=arguments.quiet)
    for note in notes:
        screen.print(f"{arguments.file}: {note}")
    one, unit = ("a frame", "frames") if isinstance(model, ComposerModel) else ("an event", "tokens")
    if not arguments.json:
        print(f"log_probability\tnll\t{unit}\tpart\tpiece")
    rows, whole = [], _Told(0.0, 0)
    for name, pieces in parts.items():
        part = name if len(parts) > 1 else ""
        for piece, told in zip(pieces, _scores(model, pieces), strict=True):
            whole = _Told(whole.log_probability + told.log_probability, whole.steps + told.steps)
            if arguments.json:
                rows.append({**told.plain(unit), "part": part, "piece": _name(piece)})
            else:
                print(f"{told.log_probability:.4f}\t{told.nll:.4f}\t{told.steps}\t{part}\t{_name(piece)}")
    count = sum(map(len, parts.values()))
    if arguments.json:
        print_json({"pieces": rows, "all": {**whole.plain(unit), "sequences": count}})
        return 0
    counted = "1 piece" if count == 1 else f"{count:,} pieces"
    screen.print(f"{counted}: log probability {whole.log_probability:,.2f}, {whole.nll:.4f} nats {one}")
    return 0


class _Told(NamedTuple):
    """How probable music is: the logarithm of its probability, and the frames or events that it is told by."""

    log_probability: float
    steps: int

    @property
    def nll(self) -> float:
        return -self.log_probability / self.steps

    def plain(self, unit: str) -> dict[str, float]:
        return {"log_probability": self.log_probability, "nll": self.nll, unit: self.steps}


# ---- what is asked for ----


def _sampling(arguments: argparse.Namespace, model: ComposerModel | LanguageModel) -> SamplingConfig:
    """How the next is chosen.

    Raises:
        UsageError: for an option that music does not have.
    """
    if arguments.endless:
        raise UsageError("--endless: expected a model of text, found one of music")
    if isinstance(model, ComposerModel):
        for name in SamplingConfig.model_fields:
            if name != "temperature" and hasattr(arguments, name):
                raise UsageError(f"{flag(name)}: expected a model that chooses symbols, found one of chords")
    return read_config_flags(arguments, SamplingConfig)


def _paths(arguments: argparse.Namespace) -> list[Path]:
    """The files to write: ``new.mid``; of several ``new-1.mid``, ``new-2.mid`` and so on.

    Raises:
        UsageError: there is none, one is there already, or is no MIDI file's name.
    """
    out: Path | None = arguments.out
    if out is None:
        raise UsageError("--out: expected the MIDI file that the music goes to, found none")
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"--out {out}: expected a name that ends in .mid")
    paths = [out]
    if arguments.samples > 1:
        paths = [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, arguments.samples + 1)]
    for path in paths:
        check_out(path, arguments.overwrite)
    return paths


def _prompt(arguments: argparse.Namespace, quarters: float, screen: Console) -> Piece | None:
    """The first steps of a file's first piece."""
    if not arguments.prompt:
        if arguments.prompt_steps is not None:
            raise UsageError("--prompt-steps: expected a --prompt to take them from, found none")
        return None
    steps = arguments.prompt_steps or PROMPT_STEPS
    music = read_alike(arguments.prompt, quarters)
    first, several = music.pieces[0], len(music.pieces) > 1
    which = f"the first of its {len(music.pieces):,} pieces" if several else "its"
    screen.print(f"{arguments.prompt}: begins with {which}{':' * several} first {min(steps, len(first)):,} steps")
    struck = frozenset((step, pitch) for step, pitch in first.repeats if step < steps)
    return replace(first, steps=first.steps[:steps], repeats=struck, voices=())


def _by_events(
    model: LanguageModel, prompt: Piece | None, arguments: argparse.Namespace, sampling: SamplingConfig
) -> list[Piece]:
    begun = " ".join(to_events(prompt)) if prompt is not None else ""
    length = arguments.length or WORDS
    texts = model.generate(begun, length, samples=arguments.samples, seed=arguments.seed, sampling=sampling)
    return [from_events(text.split(), music_of(model).quarters) for text in texts]


# ---- what is told ----


def _in_words(piece: Piece) -> str:
    """A piece in a line.

    >>> _in_words(Piece([(60, 64), (60,)]))
    '2 steps (2 quarter notes), 2 notes from C4 to E4, 1.5 at a step'
    """
    pitches = [pitch for step in piece.steps for pitch in step]
    size = f"{len(piece):,} steps ({len(piece) * piece.quarters:g} quarter notes)"
    if not pitches:
        return f"{size}, all of them silent"
    span = f"{len(piece.notes()):,} notes from {pitch_name(min(pitches))} to {pitch_name(max(pitches))}"
    return f"{size}, {span}, {mean(map(len, piece.steps)):.2g} at a step"


def _scores(model: ComposerModel | LanguageModel, pieces: Sequence[Piece]) -> list[_Told]:
    if isinstance(model, ComposerModel):
        return [_Told(one.log_probability, one.frames) for one in model.score(pieces)]
    return [_Told(one.log_probability, one.tokens) for one in model.score([text.text for text in as_texts(pieces)])]


def _name(piece: Piece) -> str:
    return str(piece.number) if piece.number else Path(piece.path).name
