"""How far back a model reaches: the loss's gradient with respect to the state ``k`` steps back, and saturated gates."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast, overload

import torch
from torch import Tensor

from throughtime.data.batches import Batch
from throughtime.data.words import Words
from throughtime.nn.recurrent import Recurrent
from throughtime.ops import Pass, Trace
from throughtime.ragged import Ragged

__all__ = ["FELT", "SEQUENCES", "STEPS", "Layer", "Measurable", "MeasurableSteps", "Reach", "measure", "subsample"]

FELT = 0.01
"""A state counts as reached where the gradient has at least this share of its largest norm."""
LOW, HIGH = 0.05, 0.95
"""A sigmoid gate below or above is saturated: its slope has less than a fifth of its largest value."""
SHARE = 0.25
"""As far back as at least this share of the sequences go: a mean of a few would jump about."""
SEQUENCES, STEPS = 32, 400
"""At most so many sequences are measured, and of each the last so many steps."""


class _Reads(Protocol):
    """A ``torch.nn.Module`` that reads sequences by a recurrence."""

    @property
    def recurrences(self) -> Sequence[Recurrent]:
        """What reads the sequences, nearest the input first; what reads parts of a step, as letters, is not here."""

    def eval(self) -> Any:
        """As ``torch.nn.Module`` has it."""

    def double(self) -> Any:
        """As ``torch.nn.Module`` has it."""

    def cpu(self) -> Any:
        """As ``torch.nn.Module`` has it."""


class Measurable(_Reads, Protocol):
    """One with a mean loss of whole sequences, such as :class:`throughtime.tasks.Classifier`."""

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """The mean loss of a batch, and a state."""


class MeasurableSteps(_Reads, Protocol):
    """One with a loss of every step, such as :class:`throughtime.tasks.Labeler`."""

    def end_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The losses of the sequences' last steps and of their first ones, where the two directions' reading ends.

        Both are sums, of each step's own loss.
        """


@dataclass(frozen=True)
class Layer:
    """What was measured of one direction of one layer.

    Attributes:
        number: from 1, the layer nearest the input.
        backwards: whether it reads from each sequence's end to its beginning.
        norms: for ``k = 0, 1, …`` the gradient's norm ``k`` steps back.
        saturated: the share of saturated values of each gate (``i f o``, ``r z``), or of ``h``.
    """

    number: int
    backwards: bool
    norms: tuple[float, ...]
    saturated: dict[str, float]

    @property
    def steps(self) -> int:
        """The largest ``k`` where the norm is at least ``FELT`` of the largest; 0 where there is no gradient at all."""
        largest = max(self.norms)
        return max((k for k, norm in enumerate(self.norms) if largest and norm >= FELT * largest), default=0)

    @property
    def name(self) -> str:
        """Such as ``layer 1, backwards``."""
        return f"layer {self.number}{', backwards' * self.backwards}"


@dataclass(frozen=True)
class Reach:
    """How far back a model reaches, on some sequences: see :func:`measure`.

    Attributes:
        layers: one for each direction of each layer, nearest the input first.
        sequences: how many were measured.
        median_length: of these sequences, in steps.
        per_step: whether the losses are those of single steps.
        step: what a step is called.
        chunk: of running text, the steps that gradients flow back through in training.
        text: what a sequence is called.
    """

    layers: tuple[Layer, ...]
    sequences: int
    median_length: int
    per_step: bool = False
    step: str = "step"
    chunk: int = 0
    text: str = "text"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and words."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Reach:
        """What :meth:`to_json` gave, also after it was written and read.

        >>> reach = Reach((Layer(1, False, (1.0, 0.5), {"h": 0.25}),), sequences=3, median_length=2)
        >>> Reach.from_json(reach.to_json()) == reach
        True
        """
        layers = tuple(Layer(**{**layer, "norms": tuple(layer["norms"])}) for layer in content["layers"])
        return cls(**{**content, "layers": layers})

    def sentence(self) -> str:
        """How far back the model reaches, through the layer nearest the input, which all others build upon.

        >>> norms = tuple(0.5**k for k in range(30))
        >>> reach = Reach((Layer(1, False, norms, {}),), sequences=3, median_length=20)
        >>> print(reach.sentence())  # doctest: +NORMALIZE_WHITESPACE
        This model reaches 6 steps back: there the gradient of the loss still has 1% of its largest norm. Half of the
        texts are longer than 20 steps, and of what stands further back in them the model learns next to nothing.
        """
        first = [layer for layer in self.layers if layer.number == self.layers[0].number]
        ways = [
            f"{layer.steps} {self.step}s {'back' if not layer.backwards else 'ahead, reading backwards'}"
            for layer in first
        ]
        furthest = " or more" if all(layer.steps == len(layer.norms) - 1 for layer in first) else ""
        loss = f"a {self.step}'s loss" if self.per_step else "the loss"
        return (
            f"This model reaches {' and '.join(ways)}{furthest}: there the gradient of {loss} still has "
            f"{FELT:.0%} of its largest norm. {self._verdict(min(layer.steps for layer in first))}"
        )

    def _verdict(self, reached: int) -> str:
        """What that is worth."""
        steps = f"{self.median_length} {self.step}s"
        if self.chunk:
            return (
                f"In training gradients flow back through chunks of {self.chunk}; what lies before them it knows by "
                "the state alone, which is carried on."
            )
        if reached >= self.median_length - 1:
            return f"Half of the {self.text}s have no more than {steps}: it reaches over the whole of them."
        where = "off" if self.per_step else "back in them"
        return (
            f"Half of the {self.text}s are longer than {steps}, "
            f"and of what stands further {where} the model learns next to nothing."
        )


