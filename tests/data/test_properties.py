"""What holds for any file: a table or a named error, and what was written is what is read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughtime.data import FORMATS, read_examples, read_like, read_table
from throughtime.errors import DataError, UsageError

FEW = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])

# Bytes that steer a reader, so that random files go deeper than their first byte.
PIECES = st.sampled_from(
    [
        *(b",", b";", b"\t", b"\n", b"\r\n", b"\r", b'"', b" ", b"a", b"1", b"\xc3\xa9", b"\xef\xbb\xbf", b"\x1f\x8b"),
        *(b"{", b"}", b"[", b"]", b":", b'"text"', b'"label"', b"text", b"label", b"null", b"__label__", b"\\ud800"),
        *(b"1 fine\n", b"0 dull\n", b'{"text": "a", "label": 1}\n', b"a,b\n", b"a\tb\n"),
    ]
)
CONTENT = st.one_of(
    st.binary(max_size=60), st.lists(st.one_of(PIECES, st.binary(max_size=2)), max_size=25).map(b"".join)
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "header": st.sampled_from([None, True, False]),
        "text": st.sampled_from([None, "text", "1", "2", "a"]),
        "label": st.sampled_from([None, "label", "1", "2", "b"]),
        "encoding": st.sampled_from(["utf-8", "latin-1", "windows-1252", "utf-16", "cp932"]),
        "need_label": st.booleans(),
    },
)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(CHARACTERS | st.sampled_from('",;\n\r\t\u2028\x85 '), max_size=12)


@given(
    content=CONTENT,
    format=st.sampled_from(["auto", *FORMATS]),
    ending=st.sampled_from(["", ".csv", ".tsv", ".jsonl", ".json", ".txt", ".csv.gz"]),
    packed=st.booleans(),
    options=OPTIONS,
)
@settings(FEW, max_examples=200)
def test_any_bytes_give_examples_or_a_named_error(content, format, ending, packed, options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "class", f"a{ending}")
        path.parent.mkdir()
        path.write_bytes(gzip.compress(content) if packed else content)
        if format == "file-per-class":
            path = path.parent
        elif format == "folder-per-class":
            path = path.parent.parent
        try:
            table = read_table(path, format=format, **options)
            assert table.rows
            assert {len(row.fields) for row in table.rows} == {len(table.columns)}
            examples, source = read_examples(path, format=format, **options)
            assert len(examples) == len(table.rows)
            need = source.label is not None and options.get("need_label", True)
            assert read_like(path, source, need_label=need) == examples
        except (DataError, UsageError):
            pass  # named; any other exception fails the test


def written(path, content):
    path.write_text(content, encoding="utf-8", newline="")
    return path


@given(rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=8), header=st.booleans(), data=st.data())
@FEW
def test_csv_round_trips(rows, header, data):
    out = io.StringIO()
    delimiter = data.draw(st.sampled_from(",;"))
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    if quoting == csv.QUOTE_MINIMAL:  # without quotes, a carriage return at the end of a row would be its line's
        rows = [(*row[:-1], row[-1] + ".") for row in rows]
    csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=quoting).writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder, "a.csv"), out.getvalue())
        found = read_table(path, format="csv", header=False, delimiter=delimiter)
        assert [row.fields for row in found.rows] == drop_mark(rows)
        if header and len(rows) > 1:
            named = read_table(path, format="csv", header=True, delimiter=delimiter)
            assert (named.columns, named.rows) == (found.rows[0].fields, found.rows[1:])


def drop_mark(rows):
    """A file's first character, if it is a byte order mark, is none of the text."""
    (first, *others), *below = rows
    return [(first.removeprefix("\ufeff"), *others), *below]


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8), ending=st.sampled_from(["\n", "\r\n"]))
@FEW
def test_tsv_round_trips(rows, ending):
    rows = [tuple(field.translate({9: " ", 10: " ", 13: " "}) for field in row) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder, "a.tsv"), "".join("\t".join(row) + ending for row in rows))
        assert [row.fields for row in read_table(path, header=False).rows] == drop_mark(rows)


@given(
    rows=st.lists(
        st.tuples(TEXTS, st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS),
        min_size=1,
        max_size=8,
    ),
    ascii_only=st.booleans(),
)
@FEW
def test_jsonl_round_trips(rows, ascii_only):
    objects = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only) for text, label in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder, "a.jsonl"), "\n".join(objects))
        found = read_table(path)
    expected = [(text, label if isinstance(label, str) else json.dumps(label)) for text, label in rows]
    assert [row.fields for row in found.rows] == expected
    assert [row.line for row in found.rows] == list(range(1, len(rows) + 1))
