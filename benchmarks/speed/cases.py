"""What is timed against what. Every case first shows that both sides agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peers import keras_training, onnx_layer, torch_layer
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from throughtime import nn as ours_nn

__all__ = ["Case", "cases"]

GATES = {"lstm": 4, "gru": 3, "elman": 1}
OURS = {"lstm": ours_nn.LSTM, "gru": ours_nn.GRU, "elman": ours_nn.RNN}
SIZES = (64, 128, 256, 512)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    group: str
    name: str
    peer: str
    target: float | None
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    check: Callable[[], None]
    flop: float


Lazy = tuple[str, Callable[[], Case]]
"""What a case is called, and what makes it."""


def cases(threads: int, words: list[str]) -> Iterator[Lazy]:
    """All cases for so many threads; with words, those whose name holds one of them."""
    for make in (long, ragged, equal, single, inference, steps, options, linear, alternating, keras):
        for label, build in make(threads):
            if not words or any(word in label for word in words):
                yield label, build


# ---- training -----------------------------------------------------------------------------------------------------


def uniform_lengths(batch: int, steps: int, low: int = 1) -> Tensor:
    """Longest first, drawn evenly; the longest is ``steps``."""
    lengths = torch.from_numpy(np.random.default_rng(0).integers(low, steps + 1, batch))
    lengths[0] = steps
    return lengths.sort(descending=True).values


class Training:
    """A training step of two layers with the same weights on the same data: outputs, and gradients of all."""

    def __init__(self, cell: str, hidden: int, lengths: Tensor, input_size: int | None = None) -> None:
        self.theirs = torch_layer(cell, input_size or hidden, hidden)
        self.ours = OURS[cell](input_size or hidden, hidden, backend="kernels")
        self.ours.load_state_dict(self.theirs.state_dict())
        self.lengths, self.steps = lengths, int(lengths.max())
        padded = torch.randn(self.steps, len(lengths), input_size or hidden)
        real = (torch.arange(self.steps)[:, None] < lengths).unsqueeze(2)
        self.padded = (padded * real).requires_grad_()
        self.grad = torch.randn(self.steps, len(lengths), hidden) * real
        packed = pack_padded_sequence(self.padded.detach(), lengths)
        self.packed = PackedSequence(packed.data.requires_grad_(), packed.batch_sizes)
        self.packed_grad = pack_padded_sequence(self.grad, lengths).data
        self.real = real
        tokens = int(lengths.sum())
        self.flop = 6 * GATES[cell] * hidden * (hidden + (input_size or hidden)) * tokens

    def run(self, layer: nn.Module, packed: bool) -> tuple[Tensor, ...]:
        """Forward and backward."""
        input: Any = self.packed if packed else self.padded
        output = layer(input)[0]
        source, out, grad = (input.data, output.data, self.packed_grad) if packed else (input, output, self.grad)
        return (out.detach(), *torch.autograd.grad(out, [source, *layer.parameters()], grad))

    def check(self, theirs_packed: bool, ours_packed: bool = True) -> None:
        """Outputs and all gradients agree."""
        mine = list(self.run(self.ours, ours_packed))
        other = list(self.run(self.theirs, theirs_packed))
        for found in (mine, other) if ours_packed != theirs_packed else ():
            if (found is mine) == ours_packed:
                batch_sizes = self.packed.batch_sizes
                found[:2] = [pad_packed_sequence(PackedSequence(t, batch_sizes))[0] for t in found[:2]]
            else:
                found[:2] = [t * self.real for t in found[:2]]
        agree(mine, other)

    def case(self, group: str, name: str, target: float | None, *, packed: bool) -> Case:
        """Against torch packed, or padded."""
        ours_packed = packed or not bool((self.lengths == self.steps).all())
        return Case(
            group,
            name,
            "torch packed" if packed else "torch padded",
            target,
            lambda: self.run(self.ours, ours_packed),
            lambda: self.run(self.theirs, packed),
            lambda: self.check(packed, ours_packed),
            self.flop,
        )


def agree(mine: list[Tensor], other: list[Tensor]) -> None:
    """Within what float32 sums of that many terms differ by."""
    for one, two in zip(mine, other, strict=True):
        scale = float(two.abs().max())
        torch.testing.assert_close(one, two, rtol=2e-4, atol=2e-5 * max(scale, 1.0))


def long(_: int) -> Iterator[Lazy]:
    for steps, target in ((1600, 25.0), (3200, 100.0)):

        def build(steps: int = steps, target: float = target) -> Case:
            lengths = torch.tensor([steps] + [steps - 1] * 7)
            return Training("lstm", 64, lengths).case("long", f"LSTM H 64 B 8 T {steps}", target, packed=True)

        yield f"long LSTM T {steps}", build


RAGGED_TARGETS = {64: 7.0, 128: 4.0, 256: 2.3, 512: 2.5}


def ragged(_: int) -> Iterator[Lazy]:
    for cell in GATES:
        for hidden in SIZES:
            for packed in (True, False):

                def build(cell: str = cell, hidden: int = hidden, packed: bool = packed) -> Case:
                    target = 1.5 if not packed else 1.6 if (cell, hidden) == ("elman", 512) else RAGGED_TARGETS[hidden]
                    training = Training(cell, hidden, uniform_lengths(32, 100))
                    return training.case("ragged", f"{cell} H {hidden}", target, packed=packed)

                yield f"ragged {cell} H {hidden} {'packed' if packed else 'padded'}", build


def keras(threads: int) -> Iterator[Lazy]:
    if threads == 1:  # JAX takes the cores it finds
        return
    for cell in GATES:
        for hidden in (128, 512):
            for kind in ("equal", "ragged"):

                def build(cell: str = cell, hidden: int = hidden, kind: str = kind) -> Case:
                    lengths = uniform_lengths(32, 100) if kind == "ragged" else torch.full((32,), 100)
                    training = Training(cell, hidden, lengths)
                    step = keras_training(training.theirs, training.padded.detach(), lengths, training.grad)

                    def check() -> None:
                        out, (weights, x) = step()
                        ours = training.run(training.ours, False) if kind == "equal" else None
                        mine = ours or training.run(training.ours, True)
                        padded = [
                            t if ours else pad_packed_sequence(PackedSequence(t, training.packed.batch_sizes))[0]
                            for t in mine[:2]
                        ]
                        other = [torch.from_numpy(np.asarray(t)).transpose(0, 1) for t in (out, x)]
                        agree(padded, [other[0] * training.real, other[1]])
                        kernels = [torch.from_numpy(np.asarray(w)).t() for w in weights[:2]]
                        places = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2], "elman": [0]}[cell]
                        for matrix, ours_matrix in zip(kernels, mine[2:4], strict=True):
                            parts = matrix.chunk(len(places))
                            agree([ours_matrix], [torch.cat([parts[place] for place in places])])

                    return Case(
                        "keras", f"{cell} H {hidden} {kind}", "Keras on JAX", 1.0,
                        lambda: training.run(training.ours, kind == "ragged"), step, check, training.flop,
                    )  # fmt: skip

                yield f"keras {cell} H {hidden} {kind}", build


EQUAL_TARGETS = {"lstm": 1.15, "gru": 1.5, "elman": 1.5}


def equal(_: int) -> Iterator[Lazy]:
    for cell in GATES:
        for hidden in SIZES:

            def build(cell: str = cell, hidden: int = hidden) -> Case:
                training = Training(cell, hidden, torch.full((32,), 100))
                return training.case("equal", f"{cell} H {hidden}", EQUAL_TARGETS[cell], packed=False)

            yield f"equal {cell} H {hidden}", build


def single(_: int) -> Iterator[Lazy]:
    for cell in ("lstm", "gru", "elman"):

        def build(cell: str = cell) -> Case:
            training = Training(cell, 128, torch.tensor([100]))
            return training.case("one row", f"{cell} H 128 T 100", None if cell == "lstm" else 8.0, packed=False)

        yield f"one row {cell}", build


# ---- inference ----------------------------------------------------------------------------------------------------


def inference(threads: int) -> Iterator[Lazy]:
    for cell in ("lstm", "gru"):
        for hidden in SIZES:
            for kind in ("equal", "half full"):

                def build(cell: str = cell, hidden: int = hidden, kind: str = kind) -> Case:
                    lengths = torch.full((32,), 100) if kind == "equal" else uniform_lengths(32, 100)
                    training = Training(cell, hidden, lengths)
                    run = onnx_layer(training.theirs, threads)
                    x, counts = training.padded.detach().numpy(), lengths.int().numpy()
                    zero = np.zeros((1, 32, hidden), np.float32)
                    state = [zero] * (2 if cell == "lstm" else 1)
                    input: Any = training.padded.detach() if kind == "equal" else training.packed

                    @torch.no_grad()
                    def ours() -> Tensor:
                        out = training.ours(input)[0]
                        return out if kind == "equal" else out.data

                    def check() -> None:
                        out = (
                            ours()
                            if kind == "equal"
                            else pad_packed_sequence(PackedSequence(ours(), training.packed.batch_sizes))[0]
                        )
                        agree([out], [torch.from_numpy(run(x, counts, *state)[0][:, 0]) * training.real])

                    return Case(
                        "inference", f"{cell} H {hidden} {kind}", "ONNX Runtime", 1.0 if kind == "equal" else 1.8,
                        ours, lambda: run(x, counts, *state), check, training.flop / 3,
                    )  # fmt: skip

                yield f"inference {cell} H {hidden} {kind}", build


STEP_TARGETS = {64: (12.0, 2.0), 256: (8.0, 1.2), 512: (11.0, 0.95), 1024: (6.0, 0.95)}


def steps(threads: int) -> Iterator[Lazy]:
    for hidden, (torch_target, onnx_target) in STEP_TARGETS.items():
        for peer, weights, target in (
            ("torch.nn.LSTM", "float32", torch_target),
            ("ONNX Runtime", "float32", onnx_target),
            ("ONNX Runtime", "float16", 3.0 if hidden == 1024 else None),
            ("ONNX Runtime", "int8", 3.0 if hidden == 1024 else None),
        ):

            def build(
                hidden: int = hidden, peer: str = peer, weights: str = weights, target: float | None = target
            ) -> Case:
                return step_case(threads, hidden, peer, weights, target)

            yield f"step H {hidden} {peer} {weights}", build


def step_case(threads: int, hidden: int, peer: str, weights: str, target: float | None) -> Case:
    """Ten steps of one row, the state carried on; each side in its own way."""
    theirs = torch_layer("lstm", hidden, hidden)
    layer = OURS["lstm"](hidden, hidden)
    layer.load_state_dict(theirs.state_dict())
    xs = torch.randn(10, 1, hidden)
    stepper = layer.stepper(batch_size=1, weights=weights)

    def ours() -> Tensor:
        for x in xs_list:
            y = stepper(x)
        return y

    xs_list = list(xs)
    if peer == "ONNX Runtime":
        run = onnx_layer(theirs, threads)
        one = np.ones(1, np.int32)
        arrays = [x.numpy()[None] for x in xs]
        carried = [np.zeros((1, 1, hidden), np.float32)] * 2

        def other() -> Tensor:
            state = carried
            for x in arrays:
                y, *state = run(x, one, *state)
            return torch.from_numpy(y)[0, 0]
    else:
        inputs = [x[None] for x in xs]

        @torch.no_grad()
        def other() -> Tensor:
            state = None
            for x in inputs:
                y, state = theirs(x, state)
            return y[0]

    def check() -> None:
        stepper.reset()
        tolerance = {"float32": 1e-5, "float16": 2e-3, "int8": 3e-2}[weights]
        torch.testing.assert_close(ours(), other(), rtol=0, atol=tolerance)

    flop = 10 * 2 * 4 * hidden * 2 * hidden
    label = peer if weights == "float32" else f"{peer} float32"
    return Case("step", f"LSTM H {hidden} {weights}", label, target, ours, other, check, flop)


# ---- ours against ours --------------------------------------------------------------------------------------------


def options(_: int) -> Iterator[Lazy]:
    """A plain layer's time is 'theirs': a ratio of 0.87 is 1.15 times its time."""
    for cell in GATES:
        for name, target in (("recurrent dropout", 1 / 1.15), ("resets", 1 / 1.15), ("layer norm", 1 / 1.3)):

            def build(cell: str = cell, name: str = name, target: float = target) -> Case:
                training = Training(cell, 128, uniform_lengths(32, 100))
                own = {"recurrent dropout": {"recurrent_dropout": 0.3}, "layer norm": {"layer_norm": True}}.get(
                    name, {}
                )
                layer = OURS[cell](128, 128, backend="kernels", **own)
                layer.load_state_dict(training.ours.state_dict(), strict=False)
                marks = torch.rand(len(training.packed.data)) < 0.05
                resets = PackedSequence(marks, training.packed.batch_sizes) if name == "resets" else None

                def ours() -> tuple[Tensor, ...]:
                    out = layer(training.packed, resets=resets)[0].data
                    return torch.autograd.grad(out, [training.packed.data, *layer.parameters()], training.packed_grad)

                def check() -> None:
                    torch.manual_seed(0)
                    mine = ours()
                    layer.backend = "reference"
                    torch.manual_seed(0)
                    other = ours()
                    layer.backend = "kernels"
                    agree(list(mine), list(other))

                return Case(
                    "options", f"{cell} H 128 {name}", "our plain layer", target,
                    ours, lambda: training.run(training.ours, True), check, training.flop,
                )  # fmt: skip

            yield f"options {cell} {name}", build


