"""A language model of texts: lists of strings in, their probabilities and new ones out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, TypeVar

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from throughtime.config import checked
from throughtime.data.columns import Example
from throughtime.data.passage_files import PassageSource
from throughtime.decode.sampling import SamplingConfig
from throughtime.estimators.base import Estimator, keep_all
from throughtime.estimators.rows import list_of_texts
from throughtime.model import LanguageModel, ModelConfig
from throughtime.train.config import TrainConfig

__all__ = ["SequenceGenerator"]

Self = TypeVar("Self", bound="SequenceGenerator")


class SequenceGenerator(Estimator):
    """The probability of texts, and new ones. Parameters are those of ``throughtime train generate --by line``.

    Some parameters are none by default, which is what suits the ``tokens``.

    As scikit-learn's density models, it has ``score_samples``, ``score`` and ``sample``, and needs no ``y``.

    Args:
        validation_fraction: share of the texts held out to choose the best weights by; 0 keeps the last.
        warm_start: whether a second ``fit`` goes on from the first one's weights, with its symbols.

    Attributes:
        model_: the trained :class:`~throughtime.model.LanguageModel`.
        history_: the evaluations of its training.

    >>> model = SequenceGenerator(hidden_size=16, embedding_size=8, epochs=30, lr=0.02, batch_size=4)
    >>> model = model.fit(["the dog barks", "the cat sleeps"] * 10)
    >>> likely, odd = model.score_samples(["the dog barks", "barks the dog"])
    >>> bool(likely > odd), model.complete("the do")[0][0]
    (True, 'g')
    """

    _task: Literal["generate"] = "generate"
    model_: LanguageModel

    def __init__(
        self,
        *,
        tokens: str = "char",
        lowercase: bool = False,
        min_count: int | None = None,
        vocab_size: int | None = None,
        split: str = "auto",
        cell: str | None = None,
        hidden_size: int | None = None,
        num_layers: int = 1,
        embedding_size: int | None = None,
        tie_weights: bool | None = None,
        chunk: int | None = None,
        random_chunks: bool = False,
        dropout: float | None = None,
        hidden_dropout: float = 0.0,
        input_dropout: float | None = None,
        embedding_dropout: float | None = None,
        recurrent_dropout: float = 0.0,
        weight_drop: float | None = None,
        softmax: str = "auto",
        ar: float = 0.0,
        tar: float = 0.0,
        optimizer: str | None = None,
        lr: float | None = None,
        momentum: float = 0.9,
        weight_decay: float | None = None,
        schedule: str = "cosine",
        warmup: float = 0.05,
        average: float = 0.98,
        average_after: int | None = None,
        clip_norm: float | None = 1.0,
        clip_value: float | None = None,
        batch_size: int = 32,
        batch_tokens: int | None = None,
        epochs: int | None = None,
        least_updates: int | None = None,
        updates: int | None = None,
        patience: int | None = None,
        until_loss: float | None = None,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = 1,
        threads: int = 2,
        device: str = "auto",
    ) -> None:
        keep_all(self, locals())

    def fit(self: Self, X: Any, y: Any = None) -> Self:
        """Learn from ``M`` texts, each from its beginning to its end; ``y`` is not looked at.

        Raises:
            ValueError: something else than texts; the row is counted from 0.
            DataError: the texts hold nothing but blanks.
            UsageError: one text in the place of a list; a parameter out of range.
        """
        texts = list_of_texts(X)
        if not texts:
            raise ValueError("expected texts to learn from, found none")
        self._learn([Example(text, None, "X", row) for row, text in enumerate(texts)], self._go_on_from())
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """``[M]``: the natural logarithm of each text's probability, its end included.

        Raises:
            ValueError, UsageError: see :meth:`fit`.
        """
        check_is_fitted(self)
        return np.array([scored.log_probability for scored in self.model_.score(list_of_texts(X))])

    def score(self, X: Any, y: Any = None) -> float:
        """Their mean: higher is better.

        Raises:
            ValueError, UsageError: see :meth:`fit`; there are no texts.
        """
        found = self.score_samples(X)
        if not len(found):
            raise ValueError("expected texts to score, found none")
        return float(found.mean())

    def sample(
        self, n_samples: int = 1, *, prompt: str = "", length: int = 500, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """New texts that begin with a prompt; the same seed gives the same ones.

        Args:
            n_samples: how many.
            prompt: what they begin with.
            length: symbols at most.
            temperature: less is safer, more is bolder.
            seed: of their chance.

        Raises:
            UsageError: the prompt is no text; a number out of range.
        """
        check_is_fitted(self)
        sampling = checked(SamplingConfig, {"temperature": temperature})
        return self.model_.generate(prompt, length, samples=n_samples, seed=seed, sampling=sampling)

    def complete(self, prefix: str, count: int = 5) -> list[tuple[str, float]]:
        """The most probable ways on to the end of a word, each with its probability, best first.

        Raises:
            UsageError: the prefix is no text; a count below 1.
        """
        check_is_fitted(self)
        return self.model_.complete(prefix, count)

    def _config(self, train: TrainConfig, seed: int) -> ModelConfig:
        """With how files are read, so that ``throughtime evaluate`` can measure what was saved."""
        source = PassageSource("line", "utf-8", notes=[], format="lines")
        return super()._config(train, seed).model_copy(update={"data": {"source": asdict(source)}})

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        return tags
