"""Attention in blocks against the plain loop over queries: outputs and gradients, at odd sizes."""

import pytest
import torch

from throughtime.ops import attention, kernels
from throughtime.ops.attention import Memory, attend, attend_reference
from throughtime.ragged import Ragged

kinds = pytest.mark.parametrize("additive", [False, True], ids=["dot", "additive"])

SHAPES = {  # steps of each sequence, queries of each
    "one": ([1], [1]),
    "mixed": ([3, 1, 5, 3, 3, 17, 5], [2, 4, 1, 2, 7, 3, 1]),
    "no queries": ([3, 2, 4], [0, 0, 0]),
    "some without": ([4, 0, 4, 2, 4], [2, 0, 0, 3, 2]),
    "equal": ([6] * 4, [3] * 4),
    "one step": ([1, 1, 1], [2, 5, 2]),
    "no sequences": ([], []),
}


def draw(steps, counts, *, additive, size=7, width=5, dtype=torch.float64, shuffled=True):
    torch.manual_seed(len(steps))
    keys = torch.randn(sum(steps), size, dtype=dtype, requires_grad=True)
    values = torch.randn(sum(steps), width, dtype=dtype, requires_grad=True)
    rows = torch.repeat_interleave(torch.arange(len(steps)), torch.tensor(counts, dtype=torch.int64))
    rows = rows[torch.randperm(len(rows))] if shuffled else rows
    queries = torch.randn(len(rows), size, dtype=dtype, requires_grad=True)
    vector = torch.randn(size, dtype=dtype, requires_grad=True) if additive else None
    return queries, rows, Ragged.from_lengths(keys, steps), Ragged.from_lengths(values, steps), vector


def fast(queries, rows, keys, values, vector, lengths=None):
    return attend(queries, rows, Memory.of(keys, values, lengths), vector)


@kinds
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("budget", [2**18, 60, 1])
def test_blocks_equal_the_loop_in_outputs_and_gradients(shape, additive, told, budget, monkeypatch):
    monkeypatch.setattr(attention, "IN_CACHE", budget)
    given = draw(*shape, additive=additive)
    ours = fast(*given, torch.tensor(shape[1], dtype=torch.int64) if told else None)
    theirs = attend_reference(*given)
    torch.testing.assert_close(ours.context, theirs.context)
    torch.testing.assert_close(ours.weights.values, theirs.weights.values)
    assert torch.equal(ours.weights.offsets, theirs.weights.offsets)
    learnt = {"queries": given[0], "keys": given[2].values, "values": given[3].values}
    learnt |= {"vector": given[4]} if additive else {}
    by_context, by_weights = torch.randn_like(ours.context), torch.randn_like(ours.weights.values)
    for through in ((1, 0), (0, 1), (1, 1)):
        got, wanted = (
            gradients(found, learnt, by_context * through[0], by_weights * through[1], through)
            for found in (ours, theirs)
        )
        for name, grad in got.items():
            torch.testing.assert_close(grad, wanted[name], msg=lambda text, name=name: f"{name}: {text}")


def gradients(found, learnt, by_context, by_weights, through):
    """Of a sum over contexts, over weights, or over both."""
    outputs = [found.context] * through[0] + [found.weights.values] * through[1]
    towards = [by_context] * through[0] + [by_weights] * through[1]
    given = torch.autograd.grad(outputs, learnt.values(), towards, retain_graph=True, materialize_grads=True)
    return dict(zip(learnt, given, strict=True))


@kinds
def test_gradients_are_exact(additive):
    queries, rows, keys, values, vector = draw([2, 3, 2], [1, 2, 3], additive=additive, size=3, width=2)
    given = [queries, keys.values, values.values] + [vector] * additive

    def run(queries, steps, worth, vector=None):
        return fast(queries, rows, keys.with_values(steps), values.with_values(worth), vector)[0]

    assert torch.autograd.gradcheck(run, given)


