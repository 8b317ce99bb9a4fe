"""Classify: one class for a sequence (many to one)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.config import Config
from throughtime.data.batches import Batch
from throughtime.data.vocabulary import SPECIALS
from throughtime.metrics import classification, confusion
from throughtime.nn.dropout import rarity
from throughtime.nn.encoder import SymbolEncoder
from throughtime.nn.linear import Linear
from throughtime.nn.pooling import make_pooling
from throughtime.ragged import Ragged

__all__ = ["Classifier", "ClassifierConfig"]


class ClassifierConfig(Config):
    """What the classifier is made of."""

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
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of each target given to all classes")
    class_weights: Literal["none", "balanced"] = Field("none", description="weigh classes by how rare they are")

    def for_tokens(self, tokens: str) -> ClassifierConfig:
        """Settle what was left open: single characters say less than words do, and bear less hiding.

        >>> ClassifierConfig().for_tokens("char").dropout
        0.2
        """
        if tokens != "char" or "dropout" in self.model_fields_set:
            return self
        return self.model_copy(update={"dropout": 0.2})


class Classifier(nn.Module):
    """A recurrence over symbols, pooled to one vector, to ``C`` classes.

    Args:
        config: what it is made of.
        num_symbols: size of the vocabulary.
        labels: the ``C`` classes' names.
        class_counts: training examples of each class, for ``class_weights="balanced"``.
        symbol_counts: how often each symbol occurs in training, for ``word_dropout``.
        spelling: features of its spelling that come with each symbol, and their number of values; see the encoder.

    >>> _ = torch.manual_seed(0)
    >>> model = Classifier(ClassifierConfig(hidden_size=4), 20, ["ham", "spam"])
    >>> model(Ragged.from_list([[2, 7, 3], [2, 3]])).shape
    torch.Size([2, 2])
    """

    score_name = "accuracy"

    def __init__(
        self,
        config: ClassifierConfig,
        num_symbols: int,
        labels: Sequence[str],
        class_counts: Sequence[int] = (),
        symbol_counts: Sequence[int] = (),
        *,
        spelling: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.labels = config, list(labels)
        self.encoder = SymbolEncoder(
            num_symbols,
            embedding_size=0 if config.one_hot else config.embedding_size,
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
        self.head = Linear(self.encoder.output_size, len(labels))
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        counts = torch.tensor([float(count) for count in class_counts] or [1.0] * len(labels)).clamp(min=1)
        balanced = counts.sum() / (len(counts) * counts)
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", balanced if config.class_weights == "balanced" else None)

    def forward(self, inputs: Ragged) -> Tensor:
        """Logits ``[B, C]`` of ``B`` sequences of symbols."""
        outputs, final, _ = self.encoder(inputs)
        return self._logits(self.pooling(outputs, final))

    def _logits(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.head(F.dropout(pooled, self.config.dropout, self.training))
        return logits

    def step(self, symbols: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits ``[B, C]`` of the sequences so far, and the state, after one more symbol each, ``[B, …]``."""
        recurrent, pooled = (None, None) if state is None else state
        output, recurrent = self.encoder.step(symbols, recurrent)
        pooled = self.pooling.update(pooled, output)
        return self._logits(self.pooling.result(pooled)), (recurrent, pooled)

    # ---- the task's protocol ----

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """Cross-entropy averaged over the ``B`` sequences; ``state`` is handed through, sequences being whole here."""
        loss = F.cross_entropy(
            self(batch.inputs),
            _known(batch.targets),
            weight=self.class_weights,
            label_smoothing=self.config.label_smoothing,
            reduction="none",  # torch's own mean divides by the batch's weights, which takes the weights away again
        )
        return loss.mean(), state

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """``accuracy``, ``macro_f1``, ``f1_by_class``, ``loss`` (mean cross-entropy), ``examples``, ``confusion``."""
        targets, probabilities = [], []
        for batch in batches:
            targets.append(_known(batch.targets))
            probabilities.append(self.probabilities(batch.inputs))
        truth = torch.cat(targets)
        table = torch.cat(probabilities)
        predicted = table.argmax(1).cpu().numpy()
        likelihood = table.gather(1, truth[:, None]).clamp(min=torch.finfo(table.dtype).tiny)
        return {
            **classification(truth.cpu().numpy(), predicted, self.labels),
            "loss": float(-likelihood.double().log().mean()),
            "examples": len(truth),
            "confusion": confusion(truth.cpu().numpy(), predicted, len(self.labels)),
        }

    def score(self, metrics: dict[str, Any]) -> tuple[float, float]:
        """What the best weights are chosen by, higher being better: accuracy, then the loss where that is equal."""
        return metrics["accuracy"], -metrics["loss"]

    @torch.no_grad()
    def probabilities(self, inputs: Ragged) -> Tensor:
        """Class probabilities ``[B, C]``, without dropout."""
        training = self.training
        self.eval()
        try:
            table: Tensor = self(inputs).softmax(1)
            return table
        finally:
            self.train(training)


def _known(targets: Tensor | None) -> Tensor:
    if targets is None:
        raise ValueError("expected a batch with targets, found one without")
    return targets
