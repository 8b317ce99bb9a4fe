"""A language model that looks at a source: recurrences with attention, for sequence to sequence."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.nn.attention import Attention, Memory
from throughtime.nn.copying import copied, mixed
from throughtime.nn.coverage import Coverage
from throughtime.nn.dropout import locked_dropout, slots_of
from throughtime.nn.encoder import CELLS
from throughtime.nn.init import initialise_recurrent
from throughtime.nn.language import LanguageNetwork, own_state
from throughtime.nn.linear import Linear
from throughtime.nn.recurrent import Recurrent
from throughtime.nn.speaker import Speaker
from throughtime.ops import run_through_time
from throughtime.ragged import Ragged, reorder

__all__ = ["Decoded", "Decoder", "State"]

State = tuple[Tensor, ...]
"""``h`` of each layer, or ``h`` and ``c``, then with input feeding the last attentional vector, then with coverage the
sum of the weights so far: ``[1, B, ·]`` each."""


class Decoded(NamedTuple):
    """What :class:`Decoder` gives."""

    outputs: Ragged
    """``[N, O]``: the attentional vectors, whose product with ``head`` scores what comes next."""
    weights: Ragged
    """``[P]``: for each of the ``N`` steps, the weights of its source's steps."""
    state: State
    """To carry on from."""
    gates: Tensor | None = None
    """``[N]``, where symbols are copied: see :func:`throughtime.nn.copying.mixed`."""
    overlap: Tensor | None = None
    """``[N]``, where coverage is known: see :class:`throughtime.nn.coverage.Covered`."""


class _Looked(NamedTuple):
    """One look at the source."""

    vectors: Tensor
    weights: Ragged
    gates: Tensor | None
    overlap: Tensor | None
    covered: State
    """With coverage, the sums of the weights so far ``[N, S]``."""


