"""A label for each word of a sentence: lists of words in, lists of labels out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Literal, TypeVar

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from throughtime.data.given import GivenSentence
from throughtime.errors import UsageError
from throughtime.estimators.base import Estimator, keep_all
from throughtime.estimators.rows import answers_like
from throughtime.model import LabelModel, Model

__all__ = ["SequenceLabeler"]

Self = TypeVar("Self", bound="SequenceLabeler")


class SequenceLabeler(Estimator):
    """A label for each word. Parameters are those of ``throughtime train label``, ``random_state`` its seed.

    Tags such as B-PER, I-PER and O are spans: their scheme is told, and ``score`` is the F1 of the spans; otherwise it
    is the share of the words that are labelled rightly.

    Args:
        validation_fraction: share of the sentences held out to choose the best weights by; 0 keeps the last.
        warm_start: whether a second ``fit`` goes on from the first one's weights.

    Attributes:
        classes_: ``[K]`` the labels that the columns of ``predict_proba`` are of; of spans the tags of the scheme that
            they are learnt as.
        model_: the trained :class:`~throughtime.model.Model`.
        history_: the evaluations of its training.

    >>> sentences = [["the", "dog", "sleeps"], ["a", "cat", "sees", "the", "bird"]] * 8
    >>> labels = [["DET", "NOUN", "VERB"], ["DET", "NOUN", "VERB", "DET", "NOUN"]] * 8
    >>> model = SequenceLabeler(hidden_size=8, epochs=6, lr=0.02).fit(sentences, labels)
    >>> model.predict([["a", "dog", "sees", "a", "cat"], ["the", "bird"]])
    [['DET', 'NOUN', 'VERB', 'DET', 'NOUN'], ['DET', 'NOUN']]
    """

    _task: Literal["label"] = "label"
    model_: LabelModel
    _known: dict[str, Any]

    def __init__(
        self,
        *,
        lowercase: bool = True,
        min_count: int = 1,
        vocab_size: int = 50_000,
        spelling: bool = False,
        characters: bool = True,
        cell: str = "lstm",
        hidden_size: int = 200,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int | None = None,
        vectors: str | None = None,
        character_size: int = 32,
        character_hidden: int = 50,
        dropout: float = 0.5,
        word_dropout: float = 1.0,
        recurrent_dropout: float = 0.25,
        decoder: str = "auto",
        scheme: str = "auto",
        loss_average: str = "steps",
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
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = 1,
        threads: int = 2,
        device: str = "auto",
    ) -> None:
        keep_all(self, locals())

    def fit(self: Self, X: Any, y: Any) -> Self:
        """Learn from ``M`` sentences, each a list of words, and the ``M`` lists of their labels.

        With ``warm_start`` a second call goes on from the weights of the first, with its words and labels. A whole
        number as ``random_state`` gives the same model each time; None, or a RandomState, is drawn from.

        Raises:
            ValueError: sentences or labels of the wrong kind, or not equally many; the row is counted from 0.
            DataError: fewer than two labels; tags of spans that their scheme does not allow there.
            UsageError: texts in place of lists; a parameter out of range; with ``warm_start`` one that the weights do
                not fit.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        like = self._go_on_from()
        known: dict[str, Any] = {} if like is None else dict(self._known)
        sentences = _sentences(X, y, known)
        if not sentences:
            raise ValueError("expected sentences to learn from, found none")
        empty = next((sentence for sentence in sentences if not sentence.tokens), None)
        if empty is not None:
            raise ValueError(f"expected words to learn from, found none in row {sentences.index(empty)}")
        if like is not None:
            _check_labels(sentences, like)
        self._learn(sentences, like)
        self._known = known
        self.classes_ = np.array([known.get(name, name) for name in self.model_.labels])
        return self

    def predict(self, X: Any) -> Any:
        """A label for each word of each sentence: a list of lists, or an array of them where ``X`` is an array.

        Raises:
            ValueError, UsageError: see :meth:`fit`.
        """
        check_is_fitted(self)
        told = self.model_.predict(_words(X))
        return answers_like(X, [[self._known.get(name, name) for name in labels] for labels in told])

    def predict_proba(self, X: Any) -> Any:
        """``[T, K]`` for each sentence, columns in the order of ``classes_``: a list, or an array where ``X`` is one.

        Raises:
            ValueError, UsageError: see :meth:`fit`.
        """
        check_is_fitted(self)
        return answers_like(X, self.model_.probabilities(_words(X)))

    def score(self, X: Any, y: Any) -> float:
        """F1 of the spans, or the share of the words that are labelled rightly.

        Raises:
            ValueError, UsageError: see :meth:`fit`; there are no words.
            DataError: tags of spans that their scheme does not allow there.
        """
        check_is_fitted(self)
        sentences = [sentence for sentence in _sentences(X, y, {}) if sentence.tokens]
        if not sentences:
            raise ValueError("expected words to score on, found none")
        return float(self.model_.evaluate(sentences)[self.model_.task.measures[0].key])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.target_tags.required = False, True
        return tags