@kinds
def test_values_may_be_the_keys(additive):
    queries, rows, keys, _, vector = draw([4, 1, 4], [2, 3, 0], additive=additive)
    ours, theirs = fast(queries, rows, keys, keys, vector), attend_reference(queries, rows, keys, keys, vector)
    torch.testing.assert_close(ours.context, theirs.context)
    got, wanted = (torch.autograd.grad(found.context.square().sum(), keys.values)[0] for found in (ours, theirs))
    torch.testing.assert_close(got, wanted)


@kinds
def test_weights_are_those_of_the_querys_own_sequence(additive):
    queries, rows, keys, values, vector = draw([4, 1, 9], [2, 3, 1], additive=additive)
    context, weights = fast(queries, rows, keys, values, vector)
    assert weights.lengths.tolist() == keys.lengths[rows].tolist()
    for row, own, found in zip(rows.tolist(), weights, context, strict=True):
        assert own.sum().item() == pytest.approx(1)
        torch.testing.assert_close(own @ values[row], found)


def test_large_scores_are_finite():
    keys = Ragged.from_list([[[1e4], [1e4 + 1]], [[-1e4]]])
    found = attend(torch.ones(2, 1), torch.tensor([0, 1]), Memory.of(keys, keys))
    torch.testing.assert_close(found.weights.values, torch.tensor([0.26894143, 0.7310586, 1.0]))


@kinds
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_nothing_else_comes_out_where_nothing_is_learnt(shape, additive):
    given = draw(*shape, additive=additive)
    learning = fast(*given)
    with torch.no_grad():
        found = fast(*given)
    torch.testing.assert_close(found.context, learning.context)
    torch.testing.assert_close(found.weights.values, learning.weights.values)


@pytest.mark.skipif(bool(kernels.MISSING), reason="needs the compiled kernels")
@kinds
@pytest.mark.parametrize(("size", "width"), [(96, 160), (33, 51)])
@torch.no_grad()
def test_a_querys_bits_do_not_depend_on_the_others(additive, size, width):
    steps, counts = [13, 40, 7, 13, 40, 1], [6, 5, 6, 6, 1, 3]
    queries, rows, keys, values, vector = draw(
        steps, counts, additive=additive, size=size, width=width, dtype=torch.float32
    )
    together = fast(queries, rows, keys, values, vector)
    for place, row in enumerate(rows.tolist()):
        given = queries[place : place + 1], torch.tensor([0]), keys.take([row]), values.take([row]), vector
        alone = fast(*given)
        assert torch.equal(alone.context[0], together.context[place])
        assert torch.equal(alone.weights[0], together.weights[place])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"queries": torch.ones(2, 4)}, r"expected queries of torch.float32 \[N, 3\] as the keys, found .* \[2, 4\]"),
        ({"queries": torch.ones(2, 3).double()}, "expected queries of torch.float32"),
        ({"vector": torch.ones(4)}, r"expected a vector \[3\], found \[4\]"),
        ({"rows": torch.tensor([0])}, r"expected rows of int64 \[2\] on the CPU, found torch.int64 \[1\]"),
        ({"rows": torch.tensor([0.0, 1.0])}, "found torch.float32"),
        ({"rows": torch.tensor([0, 3])}, "expected rows of 0 … 2, found 3"),
        ({"rows": torch.tensor([-1, 0])}, "expected rows of 0 … 2, found -1"),
        ({"rows": torch.tensor([0, 1])}, "expected steps for every query, found an empty sequence in row 1"),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    keys = Ragged.from_lengths(torch.ones(5, 3), [2, 0, 3])
    given = {"queries": torch.ones(2, 3), "rows": torch.tensor([0, 2]), "memory": Memory.of(keys, keys)}
    with pytest.raises(ValueError, match=message):
        attend(**given | changed)


def test_second_derivatives_are_refused():
    queries, rows, keys, values, _ = draw([2, 3], [1, 1], additive=False)
    with pytest.raises(RuntimeError, match="expected create_graph=False: attend has no second derivatives"):
        torch.autograd.grad(fast(queries, rows, keys, values, None).context.sum(), queries, create_graph=True)
