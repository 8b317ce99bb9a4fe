"""Thin faces over scikit-learn's metrics, and exact spans, with the names that ``evaluate --json`` prints.

scikit-learn is imported where it is used: it takes nearly a second, which a prediction need not wait for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = [
    "MOST_IN_MATRIX",
    "Bin",
    "SpanCounts",
    "SpanScore",
    "TokenCounts",
    "calibration_error",
    "classification",
    "confusion",
    "rating",
    "reliability",
]

MOST_IN_MATRIX = 60
"""Classes, beyond which nobody reads a matrix of them: its size is their number squared, whatever the data's."""


def classification(targets: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> dict[str, object]:
    """``accuracy``, ``macro_f1`` (over the classes that occur) and ``f1_by_class`` for class numbers ``[M]``.

    >>> classification(np.array([0, 0, 1]), np.array([0, 1, 1]), ["ham", "spam"])["f1_by_class"]
    {'ham': 0.6666666666666666, 'spam': 0.6666666666666666}
    """
    from sklearn.metrics import f1_score

    numbers = list(range(len(labels)))
    scores = f1_score(targets, predicted, labels=numbers, average=None, zero_division=0.0)
    seen = np.isin(numbers, np.concatenate([targets, predicted]))
    return {
        "accuracy": float(np.mean(targets == predicted)),
        "macro_f1": float(np.mean(scores[seen])),
        "f1_by_class": {label: float(score) for label, score in zip(labels, scores, strict=True)},
    }


def confusion(targets: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """``[classes][classes]`` counts: true class down, predicted class across."""
    from sklearn.metrics import confusion_matrix

    table: list[list[int]] = confusion_matrix(targets, predicted, labels=list(range(classes))).tolist()
    return table


def rating(targets: np.ndarray, predicted: np.ndarray, grades: Sequence[float] = ()) -> dict[str, float | None]:
    """``mae``, ``rmse``, ``accuracy`` (of the nearest grade; none without grades) and Spearman's rank correlation.

    >>> scores = rating(np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.75, 3.0]), [1, 2, 3, 4])
    >>> scores["mae"], scores["spearman"]
    (0.75, 1.0)
    """
    from scipy.stats import spearmanr

    errors = targets.astype(np.float64) - predicted.astype(np.float64)
    constant = len(set(targets.tolist())) < 2 or len(set(predicted.tolist())) < 2  # no order, so no correlation
    steps = np.array(grades, dtype=np.float64)
    nearest = steps[np.abs(predicted[:, None] - steps).argmin(1)] if len(steps) else None
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "accuracy": None if nearest is None else float(np.mean(nearest == targets)),
        "spearman": None if constant else float(spearmanr(targets, predicted).statistic),
    }


@dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence.

    Attributes:
        count: how many they are.
        confidence: the mean probability that they gave themselves.
        accuracy: the share of them that is right.
    """

    count: int
    confidence: float
    accuracy: float


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> list[Bin]:
    """Answers by how sure they are: ``bins`` of equal width from 0 to 1, those left out that hold none.

    Args:
        confidence: ``[M]`` the probability of each answer.
        right: ``[M]`` whether it is right.
        bins: how many.

    >>> reliability(np.array([0.5, 0.75, 1.0]), np.array([True, False, True]), bins=2)
    [Bin(count=1, confidence=0.5, accuracy=1.0), Bin(count=2, confidence=0.875, accuracy=0.5)]
    """
    confidence = confidence.astype(np.float64)
    # As in Guo et al. (2017) a bin holds its upper edge, so that a confidence of 1 is in the last one.
    place = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1)
    numbers, place = np.unique(place, return_inverse=True)
    rows = [place == number for number in range(len(numbers))]
    return [Bin(int(own.sum()), float(confidence[own].mean()), float(right[own].mean())) for own in rows]


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: how far accuracy and confidence are apart, averaged over the answers.

    Naeini et al. (2015); equation 3 of Guo et al. (2017), "On calibration of modern neural networks".

    >>> round(calibration_error([Bin(1, 0.7, 1.0), Bin(3, 0.8, 0.6)]), 9)  # (0.3 + 3 · 0.2) / 4
    0.225
    """
    total = sum(part.count for part in bins)
    return sum(part.count * abs(part.accuracy - part.confidence) for part in bins) / total


# ---- labels of tokens, and spans of them ----


class TokenCounts:
    """Counts of right labels, sequence by sequence.

    >>> counts = TokenCounts()
    >>> counts.add(["DET", "NOUN"], ["DET", "VERB"])
    >>> counts.accuracy
    0.5
    """

    def __init__(self) -> None:
        self.right = self.total = 0

    def add(self, targets: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sequence of ``[T]`` labels."""
        self.right += sum(target == label for target, label in zip(targets, predicted, strict=True))
        self.total += len(targets)

    @property
    def accuracy(self) -> float | None:
        """The share of labels that are right; none of no labels."""
        return self.right / self.total if self.total else None


class SpanScore(NamedTuple):
    """Exact spans: how many there are, were predicted, and are right."""

    targets: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """The share of the predicted spans that is right; 0 where none was predicted, as conlleval has it."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the spans that was found; 0 where there are none, as conlleval has it."""
        return self.correct / self.targets if self.targets else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where both are."""
        return 2 * self.correct / (self.targets + self.predicted) if self.correct else 0.0


class SpanCounts:
    """Exact spans counted as conlleval does (Tjong Kim Sang & Buchholz 2000), sequence by sequence.

    A predicted span is right when its begin, end and type are those of a span that is there.

    >>> counts = SpanCounts()
    >>> counts.add([(0, 2, "PER"), (4, 5, "LOC")], [(0, 2, "PER"), (4, 6, "LOC")])
    >>> counts.overall().f1, {type: score.f1 for type, score in counts.by_type().items()}
    (0.5, {'LOC': 0.0, 'PER': 1.0})
    """

    def __init__(self) -> None:
        self._targets, self._predicted, self._correct = Counter[str](), Counter[str](), Counter[str]()

    def add(self, targets: Iterable[tuple[int, int, str]], predicted: Iterable[tuple[int, int, str]]) -> None:
        """Count the spans of one sequence, each ``(begin, end, type)``."""
        there, found = set(targets), set(predicted)
        for counter, spans in ((self._targets, there), (self._predicted, found), (self._correct, there & found)):
            counter.update(type for _, _, type in spans)

    def overall(self) -> SpanScore:
        """The score of all spans together (micro average)."""
        return SpanScore(self._targets.total(), self._predicted.total(), self._correct.total())

    def by_type(self) -> dict[str, SpanScore]:
        """The score of each type that is there or was predicted, in the order of their names."""
        types = sorted(self._targets.keys() | self._predicted.keys())
        return {type: SpanScore(self._targets[type], self._predicted[type], self._correct[type]) for type in types}
