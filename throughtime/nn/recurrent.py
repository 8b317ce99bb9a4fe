"""``RNN``, ``LSTM`` and ``GRU`` with torch's signatures, outputs and parameter names, on ragged batches.

Letters: ``B`` sequences, ``T`` steps of the longest, ``N`` steps in all, ``F`` input size, ``H`` hidden size, ``P``
output size (``H``, or the LSTM's ``proj_size``), ``L`` layers, ``D`` directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from throughtime import ops
from throughtime.ops.loop import State
from throughtime.ragged import Ragged, TimeMajor, reorder

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]

Sequences = TypeVar("Sequences", Ragged, PackedSequence, Tensor)


class Recurrent(nn.Module):
    """What the three layers share; abstract. See :class:`LSTM` for the arguments, inputs and outputs."""

    gates: int
    states: tuple[str, ...] = ("h",)
    _op: Callable[..., tuple[Tensor, State]]

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
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self.recurrent_dropout = float(recurrent_dropout)
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

    def reset_parameters(self) -> None:
        """Uniform between ±1/√H, as torch has it."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do; here so that code written for torch's layers runs."""

    # ---- forward ----------------------------------------------------------------------------------------------

    def forward(
        self, input: Sequences, hx: Any = None, *, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Sequences, Any]:
        """Run over the whole of every sequence, from the state ``hx`` (zero when none) to the state after it."""
        data, order, restore = self._time_major(input, lengths)
        batch = len(order.rows)
        unbatched = isinstance(input, Tensor) and input.dim() == (2 if input.is_floating_point() else 1)
        state = self._initial(hx, batch, order, unbatched)
        final: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                data = F.dropout(data, self.dropout, self.training)
            outputs = []
            for direction in range(self.num_directions):
                place = layer * self.num_directions + direction
                output, last = self._direction(data, tuple(part[place] for part in state), order, layer, direction)
                outputs.append(output)
                final.append(last)
            data = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]
        parts = [torch.stack(part).index_select(1, order.ranks) for part in zip(*final, strict=True)]
        if unbatched:
            parts = [part.squeeze(1) for part in parts]
        return restore(data), parts[0] if len(parts) == 1 else tuple(parts)

    def _direction(
        self, data: Tensor, state: State, order: TimeMajor, layer: int, direction: int
    ) -> tuple[Tensor, State]:
        suffix = _suffix(layer, direction)
        weight_ih = getattr(self, f"weight_ih{suffix}")
        bias_ih = getattr(self, f"bias_ih{suffix}", None)
        if data.is_floating_point():
            inputs = F.linear(data, weight_ih, bias_ih)
        else:  # one-hot vectors: their product with W is a column of W each, so take those
            inputs = F.embedding(data, weight_ih.t())
            inputs = inputs if bias_ih is None else inputs + bias_ih
        return self._op(
            inputs,
            state,
            getattr(self, f"weight_hh{suffix}"),
            getattr(self, f"bias_hh{suffix}", None),
            order.batch_sizes,
            reverse=bool(direction),
            dropout_mask=self._mask(state[0]),
            **self._options(suffix),
        )

    def _options(self, suffix: str) -> dict[str, Any]:
        """What this cell's op takes besides, for the parameters of that suffix."""
        return {}

    def _mask(self, h: Tensor) -> Tensor | None:
        if not (self.training and self.recurrent_dropout):
            return None
        return F.dropout(torch.ones_like(h), self.recurrent_dropout)

    # ---- what comes in and goes out ---------------------------------------------------------------------------

    def _time_major(
        self, input: Any, lengths: Tensor | Sequence[int] | None
    ) -> tuple[Tensor, TimeMajor, Callable[[Tensor], Any]]:
        """The steps in time-major order, that order, and the way back to the kind of sequences that came in."""
        if lengths is not None and not isinstance(input, Tensor):
            raise ValueError(f"expected no lengths with a {type(input).__name__}, which knows its own")
        if isinstance(input, Ragged):
            return self._from_ragged(input)
        if isinstance(input, PackedSequence):
            return self._from_packed(input)
        if not isinstance(input, Tensor):
            raise TypeError(f"expected a Ragged, a PackedSequence or a tensor, found {type(input).__name__}")
        return self._from_padded(input, lengths)

    def _from_ragged(self, batch: Ragged) -> tuple[Tensor, TimeMajor, Callable[[Tensor], Ragged]]:
        self._check(batch.values)
        order = batch.time_major
        data = reorder(batch.values, order.gather, order.scatter)
        return data, order, lambda out: batch.with_values(reorder(out, order.scatter, order.gather))

    def _from_packed(self, packed: PackedSequence) -> tuple[Tensor, TimeMajor, Callable[[Tensor], Any]]:
        self._check(packed.data)
        sizes = tuple(packed.batch_sizes.tolist())
        rows, ranks = packed.sorted_indices, packed.unsorted_indices
        if rows is None or ranks is None:
            rows = ranks = torch.arange(sizes[0], device=packed.data.device)
        none = rows.new_empty(0)  # the data is in time-major order already
        order = TimeMajor(sizes, rows, ranks, none, none)
        return packed.data, order, lambda out: packed._replace(data=out)

    def _from_padded(
        self, padded: Tensor, lengths: Tensor | Sequence[int] | None
    ) -> tuple[Tensor, TimeMajor, Callable[[Tensor], Tensor]]:
        vector = int(padded.is_floating_point())
        if padded.dim() - vector not in (1, 2):
            raise ValueError(
                f"expected {'[T, F] or [T, B, F] vectors' if vector else '[T] or [T, B] symbols'}, "
                f"found shape {tuple(padded.shape)}"
            )
        if padded.dim() - vector == 1:
            data, order, back = self._from_padded_batch(padded.unsqueeze(1), lengths, False)
            return data, order, lambda out: back(out).squeeze(1)
        return self._from_padded_batch(padded, lengths, self.batch_first)

    def _from_padded_batch(
        self, padded: Tensor, lengths: Tensor | Sequence[int] | None, batch_first: bool
    ) -> tuple[Tensor, TimeMajor, Callable[[Tensor], Tensor]]:
        steps = padded.shape[1 if batch_first else 0]
        if lengths is None:
            lengths = [steps] * padded.shape[0 if batch_first else 1]
        batch = Ragged.from_padded(padded, lengths, batch_first=batch_first)
        data, order, back = self._from_ragged(batch)
        return data, order, lambda out: back(out).to_padded(batch_first=batch_first, length=steps)

    def _check(self, values: Tensor) -> None:
        if values.is_floating_point():
            if values.dim() != 2 or values.shape[1] != self.input_size:
                raise ValueError(f"expected vectors of size {self.input_size}, found {tuple(values.shape[1:])}")
        elif values.dim() != 1:
            raise ValueError(f"expected one symbol a step, found shape {tuple(values.shape)}")
        elif len(values) and not 0 <= int(values.min()) <= int(values.max()) < self.input_size:
            raise ValueError(
                f"expected symbols from 0 to {self.input_size - 1}, found {int(values.min())} to {int(values.max())}"
            )

    def _initial(self, hx: Any, batch: int, order: TimeMajor, unbatched: bool) -> State:
        """Each part of the state as ``[L·D, B, ·]`` with the rows in time-major order."""
        stacked = self.num_layers * self.num_directions
        sizes = (self.output_size, self.hidden_size)[: len(self.states)]
        if hx is None:
            weight = self.weight_hh_l0
            return tuple(cast(Tensor, weight).new_zeros(stacked, batch, size) for size in sizes)
        parts = (hx,) if len(self.states) == 1 else tuple(hx)
        if unbatched:
            parts = tuple(part.unsqueeze(1) for part in parts)
        for name, part, size in zip(self.states, parts, sizes, strict=True):
            if part.shape != (stacked, batch, size):
                raise ValueError(
                    f"expected initial {name} of shape {(stacked, batch, size)}, found {tuple(part.shape)}"
                )
        return tuple(part.index_select(1, order.rows) for part in parts)

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
        device: where the parameters are made.
        dtype: their type.

    Calling it: ``output, (h_n, c_n) = layer(input, (h_0, c_0), lengths=None)``.

    - ``input`` is a :class:`~throughtime.Ragged` or ``PackedSequence`` (the output is of the same kind), or a padded
      tensor ``[T, B, F]`` or ``[T, F]``, with ``lengths [B]`` where sequences are shorter than the tensor; outputs
      behind a sequence's end are then zero. Integers in the place of vectors, without the last axis, are one-hot
      vectors.
    - ``h_0 [L·D, B, P]``, ``c_0 [L·D, B, H]``: zero when left out. ``h_n`` and ``c_n``, of the same shapes, are taken
      at each sequence's own end: its last step forwards, its first step backwards.

    Raises:
        ValueError: for sizes, shapes or symbols that do not fit.

    >>> _ = torch.manual_seed(0)
    >>> layer = LSTM(8, 16, bidirectional=True)
    >>> batch = Ragged.from_list([torch.randn(5, 8), torch.randn(2, 8)])
    >>> output, (h_n, c_n) = layer(batch)
    >>> output.values.shape, h_n.shape
    (torch.Size([7, 32]), torch.Size([2, 2, 16]))
    """

    gates = 4
    _op = staticmethod(ops.lstm)
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
            device=device,
            dtype=dtype,
        )

    def _options(self, suffix: str) -> dict[str, Any]:
        return {"weight_hr": getattr(self, f"weight_hr{suffix}", None)}


class GRU(Recurrent):
    """Gated recurrent unit; takes the place of ``torch.nn.GRU``. Arguments, inputs and outputs as :class:`LSTM`'s.

    The state is ``h`` alone: ``output, h_n = layer(input, h_0)``.

    >>> _ = torch.manual_seed(0)
    >>> output, h_n = GRU(8, 16)(torch.randn(5, 3, 8), lengths=[5, 1, 2])
    >>> output.shape, h_n.shape
    (torch.Size([5, 3, 16]), torch.Size([1, 3, 16]))
    """

    gates = 3
    _op = staticmethod(ops.gru)

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
            device=device,
            dtype=dtype,
        )


class RNN(Recurrent):
    """Elman's network; takes the place of ``torch.nn.RNN``. Arguments, inputs and outputs as :class:`LSTM`'s.

    The state is ``h`` alone; ``nonlinearity`` is ``tanh`` or ``relu``.

    >>> _ = torch.manual_seed(0)
    >>> output, h_n = RNN(10, 4, nonlinearity="relu")(Ragged.from_list([[1, 2, 3], [9]]))  # one-hot symbols
    >>> output.values.shape
    torch.Size([4, 4])
    """

    gates = 1
    _op = staticmethod(ops.elman)

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
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"expected nonlinearity 'tanh' or 'relu', found {nonlinearity!r}")
        self.nonlinearity = nonlinearity
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
            device=device,
            dtype=dtype,
        )

    def _options(self, suffix: str) -> dict[str, Any]:
        return {"nonlinearity": self.nonlinearity}


def _suffix(layer: int, direction: int) -> str:
    return f"_l{layer}" + ("_reverse" if direction else "")
