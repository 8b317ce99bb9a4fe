"""Compose: the next chord of a piece, and so a piece's likelihood, and new pieces (music, one to many)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from throughtime.config import Config
from throughtime.data.batches import Batch
from throughtime.data.music import RollConfig, frame_nll
from throughtime.nn.language import LanguageNetwork, State
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering
from throughtime.tasks.foretelling import Foreteller
from throughtime.tasks.targets import Measure, Unlabelled, known

__all__ = ["Chords", "Composer", "ComposerConfig"]

Heard = Callable[[Batch, Tensor], None]

RAREST = 1e-4
"""The share of the frames that a pitch which training never shows begins with."""

DOUBT = 10.0
"""Pairs of pitches that are added to those that were counted: what is rare is not known well."""

BLOCK = 1 << 16
"""Frames that are counted at once."""


class ComposerConfig(Config):
    """What the model of chords is made of."""

    cell: Literal["elman", "lstm", "gru"] = Field("lstm", description="the recurrence")
    hidden_size: int = Field(300, ge=1, description="hidden units of each layer")
    num_layers: int = Field(1, ge=1, description="recurrences stacked")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of the last layer's features hidden, per piece")
    hidden_dropout: float = Field(0.0, ge=0, lt=1, description="share of the features between layers hidden")
    input_dropout: float = Field(0.2, ge=0, lt=1, description="share of the pitches hidden from the first layer")
    recurrent_dropout: float = Field(0.0, ge=0, lt=1, description="share of h hidden from the recurrence")
    weight_drop: float = Field(0.5, ge=0, lt=1, description="share of the recurrent weights that are zero, per batch")

    def settled_with(self, vocabulary: RollConfig) -> tuple[ComposerConfig, RollConfig]:
        """Nothing is left open."""
        return self, vocabulary

    def learning(self, vocabulary: RollConfig) -> dict[str, Any]:
        """What of learning usually suits: the passes over the data."""
        return {"epochs": 100}


@dataclass(frozen=True)
class Chords(Unlabelled):
    """What sounds next: the frames of training as they are without their order.

    Attributes:
        shares: ``[P]`` the share of the frames in which each pitch sounds.
        sizes: the share of the frames with none, one, two … pitches.
        intervals: ``[P]`` how much more often than by chance two pitches so many semitones apart meet in a frame.
        length: of a piece in steps, on average.
        quarters: a step's length in quarter notes.
    """

    shares: tuple[float, ...]
    sizes: tuple[float, ...]
    intervals: tuple[float, ...]
    length: int
    quarters: float = 1.0

    @classmethod
    def learn(cls, played: Ragged, quarters: float = 1.0) -> Chords:
        """From the frames of training.

        Args:
            played: ``[N, P]`` ones and zeros, at least one frame.
            quarters: a step's length.

        >>> told = Chords.learn(Ragged.from_list([[[1, 0], [1, 1]], [[1, 0], [0, 0]]]))
        >>> told.shares, told.sizes, told.length
        ((0.75, 0.25), (0.25, 0.5, 0.25), 2)
        >>> [round(weight, 3) for weight in told.intervals]  # together once, where 0.75 times would be chance
        [1.0, 1.023]
        """
        values, count = played.values, len(played.values)
        sizes = torch.bincount(values.sum(1, dtype=torch.int64)) / count
        shares = values.sum(0, dtype=torch.int64).double() / count
        intervals = _intervals(values, shares)
        length = round(count / len(played))
        return cls(tuple(shares.tolist()), tuple(sizes.tolist()), tuple(intervals.tolist()), length, quarters)

    @classmethod
    def value(cls, example: Any) -> None:
        """Music has no label."""

    @classmethod
    def from_json(cls, content: Any) -> Chords:
        """From what ``labels.json`` holds."""
        own: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
        return cls(**own)

    def to_json(self) -> Any:
        """All of it."""
        return asdict(self)

    @property
    def logits(self) -> Tensor:
        """``[P]`` the log-odds of each pitch."""
        return torch.tensor(self.shares, dtype=torch.float64).clamp(RAREST, 1 - RAREST).logit()

    @property
    def guessing(self) -> float:
        """Nats a frame that guessing each pitch by its frequency alone costs."""
        shares = torch.tensor(self.shares, dtype=torch.float64)
        return float(-(torch.xlogy(shares, shares) + torch.xlogy(1 - shares, 1 - shares)).sum())

    def in_words(self) -> str:
        """What guessing would reach."""
        return f"guessing each pitch by its frequency alone costs {self.guessing:.3f} nats a frame"

    def title(self) -> str:
        """What it foretells."""
        return "Model of music"


class Composer(Foreteller):
    """Reads chords and tells, after each, how probable every pitch is to sound next.

    Args:
        config: what it is made of.
        num_pitches: ``P``.
        targets: what is known of the frames.
    """

    def __init__(self, config: ComposerConfig, num_pitches: int, targets: Chords) -> None:
        super().__init__(
            LanguageNetwork(
                num_pitches,
                cell=config.cell,
                embedding_size=None,
                hidden_size=config.hidden_size,
                num_layers=config.num_layers,
                input_dropout=config.input_dropout,
                hidden_dropout=config.hidden_dropout,
                output_dropout=config.dropout,
                recurrent_dropout=config.recurrent_dropout,
                weight_drop=config.weight_drop,
            )
        )
        self.config, self.targets = config, targets
        # What a piece sounds like on average need not be learnt by the weights.
        with torch.no_grad():
            self.network.head.bias.copy_(targets.logits)

    @classmethod
    def build(cls, config: ComposerConfig, vocabulary: Any, targets: Chords, counts: Sequence[int] = ()) -> Composer:
        """As the class is called; see the other tasks."""
        return cls(config, len(vocabulary), targets)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is told of it; the first is what weights are chosen by."""
        return (Measure("nll", "nats a frame", curve=False),)  # as the loss

    # ---- the task's protocol ----

    def loss(self, batch: Batch, state: State | None = None) -> tuple[Tensor, None]:
        """Nats a frame, averaged over all of them; pieces stand alone, and no state is carried.

        Raises:
            ValueError: for a batch without targets.
        """
        targets = known(batch.targets)
        outputs, _, _ = self.network(batch.inputs)
        scores = self.network.head(outputs.data)
        return frame_nll(scores, targets.index_select(0, batch.inputs.time_major.gather)).mean(), None

    def evaluate(self, batches: Iterable[Batch], heard: Heard | None = None) -> dict[str, Any]:
        """``nll`` (nats a frame), ``frames`` and ``sequences``.

        Args:
            batches: of whole pieces.
            heard: is told each batch, and the log-odds ``[N, P]`` of its frames.
        """
        total, frames, pieces = 0.0, 0, 0
        with answering(self):
            for batch in batches:
                scores, _ = self(batch.inputs)
                total += float(frame_nll(scores, known(batch.targets)).double().sum())
                frames += len(scores)
                pieces += len(batch)
                if heard is not None:
                    heard(batch, scores)
        nll = total / frames if frames else None
        return {"nll": nll, "frames": frames, "sequences": pieces, "loss": nll}

    def end_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of the pieces' last frames; of the first ones, where nothing is read backwards, none."""
        ends = batch.inputs.offsets[1:] - 1
        scores, _ = self(batch.inputs)
        loss = frame_nll(scores[ends], known(batch.targets)[ends]).sum()
        return loss, loss.new_zeros(())


def _intervals(values: Tensor, shares: Tensor) -> Tensor:
    """``[P]``: how often pitches so far apart meet in frames ``values [N, P]``, against chance; an octave is 12 on."""
    width = len(shares)
    pairs = torch.zeros(width, width, dtype=torch.float64)
    for block in values.split(BLOCK):
        pairs += block.double().T @ block.double()
    by_chance = shares[:, None] * shares * len(values)
    met, expected = (torch.stack([t.diagonal(apart).sum() for apart in range(width)]) for t in (pairs, by_chance))
    ratios = (met + DOUBT) / (expected + DOUBT)
    ratios[0] = 1.0
    return ratios
