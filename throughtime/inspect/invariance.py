"""Whether what must not matter does not: padding, neighbours in the batch, order."""

from __future__ import annotations

import torch
from torch import Tensor

from throughtime.data.vocabulary import EOS, PAD, SOS, SPECIALS
from throughtime.model import Model
from throughtime.ragged import Ragged

__all__ = ["LIMIT", "differences", "random_inputs"]

LIMIT = 1e-6
PADS = 100


def differences(model: Model, inputs: Ragged) -> dict[str, float]:
    """The largest change of any probability under each change that must not matter.

    ``PADS`` pads stand behind every sequence; each sequence is alone in its batch; the batch is turned round.
    """
    task, lengths = model.task, inputs.lengths
    whole = task.probabilities(inputs)
    longest = int(lengths.max())
    padded = inputs.to_padded(value=PAD, length=longest + PADS)
    alone = torch.cat([task.probabilities(inputs.take([row])) for row in range(len(inputs))])
    turned = task.probabilities(inputs.take(torch.arange(len(inputs) - 1, -1, -1))).flip(0)
    return {
        f"{PADS} pads appended": _largest(whole, task.probabilities(Ragged.from_padded(padded, lengths))),
        "each row alone": _largest(whole, alone),
        "rows in reverse order": _largest(whole, turned),
    }


def random_inputs(model: Model, rows: int, seed: int = 0) -> Ragged:
    """Random symbols of the model's vocabulary, 0 to 60 of them between ``<sos>`` and ``<eos>``."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, 63, (rows,), generator=generator)
    symbols = torch.randint(len(SPECIALS), len(model.vocabulary), (int(lengths.sum()),), generator=generator)
    inputs = Ragged.from_lengths(symbols, lengths)
    symbols[inputs.offsets[:-1]] = SOS
    symbols[inputs.offsets[1:] - 1] = EOS
    return inputs


def _largest(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max())
