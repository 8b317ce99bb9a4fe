"""Answering in the middle of training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["answering"]


@contextmanager
def answering(module: nn.Module) -> Iterator[None]:
    """Without dropout and gradients; afterwards training goes on as it was.

    >>> layer = nn.Dropout(0.5)
    >>> with answering(layer):
    ...     print(layer.training, torch.is_grad_enabled())
    False False
    >>> layer.training, torch.is_grad_enabled()
    (True, True)
    """
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)
