"""Pieces as numbers: a vector for each step, with a one for each pitch that sounds.

The measure of the literature (Boulanger-Lewandowski et al. 2012) is the negative log-likelihood of a step given those
before it, summed over the 88 keys of a piano and averaged over all steps of all pieces; the first step is told from
nothing, and a piece's end is not told at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from throughtime.config import Config
from throughtime.data.batches import Dataset
from throughtime.data.piece import HIGHEST, Piece
from throughtime.errors import DataError, ModelError
from throughtime.ragged import Ragged
from throughtime.storage import write_atomically

__all__ = ["Frames", "RollConfig", "Rolls", "before", "frame_nll"]

_FIRST_KEY, _LAST_KEY = 21, 108  # of a piano


class RollConfig(Config):
    """How music becomes vectors."""

    keys: Literal["piano", "met"] = Field(
        "piano",
        description="the pitches a chord is told by: a piano's 88, and more where the music leaves them; or only the "
        "range that is met, whose likelihoods cannot be compared with others'",
    )


@dataclass(frozen=True)
class Rolls:
    """How pieces become vectors of ``P`` pitches, and back.

    Attributes:
        lowest: the pitch of the first place; by default a piano's lowest key.
        highest: the pitch of the last; by default a piano's highest, 88 keys in all.
        quarters: a step's length in quarter notes.

    >>> rolls = Rolls(lowest=60, highest=64)
    >>> inputs, targets = rolls.examples([Piece([(60, 64), (62,)])])
    >>> inputs.to_list()
    [[[0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 1.0]]]
    >>> targets.to_list()
    [[[1.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0, 0.0]]]
    >>> rolls.decode(targets[0]).steps
    [(60, 64), (62,)]
    """

    files: ClassVar = ("rolls.json",)

    lowest: int = _FIRST_KEY
    highest: int = _LAST_KEY
    quarters: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest <= HIGHEST or not 0 < self.quarters < float("inf"):
            raise ValueError(f"expected pitches from 0 to {HIGHEST} and a step of some length, found {self}")

    @classmethod
    def fit(cls, pieces: Sequence[Piece], *, keys: str = "piano") -> Rolls:
        """The range that holds all pitches of some pieces.

        Args:
            pieces: those to learn from.
            keys: ``piano`` for its 88, and more where a pitch lies beyond; ``met`` for the range that is met only,
                whose likelihoods cannot be compared with the literature's if a piece leaves it.

        Raises:
            DataError: the pieces have steps of different lengths, or no note.

        >>> Rolls.fit([Piece([(60, 112)])]), Rolls.fit([Piece([(60, 112)])], keys="met")
        (Rolls(lowest=21, highest=112, quarters=1.0), Rolls(lowest=60, highest=112, quarters=1.0))
        """
        pitches = {pitch for piece in pieces for step in piece.steps for pitch in step}
        if not pitches:
            raise DataError("expected music, found not one note")
        known = {_FIRST_KEY, _LAST_KEY} if keys == "piano" else set()
        rolls = cls(min(pitches | known), max(pitches | known), pieces[0].quarters)
        for piece in pieces:
            rolls._check(piece)
        return rolls

    @property
    def width(self) -> int:
        """``P``, the number of pitches."""
        return self.highest - self.lowest + 1

    def __len__(self) -> int:
        return self.width

    def encode(self, pieces: Sequence[Piece], dtype: torch.dtype = torch.float32) -> Ragged:
        """Many-hot vectors ``[N, P]``, one a step.

        Raises:
            DataError: a piece has steps of another length, or a pitch outside the range.
        """
        for piece in pieces:
            self._check(piece)
        steps = [step for piece in pieces for step in piece.steps]
        values = torch.zeros(len(steps), self.width, dtype=dtype)
        rows = [row for row, step in enumerate(steps) for _ in step]
        places = [pitch - self.lowest for step in steps for pitch in step]
        values[torch.tensor(rows, dtype=torch.int64), torch.tensor(places, dtype=torch.int64)] = 1
        return Ragged.from_lengths(values, [len(piece) for piece in pieces])

    def examples(self, pieces: Sequence[Piece]) -> tuple[Ragged, Ragged]:
        """What a model sees and what it is to tell, both ``[N, P]``: the step before, and the step.

        Before the first step there is a vector of zeros, which says that a piece begins.

        Raises:
            DataError: as :meth:`encode`.
        """
        targets = self.encode(pieces)
        return before(targets), targets

    def decode(self, values: Tensor) -> Piece:
        """A piece of the pitches whose values ``[T, P]`` are above a half."""
        if values.dim() != 2 or values.shape[1] != self.width:
            raise ValueError(f"expected values [T, {self.width}], found {list(values.shape)}")
        steps = [[self.lowest + place for place, on in enumerate(row) if on] for row in (values > 0.5).tolist()]
        return Piece([tuple(step) for step in steps], self.quarters)

    def save(self, folder: Path) -> None:
        """Write it into a folder as JSON."""
        write_atomically(folder / self.files[0], json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls, folder: Path, config: RollConfig | None = None) -> Rolls:
        """Read what :meth:`save` wrote; the settings it was made by are no longer needed.

        Raises:
            ModelError: the file is missing, or holds something else.
        """
        path = folder / cls.files[0]
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{path}: expected the range of a piano roll's pitches, found none ({error})") from None

    def _check(self, piece: Piece) -> None:
        if piece.quarters != self.quarters:
            found = f"found steps of {piece.quarters:g}"
            raise DataError(f"{_place(piece)}expected steps of {self.quarters:g} quarter notes, {found}")
        for at, step in enumerate(piece.steps, 1):
            if step and not self.lowest <= step[0] <= step[-1] <= self.highest:
                pitch = next(p for p in step if not self.lowest <= p <= self.highest)
                expected = f"expected pitches from {self.lowest} to {self.highest}"
                raise DataError(f"{_place(piece)}step {at}: {expected}, found {pitch}")


@dataclass(frozen=True)
class Frames(Dataset):
    """Pieces as a model of chords reads and tells them.

    ``inputs`` are the steps themselves, ``[N, P]`` and a byte for each pitch: a batch is read a step behind, and tells
    them.

    >>> from throughtime.data.batches import Batches
    >>> [batch] = Batches(Frames(Rolls(60, 62).encode([Piece([(60,), (62,)])], torch.uint8)), 10)
    >>> batch.inputs.to_list(), batch.targets.tolist()
    ([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    """

    def take(self, rows: Tensor) -> Ragged:
        """What is read of these rows."""
        return before(self._played(rows))

    def take_targets(self, rows: Tensor) -> Tensor:
        """What is told of them."""
        return self._played(rows).values

    def places(self, rows: Iterable[int]) -> list[str]:
        """Where these pieces are."""
        return [_place(self.examples[row]).removesuffix(": ") or f"piece {row + 1}" for row in rows]

    def _played(self, rows: Tensor) -> Ragged:
        played: Ragged = self.inputs.take(rows)
        return played.with_values(played.values.float())


def before(played: Ragged) -> Ragged:
    """The step before each step, ``[N, P]``; before a piece's first one all is silent."""
    values = torch.cat([torch.zeros_like(played.values[:1]), played.values[:-1]])
    values[played.offsets[:-1][played.lengths > 0]] = 0
    return played.with_values(values)


def frame_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """The negative log-likelihood of each step in nats, ``[N]``, with a Bernoulli variable for each pitch.

    Its mean over all steps of all pieces is the measure of the literature.

    Args:
        logits: ``[N, P]`` the log-odds of each pitch.
        targets: ``[N, P]`` ones and zeros.

    >>> frame_nll(torch.zeros(1, 88), torch.zeros(1, 88))  # 88 times the logarithm of 2
    tensor([60.9970])
    """
    return binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(-1)


def _place(piece: Piece) -> str:
    words: Iterable[str] = (piece.path, f"piece {piece.number}" if piece.number else "")
    place = ", ".join(filter(None, words))
    return f"{place}: " if place else ""
