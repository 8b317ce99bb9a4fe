"""The chunked cross-entropy against PyTorch's own, over all scores at once."""

import pytest
import torch
from torch.nn import functional as F

from throughtime.nn import softmax
from throughtime.nn.softmax import linear_cross_entropy
from throughtime.ops import kernels

NAMES = ("hidden", "weight", "bias")


def draw(rows, size, vocabulary, *, scale=1.0, dtype=torch.float32, bias=True):
    hidden = torch.randn(rows, size, dtype=dtype) * scale
    weight = torch.randn(vocabulary, size, dtype=dtype)
    return hidden, weight, torch.randn(vocabulary, dtype=dtype) if bias else None, torch.randint(vocabulary, (rows,))


def learnt(*tensors):
    return [None if tensor is None else tensor.detach().clone().requires_grad_() for tensor in tensors]


def plain(hidden, weight, bias, targets, row_weights=None, label_smoothing=0.0):
    """Total and rows, in float64."""
    bias = None if bias is None else bias.double()
    scores = F.linear(hidden.double(), weight.double(), bias)
    rows = F.cross_entropy(scores, targets, reduction="none", label_smoothing=label_smoothing)
    return (rows.mean() if row_weights is None else (rows * row_weights.double()).sum()), rows


@pytest.mark.parametrize("label_smoothing", [0, 0.1, 1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("rows", "size", "vocabulary", "chunk"),
    [(1, 1, 1, None), (1, 5, 7, 1), (7, 3, 1, 2), (13, 17, 31, 1), (13, 17, 31, 5), (13, 17, 31, 13), (13, 17, 31, 99)],
)
def test_values_and_gradients_are_those_of_all_scores_at_once(rows, size, vocabulary, chunk, bias, label_smoothing):
    torch.manual_seed(rows)
    *tensors, targets = draw(rows, size, vocabulary, bias=bias)
    weights = torch.rand(rows)
    for row_weights in (None, weights):
        ours, theirs = learnt(*tensors), learnt(*tensors)
        options = {"row_weights": row_weights, "label_smoothing": label_smoothing}
        losses = linear_cross_entropy(*ours, targets, **options, chunk=chunk)
        total, wanted = plain(*theirs, targets, **options)
        losses.total.backward()
        total.backward()
        torch.testing.assert_close(losses.rows, wanted.float())
        torch.testing.assert_close(losses.total, total.float())
        with torch.no_grad():
            told = linear_cross_entropy(*ours, targets, **options, chunk=chunk).rows
        torch.testing.assert_close(told, wanted.float())
        assert not losses.rows.requires_grad
        for our, their in zip(ours, theirs, strict=True):
            if our is not None:
                torch.testing.assert_close(our.grad, their.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("chunk", "label_smoothing"), [(5, 0.0), (99, 0.0), (5, 0.2)])
def test_products_in_bfloat16_are_off_by_their_rounding_and_no_more(chunk, label_smoothing, bias):
    torch.manual_seed(3)
    *tensors, targets = draw(61, 17, 301, scale=0.5, bias=bias)
    ours, theirs = learnt(*tensors), learnt(*tensors)
    options = {"products": torch.bfloat16, "label_smoothing": label_smoothing}
    losses = linear_cross_entropy(*ours, targets, chunk=chunk, **options)
    total, wanted = plain(*theirs, targets, label_smoothing=label_smoothing)
    losses.total.backward()
    total.backward()
    assert losses.rows.dtype == torch.float32
    torch.testing.assert_close(losses.rows, wanted.float(), rtol=0, atol=0.05)  # scores of 10 have 0.03 of rounding
    assert not torch.allclose(losses.rows, wanted.float(), rtol=0, atol=1e-4)
    for our, their in zip(ours, theirs, strict=True):
        if our is not None:
            assert float((our.grad - their.grad).norm() / their.grad.norm()) < 0.01
    with torch.no_grad():  # what is answered is not rounded
        rows = linear_cross_entropy(*tensors, targets, **options).rows
    torch.testing.assert_close(rows, wanted.float().detach())


@pytest.mark.parametrize("label_smoothing", [0, 0.3])
@pytest.mark.parametrize("wanted", [("hidden",), ("weight",), ("bias",), ("hidden", "bias"), NAMES])
def test_gradients_are_exact_whichever_are_asked_for(wanted, label_smoothing):
    torch.manual_seed(1)
    *tensors, targets = draw(5, 3, 4, dtype=torch.float64)
    for name, tensor in zip(NAMES, tensors, strict=True):
        tensor.requires_grad_(name in wanted)
    row_weights = torch.rand(5, dtype=torch.float64).requires_grad_()

    def scaled(*inputs):
        options = {"row_weights": inputs[3], "label_smoothing": label_smoothing, "chunk": 2}
        return 3 * linear_cross_entropy(*inputs[:3], targets, **options).total

    assert torch.autograd.gradcheck(scaled, (*tensors, row_weights))
    assert [tensor.grad_fn is None for tensor in tensors] == [True] * 3


@pytest.mark.parametrize("grad", [False, True])
def test_large_scores_do_not_overflow(grad):
    torch.manual_seed(2)
    *tensors, targets = draw(9, 4, 6, scale=1e4)
    ours, theirs = learnt(*tensors), learnt(*tensors)
    with torch.set_grad_enabled(grad):
        losses = linear_cross_entropy(*ours, targets, chunk=4)
    total, rows = plain(*theirs, targets)
    torch.testing.assert_close(losses.rows, rows.float(), rtol=1e-5, atol=1e-2)  # scores of 1e4 have 1e-3 of rounding
    assert losses.rows.max() > 1000
    if grad:
        losses.total.backward()
        total.backward()
        torch.testing.assert_close(ours[0].grad, theirs[0].grad, rtol=1e-5, atol=1e-5)


def test_a_symbol_of_no_probability_does_no_harm():
    hidden, weight, bias, targets = draw(6, 3, 4)
    bias[2] = -torch.inf
    targets[:] = 1
    ours, theirs = learnt(hidden, weight, bias), learnt(hidden, weight, bias)
    linear_cross_entropy(*ours, targets).total.backward()
    plain(*theirs, targets)[0].backward()
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our.grad, their.grad, rtol=1e-5, atol=1e-6)


