"""The compiled kernels' face: tensors to addresses. Everything here expects what :func:`refusals` has let through."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["CELLS", "MISSING", "SAVED", "extension", "product", "recurrence", "recurrence_backward"]

CELLS = {"elman_tanh": 0, "elman_relu": 1, "lstm": 2, "gru": 3}
SAVED = {"elman_tanh": 0, "elman_relu": 0, "lstm": 5, "gru": 4}
"""Values kept for the backward pass, a unit and step."""

_SUFFIX = {torch.float32: "float32", torch.float64: "float64"}


MISSING = ""
"""Why the compiled module is not there; empty when it is."""

extension: Any = None
try:
    extension = importlib.import_module("throughtime._kernels")
except ImportError as error:
    MISSING = f"the package was built without its compiled kernels ({error})"


def _function(name: str, dtype: torch.dtype) -> Any:
    return getattr(extension, f"{name}_{_SUFFIX[dtype]}")


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _addresses(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def _sizes(cell: str, rows: int, h: Tensor, batch_sizes: Tensor, resets: Tensor | None) -> Any:
    sizes = extension.Sizes
    threads = torch.get_num_threads()
    _, batch, hidden = h.shape
    return sizes(CELLS[cell], rows, len(batch_sizes), batch, hidden, threads, batch_sizes.data_ptr(), _address(resets))


def product(
    data: Tensor, matrices: Sequence[Tensor], biases: Sequence[Tensor] = (), *, transposed: bool = False
) -> Tensor:
    """``data [N, K]`` times each of ``M`` matrices ``[C, K]`` (or ``[K, C]``), side by side: ``[N, M·C]``.

    A row's result does not depend on the rows beside it.
    """
    columns = matrices[0].shape[1 if transposed else 0]
    out = data.new_empty(len(data), columns * len(matrices))
    _function("product", data.dtype)(
        data.data_ptr(),
        _addresses(matrices),
        _addresses(biases),
        out.data_ptr(),
        *data.shape,
        columns,
        transposed,
        torch.get_num_threads(),
    )
    return out


def recurrence(
    cell: str,
    inputs: Tensor,
    h: Tensor,
    c: Tensor | None,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    norms: Sequence[Tensor],
    epsilon: float,
    mask: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Outputs ``[N, D·H]``, final ``h`` and ``c``, and, to ``save`` for the backward pass, gates and norms."""
    directions, _, hidden = h.shape
    steps, gates = len(inputs), weights[0].shape[0] // hidden
    outputs = inputs.new_empty(steps, directions * hidden)
    h, c = h.clone(), None if c is None else c.clone()
    saved = inputs.new_empty(directions, steps, SAVED[cell] * hidden) if save and SAVED[cell] else None
    normalised = inputs.new_empty(directions, steps, gates * hidden) if save and norms else None
    rates = inputs.new_empty(directions, steps, gates) if save and norms else None
    _function("forward", inputs.dtype)(
        _sizes(cell, steps, h, batch_sizes, resets),
        inputs.data_ptr(),
        _addresses(weights),
        _addresses(biases),
        _addresses(norms),
        epsilon,
        _address(mask),
        h.data_ptr(),
        _address(c),
        outputs.data_ptr(),
        _address(saved),
        _address(normalised),
        _address(rates),
    )
    return outputs, h, c, saved, normalised, rates


def recurrence_backward(
    cell: str,
    grad_outputs: Tensor,
    grad_h: Tensor,
    grad_c: Tensor | None,
    h: Tensor,
    c: Tensor | None,
    weights: Sequence[Tensor],
    norms: Sequence[Tensor],
    mask: Tensor | None,
    resets: Tensor | None,
    batch_sizes: Tensor,
    outputs: Tensor,
    saved: Tensor | None,
    normalised: Tensor | None,
    rates: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of inputs ``[N, D·G·H]``, initial ``h`` and ``c``, and weights ``[D, G·H, H]``.

    Then, each where it is not plain from the first: of products ``[D, N, G·H]``, biases and norms ``[D, G·H]``.
    """
    directions, _, hidden = h.shape
    steps, rows = len(outputs), weights[0].shape[0]
    separate = cell == "gru" or bool(norms)
    grad_h, grad_c = grad_h.clone(), None if grad_c is None else grad_c.clone()
    grad_inputs = outputs.new_empty(steps, directions * rows)
    products = outputs.new_empty(directions, steps, rows) if separate else None
    previous = outputs.new_empty(directions, steps, hidden)
    grad_norms = outputs.new_zeros(directions, rows) if norms else None
    grad_biases = outputs.new_zeros(directions, rows) if norms else None
    _function("backward", outputs.dtype)(
        _sizes(cell, steps, h, batch_sizes, resets),
        _addresses(weights),
        _addresses(norms),
        _address(mask),
        h.data_ptr(),
        _address(c),
        outputs.data_ptr(),
        _address(saved),
        _address(normalised),
        _address(rates),
        grad_outputs.data_ptr(),
        grad_h.data_ptr(),
        _address(grad_c),
        grad_inputs.data_ptr(),
        _address(products),
        previous.data_ptr(),
        _address(grad_norms),
        _address(grad_biases),
    )
    by_direction = grad_inputs.view(steps, directions, rows).unbind(1) if products is None else products.unbind(0)
    grad_weights = outputs.new_empty(directions, rows, hidden)
    for grads, entered, to in zip(by_direction, previous, grad_weights, strict=True):
        torch.mm(grads.t(), entered, out=to)
    return grad_inputs, grad_h, grad_c, grad_weights, products, grad_biases, grad_norms
