"""What the report shows of single texts, gathered once when training is over and kept nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from throughtime.data.batches import Dataset
from throughtime.data.columns import Example
from throughtime.tasks import Rater, TextTask

__all__ = ["Answered", "Evidence", "answered", "text_lengths"]


@dataclass(frozen=True)
class Answered:
    """What a model told of ``M`` held-out examples.

    Attributes:
        examples: as they were read.
        lengths: ``[M]`` tokens of each text.
        targets: ``[M]`` the number of each example's class, or its number.
        answers: ``[M, K]``; see the task's ``read``.
        chances: ``[M, C]`` the probability of each label, where there are some.
        uncalibrated: the same without a temperature, of a model that has one.
    """

    examples: Sequence[Example]
    lengths: np.ndarray
    targets: np.ndarray
    answers: np.ndarray
    chances: np.ndarray | None = None
    uncalibrated: np.ndarray | None = None

    @property
    def errors(self) -> np.ndarray:
        """``[M]``: how far off each number is."""
        errors: np.ndarray = np.abs(self.answers[:, 0].astype(np.float64) - self.targets)
        return errors


@dataclass(frozen=True)
class Evidence:
    """All that is shown of single texts.

    Attributes:
        lengths: of the texts of ``train``, ``valid`` and ``test`` in tokens, of those that there are.
        answered: what the model told of ``valid`` and ``test``, of those that there are.
    """

    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)
    answered: Mapping[str, Answered] = field(default_factory=dict)


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
    answers = task.read(outputs).detach().cpu().numpy()
    labels = len(task.targets.labels)
    chances = answers[:, -labels:] if 0 < labels <= answers.shape[1] else None
    warm = not isinstance(task, Rater) and task.temperature is not None
    uncalibrated = outputs.softmax(1).cpu().numpy() if warm else None
    return Answered(examples, lengths, targets.cpu().numpy(), answers, chances, uncalibrated)
