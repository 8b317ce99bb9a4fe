"""The compiled layer with its derivatives, in two coats.

:func:`run` is what eager code goes through: an ``autograd.Function``, since the dispatcher takes a third of a
millisecond to walk lists of tensors. Where ``torch.compile`` traces, it goes through the ops :func:`forward` and
:func:`backward`, which are registered with ``torch.library``, know their shapes, and have derivatives of their own; the
second derivatives, which are the reference's, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ops import cells, kernels, reference
from throughtime.ops.reference import Weights

__all__ = ["backward", "forward", "run"]


_KEPT = len(kernels.Kept._fields)


def _or_empty(like: Tensor, *tensors: Tensor | None) -> tuple[Tensor, ...]:
    """What an op returns: it can return neither nothing nor what it was given."""
    return tuple(like.new_empty(0) if tensor is None else tensor for tensor in tensors)


def _or_none(tensor: Tensor) -> Tensor | None:
    return tensor if tensor.numel() else None


def _forward(
    cell: str,
    data: Tensor,
    h: Tensor,
    c: Tensor | None,
    hh: list[Tensor],
    ih: list[Tensor],
    bias_ih: list[Tensor],
    bias_hh: list[Tensor],
    norm_ih: list[Tensor],
    norm_hh: list[Tensor],
    mask: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Outputs ``[N, D·H]``, final ``h`` and ``c``, and what the backward pass needs of the gates and norms."""
    if bias_ih and bias_hh and cell != "gru":  # both are added in one place
        bias_ih, bias_hh = [one + other for one, other in zip(bias_ih, bias_hh, strict=True)], []
    if not data.is_floating_point():
        data, ih, bias_ih = _of_symbols(data, ih, bias_ih)
    weights = Weights(hh, ih, bias_ih, bias_hh, norm_ih, norm_hh)
    kept, last_h, last_c = kernels.forward(kernels.Layer.of(cell, data, h, c, weights, mask, resets, batch_sizes), save)
    outputs, *rest = kept
    return _or_empty(h, outputs, last_h, last_c, *rest)  # type: ignore[return-value]


