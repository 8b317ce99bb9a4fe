"""Many to one: a recurrence over symbols, pooled to one vector, to a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.config import Config
from throughtime.data.batches import Batch
from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import SPECIALS, Vocabulary, VocabularyConfig
from throughtime.nn.dropout import rarity
from throughtime.nn.encoder import SymbolEncoder
from throughtime.nn.linear import Linear
from throughtime.nn.pooling import make_pooling
from throughtime.nn.recurrent import Recurrent
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering
from throughtime.tasks.targets import known

__all__ = ["Pooled", "PooledConfig"]

Settings = TypeVar("Settings", bound="PooledConfig")


class PooledConfig(Config):
    """What such a network is made of."""

    cell: Literal["elman", "lstm", "gru"] = Field("gru", description="the recurrence")
    hidden_size: int = Field(128, ge=1, description="hidden units of each direction")
    num_layers: int = Field(1, ge=1, description="recurrences stacked")
    bidirectional: bool = Field(True, description="read both ways; a model that streams reads one way")
    embedding_size: int = Field(128, ge=1, description="size of the learnt embeddings")
    one_hot: bool = Field(False, description="feed one-hot vectors to the recurrence, without embeddings")
    pooling: Literal["last", "mean", "max", "attention"] = Field("attention", description="one vector from all steps")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="share hidden of embeddings, between layers and after pooling; characters: 0.2"
    )
    word_dropout: float = Field(
        1.0, ge=0, description="a symbol seen n times is shown as <unk> with probability x / (x + n) in training"
    )
    recurrent_dropout: float = Field(0.0, ge=0, lt=1, description="share of h hidden from the recurrence, per sequence")

    def settled_with(self: Settings, vocabulary: VocabularyConfig) -> tuple[Settings, VocabularyConfig]:
        """Settle what was left open: single characters say less than words do, and bear less hiding.

        Beside one-hot inputs no spelling is read.

        >>> PooledConfig().settled_with(VocabularyConfig(tokens="char"))[0].dropout
        0.2
        """
        if self.one_hot:
            vocabulary = vocabulary.model_copy(update={"spelling": False})
        if vocabulary.tokens != "char" or "dropout" in self.model_fields_set:
            return self, vocabulary
        return self.model_copy(update={"dropout": 0.2}), vocabulary

    def learning(self, vocabulary: VocabularyConfig) -> dict[str, Any]:
        """What of learning usually suits: the passes over the data; characters take longer to make sense of."""
        return {"epochs": 10 if vocabulary.tokens == "char" else 6}


class Pooled(nn.Module):
    """Encoder, pooling and a linear head. Tasks make answers and a loss of it.

    Args:
        config: what it is made of.
        num_symbols: size of the vocabulary.
        outputs: numbers that come out, ``O``.
        symbol_counts: how often each symbol occurs in training, for ``word_dropout``.
        spelling: features of its spelling that come with each symbol, and their number of values; see the encoder.
        vectors: whether what it reads are vectors of ``num_symbols`` numbers in the place of symbols.

    >>> _ = torch.manual_seed(0)
    >>> Pooled(PooledConfig(hidden_size=4), 20, 3)(Ragged.from_list([[2, 7, 3], [2, 3]])).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        config: PooledConfig,
        num_symbols: int,
        outputs: int,
        symbol_counts: Sequence[int] = (),
        *,
        spelling: tuple[int, int] | None = None,
        vectors: bool = False,
    ) -> None:
        super().__init__()
        self._dropout, self.bidirectional = config.dropout, config.bidirectional
        self.encoder = SymbolEncoder(
            num_symbols,
            embedding_size=0 if config.one_hot or vectors else config.embedding_size,
            cell=config.cell,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            unknown=rarity(torch.tensor(symbol_counts), config.word_dropout, len(SPECIALS)) if symbol_counts else None,
            embedding_dropout=config.dropout,
            layer_dropout=config.dropout if config.num_layers > 1 else 0.0,
            recurrent_dropout=config.recurrent_dropout,
            spelling=spelling,
        )
        self.pooling = make_pooling(config.pooling, self.encoder.output_size)
        self.head = Linear(self.encoder.output_size, outputs)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def build(
        cls, config: Any, vocabulary: Vocabulary | Vectors, targets: Any, symbol_counts: Sequence[int] = ()
    ) -> Self:
        """A task of this class for what a vocabulary makes of texts, or arrays."""
        return cls(
            config,
            len(vocabulary),
            targets,
            symbol_counts,
            spelling=vocabulary.spelling,
            vectors=isinstance(vocabulary, Vectors),
        )

    @property
    def recurrent(self) -> Recurrent:
        """What reads the sequences."""
        return self.encoder.recurrent

    @property
    def recurrences(self) -> list[Recurrent]:
        """What reads the sequences."""
        return [self.recurrent]

    def forward(self, inputs: Ragged) -> Tensor:
        """``[B, O]`` of ``B`` sequences of symbols."""
        outputs, final, _ = self.encoder(inputs)
        return self._headed(self.pooling(outputs, final))

    def _headed(self, pooled: Tensor) -> Tensor:
        outputs: Tensor = self.head(F.dropout(pooled, self._dropout, self.training))
        return outputs

    def step(self, symbols: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """``[B, O]`` of the sequences so far, and the state, after one more symbol each, ``[B, …]``."""
        recurrent, pooled = (None, None) if state is None else state
        output, recurrent = self.encoder.step(symbols, recurrent)
        pooled = self.pooling.update(pooled, output)
        return self._headed(self.pooling.result(pooled)), (recurrent, pooled)

    def read(self, outputs: Tensor) -> Tensor:
        """Answers ``[B, K]`` from outputs ``[B, O]``."""
        raise NotImplementedError("Pooled has no answers: use a task")

    def answers(self, inputs: Ragged) -> Tensor:
        """``[B, K]``, without dropout."""
        with answering(self):
            return self.read(self(inputs))

    def examine(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        """Outputs ``[M, O]`` and targets ``[M]`` of all batches' rows, in the order of the rows, without dropout."""
        with answering(self):
            parts = [(self(batch.inputs), known(batch.targets), torch.tensor(batch.rows)) for batch in batches]
        outputs, targets, rows = (torch.cat(part) for part in zip(*parts, strict=True))
        order = rows.argsort().to(outputs.device)
        return outputs[order], targets[order]
