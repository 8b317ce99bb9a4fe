"""The conditional random field against brute force over all paths, and what must hold of any batch."""

import itertools
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.nn import CRF
from throughtime.ops import kernels
from throughtime.ops.chain import Scores, log_partition, log_partition_reference
from throughtime.ragged import Ragged

CASES = [(tags, constrained) for tags in (1, 2, 3, 4) for constrained in (False, True)]
BIO = torch.tensor([[True, True, False], [True, True, True], [True, True, True]])  # O, B, I


def draw_crf(tags, *, constrained=False, scale=1.0, dtype=torch.float64):
    masks = {}
    if constrained:
        draw = {"allowed": (tags, tags), "allowed_starts": (tags,), "allowed_ends": (tags,)}
        masks = {name: torch.rand(shape) < 0.7 for name, shape in draw.items()}
        masks["allowed_starts"][-1] = masks["allowed_ends"][-1] = True  # there is a path of one step
    crf = CRF(tags, **masks).to(dtype)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return crf


def draw_batch(lengths, tags, *, scale=1.0, dtype=torch.float64):
    return Ragged.from_lengths(scale * torch.randn(sum(lengths), tags, dtype=dtype), lengths)


def lengths_with_paths(crf, most=5):
    return [length for length in range(most + 1) if list(all_paths(crf, length))]


def all_paths(crf, length):
    """Every path of that length that the constraints allow."""
    for path in itertools.product(range(crf.num_tags), repeat=length):
        ways = [bool(crf.allowed[way]) for way in itertools.pairwise(path)]
        if not path or (all(ways) and crf.allowed_starts[path[0]] and crf.allowed_ends[path[-1]]):
            yield path


def brute_force(crf, emissions):
    """All paths of one sequence and their log-probabilities, best first, by the formula."""
    paths = list(all_paths(crf, len(emissions)))
    totals = []
    for path in paths:
        total = sum((emissions[step, tag] for step, tag in enumerate(path)), torch.zeros((), dtype=torch.float64))
        total = total + sum(crf.transitions[way] for way in itertools.pairwise(path))
        totals.append(total + crf.start[path[0]] + crf.end[path[-1]] if path else total)
    scores = torch.stack(totals)
    order = scores.argsort(descending=True)
    return [paths[i] for i in order], (scores - scores.logsumexp(0))[order], scores.logsumexp(0)


