"""The kernels' own exp: its error in units of the last place."""

import numpy as np
import pytest
import torch

from throughtime.ops import kernels

LIMITS = {"tanh": 2.5, "logistic": 2.5}  # units of the last place, as vec.h states them


def apply(name, x):
    y = torch.empty_like(x)
    suffix = str(x.dtype).removeprefix("torch.")
    getattr(kernels.extension, f"{name}_{suffix}")(x.data_ptr(), y.data_ptr(), len(x))
    return y


def exact(name, x):
    wide = x.numpy().astype(np.longdouble)
    return np.tanh(wide) if name == "tanh" else 1 / (1 + np.exp(-wide))


def worst(name, x):
    truth = exact(name, x)
    found = apply(name, x).numpy()
    narrow = truth.astype(found.dtype)
    normal = np.abs(narrow) >= np.finfo(found.dtype).tiny  # below that, steps are of a fixed size
    return float((np.abs(found[normal] - truth[normal]) / np.spacing(np.abs(narrow[normal]))).max())


def some(dtype):
    near = torch.linspace(-12, 12, 400_001, dtype=dtype)
    tiny = torch.logspace(-30, 1.9, 50_000, dtype=torch.float64).to(dtype)
    return torch.cat([near, tiny, -tiny])


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_error_is_within_the_stated_bound(name, dtype, instruction_set):
    assert worst(name, some(dtype)) <= LIMITS[name]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_ends_and_what_is_not_a_number(dtype, instruction_set):
    x = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), 1e30, -1e30, float("nan")], dtype=dtype)
    tanh, logistic = apply("tanh", x), apply("logistic", x)
    assert tanh[:6].tolist() == [0.0, -0.0, 1.0, -1.0, 1.0, -1.0]
    assert logistic[[0, 1, 2, 4]].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert (logistic[[3, 5]] < 1e-37).all()
    assert tanh[6].isnan()
    assert logistic[6].isnan()
    assert apply("tanh", some(dtype)).abs().max() <= 1


@pytest.mark.long
@pytest.mark.parametrize("name", LIMITS)
def test_every_float_is_within_the_stated_bound(name, instruction_set):
    top = np.float32(130).view(np.uint32).item()
    errors = []
    for begin in range(0, top, 1 << 24):
        bits = np.arange(begin, min(begin + (1 << 24), top), dtype=np.uint32)
        positive = torch.from_numpy(bits.view(np.float32))
        errors += [worst(name, positive), worst(name, -positive)]
    assert max(errors) <= LIMITS[name]
