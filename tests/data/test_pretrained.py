"""Word vectors made elsewhere: read only for the words that are needed, faults named by their line."""

import bz2
import gzip
import lzma
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.pretrained import Pretrained, read_vectors, vectors_for, vectors_size
from throughtime.errors import DataError

PLAIN = "the 0.5 -1 2e-1\na 1 2 3\ncat -0.25 .5 7\n"
WORDS = {"the", "a", "cat"}


def rows(found: Pretrained) -> dict[str, list[float]]:
    return dict(zip(found.words, found.table.tolist(), strict=True))


EXPECTED = {"the": [0.5, -1.0, np.float32(0.2)], "a": [1.0, 2.0, 3.0], "cat": [-0.25, 0.5, 7.0]}


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        "3 3\n" + PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        "3 3\r\n" + PLAIN.replace("\n", "\r\n"),
        "3 3 \n" + PLAIN.replace("\n", " \n"),
        "\ufeff" + PLAIN,
        PLAIN + "\n\n",
    ],
    ids=[
        "glove",
        "word2vec",
        "no last newline",
        "windows",
        "windows word2vec",
        "blank at the end",
        "mark",
        "blank lines",
    ],
)
def test_the_text_format_in_all_its_ways(write, content):
    path = write("vectors.txt", content)
    found = read_vectors(path, WORDS | {"dog"})
    assert rows(found) == EXPECTED
    assert found.table.dtype == np.float32
    assert vectors_size(path) == 3
    assert rows(read_vectors(path, {"cat"})) == {"cat": EXPECTED["cat"]}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_are_read_too(write, pack):
    path = write("vectors.gz", pack(PLAIN.encode()))
    assert rows(read_vectors(path, WORDS)) == EXPECTED
    assert vectors_size(path) == 3


def test_numbers_are_those_that_python_reads(write):
    draw = np.random.default_rng(0)
    numbers = [f"{value:.6g}" for value in draw.normal(0, 1, 300) * 10.0 ** draw.integers(-30, 30, 300)]
    found = read_vectors(write("v.txt", f"a {' '.join(numbers)}\n"), {"a"})
    assert (found.table[0] == np.array([float(number) for number in numbers], np.float32)).all()


def test_files_of_many_blocks_are_read_whole(write, monkeypatch):
    monkeypatch.setattr("throughtime.data.packed._BLOCK", 7)
    said = []
    many = "".join(f"w{number} {number} 0.5 -{number}\n" for number in range(200))
    found = read_vectors(write("v.txt", f"200 3\n{many}"), {f"w{number}" for number in range(0, 200, 3)}, said.append)
    assert rows(found) == {f"w{number}": [number, 0.5, -number] for number in range(0, 200, 3)}
    assert len(said) > 3
    assert all(re.search(r"reading .*v\.txt: \d+%$", words) for words in said)


def test_words_may_hold_blanks_and_letters_of_any_kind(write):
    content = "at home 1 2\n. . . 3 4\nüber 5 6\n3\u00a01/2 7 8\n\u3000 9 10\n"
    path = write("v.txt", "5 2\n" + content)
    expected = {"at home": [1, 2], ". . .": [3, 4], "über": [5, 6], "3\u00a01/2": [7, 8], "\u3000": [9, 10]}
    assert rows(read_vectors(path, expected)) == expected
    assert rows(read_vectors(path, ["at", ".", "home"])) == {}


