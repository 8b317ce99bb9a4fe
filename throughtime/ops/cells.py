"""Reference recurrences in plain PyTorch: Elman, LSTM and GRU over time-major packed rows.

Letters: ``N`` steps in all, ``B`` sequences, ``H`` hidden units, ``P`` the output's size (``H`` unless an LSTM
projects it). Gates stand in torch's order: ``i f g o`` for the LSTM, ``r z n`` for the GRU.

What all three take besides their own:

- ``dropout_mask [B, P]`` multiplies :math:`h_{t-1}` where it enters the recurrent product, with one mask for all the
  steps of a sequence (Gal & Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural
  Networks", eq. 7; here on the recurrent connection only). The caller scales it.
- ``resets [N]``: before a step marked there the state becomes zero.
- ``norm [G·H]``: normalise the recurrent product ``R h`` to mean 0 and variance 1 over the ``H`` units of each gate,
  and scale it by this (Ba, Kiros & Hinton 2016, "Layer Normalization", eq. 4, gate by gate; ``bias_hh`` shifts it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ops.loop import State, run_through_time

__all__ = ["EPSILON", "elman", "gru", "lstm", "normalised", "recurrent_product"]

EPSILON = 1e-5
"""Added to the variance before a norm divides by its root, as torch's layer norm has it."""

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


def normalised(product: Tensor, hidden: int, scale: Tensor) -> Tensor:
    """A product ``[n, G·H]`` with mean 0 and variance 1 over the ``H`` units of each gate, then scaled."""
    return F.layer_norm(product.unflatten(1, (-1, hidden)), (hidden,), eps=EPSILON).flatten(1) * scale


def recurrent_product(
    h: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, norm: Tensor | None
) -> Tensor:
    """What the state ``h [n, P]`` contributes to the gates, ``[n, G·H]``."""
    if mask is not None:
        h = h * mask[: len(h)]
    if norm is None:
        return F.linear(h, weight, bias)
    product = normalised(F.linear(h, weight), weight.shape[1], norm)
    return product if bias is None else product + bias


def elman(
    inputs: Tensor,
    state: State,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    batch_sizes: Sequence[int],
    *,
    reverse: bool = False,
    nonlinearity: str = "tanh",
    dropout_mask: Tensor | None = None,
    resets: Tensor | None = None,
    norm: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Elman's simple recurrent network (Elman 1990): ``h_t = act(x_t + R h_{t-1} + b)``.

    Args:
        inputs: ``[N, H]``, the input's product ``W x_t + b_ih``.
        state: ``(h [B, H],)``.
        weight_hh: ``R [H, H]``.
        bias_hh: ``b [H]`` or none.
        batch_sizes: see :func:`~throughtime.ops.loop.run_through_time`.
        reverse: from the last step to the first.
        nonlinearity: ``tanh`` or ``relu``.
        dropout_mask: ``[B, H]`` or none.
        resets: ``[N]`` truth values or none.
        norm: ``[H]`` or none.

    Returns:
        Outputs ``[N, H]`` and the final ``(h [B, H],)``.
    """
    activation = _ACTIVATIONS[nonlinearity]

    def step(x: Tensor, state: State) -> State:
        return (activation(x + recurrent_product(state[0], weight_hh, bias_hh, dropout_mask, norm)),)

    return run_through_time(step, inputs, state, batch_sizes, reverse=reverse, resets=resets)


def lstm(
    inputs: Tensor,
    state: State,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    batch_sizes: Sequence[int],
    *,
    reverse: bool = False,
    weight_hr: Tensor | None = None,
    dropout_mask: Tensor | None = None,
    resets: Tensor | None = None,
    norm: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    ``i, f, o = σ(x + R h_{t-1} + b)``, ``g = tanh(…)``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``; with
    ``weight_hr`` the output is projected, ``h_t = P (o tanh(c_t))`` (Sak et al. 2014).

    Args:
        inputs: ``[N, 4H]``, the input's product ``W x_t + b_ih``.
        state: ``(h [B, P], c [B, H])``.
        weight_hh: ``R [4H, P]``.
        bias_hh: ``b [4H]`` or none.
        batch_sizes: see :func:`~throughtime.ops.loop.run_through_time`.
        reverse: from the last step to the first.
        weight_hr: ``[P, H]`` or none.
        dropout_mask: ``[B, P]`` or none.
        resets: ``[N]`` truth values or none.
        norm: ``[4H]`` or none; not with ``weight_hr``.

    Returns:
        Outputs ``[N, P]`` and the final ``(h, c)``.
    """

    def step(x: Tensor, state: State) -> State:
        h, c = state
        gates = x + recurrent_product(h, weight_hh, bias_hh, dropout_mask, norm)
        i, f, g, o = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h if weight_hr is None else F.linear(h, weight_hr)), c

    return run_through_time(step, inputs, state, batch_sizes, reverse=reverse, resets=resets)


def gru(
    inputs: Tensor,
    state: State,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    batch_sizes: Sequence[int],
    *,
    reverse: bool = False,
    dropout_mask: Tensor | None = None,
    resets: Tensor | None = None,
    norm: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Gated recurrent unit, with the reset gate after the product, as cuDNN and torch have it (Cho et al. 2014).

    ``r, z = σ(x + R h_{t-1} + b)``, ``n = tanh(x_n + r (R_n h_{t-1} + b_n))``, ``h_t = n + z (h_{t-1} - n)``.

    Args:
        inputs: ``[N, 3H]``, the input's product ``W x_t + b_ih``.
        state: ``(h [B, H],)``.
        weight_hh: ``R [3H, H]``.
        bias_hh: ``b [3H]`` or none.
        batch_sizes: see :func:`~throughtime.ops.loop.run_through_time`.
        reverse: from the last step to the first.
        dropout_mask: ``[B, H]`` or none.
        resets: ``[N]`` truth values or none.
        norm: ``[3H]`` or none.

    Returns:
        Outputs ``[N, H]`` and the final ``(h [B, H],)``.
    """

    def step(x: Tensor, state: State) -> State:
        (h,) = state
        x_r, x_z, x_n = x.chunk(3, dim=1)
        h_r, h_z, h_n = recurrent_product(h, weight_hh, bias_hh, dropout_mask, norm).chunk(3, dim=1)
        r = (x_r + h_r).sigmoid()
        z = (x_z + h_z).sigmoid()
        n = (x_n + r * h_n).tanh()
        return (n + z * (h - n),)

    return run_through_time(step, inputs, state, batch_sizes, reverse=reverse, resets=resets)
