"""Rate: a number from a sequence (many to one): of a few grades, or any."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.batches import Batch
from throughtime.data.columns import Example
from throughtime.errors import DataError, UsageError
from throughtime.metrics import confusion, rating
from throughtime.tasks.pooled import Pooled, PooledConfig
from throughtime.tasks.targets import Measure, known, number_name

__all__ = ["Numbers", "Rater", "RaterConfig"]

MOST_GRADES = 12
"""More distinct whole numbers than these are not grades but counts."""


class RaterConfig(PooledConfig):
    """What the rater is made of."""

    loss: Literal["auto", "squared", "ordinal"] = Field(
        "auto", description="squared error, or the likelihood of ordered grades; auto: ordinal for a few whole numbers"
    )


@dataclass(frozen=True)
class Numbers:
    """What numbers the training data holds.

    Attributes:
        grades: its distinct values in order, where they are few whole numbers; else none.
        shares: of the training examples that have each grade.
        ordinal: whether grades are learnt as such.
        mean, deviation: of the training data's numbers.
        median_error: the mean distance of the training data's numbers from their median.

    >>> examples = [Example("a", grade, "x.csv", line) for line, grade in enumerate(["1", "3", "3", "5"], 1)]
    >>> numbers = Numbers.learn(examples, RaterConfig())
    >>> numbers.grades, numbers.ordinal, numbers.mean
    ((1.0, 3.0, 5.0), True, 3.0)
    """

    grades: tuple[float, ...]
    shares: tuple[float, ...]
    ordinal: bool
    mean: float
    deviation: float
    median_error: float

    @classmethod
    def learn(cls, examples: Sequence[Example], config: RaterConfig) -> Numbers:
        """From the training data's labels.

        Raises:
            DataError: for a label that is no number, with its place; when all are equal.
            UsageError: for an ordinal loss where the numbers are no grades.
        """
        found = [_number(example) for example in examples]
        values = np.array(found)
        path = examples[0].path if examples else None
        if len(set(found)) < 2:
            told = f"only {number_name(found[0])}" if found else "no examples"
            raise DataError(f"expected at least two different numbers to tell apart, found {told}", path=path)
        counts = Counter(found)
        grades = tuple(sorted(counts)) if len(counts) <= MOST_GRADES and all(v == int(v) for v in counts) else ()
        if config.loss == "ordinal" and not grades:
            raise UsageError(
                f"--loss ordinal: expected at most {MOST_GRADES} different whole numbers as labels, "
                f"found {len(counts)} different numbers: --loss squared takes any"
            )
        return cls(
            grades=grades,
            shares=tuple(counts[grade] / len(found) for grade in grades),
            ordinal=config.loss == "ordinal" or (config.loss == "auto" and bool(grades)),
            mean=float(values.mean()),
            deviation=float(values.std()),
            median_error=float(np.abs(values - np.median(values)).mean()),
        )

    @classmethod
    def value(cls, example: Example) -> float:
        """The number.

        Raises:
            DataError: for a label that is no number, with its place.
        """
        return _number(example)

    @classmethod
    def strata(cls, examples: Sequence[Example]) -> list[str]:
        """The grades; of other numbers the tenth that each is in.

        Raises:
            DataError: for a label that is no number, with its place.
        """
        values = np.array([_number(example) for example in examples])
        if len(set(values.tolist())) <= MOST_GRADES:
            return [number_name(value) for value in values]
        edges = np.quantile(values, np.linspace(0.1, 0.9, 9))
        return [str(tenth) for tenth in np.searchsorted(edges, values, side="right")]

    @classmethod
    def from_json(cls, content: Any) -> Numbers:
        """From what ``labels.json`` holds."""
        return cls(**(content | {"grades": tuple(content["grades"]), "shares": tuple(content["shares"])}))

    def to_json(self) -> Any:
        """All of it."""
        return {
            "grades": list(self.grades),
            "shares": list(self.shares),
            "ordinal": self.ordinal,
            "mean": self.mean,
            "deviation": self.deviation,
            "median_error": self.median_error,
        }

    @property
    def labels(self) -> list[str]:
        """The grades' names."""
        return [number_name(grade) for grade in self.grades]

    def encode(self, examples: Sequence[Example]) -> Tensor:
        """``[M]`` numbers, in float64: dates and identifiers would be rounded to each other in less.

        Raises:
            DataError: for a label that is no number, with its place.
        """
        return torch.tensor([_number(example) for example in examples], dtype=torch.float64)

    def in_words(self) -> str:
        """What they are, how they are learnt, and what guessing would err by."""
        kind = f"{len(self.grades)} grades from {self.labels[0]} to {self.labels[-1]}" if self.grades else "numbers"
        learnt = "as ordered grades (--loss ordinal)" if self.ordinal else "by their squared error (--loss squared)"
        return f"{kind}, learnt {learnt}; always guessing the median would err by {self.median_error:.3g} on average"

    def title(self) -> str:
        """What it rates by."""
        return f"Text rater: {self.labels[0]} to {self.labels[-1]}" if self.grades else "Text rater"

    def answer_names(self) -> list[str]:
        """The number, then the grades, whose probabilities follow it."""
        return ["predicted", *(self.labels if self.ordinal else [])]

    def columns(self) -> list[str]:
        """The number, and the probability of every grade."""
        return ["predicted", *(f"p({label})" for label in self.labels if self.ordinal)]

    def cells(self, answer: np.ndarray) -> list[str | float]:
        """See :meth:`columns`."""
        return [self.rounded(float(answer[0])), *(round(float(p), 6) for p in answer[1:])]

    def rounded(self, value: float, digits: int = 6) -> float:
        """To so many digits of the number, or of the deviation where that is smaller: years differ in their last ones.

        >>> numbers = Numbers((), (), False, mean=1.7e9, deviation=17.0, median_error=15.0)
        >>> numbers.rounded(1700000012.3456789), numbers.rounded(0.123456789)
        (1700000012.3457, 0.123457)
        """
        finest = min(abs(value) or math.inf, self.deviation)
        return round(value, digits - 1 - math.floor(math.log10(finest))) if 0 < finest < math.inf else value


