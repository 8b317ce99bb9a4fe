"""A text for a text: lists of strings in, lists of strings out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Literal, TypeVar

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from throughtime.data.pair import Pair
from throughtime.data.split import grouped_split
from throughtime.decode.beam import BeamConfig
from throughtime.errors import UsageError
from throughtime.estimators.base import Estimator, keep_all
from throughtime.estimators.rows import answers_like, list_of_texts, listed
from throughtime.model import Answer, TranslatorModel

__all__ = ["SequenceTranslator"]

Self = TypeVar("Self", bound="SequenceTranslator")


class SequenceTranslator(Estimator):
    """A text for a text. Parameters are those of ``throughtime train translate``, and of how answers are searched for.

    Some parameters are none by default, which is what suits the tokens of the targets.

    Args:
        validation_fraction: share of the pairs held out to choose the best weights by, those of one source together;
            0 keeps the last.
        warm_start: whether a second ``fit`` goes on from the first one's weights, with its symbols.

    Attributes:
        model_: the trained :class:`~throughtime.model.TranslatorModel`.
        history_: the evaluations of its training.

    >>> sources = ["one", "two", "three", "four"] * 8
    >>> targets = ["eins", "zwei", "drei", "vier"] * 8
    >>> model = SequenceTranslator(hidden_size=32, embedding_size=16, epochs=40, lr=0.02, validation_fraction=0)
    >>> model.fit(sources, targets).predict(["two", "four"])
    ['zwei', 'vier']
    """

    _task: Literal["translate"] = "translate"
    model_: TranslatorModel

    def __init__(
        self,
        *,
        tokens: str = "auto",
        source_tokens: str | None = None,
        target_tokens: str | None = None,
        joint: bool | None = None,
        lowercase: bool = False,
        min_count: int | None = None,
        vocab_size: int | None = None,
        source_vocab_size: int | None = None,
        target_vocab_size: int | None = None,
        cell: str = "lstm",
        hidden_size: int = 256,
        num_layers: int = 1,
        embedding_size: int | None = None,
        attention: str = "general",
        input_feeding: bool = False,
        copying: bool = False,
        coverage: bool = False,
        coverage_weight: float = 1.0,
        tie_weights: bool | None = None,
        dropout: float | None = None,
        recurrent_dropout: float = 0.0,
        word_dropout: float = 1.0,
        label_smoothing: float | None = None,
        softmax: str = "auto",
        sampling: str = "none",
        sampling_half: int = 10_000,
        optimizer: str = "adam",
        lr: float = 4e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        schedule: str = "cosine",
        warmup: float = 0.05,
        average: float = 0.998,
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
        beam: int = 5,
        length_penalty: float = 1.0,
        max_length: int | None = None,
        max_ratio: float = 3.0,
        keep: float | None = None,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = 1,
        threads: int = 2,
        device: str = "auto",
    ) -> None:
        keep_all(self, locals())

    def fit(self: Self, X: Any, y: Any) -> Self:
        """Learn from ``M`` sources and their targets, each a text, or a list of texts any of which is right.

        Blanks around texts are not read. With ``warm_start`` a second call goes on from the weights of the first, with
        its symbols. A whole number as ``random_state`` gives the same model each time; None, or a RandomState, is drawn
        from.

        Raises:
            ValueError: sources or targets of the wrong kind, empty, or not equally many; the row is counted from 0.
            DataError: no symbol is seen often enough.
            UsageError: one text in the place of a list; a parameter out of range; with ``warm_start`` one that the
                weights do not fit.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        search = self._settings(BeamConfig)  # one that cannot be is better known before the training than after it
        if search.keep is not None and not self.joint:
            raise UsageError("keep: expected joint=True, one vocabulary for both sides, found one for each")
        pairs = _pairs(X, y)
        if not pairs:
            raise ValueError("expected pairs to learn from, found none")
        empty = next((pair.line for pair in pairs if not pair.text), None)
        if empty is not None:
            raise ValueError(f"expected a source to learn from, found an empty one in row {empty}")
        self._learn(pairs, self._go_on_from())
        return self

    def predict(self, X: Any) -> Any:
        """The best answer to each source: a list, or an array where ``X`` is one; to an empty source an empty one.

        Raises:
            ValueError, UsageError: see :meth:`fit`.
        """
        return answers_like(X, [answers[0].text for answers in self.translate(X)])

    def translate(self, X: Any, n_best: int = 1, *, prefixes: Any = None) -> list[list[Answer]]:
        """The ``n_best`` answers to each source with their scores, best first, all different.

        Args:
            X: the sources.
            n_best: how many answers are wanted.
            prefixes: texts that the answers to each source begin with, if they are given.

        Raises:
            ValueError, UsageError: see :meth:`fit`; more answers than the ``beam`` has.
        """
        check_is_fitted(self)
        begun = None if prefixes is None else list_of_texts(prefixes)
        return self.model_.translate(list_of_texts(X), self._settings(BeamConfig), n_best=n_best, prefixes=begun)

    def score(self, X: Any, y: Any) -> float:
        """How good the best answers are: higher is better.

        Where targets are read as letters, bytes or phones, the share of sources with a right answer; elsewhere BLEU,
        from 0 to 100.

        Raises:
            ValueError, UsageError: see :meth:`fit`; there are no pairs.
        """
        check_is_fitted(self)
        pairs = _pairs(X, y)
        if not pairs:
            raise ValueError("expected pairs to score on, found none")
        key = "exact" if self.model_.task.targets.of_letters else "bleu"
        return float(self.model_.evaluate(pairs, self._settings(BeamConfig))[key])

    def _held_out(self, examples: Sequence[Any], seed: int) -> tuple[list[int], list[int]]:
        """Those of one source stand on one side."""
        return grouped_split([pair.text for pair in examples], self.validation_fraction, seed)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        tags.target_tags.required = True
        return tags


def _pairs(X: Any, y: Any) -> list[Pair]:
    """Sources and their right answers.

    Raises:
        ValueError, UsageError: see :meth:`SequenceTranslator.fit`.
    """
    sources, targets = list_of_texts(X), listed(y, "targets")
    check_consistent_length(sources, targets)
    right = [_right(own, row) for row, own in enumerate(targets)]
    return [
        Pair(text.strip(), own, "X", row, (("y", row),) * len(own))
        for row, (text, own) in enumerate(zip(sources, right, strict=True))
    ]


def _right(target: Any, row: int) -> tuple[str, ...]:
    """The right answers of a row, each once."""
    if isinstance(target, str):
        target = [target]
    if isinstance(target, Mapping | Set) or not isinstance(target, Iterable):
        raise ValueError(f"expected a text or a list of texts as a target, found {target!r} in row {row}")
    right = list(target)
    for text in right:
        if not isinstance(text, str):
            raise ValueError(f"expected only texts as targets, found {text!r} in row {row}")
    if not right or not all(text.strip() for text in right):
        raise ValueError(f"expected a right answer, found {'an empty one' if right else 'none'} in row {row}")
    return tuple(dict.fromkeys(str(text).strip() for text in right))
