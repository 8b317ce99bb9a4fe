"""Thin faces over the field's metric libraries, and what these do not have, with the names ``evaluate --json`` prints.

The libraries are imported where they are used: they take up to a second, which a prediction need not wait for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import jiwer

__all__ = [
    "MOST_IN_MATRIX",
    "Bin",
    "SpanCounts",
    "SpanScore",
    "TokenCounts",
    "calibration_error",
    "classification",
    "confusion",
    "gleu",
    "rating",
    "reliability",
    "text_errors",
    "token_errors",
    "translation",
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


# ---- sequences as answers, each with one or several that are right ----


def translation(predicted: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float | str]:
    """``bleu``, ``bleu_lc`` (lower-cased), ``chrf``, each from 0 to 100, and ``bleu_signature``, by sacrebleu.

    Post (2018), "A call for clarity in reporting BLEU scores"; its tokenisation is mteval's 13a.

    Args:
        predicted: ``[M]`` texts as people write them, not tokenised.
        references: of each text one or several.

    Raises:
        ValueError: for no texts, or unequal numbers of texts and references.

    >>> scores = translation(["the cat sat on the Mat"], [["The cat sat on the mat", "the cat sat on the mat"]])
    >>> round(scores["bleu"], 2), round(scores["bleu_lc"], 2), scores["bleu_signature"]
    (75.98, 100.0, 'nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0')
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    _check_answers(predicted, references)
    # sacrebleu takes all first references, then all second ones; where a text has no more it wants none.
    streams = [list(stream) for stream in zip_longest(*references)]
    # Texts are measured as they are: sacrebleu would warn of marks that stand alone, as they do in parted essays.
    bleu = BLEU(force=True)
    cased = bleu.corpus_score(list(predicted), streams)
    return {
        "bleu": cased.score,
        "bleu_lc": BLEU(lowercase=True, force=True).corpus_score(list(predicted), streams).score,
        "chrf": CHRF().corpus_score(list(predicted), streams).score,
        "bleu_signature": str(bleu.get_signature()),
    }


def text_errors(predicted: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float | None]:
    """``wer`` and ``cer`` by jiwer: words or characters to replace, leave out or add, over those of the references.

    Of several references the one with the fewest errors counts, of equals the first.

    Returns:
        Shares, which can be above 1; none where the references are all empty.

    Raises:
        ValueError: for no texts, or unequal numbers of texts and references.

    >>> text_errors(["a big dog", "cat"], [["a dog", "a big log"], ["cat"]])  # "a dog" has as few words wrong
    {'wer': 0.3333333333333333, 'cer': 0.08333333333333333}
    """
    import jiwer

    _check_answers(predicted, references)

    def rate(process: Callable[[str, str], jiwer.WordOutput | jiwer.CharacterOutput]) -> float | None:
        errors = total = 0
        for text, right in zip(predicted, references, strict=True):
            counts = [process(reference, text) for reference in right]
            missed = [own.substitutions + own.deletions + own.insertions for own in counts]
            least = missed.index(min(missed))
            closest = counts[least]
            errors += missed[least]
            total += closest.hits + closest.substitutions + closest.deletions
        return errors / total if total else None

    return {"wer": rate(jiwer.process_words), "cer": rate(jiwer.process_characters)}


