"""What a model is made with besides its settings: versions, machine, threads."""

from __future__ import annotations

import os
import platform

import numpy
import tokenizers
import torch

from throughtime.ops import kernels

__all__ = ["cores", "environment"]


def cores() -> int:
    """How many cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment(device: torch.device) -> dict[str, str]:
    """What is at work in this process, for ``config.json``.

    Args:
        device: where the model is trained.

    >>> sorted(environment(torch.device("cpu")))
    ['device', 'kernels', 'numpy', 'platform', 'python', 'threads', 'tokenizers', 'torch']
    """
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "tokenizers": tokenizers.__version__,
        "kernels": "none" if kernels.MISSING else "compiled",
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": str(torch.get_num_threads()),
    }