def test_inputs_need_not_be_contiguous():
    torch.manual_seed(3)
    hidden, weight, bias, targets = draw(11, 6, 8)
    strided = [hidden.t().contiguous().t(), weight[:, None].expand(8, 2, 6)[:, 1].t().contiguous().t(), bias]
    strided[2] = torch.stack([bias, bias], dim=1)[:, 0]
    twice = torch.stack([targets, targets], dim=1)[:, 1]
    assert not any(tensor.is_contiguous() for tensor in (*strided, twice))
    ours, theirs = [tensor.requires_grad_() for tensor in strided], learnt(hidden, weight, bias)
    losses = linear_cross_entropy(*ours, twice, chunk=4)
    losses.total.backward()
    plain(*theirs, targets)[0].backward()
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our.grad, their.grad, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(linear_cross_entropy(*ours, twice, chunk=4).rows, losses.rows)


def test_no_rows_are_no_loss():
    hidden, weight, bias = learnt(torch.empty(0, 3), torch.randn(4, 3), torch.randn(4))
    losses = linear_cross_entropy(hidden, weight, bias, torch.empty(0, dtype=torch.int64))
    losses.total.backward()
    assert (losses.total.item(), losses.rows.shape, hidden.grad.shape) == (0.0, (0,), (0, 3))
    assert not weight.grad.any()
    assert not bias.grad.any()
    with torch.no_grad():
        assert float(linear_cross_entropy(hidden, weight, bias, torch.empty(0, dtype=torch.int64)).total) == 0.0


def test_a_graph_can_be_gone_through_twice_where_it_is_kept_and_not_where_it_is_not():
    tensors = draw(5, 3, 4)
    ours = learnt(*tensors[:3])
    total = linear_cross_entropy(*ours, tensors[3]).total
    total.backward(retain_graph=True)
    once = [our.grad.clone() for our in ours]
    total.backward(retain_graph=True)
    total.backward()
    for our, grad in zip(ours, once, strict=True):
        torch.testing.assert_close(our.grad, 3 * grad)
    with pytest.raises(RuntimeError, match="second time"):
        total.backward()


