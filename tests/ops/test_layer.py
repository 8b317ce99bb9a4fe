"""The compiled kernels against the reference, in outputs, final states and every gradient."""

import importlib
import itertools
import os
import subprocess
import sys

import pytest
import torch
from torch import nn as torch_nn
from torch.library import opcheck

from throughtime import ops
from throughtime.ops import Weights, kernels, layer
from throughtime.ops import compiled as compiled_ops

layer_module = importlib.import_module("throughtime.ops.layer")

GATES = {"elman_tanh": 1, "elman_relu": 1, "lstm": 4, "gru": 3}
cells = pytest.mark.parametrize("cell", GATES)
LENGTHS = {
    "one step": [1],
    "one row": [9],
    "equal": [4, 4, 4, 4, 4],
    "different": [11, 8, 7, 5, 4, 3, 1],
    "with an empty one": [3, 2, 0],
    "only empty ones": [0, 0],
}


def batch_sizes_of(lengths):
    return torch.tensor([sum(n > t for n in lengths) for t in range(max(lengths))], dtype=torch.int64)


class Problem:
    """A layer's call with all that it may be given."""

    def __init__(self, cell, hidden, lengths, dtype, *, directions=1, size=5, symbols=False, **given):
        torch.manual_seed(len(lengths) + hidden)
        rows, self.cell, batch = GATES[cell] * hidden, cell, len(lengths)
        steps = sum(lengths)

        def draw(*shape):
            return (torch.randn(*shape, dtype=dtype) / max(shape[-1], 1) ** 0.5).requires_grad_()

        def each(*shape):
            return [draw(*shape) for _ in range(directions)]

        contributions, bias = given.get("contributions"), given.get("bias", True)
        norm_ih, norm_hh = given.get("norm_ih", given.get("norm")), given.get("norm_hh", given.get("norm"))
        self.weights = Weights(
            hh=each(rows, hidden),
            ih=[] if contributions else each(rows, size),
            bias_ih=each(rows) if bias and not contributions else [],
            bias_hh=each(rows) if bias else [],
            norm_ih=each(rows) if norm_ih else [],
            norm_hh=each(rows) if norm_hh else [],
        )
        width = directions * rows if contributions else size
        self.data = torch.randint(0, size, (steps,)) if symbols else draw(steps, width)
        self.state = tuple(draw(directions, batch, hidden) for _ in range(2 if cell == "lstm" else 1))
        mask = (torch.rand(directions, batch, hidden) > 0.3).to(dtype) / 0.7
        self.options = {
            "dropout_mask": mask if given.get("mask") else None,
            "resets": torch.rand(steps) > 0.7 if given.get("resets") else None,
        }
        self.batch_sizes = batch_sizes_of(lengths)
        self.sources = [self.data] * (not symbols) + [*self.state, *(t for part in self.weights for t in part)]

    def run(self, backend):
        outputs, final = layer(
            self.cell, self.data, self.state, self.weights, self.batch_sizes, backend=backend, **self.options
        )
        return outputs, *final

    def results(self, backend):
        """Outputs, final states, and the gradients of all sources."""
        found = self.run(backend)
        torch.manual_seed(7)
        total = sum((part * torch.randn(part.shape, dtype=part.dtype)).sum() for part in found)
        return *found, *torch.autograd.grad(total, self.sources, materialize_grads=True)


def assert_close(mine, other, dtype):
    limits = {torch.float64: {"rtol": 1e-11, "atol": 1e-12}, torch.float32: {"rtol": 1e-4, "atol": 2e-5}}
    for one, two in zip(mine, other, strict=True):
        torch.testing.assert_close(one, two, **limits[dtype])


@cells
@pytest.mark.parametrize("hidden", [1, 7, 33, 100, 257])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_kernels_equal_the_reference_at_odd_sizes(cell, hidden, dtype, norm, instruction_set):
    for (lengths, directions), threads in itertools.product(
        [(LENGTHS["one step"], 1), (LENGTHS["equal"], 2), (LENGTHS["different"], 1), (LENGTHS["different"], 2)], [1, 2]
    ):
        torch.set_num_threads(threads)
        problem = Problem(cell, hidden, lengths, dtype, directions=directions, norm=norm)
        assert_close(problem.results("kernels"), problem.results("reference"), dtype)


