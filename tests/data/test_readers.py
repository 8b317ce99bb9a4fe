from __future__ import annotations

import csv
import gzip
import io
import json

import pytest

from throughtime.data import read_table
from throughtime.errors import DataError, UsageError


def fields(table):
    return [row.fields for row in table.rows]


def lines(table):
    return [row.line for row in table.rows]


# CSV


def test_csv_with_a_header_keeps_the_line_where_each_row_begins(write):
    table = read_table(write("a.csv", 'text,label\r\n"two\r\nlines, and ""quotes""",pos\r\n\r\nplain,neg\r\nx,pos\r\n'))
    assert (table.format, table.header, table.columns) == ("csv", True, ("text", "label"))
    assert fields(table) == [('two\r\nlines, and "quotes"', "pos"), ("plain", "neg"), ("x", "pos")]
    assert lines(table) == [2, 5, 6]
    assert "1 blank line skipped (first: line 4)" in table.notes


def test_csv_with_semicolons(write):
    table = read_table(write("a.csv", '"Good, or not";1\nfine;0\nbad;1\n'))
    assert fields(table) == [("Good, or not", "1"), ("fine", "0"), ("bad", "1")]
    assert table.delimiter == ";"
    assert read_table(write("b.csv", "text,label\na;b,1\n")).delimiter == ","


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("text,label\na,1\nb, and c,0\n", 3, "expected 2 fields, found 3 .*quotes"),
        ("text,label\na,1\n\nb\n", 4, "expected 2 fields, found 1"),
        ('text,label\n"a\nb",1\n"c,0\nd,1\n', 4, "never closed"),
        ('text,label\n"a"b,1\n', 2, "after a closing quote"),
        ("only\n1\n2,3\n", 3, "expected 1 field, found 2"),
    ],
)
def test_csv_faults_name_the_line(write, content, line, said):
    path = write("a.csv", content)
    with pytest.raises(DataError, match=said) as error:
        read_table(path)
    assert (error.value.line, error.value.path) == (line, str(path))


def test_csv_keeps_carriage_returns_that_end_no_line(write):
    table = read_table(write("a.csv", 'text,label\r\na\rb\r,1\r\n"\r\n\r","0\r"\r\n'))
    assert fields(table) == [("a\rb\r", "1"), ("\r\n\r", "0\r")]


def test_csv_fields_may_be_long_and_unnamed_columns_are_no_repetition(write):
    table = read_table(write("a.csv", f"v1,v2,,\nham,{'x' * 300_000},,\nspam,y,,\n"))
    assert table.columns == ("v1", "v2", "", "")
    assert len(table.rows[0].fields[1]) == 300_000


def test_a_csv_that_is_tab_separated(write):
    table = read_table(write("a.csv", 'text\tlabel\nso, "so"\tpos\nno\tneg\n'))
    assert (table.format, fields(table)[0]) == ("tsv", ('so, "so"', "pos"))


# TSV


def test_tsv_takes_quotes_and_strange_spaces_literally(write):
    table = read_table(write("a.tsv", 'ham\t"quoted\nspam\ta\u2028b\x0bc\nham\t d \n'))
    assert fields(table) == [("ham", '"quoted'), ("spam", "a\u2028b\x0bc"), ("ham", " d ")]
    assert (table.header, table.columns) == (False, ("1", "2"))
    assert 'no header: the first row\'s "ham" stands again below' in table.notes


def test_tsv_with_a_wrong_number_of_fields(write):
    with pytest.raises(DataError, match="expected 2 fields, found 3") as error:
        read_table(write("a.tsv", "a\tb\n\na\tb\tc\n"))
    assert error.value.line == 3


# The header


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, False),
        ({"label": "2"}, False),
        ({"label": "1"}, True),
        ({"header": True}, True),
        ({"header": False}, False),
        ({"text": "first"}, True),
    ],
)
def test_header_is_told_by_what_stands_again(write, options, found):
    table = read_table(write("a.csv", "first,x\nsecond,x\nthird,y\n"), **options)
    assert table.header is found
    assert len(table.rows) == 3 - found


def test_well_known_names_are_a_header_even_if_they_stand_again(write):
    assert read_table(write("a.csv", "Text,Label\na,label\nText,b\nc,Label\n")).header


# JSON lines


