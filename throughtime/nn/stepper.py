"""A layer that runs one step at a time, with packed weights and a state of its own: for streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.ops import kernels

if TYPE_CHECKING:
    from throughtime.nn.recurrent import Recurrent

__all__ = ["PRECISIONS", "Stepper", "refusals"]

PRECISIONS = ("float32", "float16", "int8")


class Stepper:
    """Made by ``layer.stepper()``: ``y = s(x)`` is one step of ``B`` sequences.

    It holds copies of the layer's weights, packed once: what the layer learns afterwards it does not know.

    Args:
        layer: a one-directional layer, of any number of layers.
        batch_size: ``B``.
        weights: how the weights are kept: ``float32`` (or the layer's own type), ``float16``, or ``int8`` with a scale
            for each row of a matrix. Reading them is most of what a step costs. State and sums are always float32.

    Calling it: ``x [B, F]``, or ``[B]`` integers for one-hot vectors, gives the outputs ``[B, H]`` of the last layer.

    Raises:
        ValueError: for a layer, shapes or symbols that do not fit.

    >>> import throughtime as tt
    >>> _ = torch.manual_seed(0)
    >>> layer, x = tt.nn.GRU(3, 5), torch.randn(4, 1, 3)
    >>> s = layer.stepper()
    >>> steps = torch.stack([s(step) for step in x])
    >>> bool((steps == layer(x)[0]).all())
    True
    >>> s.state.shape
    torch.Size([1, 1, 5])
    """

    def __init__(self, layer: Recurrent, batch_size: int = 1, weights: str = "float32") -> None:
        if weights not in PRECISIONS:
            raise ValueError(f"expected weights as {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}, found {weights!r}")
        if batch_size < 1:
            raise ValueError(f"expected a batch_size of at least 1, found {batch_size}")
        reasons = refusals(layer, weights)
        if reasons:
            raise ValueError("a stepper does not run this layer: " + "; ".join(reasons))
        self.batch_size, self.input_size, self.hidden_size = batch_size, layer.input_size, layer.hidden_size
        self._layers, self._states = layer.num_layers, len(layer.states)
        parameter = layer.weight_hh_l0
        assert isinstance(parameter, Tensor)
        self._dtype = parameter.dtype
        held = [  # while their addresses are read
            None if tensor is None else tensor.detach().contiguous()
            for place in range(layer.num_layers)
            for tensor in (
                getattr(layer, f"{name}_l{place}", None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
        ]
        kind = "Stepper_float64" if self._dtype == torch.float64 else "Stepper_float32"
        self._kernel: Any = getattr(kernels.extension, kind)(
            kernels.CELLS[layer.cell],
            batch_size,
            layer.hidden_size,
            PRECISIONS.index(weights),
            [layer.input_size] + [layer.hidden_size] * (layer.num_layers - 1),
            [0 if tensor is None else tensor.data_ptr() for tensor in held],
        )

    def __call__(self, x: Tensor) -> Tensor:
        """One step."""
        y = torch.empty(self.batch_size, self.hidden_size, dtype=self._dtype)
        if x.dtype == self._dtype and x.shape == (self.batch_size, self.input_size) and x.device.type == "cpu":
            held = x.contiguous()  # named, so that it lives through the call
            self._kernel.step(held.data_ptr(), y.data_ptr(), torch.get_num_threads())
        else:
            held = self._symbols(x)
            self._kernel.step_symbols(held.data_ptr(), y.data_ptr(), torch.get_num_threads())
        return y

    def _symbols(self, x: Tensor) -> Tensor:
        if x.is_floating_point() or x.shape != (self.batch_size,) or x.device.type != "cpu":
            raise ValueError(
                f"expected {self._dtype} vectors of shape {(self.batch_size, self.input_size)} "
                f"or symbols of shape {(self.batch_size,)} on the CPU, "
                f"found {x.dtype} of shape {tuple(x.shape)} on {x.device}"
            )
        low, high = (int(bound) for bound in x.aminmax())
        if not 0 <= low <= high < self.input_size:
            raise ValueError(f"expected symbols from 0 to {self.input_size - 1}, found {low} to {high}")
        return x.to(torch.int64).contiguous()

    def reset(self) -> None:
        """Back to the zero state."""
        self._kernel.reset()

    @property
    def state(self) -> Any:
        """A copy of the state, as the layer takes and gives it: ``h [L, B, H]``, or ``(h, c)`` for an LSTM.

        Setting it copies, too.
        """
        parts = [torch.empty(self._shape, dtype=self._dtype) for _ in range(self._states)]
        self._kernel.read_state(parts[0].data_ptr(), parts[1].data_ptr() if self._states == 2 else 0)
        return parts[0] if self._states == 1 else tuple(parts)

    @state.setter
    def state(self, state: Any) -> None:
        parts = [state] if self._states == 1 else list(state)
        for part in parts:
            if part.shape != self._shape:
                raise ValueError(f"expected a state of shape {self._shape}, found {tuple(part.shape)}")
        held = [part.detach().to("cpu", self._dtype).contiguous() for part in parts]
        self._kernel.write_state(held[0].data_ptr(), held[1].data_ptr() if self._states == 2 else 0)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self._layers, self.batch_size, self.hidden_size


def refusals(layer: Recurrent, weights: str = "float32") -> list[str]:
    """Every reason why a layer cannot run in steps."""
    parameter = layer.weight_hh_l0
    assert isinstance(parameter, Tensor)
    reasons = [kernels.MISSING] if kernels.MISSING else []
    if layer.bidirectional:
        reasons.append("expected one direction, found two: the other reads from the end")
    if layer.proj_size:
        reasons.append("expected no projection of the output (proj_size), found one")
    if layer.layer_norm:
        reasons.append("expected no layer_norm, found one")
    if parameter.device.type != "cpu":
        reasons.append(f"expected its parameters on the CPU, found {parameter.device}")
    if parameter.dtype not in (torch.float32, torch.float64):
        reasons.append(f"expected its parameters of float32 or float64, found {parameter.dtype}")
    if weights != "float32" and parameter.dtype != torch.float32:
        reasons.append(f"expected its parameters of float32 for {weights} weights, found {parameter.dtype}")
    return reasons
