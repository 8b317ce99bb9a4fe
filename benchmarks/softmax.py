"""The chunked cross-entropy beside PyTorch's own over all scores: time and memory of forward and backward.

    python benchmarks/softmax.py [--rounds 9] [--shape N H V ...] [--out build/softmax.json]

Both make the mean loss and its gradients with respect to the hidden states, the weight and the bias, and are timed in
turns in one process with one thread, after their gradients have agreed. The time is the processor's, which other
programs on the machine do not lengthen by making us wait. Memory is the most that either holds at once beyond its
inputs, gradients included, in a process of its own (Linux).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.nn.softmax import linear_cross_entropy

SHAPES = [(700, 400, 10_000), (1400, 400, 10_000), (1400, 650, 10_000), (2240, 650, 10_000), (4096, 512, 65)]
"""Rows, hidden size, vocabulary."""

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def plain(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """All scores at once."""
    return F.cross_entropy(F.linear(hidden, weight, bias), targets)


def chunked(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """A chunk of rows at a time."""
    return linear_cross_entropy(hidden, weight, bias, targets).total


WAYS: dict[str, Loss] = {"chunked": chunked, "plain": plain}


def main() -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--shape", type=int, nargs=3, action="append", metavar=("N", "H", "V"))
    parser.add_argument("--out", type=Path, default=Path("build/softmax.json"))
    parser.add_argument("--peak", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shapes = [tuple(shape) for shape in arguments.shape or SHAPES]
    if arguments.peak:
        print(peak(WAYS[arguments.peak], *shapes[0]))
        return 0
    print(f"{'N':>6}{'H':>6}{'V':>8}{'chunked':>12}{'plain':>12}{'ratio':>8}{'least':>8}{'memory':>12}{'plain':>12}")
    found = []
    for rows, size, vocabulary in shapes:
        row = timed(rows, size, vocabulary, arguments.rounds)
        for name in WAYS:
            words = ["--peak", name, "--shape", rows, size, vocabulary]
            said = subprocess.run([sys.executable, __file__, *map(str, words)], check=True, stdout=subprocess.PIPE)
            row[f"{name}_mib"] = float(said.stdout)
        found.append({"rows": rows, "hidden_size": size, "vocabulary": vocabulary} | row)
        print(
            f"{rows:>6}{size:>6}{vocabulary:>8,}{row['chunked_ms']:>9.1f} ms{row['plain_ms']:>9.1f} ms"
            f"{row['ratio_median']:>7.2f}×{row['ratio_min']:>7.2f}×{row['chunked_mib']:>8.0f} MiB"
            f"{row['plain_mib']:>8.0f} MiB",
            flush=True,
        )
    machine = f"{os.cpu_count()} cores, {platform.machine()}, PyTorch {torch.__version__}"
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    written = {"machine": machine, "threads": 1, "shapes": found}
    arguments.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 0


def draw(rows: int, size: int, vocabulary: int) -> tuple[list[Tensor], Tensor]:
    """Hidden states, weight and bias, all to be learnt, and targets."""
    torch.manual_seed(0)
    learnt = [torch.randn(rows, size), torch.randn(vocabulary, size) * size**-0.5, torch.zeros(vocabulary)]
    return [tensor.requires_grad_() for tensor in learnt], torch.randint(vocabulary, (rows,))


def step(loss: Loss, learnt: list[Tensor], targets: Tensor) -> list[Tensor]:
    """Forward and backward as a training loop has them, which throws the last gradients away first."""
    for tensor in learnt:
        tensor.grad = None
    loss(*learnt, targets).backward()
    return [tensor.grad for tensor in learnt if tensor.grad is not None]


def timed(rows: int, size: int, vocabulary: int, rounds: int) -> dict[str, float]:
    """Milliseconds of each, and the ratios theirs over ours of each round; they take turns at going first."""
    learnt, targets = draw(rows, size, vocabulary)
    grads = {name: step(loss, learnt, targets) for name, loss in WAYS.items()}
    for our, their in zip(*grads.values(), strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-6)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    calls = max(1, 10_000_000_000 // (6 * rows * size * vocabulary))
    gc.collect()
    gc.disable()
    for number in range(rounds):
        for name in list(WAYS)[:: -1 if number % 2 else 1]:
            begun = time.process_time()
            for _ in range(calls):
                step(WAYS[name], learnt, targets)
            seconds[name].append((time.process_time() - begun) / calls)
    gc.enable()
    ratios = [their / our for our, their in zip(seconds["chunked"], seconds["plain"], strict=True)]
    return {f"{name}_ms": 1000 * statistics.median(found) for name, found in seconds.items()} | {
        "ratio_median": statistics.median(ratios),
        "ratio_min": min(ratios),
    }


def peak(loss: Loss, rows: int, size: int, vocabulary: int) -> float:
    """MiB at the peak beyond what is there before."""
    step(loss, *draw(2, 2, 2))  # what a first call allocates for good
    learnt, targets = draw(rows, size, vocabulary)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak from here on
    before = resident()
    step(loss, learnt, targets)
    return (resident() - before) / 1024


def resident() -> int:
    """KiB of resident memory at this process's peak so far; what ``getrusage`` says begins with the parent's."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    sys.exit(main())
