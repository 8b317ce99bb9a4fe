"""One training run: the loop with its evaluations, stop rules and checkpoints; resumable to the bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from throughtime.data.batches import Batched
from throughtime.errors import TrainingError
from throughtime.storage import write_atomically
from throughtime.train.averaging import WeightAverage
from throughtime.train.checkpoint import Checkpoint, latest_checkpoint, remove_checkpoints, save_checkpoint
from throughtime.train.config import TrainConfig
from throughtime.train.interrupts import Interrupts
from throughtime.train.loop import Place, Step, train_steps
from throughtime.train.optimizers import make_optimizer
from throughtime.train.plan import Plan, make_plan
from throughtime.train.protocol import Listener, Record, Task
from throughtime.train.stopping import Progress, stop_rules

__all__ = ["Outcome", "Run"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended: what it set out to do, why it ended, the evaluation whose weights are kept, and all of them."""

    plan: Plan
    reason: str
    best: Record
    history: list[Record]
    seconds: float


class Run:
    """Trains a task; afterwards the task holds the best weights.

    Args:
        task: see :class:`~throughtime.train.protocol.Task`.
        batches: to learn from.
        valid: to choose the best weights by; none keeps the last ones.
        config: how to learn.
        folder: where ``metrics.jsonl`` and ``checkpoints/`` go; none keeps everything in memory.
        deadline: for ``--minutes``: when training must have ended, by ``time.monotonic``.
        resume: go on from the folder's newest checkpoint, if it has one; otherwise they are removed.
        listener: is told how it goes.
        sample: makes an example of what the task's weights give, to be kept with each evaluation.

    Raises:
        NonFiniteLossError: see :func:`~throughtime.train.loop.train_steps`; the last checkpoint is kept.
        TrainingError: when a checkpoint cannot be written.
        KeyboardInterrupt: after Ctrl-C, when the checkpoint is written.
    """

    def __init__(
        self,
        task: Task,
        batches: Batched,
        valid: Batched | None,
        config: TrainConfig,
        *,
        folder: Path | None = None,
        deadline: float | None = None,
        resume: bool = True,
        listener: Listener | None = None,
        sample: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.task, self.batches, self.valid, self.config = task, batches, valid, config
        self.folder, self.deadline, self.listener = folder, deadline, listener or Listener()
        self._sample = sample
        self.optimizer = make_optimizer(task.parameters(), config)
        self.average = WeightAverage(task, config.average, even=config.average_after is not None)
        self.place, self.progress = Place(), Progress()
        self.resume, self.history = resume, list[Record]()
        self._best: dict[str, Tensor] = {}
        self._epoch_sums, self._sums = _Sums(), _Sums()

    # ---- the run itself ----

    def prepare(self) -> int | None:
        """Make the plan, or go back to the newest checkpoint; the update it was written at, or none."""
        self.task.train()
        checkpoint = self._latest()
        if checkpoint is None:
            self.plan = make_plan(self.task, self.batches, self.valid, self.config, self.deadline)
            self._checkpoint()
        else:
            self._restore(checkpoint)
        if self.folder is not None:
            self._write_history()
        return None if checkpoint is None else self.place.update

    def go(self) -> Outcome:
        """Train until a stop rule fires; :meth:`prepare` comes first."""
        with Interrupts() as interrupts:
            reason = self._train(interrupts)
        self._keep_best()
        return Outcome(self.plan, reason, self._best_record(), self.history, self.progress.seconds)

    def _train(self, interrupts: Interrupts) -> str:
        rules = stop_rules(self.config, self.plan)
        steps = train_steps(
            self.task, self.batches, self.optimizer, self.average, self.config, self.place, self.plan.updates
        )
        self._saved = self._clock = time.monotonic()
        while True:
            reason = next((reason for rule in rules if (reason := rule(self.progress))), None)
            if reason is not None and self._evaluated_here():
                return reason
            if reason is not None:
                self._evaluate()
                continue
            step = next(steps)
            self._count(step)
            if step.ends_epoch:
                self._evaluate()
            if interrupts.received:
                self._checkpoint()
                raise KeyboardInterrupt(interrupts.received)
            if time.monotonic() - self._saved >= self.config.checkpoint_seconds:
                self._checkpoint()

    def _evaluated_here(self) -> bool:
        return bool(self.history) and self.history[-1].update == self.place.update

    def _count(self, step: Step) -> None:
        self.progress.updates = self.place.update
        for sums in (self._epoch_sums, self._sums):
            sums.add(step)
        if step.ends_epoch:
            self.progress.epochs = self.place.epoch
            self.progress.epoch_loss = self._epoch_sums.loss / self._epoch_sums.sequences
            self._epoch_sums = _Sums()
        now = time.monotonic()
        self.progress.seconds += now - self._clock
        self._clock = now
        self.listener.stepped(step, self.progress)

    def _evaluate(self) -> None:
        """Record how the averaged weights do, and keep them if they are the best so far."""
        with self.average.applied():
            valid = None if self.valid is None else self.task.evaluate(self.valid)
            sample = self._sample()
            best = self._is_best(valid)
            if best:
                self._best = {name: weight.detach().clone() for name, weight in self.task.named_parameters()}
        self.progress.stale = 0 if best else self.progress.stale + 1
        if self.config.average_after is not None and self.progress.stale >= self.config.average_after:
            self.average.begin()
        record = Record(
            update=self.place.update,
            epoch=self.place.epoch + self.place.batch / self.plan.per_epoch,
            loss=self._sums.loss / max(1, self._sums.sequences),
            grad_norm=self._sums.norm / max(1, self._sums.updates),
            clipped=self._sums.clipped / max(1, self._sums.updates),
            lr=self.optimizer.param_groups[0]["lr"],
            seconds=round(self.progress.seconds, 3),
            valid=None if valid is None else {k: v for k, v in valid.items() if isinstance(v, float | int)},
            best=best,
            sample=sample,
        )
        self._sums = _Sums()
        self.history.append(record)
        if self.folder is not None:
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(_line(record))
        self.listener.evaluated(record)

    def _is_best(self, valid: dict[str, Any] | None) -> bool:
        if valid is None or not self.history:
            return True
        best = self._best_record().valid
        return best is None or self.task.score(valid) > self.task.score(best)

    def _best_record(self) -> Record:
        return next(record for record in reversed(self.history) if record.best)

    def _keep_best(self) -> None:
        with torch.no_grad():
            for name, parameter in self.task.named_parameters():
                parameter.copy_(self._best[name])

    # ---- checkpoints ----

    @property
    def _checkpoints(self) -> Path | None:
        return None if self.folder is None else self.folder / "checkpoints"

    def _latest(self) -> Checkpoint | None:
        if self._checkpoints is None:
            return None
        if not self.resume:
            remove_checkpoints(self._checkpoints)
        checkpoint, warnings = latest_checkpoint(self._checkpoints)
        for warning in warnings:
            self.listener.noticed(warning)
        return checkpoint

    def _checkpoint(self) -> None:
        self._saved = time.monotonic()
        if self._checkpoints is None:
            return
        state = {
            "plan": asdict(self.plan),
            "place": {"epoch": self.place.epoch, "batch": self.place.batch, "update": self.place.update},
            "progress": asdict(self.progress),
            "history": [asdict(record) for record in self.history],
            "sums": asdict(self._sums),
            "epoch_sums": asdict(self._epoch_sums),
            "averaged_updates": self.average.updates,
            "average_begun": self.average.begun,
        }
        try:
            save_checkpoint(self._checkpoints, self.place.update, state, self._tensors())
        except OSError as error:
            raise TrainingError(
                f"{self._checkpoints}: expected to write a checkpoint, found: {error.strerror or error}; "
                "what was saved before is kept: make room and go on with --resume"
            ) from error

    def _tensors(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {f"weights/{name}": weight for name, weight in self.task.named_parameters()}
        tensors |= {f"average/{name}": weight for name, weight in self.average.average.items()}
        tensors |= {f"best/{name}": weight for name, weight in self._best.items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{slot}": t for slot, t in slots.items() if t is not None}
        tensors |= {f"state/{number}": part for number, part in enumerate(self.place.state or ())}
        tensors["random/cpu"] = torch.random.get_rng_state()
        if torch.cuda.is_available():
            tensors["random/cuda"] = torch.cuda.get_rng_state()
        return tensors

    def _restore(self, checkpoint: Checkpoint) -> None:
        state, tensors = checkpoint.state, checkpoint.tensors
        self.plan = Plan(**state["plan"])
        parameters = dict(self.task.named_parameters())
        device = next(iter(parameters.values())).device
        carried = sum(name.startswith("state/") for name in tensors)
        parts = tuple(tensors[f"state/{number}"].to(device) for number in range(carried))
        self.place = Place(**state["place"], state=parts or None)
        self.progress = Progress(**state["progress"])
        self.history = [Record(**record) for record in state["history"]]
        self._sums, self._epoch_sums = _Sums(**state["sums"]), _Sums(**state["epoch_sums"])
        self.average.updates, self.average.begun = state["averaged_updates"], state["average_begun"]
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(tensors[f"weights/{name}"])
            for name, average in self.average.average.items():
                average.copy_(tensors[f"average/{name}"])
        self._best = {
            name.removeprefix("best/"): tensor.to(parameters[name.removeprefix("best/")].device)
            for name, tensor in tensors.items()
            if name.startswith("best/")
        }
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer/"):
                _, number, slot = name.split("/")
                slots.setdefault(int(number), {})[slot] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        torch.random.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random/cuda"])

    def _write_history(self) -> None:
        """As far as the checkpoint goes: what was written after it will come again."""
        assert self.folder is not None
        write_atomically(self.folder / "metrics.jsonl", "".join(map(_line, self.history)))


def _line(record: Record) -> str:
    return json.dumps(asdict(record)) + "\n"


@dataclass
class _Sums:
    """Over the updates since something."""

    loss: float = 0.0
    norm: float = 0.0
    clipped: int = 0
    sequences: int = 0
    updates: int = 0

    def add(self, step: Step) -> None:
        self.loss += step.loss * step.sequences
        self.norm += step.norm
        self.clipped += step.clipped
        self.sequences += step.sequences
        self.updates += 1
