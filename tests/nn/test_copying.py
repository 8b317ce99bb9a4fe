"""Copying and coverage: probabilities, whole and steps, gradients, against their formulas written out."""

import pytest
import torch
from torch import nn

from throughtime.nn.attention import ATTENTIONS, Attention
from throughtime.nn.copying import copy_cross_entropy, mixed
from throughtime.nn.coverage import Coverage
from throughtime.nn.decoder import Decoder
from throughtime.ragged import Ragged

SOURCES = (3, 1, 4)
TARGETS = [[2, 7, 3, 5], [2], [9, 4]]
BOTH = [{"copying": True}, {"coverage": True}, {"copying": True, "coverage": True, "input_feeding": True}]


def drawn(dtype=torch.float64, **options):
    torch.manual_seed(3)
    decoder = Decoder(12, memory_size=4, cell="gru", embedding_size=6, hidden_size=5, **options).to(dtype)
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.6)
    sources = Ragged.from_lengths(torch.randn(sum(SOURCES), 4, dtype=dtype), SOURCES)
    symbols = sources.with_values(torch.tensor([7, 3, 7, 1, 4, 9, 9, 2]))
    return decoder, sources, symbols, torch.randn(len(SOURCES), 4, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_are_those_of_the_formula_and_sum_to_1(dtype):
    torch.manual_seed(1)
    scores, gates = torch.randn(3, 6, dtype=dtype) * 3, torch.tensor([-2.0, 40.0, 0.5], dtype=dtype)
    weights = Ragged.from_lengths(torch.tensor([0.5, 0.2, 0.3, 1.0, 0.1, 0.9], dtype=dtype), [3, 1, 2])
    symbols = weights.with_values(torch.tensor([4, 0, 4, 5, 2, 3]))
    found = mixed(scores, gates, weights, symbols).exp()
    for own, row, gate, looked, stands in zip(found, scores, gates, weights, symbols, strict=True):
        said, share = row.softmax(0), gate.sigmoid()
        for symbol in range(6):
            expected = share * said[symbol] + (1 - share) * looked[stands == symbol].sum()
            torch.testing.assert_close(own[symbol], expected)
    torch.testing.assert_close(found.sum(1), torch.ones(3, dtype=dtype))


def test_what_is_all_but_impossible_has_a_finite_loss_and_gradient():
    scores = torch.tensor([[0.0, -300.0, 0.0]], requires_grad=True)
    gates = torch.tensor([-200.0], requires_grad=True)
    weights, symbols = Ragged.from_list([[1.0]]), Ragged.from_list([[2]])
    logs = mixed(scores, gates, weights, symbols)
    logs[0, 1].backward()
    assert logs.isfinite().all()
    assert scores.grad.isfinite().all()
    assert gates.grad.isfinite().all()


@pytest.mark.parametrize("chunk", [1, 2, 9])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_that_of_the_probabilities_in_any_chunks(chunk, smoothing):
    decoder, sources, symbols, final = drawn(copying=True)
    memory, heard, told = decoder.remember(sources, symbols=symbols), Ragged.from_list(TARGETS), torch.arange(3, 10)
    decoded = decoder(heard, memory, decoder.start(final, memory))
    stands = symbols.take(heard.row_of_step)
    losses = copy_cross_entropy(
        decoded.outputs.values,
        decoder.head,
        decoded.gates,
        decoded.weights,
        stands,
        told,
        label_smoothing=smoothing,
        chunk=chunk,
    )
    logs = mixed(decoder.head(decoded.outputs.values), decoded.gates, decoded.weights, stands)
    expected = -(1 - smoothing) * logs[torch.arange(7), told] - smoothing * logs.mean(1)
    torch.testing.assert_close(losses, expected)
    learnt = [own for name, own in decoder.named_parameters()]
    for found, other in zip(
        torch.autograd.grad(losses.sum(), learnt, retain_graph=True, materialize_grads=True),
        torch.autograd.grad(expected.sum(), learnt, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(found, other)


@pytest.mark.parametrize("options", BOTH)
def test_the_whole_equals_its_steps_from_any_state(options):
    decoder, sources, symbols, final = drawn(attention="additive", num_layers=2, **options)
    memory = decoder.remember(sources, symbols=symbols)
    start = decoder(Ragged.from_list([[5, 5], [1], [4, 3, 2]]), memory, decoder.start(final, memory)).state
    assert all(part.abs().max() > 0 for part in start)
    heard = Ragged.from_list(TARGETS)
    whole = decoder(heard, memory, start)
    scores = decoder.scores(whole, memory, heard.row_of_step)
    for row, target in enumerate(TARGETS):
        own = tuple(part[:, row : row + 1] for part in start)
        for place, symbol in enumerate(target):
            found, own = decoder.step(torch.tensor([symbol]), memory, own, torch.tensor([row]))
            torch.testing.assert_close(found[0], scores[int(heard.offsets[row]) + place])
        for part, end in zip(own, whole.state, strict=True):
            torch.testing.assert_close(part[:, 0], end[:, row])


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_coverage_is_that_of_the_formula(kind):
    """Three looks one after another, source by source."""
    torch.manual_seed(0)
    attention = Attention(kind, query_size=4, memory_size=4, size=7).double()
    coverage = Coverage(attention).double()
    nn.init.normal_(coverage.weight)
    sources = Ragged.from_lengths(torch.randn(sum(SOURCES), 4, dtype=torch.float64), SOURCES)
    memory, rows = attention.remember(sources), torch.tensor([2, 0, 2, 1])
    so_far, known = coverage.start(memory)[rows], [torch.zeros(SOURCES[row], dtype=torch.float64) for row in rows]
    for _ in range(3):
        queries = torch.randn(4, 4, dtype=torch.float64)
        context, weights, so_far, overlap = coverage(attention, queries, rows, memory, so_far)
        for place, row in enumerate(rows.tolist()):
            steps, query = sources[row], queries[place]
            if kind == "additive":
                inner = attention.query(query[None]) + attention.key(steps) + known[place][:, None] * coverage.weight
                scores = inner.tanh() @ attention.vector
            else:
                keys = steps if attention.key is None else attention.key(steps)
                scores = keys @ query + coverage.weight * known[place]
            own = scores.softmax(0)
            torch.testing.assert_close(weights[place], own)
            torch.testing.assert_close(context[place], own @ steps)
            torch.testing.assert_close(overlap[place], torch.minimum(own, known[place]).sum())
            known[place] = known[place] + own
            torch.testing.assert_close(so_far[place, : len(own)], known[place])
            assert not so_far[place, len(own) :].any()


@pytest.mark.parametrize("options", BOTH)
def test_gradients_are_exact(options):
    decoder, sources, symbols, final = drawn(attention="additive", **options)
    heard = Ragged.from_list(TARGETS)
    names = [name for name, _ in decoder.named_parameters()]

    def losses(values, *parameters):
        return torch.func.functional_call(Whole(decoder), dict(zip(names, parameters, strict=True)), (values,))

    class Whole(nn.Module):
        def __init__(self, decoder):
            super().__init__()
            self._modules.update(decoder._modules)

        def forward(self, values):
            memory = decoder.remember(sources.with_values(values), symbols=symbols)
            found = decoder(heard, memory, decoder.start(final, memory))
            logs = decoder.scores(found, memory, heard.row_of_step).log_softmax(1).gather(1, heard.values[:, None])
            return logs.sum() if found.overlap is None else logs.sum() + found.overlap.sum()

    values = sources.values.requires_grad_()
    assert torch.autograd.gradcheck(losses, (values, *(own for _, own in decoder.named_parameters())), fast_mode=True)


def test_symbols_are_copied_that_the_scores_would_not_tell():
    """Each source is a word that is said as it stands; the vocabulary's weights see nothing of it."""
    torch.manual_seed(0)
    embedding, decoder = (
        nn.Embedding(12, 8),
        Decoder(12, memory_size=8, cell="gru", embedding_size=8, hidden_size=8, copying=True),
    )
    optimizer = torch.optim.Adam([*embedding.parameters(), *decoder.parameters()], lr=0.03)
    for _ in range(80):
        words = Ragged.from_list([torch.randint(2, 12, (1,)) for _ in range(32)])
        memory = decoder.remember(words.with_values(embedding(words.values)), symbols=words)
        heard = Ragged.from_lengths(torch.zeros(32, dtype=torch.int64), [1] * 32)
        found = decoder(heard, memory, decoder.start(torch.zeros(32, 8), memory))
        args = decoder.head, found.gates, found.weights, words, words.values
        loss = copy_cross_entropy(found.outputs.values * 0, *args, chunk=8).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2


def test_what_is_missing_is_named():
    decoder, sources, _, final = drawn(copying=True, coverage=True)
    memory = decoder.remember(sources)
    with pytest.raises(ValueError, match="expected the memory that coverage is of, found none"):
        decoder.start(final)
    with pytest.raises(ValueError, match="expected a memory with symbols to copy, found one without"):
        decoder.step(torch.tensor([1, 2, 3]), memory, decoder.start(final, memory))
