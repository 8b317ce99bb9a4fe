"""A decoder that runs one step at a time for rows that come and go, with what all steps share made once: for searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from throughtime.ops import FixedLinear, layer
from throughtime.ops.attention import Memory, attend
from throughtime.ragged import Ragged

if TYPE_CHECKING:
    from throughtime.nn.decoder import Decoder
    from throughtime.nn.recurrent import Recurrent

__all__ = ["Speaker"]

State = tuple[Tensor, ...]


class Speaker:
    """Made by ``decoder.speaker()``: ``scores, state = s(symbols, memory, state, rows)`` is one step, without dropout.

    What it answers is what :meth:`Decoder.step` answers, with less work for each step:

    - what the input's weights make of a symbol is looked up, once as many were asked for as there are;
    - of the attentional vector ``tanh(W [c; h])`` the half that is made of the source, linear in the context's steps, is
      made once for each of these;
    - weights lie as products read them, and sources of equal length are looked at together.

    It holds copies of most weights: when the decoder has learnt more, another is to be made.

    >>> from throughtime.nn.decoder import Decoder
    >>> _ = torch.manual_seed(0)
    >>> decoder = Decoder(20, memory_size=6, cell="gru", embedding_size=8, hidden_size=5).eval()
    >>> sources, final = Ragged.from_list([torch.randn(4, 6), torch.randn(2, 6)]), torch.randn(2, 6)
    >>> speaker, symbols, rows = decoder.speaker(), torch.tensor([2, 7]), torch.tensor([0, 1])
    >>> scores, state = speaker(symbols, speaker.remember(sources), decoder.start(final), rows)
    >>> wanted, _ = decoder.step(symbols, decoder.remember(sources), decoder.start(final), rows)
    >>> torch.allclose(scores, wanted, atol=1e-6)
    True
    """

    @torch.no_grad()
    def __init__(self, decoder: Decoder) -> None:
        self._attention, self._feeding = decoder.attention, decoder.input_feeding
        size = decoder.combine.out_features
        of_context, of_hidden = decoder.combine.weight.split([decoder.bridge.in_features, size], dim=1)
        self._of_context, self._of_hidden = FixedLinear(of_context), FixedLinear(of_hidden)
        self._head = FixedLinear(decoder.head.weight, decoder.head.bias)
        first, *others = decoder.network.recurrences
        self._first, self._others = _Cell(first, given=True), [_Cell(own) for own in others]
        assert decoder.network.embedding is not None
        self._embedding = decoder.network.embedding.weight.detach()
        weight, bias = first.get_parameter("weight_ih_l0"), first.get_parameter("bias_ih_l0")
        of_symbol, of_fed = weight.split([self._embedding.shape[1], weight.shape[1] - self._embedding.shape[1]], dim=1)
        self._of_symbol, self._of_fed = FixedLinear(of_symbol, bias), FixedLinear(of_fed)
        self._asked = 0
        self._table: Tensor | None = None

    @torch.no_grad()
    def remember(self, sources: Ragged) -> Memory:
        """What will be looked at, of the encoder's outputs ``[M, K]`` for ``B`` sources: see :class:`Decoder`."""
        keys = sources if self._attention.key is None else sources.with_values(self._attention.key(sources.values))
        return Memory.of(keys, sources.with_values(self._of_context(sources.values)))

    @torch.no_grad()
    def __call__(self, symbols: Tensor, memory: Memory, state: State, rows: Tensor) -> tuple[Tensor, State]:
        """Scores ``[R, V]`` of what follows one more symbol each, ``[R]``, and the state after it.

        Args:
            symbols: one for each row.
            memory: from :meth:`remember`.
            state: of each row, as :meth:`Decoder.start` gives it.
            rows: ``[R]`` the source that each row looks at, on the CPU.
        """
        data = self._input(symbols)
        if self._feeding:
            *state, fed = state
            data += self._of_fed(fed[0])
        hidden, after = self._first(data, state[: len(self._first.states)])
        for place, cell in enumerate(self._others, 1):
            begin = place * len(cell.states)
            hidden, own = cell(hidden, state[begin : begin + len(cell.states)])
            after += own
        query = self._attention.query
        asked = hidden if query is None else query(hidden)
        seen = attend(asked, rows, memory, self._attention.vector, alone=False).context
        vectors = seen.add_(self._of_hidden(hidden)).tanh_()
        return self._head(vectors), (*after, vectors[None]) if self._feeding else after

    def _input(self, symbols: Tensor) -> Tensor:
        """``[R, G·H]``: what the input's weights make of the symbols."""
        if self._table is None:
            self._asked += len(symbols)
            if self._asked <= len(self._embedding):
                return self._of_symbol(self._embedding.index_select(0, symbols))
            self._table = self._of_symbol(self._embedding)
        return self._table.index_select(0, symbols)


class _Cell:
    """One step of a layer; ``given`` what the input contributes ``[R, G·H]``, or the input ``[R, F]``."""

    def __init__(self, own: Recurrent, *, given: bool = False) -> None:
        self.states, self._cell = own.states, own.cell
        weights = own._weights(0)
        self._weights = weights._replace(ih=[], bias_ih=[]) if given else weights

    def __call__(self, data: Tensor, state: State) -> tuple[Tensor, State]:
        return layer(self._cell, data, state, self._weights, torch.tensor([len(data)]))
