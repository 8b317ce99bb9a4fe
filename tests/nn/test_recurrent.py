"""The layers against torch's own: outputs, states and every gradient, at odd sizes, from a non-zero state."""

import pytest
import torch
from torch import nn as torch_nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from throughtime import nn, ops
from throughtime.ops import kernels
from throughtime.ragged import Ragged

KINDS = {
    "elman-tanh": (nn.RNN, torch_nn.RNN, {}),
    "elman-relu": (nn.RNN, torch_nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, torch_nn.LSTM, {}),
    "lstm-projected": (nn.LSTM, torch_nn.LSTM, {"proj_size": 2}),
    "gru": (nn.GRU, torch_nn.GRU, {}),
}
LENGTHS = {"one": [1], "equal": [4, 4, 4], "different": [2, 7, 1, 5], "single-steps": [1, 1]}
kinds = pytest.mark.parametrize("kind", KINDS)


def pair(kind, *sizes, **options):
    ours_class, theirs_class, extra = KINDS[kind]
    theirs = theirs_class(*sizes, **extra, **options, dtype=torch.float64)
    ours = ours_class(*sizes, **extra, **options, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def initial(layer, batch):
    stacked = layer.num_layers * layer.num_directions
    sizes = (layer.output_size, layer.hidden_size)[: len(layer.states)]
    state = tuple(torch.randn(stacked, batch, s, dtype=torch.float64, requires_grad=True) for s in sizes)
    return state if len(state) > 1 else state[0]


def gradients(layer, output, state, sources):
    torch.manual_seed(9)
    total = sum((t * torch.randn(t.shape, dtype=t.dtype)).sum() for t in (output, *parts(state)))
    return torch.autograd.grad(total, [*layer.parameters(), *sources])


def assert_equal(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


@kinds
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize(
    ("sizes", "options"),
    [((3, 7), {}), ((5, 3, 2), {"bidirectional": True}), ((1, 33), {"bias": False})],
    ids=["plain", "stacked-both-ways", "no-bias"],
)
def test_packed_ragged_and_padded_equal_torch(kind, lengths, sizes, options):
    torch.manual_seed(1)
    ours, theirs = pair(kind, *sizes, **options)
    padded = torch.randn(max(lengths), len(lengths), sizes[0], dtype=torch.float64, requires_grad=True)
    state = initial(ours, len(lengths))
    expected, expected_state = theirs(pack_padded_sequence(padded, lengths, enforce_sorted=False), state)
    sources = [padded, *parts(state)]
    expected_padded = pad_packed_sequence(expected)[0]
    expected_gradients = gradients(theirs, expected_padded, expected_state, sources)

    got, got_state = ours(pack_padded_sequence(padded, lengths, enforce_sorted=False), state)
    assert isinstance(got, PackedSequence)
    got_padded = pad_packed_sequence(got)[0]
    assert_equal([got_padded, *parts(got_state)], [expected_padded, *parts(expected_state)])
    assert_equal(gradients(ours, got_padded, got_state, sources), expected_gradients)

    got, got_state = ours(Ragged.from_padded(padded, lengths, batch_first=False), state)
    got_padded = got.to_padded(batch_first=False)
    assert_equal([got_padded, *parts(got_state)], [expected_padded, *parts(expected_state)])
    assert_equal(gradients(ours, got_padded, got_state, sources), expected_gradients)

    got_padded, got_state = ours(padded, state, lengths=lengths)
    assert_equal([got_padded, *parts(got_state)], [expected_padded, *parts(expected_state)])
    assert_equal(gradients(ours, got_padded, got_state, sources), expected_gradients)


@kinds
@pytest.mark.parametrize("batch_first", [False, True])
def test_whole_padded_tensor_and_single_sequence_equal_torch(kind, batch_first):
    ours, theirs = pair(kind, 4, 6, 2, batch_first=batch_first)
    batch = torch.randn(3, 5, 4, dtype=torch.float64)
    for input in (batch, batch[0]):
        got, expected = ours(input), theirs(input)
        assert_equal([got[0], *parts(got[1])], [expected[0], *parts(expected[1])])


@kinds
def test_state_dict_goes_both_ways(kind):
    ours, theirs = pair(kind, 3, 4, 2, bidirectional=True)
    theirs.load_state_dict(ours.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]


@kinds
def test_dropout_between_layers_equals_torch_given_the_same_mask(kind):
    """The same generator draws the same mask for a full batch, which torch's layer also keeps time-major."""
    ours, theirs = pair(kind, 3, 5, 3, dropout=0.5)
    input = torch.randn(6, 1, 3, dtype=torch.float64)
    torch.manual_seed(5)
    expected, _ = theirs(input)
    torch.manual_seed(5)
    got, _ = ours(input)
    assert_equal([got], [expected])


@kinds
def test_chunks_and_steps_equal_the_whole(kind):
    ours, _ = pair(kind, 3, 5, 2)
    input, state = torch.randn(7, 2, 3, dtype=torch.float64), initial(*(pair(kind, 3, 5, 2)[0], 2))
    whole, final = ours(input, state)
    for sizes in ([7], [3, 4], [1] * 7):
        carried, outputs = state, []
        for chunk in input.split(sizes):
            output, carried = ours(chunk, carried)
            outputs.append(output)
        assert_equal([torch.cat(outputs), *parts(carried)], [whole, *parts(final)])


@kinds
def test_padding_and_neighbours_have_no_influence(kind):
    ours, _ = pair(kind, 3, 5, bidirectional=True)
    rows = [torch.randn(t, 3, dtype=torch.float64) for t in (4, 1, 6)]
    together, state = ours(Ragged.from_list(rows))
    poisoned = torch.full((3, 106, 3), float("nan"), dtype=torch.float64)
    for row, values in zip(poisoned, rows, strict=True):
        row[: len(values)] = values
    ours.batch_first = True
    padded, padded_state = ours(poisoned, lengths=[4, 1, 6])
    assert not padded.isnan().any()
    assert_equal(parts(padded_state), parts(state))
    for place, row in enumerate(rows):
        alone, _ = ours(Ragged.from_list([row]))
        assert_equal([alone.values], [together[place]])


@kinds
def test_an_empty_sequence_keeps_its_state(kind):
    ours, _ = pair(kind, 3, 5, bidirectional=True)
    state = initial(ours, 3)
    batch = Ragged.from_lengths(torch.randn(5, 3, dtype=torch.float64), [2, 0, 3])
    output, final = ours(batch, state)
    assert len(output[1]) == 0
    assert_equal([p[:, 1] for p in parts(final)], [p[:, 1] for p in parts(state)])


def normal(kind, size):
    """A layer with norms that scale."""
    if kind == "lstm-projected":
        pytest.skip("a projection is refused together with a layer norm")
    torch.manual_seed(0)
    ours = KINDS[kind][0](size, 6, layer_norm=True, bidirectional=True, **KINDS[kind][2], dtype=torch.float64)
    for name, parameter in ours.named_parameters():
        if name.startswith("norm"):
            torch.nn.init.normal_(parameter)
    return ours


@kinds
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
@pytest.mark.parametrize("size", [3, 11], ids=["more steps", "more symbols"])
def test_symbols_are_one_hot_vectors_and_one_product(kind, norm, size):
    """The vectors are never built: a row of the weight is taken in their place, with the same gradient."""
    ours = normal(kind, size) if norm else pair(kind, size, 6, bidirectional=True)[0]
    symbols = Ragged.from_list([[1, size - 1, 1], [0]])
    vectors = symbols.with_values(torch.nn.functional.one_hot(symbols.values, size).double())
    taken, multiplied = ours(symbols), ours(vectors)
    assert_equal([taken[0].values, *parts(taken[1])], [multiplied[0].values, *parts(multiplied[1])])
    assert_equal(
        gradients(ours, taken[0].values, taken[1], []), gradients(ours, multiplied[0].values, multiplied[1], [])
    )


@kinds
def test_recurrent_dropout_keeps_one_mask_a_sequence(kind):
    """With identity weights and no input from the second step on, what one mask lets through stays through."""
    ours, _ = pair(kind, 2, 64)
    ours.recurrent_dropout = 0.5
    masks = [ours._mask(torch.ones(3, 64, dtype=torch.float64)) for _ in range(2)]
    assert set(masks[0].unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(masks[0], masks[1])
    inputs = torch.randn(12, ours.gates * 64, dtype=torch.float64)
    state = tuple(torch.randn(3, 64, dtype=torch.float64) for _ in ours.states)
    op = {"elman": ops.elman, "lstm": ops.lstm, "gru": ops.gru}[kind.split("-")[0]]
    weight = torch.randn(ours.gates * 64, 64, dtype=torch.float64)
    whole, _ = op(inputs, state, weight, None, [3] * 4, dropout_mask=masks[0])
    carried, outputs = state, []
    for chunk in inputs.split(3):
        output, carried = op(chunk, carried, weight, None, [3], dropout_mask=masks[0])
        outputs.append(output)
    assert_equal([torch.cat(outputs)], [whole])
    folded, _ = op(inputs[:3], state, weight * masks[0][0], None, [3])
    assert_equal([folded[:1]], [whole[:1]])  # a mask on h is a mask on the columns of R
    ours.eval()
    assert ours._mask(state[0]) is None


@kinds
def test_gradcheck_and_double_backward(kind):
    ours, _ = pair(kind, 2, 3, bidirectional=True)
    values = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)

    def run(values):
        output, state = ours(Ragged.from_lengths(values, [1, 3, 2]))
        return output.values, *parts(state)

    if kind != "elman-relu":  # not differentiable at zero
        assert torch.autograd.gradcheck(run, values)
        assert torch.autograd.gradgradcheck(run, values)
    else:
        assert torch.autograd.gradcheck(run, values, eps=1e-8, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.LSTM(0, 3), "input_size of at least 1, found 0"),
        (lambda: nn.LSTM(2, 3, dropout=1.5), "dropout from 0 to 1, found 1.5"),
        (lambda: nn.LSTM(2, 3, proj_size=3), "proj_size below hidden_size 3, found 3"),
        (lambda: nn.RNN(2, 3, nonlinearity="sigmoid"), "'tanh' or 'relu', found 'sigmoid'"),
        (lambda: nn.GRU(2, 3)(torch.zeros(4, 1, 5)), "vectors of size 2"),
        (lambda: nn.GRU(2, 3)(torch.zeros(4, 1, 2), lengths=[5]), "lengths from 0 to 4"),
        (lambda: nn.GRU(2, 3)(torch.zeros(4, 1, 2), torch.zeros(1, 2, 3)), "initial h of shape"),
        (lambda: nn.GRU(2, 3)(Ragged.from_list([[0, 2]])), "symbols from 0 to 1, found 0 to 2"),
        (lambda: nn.GRU(2, 3)(Ragged.from_list([[0]]), lengths=[1]), "no lengths with a Ragged"),
    ],
)
def test_errors_say_what_was_expected_and_found(call, words):
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert words in str(caught.value)


