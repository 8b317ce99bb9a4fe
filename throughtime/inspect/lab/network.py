"""The network of the experiments: one recurrent layer, and a linear map from its last outputs to the answers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.batches import Batch
from throughtime.inspect.lab.problems import Problem
from throughtime.nn.encoder import CELLS
from throughtime.nn.init import initialise_recurrent
from throughtime.nn.linear import Linear
from throughtime.nn.recurrent import GRU, LSTM, Recurrent
from throughtime.ragged import Ragged

__all__ = ["CLOSE", "Network", "lasting_start"]

CLOSE = 0.04
"""A number is right when it is so close (Hochreiter & Schmidhuber 1997, section 5.4)."""


class Network(nn.Module):
    """Reads symbols as one-hot vectors, or vectors, and answers at the last steps.

    Args:
        problem: what it shall learn.
        cell: ``elman``, ``lstm`` or ``gru``.
        hidden_size: ``H``.
        lasting: begin as is best for lags of so many steps (:func:`lasting_start`); as torch has it when none.

    >>> from random import Random
    >>> from throughtime.inspect.lab.problems import PROBLEMS
    >>> _ = torch.manual_seed(0)
    >>> problem = PROBLEMS["copy"]
    >>> Network(problem, "gru", 5)(problem.batch(Random(1), [4, 9]).inputs).shape
    torch.Size([8, 8])
    """

    def __init__(self, problem: Problem, cell: str, hidden_size: int, *, lasting: int | None = None) -> None:
        super().__init__()
        self.answers, self.number = problem.answers, problem.outputs == 1
        self.recurrent: Recurrent = CELLS[cell](problem.input_size, hidden_size)
        self.head = Linear(hidden_size, problem.outputs)
        if lasting is not None:
            lasting_start(self.recurrent, lasting)

    @property
    def recurrences(self) -> list[Recurrent]:
        """What reads the sequences."""
        return [self.recurrent]

    def forward(self, inputs: Ragged) -> Tensor:
        """What it says at the last ``A`` steps of ``B`` sequences, ``[B·A, C]``."""
        outputs, _ = self.recurrent(inputs)
        last = inputs.offsets[1:, None] - torch.arange(self.answers, 0, -1)
        answers: Tensor = self.head(outputs.values.index_select(0, last.flatten()))
        return answers

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """Cross-entropy, or the squared error of numbers; the mean over the answers."""
        said, wanted = self(batch.inputs), _flat(batch)
        return (F.mse_loss(said.squeeze(1), wanted) if self.number else F.cross_entropy(said, wanted)), state

    @torch.no_grad()
    def accuracy(self, batch: Batch) -> float:
        """The share of answers that are right."""
        said, wanted = self(batch.inputs), _flat(batch)
        right = (said.squeeze(1) - wanted).abs() < CLOSE if self.number else said.argmax(1) == wanted
        return float(right.double().mean())


def _flat(batch: Batch) -> Tensor:
    if batch.targets is None:
        raise ValueError("expected a batch with targets, found one without")
    return batch.targets.flatten()


@torch.no_grad()
def lasting_start(layer: Recurrent, distance: int) -> None:
    """Begin so that the state lasts: what is known to be best for each cell, so that none is held back.

    All have orthogonal recurrent matrices (Saxe, McClelland & Ganguli 2014), which is all that helps an Elman network.
    Gates begin with biases that let the units forget over 1 to ``distance`` steps (Tallec & Ollivier 2018, eq. 16): the
    LSTM's forget gate ``log u`` and its input gate ``-log u``, the GRU's update gate ``log u``, ``u`` uniform from 1 to
    ``distance``.

    >>> _ = torch.manual_seed(0)
    >>> layer = GRU(3, 5)
    >>> lasting_start(layer, 100)
    >>> bool((layer.bias_ih_l0[5:10].sigmoid() >= 0.5).all())
    True
    """
    initialise_recurrent(layer)
    size = layer.hidden_size
    kept = torch.empty(size).uniform_(1, max(1, distance)).log()
    bias = dict(layer.named_parameters())["bias_ih_l0"]
    if isinstance(layer, LSTM):
        bias[:size], bias[size : 2 * size] = -kept, kept
    elif isinstance(layer, GRU):
        bias[size : 2 * size] = kept
