"""Public data sets, read as they are; each count is that of the set's own page."""

from __future__ import annotations

from collections import Counter

import pytest

from throughtime.data import iter_examples, read_examples, read_like
from throughtime.errors import DataError


def labels(examples):
    return Counter(example.label for example in examples)


def test_sms_spam(shared_data):
    path = shared_data / "sms_spam" / "sms.tsv"
    examples, source = read_examples(path)
    assert labels(examples) == {"ham": 4827, "spam": 747}
    assert (source.format, source.header, source.label, source.text) == ("tsv", False, "1", "2")
    assert any('"ham" stands again' in note for note in source.notes)
    assert sum(example.text.count('"') for example in examples) == path.read_bytes().count(b'"')
    assert list(iter_examples(path, source)) == examples


@pytest.mark.parametrize(("part", "rows"), [("train", 6920), ("dev", 872), ("test", 1821)])
def test_sst2(shared_data, part, rows):
    path = shared_data / "sst2" / f"stsa.binary.{part}"
    examples, source = read_examples(path)
    assert (len(examples), set(labels(examples)), source.format) == (rows, {"0", "1"}, "label-first")
    assert read_like(path, source) == examples


@pytest.mark.parametrize(("part", "rows"), [("train", 8544), ("dev", 1101), ("test", 2210)])
def test_sst5(shared_data, part, rows):
    examples, _ = read_examples(shared_data / "sst5" / f"stsa.fine.{part}")
    assert (len(examples), set(labels(examples))) == (rows, set("01234"))


def test_trec(shared_data):
    path = shared_data / "trec" / "TREC.train"
    with pytest.raises(DataError, match=r"0xF0 at byte 3695 .*--encoding latin-1 or windows-1252") as error:
        read_examples(path)
    assert error.value.line == 66
    assert path.read_bytes()[3695] == 0xF0
    examples, source = read_examples(path, encoding="latin-1", label_until=":")
    assert len(examples) == 5452
    assert set(labels(examples)) == {"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"}
    assert len(read_like(shared_data / "trec" / "TREC.test", source)) == 500
    assert len(labels(read_examples(path, encoding="latin-1")[0])) == 50


def test_names(shared_data):
    examples, source = read_examples(shared_data / "names")
    counts = labels(examples)
    assert (len(examples), len(counts), source.format) == (20050, 18, "file-per-class")
    assert (counts["Russian"], counts["Vietnamese"]) == (9384, 73)


def test_mr(shared_data):
    with pytest.raises(DataError, match="windows-1252"):
        read_examples(shared_data / "mr")
    examples, _ = read_examples(shared_data / "mr", encoding="windows-1252")
    assert labels(examples) == {"pos": 5331, "neg": 5331}
    with pytest.raises(DataError, match="none of them fits"):
        read_examples(shared_data / "mr" / "rt-polarity.pos", encoding="windows-1252")


@pytest.mark.parametrize("name", ["tinyshakespeare/input.txt.gz", "cmudict/cmudict.dict.gz", "conll2003/eng.testa"])
def test_other_texts_are_not_taken_for_labelled_ones(shared_data, name):
    with pytest.raises(DataError, match="none of them fits"):
        read_examples(shared_data / name)


def test_a_folder_of_parts_is_not_taken_for_classes(shared_data):
    with pytest.raises(DataError, match="parts of a data set"):
        read_examples(shared_data / "sst2")


def test_imdb_is_read_from_its_archive(shared_data):
    path = shared_data / "imdb" / "train.tar.xz"
    examples, source = read_examples(path)
    assert labels(examples) == {"pos": 12500, "neg": 12500}
    assert source.format == "folder-per-class"
    assert all(example.path.startswith(f"{path}:aclImdb/train/{example.label}/") for example in examples)