def token_errors(
    predicted: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> dict[str, float | None]:
    """``ter``, tokens to replace, leave out or add over the right ones, and ``exact``, the share of right answers.

    As phone errors are counted: of several right answers the one with the fewest errors counts, of equals the first.

    Args:
        predicted: ``[M]`` answers, each of tokens.
        references: of each one or several right answers.

    Returns:
        Shares; ``ter``, which can be above 1, is none where the right answers are all empty.

    Raises:
        ValueError: for no answers, or unequal numbers of answers and references.

    >>> token_errors([["K", "AE", "T"], ["R", "IY", "D"]], [[["K", "AA", "T"]], [["R", "EH", "D"], ["R", "IY", "D"]]])
    {'ter': 0.16666666666666666, 'exact': 0.5}
    """
    from rapidfuzz.distance import Levenshtein

    _check_answers(predicted, references)
    errors = total = exact = 0
    for answer, right in zip(predicted, references, strict=True):
        missed = [Levenshtein.distance(list(answer), list(reference)) for reference in right]
        least = missed.index(min(missed))
        errors, total, exact = errors + missed[least], total + len(right[least]), exact + (missed[least] == 0)
    return {"ter": errors / total if total else None, "exact": exact / len(predicted)}


def _check_answers(predicted: Sequence[object], references: Sequence[Sequence[object]]) -> None:
    if not len(predicted) or len(predicted) != len(references) or not all(len(right) for right in references):
        least = min((len(right) for right in references), default=0)
        raise ValueError(
            f"expected answers, and for each at least one reference, found {len(predicted)} and {len(references)}"
            + (", some empty" if references and not least else "")
        )


ORDER = 4
DRAWS = 500


def gleu(
    sources: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> float:
    """GLEU of corrections, from 0 to 100: n-grams shared with a reference, less those wrongly kept from the source.

    Napoles et al. (2015), "Ground truth for grammatical error correction metrics", in the form without tuning of
    Napoles et al. (2016, arXiv:1605.02592): for n of 1 to 4 the precision is the number of n-grams that answer and
    reference share, less those that the answer shares with the source but the reference has not; a brevity penalty as
    BLEU's. With several references one is drawn for each sentence, and the corpus's scores of 500 draws are averaged.
    The draws are always the same; with others the mean moves by some 0.04 on a corpus like JFLEG's.

    Args:
        sources: ``[M]`` sentences before correction, each of tokens.
        predicted: ``[M]`` answers.
        references: of each one or several corrections.

    Raises:
        ValueError: for no answers, or unequal numbers.

    >>> source, right = "He go to the school every day".split(), "He goes to school every day".split()
    >>> round(gleu([source], [right], [[right]]), 2), round(gleu([source], [source], [[right]]), 2)
    (100.0, 0.0)
    """
    _check_answers(predicted, references)
    if len(sources) != len(predicted):
        raise ValueError(f"expected a source for each of {len(predicted)} answers, found {len(sources)}")
    most = max(len(right) for right in references)
    counts = np.zeros((len(predicted), most, 2 + 2 * ORDER))
    for place, (source, answer, right) in enumerate(zip(sources, predicted, references, strict=True)):
        counts[place, : len(right)] = [_gleu_counts(source, answer, reference) for reference in right]
    places, scores = np.arange(len(counts)), []
    for number in range(DRAWS if most > 1 else 1):
        draw = Random(number * 101)
        chosen = [int(draw.random() * len(right)) for right in references]
        scores.append(_gleu_score(counts[places, chosen].sum(axis=0)))
    return 100 * float(np.mean(scores))


def _gleu_counts(source: Sequence[str], answer: Sequence[str], reference: Sequence[str]) -> list[int]:
    """Lengths of answer and reference, then for each n what is right and how many there are."""
    counts = [len(answer), len(reference)]
    for n in range(1, ORDER + 1):
        of_source, of_answer, right = (
            Counter(zip(*(text[begin:] for begin in range(n)), strict=False)) for text in (source, answer, reference)
        )
        wrong = Counter({gram: count for gram, count in of_source.items() if gram not in right})
        counts += [max((of_answer & right).total() - (of_answer & wrong).total(), 0), max(len(answer) + 1 - n, 0)]
    return counts


def _gleu_score(counts: np.ndarray) -> float:
    """From the sums over the corpus; 0 where any is 0."""
    if not counts.all():
        return 0.0
    answer, reference = counts[:2]
    precision = np.log(counts[2::2] / counts[3::2]).mean()
    return float(np.exp(min(0.0, 1 - reference / answer) + precision))
