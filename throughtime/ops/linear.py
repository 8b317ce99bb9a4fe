"""A linear map whose rows do not depend on their neighbours, where nothing is learnt."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ops import kernels

__all__ = ["linear"]


def linear(data: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``data [N, K]`` times ``weight [C, K]`` transposed, plus ``bias [C]``: ``[N, C]``.

    Outside of training, on a CPU, each row's result has the same bits whatever rows stand beside it (a BLAS chooses by
    the number of rows how to sum). With gradients it is torch's own.

    >>> linear(torch.ones(2, 3), torch.ones(1, 3), torch.ones(1))
    tensor([[4.],
            [4.]])
    """
    if (
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
    ):
        return F.linear(data, weight, bias)
    biases = [] if bias is None else [bias.contiguous()]
    return kernels.product(data.contiguous(), [weight.contiguous()], biases)
