"""One layer of a recurrence, both its directions, as one differentiable op: from the input's vectors to its outputs.

Two backends compute the same thing. ``reference`` is the plain PyTorch of :mod:`throughtime.ops.cells`: any device, any
type, differentiable any number of times. ``kernels`` is compiled code (``throughtime/kernels/``) for float32 and float64
on a CPU, registered with ``torch.library``, so that ``torch.compile`` sees one op; its second derivatives are the
reference's.

Letters: ``N`` steps in all, ``B`` sequences, ``F`` input size, ``H`` hidden units, ``G`` gates, ``D`` directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ops import cells, kernels

__all__ = ["BACKENDS", "CELLS", "Weights", "layer", "refusals"]

BACKENDS = ("auto", "kernels", "reference")
CELLS = ("elman_tanh", "elman_relu", "lstm", "gru")
GATES = {"elman_tanh": 1, "elman_relu": 1, "lstm": 4, "gru": 3}


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
    norm: Sequence[Tensor] = ()
    """``[G·H]`` scales of the normalised recurrent product."""
    hr: Sequence[Tensor] = ()
    """``[P, H]`` projections of an LSTM's output."""


def layer(
    cell: str,
    data: Tensor,
    state: tuple[Tensor, ...],
    weights: Weights,
    batch_sizes: Tensor,
    *,
    dropout_mask: Tensor | None = None,
    resets: Tensor | None = None,
    backend: str = "auto",
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one layer over time-major packed rows.

    Args:
        cell: one of ``CELLS``.
        data: ``[N, F]`` vectors, ``[N]`` integers for one-hot vectors, or, without ``weights.ih``, ``[N, D·G·H]``.
        state: ``(h [D, B, H],)``, and ``c [D, B, H]`` for an LSTM, the rows in the time-major order.
        weights: the parameters.
        batch_sizes: ``[T]`` how many sequences run at each step, on the CPU; never grows.
        dropout_mask: ``[D, B, H]``; multiplies ``h`` where it enters the recurrent product.
        resets: ``[N]`` truth values: before a step marked there the state becomes zero.
        backend: ``kernels``, ``reference``, or ``auto``: the first that does not refuse.

    Returns:
        Outputs ``[N, D·H]``, the directions side by side, and the state after each sequence's last step.

    Raises:
        ValueError: when ``backend`` is ``kernels`` and they refuse: with every reason.

    >>> _ = torch.manual_seed(0)
    >>> weights = Weights(hh=[torch.randn(4, 4)], ih=[torch.randn(4, 3)])
    >>> outputs, (h,) = layer("elman_tanh", torch.randn(5, 3), (torch.zeros(1, 2, 4),), weights, torch.tensor([2, 2, 1]))
    >>> outputs.shape, torch.equal(h[0], outputs[[4, 3]])
    (torch.Size([5, 4]), True)
    """
    if backend not in BACKENDS:
        raise ValueError(f"expected backend {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}, found {backend!r}")
    if backend != "reference":
        reasons = refusals(cell, data, state, weights, dropout_mask)
        if not reasons:
            return _with_kernels(cell, data, state, weights, batch_sizes, dropout_mask, resets)
        if backend == "kernels":
            raise ValueError("the compiled kernels do not run this: " + "; ".join(reasons))
    return _reference(cell, data, state, weights, batch_sizes, dropout_mask, resets)


def refusals(
    cell: str, data: Tensor, state: tuple[Tensor, ...], weights: Weights, dropout_mask: Tensor | None = None
) -> list[str]:
    """Every reason why the compiled kernels do not run this; none when they do."""
    floats = {"h": state[0], "weight_hh": weights.hh[0]}
    if data.is_floating_point():
        floats["input"] = data
    reasons = [] if kernels.available() else ["expected the compiled extension, found the package built without it"]
    reasons += [f"expected {name} on the CPU, found {t.device}" for name, t in floats.items() if t.device.type != "cpu"]
    types = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in floats.values()})
    if types not in (["float32"], ["float64"]):
        reasons.append(f"expected all of float32 or all of float64, found {' and '.join(types)}")
    if weights.hr:
        reasons.append("expected no projection of the output (proj_size), found one")
    if dropout_mask is not None and dropout_mask.requires_grad:
        reasons.append("expected a dropout mask that needs no gradient, found one that does")
    return reasons


# ---- the reference ------------------------------------------------------------------------------------------------


def contribution(data: Tensor, weights: Weights, direction: int) -> Tensor:
    """What the input contributes to the gates of a direction, ``[N, G·H]``."""
    if not weights.ih:
        rows = weights.hh[0].shape[0]
        return data[:, direction * rows : (direction + 1) * rows]
    bias = weights.bias_ih[direction] if weights.bias_ih else None
    if data.is_floating_point():
        return F.linear(data, weights.ih[direction], bias)
    columns = F.embedding(data, weights.ih[direction].t())  # a one-hot vector's product with W is a column of W
    return columns if bias is None else columns + bias


def _reference(
    cell: str,
    data: Tensor,
    state: tuple[Tensor, ...],
    weights: Weights,
    batch_sizes: Tensor,
    dropout_mask: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
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
            norm=weights.norm[direction] if weights.norm else None,
            **options,
        )
        outputs.append(output)
        finals.append(final)
    return torch.cat(outputs, dim=1), tuple(torch.stack(parts) for parts in zip(*finals, strict=True))


# ---- the kernels --------------------------------------------------------------------------------------------------


def _with_kernels(
    cell: str,
    data: Tensor,
    state: tuple[Tensor, ...],
    weights: Weights,
    batch_sizes: Tensor,
    dropout_mask: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    tensors = (data, *state, *weights.hh, *weights.ih, *weights.bias_ih, *weights.bias_hh, *weights.norm)
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    c = state[1] if cell == "lstm" else None
    outputs, h, c, *_ = forward_op(
        cell,
        data,
        state[0],
        c,
        list(weights.hh),
        list(weights.ih),
        list(weights.bias_ih),
        list(weights.bias_hh),
        list(weights.norm),
        dropout_mask,
        resets,
        batch_sizes,
        save,
    )
    return outputs, ((h, c) if cell == "lstm" else (h,))


def _contiguous(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _or_empty(like: Tensor, *tensors: Tensor | None) -> tuple[Tensor, ...]:
    """What an op returns: it can return neither nothing nor what it was given."""
    return tuple(like.new_empty(0) if tensor is None else tensor for tensor in tensors)


def _or_none(tensor: Tensor) -> Tensor | None:
    return tensor if tensor.numel() else None


def _folded(cell: str, norm: Sequence[Tensor]) -> bool:
    """Whether both biases are added in one place, the product of the input."""
    return cell != "gru" and not norm


@torch.library.custom_op("throughtime::recurrent_layer", mutates_args=(), device_types="cpu")
def forward_op(
    cell: str,
    data: Tensor,
    h: Tensor,
    c: Tensor | None,
    hh: list[Tensor],
    ih: list[Tensor],
    bias_ih: list[Tensor],
    bias_hh: list[Tensor],
    norm: list[Tensor],
    mask: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Outputs ``[N, D·H]``, final ``h`` and ``c``, and what the backward pass needs of the gates."""
    hh, norm, bias_hh = _contiguous(hh), _contiguous(norm), _contiguous(bias_hh)
    if not ih:
        inputs = data.contiguous()
    else:
        biases = _contiguous(bias_ih)
        if biases and _folded(cell, norm):
            biases = [one + other for one, other in zip(biases, bias_hh, strict=True)]
            bias_hh = []
        if data.is_floating_point():
            inputs = kernels.product(data.contiguous(), _contiguous(ih), biases)
        else:
            table = torch.cat(ih).t()
            inputs = (table + torch.cat(biases) if biases else table).contiguous().index_select(0, data)
    parts = kernels.recurrence(
        cell,
        inputs,
        h.contiguous(),
        None if c is None else c.contiguous(),
        hh,
        bias_hh,
        norm,
        cells.EPSILON,
        None if mask is None else mask.contiguous(),
        None if resets is None else resets.contiguous(),
        batch_sizes.contiguous(),
        save,
    )
    return _or_empty(h, *parts)  # type: ignore[return-value]


@forward_op.register_fake
def _forward_fake(  # noqa: D103
    cell, data, h, c, hh, ih, bias_ih, bias_hh, norm, mask, resets, batch_sizes, save
):  # type: ignore[no-untyped-def]
    directions, _, hidden = h.shape
    steps, rows = data.shape[0], hh[0].shape[0]
    width = kernels.SAVED[cell] * hidden if save else 0
    saved = h.new_empty((directions, steps, width) if width else 0)
    normalised = h.new_empty((directions, steps, rows) if save and norm else 0)
    rates = h.new_empty((directions, steps, rows // hidden) if save and norm else 0)
    outputs = h.new_empty(steps, directions * hidden)
    last = h.new_empty(0) if c is None else torch.empty_like(c, memory_format=torch.contiguous_format)
    return outputs, torch.empty_like(h, memory_format=torch.contiguous_format), last, saved, normalised, rates


def _forward_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    cell, data, h, c, hh, ih, bias_ih, bias_hh, norm, mask, resets, batch_sizes, _ = inputs
    outputs, _, _, saved, normalised, rates = output
    ctx.cell = cell
    ctx.counts = [len(part) for part in (hh, ih, bias_ih, bias_hh, norm)]
    ctx.mark_non_differentiable(saved, normalised, rates)
    ctx.save_for_backward(
        data, h, c, mask, resets, batch_sizes, outputs, saved, normalised, rates, *hh, *ih, *bias_ih, *bias_hh, *norm
    )


def _lists(tensors: Sequence[Tensor], counts: Sequence[int]) -> list[list[Tensor]]:
    lists, begin = [], 0
    for count in counts:
        lists.append(list(tensors[begin : begin + count]))
        begin += count
    return lists


def _forward_backward(ctx: Any, grad_outputs: Tensor, grad_h: Tensor, grad_c: Tensor, *_: Any) -> tuple[Any, ...]:
    data, h, c, mask, resets, batch_sizes, outputs, saved, normalised, rates, *rest = ctx.saved_tensors
    hh, ih, bias_ih, bias_hh, norm = _lists(rest, ctx.counts)
    grads = backward_op(
        ctx.cell, grad_outputs, grad_h, grad_c, data, h, c, hh, ih, bias_ih, bias_hh, norm, mask, resets, batch_sizes,
        outputs, saved, normalised, rates, ctx.needs_input_grad[1],
    )  # fmt: skip
    grad_data, grad_h, grad_c, *stacked = grads
    lists = [list(grad.unbind(0)) if own else [] for grad, own in zip(stacked, (hh, ih, bias_ih, bias_hh, norm), strict=True)]
    return None, _or_none(grad_data), grad_h, _or_none(grad_c), *lists, None, None, None, None


@torch.library.custom_op("throughtime::recurrent_layer_backward", mutates_args=(), device_types="cpu")
def backward_op(
    cell: str,
    grad_outputs: Tensor,
    grad_h: Tensor,
    grad_c: Tensor,
    data: Tensor,
    h: Tensor,
    c: Tensor | None,
    hh: list[Tensor],
    ih: list[Tensor],
    bias_ih: list[Tensor],
    bias_hh: list[Tensor],
    norm: list[Tensor],
    mask: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor,
    outputs: Tensor,
    saved: Tensor,
    normalised: Tensor,
    rates: Tensor,
    grad_data_needed: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of data, h, c, and, stacked ``[D, …]``, of hh, ih, bias_ih, bias_hh and norm; empty where there is none."""
    grad_inputs, grad_h, last, grad_hh, products, grad_bias, grad_norm = kernels.recurrence_backward(
        cell,
        grad_outputs.contiguous(),
        grad_h.contiguous(),
        None if c is None else grad_c.contiguous(),
        h.contiguous(),
        None if c is None else c.contiguous(),
        _contiguous(hh),
        _contiguous(norm),
        None if mask is None else mask.contiguous(),
        None if resets is None else resets.contiguous(),
        batch_sizes.contiguous(),
        outputs,
        _or_none(saved),
        _or_none(normalised),
        _or_none(rates),
    )
    directions, rows = len(hh), hh[0].shape[0]
    grad_data: Tensor | None = None
    grad_ih: Tensor | None = None
    if not ih:
        grad_data = grad_inputs if grad_data_needed else None
    elif data.is_floating_point():
        if grad_data_needed:
            grad_data = kernels.product(grad_inputs, [torch.cat(ih)], transposed=True)
        grad_ih = torch.mm(grad_inputs.t(), data).view(directions, rows, -1)
    else:
        grad_ih = grad_inputs.new_zeros(ih[0].shape[1], directions * rows).index_add_(0, data, grad_inputs)
        grad_ih = grad_ih.t().reshape(directions, rows, -1)
    sums = grad_inputs.sum(0).view(directions, rows) if bias_ih or (bias_hh and _folded(cell, norm)) else None
    if bias_hh and not norm:
        grad_bias = sums.clone() if sums is not None and _folded(cell, norm) else products.sum(1)  # type: ignore[union-attr]
    return _or_empty(  # type: ignore[return-value]
        h, grad_data, grad_h, last, grad_hh, grad_ih, sums if bias_ih else None, grad_bias if bias_hh else None, grad_norm
    )


@backward_op.register_fake
def _backward_fake(  # noqa: D103
    cell, grad_outputs, grad_h, grad_c, data, h, c, hh, ih, bias_ih, bias_hh, norm, mask, resets, batch_sizes,
    outputs, saved, normalised, rates, grad_data_needed,
):  # type: ignore[no-untyped-def]  # fmt: skip
    def stacked(tensors: list[Tensor]) -> Tensor:
        return h.new_empty((len(tensors), *tensors[0].shape) if tensors else 0)

    return (
        torch.empty_like(data) if grad_data_needed and data.is_floating_point() else h.new_empty(0),
        torch.empty_like(h),
        h.new_empty(0) if c is None else torch.empty_like(c),
        *(stacked(tensors) for tensors in (hh, ih, bias_ih, bias_hh, norm)),
    )


# ---- second derivatives -------------------------------------------------------------------------------------------


def _backward_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    cell, grad_outputs, grad_h, grad_c, data, h, c, *lists, mask, resets, batch_sizes = inputs[:15]
    ctx.cell = cell
    ctx.counts = [len(part) for part in lists]
    ctx.save_for_backward(
        grad_outputs, grad_h, grad_c, data, h, c, mask, resets, batch_sizes, *(t for part in lists for t in part)
    )


def _backward_backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
    """The backward pass once more through the reference, which PyTorch can differentiate."""
    grad_outputs, grad_h, grad_c, data, h, c, mask, resets, batch_sizes, *rest = ctx.saved_tensors
    with torch.enable_grad():
        sources = [data, h, c, *rest]
        active = [t for t in sources if t is not None and t.is_floating_point()]
        twins = {id(t): t.detach().requires_grad_() for t in active}
        d, h0, c0, *parameters = [None if t is None else twins.get(id(t), t) for t in sources]
        hh, ih, bias_ih, bias_hh, norm = _lists(parameters, ctx.counts)
        state = (h0,) if c0 is None else (h0, c0)
        outputs, final = _reference(
            ctx.cell, d, state, Weights(hh, ih, bias_ih, bias_hh, norm), batch_sizes, mask, resets
        )
        upstream = [t.detach().requires_grad_() for t in (grad_outputs, grad_h, grad_c)[: 1 + len(final)]]
        variables = [twins[id(t)] for t in active]
        first = torch.autograd.grad((outputs, *final), variables, upstream, create_graph=True)
    stacked = _stacked_order(grads, ctx.counts, data, c)
    second = torch.autograd.grad(first, [*upstream, *variables], stacked, allow_unused=True)
    found = dict(zip([id(t) for t in active], second[len(upstream) :], strict=True))
    back = [found.get(id(t)) if t is not None else None for t in sources]
    lists = _lists(back[3:], ctx.counts)
    upstream_grads = [*second[: len(upstream)], None][:3] if c is None else list(second[:3])
    return None, *upstream_grads, *back[:3], *lists, None, None, None, None, None, None, None, None


def _stacked_order(grads: Sequence[Tensor], counts: Sequence[int], data: Tensor, c: Tensor | None) -> list[Tensor]:
    """The gradients that came in, one for each variable: data, h, c, then each direction's parameters."""
    grad_data, grad_h, grad_c, *stacked = grads
    ordered = [grad_data] if data.is_floating_point() else []
    ordered += [grad_h] if c is None else [grad_h, grad_c]
    for grad, count in zip(stacked, counts, strict=True):
        ordered += list(grad.unbind(0)) if count else []
    return ordered


forward_op.register_autograd(_forward_backward, setup_context=_forward_context)
backward_op.register_autograd(_backward_backward, setup_context=_backward_context)