class Rater(Pooled):
    """A recurrence over symbols, pooled to one vector, to a number.

    Grades are learnt as the proportional odds of McCullagh (1980): the text's score ``s`` stands on a line that
    thresholds ``θ_1 < … < θ_{K-1}`` part, ``P(grade ≤ k) = σ(θ_k - s)``; the loss is minus the log-likelihood, and the
    answer the interpolated median of that distribution, which keeps the absolute error small.
    Other numbers are learnt by their squared error, in units of their deviation in training.

    Args:
        config: what it is made of.
        num_symbols: size of the vocabulary.
        targets: the numbers.
        symbol_counts: how often each symbol occurs in training, for ``word_dropout``.
        spelling: features of its spelling that come with each symbol, and their number of values; see the encoder.
        vectors: whether what it reads are vectors of ``num_symbols`` numbers in the place of symbols.
    """

    measures: ClassVar = (  # the first is what weights are chosen by
        Measure("mae", "mean abs. error"),
        Measure("rmse", "rms error"),
        Measure("accuracy", "nearest grade", percent=True),
        Measure("spearman", "rank corr."),
        Measure("loss", "loss"),
    )

    def __init__(
        self,
        config: RaterConfig,
        num_symbols: int,
        targets: Numbers,
        symbol_counts: Sequence[int] = (),
        *,
        spelling: tuple[int, int] | None = None,
        vectors: bool = False,
    ) -> None:
        super().__init__(config, num_symbols, 1, symbol_counts, spelling=spelling, vectors=vectors)
        self.config, self.targets = config, targets
        self.grades: Tensor
        self.register_buffer("grades", torch.tensor(targets.grades, dtype=torch.float64), persistent=False)
        self.first: nn.Parameter | None = None
        if targets.ordinal:
            # Where every score is zero the grades have their shares in training. The first threshold, and the logs of
            # the steps from each to the next, so that they stay in order.
            below = torch.tensor(targets.shares).cumsum(0)[:-1].clamp(1e-4, 1 - 1e-4)
            thresholds = below.logit()
            self.first = nn.Parameter(thresholds[:1])
            self.steps = nn.Parameter(thresholds.diff().clamp(min=1e-3).log())

    @property
    def thresholds(self) -> Tensor:
        """``[K - 1]``, rising."""
        assert self.first is not None
        return torch.cat([self.first, self.first + self.steps.exp().cumsum(0)])

    def read(self, outputs: Tensor) -> Tensor:
        """``[B, 1]`` numbers; of grades ``[B, 1 + K]``: the number, then each grade's probability. In float64."""
        if not self.targets.ordinal:
            return outputs.double() * self.targets.deviation + self.targets.mean
        # A softmax over two in the place of torch's sigmoid, whose bits depend on an element's place in the batch.
        gaps = self.thresholds - outputs
        below = torch.stack([gaps, torch.zeros_like(gaps)], -1).softmax(-1)[..., 0]
        whole = torch.cat([torch.zeros_like(outputs), below, torch.ones_like(outputs)], 1)
        chances = whole.diff(dim=1).double()
        return torch.cat([_median(chances, self.grades), chances], 1)

    # ---- the task's protocol ----

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """Averaged over the ``B`` sequences; ``state`` is handed through, sequences being whole here."""
        return self._losses(self(batch.inputs), known(batch.targets)).mean(), state

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if not self.targets.ordinal:
            wanted = (targets.double() - self.targets.mean) / self.targets.deviation
            return (outputs[:, 0] - wanted.to(outputs.dtype)).square()
        grade = (targets[:, None] - self.grades).abs().argmin(1)
        edges = F.pad(self.thresholds, (1, 1), value=math.inf)
        edges = torch.cat([-edges[:1], edges[1:]])
        upper, lower = edges[grade + 1] - outputs[:, 0], edges[grade] - outputs[:, 0]
        # log(σ(a) - σ(b)) = log σ(a) + log σ(-b) + log(1 - exp(b - a))
        gap = (lower - upper).clamp(max=-1e-6)
        return -(F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(gap)))

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """See :meth:`judge`."""
        return self.judge(*self.examine(batches))

    @torch.no_grad()
    def judge(self, outputs: Tensor, targets: Tensor) -> dict[str, Any]:
        """``mae``, ``rmse``, ``accuracy`` (nearest grade), ``spearman``, ``loss``, ``examples``, ``confusion``.

        Args:
            outputs: ``[M, 1]``.
            targets: ``[M]`` numbers.
        """
        truth, told = targets.cpu().numpy(), self.read(outputs)[:, 0].cpu().numpy()
        found: dict[str, Any] = {**rating(truth, told, self.targets.grades)}
        found |= {"loss": float(self._losses(outputs, targets).double().mean()), "examples": len(truth)}
        if self.targets.grades:
            grades = np.array(self.targets.grades)
            right, taken = (np.abs(values[:, None] - grades).argmin(1) for values in (truth, told))
            found["confusion"] = confusion(right, taken, len(grades))
        return found

    def score(self, metrics: dict[str, Any]) -> tuple[float, float]:
        """What the best weights are chosen by, higher being better: the absolute error, then the loss."""
        return -metrics["mae"], -metrics["loss"]


def _median(chances: Tensor, grades: Tensor) -> Tensor:
    """``[B, 1]``: the interpolated median of distributions ``[B, K]`` over ``grades [K]``.

    A grade stands where half of its own probability lies below; between those places it is linear, so that a text torn
    evenly between 1 and 2 is 1.5.

    >>> _median(torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]), torch.tensor([1.0, 2.0, 4.0])).flatten()
    tensor([2.0000, 1.5000])
    """
    places = chances.cumsum(1) - chances / 2
    after = (places < 0.5).sum(1, keepdim=True).clamp(1, len(grades) - 1)
    low, high = places.gather(1, after - 1), places.gather(1, after)
    share = ((0.5 - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return grades[after - 1] + share * (grades[after] - grades[after - 1])


def _number(example: Example) -> float:
    try:
        value = float(str(example.label))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"expected a number as label, found {example.label!r}", path=example.path, line=example.line)
    return value
