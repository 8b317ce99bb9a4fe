"""What a translator is made of, and what it is to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import Field

from throughtime.config import Config
from throughtime.data.two_sided import TwoSidedConfig
from throughtime.errors import UsageError
from throughtime.tasks.targets import Unlabelled, entropy

__all__ = ["OF_LETTERS", "Translations", "TranslatorConfig"]

OF_LETTERS = {"embedding_size": 128, "dropout": 0.3, "label_smoothing": 0.1, "tie_weights": False}
"""What suits answers that are letters or phones, where nothing else is said: few symbols, each seen often."""


class TranslatorConfig(Config):
    """What the network is made of."""

    cell: Literal["elman", "lstm", "gru"] = Field("lstm", description="the recurrence, of encoder and decoder")
    hidden_size: int = Field(
        256, ge=2, description="hidden units of each layer of the decoder; of the encoder's a half in each direction"
    )
    num_layers: int = Field(1, ge=1, description="recurrences stacked, of encoder and decoder")
    embedding_size: int = Field(256, ge=1, description="size of the learnt embeddings")
    attention: Literal["dot", "general", "additive"] = Field(
        "general", description="how the decoder weighs the source's steps"
    )
    input_feeding: bool = Field(
        False, description="tell the decoder what it looked at a step before; it then learns a step at a time"
    )
    copying: bool = Field(
        False,
        description="let the decoder copy symbols that it looks at, such as names (See, Liu & Manning 2017, section "
        "2.2): those of a source that the targets have, too",
    )
    coverage: bool = Field(
        False,
        description="tell attention how much it has looked at each of the source's steps (section 2.3 there), and "
        "blame it for looking twice; it then learns a step at a time",
    )
    coverage_weight: float = Field(1.0, ge=0, description="what looking twice counts, beside the loss of what is said")
    tie_weights: bool = Field(
        True,
        description="score symbols by their embeddings; the decoder's last layer then has their size (letters and "
        "phones: no)",
    )
    dropout: float = Field(
        0.4, ge=0, lt=1, description="share hidden of embeddings, between layers and before the scores"
    )
    recurrent_dropout: float = Field(0.0, ge=0, lt=1, description="share of h hidden from the recurrences")
    word_dropout: float = Field(
        1.0, ge=0, description="a source's symbol seen n times is shown as <unk> with probability x / (x + n)"
    )
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="share of each target that is spread evenly over all symbols"
    )
    softmax: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="numbers that the scores are learnt with; auto takes bfloat16 for large vocabularies "
        "on machines that multiply it in hardware",
    )
    sampling: Literal["none", "linear", "exponential", "inverse-sigmoid"] = Field(
        "none",
        description="tell the decoder, as it learns, fewer and fewer of the right symbols and its own guesses in their "
        "place (scheduled sampling): how the share of the right ones falls",
    )
    sampling_half: int = Field(10_000, ge=1, description="the update at which half of the symbols told are right ones")

    def settled_with(self, vocabulary: TwoSidedConfig) -> tuple[TranslatorConfig, TwoSidedConfig]:
        """Settle what was left open: letters and phones are few, and what they are scored by need not be shared.

        >>> TranslatorConfig().settled_with(TwoSidedConfig(tokens="char"))[0].tie_weights
        False

        Raises:
            UsageError: sizes that do not fit together.
        """
        settled = self
        if vocabulary.sides[1] in ("char", "byte", "blanks"):
            update = {name: value for name, value in OF_LETTERS.items() if name not in self.model_fields_set}
            settled = self.model_copy(update=update)
        if settled.hidden_size % 2:
            raise UsageError(f"--hidden-size: expected an even number, found {settled.hidden_size}")
        if settled.copying and settled.softmax == "bfloat16":
            raise UsageError(
                "--softmax bfloat16: expected no --copying, whose scores are learnt with float32; found both"
            )
        if settled.attention == "dot" and settled.tie_weights and settled.embedding_size != settled.hidden_size:
            raise UsageError(
                "--attention dot: expected --embedding-size and --hidden-size to be one with tied weights, found "
                f"{settled.embedding_size} and {settled.hidden_size}"
            )
        return settled, vocabulary

    def learning(self, vocabulary: TwoSidedConfig) -> dict[str, Any]:
        """What of learning usually suits: the passes over the data."""
        return {"epochs": 20}


@dataclass(frozen=True)
class Translations(Unlabelled):
    """What is to be said.

    Attributes:
        kinds: what a step is of a source, and of a target.
        guessing: nats a symbol of the target that guessing by frequency alone costs.
    """

    kinds: tuple[str, str]
    guessing: float

    @classmethod
    def learn(cls, counts: Sequence[int], kinds: tuple[str, str]) -> Translations:
        """From how often each symbol of the targets occurs in training.

        >>> round(Translations.learn([0, 4, 4], ("char", "char")).guessing, 4)
        0.6931
        """
        return cls(kinds, entropy(counts))

    @classmethod
    def value(cls, example: Any) -> frozenset[str]:
        """An example's right answers."""
        return frozenset(example.targets)

    @property
    def of_letters(self) -> bool:
        """Whether answers are of letters or phones, so that what counts is how many are wholly right."""
        return self.kinds[1] in ("char", "byte", "blanks")

    @classmethod
    def from_json(cls, content: Any) -> Translations:
        """From what ``labels.json`` holds."""
        return cls(tuple(content["kinds"]), content["guessing"])

    def to_json(self) -> Any:
        """All of it."""
        return asdict(self)

    def in_words(self) -> str:
        """What guessing would reach."""
        return (
            f"guessing the target's symbols by frequency alone costs {self.guessing:.3f} nats each "
            f"(perplexity {math.exp(self.guessing):,.1f})"
        )

    def title(self) -> str:
        """What it answers."""
        return "Model from texts to texts"
