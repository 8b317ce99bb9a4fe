"""torch's linear layer, with predictions that do not depend on the batch."""

from __future__ import annotations

from torch import Tensor, nn

from throughtime.ops import linear

__all__ = ["Linear"]


class Linear(nn.Linear):
    """As ``torch.nn.Linear``, for ``[N, K]``; without gradients a row's result has the same bits in any batch.

    >>> import torch
    >>> layer, rows = Linear(5, 3), torch.randn(7, 5)
    >>> with torch.no_grad():
    ...     bool((layer(rows)[2:3] == layer(rows[2:3])).all())
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        """``[N, K]`` to ``[N, C]``."""
        return linear(input, self.weight, self.bias)
