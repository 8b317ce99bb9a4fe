"""Classify: one class for a sequence (many to one)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from throughtime.data.batches import Batch
from throughtime.data.columns import Example
from throughtime.errors import DataError
from throughtime.metrics import MOST_IN_MATRIX, calibration_error, classification, confusion, reliability
from throughtime.tasks.pooled import Pooled, PooledConfig
from throughtime.tasks.targets import Measure, known

__all__ = ["Classes", "Classifier", "ClassifierConfig", "certainty"]


class ClassifierConfig(PooledConfig):
    """What the classifier is made of."""

    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of each target given to all classes")
    class_weights: Literal["none", "balanced"] = Field("none", description="weigh classes by how rare they are")
    calibrate: bool = Field(
        False,
        description="fit one temperature on the validation data, so that a probability says how often it is right",
    )


@dataclass(frozen=True)
class Classes:
    """The classes' names, in the order of the probabilities, and how often each occurs in training.

    >>> examples = [Example("a", "10", "x.csv", 1), Example("b", "9", "x.csv", 2)]
    >>> Classes.learn(examples, ClassifierConfig()).labels
    ['9', '10']
    """

    labels: list[str]
    counts: tuple[int, ...] = ()

    @classmethod
    def learn(cls, examples: Sequence[Example], config: ClassifierConfig) -> Classes:
        """The distinct labels: whole numbers by value, others by alphabet.

        Raises:
            DataError: when there are fewer than two.
        """
        counts = Counter(str(example.label) for example in examples)
        if len(counts) < 2:
            found = f"only {next(iter(counts))!r}" if counts else "no examples"
            path = examples[0].path if examples else None
            raise DataError(f"expected at least two different labels to tell apart, found {found}", path=path)
        numeric = all(re.fullmatch(r"-?\d{1,18}", label) for label in counts)
        labels = sorted(counts, key=(lambda label: (int(label), label)) if numeric else None)
        return cls(labels, tuple(counts[label] for label in labels))

    @classmethod
    def value(cls, example: Example) -> str | None:
        """The class."""
        return example.label

    @classmethod
    def strata(cls, examples: Sequence[Example]) -> list[str]:
        """The classes."""
        return [str(example.label) for example in examples]

    @classmethod
    def from_json(cls, content: Any) -> Classes:
        """From what ``labels.json`` holds."""
        return cls(list(content))

    def to_json(self) -> Any:
        """The names."""
        return self.labels

    def encode(self, examples: Sequence[Example]) -> Tensor:
        """``[M]`` class numbers.

        Raises:
            DataError: for a label that is not one of ``labels``, with its place.
        """
        numbers = {label: number for number, label in enumerate(self.labels)}
        for example in examples:
            if example.label not in numbers:
                raise DataError(
                    f"expected one of the labels of the training data ({_some(self.labels)}), found {example.label!r}",
                    path=example.path,
                    line=example.line,
                )
        return torch.tensor([numbers[str(example.label)] for example in examples]).long()

    def in_words(self) -> str:
        """How many, and what guessing would reach."""
        most = max(self.counts) / sum(self.counts)
        return f"{len(self.labels)} classes; always guessing the most frequent one would be right in {most:.1%}"

    def title(self) -> str:
        """The classes where they are few."""
        named = " or ".join(self.labels)
        few = len(self.labels) <= 4 and len(named) <= 60
        return f"Text classifier: {named if few else f'{len(self.labels)} classes'}"

    def answer_names(self) -> list[str]:
        """The classes: an answer is their probabilities."""
        return self.labels

    def columns(self) -> list[str]:
        """The most probable class, its probability, and every class's."""
        return ["predicted", "probability", *(f"p({label})" for label in self.labels)]

    def cells(self, answer: np.ndarray) -> list[str | float]:
        """See :meth:`columns`."""
        best = int(answer.argmax())
        return [self.labels[best], *(round(float(p), 6) for p in (answer[best], *answer))]


