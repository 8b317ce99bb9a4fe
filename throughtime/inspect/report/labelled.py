"""What the report shows of single words and sentences, gathered while a labeler is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from throughtime.data.batches import Batch, Batched, Dataset
from throughtime.data.readers.sentences import Sentence
from throughtime.data.spans import Span, read_spans
from throughtime.data.vocabulary import SPECIALS
from throughtime.tasks import Labeler

__all__ = ["Labelled", "labelled"]


@dataclass(frozen=True)
class Labelled:
    """What a model told of ``M`` held-out sentences of ``N`` words together.

    Attributes:
        sentences: as they were read.
        offsets: ``[M + 1]`` where each begins among the words, and where the last one ends.
        names: the labels that there are or were told, as the file writes them.
        labels: ``[N]`` the number of each word's label among them.
        told: ``[N]`` the number of the one that was told.
        counts: ``[N]`` how often each word occurs in training; 0 where it is unknown.
        losses: ``[M]`` each sentence's loss; NaN where it has a label that training did not show.
        spans: whether labels are those of spans.
    """

    sentences: Sequence[Sentence]
    offsets: np.ndarray
    names: list[str]
    labels: np.ndarray
    told: np.ndarray
    counts: np.ndarray
    losses: np.ndarray
    spans: bool

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def lengths(self) -> np.ndarray:
        """``[M]`` words of each sentence."""
        lengths: np.ndarray = np.diff(self.offsets)
        return lengths

    @property
    def right(self) -> np.ndarray:
        """``[N]`` whether the right label was told."""
        right: np.ndarray = self.labels == self.told
        return right

    def of(self, row: int) -> tuple[list[str], list[str]]:
        """The labels of one sentence, and those that were told."""
        place = slice(self.offsets[row], self.offsets[row + 1])
        labels, told = ([self.names[number] for number in found[place]] for found in (self.labels, self.told))
        return labels, told

    def spans_of(self, row: int) -> tuple[list[Span], list[Span]]:
        """The spans of one sentence, and those that were told."""
        labels, told = self.of(row)
        return read_spans(labels), read_spans(told)


def labelled(
    task: Labeler, batches: Batched, data: Dataset, symbol_counts: Sequence[int]
) -> tuple[dict[str, Any], Labelled]:
    """The metrics of a held-out part, and what is shown of it, by answering once.

    Args:
        task: what answers.
        batches: those of ``data``.
        data: sentences with their labels.
        symbol_counts: how often each symbol occurs in training.
    """
    heard = _Heard(data)
    metrics = task.evaluate(batches, heard)
    counts = np.array(symbol_counts, dtype=np.int64)
    counts[: len(SPECIALS)] = 0  # a word that is not known has been seen by nobody, however many are like it
    symbols = data.inputs.forms.symbols[:, 0].numpy()[data.inputs.values.numpy()]
    return metrics, Labelled(
        data.examples,
        heard.offsets,
        list(heard.names),
        heard.labels,
        heard.told,
        counts[symbols].astype(np.int32),
        heard.losses,
        task.targets.scheme is not None,
    )


class _Heard:
    """Puts what is told batch by batch into the dataset's order, as numbers: labels are many, their names few."""

    def __init__(self, data: Dataset) -> None:
        self.offsets = data.inputs.steps.offsets.numpy()
        self.names: dict[str, int] = {}
        self.labels, self.told = (np.zeros(int(self.offsets[-1]), np.int32) for _ in range(2))
        self.losses = np.full(len(data), np.nan, np.float32)

    def __call__(self, batch: Batch, told: Sequence[Sequence[str]], losses: Tensor) -> None:
        self.losses[list(batch.rows)] = losses.numpy()
        for row, sentence, own in zip(batch.rows, batch.examples, told, strict=True):
            place = slice(self.offsets[row], self.offsets[row + 1])
            self.labels[place], self.told[place] = self._numbers(sentence.labels or []), self._numbers(own)

    def _numbers(self, names: Sequence[str]) -> list[int]:
        return [self.names.setdefault(name, len(self.names)) for name in names]
