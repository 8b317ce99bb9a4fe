"""The scheme of a corpus, told from its tags."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.test_spans import tagged
from throughtime.data.schemes import tell_scheme
from throughtime.data.spans import write_tags
from throughtime.errors import DataError


@dataclass
class Tags:
    labels: list[str] | None
    lines: list[int]
    path: str = "a.conll"


def corpus(*sentences):
    tags = [sentence.split() for sentence in sentences]
    return [Tags(labels, list(range(100 * at + 1, 100 * at + 1 + len(labels)))) for at, labels in enumerate(tags)]


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["O B-X I-X O", "B-Y"], "bio"),
        (["O I-X I-X O", "I-Y B-Y"], "iob1"),
        (["I-X B-X O"], "iob1"),
        (["I-X I-Y B-Y"], "iob1"),
        (["B-X B-X O"], "bio"),
        (["B-X O I-X", "B-Y"], "bio"),  # one is broken, and named when the tags are checked
        (["I-X O B-X", "I-Y"], "iob1"),
        (["B-X O I-X"], "bio"),  # as much for the one as for the other
        (["B-X E-X O", "S-Y"], "iobes"),
        (["S-Y O"], "iobes"),
        (["B-X L-X O", "U-Y"], "bilou"),
        (["U-Y O"], "bilou"),
        (["B I O", "B"], "bio"),
        (["B M E S"], None),
        (["B I E S", "B E"], "iobes"),
        (["DET NOUN VERB"], None),
        (["I B U"], "bilou"),
        (["O O O"], None),
        (["I O"], None),  # letters alone, and none that must be a tag
        (["DET B-X NOUN O"], None),
        (["_ _"], None),
        ([], None),
        ([""], None),
    ],
)
def test_schemes(sentences, scheme):
    assert tell_scheme(corpus(*sentences)).scheme == scheme


def test_the_choice_is_said():
    assert tell_scheme(corpus("B-X O B-Y I-Y")).why == 'spans of "X", "Y" in bio: 2 begin with B, none with I'
    assert tell_scheme(corpus("I-X O B-Y I-X")).why == 'spans of "X", "Y" in iob1: 2 begin with I, 1 with B'
    assert tell_scheme(corpus("S-X")).why == 'spans of "X" in iobes: there are tags with E or S'
    assert tell_scheme(corpus("B L")).why == "spans in bilou: there are tags with L or U"
    assert tell_scheme(corpus("NN")).why == "no spans: the labels are not of the form B-TYPE, I-TYPE, O"


def test_a_tag_that_alone_is_none_is_named():
    sentences = ["O B-X I-X O"] * 5 + ["O 0 B_Y"]
    with pytest.raises(DataError, match='expected O or a tag such as B-TYPE, like the others, found "0"') as error:
        tell_scheme(corpus(*sentences, *["B-X I-X O"] * 10))
    assert (error.value.path, error.value.line) == ("a.conll", 502)


def test_sequences_without_labels_say_nothing():
    assert tell_scheme([Tags(None, [1]), *corpus("B-X")]).scheme == "bio"


@given(st.lists(tagged(), min_size=1), st.sampled_from(["bio", "iobes", "bilou"]))
def test_what_was_written_in_a_scheme_is_told_by_it(sequences, scheme):
    sequences = [([span._replace(type="X") for span in spans], length) for spans, length in sequences]
    tags = [write_tags(spans, length, scheme) for spans, length in sequences]
    told = tell_scheme([Tags(labels, list(range(len(labels)))) for labels in tags]).scheme
    letters = {tag[0] for labels in tags for tag in labels} - {"O"}
    assert told == (scheme if letters & set("BSU") else None)
