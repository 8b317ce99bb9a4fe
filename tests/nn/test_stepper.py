"""Steppers: one step at a time, equal to the whole."""

import pytest
import torch

from throughtime import nn
from throughtime.ops import kernels

pytestmark = pytest.mark.skipif(bool(kernels.MISSING), reason=kernels.MISSING or "built")

LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}
layers = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


@layers
@pytest.mark.parametrize("hidden", [1, 7, 33, 100, 257])
@pytest.mark.parametrize("batch", [1, 3])
def test_steps_equal_the_whole_bit_for_bit(make, hidden, batch):
    torch.manual_seed(0)
    layer = make(5, hidden, num_layers=2, bias=hidden != 7)
    x, stepper = torch.randn(6, batch, 5), layer.stepper(batch)
    with torch.no_grad():
        whole, final = layer(x)
        steps = torch.stack([stepper(step) for step in x])
        assert torch.equal(steps, whole)
        assert all(torch.equal(one, other) for one, other in zip(parts(stepper.state), parts(final), strict=True))


@layers
def test_state_is_a_copy_that_can_be_given_back(make):
    layer, x = make(4, 9), torch.randn(5, 1, 4)
    stepper = layer.stepper()
    stepper(x[0])
    kept = stepper.state
    first = [stepper(step) for step in x[1:]]
    stepper.state = kept
    assert all(torch.equal(one, stepper(step)) for one, step in zip(first, x[1:], strict=True))
    stepper.reset()
    assert all(not part.any() for part in parts(stepper.state))
    with torch.no_grad():
        assert torch.equal(stepper(x[0]), layer(x[:1])[0][0])


def test_it_keeps_the_weights_it_was_made_with():
    layer = nn.GRU(3, 4)
    stepper, x = layer.stepper(), torch.randn(1, 3)
    before = stepper(x)
    torch.nn.init.zeros_(layer.weight_ih_l0)
    stepper.reset()
    assert torch.equal(stepper(x), before)


@layers
def test_symbols_are_one_hot_vectors(make):
    layer, symbols = make(11, 6), torch.tensor([3, 10])
    with torch.no_grad():
        assert torch.equal(layer.stepper(2)(symbols), layer(symbols[None])[0][0])
        vectors = torch.nn.functional.one_hot(symbols, 11).float()
        torch.testing.assert_close(layer.stepper(2)(symbols), layer.stepper(2)(vectors))


@layers
@pytest.mark.parametrize(("weights", "limit"), [("float16", 2e-3), ("int8", 3e-2)])
def test_fewer_bits_cost_little(make, weights, limit):
    torch.manual_seed(0)
    layer, x = make(20, 50), torch.randn(30, 1, 20)
    stepper = layer.stepper(weights=weights)
    with torch.no_grad():
        difference = (torch.stack([stepper(step) for step in x]) - layer(x)[0]).abs().max()
    assert 0 < difference < limit


@pytest.mark.parametrize("name", kernels.extension.instruction_sets() if kernels.extension else [])
def test_float16_weights_are_rounded_to_nearest_even(name):
    before = kernels.extension.instruction_set()
    kernels.extension.select(name)
    layer = nn.RNN(1, 3, nonlinearity="relu", bias=False)
    values = torch.tensor([1 + 2**-11, 1 + 3 * 2**-11, 3e-6])  # two ties, and a denormal of float16
    with torch.no_grad():
        layer.weight_ih_l0.copy_(values[:, None])
    stepper = layer.stepper(weights="float16")
    kernels.extension.select(before)
    assert torch.equal(stepper(torch.ones(1, 1))[0], values.half().float())


def test_steps_that_are_not_contiguous_and_narrow_symbols():
    """What is made for the call only must live until it has been read."""
    layer, x = nn.GRU(300, 8), torch.randn(40, 6, 300)
    stepper = layer.stepper(40)
    with torch.no_grad():
        expected = layer(x.transpose(0, 1))[0]
    for t in range(6):
        y = stepper(x[:, t])
        torch.empty(40, 300).fill_(7)  # what would take a freed block's place
        assert torch.equal(y, expected[t])
    stepper.reset()
    symbols = torch.arange(40, dtype=torch.int32)
    with torch.no_grad():
        assert torch.equal(stepper(symbols), layer(symbols[None].long())[0][0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: nn.LSTM(2, 3, bidirectional=True, layer_norm=True).stepper(),
            "found two: the other reads from the end; ",
        ),
        (lambda: nn.LSTM(2, 3, bidirectional=True, layer_norm=True).stepper(), "expected no layer_norm, found one"),
        (lambda: nn.LSTM(2, 3, proj_size=2).stepper(), "no projection"),
        (
            lambda: nn.LSTM(2, 3, dtype=torch.float64).stepper(weights="int8"),
            "float32 for int8 weights, found torch.float64",
        ),
        (lambda: nn.LSTM(2, 3).stepper(weights="int4"), "float32, float16 or int8, found 'int4'"),
        (lambda: nn.LSTM(2, 3).stepper(0), "batch_size of at least 1, found 0"),
        (lambda: nn.GRU(2, 3).stepper()(torch.zeros(1, 3)), "found torch.float32 of shape (1, 3)"),
        (lambda: nn.GRU(2, 3).stepper()(torch.tensor([2])), "symbols from 0 to 1, found 2 to 2"),
        (lambda: setattr(nn.GRU(2, 3).stepper(), "state", torch.zeros(1, 3)), "state of shape (1, 1, 3), found (1, 3)"),
    ],
)
def test_errors_say_what_was_expected_and_found(call, words):
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert words in str(caught.value)
