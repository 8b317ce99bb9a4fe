"""``RNN``, ``LSTM`` and ``GRU`` with torch's signatures, outputs and parameter names, on ragged batches.

Letters: ``B`` sequences, ``T`` steps of the longest, ``N`` steps in all, ``F`` input size, ``H`` hidden size, ``P``
output size (``H``, or the LSTM's ``proj_size``), ``L`` layers, ``D`` directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from throughtime import ops
from throughtime.nn.stepper import Stepper
from throughtime.nn.steps import Sequences, Steps, time_major
from throughtime.ops.layer import BACKENDS

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]


class Recurrent(nn.Module):
    """What the three layers share; abstract. See :class:`LSTM` for the arguments, inputs and outputs."""

    cell: str
    """What :func:`throughtime.ops.layer` calls this cell."""
    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h",)
    op = staticmethod(ops.layer)
    """What runs a layer; :class:`throughtime.ops.Trace` has another that keeps every state."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        recurrent_dropout: float,
        layer_norm: bool,
        recompute: bool,
        backend: str,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        for name, value, low in (
            ("input_size", input_size, 1),
            ("hidden_size", hidden_size, 1),
            ("num_layers", num_layers, 1),
            ("proj_size", proj_size, 0),
        ):
            if value < low:
                raise ValueError(f"expected {name} of at least {low}, found {value}")
        for name, share in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0 <= share <= 1:
                raise ValueError(f"expected {name} from 0 to 1, found {share}")
        if proj_size >= hidden_size:
            raise ValueError(f"expected proj_size below hidden_size {hidden_size}, found {proj_size}")
        if proj_size and layer_norm:
            raise ValueError("expected no layer_norm together with a proj_size, found both")
        if backend not in BACKENDS:
            raise ValueError(f"expected backend {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}, found {backend!r}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self.recurrent_dropout = float(recurrent_dropout)
        self.layer_norm, self.recompute, self.backend = layer_norm, recompute, backend
        for name, shape in self._shapes():
            setattr(self, name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    # ---- parameters -------------------------------------------------------------------------------------------

    @property
    def output_size(self) -> int:
        """Size of one direction's output, ``P``."""
        return self.proj_size or self.hidden_size

    @property
    def num_directions(self) -> int:
        """``D``: 2 when bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        rows = self.gates * self.hidden_size
        for layer in range(self.num_layers):
            width = self.output_size * self.num_directions if layer else self.input_size
            for direction in range(self.num_directions):
                suffix = _suffix(layer, direction)
                yield f"weight_ih{suffix}", (rows, width)
                yield f"weight_hh{suffix}", (rows, self.output_size)
                if self.bias:
                    yield f"bias_ih{suffix}", (rows,)
                    yield f"bias_hh{suffix}", (rows,)
                if self.proj_size:
                    yield f"weight_hr{suffix}", (self.proj_size, self.hidden_size)
                if self.layer_norm:
                    yield f"norm_ih{suffix}", (rows,)
                    yield f"norm_hh{suffix}", (rows,)

    def reset_parameters(self) -> None:
        """Uniform between ±1/√H, as torch has it; the norms' scales are 1."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if name.startswith("norm"):
                nn.init.ones_(parameter)
            else:
                nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do; here so that code written for torch's layers runs."""

    # ---- forward ----------------------------------------------------------------------------------------------

    def forward(
        self,
        input: Sequences,
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        resets: Any = None,
        table: Tensor | None = None,
    ) -> tuple[Sequences, Any]:
        """Run over the whole of every sequence, from the state ``hx`` (zero when none) to the state after it."""
        steps = time_major(input, lengths, batch_first=self.batch_first)
        self._check(steps.data, table)
        marks = None if resets is None else self._marks(resets, lengths, steps)
        state = self._initial(hx, steps.batch, steps.rows, steps.unbatched)
        data, final = steps.data, []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                data = F.dropout(data, self.dropout, self.training)
            first = layer * self.num_directions
            own = tuple(part[first : first + self.num_directions] for part in state)
            arguments = (layer, data, own, steps.batch_sizes, self._mask(own[0]), marks, None if layer else table)
            if self.recompute and torch.is_grad_enabled():
                data, own = checkpoint(self._layer, *arguments, use_reentrant=False)
            else:
                data, own = self._layer(*arguments)
            final.append(own)
        parts = [torch.cat(part) for part in zip(*final, strict=True)]
        if steps.ranks is not None:
            parts = [part.index_select(1, steps.ranks) for part in parts]
        if steps.unbatched:
            parts = [part.squeeze(1) for part in parts]
        return steps.restore(data), parts[0] if len(parts) == 1 else tuple(parts)

    def _layer(
        self,
        layer: int,
        data: Tensor,
        state: tuple[Tensor, ...],
        batch_sizes: Tensor,
        mask: Tensor | None,
        resets: Tensor | None,
        table: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        weights = self._weights(layer)
        if table is not None:  # the table's vectors times W, once each, in the place of every step's
            weights = weights._replace(ih=[ops.linear(table, weight).t() for weight in weights.ih])
        return self.op(
            self.cell, data, state, weights, batch_sizes, dropout_mask=mask, resets=resets, backend=self.backend
        )

    def _weights(self, layer: int) -> ops.Weights:
        def each(name: str) -> list[Tensor]:
            names = [name + _suffix(layer, direction) for direction in range(self.num_directions)]
            return [getattr(self, name) for name in names if name in self._parameters]

        return ops.Weights(
            hh=each("weight_hh"),
            ih=each("weight_ih"),
            bias_ih=each("bias_ih"),
            bias_hh=each("bias_hh"),
            norm_ih=each("norm_ih"),
            norm_hh=each("norm_hh"),
            hr=each("weight_hr"),
        )

    def _mask(self, h: Tensor) -> Tensor | None:
        if not (self.training and self.recurrent_dropout):
            return None
        return F.dropout(torch.ones_like(h), self.recurrent_dropout)

    def stepper(self, batch_size: int = 1, weights: str = "float32") -> Stepper:
        """Make it run one step at a time, with packed weights and a state of its own: see :class:`Stepper`."""
        return Stepper(self, batch_size, weights)

    # ---- what comes in ----------------------------------------------------------------------------------------

    def _check(self, data: Tensor, table: Tensor | None) -> None:
        if data.is_floating_point():
            if table is not None:
                raise ValueError("expected symbols with a table, found vectors")
            if data.dim() != 2 or data.shape[1] != self.input_size:
                raise ValueError(f"expected vectors of size {self.input_size}, found {tuple(data.shape[1:])}")
            return
        if data.dim() != 1:
            raise ValueError(f"expected one symbol a step, found shape {tuple(data.shape)}")
        if table is not None and (table.dim() != 2 or table.shape[1] != self.input_size):
            raise ValueError(f"expected a table [V, {self.input_size}], found shape {tuple(table.shape)}")
        symbols = self.input_size if table is None else len(table)
        if torch.compiler.is_compiling() or not len(data):
            return
        low, high = (int(bound) for bound in data.aminmax())
        if not 0 <= low <= high < symbols:
            raise ValueError(f"expected symbols from 0 to {symbols - 1}, found {low} to {high}")

    def _marks(self, resets: Any, lengths: Tensor | Sequence[int] | None, steps: Steps) -> Tensor:
        """A truth value for each step, in the same time-major order."""
        marks = time_major(resets, lengths, batch_first=self.batch_first)
        if marks.data.dtype != torch.bool or marks.data.dim() != 1:
            raise ValueError(
                f"expected resets as a truth value for each step, "
                f"found {str(marks.data.dtype).removeprefix('torch.')} of shape {tuple(marks.data.shape)}"
            )
        same_rows = marks.rows is steps.rows or (
            marks.rows is not None and steps.rows is not None and torch.equal(marks.rows, steps.rows)
        )
        if not (same_rows and torch.equal(marks.batch_sizes, steps.batch_sizes)):
            raise ValueError("expected resets for the same sequences as the input's, found others")
        return marks.data

    def _initial(self, hx: Any, batch: int, rows: Tensor | None, unbatched: bool) -> tuple[Tensor, ...]:
        """Each part of the state as ``[L·D, B, ·]`` with the rows in time-major order."""
        stacked = self.num_layers * self.num_directions
        sizes = (self.output_size, self.hidden_size)[: len(self.states)]
        if hx is None:
            weight = cast(Tensor, self.weight_hh_l0)
            return tuple(weight.new_zeros(stacked, batch, size) for size in sizes)
        parts = (hx,) if len(self.states) == 1 else tuple(hx)
        if unbatched:
            parts = tuple(part.unsqueeze(1) for part in parts)
        for name, part, size in zip(self.states, parts, sizes, strict=True):
            if part.shape != (stacked, batch, size):
                raise ValueError(
                    f"expected initial {name} of shape {(stacked, batch, size)}, found {tuple(part.shape)}"
                )
        return parts if rows is None else tuple(part.index_select(1, rows) for part in parts)

    def extra_repr(self) -> str:
        """Sizes and what differs from the defaults, for ``repr``."""
        words = [str(self.input_size), str(self.hidden_size)]
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "proj_size": 0,
            "recurrent_dropout": 0.0,
            "layer_norm": False,
            "recompute": False,
            "backend": "auto",
        }
        words += [f"{name}={getattr(self, name)}" for name, usual in defaults.items() if getattr(self, name) != usual]
        return ", ".join(words)


class LSTM(Recurrent):
    """Long short-term memory; takes the place of ``torch.nn.LSTM``, and computes on real steps only.

    Args:
        input_size: ``F``.
        hidden_size: ``H``.
        num_layers: layers stacked, each reading the one below.
        bias: whether there are bias vectors.
        batch_first: padded tensors are ``[B, T, F]`` rather than ``[T, B, F]``.
        dropout: share of each layer's output set to zero in training, except the last layer's.
        bidirectional: also read from the end to the beginning; outputs are joined.
        proj_size: project the output to this size, ``P`` (0: no projection).
        recurrent_dropout: share of ``h_{t-1}`` hidden from the recurrent product, one mask a sequence
            (Gal & Ghahramani 2016).
        layer_norm: normalise, in each gate, the input's product and the recurrent one to mean 0 and variance 1 over the
            ``H`` units, then scale them (``norm_ih``, ``norm_hh``) and shift them (the biases): Ba, Kiros & Hinton
            2016, eq. 4, gate by gate.
        recompute: keep neither gates nor cells for the backward pass, but run each layer once more there: a third more
            work for less memory.
        backend: ``kernels`` (compiled; float32 and float64 on a CPU), ``reference`` (plain PyTorch), or ``auto``: the
            first that can.
        device: where the parameters are made.
        dtype: their type.

    Calling it: ``output, (h_n, c_n) = layer(input, (h_0, c_0), lengths=None, resets=None, table=None)``.

    - ``input`` is a :class:`~throughtime.Ragged` or ``PackedSequence`` (the output is of the same kind), or a padded
      tensor ``[T, B, F]`` or ``[T, F]``, with ``lengths [B]`` where sequences are shorter than the tensor; outputs
      behind a sequence's end are then zero. Integers in the place of vectors, without the last axis, are one-hot
      vectors.
    - ``h_0 [L·D, B, P]``, ``c_0 [L·D, B, H]``: zero when left out. ``h_n`` and ``c_n``, of the same shapes, are taken
      at each sequence's own end: its last step forwards, its first step backwards.
    - ``resets``: a truth value for each step, arranged as ``input`` is; before a marked step the state becomes zero.
    - ``table [V, F]``: integers then stand for its rows. Their products with the input's weights are made once each.

    Raises:
        ValueError: for sizes, shapes or symbols that do not fit, or when ``backend="kernels"`` cannot run this: with
            every reason.

    >>> _ = torch.manual_seed(0)
    >>> layer = LSTM(8, 16, bidirectional=True)
    >>> from throughtime import Ragged
    >>> batch = Ragged.from_list([torch.randn(5, 8), torch.randn(2, 8)])
    >>> output, (h_n, c_n) = layer(batch)
    >>> output.values.shape, h_n.shape
    (torch.Size([7, 32]), torch.Size([2, 2, 16]))
    """

    cell = "lstm"
    gates = 4
    states = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = False,
        recompute: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=proj_size,
            recurrent_dropout=recurrent_dropout,
            layer_norm=layer_norm,
            recompute=recompute,
            backend=backend,
            device=device,
            dtype=dtype,
        )


class GRU(Recurrent):
    """Gated recurrent unit; takes the place of ``torch.nn.GRU``. Arguments, inputs and outputs as :class:`LSTM`'s.

    The state is ``h`` alone: ``output, h_n = layer(input, h_0)``.

    >>> _ = torch.manual_seed(0)
    >>> output, h_n = GRU(8, 16)(torch.randn(5, 3, 8), lengths=[5, 1, 2])
    >>> output.shape, h_n.shape
    (torch.Size([5, 3, 16]), torch.Size([1, 3, 16]))
    """

    cell = "gru"
    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = False,
        recompute: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=0,
            recurrent_dropout=recurrent_dropout,
            layer_norm=layer_norm,
            recompute=recompute,
            backend=backend,
            device=device,
            dtype=dtype,
        )


class RNN(Recurrent):
    """Elman's network; takes the place of ``torch.nn.RNN``. Arguments, inputs and outputs as :class:`LSTM`'s.

    The state is ``h`` alone; ``nonlinearity`` is ``tanh`` or ``relu``.

    >>> _ = torch.manual_seed(0)
    >>> from throughtime import Ragged
    >>> output, h_n = RNN(10, 4, nonlinearity="relu")(Ragged.from_list([[1, 2, 3], [9]]))  # one-hot symbols
    >>> output.values.shape
    torch.Size([4, 4])
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = False,
        recompute: bool = False,
        backend: str = "auto",
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"expected nonlinearity 'tanh' or 'relu', found {nonlinearity!r}")
        self.nonlinearity, self.cell = nonlinearity, f"elman_{nonlinearity}"
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=0,
            recurrent_dropout=recurrent_dropout,
            layer_norm=layer_norm,
            recompute=recompute,
            backend=backend,
            device=device,
            dtype=dtype,
        )


def _suffix(layer: int, direction: int) -> str:
    return f"_l{layer}" + ("_reverse" if direction else "")