@cells
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(
    "given",
    [
        {"bias": False},
        {"mask": True},
        {"resets": True},
        {"norm": True},
        {"norm": True, "bias": False},
        {"norm_ih": True},
        {"norm_hh": True},
        {"norm_hh": True, "contributions": True},
        {"symbols": True},
        {"symbols": True, "bias": False},
        {"symbols": True, "norm": True},
        {"symbols": True, "norm": True, "size": 50},
        {"mask": True, "resets": True, "norm": True},
        {"mask": True, "resets": True, "norm": True, "bias": False},
    ],
    ids=lambda given: " ".join(given),
)
def test_every_option_equals_the_reference(cell, lengths, directions, given, compiled):
    problem = Problem(cell, 19, lengths, torch.float64, directions=directions, **given)
    assert_close(problem.results("kernels"), problem.results("reference"), torch.float64)


@cells
def test_inputs_that_are_not_contiguous(cell, compiled):
    problem = Problem(cell, 6, LENGTHS["different"], torch.float64, directions=2)
    expected = problem.results("kernels")
    problem.data = problem.data.detach().t().contiguous().t().requires_grad_()
    problem.state = tuple(
        p.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for p in problem.state
    )
    own = problem.weights
    problem.weights = own._replace(hh=[w.detach().t().contiguous().t().requires_grad_() for w in own.hh])
    problem.sources = [problem.data, *problem.state, *(t for part in problem.weights for t in part)]
    assert_close(problem.results("kernels"), expected, torch.float64)


@cells
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_a_row_has_the_same_bits_whoever_stands_beside_it(cell, norm, instruction_set):
    lengths = LENGTHS["different"]
    problem = Problem(cell, 45, lengths, torch.float32, norm=norm)
    with torch.no_grad():
        together, *final = problem.run("kernels")
        starts = [0, *problem.batch_sizes.cumsum(0).tolist()]
        for row, length in enumerate(lengths):
            places = [starts[t] + row for t in range(length)]
            state = tuple(part[:, row : row + 1] for part in problem.state)
            ones = torch.ones(length, dtype=torch.int64)
            alone, last = layer(cell, problem.data[places], state, problem.weights, ones, backend="kernels")
            assert torch.equal(alone, together[places])
            assert all(torch.equal(one[:, 0], whole[:, row]) for one, whole in zip(last, final, strict=True))


@cells
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_threads_change_no_bit_of_the_output(cell, norm, compiled):
    problem = Problem(cell, 70, [40, 33, 29, 20, 11, 6, 2], torch.float32, directions=2, norm=norm)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(problem.run("kernels"))
    assert all(torch.equal(one, other) for other in found[1:] for one, other in zip(found[0], other, strict=True))


@pytest.mark.parametrize(("cell", "norm"), [("elman_tanh", False), ("lstm", False), ("lstm", True), ("gru", False)])
def test_gradcheck_and_double_backward(cell, norm, compiled):
    problem = Problem(cell, 2, [3, 1], torch.float64, size=2, norm=norm)
    counts = [len(part) for part in problem.weights]

    def run(*sources):
        data, *rest = sources
        state, rest = rest[: len(problem.state)], list(rest[len(problem.state) :])
        weights = Weights(*([rest.pop(0) for _ in range(count)] for count in counts))
        outputs, final = layer(cell, data, tuple(state), weights, problem.batch_sizes, backend="kernels")
        return outputs, *final

    assert torch.autograd.gradcheck(run, problem.sources)
    assert torch.autograd.gradgradcheck(run, problem.sources)