@kinds
@pytest.mark.parametrize("bidirectional", [False, True])
def test_layer_norm_is_that_of_each_gate(kind, bidirectional):
    """Written out with torch's own layer norm, a step at a time."""
    if kind == "lstm-projected":
        pytest.skip("a projection is refused together with a layer norm")
    ours = KINDS[kind][0](3, 6, layer_norm=True, bidirectional=bidirectional, **KINDS[kind][2], dtype=torch.float64)
    for name, parameter in ours.named_parameters():
        if name.startswith("norm"):
            assert torch.equal(parameter, torch.ones_like(parameter))
            torch.nn.init.normal_(parameter)
    x, h = torch.randn(5, 2, 3, dtype=torch.float64), torch.zeros(2, 6, dtype=torch.float64)
    c, outputs = h, []

    def normal(product, scale, shift):
        gates = torch.nn.functional.layer_norm(product.view(2, ours.gates, 6), (6,)).flatten(1)
        return gates * scale + shift

    for step in x:
        from_x = normal(step @ ours.weight_ih_l0.t(), ours.norm_ih_l0, ours.bias_ih_l0)
        from_h = normal(h @ ours.weight_hh_l0.t(), ours.norm_hh_l0, ours.bias_hh_l0)
        if ours.gates == 4:
            i, f, g, o = (from_x + from_h).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        elif ours.gates == 3:
            r, z = (from_x + from_h)[:, :12].sigmoid().chunk(2, 1)
            n = (from_x[:, 12:] + r * from_h[:, 12:]).tanh()
            h = (1 - z) * n + z * h
        else:
            h = getattr(torch, ours.nonlinearity)(from_x + from_h)
        outputs.append(h)
    assert_equal([ours(x)[0][:, :, :6]], [torch.stack(outputs)])


