"""The compiled kernels' face: tensors to addresses. Everything here expects what :func:`refusals` has let through."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.ops import cells
from throughtime.ops.reference import Weights

__all__ = ["CELLS", "MISSING", "SAVED", "Kept", "Layer", "backward", "extension", "forward", "product"]

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
    normalised_ih: Tensor | None
    """``[D, N, G·H]``: the input's products with mean 0 and variance 1."""
    rates_ih: Tensor | None
    """``[D, N, G]``: 1 / their standard deviation."""
    normalised_hh: Tensor | None
    """The same of the recurrent products."""
    rates_hh: Tensor | None


def _contiguous(argument: Any) -> Any:
    if isinstance(argument, Weights):
        return Weights(*([tensor.contiguous() for tensor in own] for own in argument))
    return None if argument is None else argument.contiguous()


def _norms(
    scales: Sequence[Tensor], normalised: Tensor | None, rates: Tensor | None, grads: Tensor | None = None
) -> Any:
    """As the extension takes them."""
    return extension.Norms(_addresses(scales), _address(normalised), _address(rates), _address(grads))


def _own(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


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


def forward(layer: Layer, save: bool) -> tuple[Kept, Tensor, Tensor | None]:
    """Outputs and, to ``save`` for the backward pass, gates and norms; final ``h`` and ``c``.

    Integers come with ``weights.ih`` as one table ``[V, D·G·H]`` whose rows they name.

    Raises:
        ValueError: for integers that name no row.
    """
    _, data, h, c, weights, mask, *_ = layer
    directions, _, hidden = h.shape
    steps, gates = len(data), weights.hh[0].shape[0] // hidden
    named = not data.is_floating_point()
    outputs = h.new_empty(steps, directions * hidden)
    h, c = h.clone(), None if c is None else c.clone()
    width = SAVED[layer.cell] * hidden
    saved = h.new_empty(directions, steps, width) if save and width else None

    def kept(norm: Sequence[Tensor]) -> tuple[Tensor | None, Tensor | None]:
        if not (save and norm):
            return None, None
        return h.new_empty(directions, steps, gates * hidden), h.new_empty(directions, steps, gates)

    of_input, of_product = kept(weights.norm_ih), kept(weights.norm_hh)
    _function("forward", h.dtype)(
        layer.sizes(),
        weights.ih[0].data_ptr() if named else data.data_ptr(),
        len(weights.ih[0]) if named else data.shape[1],
        data.data_ptr() if named else 0,
        [] if named else _addresses(weights.ih),
        [] if named else _addresses(weights.bias_ih),
        _norms(weights.norm_ih, *of_input),
        _addresses(weights.hh),
        _addresses(weights.bias_hh),
        _norms(weights.norm_hh, *of_product),
        cells.EPSILON,
        _address(mask),
        h.data_ptr(),
        _address(c),
        outputs.data_ptr(),
        _address(saved),
    )
    return Kept(outputs, saved, *of_input, *of_product), h, c


class Gradients(NamedTuple):
    """Of all that a layer was called with; the weights' stacked by direction."""

    data: Tensor | None
    """``[N, F]``, if needed; without ``weights.ih`` ``[N, D·G·H]``."""
    h: Tensor
    c: Tensor | None
    hh: Tensor
    """``[D, G·H, H]``."""
    ih: Tensor | None
    """``[D, G·H, F]``."""
    bias_ih: Tensor | None
    """``[D, G·H]``."""
    bias_hh: Tensor | None
    """``[D, G·H]``."""
    norm_ih: Tensor | None
    """``[D, G·H]``."""
    norm_hh: Tensor | None
    """``[D, G·H]``."""


def backward(
    layer: Layer, kept: Kept, grad_outputs: Tensor, grad_h: Tensor, grad_c: Tensor | None, grad_data_needed: bool
) -> Gradients:
    """Through all steps. ``layer.data`` are vectors, or contributions where there is no ``weights.ih``."""
    _, data, h, c, weights, mask, *_ = layer
    directions, _, hidden = h.shape
    rows = weights.hh[0].shape[0]
    grad_outputs = grad_outputs.contiguous()
    grad_h, grad_c = _own(grad_h), None if grad_c is None else _own(grad_c)
    depth = data.shape[1] if weights.ih else 0
    grad_data = h.new_empty(data.shape) if grad_data_needed or not weights.ih else None
    grad_ih = h.new_zeros(directions, rows, depth) if weights.ih else None
    bias_ih = h.new_zeros(directions, rows) if weights.bias_ih else None
    hh = h.new_zeros(directions, rows, hidden)
    bias_hh = h.new_zeros(directions, rows) if weights.bias_hh else None
    norm_ih = h.new_zeros(directions, rows) if weights.norm_ih else None
    norm_hh = h.new_zeros(directions, rows) if weights.norm_hh else None
    _function("backward", h.dtype)(
        layer.sizes(),
        data.data_ptr() if weights.ih else 0,
        depth,
        _addresses(weights.ih),
        _addresses(weights.hh),
        _norms(weights.norm_ih, kept.normalised_ih, kept.rates_ih, norm_ih),
        _norms(weights.norm_hh, kept.normalised_hh, kept.rates_hh, norm_hh),
        _address(mask),
        h.data_ptr(),
        _address(c),
        kept.outputs.data_ptr(),
        _address(kept.saved),
        grad_outputs.data_ptr(),
        grad_h.data_ptr(),
        _address(grad_c),
        0 if weights.ih else _address(grad_data),
        _address(grad_data) if weights.ih else 0,
        _address(grad_ih),
        _address(bias_ih),
        hh.data_ptr(),
        _address(bias_hh),
    )
    return Gradients(grad_data, grad_h, grad_c, hh, grad_ih, bias_ih, bias_hh, norm_ih, norm_hh)
