"""A linear map whose rows do not depend on their neighbours, where nothing is learnt."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ops import kernels

__all__ = ["FixedLinear", "linear"]


def linear(data: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``data [N, K]`` times ``weight [C, K]`` transposed, plus ``bias [C]``: ``[N, C]``.

    Outside of training, on a CPU, each row's result has the same bits whatever rows stand beside it (a BLAS chooses by
    the number of rows how to sum). With gradients it is torch's own.

    >>> linear(torch.ones(2, 3), torch.ones(1, 3), torch.ones(1))
    tensor([[4.],
            [4.]])
    """
    if not _ours(data, weight, bias):
        return F.linear(data, weight, bias)
    biases = [] if bias is None else [bias.contiguous()]
    return kernels.product(data.contiguous(), [weight.contiguous()], biases)


def _ours(data: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether the kernels multiply these."""
    return not (
        torch.is_grad_enabled()
        or torch.compiler.is_compiling()
        or kernels.MISSING
        or data.device.type != "cpu"
        or data.dtype not in (torch.float32, torch.float64)
        or data.dim() != 2
        or any(t.dtype != data.dtype or t.device != data.device for t in (weight, bias) if t is not None)
        or weight.shape[1:] != data.shape[1:]
        or (bias is not None and bias.shape != weight.shape[:1])
        or torch.is_autocast_enabled("cpu")
    )


class FixedLinear:
    """A linear map that learns no more, with its weights as a product reads them: for maps that are used step by step.

    It holds copies: what ``weight [C, K]`` and ``bias [C]`` learn afterwards it does not know. The results are those of
    :func:`linear`, to the bit where the kernels compute them.

    >>> with torch.no_grad():
    ...     FixedLinear(torch.ones(2, 3))(torch.ones(1, 3))
    tensor([[3., 3.]])
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._columns = weight.detach().t().clone(memory_format=torch.contiguous_format)
        self._bias = None if bias is None else bias.detach().clone()

    def __call__(self, data: Tensor) -> Tensor:
        """``[N, K]`` to ``[N, C]``."""
        if not _ours(data, self._columns.t(), self._bias):
            return F.linear(data, self._columns.t(), self._bias)
        biases = [] if self._bias is None else [self._bias]
        return kernels.product(data.contiguous(), [self._columns], biases, transposed=True)
