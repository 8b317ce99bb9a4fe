"""From a ragged batch of symbols to a vector a step: an embedding (or one-hot vectors) and a stack of recurrences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from throughtime.nn.dropout import sequence_dropout, word_dropout
from throughtime.nn.embedding import SpelledEmbedding
from throughtime.nn.init import initialise_recurrent
from throughtime.nn.recurrent import GRU, LSTM, RNN, Recurrent
from throughtime.ragged import Ragged

__all__ = ["CELLS", "SymbolEncoder"]

CELLS: dict[str, type[RNN] | type[LSTM] | type[GRU]] = {"elman": RNN, "lstm": LSTM, "gru": GRU}


class SymbolEncoder(nn.Module):
    """Symbols in, one vector of ``output_size`` a step out.

    Args:
        num_symbols: size of the vocabulary, ``V``; of vectors ``[N, F]`` in the place of symbols ``F``.
        embedding_size: ``E``; 0 feeds the one-hot vectors themselves to the recurrence.
        cell: ``elman``, ``lstm`` or ``gru``.
        hidden_size: ``H`` of each direction.
        num_layers: recurrences stacked.
        bidirectional: read both ways.
        unknown: ``[V]`` how likely each symbol is to be shown as ``unk`` in training; none for never.
        embedding_dropout: share of the embedding's features hidden in training, one mask a sequence.
        layer_dropout: share hidden between layers in training.
        recurrent_dropout: share of ``h_{t-1}`` hidden from the recurrent product, one mask a sequence.
        spelling: how many features of its spelling come with each symbol, and the number of their values.
        unk: the symbol that stands for unknown ones.

    >>> _ = torch.manual_seed(0)
    >>> encoder = SymbolEncoder(20, embedding_size=8, cell="gru", hidden_size=5, bidirectional=True)
    >>> outputs, final, _ = encoder(Ragged.from_list([[2, 7, 3], [2, 3]]))
    >>> outputs.values.shape, final.shape
    (torch.Size([5, 10]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        num_symbols: int,
        *,
        embedding_size: int,
        cell: str,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        unknown: Tensor | None = None,
        embedding_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        spelling: tuple[int, int] | None = None,
        unk: int = 1,
    ) -> None:
        super().__init__()
        self.num_symbols, self.embedding_dropout, self.unk = num_symbols, embedding_dropout, unk
        self.unknown: Tensor | None
        self.register_buffer("unknown", unknown, persistent=False)
        self.embedding: nn.Embedding | SpelledEmbedding | None = None
        if spelling is not None:
            self.embedding = SpelledEmbedding(num_symbols, *spelling, embedding_size)
        elif embedding_size:
            self.embedding = nn.Embedding(num_symbols, embedding_size)
        self.recurrent: Recurrent = CELLS[cell](
            embedding_size or num_symbols,
            hidden_size,
            num_layers,
            dropout=layer_dropout,
            bidirectional=bidirectional,
            recurrent_dropout=recurrent_dropout,
        )
        for table in self.embedding.parameters() if self.embedding is not None else ():
            nn.init.normal_(table, std=EMBEDDING_STD)
        initialise_recurrent(self.recurrent)

    @property
    def output_size(self) -> int:
        """Size of each step's vector: ``H`` for each direction."""
        return self.recurrent.output_size * self.recurrent.num_directions

    def forward(self, symbols: Ragged, state: Any = None) -> tuple[Ragged, Tensor, Any]:
        """Outputs, the last layer's final ``h [B, output_size]``, and the whole final state to carry on from.

        Args:
            symbols: ``[N]`` integers below ``V``, or ``[N, 1 + S]`` with their spelling.
            state: from an earlier call; zero when none.
        """
        if self.training and self.unknown is not None:
            symbols = word_dropout(symbols, self.unknown, self.unk)
        steps, table = symbols, None
        if isinstance(self.embedding, nn.Embedding) and self._fewer_symbols(symbols):
            table = self.embedding.weight
        elif self.embedding is not None:
            steps = symbols.with_values(self.embedding(symbols.values))
            if self.training:
                steps = sequence_dropout(steps, self.embedding_dropout)
        outputs, state = self.recurrent(steps, state, table=table)
        h = state[0] if isinstance(state, tuple) else state
        final = torch.cat(tuple(h[-self.recurrent.num_directions :]), dim=1)
        return outputs, final, state

    def _fewer_symbols(self, symbols: Ragged) -> bool:
        """Whether there are so few that each one's product with the input's weights is made once, not at every step."""
        hides = self.training and self.embedding_dropout > 0  # a symbol's vector then differs from sequence to sequence
        return not hides and 2 * self.num_symbols < len(symbols.values)

    def step(self, symbols: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step of ``B`` sequences: ``symbols [B, …]`` to ``[B, output_size]``, and the state after it."""
        outputs, _, state = self(Ragged.from_lengths(symbols, [1] * len(symbols)), state)
        return outputs.values, state


# Small enough that the first gates are far from saturation, large enough that words differ from the first step on.
EMBEDDING_STD = 0.1