def test_jsonl_scalars_become_their_json_text(write):
    content = '{"text": "a\\u00e9\\n", "label": 1}\n\n{"label": 1.50, "text": ""}\n{"text": "c", "label": true}\n'
    table = read_table(write("a.jsonl", content))
    assert fields(table) == [("aé\n", "1"), ("", "1.50"), ("c", "true")]
    assert (table.columns, lines(table)) == (("text", "label"), [1, 3, 4])
    assert "1 blank line skipped (first: line 2)" in table.notes


def test_jsonl_asks_only_for_the_columns_it_needs(write):
    content = '{"id": null, "text": "a", "label": "x", "meta": {"k": 1}}\n{"text": "b", "label": "y", "new": 1}\n'
    table = read_table(write("a.jsonl", content))
    assert fields(table) == [("", "a", "x", ""), ("", "b", "y", "")]
    assert [note for note in table.notes if note.startswith("4 values outside")]
    assert [note for note in table.notes if "1 object has a key" in note]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ('{"text": "b"}', 'expected the key "label", found the keys "text"'),
        ('{"text": "b", "label": null}', "found null"),
        ('{"text": "b", "label": ["x"]}', "found an array"),
        ('{"text": {}, "label": "x"}', "found an object"),
        ('{"text": "\\ud800", "label": "x"}', "surrogate"),
        ('{"text": "b", "label": "x"', "at character"),
        ('{"text": "b", "text": "c", "label": "x"}', "the same key twice"),
        ('{"text": "b", "label": NaN}', "NaN"),
        ('["b", "x"]', "found an array"),
        ("7", "found a single value"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_jsonl_faults_name_the_line(write, second, said):
    with pytest.raises(DataError, match=said) as error:
        read_table(write("a.jsonl", f'{{"text": "a", "label": "x"}}\n{second}\n'))
    assert error.value.line == 2


@pytest.mark.parametrize("content", ['[{"text": "a"}]\n', '[\n {"text": "a"}\n]\n', '["a"]'])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a"])
def test_a_json_array_is_refused_with_advice(write, name, content):
    with pytest.raises(DataError, match="JSON array: write its objects one a line"):
        read_table(write(name, content))


def test_a_missing_key_on_the_first_line_lists_those_there_are(write):
    with pytest.raises(DataError, match='"body", found the columns "text", "label"'):
        read_table(write("a.jsonl", '{"text": "a", "label": "x"}\n'), text="body")


# Lines


def test_label_first(write):
    table = read_table(write("set.train", "1 a  fine film \n0\tdull\n\n1 good\n0\n1 x\r\n" + "0 y\n" * 9))
    assert (table.format, table.columns) == ("label-first", ("label", "text"))
    assert fields(table)[:5] == [("1", "a  fine film "), ("0", "dull"), ("1", "good"), ("0", ""), ("1", "x")]
    assert "read as label-first lines: every line begins with one of 2 labels" in table.notes


def test_fasttext_labels_lose_their_prefix(write):
    assert fields(read_table(write("a.txt", "__label__pos fine\n"))) == [("pos", "fine")]
    with pytest.raises(DataError, match="several") as error:
        read_table(write("b.txt", "__label__pos fine\n__label__pos __label__neg so so\n"))
    assert error.value.line == 2


def test_plain_lines_are_read_when_asked_for_or_when_no_label_is_needed(write):
    path = write("a.txt", "First line, of prose.\n\n1 second\r\n")
    table = read_table(path, format="lines")
    assert (table.columns, fields(table)) == (("text",), [("First line, of prose.",), ("1 second",)])
    assert fields(read_table(path, need_label=False)) == fields(table)
    with pytest.raises(DataError, match=r"tried JSON lines.*--format csv, tsv, jsonl or label-first"):
        read_table(path)


# Folders


def test_one_file_a_class(write):
    write("names/Greek.txt", "Adamou\n\nSamios\n")
    write("names/Irish.txt.gz", gzip.compress(b"O'Brien\n"))
    write("names/README.txt", "about")
    write("names/.DS_Store", b"\0")
    table = read_table(write("names/list.dat", "").parent)
    assert (table.format, table.columns) == ("file-per-class", ("label", "text"))
    assert fields(table) == [("Greek", "Adamou"), ("Greek", "Samios"), ("Irish", "O'Brien")]
    assert [(row.path.rpartition("/")[2], row.line) for row in table.rows][1:] == [
        ("Greek.txt", 3),
        ("Irish.txt.gz", 1),
    ]
    assert any(note.startswith("3 entries of the folder") and ".DS_Store" in note for note in table.notes)


def test_files_that_differ_in_their_ending_alone(write):
    write("mr/rt-polarity.pos", "good\n")
    table = read_table(write("mr/rt-polarity.neg", "bad\n").parent)
    assert fields(table) == [("neg", "bad"), ("pos", "good")]


def test_one_folder_a_class(write, tmp_path):
    write("train/pos/1.txt", "two\nlines\n")
    write("train/pos/2.txt", "")
    write("train/neg/1.txt.gz", gzip.compress(b"dull\r\n"))
    write("train/neg/scores.dat", "1")
    write("train/urls.txt", "http")
    table = read_table(tmp_path / "train")
    assert table.format == "folder-per-class"
    assert fields(table) == [("neg", "dull"), ("pos", "two\nlines"), ("pos", "")]
    assert lines(table) == [1, 1, 1]
    assert any('not read: "urls.txt", "scores.dat"' in note for note in table.notes)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a.csv", "b.csv"], "found tables"),
        (["x.train", "x.dev", "x.test"], "parts of a data set"),
        (["train/pos/1.txt", "test/pos/1.txt"], "parts of a data set"),
        (["pos.txt", "pos.txt.gz", "neg.txt"], 'one file for the class "pos"'),
        (["a/b/1.txt"], "found only folders"),
        (["README.txt"], "one file a class, found none"),
    ],
)
def test_folders_that_are_no_classes(write, tmp_path, files, said):
    for file in files:
        write(f"set/{file}", "text\n")
    with pytest.raises(DataError, match=said):
        read_table(tmp_path / "set")


