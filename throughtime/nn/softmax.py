"""The cross-entropy of a linear layer over a vocabulary, without ever holding the scores of all rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.ops import linear

__all__ = ["LARGE", "Losses", "has_fast_bfloat16", "learnt_in", "linear_cross_entropy"]

LARGE = 1000
"""Symbols of a vocabulary, from which on most of a small model's work is the softmax's."""

SCRATCH = 16 * 2**20
"""Bytes of scores at a time. The C library keeps blocks up to 32 MiB for the next call; larger ones it returns to the
system, whose fresh pages cost more than what is written to them."""

FEWEST = 64
"""Rows at a time at least: each chunk reads the whole weight twice and its gradient once, so that few rows would wait
for memory."""


class Losses(NamedTuple):
    """What :func:`linear_cross_entropy` gives."""

    total: Tensor
    """``[]``: the sum of each row's loss times its weight; differentiable once."""
    rows: Tensor
    """``[N]``: each row's loss in nats, label smoothing included; never with a gradient."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    row_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    chunk: int | None = None,
    products: torch.dtype | None = None,
) -> Losses:
    """Negative log-likelihood of ``targets`` where a row's scores are ``hidden · weightᵀ + bias``, in nats.

    Equal to ``F.cross_entropy(F.linear(hidden, weight, bias), targets)``, but the ``[N, V]`` scores are made, used and
    overwritten a chunk of rows at a time. The loss is summed here, so a chunk's gradients can be made while its scores
    are at hand: nothing is kept for the backward pass but the gradients themselves, and nothing is computed twice
    (Hsu et al. 2024, "Liger Kernel", section 3.2). The same inputs and number of threads give the same bits; without
    gradients a row's loss has the same bits in any batch.

    Args:
        hidden: ``[N, H]``, float32 or float64, as ``weight`` and ``bias``.
        weight: ``[V, H]``; may be the embedding's own.
        bias: ``[V]``, or none.
        targets: ``[N]`` of int64, each of ``0 … V - 1``.
        row_weights: ``[N]``, what each row counts for in ``total``; by default ``1 / N``, which makes it the mean.
            A loss that is scaled here need not have its gradients scaled afterwards.
        label_smoothing: ``ε``, the share of each target that is spread evenly over the vocabulary (Szegedy et al. 2016,
            "Rethinking the Inception architecture", section 7): a row's loss is then ``(1 - ε)`` of its own plus ``ε``
            of the mean of ``-log p`` over all symbols, which is infinite where one has no probability at all.
        chunk: rows at a time; by default as many as keep the scores below 16 MiB, but no fewer than 64.
        products: the type that the three matrix products multiply in where there are gradients; by default that of
            ``hidden``. In bfloat16, which :func:`has_fast_bfloat16` recommends on some machines, scores are rounded to
            8 bits before their softmax, and gradients are off by about a four hundredth of their norm.

    Raises:
        ValueError: for tensors of shapes or types that do not fit together, targets outside of the vocabulary, a
            label smoothing that is not from 0 to 1, or a chunk below 1. ``total`` of no rows is 0.

    >>> _ = torch.manual_seed(0)
    >>> hidden, weight = torch.randn(5, 3, requires_grad=True), torch.randn(7, 3, requires_grad=True)
    >>> losses = linear_cross_entropy(hidden, weight, None, torch.tensor([0, 6, 2, 2, 5]))
    >>> losses.total.backward()
    >>> losses.rows.shape, bool(torch.isclose(losses.total, losses.rows.mean())), weight.grad.shape
    (torch.Size([5]), True, torch.Size([7, 3]))
    """
    _check(hidden, weight, bias, targets, row_weights)
    if chunk is None:
        chunk = max(FEWEST, SCRATCH // (len(weight) * weight.element_size()))
    elif chunk < 1:
        raise ValueError(f"expected a chunk of at least one row, found {chunk}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"expected label_smoothing from 0 to 1, found {label_smoothing}")
    if row_weights is None:
        row_weights = hidden.new_full((len(hidden),), 1 / max(1, len(hidden)))
    learnt = [tensor for tensor in (hidden, weight, bias, row_weights) if tensor is not None and tensor.requires_grad]
    if learnt and torch.is_grad_enabled():
        summed = _Summed.apply(  # type: ignore[no-untyped-call]
            hidden, weight, bias, targets, row_weights, label_smoothing, chunk, products or hidden.dtype
        )
        return Losses(*summed)
    bias = None if bias is None else bias.detach()
    rows = _rows(hidden.detach(), weight.detach(), bias, targets, label_smoothing, chunk)
    return Losses(rows @ row_weights.detach(), rows)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware, about twice as fast as float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "sve_bf16"))


def learnt_in(wanted: str, weight: Tensor) -> torch.dtype | None:
    """What a softmax's products are learnt in: ``products`` of :func:`linear_cross_entropy`.

    Args:
        wanted: ``float32``, ``bfloat16``, or ``auto`` for bfloat16 where the vocabulary is large and it is fast.
        weight: ``[V, H]``.

    >>> learnt_in("auto", torch.zeros(20, 4)), learnt_in("bfloat16", torch.zeros(20, 4))
    (None, torch.bfloat16)
    """
    if wanted == "auto":
        wanted = "bfloat16" if len(weight) >= LARGE and has_fast_bfloat16(weight.device) else "float32"
    return torch.bfloat16 if wanted == "bfloat16" else None


def _check(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, row_weights: Tensor | None) -> None:
    """Raise for what does not fit together."""
    if hidden.dim() != 2 or weight.dim() != 2 or hidden.shape[1] != weight.shape[1] or not len(weight):
        raise ValueError(f"expected hidden [N, H] and weight [V, H], found {list(hidden.shape)}, {list(weight.shape)}")
    if hidden.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"expected hidden of float32 or float64, found {hidden.dtype}")
    shapes = {"weight": (weight, weight.shape), "bias": (bias, weight.shape[:1])}
    for name, (tensor, shape) in (shapes | {"row_weights": (row_weights, hidden.shape[:1])}).items():
        if tensor is not None and (tensor.shape != shape or tensor.dtype != hidden.dtype):
            raise ValueError(
                f"expected {name} of {hidden.dtype} {list(shape)}, found {tensor.dtype} {list(tensor.shape)}"
            )
    if targets.dtype != torch.int64 or targets.shape != hidden.shape[:1]:
        raise ValueError(f"expected targets of int64 [{len(hidden)}], found {targets.dtype} {list(targets.shape)}")
    if len(targets):
        least, most = (int(end) for end in targets.aminmax())
        if least < 0 or most >= len(weight):
            raise ValueError(f"expected targets of 0 … {len(weight) - 1}, found {least if least < 0 else most}")


def _rows(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, label_smoothing: float, chunk: int
) -> Tensor:
    """Each row's loss ``[N]``, with products whose bits do not depend on the other rows."""
    losses = hidden.new_empty(len(hidden))
    with torch.no_grad():
        for part in _parts(len(hidden), chunk):
            scores = linear(hidden[part], weight, bias)
            own = scores.gather(1, targets[part, None])
            losses[part] = -scores.log_softmax(1).gather(1, targets[part, None]).squeeze(1)
            if label_smoothing:
                losses[part] += label_smoothing * own.squeeze(1)
        if label_smoothing:
            losses -= label_smoothing * _mean_scores(hidden, weight, bias)
    return losses