def test_what_is_not_needed_may_be_spelt_in_any_way(write):
    path = write("v.txt", b"the 1 2\n\xff\xfe 3 4\na 5 6\n")
    assert rows(read_vectors(path, ["a", "\udcff"])) == {"a": [5, 6]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("the 1 2\na 1\n", "line 2: expected a word and 2 numbers, a blank between each, found 1"),
        ("the 1 2\na 1 2 3\n", "line 2: expected a word and 2 numbers, a blank between each, found 3"),
        ("the 1 2\na  1 2\n", "line 2: expected a word and 2 numbers, a blank between each, found 3"),
        ("the 1 2\n\na\n", 'line 3: expected a word and 2 numbers, a blank between each, found only "a"'),
        ("the 1 2\na\t1\t2\n", 'line 2: expected a word and 2 numbers, a blank between each, found only "a\\t1\\t2"'),
        ("2 2\nthe 1 2\na 1 2 3\n", "line 3: expected a word and 2 numbers, a blank between each, found 3"),
        ("the 1 2\na 1 x\n", 'line 2: expected a number for "a", found "x"'),
        ("the 1 2\na 1 nan\n", 'line 2: expected a number for "a", found "nan"'),
        ("the 1 2\na inf 1\n", 'line 2: expected a number for "a", found "inf"'),
        ("the 1 2\na 1e39 1\n", 'line 2: expected a number for "a", found "1e39"'),
        ("the 1 2\na 1_0 1\n", 'line 2: expected a number for "a", found "1_0"'),
        ("the 1 2\na 1 2\nthe 1 2\n", 'line 3: expected each word once, found "the" again, as in line 1'),
        ("the 1 2\n 1 2\n", "line 2: expected a word, found a line that begins with a blank"),
        ("3 2\nthe 1 2\na 1 2\n", "expected 3 words, as the first line says, found 2: the file is not whole"),
        ("1 2\nthe 1 2\na 1 2\n", "expected 1 words, as the first line says, found 2: the file is not whole"),
        ("a text\nof lines\n", "line 1: expected a word and its numbers, in word2vec's or GloVe's text format, found "
         '"a text"'),
        ("", "line 1: expected a word and its numbers, in word2vec's or GloVe's text format, found nothing"),
        (b"3 2\nthe \x00\x00\x80\x3f\n", "expected word vectors in text format, found a binary file"),
        (b"PK\x03\x04 and more", "expected text, found a zip archive: unpack it into text (or gzipped text) first"),
        (gzip.compress(b"the 1 2\n" * 99, mtime=0)[:-9], "the packed file ends too early: it was cut off"),
        ("the 1 2\n" + "x" * (3 << 20), "expected a word and its numbers on each line, found one of megabytes"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_must_be_is_named(write, content, told):
    path = write("v.txt", content)
    with pytest.raises(DataError) as error:
        read_vectors(path, WORDS)
    assert str(error.value) == f"{path}{', ' if told.startswith('line') else ': '}{told}"


def test_files_that_are_none(tmp_path, write):
    os.mkfifo(tmp_path / "pipe")
    for path, told in (
        (tmp_path / "none", "expected a file, found nothing of that name"),
        (tmp_path, "expected a file, found a folder"),
        (tmp_path / "pipe", "expected a file of word vectors, found a pipe"),
        (write("v.txt", "some text\n"), "in word2vec's or GloVe's text format, found \"some text\""),
    ):
        with pytest.raises(DataError, match=re.escape(told)):
            vectors_size(path)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(PLAIN) + 4), st.sampled_from([b"", b" ", b"\n", b"\r", b"\0", b"\xff", b"1", b"x"])
        )
    ),
    st.booleans(),
)
def test_damaged_files_give_vectors_or_a_sentence(tmp_path_factory, damages, header):
    content = (b"3 3\n" if header else b"") + PLAIN.encode()
    for place, damage in damages:
        content = content[:place] + damage + content[place + 1 :]
    path = tmp_path_factory.mktemp("damaged") / "v.txt"
    path.write_bytes(content)
    found, told = None, ""
    try:
        found = read_vectors(path, WORDS)
    except DataError as error:
        told = str(error)
    if found is None:
        assert told.startswith(str(path))
        assert "\n" not in told
    else:
        assert set(found.words) <= WORDS
        assert found.table.shape == (len(found.words), vectors_size(path))
        assert np.isfinite(found.table).all()


def test_a_word_is_looked_for_as_it_is_read_in_small_letters_and_as_it_is_written(write):
    path = write("v.txt", "Paris 1 1\nparis 2 2\nRome 3 3\nROME 4 4\nberlin 5 5\n")
    small = vectors_for(path, ["Paris", "ROME", "Rome", "BERLIN", "Wien"], str.lower)
    assert rows(small) == {"paris": [2, 2], "rome": [4, 4], "berlin": [5, 5]}
    assert rows(vectors_for(path, ["Paris", "Berlin", "rome"], str)) == {"Paris": [1, 1], "Berlin": [5, 5]}


def test_the_same_vectors_have_the_same_hash(write):
    first, again, other = (
        read_vectors(write(f"{number}.txt", content), WORDS).sha256
        for number, content in enumerate((PLAIN, "3 3\n" + PLAIN, PLAIN.replace("7", "8")))
    )
    assert first == again != other
