"""Sentence files read and written back are the same to the byte, and read as the labels they were given."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.data.test_sentences import read, text, words
from throughtime.data.readers.conll import read_conll
from throughtime.data.readers.conllu import read_conllu
from throughtime.data.readers.sentences import write_sentences
from throughtime.errors import DataError

BETWEEN = {
    read_conllu: [words("1-2"), words("0.1"), "# é\n", "#\r\n", "\n", " \n", "\r\n"],
    read_conll: ["\n", " \t\n", "\r\n", "-DOCSTART- O\n", "-DOCSTART-\r\n"],
}
CONLLU_WORDS = st.builds(
    lambda form, label, end: f"\t{form}\t \t{label}\t_\t_\t_\t_\t_\t{end}",
    st.sampled_from(["a", "é", " b c ", "#", "_"]),
    st.sampled_from(["X", " Y", "Z Z", "_"]),
    st.sampled_from(["_\n", "\n", " \r\n"]),
)
CONLL_ROWS = st.sampled_from(["a X\n", "b\tY \r\n", " c  \t Z\t\n", "é Ü\n", "# O\n"])


@st.composite
def sentences_of(draw, reader):
    """Rows with ids that count up, as CoNLL-U wants them, and other lines between them."""
    rows = draw(st.lists(CONLLU_WORDS if reader is read_conllu else CONLL_ROWS, min_size=1, max_size=4))
    if reader is read_conllu:
        rows = [f"{number}{row}" for number, row in enumerate(rows, 1)]
    if draw(st.booleans()):
        rows.insert(draw(st.integers(0, len(rows))), draw(st.sampled_from(BETWEEN[reader])))
    return "".join(rows)


@st.composite
def files(draw, reader):
    content = "\n".join(draw(st.lists(sentences_of(reader), min_size=1, max_size=4)))
    content = draw(st.sampled_from(["", "\ufeff"])) + content + draw(st.sampled_from(["", "\n", "\r\n \n"]))
    return content[: -draw(st.integers(1, 3))] if draw(st.booleans()) else content


def given_back(reader, content, encoding):
    """Give whether the file can be read; then it is given back, and with other labels reads as these."""
    with TemporaryDirectory() as folder:
        path, out = Path(folder, "a"), Path(folder, "b")
        path.write_bytes(content)
        try:
            sentences = list(reader(path, encoding=encoding, need_label=False))
        except DataError:
            return False
        assert write_sentences(out, ((sentence, None) for sentence in sentences), encoding) == len(sentences)
        assert out.read_bytes() == content
        labelled = [(sentence, sentence.labels) for sentence in sentences]
        write_sentences(out, labelled, encoding)
        assert out.read_bytes() == content
        new = [[f"L{at}" for at in range(len(sentence.tokens))] for sentence in sentences]
        write_sentences(out, zip(sentences, new, strict=True), encoding)
        again = list(reader(out, encoding=encoding))
        assert read(again) == [(s.tokens, labels, s.lines) for s, labels in zip(sentences, new, strict=True)]
        write_sentences(path, [(s, old.labels) for s, old in zip(again, sentences, strict=True)], encoding)
        if all(sentence.labels for sentence in sentences):
            assert path.read_bytes() == content
    return True


@pytest.mark.parametrize("reader", BETWEEN)
@given(st.data())
@settings(max_examples=200)
def test_any_file_is_given_back(reader, data):
    content = data.draw(files(reader))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8", "utf-16-le", "latin-1"]))
    given_back(reader, content.encode(encoding, "replace"), encoding)


BYTES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\n", b"\r\n", b"\xc3\xa9", b"\xff", b"-DOCSTART-"])).map(
    b"".join
)


@given(BYTES)
@example(b"\xef\xbb\xbfa\n\n ")
@example(b"-DOCSTART-\na\n-DOCSTART- ")
def test_any_bytes_are_given_back(content):
    given_back(read_conll, content, "utf-8")
    given_back(read_conll, content, "latin-1")


@pytest.mark.parametrize(
    ("name", "reader", "sentences", "tokens"),
    [
        ("ud_english_ewt/en_ewt-ud-dev.conllu.gz", read_conllu, 2001, 25147),
        ("ud_english_ewt/en_ewt-ud-test.conllu.gz", read_conllu, 2077, 25094),
        pytest.param("ud_english_ewt/en_ewt-ud-train.conllu.gz", read_conllu, 12544, 204577, marks=pytest.mark.long),
        ("conll2003/eng.testa", read_conll, 3250, 51362),
        ("conll2003/eng.testb", read_conll, 3453, 46435),
        pytest.param("conll2003/eng.train.gz", read_conll, 14041, 203621, marks=pytest.mark.long),
    ],
)
def test_real_files_are_given_back(shared_data, name, reader, sentences, tokens):
    path = shared_data / name
    content = path.read_bytes()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    found = list(reader(path))
    assert (len(found), sum(len(sentence.tokens) for sentence in found)) == (sentences, tokens)
    assert text(found).encode() == content
    assert "".join(sentence.written(sentence.labels) for sentence in found).encode() == content
