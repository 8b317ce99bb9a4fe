"""Linear maps of prediction: torch's results, bits that no other row changes, and the same for fixed weights."""

import pytest
import torch
from torch.nn import functional as F

from throughtime.ops import FixedLinear, kernels, linear

SHAPES = [(1, 3, 5), (7, 33, 17), (70, 64, 130), (3, 1, 1)]
shapes = pytest.mark.parametrize(("rows", "depth", "columns"), SHAPES)


def drawn(rows, depth, columns, dtype=torch.float32):
    torch.manual_seed(rows)
    return (
        torch.randn(rows, depth, dtype=dtype),
        torch.randn(columns, depth, dtype=dtype),
        torch.randn(columns).to(dtype),
    )


@shapes
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@torch.no_grad()
def test_fixed_weights_give_what_others_give(rows, depth, columns, biased, dtype):
    data, weight, bias = drawn(rows, depth, columns, dtype)
    bias = bias if biased else None
    found, wanted = FixedLinear(weight, bias)(data), linear(data, weight, bias)
    torch.testing.assert_close(found, F.linear(data, weight, bias))
    if dtype != torch.bfloat16 and not kernels.MISSING:
        assert torch.equal(found, wanted)


@pytest.mark.skipif(bool(kernels.MISSING), reason="needs the compiled kernels")
@shapes
@torch.no_grad()
def test_a_rows_bits_do_not_depend_on_the_others(rows, depth, columns):
    data, weight, bias = drawn(rows, depth, columns)
    fixed = FixedLinear(weight, bias)
    whole = fixed(data)
    assert all(torch.equal(fixed(data[row : row + 1])[0], whole[row]) for row in range(rows))


@torch.no_grad()
def test_fixed_weights_do_not_learn():
    data, weight, bias = drawn(2, 3, 4)
    fixed = FixedLinear(weight, bias)
    before = fixed(data)
    weight.zero_()
    bias.zero_()
    assert torch.equal(fixed(data), before)


def test_with_gradients_it_is_torchs():
    data, weight, bias = drawn(2, 3, 4)
    data.requires_grad_()
    (grad,) = torch.autograd.grad(FixedLinear(weight, bias)(data).sum(), data)
    torch.testing.assert_close(grad, weight.sum(0).expand(2, -1))
