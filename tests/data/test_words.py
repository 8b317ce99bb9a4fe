"""Batches of words: each distinct one once, whatever is taken."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data.lexicon import Lexicon, LexiconConfig

SENTENCES = [["b", "a", "b"], ["c"], ["a", "A", "dd"], ["b"]]
LEXICON = Lexicon.learn(SENTENCES, LexiconConfig())


def steps(words):
    """For every step all that is read there."""
    symbols, letters = words.forms.symbols[words.values.long()].tolist(), words.forms.characters.to_list()
    return [(symbol, letters[number]) for symbol, number in zip(symbols, words.values.tolist(), strict=True)]


@given(st.lists(st.integers(0, len(SENTENCES) - 1), min_size=1, max_size=9))
def test_what_is_taken_is_what_its_sentences_alone_give(rows):
    taken = LEXICON.encode(SENTENCES).take(rows)
    sentences = [SENTENCES[row] for row in rows]
    assert taken.lengths.tolist() == [len(sentence) for sentence in sentences]
    assert steps(taken) == steps(LEXICON.encode(sentences))
    assert len(taken.forms) == len({word for sentence in sentences for word in sentence})
    assert taken.values.unique().tolist() == list(range(len(taken.forms)))


def test_distinct_words_are_held_once_and_in_the_order_they_are_met():
    words = LEXICON.encode(SENTENCES)
    assert words.steps.to_list() == [[0, 1, 0], [2], [1, 3, 4], [0]]
    assert (len(words), len(words.forms)) == (4, 5)
    assert words.forms.symbols[1, 0] == words.forms.symbols[3, 0]  # "a" and "A" are one word of two forms


def test_taken_twice_over():
    words = LEXICON.encode(SENTENCES).take([3, 2]).take(torch.tensor([1]))
    assert steps(words) == steps(LEXICON.encode([SENTENCES[2]]))


def test_no_sentences_and_sentences_without_words():
    assert (len(LEXICON.encode([])), len(LEXICON.encode([]).forms)) == (0, 0)
    words = LEXICON.encode([[], ["a"], []])
    assert words.lengths.tolist() == [0, 1, 0]
    assert words.take([0, 2]).lengths.tolist() == [0, 0]
    assert len(words.take([0]).forms) == 0
