"""Parquet: typed columns, empty cells, rows as lines, constant memory, damage."""

from __future__ import annotations

import gzip
import sys
import tracemalloc

import pyarrow as pa
import pytest
from pyarrow import parquet

from throughtime.data import iter_examples, read_examples, read_like, read_table
from throughtime.errors import DataError, UsageError


@pytest.fixture
def save(tmp_path):
    """Write columns as a Parquet file and give the path."""

    def save(name="a.parquet", types=None, **columns):
        table = pa.table(columns, schema=pa.schema(types.items()) if types else None)
        parquet.write_table(table, tmp_path / name, row_group_size=2, write_page_checksum=True)
        return tmp_path / name

    return save


def fields(table):
    return [row.fields for row in table.rows]


def test_columns_by_name_and_rows_as_lines(save):
    path = save(id=[7, 8, 9], review=["good, so good", "two\nlines", "fine"], mood=["pos", "neg", "pos"])
    examples, source = read_examples(path, text="review", label="mood")
    assert [(e.text, e.label, e.line) for e in examples] == [
        ("good, so good", "pos", 1),
        ("two\nlines", "neg", 2),
        ("fine", "pos", 3),
    ]
    assert (source.format, source.text, source.label, source.header) == ("parquet", "review", "mood", False)
    assert "read as Parquet" in source.notes
    assert read_like(path, source) == examples
    other = save("b.parquet", mood=["neg"], review=["turned"])
    assert [(e.text, e.label) for e in read_like(other, source)] == [("turned", "neg")]
    alone = save("c.parquet", review=["alone"])
    assert [(e.text, e.label) for e in read_like(alone, source, need_label=False)] == [("alone", None)]


@pytest.mark.parametrize(
    ("type", "values", "texts"),
    [
        (pa.string(), ["é", ""], ["é", ""]),
        (pa.large_string(), ["a", "b"], ["a", "b"]),
        (pa.int8(), [-1, 5], ["-1", "5"]),
        (pa.uint64(), [2**64 - 1, 0], ["18446744073709551615", "0"]),
        (pa.float64(), [0.1, 1.0], ["0.1", "1"]),
        (pa.float32(), [0.1, 2.0], ["0.1", "2"]),
        (pa.bool_(), [True, False], ["true", "false"]),
        (pa.dictionary(pa.int32(), pa.string()), ["a", "b"], ["a", "b"]),
        (pa.dictionary(pa.int8(), pa.int64()), [3, 4], ["3", "4"]),
        (pa.timestamp("ms"), [0, 1000], ["1970-01-01 00:00:00.000", "1970-01-01 00:00:01.000"]),
        (pa.decimal128(5, 2), [1, 2], ["1.00", "2.00"]),
    ],
)
def test_types_become_texts(save, type, values, texts):
    path = save(types={"text": pa.string(), "label": type}, text=["x", "y"], label=values)
    assert fields(read_table(path)) == [("x", texts[0]), ("y", texts[1])]


def test_nulls_and_nan_are_empty_cells(save):
    examples, source = read_examples(save(text=["a", None, "c"], label=["x", "y", "x"]))
    assert [e.text for e in examples] == ["a", "", "c"]
    assert "1 row has an empty text (first: line 2)" in source.notes
    for empty in (None, float("nan")):
        with pytest.raises(DataError, match="expected a label, found none") as error:
            read_examples(save(text=["a", "b", "c"], label=[1.0, 2.0, empty]))
        assert (error.value.line, error.value.column) == (3, "label")


def test_nested_values_and_bytes_are_refused_where_they_are_needed_and_said_elsewhere(save):
    path = save(text=["a", "b"], label=["x", "y"], vector=[[1.0], [2.0]], raw=[b"1", b"2"])
    table = read_table(path)
    assert fields(table) == [("a", "x", "", ""), ("b", "y", "", "")]
    assert '2 columns hold nested values or bytes and are read as empty: "vector", "raw"' in table.notes
    with pytest.raises(DataError, match=r"expected texts, numbers, or true and false, .*list<") as error:
        read_table(path, label="vector")
    assert error.value.column == "vector"
    with pytest.raises(DataError, match="type binary"):
        read_table(path, text="raw")


def test_it_is_told_by_name_or_content(save, tmp_path, write):
    path = save("data", text=["a", "b"], label=["x", "y"])
    assert read_table(path).format == "parquet"
    with pytest.raises(DataError, match="damaged one or none") as error:
        read_table(write("b.parquet", "text,label\na,x\n"))
    assert error.value.path == str(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="--format parquet"):
        read_table(path, format="csv")
    with pytest.raises(DataError, match="not gzipped"):
        read_table(write("c.gz", gzip.compress(path.read_bytes())))
    with pytest.raises(DataError, match="nothing of that name"):
        read_table(tmp_path / "none.parquet")
    assert read_table(write("d.parquet", "text,label\na,x\n"), format="csv").format == "csv"


def test_a_parquet_file_beside_a_model_of_another_format(save, write):
    _, source = read_examples(write("a.csv", "review,mood\na,x\nb,y\nc,x\n"))
    path = save(mood=["y"], review=["d"])
    assert [(e.text, e.label) for e in read_like(path, source, format="auto")] == [("d", "y")]


def test_files_without_rows_or_columns(save):
    with pytest.raises(DataError, match="expected rows"):
        read_table(save(types={"text": pa.string(), "label": pa.string()}, text=[], label=[]))
    with pytest.raises(DataError, match='expected a column "body", found the columns "text"'):
        read_table(save(text=["a"]), text="body")


def test_damage_is_named(save, write):
    whole = save(text=["some words"] * 50, label=["x", "y"] * 25).read_bytes()
    for content in (whole[:-30], whole[:8], b"PAR1", whole[:60] + b"\xff" * 40 + whole[100:]):
        path = write("b.parquet", content)
        with pytest.raises(DataError, match="expected a whole Parquet file") as error:
            read_table(path)
        assert error.value.path == str(path)


def test_bytes_that_are_no_text_are_named_by_row(save):
    values = pa.array([b"ok", b"ok", b"\xff\xfe"], pa.binary()).view(pa.string())
    path = save(text=values, label=["x", "y", "x"])
    with pytest.raises(DataError, match="UTF-8") as error:
        read_table(path)
    assert (error.value.line, error.value.column) == (3, "text")


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "long.parquet"
    text, label = "words and more words " * 50, ["x", "y"]
    schema = pa.schema({"text": pa.string(), "label": pa.string()})
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        writer.write_table(pa.table({"text": [f"{n} {text}" for n in range(40_000)], "label": label * 20_000}))
    _, source = read_examples(tmp_path_of(tmp_path, schema))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    count, peak = 0, 0
    for _ in iter_examples(path, source):
        count += 1
        if count % 5000 == 0:
            peak = max(peak, pa.total_allocated_bytes() - before)
    _, python = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert path.stat().st_size > 40 << 20
    assert peak + python < 16 << 20


def tmp_path_of(folder, schema):
    parquet.write_table(pa.table({"text": ["a"], "label": ["x"]}, schema=schema), folder / "short.parquet")
    return folder / "short.parquet"


def test_a_missing_pyarrow_says_how_to_install_it(save, monkeypatch):
    path = save(text=["a"], label=["x"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'throughtime\[parquet\]'"):
        read_table(path)
