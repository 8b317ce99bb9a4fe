"""Whether what must not matter does not: padding, neighbours in the batch, order."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import PAD, SPECIALS
from throughtime.errors import UsageError
from throughtime.model import Model
from throughtime.ragged import Ragged

__all__ = ["LIMIT", "differences", "random_inputs"]

LIMIT = 1e-6
PADS = 100


def differences(model: Model, inputs: Ragged) -> dict[str, float]:
    """The largest change of any answer under each change that must not matter.

    ``PADS`` pads stand behind every sequence; each sequence is alone in its batch; the batch is turned round.
    """
    task, lengths = model.task, inputs.lengths
    whole = task.answers(inputs)
    longest = int(lengths.max())
    padded = inputs.to_padded(value=PAD, length=longest + PADS)
    alone = torch.cat([task.answers(inputs.take([row])) for row in range(len(inputs))])
    turned = task.answers(inputs.take(torch.arange(len(inputs) - 1, -1, -1))).flip(0)
    return {
        f"{PADS} pads appended": _largest(whole, task.answers(Ragged.from_padded(padded, lengths))),
        "each row alone": _largest(whole, alone),
        "rows in reverse order": _largest(whole, turned),
    }


def random_inputs(model: Model, rows: int, seed: int = 0) -> Ragged:
    """Texts of 0 to 60 random symbols of the model's vocabulary."""
    if isinstance(model.vocabulary, Vectors):
        raise UsageError("expected a model of texts, found one of arrays")
    draw = random.Random(seed)
    symbols = range(len(SPECIALS), len(model.vocabulary))
    texts = [model.vocabulary.decode(draw.choices(symbols, k=draw.randrange(61))) for _ in range(rows)]
    return model.vocabulary.encode(texts)


def _largest(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max())
