"""What training needs of a task, and whom it tells how it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from throughtime.data.batches import Batch

if TYPE_CHECKING:
    from throughtime.train.loop import Step
    from throughtime.train.stopping import Progress

__all__ = ["Listener", "Record", "Task"]


class Task(Protocol):
    """A module that has a loss and can be evaluated; :mod:`throughtime.tasks` has them."""

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """The mean loss of a batch, and the state to carry to the next one."""

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """The metrics over all batches, without dropout."""

    def score(self, metrics: dict[str, Any]) -> tuple[float, ...]:
        """What the best weights are chosen by; higher is better."""

    def train(self, mode: bool = True) -> Any:
        """As ``torch.nn.Module`` has it."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """As ``torch.nn.Module`` has it."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """As ``torch.nn.Module`` has it."""


@dataclass(frozen=True)
class Record:
    """One evaluation, a line of ``metrics.jsonl``.

    ``valid`` holds the metrics that are single numbers. ``loss``, ``grad_norm`` and ``clipped`` (share of updates)
    are means over the updates since the evaluation before. ``sample`` is an example of what the weights give, of a task
    whose answers can be read.
    """

    update: int
    epoch: float
    loss: float
    grad_norm: float
    clipped: float
    lr: float
    seconds: float
    valid: dict[str, Any] | None
    best: bool
    sample: str | None = None


class Listener:
    """Is told how training goes; this one keeps quiet."""

    def stepped(self, step: Step, progress: Progress) -> None:
        """After every update."""

    def evaluated(self, record: Record) -> None:
        """After every evaluation."""

    def noticed(self, message: str) -> None:
        """Something a person should know."""