def test_second_derivatives_are_refused():
    tensors = draw(5, 3, 4)
    hidden = tensors[0].requires_grad_()
    with pytest.raises(RuntimeError, match="expected create_graph=False"):
        torch.autograd.grad(linear_cross_entropy(*tensors).total, hidden, create_graph=True)


def test_a_weight_that_is_the_embedding_gets_both_gradients():
    torch.manual_seed(4)
    symbols, targets = torch.tensor([0, 3, 3]), torch.tensor([3, 1, 0])
    ours, theirs = learnt(*[torch.randn(5, 4)] * 2)
    linear_cross_entropy(F.embedding(symbols, ours), ours, None, targets).total.backward()
    plain(F.embedding(symbols, theirs), theirs, None, targets)[0].backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_the_same_inputs_give_the_same_bits():
    torch.manual_seed(5)
    *tensors, targets = draw(150, 40, 90)

    def bits():
        ours = learnt(*tensors)
        losses = linear_cross_entropy(*ours, targets, chunk=64)
        losses.total.backward()
        return [losses.total.detach(), losses.rows, *(our.grad for our in ours)]

    assert all(torch.equal(one, other) for one, other in zip(bits(), bits(), strict=True))


@pytest.mark.skipif(bool(kernels.MISSING), reason="needs the compiled kernels")
@pytest.mark.parametrize("label_smoothing", [0, 0.1])
@torch.no_grad()
def test_a_rows_loss_does_not_depend_on_the_others_where_nothing_is_learnt(label_smoothing):
    torch.manual_seed(6)
    hidden, weight, bias, targets = draw(40, 33, 90)
    together = linear_cross_entropy(hidden, weight, bias, targets, label_smoothing=label_smoothing).rows
    for part in (slice(0, 1), slice(17, 18), slice(5, 30)):
        for chunk in (None, 3):
            options = {"label_smoothing": label_smoothing, "chunk": chunk}
            alone = linear_cross_entropy(hidden[part], weight, bias, targets[part], **options).rows
            assert torch.equal(alone, together[part])


def test_the_scores_of_all_rows_are_never_there(monkeypatch):
    seen = []
    plainly = softmax._differentiated
    monkeypatch.setattr(softmax, "_differentiated", lambda scores, *y: seen.append(scores.shape) or plainly(scores, *y))
    monkeypatch.setattr(softmax, "SCRATCH", 100 * 10 * 4)
    *tensors, targets = draw(250, 2, 10)
    linear_cross_entropy(*learnt(*tensors), targets)
    assert seen == [(84, 10), (84, 10), (82, 10)]
    seen.clear()
    monkeypatch.setattr(softmax, "SCRATCH", 1)
    linear_cross_entropy(*learnt(*tensors), targets)
    assert seen == [(63, 10), (63, 10), (63, 10), (61, 10)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hidden": torch.ones(2, 4)}, r"expected hidden \[N, H\] and weight \[V, H\], found \[2, 4\], \[5, 3\]"),
        ({"weight": torch.ones(0, 3)}, r"found \[2, 3\], \[0, 3\]"),
        ({"hidden": torch.ones(2, 3).half()}, "expected hidden of float32 or float64, found torch.float16"),
        ({"weight": torch.ones(5, 3).double()}, "expected weight of torch.float32"),
        ({"bias": torch.ones(4)}, r"expected bias of torch.float32 \[5\], found torch.float32 \[4\]"),
        ({"row_weights": torch.ones(3)}, r"expected row_weights of torch.float32 \[2\]"),
        ({"targets": torch.ones(2)}, r"expected targets of int64 \[2\], found torch.float32 \[2\]"),
        ({"targets": torch.tensor([0, 5])}, "expected targets of 0 … 4, found 5"),
        ({"targets": torch.tensor([-100, 5])}, "expected targets of 0 … 4, found -100"),
        ({"chunk": 0}, "expected a chunk of at least one row, found 0"),
        ({"label_smoothing": 1.5}, "expected label_smoothing from 0 to 1, found 1.5"),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    given = {"hidden": torch.ones(2, 3), "weight": torch.ones(5, 3), "bias": None, "targets": torch.tensor([0, 4])}
    with pytest.raises(ValueError, match=message):
        linear_cross_entropy(**given | changed)
