"""Sequences of words in which each distinct word is held once, with its spelling and its letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from throughtime.ragged import Ragged

__all__ = ["Forms", "Words"]


@dataclass(frozen=True)
class Forms:
    """``U`` distinct words as they are written, capitals included.

    Attributes:
        symbols: ``[U, 1 + S]`` the symbol of each and its spelling's features; ``S`` may be 0.
        characters: ``<sos> … <eos>`` of each; none where letters are not read.
    """

    symbols: Tensor
    characters: Ragged | None = None

    def __len__(self) -> int:
        return len(self.symbols)

    def take(self, numbers: Tensor) -> Forms:
        """Those with these numbers, in this order."""
        characters = None if self.characters is None else self.characters.take(numbers)
        return Forms(self.symbols[numbers], characters)

    def to(self, device: torch.device | str) -> Forms:
        """The same on ``device``, as int64."""
        characters = self.characters
        if characters is not None:
            characters = characters.with_values(characters.values.long()).to(device)
        return Forms(self.symbols.long().to(device), characters)


@dataclass(frozen=True)
class Words:
    """A batch of ``B`` sequences of words: what is computed of a word alone is computed once for each distinct one.

    Attributes:
        steps: ``[N]`` for every step the number of its form.
        forms: the distinct ones.

    >>> words = Words(Ragged.from_list([[0, 1, 0], [2]]), Forms(torch.tensor([[7], [8], [9]])))
    >>> few = words.take([1])
    >>> few.steps.to_list(), few.forms.symbols.tolist(), len(few), few.lengths
    ([[0]], [[9]], 1, tensor([1]))
    """

    steps: Ragged
    forms: Forms

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def lengths(self) -> Tensor:
        """``[B]`` words of each sequence, on the CPU."""
        return self.steps.lengths

    @property
    def values(self) -> Tensor:
        """``[N]``: see ``steps``."""
        return self.steps.values

    def take(self, rows: Tensor | Sequence[int]) -> Words:
        """The sequences at ``rows``, in that order, with the forms that occur in them."""
        taken = self.steps.take(rows)
        # NumPy's sort of few numbers is several times faster than torch's.
        numbers, places = np.unique(taken.values.cpu().numpy(), return_inverse=True)
        steps = taken.with_values(torch.from_numpy(places.astype(np.int64)).to(taken.values.device))
        return Words(steps, self.forms.take(torch.from_numpy(numbers.astype(np.int64))))

    def to(self, device: torch.device | str) -> Words:
        """The same batch on ``device``, all numbers as int64."""
        return Words(self.steps.with_values(self.steps.values.long()).to(device), self.forms.to(device))
