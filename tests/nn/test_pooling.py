"""Pooling and segment reductions against a loop over the sequences, and step by step."""

import pytest
import torch

from throughtime.nn.dropout import rarity, sequence_dropout, word_dropout
from throughtime.nn.pooling import POOLINGS, make_pooling
from throughtime.nn.segments import segment_max, segment_mean, segment_softmax, segment_sum
from throughtime.ragged import Ragged

LENGTHS = [3, 1, 5]


def batch(features=4):
    torch.manual_seed(0)
    return Ragged.from_lengths(torch.randn(9, features, dtype=torch.float64, requires_grad=True), LENGTHS)


@pytest.mark.parametrize(
    ("reduce", "one"),
    [
        (segment_sum, lambda row: row.sum(0)),
        (segment_mean, lambda row: row.mean(0)),
        (segment_max, lambda row: row.max(0).values),
        (lambda b: segment_softmax(b).values, lambda row: row.softmax(0)),
    ],
    ids=["sum", "mean", "max", "softmax"],
)
def test_segments_equal_a_loop_over_sequences(reduce, one):
    ragged = batch()
    pieces = [one(row) for row in ragged]
    expected = torch.cat(pieces) if pieces[0].dim() == 2 else torch.stack(pieces)
    found = reduce(ragged)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    ours, theirs = (torch.autograd.grad((x * weight).sum(), ragged.values)[0] for x in (found, expected))
    torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda values: reduce(ragged.with_values(values)), ragged.values)


def test_softmax_of_large_scores_is_finite():
    scores = Ragged.from_list([[1e4, 1e4 + 1], [-1e4]])
    torch.testing.assert_close(segment_softmax(scores).values, torch.tensor([0.26894143, 0.7310586, 1.0]))


def test_an_empty_sequence_cannot_be_reduced():
    with pytest.raises(ValueError, match="no empty sequence, found one in row 1"):
        segment_max(Ragged.from_lengths(torch.zeros(2), [2, 0]))


@pytest.mark.parametrize("name", POOLINGS)
def test_step_by_step_equals_the_whole_and_neighbours_do_not_matter(name):
    pooling = make_pooling(name, 4).double()
    ragged = batch()
    final = torch.stack([row[-1] for row in ragged])
    whole = pooling(ragged, final)
    for place, row in enumerate(ragged):
        state = None
        for step in row:
            state = pooling.update(state, step[None])
        torch.testing.assert_close(pooling.result(state)[0], whole[place])
        alone = pooling(Ragged.from_list([row]), final[place : place + 1])
        assert torch.equal(alone[0], whole[place])


def test_word_dropout_shows_each_word_as_unknown_as_often_as_it_is_rare():
    torch.manual_seed(0)
    symbols = Ragged.from_lengths(torch.arange(60_000) % 6, [60_000])
    likely = rarity(torch.tensor([0, 0, 5, 5, 1, 9]), strength=1.0, specials=4)
    dropped = word_dropout(symbols, likely, unk=1)
    shares = [((dropped.values == 1) & (symbols.values == n)).sum().item() / 10_000 for n in (0, 2, 3, 4, 5)]
    assert shares == pytest.approx([0, 0, 0, 0.5, 0.1], abs=0.02)
    spelled = symbols.with_values(torch.stack([symbols.values, symbols.values + 7], dim=1))
    dropped = word_dropout(spelled, likely, unk=1)
    assert torch.equal(dropped.values[:, 1], spelled.values[:, 1])
    assert 0.45 < (dropped.values[symbols.values == 4, 0] == 1).double().mean() < 0.55
    assert not word_dropout(symbols, rarity(likely, 0.0, 4), unk=1).values.sub(symbols.values).any()


def test_sequence_dropout_keeps_one_mask_a_sequence():
    torch.manual_seed(0)
    ragged = Ragged.from_lengths(torch.ones(6, 1000), [4, 2])
    first, second = sequence_dropout(ragged, 0.4)
    assert torch.equal(first, first[:1].expand_as(first))
    assert not torch.equal(first[0], second[0])
    assert first[0].unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert 0.35 < (first[0] == 0).double().mean() < 0.45