# ---- what comes in ----


def _sentences(X: Any, y: Any, known: dict[str, Any]) -> list[GivenSentence]:
    """Words and labels together; ``known`` keeps each label by its name.

    Raises:
        ValueError, UsageError: see :meth:`SequenceLabeler.fit`.
    """
    words, labels = _words(X), _rows(y, "labels")
    check_consistent_length(words, labels)
    for row, (own, told) in enumerate(zip(words, labels, strict=True)):
        if len(own) != len(told):
            raise ValueError(f"expected a label for each of the {len(own)} words of row {row}, found {len(told)}")
    names = [[_name(label, row, known) for label in told] for row, told in enumerate(labels)]
    return [GivenSentence(own, told, row) for row, (own, told) in enumerate(zip(words, names, strict=True))]


def _words(X: Any) -> list[list[str]]:
    rows = _rows(X, "words")
    for row, words in enumerate(rows):
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"expected only words, found {word!r} in row {row}")
    return [[str(word) for word in words] for words in rows]  # a NumPy array may hold some of its own


def _rows(table: Any, what: str) -> list[list[Any]]:
    """The rows, each a list, whatever sequence holds them."""
    expected = f"expected a list of sentences, each a list of {what}"
    if isinstance(table, str):
        raise UsageError(f"{expected}, found a text")
    if isinstance(table, Mapping | Set) or not isinstance(table, Iterable):
        raise ValueError(f"{expected}, found {type(table).__name__}")
    rows = []
    for number, row in enumerate(table):
        if isinstance(row, str | bytes):
            raise UsageError(f"{expected}, found a text as row {number}")
        if isinstance(row, Mapping | Set) or not isinstance(row, Iterable):
            raise ValueError(f"{expected}, found {row!r} as row {number}")
        rows.append(row.tolist() if isinstance(row, np.ndarray) else list(row))
    return rows


def _name(label: Any, row: int, known: dict[str, Any]) -> str:
    """What a label is called in the model, where all are texts."""
    label = label.item() if isinstance(label, np.generic) else label
    if label is None or label != label:
        raise ValueError(f"expected a label for each word, found {label!r} in row {row}")
    name = str(label)
    if known.setdefault(name, label) != label:
        raise ValueError(f"expected labels that are told apart by their names, found {known[name]!r} and {label!r}")
    return name


def _check_labels(sentences: Sequence[Any], model: Model) -> None:
    """Raise ValueError naming the first row with a label that the model to go on from does not have."""
    assert isinstance(model, LabelModel)
    for row, numbers in enumerate(model.task.targets.encode(sentences).to_list()):
        if min(numbers) < 0:
            raise ValueError(f"expected the labels of the model to go on from, found another one in row {row}")
