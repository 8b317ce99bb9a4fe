"""Damaged sentence files, damaged as tables are in `test_fuzz`: all lines come back, or an error names the file."""

from __future__ import annotations

import gzip
import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tests.data.test_fuzz import EDITS, FUZZ, bounded, check_named, damaged
from tests.data.test_lists import LINES, jsonl, rows
from tests.data.test_sentences import CHUNKS, SECOND, TREE
from throughtime.data.readers.conll import read_conll
from throughtime.data.readers.conllu import read_conllu
from throughtime.data.readers.parquet_lists import write_rows
from throughtime.data.readers.sentences import write_sentences
from throughtime.data.schemes import tell_scheme
from throughtime.data.spans import check_tags, read_spans
from throughtime.errors import ThroughtimeError

TABBED = "EU\tI-ORG\nrejects\tO\n\n10 000\t O\n"
SPACED = """{ "labels":["X", null],"tokens" : ["caf\\u00e9 \\ud83d\\ude00","b"], "n": [1.5e3, {"labels": []}] }

{"tokens": ["é"], "labels": null}
{"labels": [], "tokens": []}
"""
SAMPLES = {
    "conllu": (read_conllu, [TREE + SECOND * 3, (TREE * 2 + SECOND).replace("\n", "\r\n"), "\ufeff# é\n" + SECOND]),
    "conll": (read_conll, [CHUNKS * 3, TABBED * 2, "é B-X\nü I-X \n\nO O"]),
    "jsonl": (jsonl, [LINES * 3, (SPACED * 2).replace("\n", "\r\n"), "\ufeff" + SPACED + LINES]),
}
LABELS = {"conllu": ["upos", "xpos", "feats", "10"], "conll": [None, None, 2, 4], "jsonl": [None, "labels", "1", "x"]}


def table(compression: str, type: pa.DataType) -> bytes:
    out = io.BytesIO()
    words, labels = [["New", "York"], ["é"], ["rains", "and", "rains"]] * 2, [["B", "I"], ["O"], ["O"] * 3] * 2
    columns = {"id": range(6), "tokens": words, "tags": pa.array(labels, type)}
    parquet.write_table(pa.table(columns), out, compression=compression, row_group_size=4, write_page_checksum=True)
    return out.getvalue()


TYPES = [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.dictionary(pa.int8(), pa.string()))]
TABLES = [table(compression, type) for compression in ("none", "snappy") for type in TYPES]


@dataclass(frozen=True)
class Damage:
    """What is done to a sample, inside and outside of what packs it, and how it is then read."""

    sample: int
    inside: list[tuple[str, int, object]]
    packed: bool = False
    outside: list[tuple[str, int, object]] = field(default_factory=list)
    label: int = 0
    need_label: bool = True
    encoding: str = "utf-8"


DAMAGE = st.builds(
    Damage,
    sample=st.integers(0, 5),
    inside=EDITS,
    packed=st.booleans(),
    outside=st.just([]) | EDITS,
    label=st.integers(0, 3),
    need_label=st.booleans(),
    encoding=st.sampled_from(["utf-8"] * 8 + ["latin-1", "utf-16-le"]),
)


def feed(format: str, damage: Damage) -> bool:
    """Read a damaged file, and give whether it could be read."""
    reader, samples = SAMPLES[format]
    content = damaged(samples[damage.sample % len(samples)].encode(), damage.inside)
    content = damaged(gzip.compress(content, mtime=0) if damage.packed else content, damage.outside)
    options = {"label": LABELS[format][damage.label], "need_label": damage.need_label, "encoding": damage.encoding}
    with tempfile.TemporaryDirectory() as folder, bounded():
        path, out = Path(folder, "a"), Path(folder, "b.gz")  # gzipped, as a text itself may begin like a gzip
        path.write_bytes(content)
        try:
            sentences = list(reader(path, **options))
        except ThroughtimeError as error:
            check_named(error, path)
            return False
        unpacked = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        (account_objects if format == "jsonl" else account)(sentences, unpacked.decode(damage.encoding))
        write_sentences(out, ((sentence, None) for sentence in sentences), damage.encoding)
        assert gzip.decompress(out.read_bytes()) == unpacked
        relabelled(format, sentences, out, damage)
        told(sentences, path)
    return True


