"""A whole layer, both its directions, in plain PyTorch: any device, any type, differentiable any number of times.

Letters: ``N`` steps in all, ``B`` sequences, ``F`` input size, ``H`` hidden units, ``G`` gates, ``D`` directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ops import cells

__all__ = ["Weights", "contribution", "layer"]


class Weights(NamedTuple):
    """The parameters of a layer, one tensor a direction in each; empty where a layer has none.

    Without ``ih`` what comes in is already the input's contribution to the gates.
    """

    hh: Sequence[Tensor]
    """``[G·H, H]``, or ``[G·H, P]`` with ``hr``."""
    ih: Sequence[Tensor] = ()
    """``[G·H, F]``."""
    bias_ih: Sequence[Tensor] = ()
    """``[G·H]``."""
    bias_hh: Sequence[Tensor] = ()
    """``[G·H]``."""
    norm_ih: Sequence[Tensor] = ()
    """``[G·H]`` scales of the input's product, which is then normalised; ``bias_ih`` comes after it."""
    norm_hh: Sequence[Tensor] = ()
    """``[G·H]`` scales of the recurrent product, likewise."""
    hr: Sequence[Tensor] = ()
    """``[P, H]`` projections of an LSTM's output."""


def contribution(data: Tensor, weights: Weights, direction: int) -> Tensor:
    """What the input contributes to the gates of a direction, ``[N, G·H]``."""
    if not weights.ih:
        rows = weights.hh[0].shape[0]
        return data[:, direction * rows : (direction + 1) * rows]
    weight, bias = weights.ih[direction], weights.bias_ih[direction] if weights.bias_ih else None
    if data.is_floating_point() and not weights.norm_ih:
        return F.linear(data, weight, bias)
    # A one-hot vector's product with W is a column of W.
    product = F.linear(data, weight) if data.is_floating_point() else F.embedding(data, weight.t())
    if weights.norm_ih:
        product = cells.normalised(product, weights.hh[direction].shape[1], weights.norm_ih[direction])
    return product if bias is None else product + bias


def layer(
    cell: str,
    data: Tensor,
    state: tuple[Tensor, ...],
    weights: Weights,
    batch_sizes: Tensor,
    dropout_mask: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """See :func:`throughtime.ops.layer`."""
    outputs, finals = [], []
    kind, _, nonlinearity = cell.partition("_")
    for direction, weight_hh in enumerate(weights.hh):
        options: dict[str, Any] = {"nonlinearity": nonlinearity} if nonlinearity else {}
        if weights.hr:
            options["weight_hr"] = weights.hr[direction]
        output, final = getattr(cells, kind)(
            contribution(data, weights, direction),
            tuple(part[direction] for part in state),
            weight_hh,
            weights.bias_hh[direction] if weights.bias_hh else None,
            batch_sizes.tolist(),
            reverse=direction == 1,
            dropout_mask=None if dropout_mask is None else dropout_mask[direction],
            resets=resets,
            norm=weights.norm_hh[direction] if weights.norm_hh else None,
            **options,
        )
        outputs.append(output)
        finals.append(final)
    return torch.cat(outputs, dim=1), tuple(torch.stack(parts) for parts in zip(*finals, strict=True))
