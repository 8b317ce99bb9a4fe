"""Padding and one-hot vectors as the textbooks draw them."""

import pytest
import torch

import throughtime as tt

SENTENCES = ["Delightful place to have dinner", "Food was nice but service wasn't"]


def test_padded_to_the_longest_as_a_matrix():
    assert tt.pad(SENTENCES) == [
        ["<sos>", "Delightful", "place", "to", "have", "dinner", "<eos>", "<pad>"],
        ["<sos>", "Food", "was", "nice", "but", "service", "wasn't", "<eos>"],
    ]


def test_one_hot_vectors_of_that_matrix():
    matrix = tt.pad(SENTENCES)
    vectors, vocabulary = tt.one_hot(matrix)
    assert vectors.shape == (2, 8, len(vocabulary)) == (2, 8, 14)
    assert torch.equal(vectors.sum(2), torch.ones(2, 8, dtype=torch.int64))
    read = [[vocabulary[place] for place in row] for row in vectors.argmax(2).tolist()]
    assert read == matrix


def test_other_symbols_and_no_symbols():
    assert tt.pad([["a", "b"], ["c"]], sos=None, eos=".", pad="_") == [["a", "b", "."], ["c", ".", "_"]]
    assert tt.pad([]) == []
    vectors, _ = tt.one_hot([["b"]], ["a", "b", "c"])
    assert vectors.tolist() == [[[0, 1, 0]]]


def test_errors():
    with pytest.raises(tt.DataError, match=r"rows of one length, found lengths \[1, 2\]"):
        tt.one_hot([["a"], ["a", "b"]])
    with pytest.raises(tt.DataError, match="expected tokens of the vocabulary, found 'z'"):
        tt.one_hot([["z"]], ["a"])
