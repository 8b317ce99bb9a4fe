"""Ragged against padded tensors, lists and torch's packing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence, pad_sequence

from throughtime.ragged import Ragged

lengths = st.lists(st.integers(0, 9), min_size=1, max_size=12)


def batch(lengths, features=None):
    shape = (sum(lengths),) if features is None else (sum(lengths), features)
    return Ragged.from_lengths(torch.randn(shape), lengths)


@given(lengths, st.sampled_from([None, 1, 3]))
def test_round_trips(lengths, features):
    ragged = batch(lengths, features)
    padded = ragged.to_padded(value=float("nan"), length=12)
    assert padded.shape[:2] == (len(lengths), 12)
    assert torch.equal(Ragged.from_padded(padded, lengths).values, ragged.values)
    turned = ragged.to_padded(batch_first=False)
    assert torch.equal(Ragged.from_padded(turned, lengths, batch_first=False).values, ragged.values)
    assert [len(row) for row in ragged] == lengths
    assert Ragged.from_list(list(ragged)).offsets.tolist() == ragged.offsets.tolist()


@given(lengths)
def test_time_major_order_is_each_step_of_the_sequences_still_running(lengths):
    ragged = batch(lengths)
    order = ragged.time_major
    by_length = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    assert order.rows.tolist() == by_length
    expected = [
        ragged.offsets[row].item() + step for step in range(max(lengths)) for row in by_length if lengths[row] > step
    ]
    assert order.gather.tolist() == expected
    assert order.batch_sizes.tolist() == [sum(n > step for n in lengths) for step in range(max(lengths))]
    steps = torch.arange(sum(lengths))
    assert torch.equal(order.gather[order.scatter], steps)
    assert torch.equal(order.rows[order.ranks], torch.arange(len(lengths)))


@given(lengths.filter(lambda n: min(n) > 0), st.booleans())
def test_packed_sequences_both_ways(lengths, sort):
    lengths = sorted(lengths, reverse=True) if sort else lengths
    rows = [torch.randn(n, 2) for n in lengths]
    packed = pack_sequence(rows, enforce_sorted=sort)
    assert torch.equal(Ragged.from_packed(packed).values, torch.cat(rows))
    again = Ragged.from_list(rows).to_packed()
    padded, sizes = torch.nn.utils.rnn.pad_packed_sequence(again, batch_first=True)
    assert sizes.tolist() == lengths
    assert torch.equal(padded, pad_sequence(rows, batch_first=True))


def test_values_share_the_order_and_gradients_flow():
    ragged = batch([3, 1, 2], 4)
    other = ragged.with_values(torch.randn(6, 2, requires_grad=True))
    assert other.time_major is ragged.time_major
    other.to_padded().square().sum().backward()
    torch.testing.assert_close(other.values.grad, 2 * other.values.detach())


def test_rows_by_number():
    ragged = Ragged.from_list([[1, 2], [3]])
    assert ragged[-1].tolist() == [3]
    assert ragged.row_of_step.tolist() == [0, 0, 1]
    with pytest.raises(IndexError, match="row from 0 to 1, found 2"):
        ragged[2]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ragged(torch.zeros(3), torch.tensor([0, 2])), "end at 3"),
        (lambda: Ragged(torch.zeros(3), torch.tensor([0, 4, 3])), "never fall"),
        (lambda: Ragged(torch.zeros(3), torch.tensor([0.0, 3.0])), "int64"),
        (lambda: Ragged.from_list([]), "at least one sequence"),
        (lambda: Ragged.from_padded(torch.zeros(2, 3), [1, 4]), "2 lengths from 0 to 3"),
        (lambda: Ragged.from_padded(torch.zeros(2, 3), [1]), "2 lengths"),
        (lambda: batch([2, 0]).to_packed(), "no empty sequence, found one in row 1"),
        (lambda: batch([2, 4]).to_padded(length=3), "at least 4"),
        (lambda: batch([2]).with_values(torch.zeros(3)), "expected 2 steps, found 3"),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError, match="expected") as caught:
        make()
    assert words in str(caught.value)


def test_rows_are_taken_by_number_from_either_end():
    ragged = Ragged.from_list([[3, 1, 4], [1], [5, 9]])
    assert ragged.take([-1, -3]).to_list() == [[5, 9], [3, 1, 4]]
    assert len(ragged.take([])) == 0
    with pytest.raises(IndexError, match="rows from 0 to 2"):
        ragged.take([3])
    with pytest.raises(ValueError, match="truth values"):
        ragged.take(torch.tensor([True, False, True]))