@kinds
def test_resets_begin_the_sequence_anew(kind):
    ours, _ = pair(kind, 3, 5, 2)
    x = torch.randn(7, 3, dtype=torch.float64)
    cut = Ragged.from_list([[False, False, False, True, False, False, True]])
    together, final = ours(Ragged.from_list([x]), resets=cut)
    apart = [ours(part)[0] for part in x.split([3, 3, 1])]
    assert_equal([together.values], [torch.cat(apart)])
    assert_equal([p[:, 0] for p in parts(final)], parts(ours(x[6:])[1]))
    padded, _ = ours(x[:, None], resets=cut.values[:, None])
    assert_equal([padded[:, 0]], [together.values])


@kinds
def test_recomputation_changes_neither_results_nor_gradients(kind):
    ours, _ = pair(kind, 3, 5, 2, bidirectional=True, dropout=0.4)
    ours.recurrent_dropout = 0.3
    batch = Ragged.from_lengths(torch.randn(9, 3, dtype=torch.float64), [4, 2, 3])

    def run():
        torch.manual_seed(3)
        output, state = ours(batch)
        return output.values, *parts(state), *gradients(ours, output.values, state, [])

    kept = run()
    ours.recompute = True
    assert all(torch.equal(one, other) for one, other in zip(run(), kept, strict=True))


