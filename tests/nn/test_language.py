"""The network of language models: chunks equal the whole, dropouts do what they say, stepping equals reading."""

import pytest
import torch
from torch.nn import functional as F

from throughtime import Ragged
from throughtime.nn.language import LanguageNetwork, changes

CELLS = ("elman", "lstm", "gru")
SEQUENCES = [[2, 7, 3, 11, 5, 6, 7], [2, 3], [9, 4, 8, 8]]


def network(cell="lstm", **options):
    torch.manual_seed(3)
    return LanguageNetwork(12, cell=cell, embedding_size=6, hidden_size=5, num_layers=2, **options)


def scores(net, batch, state=None, resets=None):
    outputs, _, state = net(batch, state, resets)
    return net.head(outputs.data)[batch.time_major.scatter], state


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("tied", [False, True])
def test_chunks_with_their_state_equal_the_whole(cell, tied):
    net, batch = network(cell, tied=tied).eval(), Ragged.from_list(SEQUENCES)
    whole, end = scores(net, batch)
    first = Ragged.from_list([sequence[:2] for sequence in SEQUENCES])
    rest = Ragged.from_list([torch.tensor(sequence[2:], dtype=torch.int64) for sequence in SEQUENCES])
    one, state = scores(net, first)
    two, state = scores(net, rest, state)
    parts = [torch.cat([a, b]) for a, b in zip(first.with_values(one), rest.with_values(two), strict=True)]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(state, end, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_a_reset_is_a_new_beginning(cell):
    net = network(cell).eval()
    joined, apart = Ragged.from_list([[2, 7, 3, 2, 9, 4]]), Ragged.from_list([[2, 7, 3], [2, 9, 4]])
    _, state = scores(net, Ragged.from_list([[5, 5]]))
    resets = torch.tensor([True, False, False, True, False, False])
    assert torch.allclose(scores(net, joined, state, resets)[0], scores(net, apart)[0], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_stepping_equals_reading_from_any_state(cell, batch_size):
    net = network(cell, tied=True).eval()
    symbols = torch.randint(0, 12, (batch_size, 5))
    _, begun = scores(net, Ragged.from_list(torch.randint(0, 12, (batch_size, 4)).tolist()))
    whole, end = scores(net, Ragged.from_list(symbols.tolist()), begun)
    step = net.stepper(batch_size)
    step.state = begun
    each = torch.stack([step(column) for column in symbols.T], dim=1)
    assert torch.allclose(each.flatten(0, 1), whole, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(step.state, end, strict=True))


@pytest.mark.parametrize("refused", [[], ["it is on a GPU"]])
def test_stepping_in_the_middle_of_training_drops_nothing(monkeypatch, refused):
    net, symbols = network(input_dropout=0.5, hidden_dropout=0.5, weight_drop=0.5), torch.tensor([2, 7])
    monkeypatch.setattr("throughtime.nn.language.refusals", lambda layer: refused)
    each = net.stepper(2)(symbols)
    assert net.training
    assert torch.allclose(each, scores(net.eval(), Ragged.from_list([[2], [7]]))[0], atol=1e-6)


def test_a_table_of_few_symbols_changes_nothing():
    net = network().eval()
    long = Ragged.from_list([torch.randint(0, 12, (40,)).tolist()])
    assert net._embedded(long.values, None, 1)[1] is not None
    outputs, _ = scores(net, long)
    parts, state = [], None
    for step in long.values.split(1):
        own, state = scores(net, Ragged.from_lengths(step, [1]), state)
        parts.append(own)
    assert torch.allclose(torch.cat(parts), outputs, atol=1e-5)


def test_tied_weights_are_one():
    net = network(tied=True)
    assert net.head.weight is net.embedding.weight
    assert net.recurrences[-1].hidden_size == 6


@pytest.mark.parametrize(
    "option",
    ["embedding_dropout", "input_dropout", "hidden_dropout", "output_dropout", "recurrent_dropout", "weight_drop"],
)
def test_each_dropout_changes_training_alone(option):
    net, batch = network(**{option: 0.5}), Ragged.from_list(SEQUENCES)
    plain = network()
    torch.manual_seed(1)
    assert not torch.allclose(scores(net, batch)[0], scores(plain, batch)[0])
    assert torch.equal(scores(net.eval(), batch)[0], scores(plain.eval(), batch)[0])


@pytest.mark.parametrize("option", ["input_dropout", "hidden_dropout", "output_dropout"])
def test_masks_are_the_same_at_all_steps_of_a_sequence(option):
    net = network(**{option: 0.5})
    seen = []
    hide = net._hide
    net._hide = lambda *given: seen.append((given[0], hide(*given), given[3])) or seen[-1][1]
    batch = Ragged.from_list(SEQUENCES)
    net(batch)
    [(before, after, _)] = [parts for parts in seen if parts[2]]
    rows = batch.row_of_step[batch.time_major.gather]
    kept = after != 0
    for row in range(len(batch)):
        assert (kept[rows == row] == kept[rows == row][0]).all()
    assert torch.allclose(after[kept], 2 * before[kept])
    assert not (kept == kept[0]).all()


def test_hidden_symbols_are_hidden_wherever_they_stand():
    net = network(embedding_dropout=0.5)
    values = torch.tensor([3, 4, 3, 5, 4, 3])
    torch.manual_seed(0)
    vectors, _ = net._embedded(values, None, 1)
    assert torch.equal(vectors[0], vectors[2])
    assert torch.equal(vectors[1], vectors[4])
    shares = vectors.detach() / net.embedding(values).detach()
    assert set(shares.flatten().round().tolist()) <= {0.0, 2.0}


def test_dropped_weights_get_no_gradient():
    net = network("gru", weight_drop=0.5)
    weight = net.recurrences[0].weight_hh_l0
    loss = F.cross_entropy(scores(net, Ragged.from_list(SEQUENCES))[0], torch.randint(0, 12, (13,)))
    loss.backward()
    assert 0.3 < (weight.grad == 0).double().mean() < 0.7
    assert isinstance(weight, torch.nn.Parameter)


def test_changes_are_those_of_each_sequence():
    batch = Ragged.from_list([torch.randn(n, 3) for n in (4, 1, 3)])
    order = batch.time_major
    found = changes(batch.values[order.gather], order.batch_sizes)
    wanted = torch.cat([sequence.diff(dim=0) for sequence in batch])
    assert len(found) == len(wanted) == 5
    assert torch.allclose(found.square().sum(), wanted.square().sum())


@pytest.mark.parametrize("cell", CELLS)
def test_vectors_are_read_in_the_place_of_symbols(cell):
    torch.manual_seed(3)
    net = LanguageNetwork(7, cell=cell, embedding_size=None, hidden_size=5, num_layers=2).eval()
    vectors = torch.rand(3, 4, 7)
    whole, end = scores(net, Ragged.from_lengths(vectors.flatten(0, 1), [4, 4, 4]))
    step = net.stepper(3)
    each = torch.stack([step(vectors[:, at]) for at in range(4)], dim=1)
    assert torch.allclose(each.flatten(0, 1), whole, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(step.state, end, strict=True))
    assert "embedding.weight" not in net.state_dict()


def test_one_mask_hides_the_same_numbers_of_vectors_at_all_steps_of_a_sequence():
    torch.manual_seed(3)
    net = LanguageNetwork(50, cell="gru", embedding_size=None, hidden_size=5, input_dropout=0.5).train()
    slots = torch.tensor([0, 1, 0, 1, 0])
    hidden, table = net._embedded(torch.ones(5, 50), slots, 2)
    assert table is None
    assert torch.equal(hidden[0], hidden[2])
    assert torch.equal(hidden[1], hidden[3])
    assert set(hidden.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("options", [{"tied": True}, {"embedding_dropout": 0.1}])
def test_vectors_have_no_embeddings_to_tie_or_hide(options):
    with pytest.raises(ValueError, match="expected embeddings"):
        LanguageNetwork(7, cell="gru", embedding_size=None, hidden_size=5, **options)
