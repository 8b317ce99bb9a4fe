"""Models that tell what sounds next in a piece of music."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.data.music import Frames, Rolls, before, frame_nll
from throughtime.data.piece import Piece
from throughtime.decode.chords import ChordSampler
from throughtime.decode.sampling import streams
from throughtime.errors import UsageError
from throughtime.model.base import Model, recurrence_in_words
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering
from throughtime.tasks.compose import Composer, ComposerConfig

__all__ = ["ComposerModel", "ScoredPiece"]


@dataclass(frozen=True)
class ScoredPiece:
    """How probable a piece is.

    Attributes:
        log_probability: the natural logarithm of the probability of its frames; its end is not told.
        frames: its steps.
    """

    log_probability: float
    frames: int

    @property
    def nll(self) -> float:
        """Nats a frame."""
        return -self.log_probability / self.frames


class ComposerModel(Model):
    """Tells what sounds next; see :class:`~throughtime.model.Model`."""

    vocabulary: Rolls
    task: Composer

    # ---- new music ----

    def generate(
        self,
        prompt: Piece | None = None,
        length: int | None = None,
        *,
        samples: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> list[Piece]:
        """Pieces that go on from a prompt, which they begin with; the same seed gives the same pieces.

        Args:
            prompt: what they begin with.
            length: steps to come after it; by default a piece then is as long as those of training on average.
            samples: how many; each is the same whatever others stand beside it.
            seed: of their chance.
            temperature: below 1 is safer and above 1 bolder; 0 takes the most probable.

        Raises:
            DataError: the prompt has steps of another length, or a pitch that the model does not know.
        """
        begun = self.vocabulary.encode([prompt]).values if prompt is not None else torch.zeros(0, self.vocabulary.width)
        if length is None:
            length = max(1, self.task.targets.length - len(begun))
        told = self.task.targets
        sampler, chances = ChordSampler(told.sizes, told.intervals, temperature), streams(seed, samples)
        read = torch.cat([torch.zeros(1, self.vocabulary.width), begun])  # a piece begins after silence
        with answering(self.task):
            scores, state = self.task(Ragged.from_lengths(read.to(self.device), [len(read)]))
            step = self.task.network.stepper(samples)
            step.state = tuple(part.expand(-1, samples, -1).contiguous() for part in state)
            scores, played = scores[-1:].expand(samples, -1), list[Tensor]()
            while len(played) < length:
                played.append(sampler(scores, chances).float())
                if len(played) < length:
                    scores = step(played[-1].to(self.device))
        made = torch.stack(played, 1) if played else torch.zeros(samples, 0, self.vocabulary.width)
        return [self.vocabulary.decode(torch.cat([begun, own])) for own in made]

    # ---- how probable a piece is ----

    def score(self, pieces: Sequence[Piece]) -> list[ScoredPiece]:
        """How probable each piece is, its first frame told from nothing.

        Raises:
            UsageError: for one piece in place of a list of them.
            DataError: a piece has steps of another length, or a pitch that the model does not know.
        """
        if isinstance(pieces, Piece):
            raise UsageError("expected a list of pieces, found one piece: put it in a list")
        pieces = list(pieces)
        if not pieces:
            return []
        found: dict[int, ScoredPiece] = {}
        with answering(self.task):
            for batch in self.batches(self.encode(pieces)):
                scores, _ = self.task(batch.inputs)
                nats = batch.inputs.with_values(frame_nll(scores, batch.targets).double())  # type: ignore[arg-type]
                for row, own in zip(batch.rows, nats, strict=True):
                    found[row] = ScoredPiece(-float(own.sum()), len(own))
        return [found[row] for row in range(len(pieces))]

    # ---- what it reads ----

    def encode(self, examples: Sequence[Piece]) -> Frames:
        """Pieces as frames.

        Raises:
            DataError: see :meth:`score`.
        """
        return Frames(self.vocabulary.encode(examples, torch.uint8), examples=examples)

    def read(self, examples: Sequence[Piece]) -> Ragged:
        """What the network reads of pieces: before each frame the one before it."""
        return before(self.vocabulary.encode(examples))

    def in_words(self) -> str:
        """Its cell, and what a step is."""
        network = self.config.network
        assert isinstance(network, ComposerConfig)
        return f"{recurrence_in_words(network, 'chords')} ({self.parameters:,} weights)"
