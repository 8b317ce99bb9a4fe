"""One answer for a sequence: classes and numbers.

What goes in are texts, or arrays (each ``[T]`` or ``[T, F]``, of any length ``T``), in a list, an array or a Series, or
one array ``[M, T]`` or ``[M, T, F]``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, Literal, TypeVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from throughtime.data.columns import Example
from throughtime.data.vectors import Vectors
from throughtime.errors import UsageError
from throughtime.estimators.base import Estimator, keep_all
from throughtime.model import TextModel
from throughtime.tasks.targets import number_name

__all__ = ["SequenceClassifier", "SequenceRegressor"]

Self = TypeVar("Self", bound="_TextEstimator")


class _TextEstimator(Estimator):
    """What both share."""

    model_: TextModel
    _task: Literal["classify", "rate"]

    def fit(self: Self, X: Any, y: Any) -> Self:
        """Learn from ``M`` sequences and their ``M`` targets.

        With ``warm_start`` a second call goes on from the weights of the first, with its vocabulary and targets. A
        whole number as ``random_state`` gives the same model each time; None, or a RandomState, is drawn from.

        Raises:
            ValueError: sequences or targets of the wrong kind, or not equally many.
            UsageError: a parameter out of range; with ``warm_start`` one that the weights do not fit; ``calibrate``
                where too few sequences are left to hold some out.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        like = self._go_on_from()
        sequences = self._sequences(X, reset=like is None)
        if not sequences:
            raise ValueError("expected sequences to learn from, found none")
        targets = self._targets(y)
        check_consistent_length(sequences, targets)
        pairs = enumerate(zip(sequences, targets, strict=True))
        examples = [Example(sequence, str(target), "X", row) for row, (sequence, target) in pairs]
        self._learn(examples, like)
        return self

    def _answers(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.model_.answers(self._sequences(X, reset=False))

    # ---- what comes in ----

    def _sequences(self, X: Any, *, reset: bool) -> list[Any]:
        if isinstance(X, str):
            raise UsageError("expected a list of texts, found one text: put it in a list")
        X = _listed(X)
        if isinstance(X, list) and not X:
            return []  # of texts or of arrays: nothing tells, and nothing is to be told
        if isinstance(X, list) and any(isinstance(sequence, str) for sequence in X):
            self._check_kind(texts=True, reset=reset)
            return _texts(X)
        if not isinstance(X, list) or _rectangular(X):
            # One array: each of its rows is a sequence, of numbers or of vectors.
            table = np.asarray(X) if isinstance(X, list) else X
            if getattr(table, "ndim", 0) == 3:
                X = check_array(table, allow_nd=True, dtype="numeric")
            else:
                X = validate_data(self, table, reset=reset, dtype="numeric")
        self._check_kind(texts=False, reset=reset)
        return list(X)

    def _check_kind(self, *, texts: bool, reset: bool) -> None:
        known = {True: "texts", False: "arrays"}
        if not reset and texts != (not isinstance(self.model_.vocabulary, Vectors)):
            raise ValueError(f"expected {known[not texts]}, as in training, found {known[texts]}")

    def _targets(self, y: Any) -> list[Any]:
        raise NotImplementedError("an estimator is a classifier or a regressor")


def _listed(X: Any) -> Any:
    """As a list what stands in one dimension, whatever holds it, but for numbers; anything else as it is.

    >>> _listed(("a", "b")), _listed(np.array(["a", "b"])), _listed(np.array([1.0, 2.0]))
    (['a', 'b'], ['a', 'b'], array([1., 2.]))
    """
    if getattr(X, "ndim", 1) != 1 or isinstance(X, Mapping | Set):
        return X
    if isinstance(X, Collection) and not hasattr(X, "__array__"):
        return list(X)
    column = np.asarray(X)
    return column.tolist() if column.ndim == 1 and (column.dtype.kind in "SUTO" or not len(column)) else X


def _texts(items: list[Any]) -> list[str]:
    """All of them, as plain strings: a NumPy array may hold some of its own.

    Raises:
        ValueError: for what is no text, such as the mark of a missing one.
    """
    for number, item in enumerate(items):
        if not isinstance(item, str):
            raise ValueError(f"expected only texts, found {item!r} as number {number}")
    return [str(item) for item in items]


def _rectangular(X: Sequence[Any]) -> bool:
    """Whether a list is a table of numbers, as scikit-learn has them."""
    return bool(X) and all(isinstance(row, list | tuple) for row in X) and len({len(row) for row in X}) == 1


class SequenceClassifier(ClassifierMixin, _TextEstimator):  # type: ignore[misc]
    """One class for a sequence. Parameters are those of ``throughtime train classify``, ``random_state`` its seed.

    Args:
        validation_fraction: share of the training data held out to choose the best weights by; 0 keeps the last.
        warm_start: whether a second ``fit`` goes on from the first one's weights.

    Attributes:
        classes_: ``[C]`` the labels.
        model_: the trained :class:`~throughtime.model.Model`.
        history_: the evaluations of its training.

    >>> texts = ["a lovely film", "lovely", "dull", "a dull film"] * 8
    >>> model = SequenceClassifier(hidden_size=8, epochs=6, lr=0.02).fit(texts, [1, 1, 0, 0] * 8)
    >>> model.predict(["lovely", "so dull"])
    array([1, 0])
    """

    _task: Literal["classify"] = "classify"

    def __init__(
        self,
        *,
        tokens: str = "word",
        lowercase: bool = True,
        min_count: int = 1,
        vocab_size: int = 30_000,
        spelling: bool = True,
        max_length: int | None = None,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int = 128,
        one_hot: bool = False,
        pooling: str = "attention",
        dropout: float | None = None,
        word_dropout: float = 1.0,
        recurrent_dropout: float = 0.0,
        label_smoothing: float = 0.1,
        class_weights: str = "none",
        calibrate: bool = False,
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

    def _targets(self, y: Any) -> list[Any]:
        y = column_or_1d(y, warn=True)
        y = y.astype(object) if y.dtype.kind == "T" else y  # scikit-learn knows no array of strings of any length
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"expected at least two classes to tell apart, found only one class: {self.classes_[0]!r}")
        return list(y.tolist())

    def predict_proba(self, X: Any) -> np.ndarray:
        """``[M, C]``, the columns in the order of ``classes_``."""
        answers = self._answers(X)
        places = {label: place for place, label in enumerate(self.model_.labels)}
        return answers[:, [places[str(label)] for label in self.classes_.tolist()]]

    def predict(self, X: Any) -> np.ndarray:
        """``[M]`` the most probable class of each sequence."""
        best = self.predict_proba(X).argmax(1)
        told: np.ndarray = self.classes_[best]
        return told


class SequenceRegressor(RegressorMixin, _TextEstimator):  # type: ignore[misc]
    """A number for a sequence. Parameters are those of ``throughtime train rate``, ``random_state`` its seed.

    Args:
        validation_fraction: share of the training data held out to choose the best weights by; 0 keeps the last.
        warm_start: whether a second ``fit`` goes on from the first one's weights.

    Attributes:
        model_: the trained :class:`~throughtime.model.Model`.
        history_: the evaluations of its training.
    """

    _task: Literal["rate"] = "rate"

    def __init__(
        self,
        *,
        tokens: str = "word",
        lowercase: bool = True,
        min_count: int = 1,
        vocab_size: int = 30_000,
        spelling: bool = True,
        max_length: int | None = None,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int = 128,
        one_hot: bool = False,
        pooling: str = "attention",
        dropout: float | None = None,
        word_dropout: float = 1.0,
        recurrent_dropout: float = 0.0,
        loss: str = "auto",
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

    def _targets(self, y: Any) -> list[Any]:
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        targets = column_or_1d(y, warn=True).astype(np.float64)
        if len(set(targets.tolist())) < 2:
            found = "one sample" if len(targets) == 1 else f"{len(targets)} times {number_name(targets[0])}"
            raise ValueError(f"expected at least two different numbers to tell apart, found {found}")
        return list(targets.tolist())

    def predict(self, X: Any) -> np.ndarray:
        """``[M]`` numbers."""
        return self._answers(X)[:, 0].astype(np.float64)
