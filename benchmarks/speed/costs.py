"""What saves memory, and what it costs: gates made again in the backward pass, and steps with smaller weights.

    python benchmarks/speed/costs.py [--threads 2]

Prints both tables of docs/layers.md.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import torch
from cases import GATES, OURS
from pairs import time_pair
from table import machine
from torch import Tensor


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    print(f"{machine()}, {threads} threads, PyTorch {torch.__version__}\n")
    print("| 2 layers, H 128, 32 sequences of 200 | kept for the backward pass | with recompute=True | time |")
    print("|---|---|---|---|")
    for cell in GATES:
        print(recomputation(cell))
    print("\n| LSTM, 200 steps of drawn inputs | float16: largest, mean error of h | int8: largest, mean error of h |")
    print("|---|---|---|")
    for hidden in (64, 256, 512, 1024):
        print(f"| H {hidden} | {error(hidden, 'float16')} | {error(hidden, 'int8')} |")
    return 0


def recomputation(cell: str) -> str:
    """Bytes kept between the passes, and the time of both."""
    torch.manual_seed(0)
    x = torch.randn(200, 32, 128)
    layers = [OURS[cell](128, 128, num_layers=2, recompute=recompute) for recompute in (False, True)]
    layers[1].load_state_dict(layers[0].state_dict())

    def step(layer: Any) -> list[Tensor]:
        return list(torch.autograd.grad(layer(x)[0].square().sum(), list(layer.parameters())))

    for one, other in zip(step(layers[0]), step(layers[1]), strict=True):
        torch.testing.assert_close(one, other)
    plain, saving = (kept(layer, x) for layer in layers)
    timing = time_pair(lambda: step(layers[1]), lambda: step(layers[0]), seconds=3.0)
    return (
        f"| {cell} | {plain / 2**20:.1f} MiB | {saving / 2**20:.1f} MiB | {1 / timing.summary()['ratio_median']:.2f}× |"
    )


def kept(layer: Any, x: Tensor) -> int:
    """Bytes of all memory that the graph holds, but for parameters and input."""
    held: dict[int, int] = {}

    def hold(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    own = {tensor.untyped_storage().data_ptr() for tensor in (x, *layer.parameters())}
    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        output = layer(x)[0]
    del output
    return sum(size for place, size in held.items() if place not in own)


def error(hidden: int, weights: str) -> str:
    """Of h after each of 200 steps, against float32 weights; |h| is below 1."""
    torch.manual_seed(0)
    layer = OURS["lstm"](hidden, hidden)
    full, small = layer.stepper(), layer.stepper(weights=weights)
    gaps = torch.stack([(full(x) - small(x)).abs() for x in torch.randn(200, 1, hidden)])
    return f"{gaps.max():.1e}, {gaps.mean():.1e}"


if __name__ == "__main__":
    sys.exit(main())
