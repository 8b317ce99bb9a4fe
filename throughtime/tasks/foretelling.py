"""One to many: recurrences over what was, and after each step a score for everything that may come next."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from throughtime.nn.language import LanguageNetwork, State
from throughtime.nn.recurrent import Recurrent
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering

__all__ = ["Foreteller"]


class Foreteller(nn.Module):
    """What models of what comes next have in common. Tasks make a loss of its scores.

    Args:
        network: gives scores of ``V`` symbols, or pitches.
    """

    bidirectional = False

    def __init__(self, network: LanguageNetwork) -> None:
        super().__init__()
        self.network = network

    @property
    def recurrences(self) -> list[Recurrent]:
        """What reads, from the input upwards."""
        return self.network.recurrences

    def forward(self, inputs: Ragged, state: State | None = None) -> tuple[Tensor, State]:
        """Scores ``[N, V]`` of what follows each step, in the steps' own order, and the state to carry on from."""
        outputs, _, state = self.network(inputs, state)
        scores: Tensor = self.network.head(outputs.data)
        return scores.index_select(0, inputs.time_major.scatter), state

    def vectors(self, inputs: Ragged) -> Tensor:
        """``[N, O]``: what the scores of each step are made of, without dropout."""
        with answering(self):
            outputs, _, _ = self.network(inputs)
        vectors: Tensor = outputs.data
        return vectors.index_select(0, inputs.time_major.scatter)

    def score(self, metrics: dict[str, Any]) -> tuple[float]:
        """What the best weights are chosen by, higher being better."""
        return (-metrics["nll"],)
