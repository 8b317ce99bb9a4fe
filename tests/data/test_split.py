from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data import stratified_split
from throughtime.data.split import grouped_split
from throughtime.errors import DataError, UsageError

LABELS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=120)


@given(labels=LABELS, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**40))
@settings(max_examples=200)
def test_a_split_is_a_partition_and_no_class_is_lost(labels, fraction, seed):
    if max(Counter(labels).values()) < 2:
        with pytest.raises(DataError):
            stratified_split(labels, fraction, seed)
        return
    kept, held_out = stratified_split(labels, fraction, seed)
    assert sorted(kept + held_out) == list(range(len(labels)))
    assert kept == sorted(kept)
    assert held_out == sorted(held_out)
    assert held_out
    assert {labels[row] for row in kept} == set(labels)
    sizes, taken = Counter(labels), Counter(labels[row] for row in held_out)
    assert all(abs(taken[label] - size * fraction) <= 1 or size * fraction > size - 1 for label, size in sizes.items())
    assert (kept, held_out) == stratified_split(labels, fraction, seed)


def test_proportions_are_kept_and_the_seed_matters():
    labels = ["ham"] * 870 + ["spam"] * 130
    splits = [stratified_split(labels, 0.1, seed)[1] for seed in range(3)]
    assert [Counter(labels[row] for row in rows) for rows in splits] == [{"ham": 87, "spam": 13}] * 3
    assert splits[0] != splits[1] != splits[2]


def test_many_small_classes_together_give_their_part():
    labels = [str(row % 50) for row in range(150)]
    _, held_out = stratified_split(labels, 0.1, 0)
    assert len(held_out) == 15
    assert any(int(labels[row]) >= 25 for row in held_out)  # not always the first classes


def test_one_row_is_held_out_at_least():
    assert len(stratified_split(["a", "a", "b"], 0.01, 0)[1]) == 1


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_0_and_1(fraction):
    with pytest.raises(UsageError, match="between 0 and 1"):
        stratified_split(["a", "a"], fraction, 0)


def test_nothing_to_hold_out():
    with pytest.raises(DataError, match="2 classes of one row"):
        stratified_split(["a", "b"], 0.5, 0)
    with pytest.raises(DataError, match="found none"):
        stratified_split([], 0.5, 0)
    with pytest.raises(DataError, match="two rows or more to hold some out, found one"):
        stratified_split([""], 0.5, 0)


@given(
    groups=st.lists(st.integers(0, 30), min_size=1, max_size=120), fraction=st.floats(0.01, 0.99), seed=st.integers()
)
@settings(max_examples=200)
def test_groups_stay_together(groups, fraction, seed):
    if len(set(groups)) < 2:
        with pytest.raises(DataError, match="expected two different rows or more"):
            grouped_split(groups, fraction, seed)
        return
    kept, held_out = grouped_split(groups, fraction, seed)
    assert sorted(kept + held_out) == list(range(len(groups)))
    assert (kept, held_out) == (sorted(kept), sorted(held_out))
    assert kept
    assert held_out
    assert not {groups[row] for row in kept} & {groups[row] for row in held_out}
    assert len(held_out) <= max(round(len(groups) * fraction), min(Counter(groups).values()))
    assert (kept, held_out) == grouped_split(groups, fraction, seed)


def test_groups_of_one_give_their_part():
    kept, held_out = grouped_split(range(1000), 0.1, 1)
    assert (len(kept), len(held_out)) == (900, 100)
    assert held_out != grouped_split(range(1000), 0.1, 2)[1]
    with pytest.raises(UsageError, match="expected a fraction between 0 and 1"):
        grouped_split([1, 2], 1.5, 1)