class Classifier(Pooled):
    """A recurrence over symbols, pooled to one vector, to ``C`` classes.

    Args:
        config: what it is made of.
        num_symbols: size of the vocabulary.
        targets: the ``C`` classes.
        symbol_counts: how often each symbol occurs in training, for ``word_dropout``.
        spelling: features of its spelling that come with each symbol, and their number of values; see the encoder.
        vectors: whether what it reads are vectors of ``num_symbols`` numbers in the place of symbols.

    >>> from throughtime.ragged import Ragged
    >>> model = Classifier(ClassifierConfig(hidden_size=4), 20, Classes(["ham", "spam"]))
    >>> model(Ragged.from_list([[2, 7, 3], [2, 3]])).shape
    torch.Size([2, 2])
    """

    measures: ClassVar = (  # the first is what weights are chosen by
        Measure("accuracy", "accuracy", percent=True),
        Measure("macro_f1", "macro F1", percent=True),
        Measure("loss", "loss"),
    )

    def __init__(
        self,
        config: ClassifierConfig,
        num_symbols: int,
        targets: Classes,
        symbol_counts: Sequence[int] = (),
        *,
        spelling: tuple[int, int] | None = None,
        vectors: bool = False,
    ) -> None:
        super().__init__(config, num_symbols, len(targets.labels), symbol_counts, spelling=spelling, vectors=vectors)
        self.config, self.targets = config, targets
        counts = torch.tensor([float(n) for n in targets.counts] or [1.0] * len(targets.labels)).clamp(min=1)
        balanced = counts.sum() / (len(counts) * counts)
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", balanced if config.class_weights == "balanced" else None)
        # Not a parameter: no update and no checkpoint knows of it, it is found when training is over.
        self.temperature: Tensor | None
        self.register_buffer("temperature", torch.ones(()) if config.calibrate else None)

    def read(self, outputs: Tensor) -> Tensor:
        """Class probabilities ``[B, C]``."""
        return (outputs if self.temperature is None else outputs / self.temperature).softmax(1)

    def calibrate(self, outputs: Tensor, targets: Tensor) -> float:
        """Find the temperature that all outputs are divided by from now on, and return it.

        One number for all classes, which makes the held-out targets the most likely: temperature scaling, Guo et al.
        (2017), "On calibration of modern neural networks", section 4.2. The order of the classes stays as it is.

        Args:
            outputs: ``[M, C]`` of examples that the weights were not learnt from; see :meth:`examine`.
            targets: ``[M]`` their classes.

        Raises:
            ValueError: from a classifier whose settings say nothing of calibration.
        """
        if self.temperature is None:
            raise ValueError("expected a classifier made with calibrate=True, found one without")
        self.temperature.fill_(best_temperature(outputs, targets))
        return float(self.temperature)

    # ---- the task's protocol ----

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """Cross-entropy averaged over the ``B`` sequences; ``state`` is handed through, sequences being whole here."""
        loss = F.cross_entropy(
            self(batch.inputs),
            known(batch.targets),
            weight=self.class_weights,
            label_smoothing=self.config.label_smoothing,
            reduction="none",  # torch's own mean divides by the batch's weights, which takes the weights away again
        )
        return loss.mean(), state

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """See :meth:`judge`."""
        return self.judge(*self.examine(batches))

    def judge(self, outputs: Tensor, targets: Tensor) -> dict[str, Any]:
        """``accuracy``, ``macro_f1``, ``f1_by_class``, ``loss``, ``ece``, ``examples``, ``confusion``.

        ``loss`` and ``ece`` are those of :func:`certainty`; ``confusion`` is a matrix of at most 60 classes, true ones
        down and told ones across, and is not there where they are more.

        Args:
            outputs: ``[M, C]``.
            targets: ``[M]`` class numbers.
        """
        table, labels = self.read(outputs), self.targets.labels
        best, truth = table.argmax(1).cpu().numpy(), targets.cpu().numpy()
        found = {**classification(truth, best, labels), **certainty(table, targets), "examples": len(truth)}
        if len(labels) <= MOST_IN_MATRIX:
            found["confusion"] = confusion(truth, best, len(labels))
        return found

    def score(self, metrics: dict[str, Any]) -> tuple[float, float]:
        """What the best weights are chosen by, higher being better: accuracy, then the loss where that is equal."""
        return metrics["accuracy"], -metrics["loss"]


def certainty(table: Tensor, targets: Tensor) -> dict[str, float]:
    """What probabilities are worth: ``loss``, the mean cross-entropy, and ``ece``, the expected calibration error.

    Args:
        table: ``[M, C]`` probabilities.
        targets: ``[M]`` class numbers.

    >>> certainty(torch.tensor([[0.5, 0.5], [0.5, 0.5]]), torch.tensor([0, 0]))
    {'loss': 0.6931471805599453, 'ece': 0.5}
    """
    confidence, best = table.max(1)
    likelihood = table.gather(1, targets[:, None]).clamp(min=torch.finfo(table.dtype).tiny)
    return {
        "loss": float(-likelihood.double().log().mean()),
        "ece": calibration_error(reliability(confidence.cpu().numpy(), (best == targets).cpu().numpy())),
    }


COLDEST, HOTTEST = 0.2, 20.0
"""Where all held-out examples are answered rightly the likelihood only grows as the temperature falls, to certainty."""


def best_temperature(outputs: Tensor, targets: Tensor) -> float:
    """The temperature at which ``softmax(outputs / T)`` makes the targets most likely.

    >>> sure = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])  # 98.2%, and right in three of four
    >>> temperature = best_temperature(sure, torch.tensor([0, 0, 0, 1]))
    >>> (sure / temperature).softmax(1)[0]
    tensor([0.7500, 0.2500])
    """
    from scipy.optimize import minimize_scalar

    outputs = outputs.detach().double()

    def loss(logarithm: float) -> float:
        return float(F.cross_entropy(outputs / math.exp(logarithm), targets))

    # Convex in 1 / T, so it has one valley whatever the scale is. A steady model is left as it is.
    found = minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0


def _some(labels: Sequence[str], most: int = 10) -> str:
    return ", ".join(labels[:most]) + (f" and {len(labels) - most} more" if len(labels) > most else "")
