"""What the tests of the ops share."""

import pytest
import torch

from throughtime.ops import kernels


@pytest.fixture(autouse=True)
def _fresh_memory_is_nan():
    """An output that nobody wrote shows."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)


def instruction_sets():
    """Those that this machine has; none where the kernels are not built."""
    return kernels.extension.instruction_sets() if kernels.extension else []


@pytest.fixture(params=instruction_sets() or ["not built"])
def instruction_set(request):
    """Each instruction set that this machine has, in turn."""
    if kernels.MISSING:
        pytest.skip(kernels.MISSING)
    before = kernels.extension.instruction_set()
    kernels.extension.select(request.param)
    yield request.param
    kernels.extension.select(before)


@pytest.fixture
def compiled():
    """Skips where the kernels are not built."""
    if kernels.MISSING:
        pytest.skip(kernels.MISSING)