class Decoder(nn.Module):
    """Reads the target so far and looks at the source; after each symbol, a vector that foretells the next.

    The recurrences' output ``h`` asks for a context ``c`` of the source, and both make the attentional vector
    ``tanh(W [c; h])`` (Luong, Pham & Manning 2015, eq. 5). Then either

    - attention comes after the recurrence: this runs over the whole target at once; or
    - with input feeding (section 3.3 there) the vector is also part of the next step's input, so that what was looked
      at is known: one step at a time for all sequences that still run. So it is with coverage, where attention knows
      how much each of the source's steps was looked at (See, Liu & Manning 2017, section 2.3).

    With ``copying``, symbols are also taken from the source (section 2.2 there). What comes next is then scored by
    :meth:`scores`, of which ``head`` is a part; the gate sees the context, ``h`` and what is read (eq. 8).

    Args:
        num_symbols: size of the target's vocabulary, ``V``.
        memory_size: ``K``, size of the encoder's outputs and of its final vector.
        cell: ``elman``, ``lstm`` or ``gru``.
        embedding_size: ``E``.
        hidden_size: ``H`` of each layer; the last one's, ``O``, is ``E`` where weights are tied.
        num_layers: recurrences stacked.
        attention: ``dot``, ``general`` or ``additive``.
        input_feeding: whether the attentional vector goes into the next step.
        copying: whether symbols are copied from the source.
        coverage: whether attention knows how much it has looked at each step.
        tied: whether the scores' weights are the embeddings themselves (Press & Wolf 2017).
        embedding_dropout: share of the symbols whose vector is hidden wherever they stand.
        input_dropout: share of the embeddings' features hidden, one mask a sequence.
        hidden_dropout: share of the features between layers hidden, one mask a sequence.
        output_dropout: share of the attentional vector's features hidden, one mask a sequence.
        recurrent_dropout: share of ``h_{t-1}`` hidden from the recurrent product, one mask a sequence.

    >>> _ = torch.manual_seed(0)
    >>> decoder = Decoder(20, memory_size=6, cell="gru", embedding_size=8, hidden_size=5)
    >>> sources, final = Ragged.from_list([torch.randn(4, 6), torch.randn(2, 6)]), torch.randn(2, 6)
    >>> memory = decoder.remember(sources)
    >>> decoded = decoder(Ragged.from_list([[2, 7, 3], [2, 3]]), memory, decoder.start(final))
    >>> decoded.outputs.values.shape, decoded.weights.lengths
    (torch.Size([5, 5]), tensor([4, 4, 4, 2, 2]))
    >>> scores, state = decoder.step(torch.tensor([2, 2]), memory, decoder.start(final))
    >>> torch.allclose(scores[1], decoder.head(decoded.outputs[1])[0], atol=1e-6)
    True
    """

    def __init__(
        self,
        num_symbols: int,
        *,
        memory_size: int,
        cell: str,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        attention: str = "general",
        input_feeding: bool = False,
        copying: bool = False,
        coverage: bool = False,
        tied: bool = False,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        output_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input_feeding, self.output_dropout = input_feeding, output_dropout
        self.network = LanguageNetwork(
            num_symbols,
            cell=cell,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            tied=tied,
            embedding_dropout=embedding_dropout,
            input_dropout=input_dropout,
            hidden_dropout=hidden_dropout,
            recurrent_dropout=recurrent_dropout,
        )
        size = self.network.recurrences[-1].hidden_size
        if input_feeding:
            first = self.network.recurrences[0]
            wider = CELLS[cell](embedding_size + size, first.hidden_size, recurrent_dropout=recurrent_dropout)
            initialise_recurrent(wider)
            self.network.layers[0] = wider
        self.attention = Attention(attention, query_size=size, memory_size=memory_size)
        self.combine = Linear(memory_size + size, size, bias=False)
        self.bridge = Linear(memory_size, sum(self._state_sizes))
        self.gate = Linear(memory_size + size + embedding_size, 1) if copying else None
        self.coverage = Coverage(self.attention) if coverage else None
        for map in (self.combine, self.bridge, self.gate):
            if map is not None:
                nn.init.xavier_uniform_(map.weight)
                if map.bias is not None:
                    nn.init.zeros_(map.bias)

    @property
    def head(self) -> Linear:
        """From attentional vectors to scores ``[N, V]``."""
        return self.network.head

    @property
    def _state_sizes(self) -> list[int]:
        return [layer.hidden_size for layer in self.network.recurrences for _ in layer.states]

    def remember(self, sources: Ragged, queries: Tensor | None = None, symbols: Ragged | None = None) -> Memory:
        """What will be looked at: see :meth:`throughtime.nn.attention.Attention.remember`.

        Args:
            sources: ``[M, K]``, the encoder's outputs for ``B`` sources.
            queries: ``[B]`` the targets' lengths, where they are known.
            symbols: ``[M]`` what is said when a step is copied; needed with ``copying``.
        """
        return replace(self.attention.remember(sources, queries), symbols=symbols)

    def start(self, final: Tensor, memory: Memory | None = None) -> State:
        """The first state, from the encoder's final vectors ``[B, K]``: ``h = tanh(W f + b)`` and ``c = W' f + b'``.

        Args:
            final: of each source.
            memory: the sources; needed with coverage.
        """
        parts = self.bridge(final)[None].split(self._state_sizes, dim=2)
        names = [name for layer in self.network.recurrences for name in layer.states]
        state = tuple(part.tanh() if name == "h" else part for name, part in zip(names, parts, strict=True))
        if self.input_feeding:
            state += (final.new_zeros(1, len(final), self.combine.out_features),)
        if self.coverage is not None:
            if memory is None:
                raise ValueError("expected the memory that coverage is of, found none")
            state += (self.coverage.start(memory)[None],)
        return state

    def forward(self, symbols: Ragged, memory: Memory, state: State, rows: Tensor | None = None) -> Decoded:
        """Read whole targets.

        Args:
            symbols: ``B`` sequences of integers below ``V``, ``[N]``, each beginning where the state stands.
            memory: the sources, from :meth:`remember`.
            state: from :meth:`start`, or an earlier call.
            rows: ``[B]`` each sequence's source, on the CPU; the one in its own place when none.
        """
        rows = torch.arange(len(symbols)) if rows is None else rows
        if self.input_feeding or self.coverage is not None:
            return self._stepwise(symbols, memory, state, rows)
        order = symbols.time_major
        steps, _, state = self.network(symbols, state)
        hidden = reorder(steps.data, order.scatter, order.gather)
        slots = symbols.row_of_step
        read = hidden[:, :0] if self.gate is None else self.network.embed(symbols.values)
        vectors, weights, gates, _, _ = self._look(hidden, read, rows[slots.cpu()], memory)
        if self.training:
            vectors = locked_dropout(vectors, slots, len(symbols), self.output_dropout)
        return Decoded(symbols.with_values(vectors), weights, state, gates)

    def scores(self, decoded: Decoded, memory: Memory, rows: Tensor) -> Tensor:
        """Of what follows each step, ``[N, V]``; with ``copying``, log-probabilities.

        Args:
            decoded: what :meth:`forward` gave.
            memory: that it was given.
            rows: ``[N]`` the source of each step, on the CPU.
        """
        scores: Tensor = self.head(decoded.outputs.values)
        return scores if decoded.gates is None else mixed(scores, decoded.gates, decoded.weights, copied(memory, rows))

    def step(self, symbols: Tensor, memory: Memory, state: State, rows: Tensor | None = None) -> tuple[Tensor, State]:
        """Scores ``[B, V]`` of what follows one more symbol each, ``[B]``, and the state after it.

        ``rows`` is as in :meth:`forward`: several sequences may look at one source.
        """
        rows = torch.arange(len(symbols)) if rows is None else rows
        decoded = self(Ragged.from_lengths(symbols, [1] * len(symbols)), memory, state, rows)
        return self.scores(decoded, memory, rows), decoded.state

    def speaker(self) -> Speaker:
        """Make it run a step at a time, without dropout, for rows that come and go: see :class:`Speaker`."""
        return Speaker(self)

    def _look(self, hidden: Tensor, read: Tensor, rows: Tensor, memory: Memory, *covered: Tensor) -> _Looked:
        """From what the recurrences say, ``hidden [N, O]``, and what they read, ``[N, E]``."""
        overlap = None
        if self.coverage is None:
            context, weights = self.attention(hidden, rows, memory)
        else:
            context, weights, *covered, overlap = self.coverage(self.attention, hidden, rows, memory, *covered)
        gates = None if self.gate is None else self.gate(torch.cat([context, hidden, read], dim=1)).squeeze(1)
        vectors = self.combine(torch.cat([context, hidden], dim=1)).tanh()
        return _Looked(vectors, weights, gates, overlap, tuple(covered))

    def _stepwise(self, symbols: Ragged, memory: Memory, state: State, rows: Tensor) -> Decoded:
        """Step by step, the longest sequences first, so that rows only leave."""
        order, batch = symbols.time_major, len(symbols)
        vectors, table = self.network._embedded(
            symbols.values[order.gather], slots_of(order.batch_sizes) if self.training else None, batch
        )
        vectors = vectors if table is None else F.embedding(vectors, table)
        rows = rows[order.rows.cpu()]
        layers, masks, looks = self.network.recurrences, self._masks(batch, vectors), list[_Looked]()
        count = len(self._state_sizes)

        def step(x: Tensor, state: State) -> State:
            fed, parts, covered = state[0], state[1 : count + 1], state[count + 1 :]
            running, after = len(x), list[Tensor]()
            data = torch.cat([x, fed], dim=1) if self.input_feeding else x
            for place, (layer, (recurrent, above)) in enumerate(zip(layers, masks, strict=True)):
                own = own_state(tuple(part[None] for part in parts), place, layer)
                data, final = _one_step(layer, data, own if isinstance(own, tuple) else (own,), recurrent)
                after += [part[0] for part in final]
                if place < len(layers) - 1:
                    data = data * above[:running]
            looks.append(self._look(data, x, rows[:running], memory, *covered))
            return looks[-1].vectors * masks[-1][1][:running], *after, *looks[-1].covered

        fed = state[count] if self.input_feeding else vectors.new_zeros(1, batch, self.combine.out_features)
        first = (fed, *state[:count], *state[count + self.input_feeding :])
        outputs, final = run_through_time(
            step, vectors, tuple(part[0].index_select(0, order.rows) for part in first), order.batch_sizes.tolist()
        )
        fed, *parts = (part.index_select(0, order.ranks)[None] for part in final)
        state = (*parts[:count], fed, *parts[count:]) if self.input_feeding else tuple(parts)
        weights = Ragged.from_lengths(
            torch.cat([own.weights.values for own in looks] or [vectors.new_empty(0)]),
            torch.cat([own.weights.lengths for own in looks] or [rows[:0]]),
        )

        def in_order(parts: list[Tensor | None]) -> Tensor | None:
            given = [part for part in parts if part is not None]
            return reorder(torch.cat(given), order.scatter, order.gather) if given else None

        return Decoded(
            symbols.with_values(reorder(outputs, order.scatter, order.gather)),
            weights.take(order.scatter),
            state,
            in_order([own.gates for own in looks]),
            in_order([own.overlap for own in looks]),
        )

    def _masks(self, batch: int, like: Tensor) -> list[tuple[Tensor | None, Tensor]]:
        """For each layer the mask of what it remembers, and of what it says: ``[1, B, H]`` and ``[B, H]``."""
        network, masks = self.network, []
        for layer in network.recurrences:
            last = layer is network.recurrences[-1]
            ones = like.new_ones(batch, layer.hidden_size)
            share = self.output_dropout if last else network.hidden_dropout
            masks.append((layer._mask(ones[None]), F.dropout(ones, share, self.training)))
        return masks


def _one_step(layer: Recurrent, data: Tensor, state: State, mask: Tensor | None) -> tuple[Tensor, State]:
    """One step of a layer whose recurrent dropout is the caller's."""
    running = torch.tensor([len(data)])
    return layer._layer(
        0, data, state, running, None if mask is None else mask[:, : len(data)].contiguous(), None, None
    )