def _mean_scores(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``[N]``: the mean of each row's scores, which is the score that the mean of the weights gives."""
    return linear(hidden, weight.mean(0, keepdim=True), None if bias is None else bias.mean(0, keepdim=True)).squeeze(1)


def _parts(length: int, chunk: int) -> list[slice]:
    """Rows in as few parts as the chunk allows, all but equally long."""
    if not length:
        return []
    size = -(-length // -(-length // chunk))
    return [slice(begin, begin + size) for begin in range(0, length, size)]


class _Summed(torch.autograd.Function):
    """``total`` and ``rows``, with the gradients of ``total`` made on the way."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        row_weights: Tensor,
        label_smoothing: float,
        chunk: int,
        products: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        needed = ctx.needs_input_grad
        narrow = products != hidden.dtype
        by_hidden = hidden.new_empty(hidden.shape) if needed[0] else None
        by_weight = _aligned_zeros(weight) if needed[1] else None
        by_bias = hidden.new_zeros(len(weight)) if needed[2] else None
        rows = hidden.new_empty(len(hidden))
        scratch = hidden.new_empty(min(chunk, len(hidden)), len(weight))
        data, factors = hidden.to(products), weight.to(products)
        for part in _parts(len(hidden), chunk):
            own = data[part]
            scores = scratch[: len(own)]
            _scores(own, factors, bias, scores)
            rows[part] = _differentiated(scores, targets[part, None], 1 - label_smoothing)
            scores *= row_weights[part, None]
            if by_bias is not None:
                by_bias += scores.sum(0)
            grads = scores.to(products)
            if by_hidden is not None:
                by_hidden[part] = torch.mm(grads, factors)
            if by_weight is not None and narrow:
                by_weight += torch.mm(grads.t(), own)
            elif by_weight is not None:
                by_weight.addmm_(grads.t(), own)
        if label_smoothing:  # what is spread is linear, and so are its gradients: one product for all rows
            rows -= label_smoothing * _mean_scores(hidden, weight, bias)
            shares = label_smoothing * row_weights
            if by_hidden is not None:
                by_hidden.addr_(shares, weight.mean(0), alpha=-1)
            if by_weight is not None:
                by_weight -= shares @ hidden / len(weight)
            if by_bias is not None:
                by_bias -= shares.sum() / len(weight)
        ctx.mark_non_differentiable(rows)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(by_hidden, None if by_weight is None else by_weight.contiguous(), by_bias, rows)
        return rows @ row_weights, rows

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would be left out in silence
            raise RuntimeError("expected create_graph=False: linear_cross_entropy has no second derivatives")
        by_hidden, by_weight, by_bias, rows = ctx.saved_tensors
        grads = [by_hidden, by_weight, by_bias, None, rows if ctx.needs_input_grad[4] else None, None, None, None]
        if grad is None:
            return (None,) * len(grads)
        if grad == 1:  # as for a loss that is not scaled any more: spare a pass over all weights
            return tuple(grads)
        return tuple(None if own is None else own * grad for own in grads)


def _aligned_zeros(like: Tensor) -> Tensor:
    """``[V, H]`` whose rows begin at the same place of a cache line: sums into others take the BLAS half as long again.

    Measured with 420 rows of 650 numbers and a vocabulary of 10,000.
    """
    step = 64 // like.element_size()
    size = like.shape[1]
    return like.new_zeros(len(like), -(-size // step) * step)[:, :size]


def _scores(data: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """``data · weightᵀ + bias``, into ``out [n, V]``, which may be of a wider type."""
    if data.dtype != out.dtype:
        out.copy_(torch.mm(data, weight.t()))
        if bias is not None:
            out += bias
    elif bias is None:
        torch.mm(data, weight.t(), out=out)
    else:
        torch.addmm(bias, data, weight.t(), out=out)


def _differentiated(scores: Tensor, targets: Tensor, share: float) -> Tensor:
    """Losses ``[n]`` of that share of ``targets [n, 1]``; ``scores [n, V]`` become their gradients.

    These are ``softmax(s) - share · [y]``. The loss is ``max s - share · s_y - log max softmax(s)``, which is finite
    where the target's own probability is too small for a number.
    """
    losses = scores.amax(1, keepdim=True) - share * scores.gather(1, targets)
    torch.softmax(scores, 1, out=scores)
    losses -= scores.amax(1, keepdim=True).log()
    scores.scatter_add_(1, targets, torch.full_like(losses, -share))
    return losses.squeeze(1)
