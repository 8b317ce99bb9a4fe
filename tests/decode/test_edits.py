"""An answer taken apart into changes of its source, and put together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.decode.edits import Changes

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d", ","]), max_size=8).map(" ".join)


@given(TEXTS, TEXTS)
def test_all_changes_make_the_answer_and_none_the_source(source, answer):
    changes = Changes(source, answer)
    assert changes.apply([True] * len(changes.found)) == answer
    assert changes.apply([False] * len(changes.found)) == source
    assert bool(changes.found) == (source != answer)


@given(TEXTS, TEXTS)
def test_each_is_left_out_alone(source, answer):
    changes = Changes(source, answer)
    for place, text in enumerate(changes.without_each()):
        assert text == changes.apply(place != other for other in range(len(changes.found)))
        assert text != answer


@pytest.mark.parametrize(
    ("source", "answer", "found"),
    [
        ("a b c", "a x y", [(1, 2, ("x",)), (2, 3, ("y",))]),
        ("New York is", "Newyork is", [(0, 2, ("Newyork",))]),
        ("I want book", "I want a book", [(2, 2, ("a",))]),
        ("I I go", "I go", [(1, 2, ())]),
        ("a  b", "a b", []),
    ],
)
def test_neighbours_that_are_as_many_as_before_are_changes_of_their_own(source, answer, found):
    assert [(own.begin, own.end, own.words) for own in Changes(source, answer).found] == found


def test_a_source_is_left_as_it_stands():
    assert Changes("a \t b", "a c").apply([False]) == "a \t b"
