"""A trace computes what the op does, and keeps every state and gate."""

import pytest
import torch

from throughtime.ops import Trace, Weights, layer

SIZES = torch.tensor([4, 3, 3, 1, 1])
GATES = {"elman_tanh": 1, "elman_relu": 1, "lstm": 4, "gru": 3}


def arguments(cell, directions=1, hidden=5, norm=False):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    rows = GATES[cell] * hidden
    weights = Weights(
        hh=[draw(rows, hidden) for _ in range(directions)],
        ih=[draw(rows, 3) for _ in range(directions)],
        bias_ih=[draw(rows) for _ in range(directions)],
        bias_hh=[draw(rows) for _ in range(directions)],
        norm_ih=[draw(rows) for _ in range(directions)] if norm else [],
        norm_hh=[draw(rows) for _ in range(directions)] if norm else [],
    )
    state = tuple(draw(directions, 4, hidden) for _ in range(2 if cell == "lstm" else 1))
    return cell, draw(int(SIZES.sum()), 3), state, weights, SIZES


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_gives_what_the_op_gives(cell, directions, norm):
    given = arguments(cell, directions, norm=norm)
    torch.testing.assert_close(Trace().layer(*given), layer(*given, backend="reference"))


@pytest.mark.parametrize("cell", GATES)
def test_masks_and_resets_too(cell):
    given = arguments(cell)
    options = {
        "dropout_mask": torch.tensor([0.0, 2.0]).repeat(1, 4, 3)[:, :, :5].double(),
        "resets": torch.arange(len(given[1])) % 5 == 3,
    }
    torch.testing.assert_close(Trace().layer(*given, **options), layer(*given, backend="reference", **options))


def test_keeps_the_state_after_each_step_in_the_order_of_the_text():
    trace = Trace()
    outputs, _ = trace.layer(*arguments("lstm", directions=2))
    forwards, backwards = trace.passes
    assert (forwards.reverse, backwards.reverse) == (False, True)
    for run, columns in ((forwards, outputs[:, :5]), (backwards, outputs[:, 5:])):
        assert [len(h) for h, _ in run.states] == SIZES.tolist()
        assert torch.equal(torch.cat([h for h, _ in run.states]), columns)


def test_gates_are_those_that_made_the_state():
    """``h = o tanh(c)``, and ``h = n + z (h_before - n)`` lies between both."""
    trace = Trace()
    trace.layer(*arguments("lstm"))
    (run,) = trace.passes
    h, c = (torch.cat(parts) for parts in zip(*run.states, strict=True))
    torch.testing.assert_close(run.gates["o"] * c.tanh(), h)
    assert sorted(run.gates) == ["f", "i", "o"]
    trace = Trace()
    cell, data, state, weights, sizes = arguments("gru")
    trace.layer(cell, data, state, weights, sizes)
    (run,) = trace.passes
    before, after = state[0][0], run.states[0][0]
    n = (after - run.gates["z"][:4] * before) / (1 - run.gates["z"][:4])
    assert bool((n.abs() <= 1 + 1e-9).all())
