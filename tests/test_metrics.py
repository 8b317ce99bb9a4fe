"""The calibration error against sums by hand, and what must hold of it whatever the answers are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.metrics import Bin, calibration_error, reliability


def test_the_calibration_error_by_hand():
    confidence = np.array([0.95, 0.91, 0.99, 0.97, 0.62, 0.68, 0.64, 0.55])
    right = np.array([True, True, False, True, True, False, False, True])
    bins = reliability(confidence, right, bins=10)
    assert [part.count for part in bins] == [1, 3, 4]
    assert [part.accuracy for part in bins] == pytest.approx([1.0, 1 / 3, 0.75])
    assert [part.confidence for part in bins] == pytest.approx([0.55, 1.94 / 3, 0.955])
    # (1 · 0.45 + 3 · |1/3 - 1.94/3| + 4 · 0.205) / 8
    assert calibration_error(bins) == pytest.approx((0.45 + 0.94 + 0.82) / 8)


def test_a_bin_holds_its_upper_edge():
    assert reliability(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]), bins=2) == [
        Bin(2, 0.25, 0.5),
        Bin(1, 1.0, 1.0),
    ]


def test_what_is_not_finite_does_not_fail():
    bins = reliability(np.array([np.nan, 0.9]), np.array([False, True]))
    assert sum(part.count for part in bins) == 2


ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(ANSWERS, st.integers(1, 20), st.randoms())
def test_the_bins_part_the_answers_in_any_order(answers, bins, random):
    def found(rows):
        confidence, right = (np.array(column) for column in zip(*rows, strict=True))
        return reliability(confidence, right, bins)

    parts = found(answers)
    assert sum(part.count for part in parts) == len(answers)
    assert all(0 <= part.accuracy <= 1 for part in parts)
    assert 0 <= calibration_error(parts) <= 1
    shuffled = list(answers)
    random.shuffle(shuffled)
    assert calibration_error(found(shuffled)) == pytest.approx(calibration_error(parts), abs=1e-9)


@given(ANSWERS)
def test_one_bin_sets_the_mean_confidence_against_the_accuracy(answers):
    confidence, right = (np.array(column) for column in zip(*answers, strict=True))
    error = calibration_error(reliability(confidence, right, bins=1))
    assert error == pytest.approx(abs(confidence.mean() - right.mean()))