def test_backward_twice_gives_the_same(compiled):
    problem = Problem("gru", 9, LENGTHS["different"], torch.float64)
    outputs = problem.run("kernels")[0]
    first = torch.autograd.grad(outputs.sum(), problem.sources, retain_graph=True)
    second = torch.autograd.grad(outputs.sum(), problem.sources)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@cells
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("lengths", [[150, 120, 40, 3, 1], [3] * 140, [40]], ids=["long", "many", "one row"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_long_and_large_batches_equal_the_reference(cell, directions, lengths, threads, norm, compiled):
    """They pass through the kernels in several blocks; one row has its products made at once, by all threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        problem = Problem(cell, 67, lengths, torch.float64, directions=directions, norm=norm)
        assert_close(problem.results("kernels"), problem.results("reference"), torch.float64)
    finally:
        torch.set_num_threads(before)


def test_gradients_outlive_the_next_backward_pass(compiled):
    """What the kernels keep for their next call is theirs alone."""
    one, other = (Problem("gru", 9, lengths, torch.float64) for lengths in ([11, 8, 7], [9, 9, 8]))
    first = torch.autograd.grad(one.run("kernels")[0].sum(), one.sources)
    copies = [grad.clone() for grad in first]
    torch.autograd.grad(other.run("kernels")[0].square().sum(), other.sources)
    assert all(torch.equal(grad, copy) for grad, copy in zip(first, copies, strict=True))


@pytest.mark.parametrize("steps", [3, 40])
def test_symbols_of_any_integer_type_within_their_range(steps, compiled):
    weights = Weights(hh=[torch.randn(6, 6)], ih=[torch.randn(6, 11)])
    state, sizes = (torch.zeros(1, 1, 6),), torch.ones(steps, dtype=torch.int64)
    symbols = torch.arange(steps) % 11
    whole, _ = layer("elman_tanh", symbols, state, weights, sizes)
    assert torch.equal(layer("elman_tanh", symbols.to(torch.int32), state, weights, sizes)[0], whole)
    for wrong in (-1, 11):
        with pytest.raises((ValueError, IndexError, RuntimeError), match=r"range|bounds|expected symbols from 0 to 10"):
            layer("elman_tanh", symbols.index_fill(0, torch.tensor([2]), wrong), state, weights, sizes)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_the_op_tells_its_shapes(cell, norm, compiled):
    problem = Problem(cell, 3, LENGTHS["different"], torch.float32, directions=2, norm=norm)
    c = problem.state[1] if cell == "lstm" else None
    torch.use_deterministic_algorithms(False)  # opcheck compares what is never written, too
    found = opcheck(
        compiled_ops.forward,
        (cell, problem.data, problem.state[0], c, *problem.weights[:-1], None, None, problem.batch_sizes, True),
    )
    assert set(found.values()) == {"SUCCESS"}


def test_a_backend_that_refuses_says_every_reason():
    weights = Weights(hh=[torch.randn(16, 2)], hr=[torch.randn(2, 4)])
    data = torch.randn(3, 16, dtype=torch.float16)
    state = (torch.zeros(1, 3, 2), torch.zeros(1, 3, 4))
    mask = torch.ones(1, 3, 2, requires_grad=True)
    with pytest.raises(ValueError, match="kernels do not run this") as caught:
        layer("lstm", data, state, weights, torch.tensor([3]), dropout_mask=mask, backend="kernels")
    for reason in ("float16 and float32", "no projection", "needs no gradient"):
        assert reason in str(caught.value)
    with pytest.raises(ValueError, match="expected backend auto, kernels or reference, found 'cuda'"):
        layer("lstm", data, (), weights, torch.tensor([3]), backend="cuda")


def test_other_types_run_on_the_reference():
    weights = Weights(hh=[torch.randn(4, 4, dtype=torch.bfloat16)], ih=[torch.randn(4, 3, dtype=torch.bfloat16)])
    data, state = torch.randn(5, 3, dtype=torch.bfloat16), (torch.zeros(1, 2, 4, dtype=torch.bfloat16),)
    outputs, _ = layer("elman_tanh", data, state, weights, torch.tensor([2, 2, 1]))
    assert outputs.dtype == torch.bfloat16
    assert ops.refusals("elman_tanh", data, state, weights) == [
        *ops.refusals("elman_tanh", data.float(), (state[0].float(),), Weights(hh=[weights.hh[0].float()])),
        "expected all of float32 or all of float64, found bfloat16",
    ]


@pytest.mark.parametrize(
    ("cell", "kind"), [("lstm", torch_nn.LSTM), ("gru", torch_nn.GRU), ("elman_tanh", torch_nn.RNN)]
)
def test_float32_is_as_near_to_float64_as_torch_is(cell, kind, instruction_set):
    """Not only near the reference: near the truth, over a long sequence."""
    torch.manual_seed(0)
    theirs, data = kind(20, 48), torch.randn(300, 20)
    weights = Weights([theirs.weight_hh_l0], [theirs.weight_ih_l0], [theirs.bias_ih_l0], [theirs.bias_hh_l0])
    state = (torch.zeros(1, 1, 48),) * (2 if cell == "lstm" else 1)
    with torch.no_grad():
        ours, _ = layer(cell, data, state, weights, torch.ones(300, dtype=torch.int64), backend="kernels")
        torchs = theirs(data)[0]
        exact = theirs.double()(data.double())[0]
    assert (ours - exact).abs().max() < 2 * (torchs - exact).abs().max()


def test_second_derivatives_of_the_parameters_alone(compiled):
    """A Hessian-vector product, as optimisers take it: the data needs no gradient."""
    problem = Problem("lstm", 3, [3, 1], torch.float64)
    problem.data = problem.data.detach()
    parameters = [t for part in problem.weights for t in part]
    found = []
    for backend in ("kernels", "reference"):
        loss = problem.run(backend)[0].square().sum()
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        found.append(torch.autograd.grad(sum((g * g.detach()).sum() for g in first), parameters))
    assert_close(*found, torch.float64)


def test_a_third_derivative_is_refused(compiled):
    problem = Problem("gru", 2, [2], torch.float64)
    (first,) = torch.autograd.grad(problem.run("kernels")[0].sum(), problem.data, create_graph=True)
    with pytest.raises(NotImplementedError, match="third"):
        torch.autograd.grad(first.square().sum(), problem.data, create_graph=True)


def test_a_norm_together_with_a_projection_is_refused():
    weights = Weights(hh=[torch.randn(16, 2)], norm_hh=[torch.ones(16)], hr=[torch.randn(2, 4)])
    state = (torch.zeros(1, 3, 2), torch.zeros(1, 3, 4))
    with pytest.raises(ValueError, match=r"norm_hh together with weights\.hr, found both"):
        layer("lstm", torch.randn(3, 16), state, weights, torch.tensor([3]))


def spoilt(change):
    problem = Problem("lstm", 3, [2, 1], torch.float32, mask=True, resets=True)
    change(problem)
    return problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: setattr(p, "cell", "rnn"), "cell elman_tanh, elman_relu, lstm or gru, found 'rnn'"),
        (lambda p: setattr(p, "data", torch.randn(3, 4)), "input of shape (3, 5), found (3, 4)"),
        (lambda p: setattr(p, "state", p.state[:1]), "2 parts of the state for lstm, found 1"),
        (lambda p: setattr(p, "state", (torch.zeros(2, 2, 3), torch.zeros(2, 2, 3))), "(2, 2, 3), found (1, 2, 3)"),
        (lambda p: setattr(p, "weights", p.weights._replace(hh=[torch.zeros(9, 3)])), "weights.hh of shape (12, 3)"),
        (
            lambda p: setattr(p, "weights", p.weights._replace(bias_hh=[torch.zeros(3)])),
            "bias_hh of shape (12,)",
        ),
        (lambda p: p.options.update(resets=torch.ones(2, dtype=torch.bool)), "resets of shape (3,), found (2,)"),
        (lambda p: p.options.update(resets=torch.ones(3)), "resets of bool on cpu, found torch.float32"),
        (lambda p: setattr(p, "batch_sizes", torch.tensor([2, 1], dtype=torch.int32)), "int64 with one axis"),
        (lambda p: setattr(p, "batch_sizes", torch.tensor([2, 2])), "whose sum is 3 (the number of steps), found 4"),
        (lambda p: setattr(p, "batch_sizes", torch.tensor([1, 2])), "never grow"),
        (lambda p: setattr(p, "batch_sizes", torch.tensor([3])), "never grow"),
        (lambda p: setattr(p, "state", (p.state[0], p.state[1].double())), "found float32 and float64"),
        (
            lambda p: setattr(p, "weights", p.weights._replace(norm_ih=[torch.zeros(3)])),
            "norm_ih of shape (12,)",
        ),
        (
            lambda p: (
                setattr(p, "weights", Weights(hh=p.weights.hh, norm_ih=[torch.zeros(12)])),
                setattr(p, "data", torch.zeros(3, 12)),
            ),
            "expected weights.ih with weights.norm_ih, found none",
        ),
    ],
)
def test_sizes_and_types_are_checked_before_any_address_is_taken(change, words, compiled):
    problem = spoilt(change)
    with pytest.raises(ValueError, match="expected") as caught:
        problem.run("kernels")
    assert words in str(caught.value)


def test_denormals_are_left_to_the_caller(compiled):
    tiny = torch.tensor([1e-40])
    problem = Problem("lstm", 9, [3, 2], torch.float32)
    problem.results("kernels")
    assert (tiny * 1.0).item() > 0


def test_the_environment_names_an_instruction_set(compiled):
    code = "from throughtime.ops import kernels; print(kernels.extension.instruction_set())"

    def run(name):
        own = os.environ | {"THROUGHTIME_ISA": name}
        return subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True)

    for name in kernels.extension.instruction_sets():
        assert run(name).stdout.strip() == name
    assert "expected an instruction set of this machine" in run("mmx").stderr


def test_a_package_without_kernels_says_so_once(monkeypatch):
    monkeypatch.setattr(kernels, "MISSING", "the package was built without its compiled kernels")
    layer_module._say_missing.cache_clear()
    problem = Problem("gru", 3, [2, 1], torch.float32)
    with pytest.warns(UserWarning, match="many times slower"):
        problem.run("auto")
    problem.run("auto")  # a second warning would be an error
    with pytest.raises(ValueError, match="built without its compiled kernels"):
        problem.run("kernels")
    layer_module._say_missing.cache_clear()
