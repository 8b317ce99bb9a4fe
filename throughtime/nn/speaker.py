"""A decoder that runs one step at a time with what all of them share made once: for searches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.nn.copying import copied, mixed
from throughtime.ops import FixedLinear, layer, linear
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
    - of the attentional vector ``tanh(W [c; h])`` the half that is made of the context is linear in the source's steps,
      and made once for each of these;
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
        self._attention, self._coverage = decoder.attention, decoder.coverage
        self._feeding, self._copying = decoder.input_feeding, decoder.gate is not None
        self._size, context = decoder.combine.out_features, decoder.bridge.in_features
        assert decoder.network.embedding is not None
        self._embedding = decoder.network.embedding.weight.detach()
        embedded = self._embedding.shape[1]
        made, bias = decoder.combine.weight, None
        if decoder.gate is not None:  # one number more, which reads the symbol, too
            *own, of_read = decoder.gate.weight.split([context, self._size, embedded], dim=1)
            made, bias = torch.cat([made, torch.cat(own, dim=1)]), F.pad(decoder.gate.bias, (self._size, 0))
            self._gates = linear(self._embedding, of_read).squeeze(1)
        of_context, of_hidden = made.split([context, self._size], dim=1)
        self._of_context, self._of_hidden = FixedLinear(of_context), FixedLinear(of_hidden, bias)
        self._head = FixedLinear(decoder.head.weight, decoder.head.bias)
        first, *others = decoder.network.recurrences
        self._cells = [_Cell(first, given=True), *map(_Cell, others)]
        weight, bias = first.get_parameter("weight_ih_l0"), first.get_parameter("bias_ih_l0")
        of_symbol, of_fed = weight.split([embedded, weight.shape[1] - embedded], dim=1)
        self._of_symbol, self._of_fed = FixedLinear(of_symbol, bias), FixedLinear(of_fed)
        self._asked = 0
        self._table: Tensor | None = None

    @torch.no_grad()
    def remember(self, sources: Ragged, symbols: Ragged | None = None) -> Memory:
        """What will be looked at, as :meth:`Decoder.remember` is told of it; for this speaker alone."""
        keys = sources if self._attention.key is None else sources.with_values(self._attention.key(sources.values))
        return replace(Memory.of(keys, sources.with_values(self._of_context(sources.values))), symbols=symbols)

    @torch.no_grad()
    def __call__(self, symbols: Tensor, memory: Memory, state: State, rows: Tensor) -> tuple[Tensor, State]:
        """Scores ``[R, V]`` of what follows one more symbol each, ``[R]``, and the state after it.

        Args:
            symbols: one for each row.
            memory: from :meth:`remember`.
            state: of each row, as :meth:`Decoder.start` gives it.
            rows: ``[R]`` the source that each row looks at, on the CPU.
        """
        hidden, given, after = self._input(symbols), iter(state), list[Tensor]()
        states = [[next(given) for _ in cell.states] for cell in self._cells]
        if self._feeding:
            hidden += self._of_fed(next(given)[0])
        for cell, own in zip(self._cells, states, strict=True):
            hidden, final = cell(hidden, tuple(own))
            after += final
        context, weights, covered = self._look(hidden, rows, memory, *(part[0] for part in given))
        made = context.add_(self._of_hidden(hidden))
        vectors = made[:, : self._size].tanh()
        scores = self._head(vectors)
        if self._copying:
            gates = made[:, self._size] + self._gates.index_select(0, symbols)
            scores = mixed(scores, gates, weights, copied(memory, rows))
        return scores, (*after, *([vectors[None]] if self._feeding else []), *covered)

    def _look(self, hidden: Tensor, rows: Tensor, memory: Memory, *so_far: Tensor) -> tuple[Tensor, Ragged, State]:
        if self._coverage is not None:
            found = self._coverage(self._attention, hidden, rows, memory, *so_far)
            return found.context, found.weights, (found.so_far[None],)
        query = self._attention.query
        return *attend(
            hidden if query is None else query(hidden), rows, memory, self._attention.vector, alone=False
        ), ()

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