def alternating(_: int) -> Iterator[Lazy]:
    """A product of torch's and our layer by turns, against as many of each in a row: their threads must get along."""
    for hidden in (64, 256):

        def build(hidden: int = hidden) -> Case:
            training = Training("lstm", hidden, torch.full((32,), 50))
            one, other = torch.randn(512, 512), torch.randn(512, 512)

            def by_turns() -> None:
                for _ in range(8):
                    torch.mm(one, other)
                    training.run(training.ours, False)

            def in_a_row() -> None:
                for _ in range(8):
                    torch.mm(one, other)
                for _ in range(8):
                    training.run(training.ours, False)

            flop = 8 * (training.flop + 2 * 512**3)
            return Case(
                "alternating", f"LSTM H {hidden} and torch.mm 512", "each in a row", 1 / 1.05,
                by_turns, in_a_row, lambda: training.check(False, False), flop,
            )  # fmt: skip

        yield f"alternating {hidden}", build


def linear(_: int) -> Iterator[Lazy]:
    """Time a step of the same rows, 10,000 steps against 100: 1 is linear."""

    def build() -> Case:
        short, long = (Training("lstm", 64, torch.full((8,), steps)) for steps in (100, 10_000))

        def ours() -> None:
            long.run(long.ours, False)

        def hundred() -> None:
            for _ in range(100):
                short.run(short.ours, False)

        return Case(
            "linear", "LSTM H 64 B 8 T 10,000", "100 times T 100", 0.9,
            ours, hundred, lambda: long.check(False, False), long.flop,
        )  # fmt: skip

    yield "linear", build
