"""Spans of tags, of sound and of broken sequences, and what each scheme allows."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data.spans import SCHEMES, Span, allowed, check_tags, convert, read_spans, transitions, write_tags
from throughtime.errors import DataError

STRICT = ("bio", "iobes", "bilou")  # in iob1 every sequence has one reading


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O I-X O", [(1, 2, "X")]),
        ("I-X I-Y", [(0, 1, "X"), (1, 2, "Y")]),
        ("B-X I-Y I-Y", [(0, 1, "X"), (1, 3, "Y")]),
        ("I-X B-X I-X", [(0, 1, "X"), (1, 3, "X")]),
        ("B-X B-X", [(0, 1, "X"), (1, 2, "X")]),
        ("B-X E-X I-X", [(0, 2, "X"), (2, 3, "X")]),
        ("E-X E-X", [(0, 1, "X"), (1, 2, "X")]),
        ("B-X E-X B-X E-X", [(0, 2, "X"), (2, 4, "X")]),
        ("S-X I-X S-X", [(0, 1, "X"), (1, 2, "X"), (2, 3, "X")]),
        ("B-X I-X O", [(0, 2, "X")]),
        ("U-X B-X L-X", [(0, 1, "X"), (1, 3, "X")]),
        ("B-X-1 I-X-1 I-X", [(0, 2, "X-1"), (2, 3, "X")]),
        ("B I O I", [(0, 2, ""), (3, 4, "")]),
        ("O O", []),
        ("", []),
    ],
)
def test_spans_of_odd_sequences(tags, spans):
    assert read_spans(tags.split()) == spans


def spans_within(draw, length):
    edges = sorted(draw(st.sets(st.integers(0, length))))
    spans = [Span(begin, end, draw(st.sampled_from(["X", "Y-1", ""]))) for begin, end in pairwise(edges)]
    return [span for span in spans if draw(st.booleans())]


@st.composite
def tagged(draw):
    length = draw(st.integers(0, 9))
    return spans_within(draw, length), length


@given(tagged(), st.sampled_from(SCHEMES), st.sampled_from(SCHEMES))
def test_what_is_written_is_read_and_allowed_in_every_scheme(sequence, scheme, other):
    spans, length = sequence
    tags = write_tags(spans, length, scheme)
    assert read_spans(tags) == spans
    check_tags(tags, scheme)
    assert convert(convert(tags, other), scheme) == tags


TAGS = {scheme: ["O", *(f"{letter}-{type}" for letter in letters for type in "XY")] for scheme, letters in
        {"bio": "BI", "iobes": "BIES", "bilou": "BILU"}.items()}  # fmt: skip


@pytest.mark.parametrize("scheme", STRICT)
@pytest.mark.parametrize("length", [1, 2, 3])
def test_allowed_is_what_some_spans_are_written_as(scheme, length):
    for tags in product(TAGS[scheme], repeat=length):
        sound = convert(tags, scheme) == list(tags)
        pairs = [*zip([None, *tags], [*tags, None], strict=True)]
        assert all(allowed(*pair, scheme) for pair in pairs) == sound
        if sound:
            check_tags(tags, scheme)
        else:
            with pytest.raises(DataError, match=r"expected .*, found "):
                check_tags(tags, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_transitions_are_allowed_in_three_tables(scheme):
    tags = TAGS.get(scheme, TAGS["bio"])
    starts, ends, pairs = transitions(tags, scheme)
    assert (starts.shape, ends.shape, pairs.shape) == ((len(tags),), (len(tags),), (len(tags), len(tags)))
    assert starts.dtype == ends.dtype == pairs.dtype == np.bool_
    for i, before in enumerate(tags):
        assert starts[i] == allowed(None, before, scheme)
        assert ends[i] == allowed(before, None, scheme)
        assert [allowed(before, after, scheme) for after in tags] == pairs[i].tolist()


def test_transitions_of_bio_by_hand():
    starts, ends, pairs = transitions(["O", "B-X", "I-X", "I-Y"], "bio")
    assert starts.tolist() == [True, True, False, False]
    assert ends.all()
    assert pairs.astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 1]]


def test_transitions_of_iobes_by_hand():
    starts, ends, pairs = transitions(["O", "B-X", "I-X", "E-X", "S-X", "E-Y"], "iobes")
    assert starts.tolist() == [True, True, False, False, True, False]
    assert ends.tolist() == [True, False, False, True, True, True]
    sure = [1, 1, 0, 0, 1, 0]
    assert pairs.astype(int).tolist() == [sure, [0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0], sure, sure, sure]


def test_transitions_of_no_tags():
    assert transitions([], "bio").pairs.shape == (0, 0)


@pytest.mark.parametrize(
    ("tags", "scheme", "line", "said"),
    [
        ("O I-X", "bio", 11, r"expected B-X \(in bio a span begins with B\), found I-X after O"),
        ("I-X", "bio", 10, "expected B-X .*, found I-X at the beginning"),
        ("B-X I-Y", "bio", 11, "expected B-Y .*, found I-Y after B-X"),
        ("B-X O", "iobes", 11, "expected I-X or E-X, found O after B-X"),
        ("B-X I-Y", "iobes", 11, "expected I-X or E-X, found I-Y after B-X"),
        ("O I-X", "iobes", 11, "expected B-X or S-X, found I-X after O"),
        ("S-X E-X", "iobes", 11, "expected B-X or S-X, found E-X after S-X"),
        ("O O B-X", "iobes", 12, "expected I-X or E-X, found the end of the sequence after B-X"),
        ("B-X O", "bilou", 11, "expected I-X or L-X, found O after B-X"),
        ("L-X", "bilou", 10, "expected B-X or U-X, found L-X at the beginning"),
        ("B O", "iobes", 11, "expected I or E, found O after B"),
        ("O E-X", "bio", 11, r'expected a tag of bio \(O, B-TYPE, I-TYPE\), found "E-X"'),
        ("O S-X", "bilou", 11, 'found "S-X"'),
        ("O NN", "iob1", 11, 'found "NN"'),
        ("O B-\n", "iobes", 11, r"expected I-\\n or E-\\n, found the end"),
    ],
)
def test_what_is_not_allowed_is_named_with_its_line(tags, scheme, line, said):
    tags = tags.split(" ")
    with pytest.raises(DataError, match=said) as error:
        check_tags(tags, scheme, path="a.conll", lines=range(10, 10 + len(tags)))
    assert (error.value.path, error.value.line) == ("a.conll", line)


def test_no_place_is_needed():
    with pytest.raises(DataError, match=r"^expected B-X"):
        check_tags(["I-X"], "bio")
    with pytest.raises(DataError, match=r"^expected I-X or E-X"):
        check_tags(["B-X"], "iobes")


@pytest.mark.parametrize("call", [read_spans, lambda tags: transitions(tags, "bio"), lambda tags: convert(tags, "bio")])
@pytest.mark.parametrize("tag", ["NN", "", "B-", "b-X", "O-X", "_"])
def test_what_is_no_tag_is_refused(call, tag):
    with pytest.raises(DataError, match=f'found "{tag}"'):
        call(["O", tag])


@pytest.mark.parametrize("span", [(0, 2, "X"), (2, 2, "X"), (3, 2, "X"), (2, 5, "X")])
def test_spans_that_cannot_be_written(span):
    with pytest.raises(ValueError, match="expected a span between 1 and 4"):
        write_tags([Span(0, 1, "X"), Span(*span)], 4, "bio")
