"""From symbols, or vectors, to a vector that foretells the next: a stack of recurrences, and their dropouts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from throughtime.nn.dropout import locked_dropout, slots_of
from throughtime.nn.encoder import CELLS
from throughtime.nn.init import initialise_recurrent
from throughtime.nn.linear import Linear
from throughtime.nn.recurrent import Recurrent
from throughtime.nn.stepper import refusals
from throughtime.ragged import Ragged

__all__ = ["LanguageNetwork", "LanguageStepper", "State", "changes"]

State = tuple[Tensor, ...]


class LanguageNetwork(nn.Module):
    """Reads symbols one way; after each, a vector whose product with ``head`` scores what comes next.

    Without embeddings it reads vectors of ``V`` numbers in their place, such as the keys of a chord.

    Every dropout of Merity, Keskar & Socher (2018, "Regularizing and optimizing LSTM language models") is here; each
    is of training alone, and 0 leaves it out.

    Args:
        num_symbols: size of the vocabulary, ``V``.
        cell: ``elman``, ``lstm`` or ``gru``.
        embedding_size: ``E``; none reads vectors ``[V]``.
        hidden_size: ``H`` of each layer; the last one's is ``E`` where weights are tied.
        num_layers: recurrences stacked, ``L``.
        tied: whether the scores' weights are the embeddings themselves (Inan et al. 2017; Press & Wolf 2017).
        embedding_dropout: share of the symbols whose vector is hidden wherever they stand (Gal & Ghahramani 2016).
        input_dropout: share of the embeddings' features, or of the vectors', hidden, one mask a sequence.
        hidden_dropout: share of the features between layers hidden, one mask a sequence.
        output_dropout: share of the last layer's features hidden, one mask a sequence.
        recurrent_dropout: share of ``h_{t-1}`` hidden from the recurrent product, one mask a sequence.
        weight_drop: share of the recurrent weights that are zero, one mask a batch (Wan et al. 2013).

    Raises:
        ValueError: without embeddings, for what is done to them.

    >>> _ = torch.manual_seed(0)
    >>> network = LanguageNetwork(20, cell="lstm", embedding_size=8, hidden_size=5, num_layers=2, tied=True)
    >>> outputs, kept, state = network(Ragged.from_list([[2, 7, 3], [2, 3]]))
    >>> outputs.data.shape, [part.shape for part in state]
    (torch.Size([5, 8]), [torch.Size([1, 2, 5]), torch.Size([1, 2, 5]), torch.Size([1, 2, 8]), torch.Size([1, 2, 8])])
    """

    def __init__(
        self,
        num_symbols: int,
        *,
        cell: str,
        embedding_size: int | None,
        hidden_size: int,
        num_layers: int = 1,
        tied: bool = False,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        output_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        if embedding_size is None and (tied or embedding_dropout):
            raise ValueError("expected embeddings to tie weights to or to hide, found vectors")
        self.embedding_dropout, self.input_dropout = embedding_dropout, input_dropout
        self.hidden_dropout, self.output_dropout, self.weight_drop = hidden_dropout, output_dropout, weight_drop
        self.embedding = None if embedding_size is None else nn.Embedding(num_symbols, embedding_size)
        width = num_symbols if embedding_size is None else embedding_size
        sizes = [width] + [hidden_size] * num_layers
        if tied:
            sizes[-1] = width
        self.layers = nn.ModuleList(
            CELLS[cell](below, own, recurrent_dropout=recurrent_dropout) for below, own in pairwise(sizes)
        )
        self.head = Linear(sizes[-1], num_symbols)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=EMBEDDING_STD)
        for layer in self.recurrences:
            initialise_recurrent(layer)
        nn.init.zeros_(self.head.bias)
        if tied:
            assert self.embedding is not None
            self.head.weight = self.embedding.weight
        else:
            nn.init.xavier_uniform_(self.head.weight)

    @property
    def recurrences(self) -> list[Recurrent]:
        """The layers, from the embedding upwards."""
        return list(self.layers)  # type: ignore[arg-type]

    def forward(
        self, symbols: Ragged, state: State | None = None, resets: Tensor | None = None
    ) -> tuple[PackedSequence, Tensor, State]:
        """The vectors ``[N, O]`` in time-major order, the same before their dropout, and the state to carry on from.

        Args:
            symbols: ``B`` sequences of integers below ``V``, ``[N]``; without embeddings vectors ``[N, V]``.
            state: ``h`` of each layer, or ``h`` and ``c``, from an earlier call; zero when none.
            resets: ``[N]`` truth values: before a step marked there the state becomes zero.
        """
        order = symbols.time_major

        def packed(data: Tensor) -> PackedSequence:
            return PackedSequence(data, order.batch_sizes, order.rows, order.ranks)

        marks = None if resets is None else packed(resets[order.gather])
        slots = slots_of(order.batch_sizes) if self.training else None
        steps, table = self._embedded(symbols.values[order.gather], slots, len(symbols))
        final: list[Tensor] = []
        kept = steps
        for place, layer in enumerate(self.recurrences):
            own = own_state(state, place, layer)
            outputs, after = self._run(layer, packed(steps), own, marks, None if place else table)
            final += after if isinstance(after, tuple) else (after,)
            kept, last = outputs.data, place == len(self.layers) - 1
            steps = self._hide(kept, slots, len(symbols), self.output_dropout if last else self.hidden_dropout)
        return packed(steps), kept, tuple(final)

    def stepper(self, batch_size: int = 1) -> LanguageStepper:
        """Make it run a symbol at a time, with packed weights and a state of its own: see :class:`LanguageStepper`."""
        return LanguageStepper(self, batch_size)

    def embed(self, values: Tensor) -> Tensor:
        """``[N, F]``: what the first layer reads of symbols, or of vectors, without dropout."""
        return values if self.embedding is None else F.embedding(values, self.embedding.weight)

    def _embedded(self, values: Tensor, slots: Tensor | None, batch: int) -> tuple[Tensor, Tensor | None]:
        """The symbols and their table, where each one's product with the input's weights is made once; or vectors."""
        if self.embedding is None:
            return self._hide(values, slots, batch, self.input_dropout), None
        table = self.embedding.weight
        if self.training and self.embedding_dropout:
            table = table * F.dropout(table.new_ones(len(table), 1), self.embedding_dropout)
        if 2 * len(table) < len(values) and not (self.training and self.input_dropout):
            return values, table
        return self._hide(F.embedding(values, table), slots, batch, self.input_dropout), None

    def _run(
        self, layer: Recurrent, steps: PackedSequence, state: Any, marks: PackedSequence | None, table: Tensor | None
    ) -> tuple[PackedSequence, Any]:
        if not (self.training and self.weight_drop):
            return layer(steps, state, resets=marks, table=table)  # type: ignore[no-any-return]
        dropped = {"weight_hh_l0": F.dropout(layer.weight_hh_l0, self.weight_drop)}  # type: ignore[arg-type]
        return functional_call(layer, dropped, (steps, state), {"resets": marks, "table": table})  # type: ignore[no-any-return]

    def _hide(self, data: Tensor, slots: Tensor | None, batch: int, p: float) -> Tensor:
        """Dropout with one mask ``[F]`` a sequence (Gal & Ghahramani 2016)."""
        return data if slots is None else locked_dropout(data, slots, batch, p)


class LanguageStepper:
    """Made by ``network.stepper()``: ``scores = s(symbols)`` is one step of ``B`` sequences, without dropout.

    It runs on the layers' own steppers where these can, and on the network itself elsewhere (on a GPU, say).

    Args:
        network: whose weights are copied; what it learns afterwards the stepper does not know.
        batch_size: ``B``.

    Calling it: symbols ``[B]``, or vectors ``[B, V]``, give the scores ``[B, V]`` of those to come. ``state`` is the
    network's, and can be set.

    >>> _ = torch.manual_seed(0)
    >>> network = LanguageNetwork(20, cell="gru", embedding_size=8, hidden_size=5).eval()
    >>> s, symbols = network.stepper(), torch.tensor([2, 7, 3])
    >>> scores = torch.cat([s(symbol) for symbol in symbols.split(1)])
    >>> outputs, _, state = network(Ragged.from_lengths(symbols, [3]))
    >>> torch.allclose(scores, network.head(outputs.data), atol=1e-6), torch.allclose(s.state[0], state[0], atol=1e-6)
    (True, True)
    """

    def __init__(self, network: LanguageNetwork, batch_size: int = 1) -> None:
        self._network, self._batch = network, batch_size
        runs = not any(refusals(layer) for layer in network.recurrences)
        self._layers = [layer.stepper(batch_size) for layer in network.recurrences] if runs else None
        self._state: State | None = None

    @torch.no_grad()
    def __call__(self, symbols: Tensor) -> Tensor:
        """One step."""
        network = self._network
        if self._layers is None:
            training = network.training
            outputs, _, self._state = network.eval()(Ragged.from_lengths(symbols, [1] * len(symbols)), self._state)
            network.train(training)
            steps: Tensor = outputs.data
        else:
            steps = network.embed(symbols)
            for layer in self._layers:
                steps = layer(steps)
        scores: Tensor = network.head(steps)
        return scores

    @property
    def state(self) -> State:
        """A copy of it, as the network gives it."""
        if self._layers is not None:
            states = (layer.state for layer in self._layers)
            return tuple(part for own in states for part in (own if isinstance(own, tuple) else (own,)))
        if self._state is None:
            raise ValueError("expected a state that was set, or a step, found neither")
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        if self._layers is None:
            self._state = state
            return
        for place, (stepper, layer) in enumerate(zip(self._layers, self._network.recurrences, strict=True)):
            stepper.state = own_state(state, place, layer)


def changes(data: Tensor, batch_sizes: Tensor) -> Tensor:
    """``[N - B, F]``: how each step of time-major rows differs from the one before.

    >>> changes(torch.tensor([[1.0], [5.0], [3.0]]), torch.tensor([2, 1]))
    tensor([[2.]])
    """
    first = int(batch_sizes[0])
    before = torch.arange(first, len(data)) - torch.repeat_interleave(batch_sizes[:-1], batch_sizes[1:])
    return data[first:] - data.index_select(0, before.to(data.device))


def own_state(state: State | None, place: int, layer: Recurrent) -> Any:
    """One layer's part of the state of a stack, as that layer takes it."""
    if state is None:
        return None
    parts = len(layer.states)
    own = state[place * parts : (place + 1) * parts]
    return own[0] if parts == 1 else own


# As the encoder of texts has it: far from saturation, and yet words differ from the first step on.
EMBEDDING_STD = 0.1
