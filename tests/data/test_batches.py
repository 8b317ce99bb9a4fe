"""Batches: every row once, within the budget, of similar length, the same for the same seed and epoch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data.batches import Batches, Dataset
from throughtime.ragged import Ragged


def dataset(lengths):
    values = torch.arange(sum(lengths))
    return Dataset(Ragged.from_lengths(values, lengths), torch.arange(len(lengths)))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 90), st.sampled_from([None, 3]))
def test_every_row_once_and_within_the_budget(lengths, budget, seed):
    plan = Batches(dataset(lengths), budget, seed).plan(2)
    assert sorted(row for rows in plan for row in rows) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in rows) <= budget or len(rows) == 1 for rows in plan)


def test_seed_and_epoch_decide():
    lengths = [1 + n % 17 for n in range(200)]
    made = [Batches(dataset(lengths), 60, seed).plan(epoch) for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))]
    plans = [[rows.tolist() for rows in plan] for plan in made]
    assert plans[0] == plans[1]
    assert plans[0] not in plans[2:]


def test_batches_hold_sequences_of_similar_length():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 100, (3000,), generator=generator).tolist()
    plan = Batches(dataset(lengths), 1000, seed=1).plan()
    spreads = [max(lengths[r] for r in rows) - min(lengths[r] for r in rows) for rows in plan]
    assert sum(spreads) / len(spreads) < 10  # in batches of any rows it is about 93
    means = [sum(lengths[r] for r in rows) / len(rows) for rows in plan]
    assert means != sorted(means)


def test_a_batch_holds_its_rows_inputs_and_targets():
    batches = Batches(dataset([2, 0, 3]), 100)
    batch = batches.load([2, 0])
    assert batch.inputs.to_list() == [[2, 3, 4], [0, 1]]
    assert batch.targets.tolist() == [2, 0]
    assert batches.places((2,)) == ["row 3"]


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one token, found 0"):
        Batches(dataset([1]), 0)