def measure(
    task: Measurable | MeasurableSteps,
    inputs: Ragged | Words,
    targets: Tensor | Ragged,
    *,
    sequences: int = SEQUENCES,
    steps: int = STEPS,
    step: str = "step",
    chunk: int = 0,
    text: str = "text",
) -> Reach:
    """Measure how strongly the loss depends on the state ``k`` steps before the end of the reading.

    For a sequence ``b`` of ``T_b`` steps with the loss ``L_b``, and ``s_t`` a layer's state after step ``t`` (``h_t``;
    of an LSTM ``h_t`` and ``c_t`` together, since it is ``c`` that remembers),

    ``norm(k) = mean over b with T_b > k of ‖∂L_b / ∂s_{T_b-k}‖₂``, with steps counted from 1.

    The derivative is total: through the steps that follow in this layer, through the layers above, and through what is
    made of the output of that very step (a pooling over all steps feels each of them at first hand). A backward
    direction has its own reading order: ``k`` steps before its last one, which is the sequence's first, so that
    ``s_{1+k}`` takes the place of ``s_{T_b-k}``. ``k`` goes as far as a quarter of the sequences do.

    Where every step has a target, the sum of all losses would feel every state at first hand, and nothing of it would
    fade. ``L_b`` is then the loss of one step alone, where the reading ends: the last one's for forward directions, the
    first one's for backward ones.

    This is the product of Jacobians of Bengio, Simard & Frasconi 1994 and of Pascanu, Mikolov & Bengio 2013 (eq. 5),
    seen from the loss. It is computed on a copy of the task in float64, without dropout, by the reference recurrence:
    exact, and the same on every machine up to rounding.

    Saturated are sigmoid gates below 0.05 or above 0.95, tanh units of an Elman network with ``|h| > 0.95``, and its
    relu units with ``h = 0``.

    Args:
        task: reads by a recurrence, and has a mean loss of a batch, or a loss of each step.
        inputs: ``B`` sequences, as the task takes them; empty ones are passed over.
        targets: ``[B, …]``, one for each; or one a step, ragged as the inputs are.
        sequences: at most so many are measured, evenly spread over the batch.
        steps: of longer sequences the last so many.
        step: what a step is called.
        chunk: of running text, the steps that gradients flow back through in training.
        text: what a sequence is called.

    Raises:
        ValueError: without a sequence that has steps.

    >>> from throughtime.tasks import Classes, Classifier, ClassifierConfig
    >>> _ = torch.manual_seed(0)
    >>> network = ClassifierConfig(cell="elman", hidden_size=8, bidirectional=False, pooling="last")
    >>> task = Classifier(network, 20, Classes(["ham", "spam"]))
    >>> reach = measure(task, Ragged.from_list([[2, 7, 9, 5, 3], [2, 8, 3]]), torch.tensor([0, 1]))
    >>> len(reach.layers[0].norms), reach.median_length, sorted(reach.layers[0].saturated)
    (5, 3, ['h'])
    """
    rows = subsample(inputs.lengths, sequences)
    chosen = _last(inputs.take(rows), steps)
    wanted = _double(targets.cpu()[rows]) if isinstance(targets, Tensor) else _last(targets.take(rows), steps).values
    task = copy.deepcopy(task)
    task.cpu()
    task.double()
    task.eval()
    trace, per_step = Trace(), isinstance(targets, Ragged)
    read = chosen.steps if isinstance(chosen, Words) else chosen
    for layer in task.recurrences:
        layer.op = trace.layer  # of this copy alone
    with torch.enable_grad():
        losses = _losses(task, Batch(chosen, wanted, tuple(range(len(rows)))), per_step)
        gradients = _gradients(losses, trace.passes)
    layers = tuple(
        Layer(number, run.reverse, _by_distance(read, own, reverse=run.reverse), _saturated(run))
        for number, run, own in zip(_numbers(trace.passes), trace.passes, gradients, strict=True)
    )
    return Reach(layers, len(read), int(read.lengths.median()), per_step, step, chunk, text)


