"""One layer of a recurrence, both its directions, as one differentiable op: from the input's vectors to its outputs.

Two backends compute the same thing. ``reference`` is plain PyTorch: any device, any type, differentiable any number of
times. ``kernels`` is compiled code (``throughtime/kernels/``) for float32 and float64 on a CPU.

Letters: ``N`` steps in all, ``B`` sequences, ``F`` input size, ``H`` hidden units, ``G`` gates, ``D`` directions.
"""

from __future__ import annotations

import functools
import warnings

import torch
from torch import Tensor

from throughtime.ops import compiled, kernels, reference
from throughtime.ops.reference import Weights

__all__ = ["BACKENDS", "CELLS", "Weights", "layer", "refusals"]

BACKENDS = ("auto", "kernels", "reference")
GATES = {"elman_tanh": 1, "elman_relu": 1, "lstm": 4, "gru": 3}
CELLS = tuple(GATES)


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
    >>> state = (torch.zeros(1, 2, 4),)
    >>> outputs, (h,) = layer("elman_tanh", torch.randn(5, 3), state, weights, torch.tensor([2, 2, 1]))
    >>> outputs.shape, torch.equal(h[0], outputs[[4, 3]])
    (torch.Size([5, 4]), True)
    """
    if backend not in BACKENDS:
        raise ValueError(f"expected backend {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}, found {backend!r}")
    _check(cell, data, state, weights, batch_sizes, dropout_mask, resets)
    if backend != "reference":
        reasons = refusals(cell, data, state, weights, dropout_mask)
        if not reasons:
            c = state[1] if cell == "lstm" else None
            outputs, *final = compiled.run(cell, data, state[0], c, weights, dropout_mask, resets, batch_sizes)
            return outputs, tuple(final[: len(state)])
        if backend == "kernels":
            raise ValueError("the compiled kernels do not run this: " + "; ".join(reasons))
        if reasons == [kernels.MISSING]:
            _say_missing()
    return reference.layer(cell, data, state, weights, batch_sizes, dropout_mask, resets)


def refusals(
    cell: str, data: Tensor, state: tuple[Tensor, ...], weights: Weights, dropout_mask: Tensor | None = None
) -> list[str]:
    """Every reason why the compiled kernels do not run this; none when they do."""
    floats = {"h": state[0], "c": state[-1]}
    floats |= {f"weights.{name}": tensor for name, own in weights._asdict().items() for tensor in own}
    if data.is_floating_point():
        floats["input"] = data
    if dropout_mask is not None:
        floats["dropout_mask"] = dropout_mask
    reasons = [kernels.MISSING] if kernels.MISSING else []
    reasons += [f"expected {name} on the CPU, found {t.device}" for name, t in floats.items() if t.device.type != "cpu"]
    types = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in floats.values()})
    if types not in (["float32"], ["float64"]):
        reasons.append(f"expected all of float32 or all of float64, found {' and '.join(types)}")
    if weights.hr:
        reasons.append("expected no projection of the output (proj_size), found one")
    if dropout_mask is not None and dropout_mask.requires_grad:
        reasons.append("expected a dropout mask that needs no gradient, found one that does")
    return reasons


def _check(
    cell: str,
    data: Tensor,
    state: tuple[Tensor, ...],
    weights: Weights,
    batch_sizes: Tensor,
    dropout_mask: Tensor | None,
    resets: Tensor | None,
) -> None:
    """Sizes, before anyone takes them at their word."""
    if cell not in CELLS:
        raise ValueError(f"expected cell {', '.join(CELLS[:-1])} or {CELLS[-1]}, found {cell!r}")
    if batch_sizes.dtype != torch.int64 or batch_sizes.dim() != 1 or batch_sizes.device.type != "cpu":
        found = f"{batch_sizes.dtype} of shape {tuple(batch_sizes.shape)} on {batch_sizes.device}"
        raise ValueError(f"expected batch_sizes as a CPU tensor of int64 with one axis, found {found}")
    steps, (directions, batch, width) = len(data), state[0].shape
    hidden = state[-1].shape[-1]
    rows = GATES[cell] * hidden
    inputs: tuple[int, ...]
    if data.is_floating_point():
        inputs = (steps, weights.ih[0].shape[-1] if weights.ih else directions * rows)
    else:
        inputs = (steps,)
    columns = weights.ih[0].shape[-1] if weights.ih else 0
    sizes = {"hh": (rows, width), "ih": (rows, columns), "hr": (width, hidden)}
    expected: list[tuple[str, Tensor, tuple[int, ...]]] = [("input", data, inputs)]
    expected += [("state", part, (directions, batch, size)) for part, size in zip(state, (width, hidden), strict=False)]
    expected += [
        (f"weights.{name}", tensor, sizes.get(name, (rows,)))
        for name, own in weights._asdict().items()
        for tensor in own
    ]
    if dropout_mask is not None:
        expected.append(("dropout_mask", dropout_mask, (directions, batch, width)))
    if resets is not None:
        expected.append(("resets", resets, (steps,)))
        if resets.dtype != torch.bool or resets.device != data.device:
            raise ValueError(f"expected resets of bool on {data.device}, found {resets.dtype} on {resets.device}")
    for name, tensor, shape in expected:
        if tensor.shape != shape:
            raise ValueError(f"expected {name} of shape {shape}, found {tuple(tensor.shape)}")
    if len(state) != (2 if cell == "lstm" else 1):
        raise ValueError(f"expected {2 if cell == 'lstm' else 1} parts of the state for {cell}, found {len(state)}")
    with_ih = {
        "weights.bias_ih": weights.bias_ih,
        "weights.norm_ih": weights.norm_ih,
        "symbols": not data.is_floating_point(),
    }
    for name, given in with_ih.items():
        if given and not weights.ih:
            raise ValueError(f"expected weights.ih with {name}, found none")
    if weights.hr and (weights.norm_ih or weights.norm_hh):
        raise ValueError("expected no weights.norm_ih or weights.norm_hh together with weights.hr, found both")
    for name, own in weights._asdict().items():
        if len(own) not in ((directions,) if name == "hh" else (0, directions)):
            raise ValueError(f"expected weights.{name} for {directions} directions, found {len(own)}")


@functools.cache
def _say_missing() -> None:
    """Once."""
    message = f"{kernels.MISSING}; recurrences run as PyTorch loops, many times slower"
    warnings.warn(f"{message}. Install throughtime where a C++ compiler is at hand.", stacklevel=4)
