"""Generate: the next symbol of a text, and so a text's probability, its completion, or a new one (one to many)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from throughtime.config import Config
from throughtime.data.batches import Batch
from throughtime.data.language import LanguageConfig
from throughtime.data.streams import UNTOLD
from throughtime.nn.language import LanguageNetwork, State, changes
from throughtime.nn.softmax import learnt_in, linear_cross_entropy
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering
from throughtime.tasks.foretelling import Foreteller
from throughtime.tasks.targets import Measure, Unlabelled, entropy, known

__all__ = ["OF_WORDS", "Generator", "GeneratorConfig", "NextSymbol"]

OF_WORDS = {
    "cell": "lstm",
    "hidden_size": 400,
    "embedding_size": 400,
    "tie_weights": True,
    "chunk": 35,
    "dropout": 0.4,
    "input_dropout": 0.3,
    "embedding_dropout": 0.1,
    "weight_drop": 0.3,
}
"""What suits symbols that are words or pieces of words, where nothing else is said."""

Heard = Callable[[Batch, Tensor], None]


class GeneratorConfig(Config):
    """What the language model is made of."""

    cell: Literal["elman", "lstm", "gru"] = Field("gru", description="the recurrence")
    hidden_size: int = Field(512, ge=1, description="hidden units of each layer")
    num_layers: int = Field(1, ge=1, description="recurrences stacked")
    embedding_size: int = Field(128, ge=1, description="size of the learnt embeddings")
    tie_weights: bool = Field(
        False, description="score symbols by their embeddings; the last layer then has their size"
    )
    chunk: int = Field(64, ge=1, description="steps that a gradient flows back through; the state is carried on")
    random_chunks: bool = Field(False, description="chunks of random lengths around that")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="share of the last layer's features hidden, per stream and chunk"
    )
    hidden_dropout: float = Field(0.0, ge=0, lt=1, description="share of the features between layers hidden")
    input_dropout: float = Field(0.0, ge=0, lt=1, description="share of the embeddings' features hidden")
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="share of the symbols whose whole vector is hidden")
    recurrent_dropout: float = Field(0.0, ge=0, lt=1, description="share of h hidden from the recurrence")
    weight_drop: float = Field(0.0, ge=0, lt=1, description="share of the recurrent weights that are zero, per batch")
    softmax: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="numbers that the scores are learnt with; auto takes bfloat16 for large vocabularies "
        "on machines that multiply it in hardware",
    )
    ar: float = Field(0.0, ge=0, description="activation regularisation: weight of the mean square of the outputs")
    tar: float = Field(0.0, ge=0, description="temporal activation regularisation: that of their changes from step on")

    def settled_with(self, vocabulary: LanguageConfig) -> tuple[GeneratorConfig, LanguageConfig]:
        """Settle what was left open: words and pieces are many and rare, and want what they are scored by shared.

        >>> GeneratorConfig(dropout=0.2).settled_with(LanguageConfig(tokens="word"))[0].tie_weights
        True
        """
        if vocabulary.tokens not in ("word", "bpe"):
            return self, vocabulary
        return self.model_copy(
            update={name: value for name, value in OF_WORDS.items() if name not in self.model_fields_set}
        ), vocabulary

    def learning(self, vocabulary: LanguageConfig) -> dict[str, Any]:
        """What of learning usually suits: when to end, a lower rate or weights that are pulled to zero.

        An LSTM's cells have no bound, and at a higher rate it may learn to count on without end over a long text. A
        model of few symbols has most of its weights in the recurrence, which learns a text by heart unless it is held
        back; the embeddings of many symbols would be forgotten from one use of a rare one to the next.
        """
        ends = {"epochs": 10, "least_updates": 300}
        if vocabulary.tokens in ("word", "bpe"):
            return ends | {"lr": 3e-3}
        return ends | {"optimizer": "adamw", "weight_decay": 0.1}


@dataclass(frozen=True)
class NextSymbol(Unlabelled):
    """What comes next.

    Attributes:
        tokens: what a symbol is.
        guessing: nats a symbol that guessing by frequency alone costs.
    """

    tokens: str
    guessing: float

    @classmethod
    def learn(cls, counts: Sequence[int], tokens: str) -> NextSymbol:
        """From how often each symbol occurs in training.

        >>> round(NextSymbol.learn([0, 4, 4], "char").guessing, 4)
        0.6931
        >>> NextSymbol.learn([0, 4], "char").guessing
        0.0
        """
        return cls(tokens, entropy(counts))

    @classmethod
    def value(cls, example: Any) -> None:
        """Text has no label."""

    @classmethod
    def from_json(cls, content: Any) -> NextSymbol:
        """From what ``labels.json`` holds."""
        return cls(**content)

    def to_json(self) -> Any:
        """All of it."""
        return {"tokens": self.tokens, "guessing": self.guessing}

    @property
    def token(self) -> str:
        """A symbol, as people call it."""
        return {"char": "character", "byte": "byte", "word": "word", "bpe": "piece", "event": "event"}[self.tokens]

    @property
    def a_token(self) -> str:
        """One of them."""
        return f"an {self.token}" if self.token == "event" else f"a {self.token}"

    def in_words(self) -> str:
        """What guessing would reach."""
        return (
            f"guessing by frequency alone costs {self.guessing:.3f} nats {self.a_token} "
            f"(perplexity {math.exp(self.guessing):,.1f})"
        )

    def title(self) -> str:
        """What it foretells."""
        return f"Language model of {self.token}s"


class Generator(Foreteller):
    """Reads symbols and tells, after each, how probable every symbol is to come next.

    Args:
        config: what it is made of.
        num_symbols: of the vocabulary, ``V``.
        targets: what is known of the symbols.
    """

    def __init__(self, config: GeneratorConfig, num_symbols: int, targets: NextSymbol) -> None:
        super().__init__(
            LanguageNetwork(
                num_symbols,
                cell=config.cell,
                embedding_size=config.embedding_size,
                hidden_size=config.hidden_size,
                num_layers=config.num_layers,
                tied=config.tie_weights,
                embedding_dropout=config.embedding_dropout,
                input_dropout=config.input_dropout,
                hidden_dropout=config.hidden_dropout,
                output_dropout=config.dropout,
                recurrent_dropout=config.recurrent_dropout,
                weight_drop=config.weight_drop,
            )
        )
        self.config, self.targets = config, targets

    @classmethod
    def build(
        cls, config: GeneratorConfig, vocabulary: Any, targets: NextSymbol, counts: Sequence[int] = ()
    ) -> Generator:
        """As the class is called; see the other tasks."""
        return cls(config, len(vocabulary), targets)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is told of it; the first is what weights are chosen by."""
        letters = self.targets.tokens in ("char", "byte")
        measures = (
            Measure("nll", f"nats {self.targets.a_token}", curve=False),  # as the loss
            Measure("perplexity", "perplexity", curve=not letters),
            Measure("bits_per_character", "bits a character", curve=letters),
        )
        return measures[:2] if self.targets.tokens == "event" else measures  # music has no characters

    def step(self, symbols: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Scores ``[B, V]`` of what follows one more symbol each, ``[B]``, and the state after it."""
        scores, state = self(Ragged.from_lengths(symbols, [1] * len(symbols)), state)
        return scores, state

    # ---- the task's protocol ----

    def loss(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State | None]:
        """Nats a symbol, averaged over the steps, which must all be told, with what AR and TAR add; the state after it.

        Raises:
            ValueError: for a batch without targets.
        """
        carries, targets = batch.resets is not None, known(batch.targets)
        outputs, kept, after = self.network(batch.inputs, state if carries else None, batch.resets)
        order = batch.inputs.time_major
        head = self.network.head
        wanted, products = targets[order.gather], learnt_in(self.config.softmax, head.weight)
        loss = linear_cross_entropy(outputs.data, head.weight, head.bias, wanted, products=products).total
        if self.config.ar:
            loss = loss + self.config.ar * outputs.data.pow(2).mean()
        if self.config.tar and len(order.batch_sizes) > 1:
            loss = loss + self.config.tar * changes(kept, order.batch_sizes).pow(2).mean()
        return loss, tuple(part.detach() for part in after) if carries else None

    def evaluate(self, batches: Iterable[Batch], heard: Heard | None = None) -> dict[str, Any]:
        """``nll`` (nats a token), ``perplexity``, ``bits_per_character``, ``tokens`` and ``sequences``.

        Args:
            batches: of running text in their order, or of lines.
            heard: is told each batch, and the nats ``[N]`` of its steps; NaN for those that are not told.
        """
        total, tokens, state, data = 0.0, 0, None, None
        with answering(self):
            for batch in batches:
                losses, state = self.step_losses(batch, state)
                told = ~losses.isnan()
                total += float(losses[told].double().sum())
                tokens += int(told.sum())
                data = batch.data
                if heard is not None:
                    heard(batch, losses)
        nll = total / tokens if tokens else None
        return {
            "nll": nll,
            "perplexity": None if nll is None else math.exp(min(nll, 700)),
            "bits_per_character": _bits(nll, data),
            "tokens": tokens,
            "sequences": 0 if data is None else len(data),
            "loss": nll,
        }

    def step_losses(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State | None]:
        """``[N]`` nats of each step, NaN where nothing is told, and the state after the batch."""
        carries, targets = batch.resets is not None, known(batch.targets)
        outputs, _, after = self.network(batch.inputs, state if carries else None, batch.resets)
        order = batch.inputs.time_major
        wanted = targets[order.gather]
        head = self.network.head
        losses = linear_cross_entropy(outputs.data, head.weight, head.bias, wanted.clamp(min=0)).rows
        losses = losses.masked_fill(wanted == UNTOLD, torch.nan)
        return losses.index_select(0, order.scatter), after if carries else None

    def end_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of the sequences' last steps; of the first ones, where nothing is read backwards, none."""
        outputs, _, _ = self.network(batch.inputs)
        order, ends = batch.inputs.time_major, batch.inputs.offsets[1:] - 1
        scores = self.network.head(outputs.data.index_select(0, order.scatter).index_select(0, ends))
        loss = F.cross_entropy(scores, known(batch.targets)[ends], reduction="sum")
        return loss, loss.new_zeros(())


def _bits(nll: float | None, data: Any) -> float | None:
    """Bits a character of the data's text."""
    characters = getattr(data, "characters", None)
    if nll is None or not characters:
        return None
    bits: float = nll / math.log(2) * data.tokens / characters
    return bits