def test_empty_folders_and_class_files(write, tmp_path):
    with pytest.raises(DataError, match="empty folder"):
        read_table(tmp_path)
    write("a.txt", "text\n")
    with pytest.raises(DataError, match="found none") as error:
        read_table(write("b.txt", "\n").parent)
    assert error.value.path == str(tmp_path / "b.txt")


# What holds for all


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt", "a"])
@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n", gzip.compress(b"", mtime=0)])
@pytest.mark.parametrize("need_label", [True, False])
def test_a_file_without_rows(write, name, content, need_label):
    with pytest.raises(DataError, match="expected rows, found"):
        read_table(write(name, content), need_label=need_label)


def test_a_line_of_strange_blanks_is_a_row(write):
    path = write("a", "\x1f\n")
    with pytest.raises(DataError, match="none of them fits"):
        read_table(path)
    assert fields(read_table(path, need_label=False)) == [("\x1f",)]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_header_alone(write, name):
    with pytest.raises(DataError, match=r"below the header, found none.*--no-header"):
        read_table(write(name, "text\n"))


def test_options_that_do_not_fit(write, tmp_path):
    path = write("a.txt", "__label__a b\n")
    with pytest.raises(UsageError, match="formats auto, csv"):
        read_table(path, format="excel")
    with pytest.raises(UsageError, match="only CSV and TSV"):
        read_table(path, header=True)
    with pytest.raises(UsageError, match="delimiter"):
        read_table(path, delimiter="|")
    with pytest.raises(DataError, match="found a folder"):
        read_table(tmp_path, format="csv")
    with pytest.raises(DataError, match="found a file"):
        read_table(path, format="file-per-class")
    with pytest.raises(DataError, match="found a file"):
        read_table(path, format="folder-per-class")
    with pytest.raises(DataError, match="nothing of that name"):
        read_table(tmp_path / "none", format="file-per-class")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ""])
def test_every_text_format_may_be_gzipped(write, ending, packed):
    rows = [("fine", "pos"), ("dull", "neg"), ("good", "pos")]
    if ending == ".jsonl":
        content = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    elif ending:
        out = io.StringIO()
        delimiter = "," if ending == ".csv" else "\t"
        csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([("text", "label"), *rows])
        content = out.getvalue()
    else:
        content = "".join(f"{label} {text}\n" for text, label in rows)
    data = gzip.compress(content.encode()) if packed else content
    table = read_table(write(f"a{ending}" + (".gz" if packed else ""), data))
    at = table.columns.index("text"), table.columns.index("label")
    assert [(row.fields[at[0]], row.fields[at[1]]) for row in table.rows] == rows
