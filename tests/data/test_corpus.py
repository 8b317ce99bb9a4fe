"""Examples on disk are those that were written, in any order and part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data import Example, corpus
from throughtime.data.corpus import Corpus, gather, take
from throughtime.data.encoded import encode_into, encode_texts, open_encoded
from throughtime.data.mapped import Mapped, write_pieces
from throughtime.data.vocabulary import Vocabulary, VocabularyConfig

ROWS = st.builds(
    Example,
    st.text(max_size=20),
    st.none() | st.text(max_size=3),
    st.sampled_from(["a.csv", "b/é"]),
    st.integers(1, 2**40),
)


@given(rows=st.lists(ROWS, max_size=30), data=st.data())
def test_what_was_written_is_read(rows, data, tmp_path_factory):
    kept = Corpus.write(tmp_path_factory.mktemp("corpus"), rows)
    assert list(kept) == rows
    assert len(kept) == len(rows)
    some = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=40) if rows else st.just([]))
    part = kept.take(some)
    assert list(part) == [part[place] for place in range(len(part))] == [rows[row] for row in some]
    assert list(part.take(range(0, len(some), 2))) == list(part[::2]) == [rows[row] for row in some[::2]]
    assert list(take(kept, np.array(some, dtype=int))) == take(rows, some)


def test_rows_that_are_not_there(tmp_path):
    kept = Corpus.write(tmp_path, [Example("a", None, "a", 1)])
    assert kept[-1] == kept[0]
    for row in (1, -2):
        with pytest.raises(IndexError, match=f"expected a row from 0 to 0, found {row}"):
            kept[row]


def test_surrogates_that_a_reader_let_through(tmp_path):
    assert Corpus.write(tmp_path, [Example("a\ud800b", "x", "a", 1)])[0].text == "a\ud800b"


def test_only_what_is_too_large_goes_to_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "IN_MEMORY", 210)
    rows = [Example("four", "x", "a", line) for line in range(5)]
    assert gather(iter(rows[:2]), tmp_path / "none") == rows[:2]
    assert not (tmp_path / "none").exists()
    kept = gather(iter(rows), tmp_path / "some")
    assert isinstance(kept, Corpus)
    assert list(kept) == rows


@pytest.mark.parametrize("spelling", [False, True])
@pytest.mark.parametrize("max_length", [None, 3])
@pytest.mark.parametrize("count", [0, 1, 2500])
def test_symbols_in_a_file_are_those_in_memory(tmp_path, spelling, max_length, count):
    texts = [("Some words " * (row % 4)).strip() for row in range(count)]
    examples = [Example(text, None, "a", row) for row, text in enumerate(texts)]
    config = VocabularyConfig(spelling=spelling, max_length=max_length)
    vocabulary = Vocabulary.learn(["Some words", "more"], config)
    expected = vocabulary.encode(texts)
    cut = encode_into(tmp_path, "train", examples, vocabulary)
    assert cut == (0 if max_length is None else sum(len(text.split()) > max_length for text in texts))
    opened = open_encoded(tmp_path, "train", vocabulary, cut)
    for encoded in (encode_texts(examples, vocabulary), opened):
        assert encoded.inputs.values.dtype.itemsize == 2
        assert encoded.cut == cut
        assert encoded.inputs.values.tolist() == expected.values.tolist()
        assert encoded.inputs.offsets.tolist() == expected.offsets.tolist()
    opened.mapped.release()
    assert vocabulary.counts(opened.inputs) == vocabulary.counts(expected)


def test_many_symbols_take_wider_integers():
    texts = [f"w{number}" for number in range(2**15)]
    vocabulary = Vocabulary.learn(texts, VocabularyConfig(vocab_size=2**16))
    examples = [Example(text, None, "a", 1) for text in texts[-3:]]
    assert encode_texts(examples, vocabulary).inputs.values.tolist() == vocabulary.encode(texts[-3:]).values.tolist()


def test_a_file_larger_than_all_memory_is_mapped(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        file.write(b"\1")
        file.truncate(1 << 42)  # all but the first of them are not on the disk either
    mapped = Mapped(tmp_path / "a", np.uint8)
    assert mapped.array[[0, -1]].tolist() == [1, 0]
    mapped.array[0] = 2
    with (tmp_path / "a").open("rb") as file:
        assert file.read(1) == b"\1"


def test_pages_that_were_given_back_come_again(tmp_path):
    assert write_pieces(tmp_path / "a", [np.arange(100_000), np.zeros(0), np.arange(3)], np.int32) == 4 * 100_003
    mapped = Mapped(tmp_path / "a", np.int32)
    total = int(mapped.array.sum())
    mapped.release()
    assert int(mapped.array.sum()) == total
    (tmp_path / "nothing").touch()
    Mapped(tmp_path / "nothing", np.int32).release()