@pytest.mark.parametrize(("tags", "constrained"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_everything_equals_brute_force_over_all_paths(tags, constrained, seed):
    torch.manual_seed(seed)
    crf = draw_crf(tags, constrained=constrained)
    lengths = lengths_with_paths(crf)
    random.Random(seed).shuffle(lengths)
    batch = draw_batch(lengths, tags)
    decoded = batch.with_values(crf.decode(batch))
    marginals = batch.with_values(crf.marginals(batch))
    many = crf.n_best(batch, 2000)
    few = crf.n_best(batch, 3)
    partition = crf.log_partition(batch)
    for row, emissions in enumerate(batch):
        paths, logs, total = brute_force(crf, emissions)
        torch.testing.assert_close(partition[row], total)
        assert tuple(decoded[row].tolist()) == paths[0]
        assert [tuple(path) for path in many[row].tags.tolist()] == paths
        torch.testing.assert_close(many[row].log_probabilities, logs)
        assert few[row].tags.tolist() == [list(path) for path in paths[:3]]
        expected = torch.zeros_like(emissions)
        for path, log in zip(paths, logs, strict=True):
            expected[range(len(path)), list(path)] += log.exp()
        torch.testing.assert_close(marginals[row], expected)
        assert torch.equal(marginals[row] == 0, expected == 0)
        gold = torch.tensor(paths[-1], dtype=torch.int64)
        torch.testing.assert_close(crf(Ragged.from_list([emissions]), gold)[0], logs[-1])


@pytest.mark.parametrize("constrained", [False, True])
def test_gradients(constrained):
    torch.manual_seed(4)
    crf = draw_crf(3, constrained=constrained)
    lengths = [length for length in (3, 0, 1, 4, 2) if length in lengths_with_paths(crf)]
    batch = draw_batch(lengths, 3)
    tags = torch.cat([torch.tensor(random.Random(0).choice(list(all_paths(crf, n))), dtype=int) for n in lengths])

    def likelihood(values, start, transitions, end):
        weights = {"start": start, "transitions": transitions, "end": end}
        return torch.func.functional_call(crf, weights, (batch.with_values(values), tags))

    inputs = [batch.values, crf.start, crf.transitions, crf.end]
    assert torch.autograd.gradcheck(likelihood, [t.detach().requires_grad_() for t in inputs])


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0, 3000.0])
@pytest.mark.parametrize("constrained", [False, True])
def test_the_fast_sums_equal_the_reference_and_its_gradients_at_any_scale(scale, constrained):
    torch.manual_seed(1)
    crf = draw_crf(5, constrained=constrained, scale=scale)
    batch = draw_batch([n for n in (7, 0, 1, 12, 3) if crf._lengths_allowed(12)[n]], 5, scale=scale)
    inputs = [batch.values.requires_grad_(), *crf.parameters()]
    weights = torch.randn(len(batch), dtype=torch.float64)
    fast, slow = log_partition(batch, crf._scores()), log_partition_reference(batch, crf._scores())
    torch.testing.assert_close(fast, slow)
    for ours, theirs in zip(*(torch.autograd.grad((x * weights).sum(), inputs) for x in (fast, slow)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("sums", [log_partition, log_partition_reference])
@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_second_derivatives(sums, scale):
    torch.manual_seed(0)
    batch = draw_batch([2, 0, 1], 2, scale=scale)
    scores = draw_crf(2)._scores()

    def total(values, *parts):
        return sums(batch.with_values(values), Scores(*parts))

    inputs = [t.detach().requires_grad_() for t in (batch.values, *scores)]
    assert torch.autograd.gradcheck(total, inputs)
    assert torch.autograd.gradgradcheck(total, inputs)


@pytest.mark.parametrize("falls", [[90.0] * 10, [145.0] * 6, [400.0] * 2, [800.0]])
def test_paths_that_float64_cannot_hold_side_by_side_are_not_lost(falls):
    """Two worlds without a way between them: what is next to nothing of the whole half-way is half of it at the end."""
    crf = CRF(2, allowed=torch.eye(2, dtype=torch.bool)).double()
    depth = sum(falls)
    there_and_back = [[0.0, -fall] for fall in falls] + [[-depth / 10, 0.0]] * 10
    batch = Ragged.from_list([torch.tensor(there_and_back, dtype=torch.float64), torch.zeros(1, 2).double()])
    expected = torch.tensor([-depth, 0.0], dtype=torch.float64) + torch.tensor(2.0, dtype=torch.float64).log()
    torch.testing.assert_close(crf.log_partition(batch), expected)
    torch.testing.assert_close(crf.marginals(batch), torch.full((len(falls) + 11, 2), 0.5, dtype=torch.float64))


def test_marginals_are_the_gradient_of_the_log_partition():
    torch.manual_seed(2)
    crf = draw_crf(4, constrained=True)
    batch = draw_batch([n for n in (6, 1, 9) if crf._lengths_allowed(9)[n]], 4)
    values = batch.values.requires_grad_()
    (grad,) = torch.autograd.grad(crf.log_partition(batch).sum(), values)
    marginals = crf.marginals(batch)
    torch.testing.assert_close(marginals, grad)
    torch.testing.assert_close(marginals.sum(1), torch.ones(len(values), dtype=torch.float64))
    assert not marginals.requires_grad
    with torch.inference_mode():
        again = Ragged.from_lengths(batch.values.detach().clone(), batch.lengths)
        assert torch.equal(crf.marginals(again), marginals)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.skipif(bool(kernels.MISSING), reason="a BLAS sums differently for other numbers of rows")
def test_a_sequence_has_the_same_bits_alone_and_in_any_batch(dtype):
    torch.manual_seed(3)
    crf = CRF(9, allowed=torch.rand(9, 9) < 0.8).to(dtype)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    batch = draw_batch([5, 0, 31, 1, 5, 17, 2, 40], 9, scale=3.0, dtype=dtype)
    everything = [crf.decode, crf.marginals, crf.log_partition]
    with torch.no_grad():
        whole = [run(batch) for run in everything]
        best = crf.n_best(batch, 4)
        for rows in ([7, 2, 0], *([row] for row in range(len(batch)))):
            some = batch.take(rows)
            for run, expected in zip(everything[:2], whole, strict=False):
                assert torch.equal(run(some), batch.with_values(expected).take(rows).values)
            assert torch.equal(crf.log_partition(some), whole[2][rows])
            for found, row in zip(crf.n_best(some, 4), rows, strict=True):
                assert all(torch.equal(*pair) for pair in zip(found, best[row], strict=True))


def test_long_float32_sequences_stay_finite_and_exact():
    torch.manual_seed(0)
    crf = draw_crf(3, dtype=torch.float32)
    batch = draw_batch([5000, 7], 3, scale=5.0, dtype=torch.float32)
    batch.values.requires_grad_()
    best = batch.with_values(crf.decode(batch))
    likelihood = crf(batch, best.values)
    likelihood.sum().backward()
    grads = [batch.values.grad, *(parameter.grad for parameter in crf.parameters())]
    assert all(bool(t.isfinite().all()) for t in (likelihood, crf.marginals(batch), *grads))
    exact = crf.double()(batch.with_values(batch.values.double()), best.values)
    torch.testing.assert_close(likelihood, exact.float(), rtol=1e-6, atol=0)
    first = crf.n_best(batch, 2)[0]
    assert torch.equal(first.tags[0], best[0])
    assert first.log_probabilities[0] > first.log_probabilities[1]


def test_ties_go_to_the_lower_tag_and_equal_paths_are_all_found():
    crf, batch = CRF(3), Ragged.from_list([torch.zeros(3, 3), torch.zeros(1, 3)])
    assert crf.decode(batch).tolist() == [0, 0, 0, 0]
    best = crf.n_best(batch, 100)
    assert best[0].tags[0].tolist() == [0, 0, 0]
    assert sorted(best[0].tags.tolist()) == [list(path) for path in itertools.product(range(3), repeat=3)]
    torch.testing.assert_close(best[1].log_probabilities.exp(), torch.full((3,), 1 / 3))


def test_batches_without_any_step():
    crf = CRF(2)
    for lengths in ([], [0, 0]):
        batch = Ragged.from_lengths(torch.zeros(0, 2, requires_grad=True), lengths)
        likelihood = crf(batch, torch.zeros(0, dtype=torch.int64))
        likelihood.sum().backward()
        assert likelihood.tolist() == [0.0] * len(lengths)
        assert crf.decode(batch).shape == (0,)
        assert crf.marginals(batch).shape == (0, 2)
        assert [best.tags.shape for best in crf.n_best(batch, 3)] == [(1, 0)] * len(lengths)


def test_training_finds_what_only_the_neighbours_tell():
    """Emissions that say nothing but the start: the tags alternate, which only the transitions can know."""
    torch.manual_seed(0)
    crf = CRF(2)
    batch = Ragged.from_lengths(torch.zeros(12, 2), [5, 3, 4])
    tags = torch.cat([torch.arange(length) % 2 for length in (5, 3, 4)])
    optimizer = torch.optim.Adam(crf.parameters(), lr=0.1)
    for _ in range(50):
        optimizer.zero_grad()
        (-crf(batch, tags).mean()).backward()
        optimizer.step()
    assert torch.equal(crf.decode(batch), tags)
    assert crf(batch, tags).exp().min() > 0.5


def test_gold_tags_that_break_the_constraints_are_named():
    crf = CRF(3, allowed=BIO, allowed_starts=torch.tensor([True, True, False]))
    batch = Ragged.from_lengths(torch.zeros(5, 3), [2, 3])
    crf(batch, torch.tensor([1, 2, 0, 1, 2]))
    with pytest.raises(ValueError, match="that the constraints allow there, found 2 after 0 at step 1 of sequence 1"):
        crf(batch, torch.tensor([1, 2, 0, 2, 2]))
    with pytest.raises(ValueError, match="that the constraints allow there, found 2 at step 0 of sequence 0"):
        crf(batch, torch.tensor([2, 2, 0, 1, 2]))
    ended = CRF(3, allowed_ends=torch.tensor([True, False, True]))
    with pytest.raises(ValueError, match="allow as an end, found 1 after 0 at step 2 of sequence 1"):
        ended(batch, torch.tensor([0, 0, 1, 0, 1]))
    with pytest.raises(ValueError, match="tags from 0 to 2, found 3 after 1 at step 1 of sequence 0"):
        crf(batch, torch.tensor([1, 3, 0, 1, 2]))
    with pytest.raises(ValueError, match=r"expected integer tags \[5\], one a step, found torch.int64 \[4\]"):
        crf(batch, torch.tensor([1, 0, 1, 2]))


def test_constraints_that_leave_no_path_are_named():
    crossing = torch.tensor([[False, True], [True, False]])  # each step the other tag
    only = torch.tensor([True, False])
    crf = CRF(2, allowed=crossing, allowed_starts=only, allowed_ends=only)  # odd lengths alone
    assert crf.decode(Ragged.from_list([torch.randn(5, 2)])).tolist() == [0, 1, 0, 1, 0]
    for run in (crf.decode, crf.marginals, crf.log_partition, lambda batch: crf.n_best(batch, 2)):
        with pytest.raises(ValueError, match=r"no path is allowed for sequence 1: .* none of length 4"):
            run(Ragged.from_lengths(torch.zeros(9, 2), [5, 4]))
    with pytest.raises(ValueError, match="allow some path, found none from a start to an end"):
        CRF(2, allowed=torch.eye(2, dtype=torch.bool), allowed_starts=only, allowed_ends=~only)
    with pytest.raises(ValueError, match=r"expected allowed of bool \[2, 2\], found torch.float32 \[2, 2\]"):
        CRF(2, allowed=torch.eye(2))


def test_wrong_emissions_are_named():
    crf = CRF(2)
    with pytest.raises(ValueError, match=r"floating-point emissions \[N, 2\], found torch.float32 \[4, 3\]"):
        crf.decode(Ragged.from_lengths(torch.zeros(4, 3), [4]))
    with pytest.raises(ValueError, match="n of at least 1, found 0"):
        crf.n_best(Ragged.from_lengths(torch.zeros(4, 2), [4]), 0)
    for bad in (torch.nan, torch.inf):
        batch = Ragged.from_lengths(torch.tensor([[0.0, 0.0], [bad, 1.0], [0.0, 1.0]]), [1, 2])
        for run in (crf.decode, lambda batch: crf.n_best(batch, 2)):
            with pytest.raises(ValueError, match="finite scores, found NaN or infinity in sequence 1"):
                run(batch)
        likelihood = crf(batch, torch.tensor([0, 0, 1]))  # a training loop looks for this itself
        assert likelihood.isfinite().tolist() == [True, False]
    crf.transitions.data[-1] = torch.nan
    for run in (crf.decode, lambda batch: crf.n_best(batch, 9)):
        with pytest.raises(ValueError, match="finite scores, found NaN or infinity in sequence 0"):
            run(Ragged.from_lengths(torch.zeros(4, 2), [4]))


def test_a_tag_that_an_emission_rules_out_has_no_part():
    """Emissions of minus infinity are constraints on single steps."""
    crf = draw_crf(2)
    batch = Ragged.from_list([torch.tensor([[0.0, 0.0], [-torch.inf, 1.0], [0.0, 2.0]], dtype=torch.float64)])
    assert crf.marginals(batch)[1].tolist() == [0.0, 1.0]
    assert all(path[1] == 1 for path in crf.n_best(batch, 9)[0].tags.tolist())


def test_constraints_are_not_learnt_parameters():
    crf = CRF(3, allowed=BIO)
    assert sorted(crf.state_dict()) == ["end", "start", "transitions"]
    assert repr(crf) == "CRF(3, forbidden=1)"


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    tags=st.integers(1, 6),
    scale=st.sampled_from([0.1, 1.0, 20.0, 400.0]),
    seed=st.integers(0, 10_000),
)
def test_whatever_the_batch(lengths, tags, scale, seed):
    torch.manual_seed(seed)
    crf = draw_crf(tags, constrained=True, scale=scale)
    batch = draw_batch([n for n in lengths if crf._lengths_allowed(12)[n]] or [0], tags, scale=scale)
    best, marginals = crf.n_best(batch, 5), crf.marginals(batch)
    decoded = crf.decode(batch)
    likelihood = crf(batch, decoded)  # raises if a forbidden path were decoded
    torch.testing.assert_close(likelihood, torch.stack([b.log_probabilities[0] for b in best]), atol=1e-8, rtol=1e-9)
    assert bool((marginals >= 0).all())
    torch.testing.assert_close(marginals.sum(1), torch.ones(len(marginals), dtype=torch.float64))
    for row, (found, logs) in enumerate(best):
        assert torch.equal(found[0], batch.with_values(decoded)[row])
        assert len({tuple(path) for path in found.tolist()}) == len(found)
        assert bool((logs.diff() <= 0).all())
        assert float(logs.exp().sum()) <= 1 + 1e-9
        alone = Ragged.from_list([batch[row]])
        for path, log in zip(found, logs, strict=True):
            torch.testing.assert_close(crf(alone, path)[0], log, atol=1e-8, rtol=1e-9)