def feed_table(damage: Damage) -> bool:
    """Read a damaged table, and give whether it could be read."""
    content = damaged(TABLES[damage.sample % len(TABLES)], damage.outside + damage.inside)
    with tempfile.TemporaryDirectory() as folder, bounded():
        path, out = Path(folder, "a"), Path(folder, "b")
        path.write_bytes(content)
        try:
            sentences = rows(path, need_label=damage.need_label)
        except ThroughtimeError as error:
            check_named(error, path)
            return False
        assert [sentence.line for sentence in sentences] == list(range(1, parquet.read_metadata(path).num_rows + 1))
        new = renamed(sentences)
        try:
            assert write_rows(out, zip(sentences, new, strict=True)) == len(sentences)
        except ThroughtimeError as error:  # another column's values, not looked at before
            check_named(error, path)
            return False
        assert [(s.tokens, s.labels) for s in rows(out)] == [
            (s.tokens, labels) for s, labels in zip(sentences, new, strict=True)
        ]
    return True


def account(sentences: list, content: str) -> None:
    assert all(sentence.tokens for sentence in sentences)
    account_words(sentences)
    lines = [line for sentence in sentences for line in sentence.lines]
    assert lines == sorted(set(lines))


def account_objects(sentences: list, content: str) -> None:
    account_words(sentences)
    lines = content.removeprefix("\ufeff").split("\n")
    filled = [number for number, line in enumerate(lines, 1) if line.strip(" \t\r")]
    assert [sentence.line for sentence in sentences] == filled
    assert all(set(sentence.lines) <= {sentence.line} for sentence in sentences)


def account_words(sentences: list) -> None:
    for sentence in sentences:
        labels = sentence.tokens if sentence.labels is None else sentence.labels
        assert len(sentence.tokens) == len(sentence.lines) == len(labels)
        assert all(sentence.tokens)
        assert all(labels)


def renamed(sentences: list) -> list[list[str]]:
    return [[f"L{at}" for at in range(len(sentence.tokens))] for sentence in sentences]


def relabelled(format: str, sentences: list, out: Path, damage: Damage) -> None:
    new = renamed(sentences)
    write_sentences(out, zip(sentences, new, strict=True), damage.encoding)
    # A sentence without words has no labels that could be missing.
    needed = {"need_label": False} if format == "jsonl" else {}
    label = LABELS[format][damage.label]
    if format == "conll" and sentences:  # words alone get theirs beside them, whatever column others have
        label = sentences[0].label_column
    again = list(SAMPLES[format][0](out, label=label, encoding=damage.encoding, **needed))
    assert [(s.tokens, s.labels, s.lines) for s in again] == [
        (s.tokens, labels, s.lines) for s, labels in zip(sentences, new, strict=True)
    ]


def told(sentences: list, path: Path) -> None:
    try:
        scheme = tell_scheme(sentences).scheme
        for sentence in sentences:
            if scheme and sentence.labels:
                check_tags(sentence.labels, scheme, path=sentence.path, lines=sentence.lines)
                assert all(begin < end for begin, end, _ in read_spans(sentence.labels))
    except ThroughtimeError as error:
        check_named(error, path)


@pytest.mark.parametrize("format", SAMPLES)
@pytest.mark.parametrize("sample", [0, 1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_the_samples_themselves_are_read(format, sample, packed):
    assert feed(format, Damage(sample, [], packed, need_label=format != "jsonl"))


@pytest.mark.parametrize("format", SAMPLES)
@given(damage=DAMAGE)
@settings(FUZZ, max_examples=200)
def test_damaged_files(format, damage):
    feed(format, damage)


@given(damage=DAMAGE)
@settings(FUZZ, max_examples=200)
def test_damaged_tables(damage):
    feed_table(damage)


def test_the_tables_themselves_are_read():
    assert all(feed_table(Damage(sample, [])) for sample in range(len(TABLES)))


@pytest.mark.long
@pytest.mark.parametrize("format", SAMPLES)
@given(damage=DAMAGE)
@settings(FUZZ, max_examples=10_000, derandomize=False)
def test_ten_thousand_damaged_files(format, damage):
    feed(format, damage)


@pytest.mark.long
@given(damage=DAMAGE)
@settings(FUZZ, max_examples=10_000, derandomize=False)
def test_ten_thousand_damaged_tables(damage):
    feed_table(damage)
