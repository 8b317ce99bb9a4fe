"""Streams: every symbol is told once, after the right one, and the state is reset where a text begins."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.batches import Dataset
from throughtime.data.streams import UNTOLD, Streams
from throughtime.ragged import Ragged


def documents(lengths):
    """Symbols that say where they stand."""
    values = torch.arange(sum(lengths), dtype=torch.int32)
    return Dataset(Ragged.from_lengths(values, lengths))


def read(streams, epoch=0):
    """What each stream reads in an epoch: (symbol, target, whether the state is reset before)."""
    rows = [[] for _ in range(streams.streams)]
    for chunk in streams.plan(epoch):
        batch = streams.load(chunk)
        assert chunk.end - chunk.begin == streams.size(chunk)[0] >= batch.inputs.lengths.max()
        steps = zip(batch.inputs.values.tolist(), batch.targets.tolist(), batch.resets.tolist(), strict=True)
        for row in batch.inputs.row_of_step.tolist():
            rows[row].append(next(steps))
    return rows


@settings(max_examples=150)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6).filter(lambda lengths: max(lengths) > 1),
    streams=st.integers(1, 7),
    steps=st.integers(1, 9),
    seed=st.none() | st.integers(0, 5),
    vary=st.booleans(),
    overlap=st.integers(0, 12),
    epoch=st.integers(0, 3),
)
def test_every_symbol_is_told_once_after_its_own_past(lengths, streams, steps, seed, vary, overlap, epoch):
    made = Streams(documents(lengths), streams, steps, seed=seed, vary=vary, overlap=overlap)
    begins = set((np.cumsum(lengths) - lengths).tolist())
    told = []
    for row in read(made, epoch):
        before = None
        for place, (symbol, target, reset) in enumerate(row):
            assert target in (symbol + 1, UNTOLD)
            assert reset == (place == 0 or symbol in begins)
            if not reset:
                assert symbol == before + 1
            before = symbol
            told += [target] if target != UNTOLD else []
        untold = [target == UNTOLD for _, target, _ in row]
        assert sum(untold) <= overlap
        assert untold == sorted(untold, reverse=True)  # before the stream's own steps, never among them
    assert sorted(told) == sorted(set(range(sum(lengths))) - begins)


def test_chunks_begin_elsewhere_in_every_epoch_and_as_the_seed_says():
    data = documents([1000])
    plans = [[list(Streams(data, 4, 16, seed=seed).plan(epoch)) for epoch in range(5)] for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
    assert len({plan[0].end for plan in plans[0]}) > 1
    assert all(chunk.end - chunk.begin <= 16 for plan in plans[0] for chunk in plan)


def test_random_lengths_lie_around_the_chunk_and_its_half():
    plan = Streams(documents([100_000]), 1, 70, seed=1, vary=True).plan()
    lengths = np.array([chunk.end - chunk.begin for chunk in plan[:-1]])
    assert 0.85 < np.mean(abs(lengths - 70) <= 20) < 0.99
    assert 0.01 < np.mean(abs(lengths - 35) <= 15) < 0.15


def test_a_plan_is_a_sequence_of_chunks():
    plan = Streams(documents([100]), 2, 20).plan()
    assert len(plan) == 3
    assert list(plan) == [(0, 20), (20, 40), (40, 50)] == [plan[0], plan[1], plan[-1]] == plan[:]
    assert plan[1:] == list(plan)[1:]
    with pytest.raises(IndexError):
        plan[3]


def test_more_streams_than_symbols_are_as_many_as_there_are():
    assert Streams(documents([3]), 8, 5).streams == 2


@pytest.mark.parametrize(("streams", "steps"), [(0, 1), (1, 0)])
def test_no_streams_or_steps(streams, steps):
    with pytest.raises(ValueError, match="at least one stream and one step"):
        Streams(documents([3]), streams, steps)