def _of_symbols(symbols: Tensor, ih: list[Tensor], bias_ih: list[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """A one-hot vector's product with W is a column of W: all columns as a table, or those of few symbols as they are.

    Data, ``ih`` and ``bias_ih`` as the kernels take them.
    """
    few = len(symbols) < ih[0].shape[1]
    # A row a symbol, as it is read; of a table's products, which come so, rows are copied and nothing is turned.
    table = torch.cat([weight.t().index_select(0, symbols) if few else weight.t() for weight in ih], dim=1)
    if bias_ih:
        table += torch.cat(bias_ih)
    return (table, [], []) if few else (symbols.to(torch.int64), [table], [])


forward = torch.library.custom_op("throughtime::recurrent_layer", _forward, mutates_args=(), device_types="cpu")


@forward.register_fake
def _forward_shapes(*arguments: Any) -> tuple[Tensor, ...]:
    cell, data, h, c, hh, *_, norm_ih, norm_hh, _, _, _, save = arguments
    directions, _, hidden = h.shape
    steps, rows = data.shape[0], hh[0].shape[0]
    width = kernels.SAVED[cell] * hidden if save else 0
    saved = h.new_empty((directions, steps, width) if width else 0)
    norms = [
        h.new_empty((directions, steps, size) if save and norm else 0)
        for norm in (norm_ih, norm_hh)
        for size in (rows, rows // hidden)
    ]
    outputs = h.new_empty(steps, directions * hidden)
    last = h.new_empty(0) if c is None else c.new_empty(c.shape)
    return outputs, h.new_empty(h.shape), last, saved, *norms


def _forward_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    cell, data, h, c, *lists, mask, resets, batch_sizes, _ = inputs
    outputs, _, _, *kept = output
    ctx.cell, ctx.counts = cell, [len(own) for own in lists]
    ctx.mark_non_differentiable(*kept)
    parameters = [tensor for own in lists for tensor in own]
    ctx.save_for_backward(data, h, c, mask, resets, batch_sizes, outputs, *kept, *parameters)


def _lists(tensors: Sequence[Any], counts: Sequence[int]) -> list[list[Any]]:
    lists, begin = [], 0
    for count in counts:
        lists.append(list(tensors[begin : begin + count]))
        begin += count
    return lists


def _gradients(ctx: Any, grad_outputs: Tensor, grad_h: Tensor, grad_c: Tensor, *_: Any) -> tuple[Any, ...]:
    data, h, c, mask, resets, batch_sizes, *rest = ctx.saved_tensors
    kept, parameters = rest[:_KEPT], _lists(rest[_KEPT:], ctx.counts)
    needed = ctx.needs_input_grad[1]
    grads: Any = backward(
        ctx.cell, grad_outputs, grad_h, grad_c, data, h, c, *parameters, mask, resets, batch_sizes, *kept, needed
    )
    grad_data, grad_h, grad_c, *stacked = grads
    lists = [list(grad.unbind(0)) if own else [] for grad, own in zip(stacked, parameters, strict=True)]
    return None, grad_data if needed else None, grad_h, None if c is None else grad_c, *lists, None, None, None, None


def _backward(
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
    norm_ih: list[Tensor],
    norm_hh: list[Tensor],
    mask: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor,
    outputs: Tensor,
    saved: Tensor,
    normalised_ih: Tensor,
    rates_ih: Tensor,
    normalised_hh: Tensor,
    rates_hh: Tensor,
    grad_data_needed: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of data, h, c, and, stacked ``[D, …]``, of each list of weights; empty where none is."""
    symbols = None if data.is_floating_point() else data
    weights = Weights(hh, ih, bias_ih, bias_hh, norm_ih, norm_hh)
    if symbols is not None:
        weights = weights._replace(ih=[], bias_ih=[])
    layer = kernels.Layer.of(cell, data, h, c, weights, mask, resets, batch_sizes)
    if symbols is not None:
        layer = layer._replace(data=h.new_empty(len(symbols), len(hh) * len(hh[0])))
    kept = kernels.Kept(outputs, *map(_or_none, (saved, normalised_ih, rates_ih, normalised_hh, rates_hh)))
    found = kernels.backward(layer, kept, grad_outputs, grad_h, None if c is None else grad_c, grad_data_needed)
    if symbols is not None:
        found = _to_columns(found, symbols, ih, bool(bias_ih))
    return _or_empty(h, *found)  # type: ignore[return-value]


def _to_columns(found: kernels.Gradients, symbols: Tensor, ih: list[Tensor], bias: bool) -> kernels.Gradients:
    """From the gradient of each step's contribution to those of W's columns and of the bias."""
    grads = found.data
    assert grads is not None
    directions, rows, columns = len(ih), *ih[0].shape
    grad_ih = grads.new_zeros(columns, directions * rows).index_add_(0, symbols, grads)
    grad_ih = grad_ih.t().reshape(directions, rows, columns)
    return found._replace(data=None, ih=grad_ih, bias_ih=grads.sum(0).view(directions, rows) if bias else None)


backward = torch.library.custom_op(
    "throughtime::recurrent_layer_backward", _backward, mutates_args=(), device_types="cpu"
)


@backward.register_fake
def _backward_shapes(*arguments: Any) -> tuple[Tensor, ...]:
    data, h, c, *lists = arguments[4 : -_KEPT - 4]
    needed = arguments[-1]
    return (
        data.new_empty(data.shape) if needed and data.is_floating_point() else h.new_empty(0),
        h.new_empty(h.shape),
        h.new_empty(0) if c is None else c.new_empty(c.shape),
        *(h.new_empty((len(own), *own[0].shape) if own else 0) for own in lists),
    )


# ---- second derivatives -------------------------------------------------------------------------------------------


def _backward_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    cell, grad_outputs, grad_h, grad_c, data, h, c, *lists, mask, resets, batch_sizes = inputs[: -_KEPT - 1]
    ctx.cell, ctx.data_varies = cell, inputs[-1]
    ctx.counts = [len(own) for own in lists]
    parameters = [tensor for own in lists for tensor in own]
    ctx.save_for_backward(grad_outputs, grad_h, grad_c, data, h, c, mask, resets, batch_sizes, *parameters)


def _second_derivatives(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
    """Derivatives of the backward pass as the reference makes it, which PyTorch can differentiate: once more."""
    if torch.is_grad_enabled():
        raise NotImplementedError(
            "the compiled kernels have first and second derivatives; for a third use backend='reference'"
        )
    *upstream, data, h, c, mask, resets, batch_sizes = ctx.saved_tensors[:9]
    sources = [data, h, c, *ctx.saved_tensors[9:]]  # what the layer was called with, in the order of `grads`
    variable = [ctx.data_varies and data.is_floating_point(), *(source is not None for source in sources[1:])]
    with torch.enable_grad():
        twins = [s.detach().requires_grad_() if v else s for s, v in zip(sources, variable, strict=True)]
        weights = Weights(*_lists(twins[3:], ctx.counts))
        state = (twins[1],) if c is None else (twins[1], twins[2])
        outputs, final = reference.layer(ctx.cell, twins[0], state, weights, batch_sizes, mask, resets)
        upstream = [grad.detach().requires_grad_() for grad in upstream[: 1 + len(final)]]
        inputs = [twin for twin, v in zip(twins, variable, strict=True) if v]
        first = torch.autograd.grad((outputs, *final), inputs, upstream, create_graph=True, materialize_grads=True)
    stacked = [part for grad, n in zip(grads[3:], ctx.counts, strict=True) if n for part in grad.unbind(0)]
    incoming = [grad for grad, v in zip([*grads[:3], *stacked], variable, strict=True) if v]
    second = list(torch.autograd.grad(first, [*upstream, *inputs], incoming, allow_unused=True))
    of_upstream, of_inputs = second[: len(upstream)], iter(second[len(upstream) :])
    of_sources = [next(of_inputs) if v else None for v in variable]
    absent = [None] * (3 - len(upstream))
    return None, *of_upstream, *absent, *of_sources[:3], *_lists(of_sources[3:], ctx.counts), *[None] * (_KEPT + 4)


forward.register_autograd(_gradients, setup_context=_forward_context)
backward.register_autograd(_second_derivatives, setup_context=_backward_context)


# ---- eager --------------------------------------------------------------------------------------------------------


class _Eager(torch.autograd.Function):
    """The same two steps without the dispatcher; a second derivative goes through the registered backward op."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: str,
        counts: list[int],
        data: Tensor,
        h: Tensor,
        c: Tensor | None,
        mask: Tensor | None,
        resets: Tensor | None,
        batch_sizes: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        """Outputs and final state; ``counts`` says how many of the parameters belong to each list."""
        hh, ih, bias_ih, bias_hh, norm_ih, norm_hh = _lists(parameters, counts)
        found = _forward(cell, data, h, c, hh, ih, bias_ih, bias_hh, norm_ih, norm_hh, mask, resets, batch_sizes, True)
        outputs, last_h, last_c, *kept = found
        ctx.cell, ctx.counts = cell, counts
        ctx.save_for_backward(data, h, c, mask, resets, batch_sizes, outputs, *kept, *parameters)
        return outputs, last_h, last_c

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Any, ...]:
        """Gradients in the order of what ``forward`` was given."""
        data, h, c, mask, resets, batch_sizes, *rest = ctx.saved_tensors
        kept, lists, needed = rest[:_KEPT], _lists(rest[_KEPT:], ctx.counts), ctx.needs_input_grad[2]
        compute: Any = backward if torch.is_grad_enabled() else _backward
        grad_data, grad_h, grad_c, *stacked = compute(
            ctx.cell, *upstream, data, h, c, *lists, mask, resets, batch_sizes, *kept, needed
        )
        flat = [part for grad, own in zip(stacked, lists, strict=True) if own for part in grad.unbind(0)]
        of_data, of_c = grad_data if needed else None, None if c is None else grad_c
        return None, None, of_data, grad_h, of_c, None, None, None, *flat


def _with_normal_columns(symbols: Tensor, weights: Weights) -> tuple[Tensor, Weights]:
    """The same with W's columns normalised already: once a symbol, or once a step where steps are fewer."""
    columns = [weight.t() for weight in weights.ih]
    if len(symbols) < len(columns[0]):
        columns = [F.embedding(symbols, own) for own in columns]
        symbols = torch.arange(len(symbols))
    hidden = weights.hh[0].shape[1]
    normal = [cells.normalised(own, hidden, scale) for own, scale in zip(columns, weights.norm_ih, strict=True)]
    return symbols, weights._replace(ih=[own.t() for own in normal], norm_ih=())


def run(
    cell: str,
    data: Tensor,
    h: Tensor,
    c: Tensor | None,
    weights: Weights,
    mask: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs ``[N, D·H]`` and final ``h`` and ``c`` (empty when there is none)."""
    if weights.norm_ih and not data.is_floating_point():
        data, weights = _with_normal_columns(data, weights)
    lists = [list(own) for own in weights[:-1]]  # whoever has projections does not come here
    parameters = [tensor for own in lists for tensor in own]
    tensors = (data, h, *parameters) if c is None else (data, h, c, *parameters)
    save = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    found: Any
    if save and not torch.compiler.is_compiling():
        counts = [len(own) for own in lists]
        found = _Eager.apply(cell, counts, data, h, c, mask, resets, batch_sizes, *parameters)  # type: ignore[no-untyped-call]
    else:
        compute: Any = forward if torch.compiler.is_compiling() else _forward
        found = compute(cell, data, h, c, *lists, mask, resets, batch_sizes, save)
    outputs, last_h, last_c = found[:3]
    return outputs, last_h, last_c