def subsample(lengths: Tensor, sequences: int) -> Tensor:
    """At most so many rows of sequences with steps, evenly spread.

    Args:
        lengths: ``[B]`` of all sequences.
        sequences: rows at most.

    Raises:
        ValueError: no sequence has steps.

    >>> subsample(torch.tensor([4, 0, 2, 5, 1, 3]), 3)
    tensor([0, 3, 5])
    """
    rows = lengths.nonzero().flatten()
    if not len(rows):
        raise ValueError("expected at least one sequence with steps, found none")
    places = torch.linspace(0, len(rows) - 1, min(sequences, len(rows)), dtype=torch.float64)
    return rows[places.round().long()]


@overload
def _last(inputs: Ragged, steps: int) -> Ragged: ...


@overload
def _last(inputs: Words, steps: int) -> Words: ...


def _last(inputs: Ragged | Words, steps: int) -> Ragged | Words:
    """The last steps of each sequence, on the CPU."""
    if isinstance(inputs, Words):
        words = inputs.to("cpu")
        return Words(_last(words.steps, steps), words.forms)
    cut = Ragged.from_list([sequence[-steps:] for sequence in inputs.to("cpu")])
    return cut.with_values(_double(cut.values))


def _double(values: Tensor) -> Tensor:
    return values.double() if values.is_floating_point() else values.long()


def _losses(task: Measurable | MeasurableSteps, batch: Batch, per_step: bool) -> tuple[Tensor, Tensor]:
    """The sum of the sequences' losses, as a forward direction and as a backward one ends its reading."""
    if not per_step:
        loss, _ = cast(Measurable, task).loss(batch)
        # The mean's share of each sequence's own loss is the same for all of them.
        return loss * len(batch), loss * len(batch)
    return cast(MeasurableSteps, task).end_losses(batch)


def _numbers(passes: list[Pass]) -> list[int]:
    """Which layer each pass belongs to, from 1: each layer begins with its forward direction."""
    numbers: list[int] = []
    for run in passes:
        numbers.append((numbers[-1] if numbers else 0) + (not run.reverse))
    return numbers


def _gradients(losses: tuple[Tensor, Tensor], passes: list[Pass]) -> list[list[Tensor]]:
    """For every pass the norm of the gradient of every step's state, ``[n_t]`` each.

    Args:
        losses: that of forward passes, and that of backward ones.
        passes: whose states they are.
    """
    found = []
    for run in passes:
        parts = [part for state in run.states for part in state]
        gradients = iter(torch.autograd.grad(losses[run.reverse], parts, retain_graph=True, materialize_grads=True))
        own = [torch.stack([next(gradients).square().sum(1) for _ in state]).sum(0).sqrt() for state in run.states]
        found.append(own)
    return found


def _by_distance(inputs: Ragged, norms: list[Tensor], *, reverse: bool) -> tuple[float, ...]:
    """The mean over the sequences, for each number of steps back, from time-major ``norms``, ``[n_t]`` each."""
    row = inputs.row_of_step
    place = torch.arange(len(row)) - inputs.offsets[row]
    back = place if reverse else inputs.lengths[row] - 1 - place
    back = back[inputs.time_major.gather]
    counts = torch.bincount(back)
    means = torch.cat(norms).new_zeros(len(counts)).index_add(0, back, torch.cat(norms)) / counts
    return tuple(means[counts >= SHARE * len(inputs)].tolist())


def _saturated(run: Pass) -> dict[str, float]:
    if run.gates:
        return {name: _share((gate < LOW) | (gate > HIGH)) for name, gate in run.gates.items()}
    h = torch.cat([state[0].detach() for state in run.states])
    return {"h": _share(h == 0 if run.cell == "elman_relu" else h.abs() > HIGH)}


def _share(marks: Tensor) -> float:
    return float(marks.double().mean())
