"""Files of sentences: their format told, their columns remembered, all given back."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import closing
from dataclasses import asdict

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.data.test_sentences import CHUNKS, SECOND, TREE, text
from throughtime.data.tagged import (
    SentenceConfig,
    SentenceFiles,
    SentenceSource,
    format_of,
    open_new_sentences,
    read_rows,
    read_tagged,
    tell_format,
)
from throughtime.errors import DataError, UsageError

OBJECTS = '{"tokens": ["New", "York"], "ner_tags": ["B-LOC", "I-LOC"]}\n\n{"tokens": ["rains"], "ner_tags": ["O"]}\n'


def table():
    out = io.BytesIO()
    parquet.write_table(pa.table({"tokens": [["New", "York"], ["rains"]], "tags": [["B", "I"], ["O"]]}), out)
    return out.getvalue()


def archive():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a.conllu"))
    return out.getvalue()


FILES = {"conllu": TREE + SECOND, "conll": CHUNKS, "jsonl": OBJECTS, "parquet": table()}


def new(path, **options):
    with open_new_sentences(path, SentenceConfig(**options)) as opened:
        return list(opened.examples), opened.source()


def like(path, source, **options):
    with closing(read_tagged(path, source, **options)) as sentences:
        return list(sentences)


def plain(sentences):
    return [(sentence.tokens, sentence.labels, sentence.lines, sentence.line) for sentence in sentences]


# Formats


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.conllu", CHUNKS, "conllu"),
        ("a.CONLLU.gz", CHUNKS, "conllu"),
        ("a.jsonl", CHUNKS, "jsonl"),
        ("a.ndjson.gz", CHUNKS, "jsonl"),
        ("a.parquet", CHUNKS, "parquet"),
        ("a.conll", CHUNKS, "conll"),
        ("a.txt", TREE, "conllu"),
        ("a.txt", "# sent_id = 1\n" * 900 + SECOND, "conllu"),
        ("a.txt", SECOND.replace("1\tGo", "1-2\tGo"), "conllu"),
        ("a.txt", "\ufeff\n" + OBJECTS, "jsonl"),
        ("a.json", OBJECTS, "jsonl"),
        ("a.json", "[" + OBJECTS.splitlines()[0], "jsonl"),
        ("a.conllu", table(), "parquet"),
        ("a", table(), "parquet"),
        ("a", "{ X\n} X\n", "conll"),
        ("a", "[ X\n] X\n", "conll"),
        ("a", "# X\n", "conll"),
        ("a", "", "conll"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_formats_are_told_by_name_and_content(write, name, content, format, packed):
    content = content if isinstance(content, bytes) else content.encode()
    packed = packed and format != "parquet"  # which packs itself
    path = write(name, gzip.compress(content) if packed else content)
    assert tell_format(path, "utf-8") == format


def test_what_is_no_file_of_sentences(tmp_path, write):
    for path, said in ((tmp_path, "found a folder"), (write("a", archive()), "found an archive")):
        with pytest.raises(DataError, match=f"expected a file of sentences, {said}"):
            tell_format(path, "utf-8")
    with pytest.raises(DataError, match="found nothing of that name"):
        tell_format(tmp_path / "none", "utf-8")


def test_a_format_may_be_said(write):
    path = write("a.txt", OBJECTS)
    source = SentenceSource("conllu", None, None, "utf-8", [])
    assert format_of(path, source) == "conllu"
    assert format_of(path, source, format="conll") == "conll"
    assert format_of(path, source, format="auto") == "jsonl"
    assert [sentence.tokens for sentence in like(path, source, format="auto")] == [["New", "York"], ["rains"]]
    with pytest.raises(UsageError, match="one of the formats auto, conllu, conll, jsonl, parquet; found 'csv'"):
        format_of(path, source, format="csv")


# Columns


@pytest.mark.parametrize(
    ("format", "options", "columns", "found"),
    [
        ("conllu", {}, (None, None), (["It", "'s", "not so"], ["PRON", "AUX", "PART"])),
        ("conllu", {"text": "lemma", "label": "5"}, ("lemma", "5"), (["it", "be", "not"], ["PRP", "VBZ", "RB"])),
        ("conll", {}, (None, "4"), (["EU", "rejects"], ["I-ORG", "O"])),
        ("conll", {"text": "2", "label": "3"}, ("2", "3"), (["NNP", "VBZ"], ["I-NP", "I-VP"])),
        ("jsonl", {}, ("tokens", "ner_tags"), (["New", "York"], ["B-LOC", "I-LOC"])),
        ("jsonl", {"text": "2", "label": "tokens"}, ("ner_tags", "tokens"), (["B-LOC", "I-LOC"], ["New", "York"])),
        ("parquet", {}, ("tokens", "tags"), (["New", "York"], ["B", "I"])),
        ("parquet", {"label": "1"}, ("tags", "tokens"), (["B", "I"], ["New", "York"])),
    ],
)
def test_columns_are_remembered(write, format, options, columns, found):
    path = write("a", FILES[format])
    sentences, source = new(path, **options)
    assert (source.format, source.text, source.label) == (format, *columns)
    assert (sentences[0].tokens, sentences[0].labels) == found
    files = SentenceFiles(SentenceConfig(**options))
    assert files.remember(asdict(source)) == source
    assert plain(files.like(path, source)) == plain(sentences)
    assert {sentence.path for sentence in sentences} == {str(path)}


@pytest.mark.parametrize("format", FILES)
def test_columns_that_cannot_be(write, format):
    path = write("a", FILES[format])
    with pytest.raises((DataError, UsageError), match="expected"):
        new(path, label="none")
    for column in ("1", "2"):
        with pytest.raises(UsageError, match=r"cannot be the same|one of the columns"):
            new(path, text=column, label=column)


def test_what_was_chosen_and_passed_over_is_said(write):
    assert new(write("a", OBJECTS))[1].notes == [
        'the words are "tokens", their labels "ner_tags"',
        "1 blank line skipped (first: line 2)",
    ]
    assert new(write("c", FILES["parquet"]))[1].notes == ['the words are "tokens", their labels "tags"']
    assert new(write("b", CHUNKS))[1].notes == []


def test_another_format_has_other_columns(write):
    _, source = new(write("a", CHUNKS), text="1", label="4")
    assert like(write("b", OBJECTS), source, format="jsonl")[0].labels == ["B-LOC", "I-LOC"]
    assert like(write("c", TREE), source, format="conllu")[0].labels == ["PRON", "AUX", "PART"]
    _, source = new(write("d", OBJECTS))
    assert like(write("e", CHUNKS), source, format="conll")[0].labels == ["I-ORG", "O"]
    # Keys and columns are names alike.
    [sentence, _] = like(write("f", FILES["parquet"]), source, format="parquet", need_label=False)
    assert (sentence.tokens, sentence.labels) == (["New", "York"], None)
    assert '"ner_tags": ["X", "Y"]' in sentence.written(["X", "Y"])


def test_a_file_without_labels_gets_them_where_they_were(write):
    _, source = new(write("a", OBJECTS))
    [sentence] = like(write("b", '{"tokens": ["a"], "tags": ["b"]}'), source, need_label=False)
    assert sentence.written(["X"]) == '{"tokens": ["a"], "tags": ["b"], "ner_tags": ["X"]}'
    with pytest.raises(DataError, match='expected a column "ner_tags", found the columns "tokens", "tags"'):
        like(write("b", '{"tokens": ["a"], "tags": ["b"]}'), source)


def test_the_encoding_may_be_another(write):
    _, source = new(write("a", OBJECTS))
    path = write("b", OBJECTS.replace("York", "Yörk").encode("latin-1"))
    with pytest.raises(DataError, match="found the byte 0xF6"):
        like(path, source)
    assert like(path, source, encoding="latin-1")[0].tokens == ["New", "Yörk"]


# Giving back


@pytest.mark.parametrize("format", ["conllu", "conll", "jsonl"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_texts_are_given_back_to_the_byte(write, format, ends, mark):
    content = (mark + FILES[format]).replace("\n", ends)
    for need_label in (True, False):
        for whole in (content, content.rstrip()):
            sentences, source = new(write("a", whole))
            assert text(sentences) == whole
            assert text(like(write("b", whole), source, need_label=need_label)) == whole
            labelled = "".join(sentence.written(sentence.labels) for sentence in sentences)
            assert labelled == whole


def test_rows_are_json_lines_as_texts(write):
    sentences, source = new(write("a", FILES["parquet"]))
    lines = text(sentences)
    assert lines == '{"tokens": ["New", "York"], "tags": ["B", "I"]}\n{"tokens": ["rains"], "tags": ["O"]}\n'
    assert plain(like(write("b", lines), source, format="jsonl")) == plain(sentences)
    with closing(read_rows(write("c", FILES["parquet"]), source)) as rows:
        assert plain(rows) == plain(sentences)


def test_the_last_column_is_remembered_by_its_number(write):
    _, source = new(write("N.conll", "New NNP I-NP I-LOC\nYork NNP I-NP I-LOC\n"))
    assert source.label == "4"
    [three] = like(write("N.conll", "New NNP I-NP\nYork NNP I-NP\n"), source, need_label=False)
    assert three.written(["B-LOC", "I-LOC"]) == "New NNP I-NP B-LOC\nYork NNP I-NP I-LOC\n"
    [alone] = like(write("N.conll", "New\nYork\n"), source, need_label=False)
    assert alone.written(["B-LOC", "I-LOC"]) == "New B-LOC\nYork I-LOC\n"
    with pytest.raises(DataError, match=r"expected 4 columns, found 3"):
        like(write("N.conll", "New NNP I-NP\n"), source)
    _, tabs = new(write("N.conll", "New\t\tI-LOC\n"))
    assert tabs.label == "3"