@kinds
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_a_table_gives_symbols_their_vectors(kind, norm):
    ours = normal(kind, 4) if norm else pair(kind, 4, 6, bidirectional=True)[0]
    table = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    symbols = Ragged.from_list([[3, 8, 3], [0]])
    taken, looked_up = ours(symbols, table=table), ours(symbols.with_values(table[symbols.values]))
    assert_equal([taken[0].values, *parts(taken[1])], [looked_up[0].values, *parts(looked_up[1])])
    assert_equal(
        gradients(ours, taken[0].values, taken[1], [table]), gradients(ours, looked_up[0].values, looked_up[1], [table])
    )


@pytest.mark.skipif(bool(kernels.MISSING), reason=kernels.MISSING or "built")
@pytest.mark.filterwarnings("default")  # torch's compiler warns about itself
@pytest.mark.parametrize("form", ["padded", "packed"])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_the_compiler_sees_a_layer_whole(form, norm):
    torch.manual_seed(0)
    layer = nn.LSTM(3, 5, bidirectional=True, layer_norm=norm, backend="kernels")
    padded = torch.randn(4, 2, 3)

    def run(values):
        input = values if form == "padded" else PackedSequence(values, torch.tensor([2, 2, 1, 1]))
        output, (h, _) = layer(input)
        return (output if form == "padded" else output.data).square().sum() + h.sum()

    values = (padded if form == "padded" else padded.flatten(0, 1)[:6]).requires_grad_()
    plain = run(values)
    expected = torch.autograd.grad(plain, [values, *layer.parameters()])
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")(values)
    torch.testing.assert_close(compiled, plain)
    for one, other in zip(torch.autograd.grad(compiled, [values, *layer.parameters()]), expected, strict=True):
        torch.testing.assert_close(one, other)


@kinds
@pytest.mark.parametrize("options", [{}, {"layer_norm": True}, {"num_layers": 2}], ids=["plain", "norm", "stacked"])
def test_predictions_have_the_same_bits_in_any_batch(kind, options):
    if kernels.MISSING or (kind == "lstm-projected"):
        pytest.skip(kernels.MISSING or "projections run on the reference")
    ours = KINDS[kind][0](3, 37, bidirectional=True, **KINDS[kind][2], **options)
    rows = [torch.randn(t, 3) for t in (4, 1, 6, 2)]
    with torch.no_grad():
        together = ours(Ragged.from_list(rows))[0]
        alone = [ours(Ragged.from_list([row]))[0].values for row in rows]
    assert all(torch.equal(one, whole) for one, whole in zip(alone, together, strict=True))


def test_a_layer_can_be_derived_from():
    class Tagger(nn.LSTM):
        pass

    assert Tagger(2, 3)(torch.randn(4, 1, 2))[0].shape == (4, 1, 3)


def test_resets_of_other_sequences_are_refused():
    batch = Ragged.from_lengths(torch.randn(4, 2), [1, 3])
    with pytest.raises(ValueError, match="same sequences"):
        nn.GRU(2, 3)(batch, resets=Ragged.from_lengths(torch.zeros(4, dtype=torch.bool), [3, 1]))
