"""The compiled kernels' face: tensors to addresses. Everything here expects what :func:`refusals` has let through."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.ops import cells
from throughtime.ops.reference import Weights

__all__ = ["CELLS", "MISSING", "SAVED", "Kept", "Layer", "backward", "extension", "forward", "outer", "product"]

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


class Layer(NamedTuple):
    """What a layer is called with; every tensor contiguous."""

    cell: str
    data: Tensor
    """``[N, F]``; without ``weights.ih`` ``[N, D·G·H]``; integers ``[N]`` for one-hot vectors."""
    h: Tensor
    """``[D, B, H]``."""
    c: Tensor | None
    weights: Weights
    mask: Tensor | None
    resets: Tensor | None
    batch_sizes: Tensor

    @classmethod
    def of(cls, cell: str, *arguments: Any) -> Layer:
        """The same with contiguous tensors."""
        return cls(cell, *(_contiguous(argument) for argument in arguments))

    def sizes(self) -> Any:
        """As the extension takes them."""
        _, batch, hidden = self.h.shape
        return extension.Sizes(
            CELLS[self.cell],
            len(self.data),
            len(self.batch_sizes),
            batch,
            hidden,
            torch.get_num_threads(),
            self.batch_sizes.data_ptr(),
            _address(self.resets),
        )


class Kept(NamedTuple):
    """What the backward pass needs of the forward pass."""

    outputs: Tensor
    """``[N, D·H]``."""
    saved: Tensor | None
    """``[D, N, S·H]``: gates and states, as ``SAVED`` counts them."""
    normalised: Tensor | None
    """``[D, N, G·H]``: recurrent products of mean 0 and variance 1."""
    rates: Tensor | None
    """``[D, N, G]``: 1 / standard deviation."""


def _contiguous(argument: Any) -> Any:
    if isinstance(argument, Weights):
        return Weights(*([tensor.contiguous() for tensor in own] for own in argument))
    return None if argument is None else argument.contiguous()


def _own(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


_memory = threading.local()
_MOST_KEPT = 64 << 20


def _scratch(role: str, like: Tensor, *shape: int) -> Tensor:
    """Memory for this call alone.

    Each thread keeps up to 64 MiB a role for its next call: fresh pages cost more than what is written to them.
    """
    key, size = (role, like.dtype), 1
    for length in shape:
        size *= length
    kept: dict[Any, Tensor] = _memory.__dict__
    if key not in kept or kept[key].numel() < size:
        fresh = like.new_empty(size)
        if fresh.nbytes > _MOST_KEPT:
            return fresh.view(shape)
        kept[key] = fresh
    return kept[key][:size].view(shape)


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


def outer(grads: Tensor, data: Tensor, sums: bool = False) -> tuple[Tensor, Tensor | None]:
    """``grads [N, C]`` (rows may stand apart) transposed times ``data [N, K]``, ``[C, K]``, and the sums of ``grads``.

    The gradients of a product's matrix and bias; the number of threads does not change them.
    """
    rows, columns = grads.shape
    out, sum_of = data.new_empty(columns, data.shape[1]), data.new_empty(columns) if sums else None
    _function("outer", data.dtype)(
        grads.data_ptr(),
        data.data_ptr(),
        out.data_ptr(),
        _address(sum_of),
        rows,
        columns,
        data.shape[1],
        grads.stride(0),
        torch.get_num_threads(),
    )
    return out, sum_of


def forward(layer: Layer, save: bool) -> tuple[Kept, Tensor, Tensor | None]:
    """Outputs and, to ``save`` for the backward pass, gates and norms; final ``h`` and ``c``.

    Integers come with ``weights.ih`` as one table ``[V, D·G·H]`` whose rows they name.
    """
    _, data, h, c, weights, mask, *_ = layer
    directions, _, hidden = h.shape
    steps, gates = len(data), weights.hh[0].shape[0] // hidden
    named = not data.is_floating_point()
    outputs = h.new_empty(steps, directions * hidden)
    h, c = h.clone(), None if c is None else c.clone()
    width = SAVED[layer.cell] * hidden
    saved = h.new_empty(directions, steps, width) if save and width else None
    normalised = h.new_empty(directions, steps, gates * hidden) if save and weights.norm else None
    rates = h.new_empty(directions, steps, gates) if save and weights.norm else None
    _function("forward", h.dtype)(
        layer.sizes(),
        weights.ih[0].data_ptr() if named else data.data_ptr(),
        0 if named else data.shape[1],
        data.data_ptr() if named else 0,
        [] if named else _addresses(weights.ih),
        [] if named else _addresses(weights.bias_ih),
        _addresses(weights.hh),
        _addresses(weights.bias_hh),
        _addresses(weights.norm),
        cells.EPSILON,
        _address(mask),
        h.data_ptr(),
        _address(c),
        outputs.data_ptr(),
        _address(saved),
        _address(normalised),
        _address(rates),
    )
    return Kept(outputs, saved, normalised, rates), h, c


class Gradients(NamedTuple):
    """Of what comes before the products; what is only scratch memory is overwritten by the next call."""

    h: Tensor
    c: Tensor | None
    inputs: Tensor
    """``[N, D·G·H]``: of the input's contributions to the gates; scratch where the layer multiplies its input."""
    products: list[Tensor]
    """``D`` of ``[N, G·H]``: of the recurrent products; scratch."""
    previous: Tensor
    """``[D, N, H]``: what entered the recurrent products; scratch."""
    norms: Tensor | None
    """``[D, G·H]``."""
    biases: Tensor | None
    """``[D, G·H]``: of the recurrent biases, where there are norms."""


def backward(layer: Layer, kept: Kept, grad_outputs: Tensor, grad_h: Tensor, grad_c: Tensor | None) -> Gradients:
    """Through all steps, back to the products."""
    cell, _, h, c, weights, mask, *_ = layer
    directions, _, hidden = h.shape
    steps, rows = len(kept.outputs), weights.hh[0].shape[0]
    grad_outputs = grad_outputs.contiguous()
    grad_h, grad_c = _own(grad_h), None if grad_c is None else _own(grad_c)
    inputs = _scratch("inputs", h, steps, directions * rows) if weights.ih else h.new_empty(steps, directions * rows)
    products = _scratch("products", h, directions, steps, rows) if cell == "gru" or weights.norm else None
    previous = _scratch("previous", h, directions, steps, hidden)
    norms = h.new_zeros(directions, rows) if weights.norm else None
    biases = h.new_zeros(directions, rows) if weights.norm else None
    _function("backward", h.dtype)(
        layer.sizes(),
        _addresses(weights.hh),
        _addresses(weights.norm),
        _address(mask),
        h.data_ptr(),
        _address(c),
        *(_address(tensor) for tensor in kept),
        grad_outputs.data_ptr(),
        grad_h.data_ptr(),
        _address(grad_c),
        inputs.data_ptr(),
        _address(products),
        previous.data_ptr(),
        _address(norms),
        _address(biases),
    )
    by_direction = inputs.view(steps, directions, rows).unbind(1) if products is None else products.unbind(0)
    return Gradients(grad_h, grad_c, inputs, list(by_direction), previous, norms, biases)
