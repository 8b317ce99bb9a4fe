"""What the report shows of single texts, gathered once when training is over and kept nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from throughtime.data.batches import Dataset
from throughtime.data.columns import Example
from throughtime.inspect.report.foretold import Foretold
from throughtime.inspect.report.labelled import Labelled
from throughtime.inspect.report.sounded import Composed, Sounded
from throughtime.inspect.report.translated import Translated
from throughtime.tasks import Rater, TextTask

__all__ = ["Answered", "Chances", "Evidence", "answered", "text_lengths"]


@dataclass(frozen=True)
class Chances:
    """The probabilities of ``M`` answers, those that are shown: a row of all labels a text could outgrow the model.

    Attributes:
        highest: ``[M]`` that of the most probable label.
        right: ``[M]`` whether that label is the right one; of numbers the nearest grade.
        expected: ``[M]`` the probability of the right label.
        uncalibrated: ``[M]`` that of the most probable label without a temperature, of a model that has one.
    """

    highest: np.ndarray
    right: np.ndarray
    expected: np.ndarray
    uncalibrated: np.ndarray | None = None

    @classmethod
    def of(cls, table: Tensor, labels: Tensor, uncalibrated: Tensor | None = None) -> Chances:
        """From all of them.

        Args:
            table: ``[M, C]`` probabilities.
            labels: ``[M]`` numbers of the right ones.
            uncalibrated: ``[M, C]`` without a temperature.

        >>> import torch
        >>> chances = Chances.of(torch.tensor([[0.75, 0.25], [0.75, 0.25]]), torch.tensor([0, 1]))
        >>> chances.highest.tolist(), chances.right.tolist(), chances.expected.tolist()
        ([0.75, 0.75], [True, False], [0.75, 0.25])
        """
        highest, best = table.max(1)
        expected = table.gather(1, labels[:, None])[:, 0]
        before = None if uncalibrated is None else _array(uncalibrated.max(1).values)
        return cls(_array(highest), _array(best == labels), _array(expected), before)


@dataclass(frozen=True)
class Answered:
    """What a model told of ``M`` held-out examples.

    Attributes:
        examples: as they were read.
        lengths: ``[M]`` tokens of each text.
        targets: ``[M]`` the number of each example's class, or its number.
        told: ``[M]`` the number of the most probable class, or the number that was told.
        chances: the probabilities, where labels have some.
    """

    examples: Sequence[Example]
    lengths: np.ndarray
    targets: np.ndarray
    told: np.ndarray
    chances: Chances | None = None

    @property
    def errors(self) -> np.ndarray:
        """``[M]``: how far off each number is."""
        errors: np.ndarray = np.abs(self.told.astype(np.float64) - self.targets)
        return errors


@dataclass(frozen=True)
class Evidence:
    """All that is shown of single texts.

    Attributes:
        lengths: of the texts of ``train``, ``valid`` and ``test`` in tokens, of those that there are.
        answered: what the model told of ``valid`` and ``test``, of those that there are.
        labelled: the same of a model that labels words.
        foretold: what the symbols of ``valid`` and ``test`` cost a language model, of those that there are.
        written: a sample of what it writes.
        sounded: what the frames of ``valid`` and ``test`` cost a model of music, of those that there are.
        composed: samples of what it makes, and real pieces.
        translated: the answers to ``valid`` and ``test`` that are texts, of those that there are.
    """

    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)
    answered: Mapping[str, Answered] = field(default_factory=dict)
    labelled: Mapping[str, Labelled] = field(default_factory=dict)
    foretold: Mapping[str, Foretold] = field(default_factory=dict)
    written: str = ""
    sounded: Mapping[str, Sounded] = field(default_factory=dict)
    composed: Composed | None = None
    translated: Mapping[str, Translated] = field(default_factory=dict)


def text_lengths(data: Dataset) -> np.ndarray:
    """``[M]`` tokens of each text, without ``<sos>`` and ``<eos>``."""
    lengths: np.ndarray = data.inputs.lengths.cpu().numpy() - 2
    return lengths


def answered(
    task: TextTask, examples: Sequence[Example], lengths: np.ndarray, outputs: Tensor, targets: Tensor
) -> Answered:
    """Of a task's outputs; see its ``examine``.

    Args:
        task: with its temperature, if it has one.
        examples: ``M`` of them.
        lengths: ``[M]``.
        outputs: ``[M, O]``.
        targets: ``[M]``.
    """
    answers = task.read(outputs).detach()
    if not isinstance(task, Rater):
        uncalibrated = None if task.temperature is None else outputs.softmax(1)
        chances = Chances.of(answers, targets, uncalibrated)
        return Answered(examples, lengths, _array(targets), _array(answers.argmax(1)), chances)
    graded = None
    if task.targets.ordinal:
        nearest = (targets[:, None] - task.grades).abs().argmin(1)
        graded = Chances.of(answers[:, 1:], nearest)
    return Answered(examples, lengths, _array(targets), _array(answers[:, 0]), graded)


def _array(values: Tensor) -> np.ndarray:
    # A copy, since a part of a table would keep the whole of it.
    array: np.ndarray = values.detach().cpu().numpy().copy()
    return array
