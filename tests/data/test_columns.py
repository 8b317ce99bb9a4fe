from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from throughtime.data import Columns, Source, choose_columns, iter_examples, read_examples, read_like, read_table
from throughtime.errors import DataError, UsageError

CSV = "id,2,review,grade,Sentiment\n1,x,good,5,pos\n2,y,bad,1,neg\n3,x,fine,4,pos\n"


def chosen(path, text=None, label=None, **options):
    return choose_columns(read_table(path, text=text, label=label), text, label, **options)


@pytest.mark.parametrize(
    ("text", "label", "columns"),
    [
        (None, None, (2, 4)),
        ("review", "grade", (2, 3)),
        ("3", "4", (2, 3)),
        ("review", "2", (2, 1)),  # a column of that very name
        ("1", None, (0, 4)),
    ],
)
def test_columns_by_name_and_number(write, text, label, columns):
    assert chosen(write("a.csv", CSV), text, label) == Columns(*columns)


def test_a_column_that_is_not_there_lists_those_that_are(write):
    path = write("a.csv", CSV)
    with pytest.raises(DataError, match='column "body", found the columns "id", "2", "review", "grade"') as error:
        chosen(path, "body")
    assert error.value.path == str(path)
    with pytest.raises(DataError, match='column "6"'):
        chosen(path, "review", "6")
    with pytest.raises(DataError, match='column "0"'):
        chosen(path, "0")


def test_one_column_for_both_and_names_that_stand_twice(write):
    with pytest.raises(UsageError, match="same column"):
        chosen(write("a.csv", CSV), "review", "3")
    path = write("b.csv", "text,text,label\na,b,x\nc,d,y\n")
    with pytest.raises(UsageError, match="2 columns are named 'text'"):
        chosen(path, "text")
    examples, source = read_examples(path, text="2", label="label")
    assert (examples[0].text, source.text) == ("b", "2")
    assert read_like(path, source) == examples


def test_two_columns_are_told_by_their_values(write):
    assert chosen(write("a.csv", "what,how\na,x\nb,y\nc,x\nd,x\n")) == Columns(0, 1)
    assert chosen(write("b.csv", "what,how\nx,a\ny,b\nx,c\nx,d\n")) == Columns(1, 0)
    assert chosen(write("c.csv", "what,how\nx,a\ny,b\n"), "how", None) == Columns(1, 0)
    assert chosen(write("d.csv", "what,how\nx,a\ny,b\n"), None, "1") == Columns(1, 0)


@pytest.mark.parametrize(
    "content",
    [
        "what,how\na,x\nb,y\n",  # a tie
        "what,how\na,1\nb,2\nc,3\nd,4\ne,5\nf,5\n",  # hardly a class
        "what,how,why\na,x,1\nb,x,2\n",
        "what\na\nb\n",
        "id,text\n1,same\n2,same\n3,same\n4,other\n",  # the name says text, the values say label
    ],
)
def test_unclear_columns_ask_for_the_options(write, content):
    with pytest.raises(UsageError, match=r'the columns "(what|id)".*--text and --label'):
        chosen(write("a.csv", content))


def test_without_need_of_a_label(write):
    assert chosen(write("a.csv", "what\na\nb\n"), need_label=False) == Columns(0, None)
    assert chosen(write("b.csv", "id,text\n1,a\n2,b\n"), need_label=False) == Columns(1, None)
    assert chosen(write("c.csv", "text,label\na,x\nb,y\n"), need_label=False) == Columns(0, 1)
    table = read_table(write("d.csv", "text,id\na,1\n"))
    assert choose_columns(table, "text", "sentiment", need_label=False) == Columns(0, None)
    with pytest.raises(UsageError, match="say --text, "):
        chosen(write("e.csv", "a,b,c\n1,2,3\n"), need_label=False)


def test_examples_know_their_place(write):
    path = write("a.csv", 'text,label\n"a\nb",x\nc,y\n')
    examples, source = read_examples(path)
    assert [(e.text, e.label, e.path, e.line) for e in examples] == [
        ("a\nb", "x", str(path), 2),
        ("c", "y", str(path), 4),
    ]
    assert (source.format, source.header, source.text, source.label) == ("csv", True, "text", "label")
    assert (source.text_number, source.label_number) == (1, 2)


def test_empty_texts_and_spaced_labels_are_told(write):
    examples, source = read_examples(write("a.csv", "text,label\n,x\n  , y\nz,x\n"))
    assert [(e.text, e.label) for e in examples] == [("", "x"), ("  ", "y"), ("z", "x")]
    assert "2 rows have an empty text (first: line 2)" in source.notes
    assert "1 label has spaces around it, which are not read (first: line 3)" in source.notes


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("a.csv", "text,label\na,x\nb,\n", "label"),
        ("a.tsv", "x\ta\n \tb\nx\tc\n", 1),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "a", "label": ""}\n', "label"),
    ],
)
def test_an_empty_label_is_named(write, name, content, column):
    with pytest.raises(DataError, match="expected a label, found none") as error:
        read_examples(write(name, content))
    assert error.value.column == column
    assert error.value.line == (3 if name == "a.csv" else 2)


def test_label_until(write):
    path = write("a", "DESC:manner How ?\nNUM:date When ?\nDESC:def What ?\nNUM:date Which year ?\n")
    examples, source = read_examples(path, label_until=":")
    assert [e.label for e in examples] == ["DESC", "NUM", "DESC", "NUM"]
    assert [e.label for e in read_like(path, source)] == ["DESC", "NUM", "DESC", "NUM"]
    with pytest.raises(DataError, match='before "D", found "DESC:manner"'):
        read_examples(path, label_until="D")
    with pytest.raises(UsageError, match="empty"):
        read_examples(path, label_until="")


def test_a_source_goes_through_json_and_reads_the_same_kind(write):
    path = write("a.csv", "review;mood\ngood, so good;pos\nbad;neg\nfine;pos\n")
    examples, source = read_examples(path)
    source = Source(**json.loads(json.dumps(asdict(source))))
    assert read_like(path, source) == examples
    turned = read_like(write("b.csv", "mood;id;review\npos;1;one, two\n"), source)
    assert [(e.text, e.label, e.line) for e in turned] == [("one, two", "pos", 2)]
    texts = read_like(write("c.csv", "review\nalone\n"), source, need_label=False)
    assert [(e.text, e.label) for e in texts] == [("alone", None)]
    with pytest.raises(DataError, match='column "mood"'):
        read_like(write("d.csv", "review\nalone\n"), source)


def test_spaces_around_a_columns_name_do_not_matter(write):
    _, source = read_examples(write("a.csv", "text, label\na, x\nb, y\n"), label="label")
    assert source.label == "label"
    assert read_like(write("b.csv", "label,text\nz,c\n"), source)[0].label == "z"


def test_a_single_row_without_header_is_read_like_its_kind(write):
    _, source = read_examples(write("a.tsv", "ham\ta\nspam\tb\nham\tc\n"))
    assert [(e.text, e.label) for e in read_like(write("b.tsv", "spam\td\n"), source)] == [("d", "spam")]
    for content in ("", "\n"):
        with pytest.raises(DataError, match="expected rows"):
            read_like(write("c.tsv", content), source)


def test_another_format_than_the_source(write):
    _, source = read_examples(write("a.csv", "review,mood\na,x\nb,y\nc,x\n"))
    jsonl = write("b.jsonl", '{"review": "d"}\n{"review": "e", "mood": null}\n')
    assert [e.text for e in read_like(jsonl, source, format="auto", need_label=False)] == ["d", "e"]
    tsv = write("b.tsv", "mood\treview\nx\td\n")
    assert [(e.text, e.label) for e in read_like(tsv, source, format="auto")] == [("d", "x")]
    plain = write("c.txt", "review\nd e\n")
    assert [e.text for e in read_like(plain, source, format="lines", need_label=False)] == ["review", "d e"]
    with pytest.raises(UsageError, match="no column of labels"):
        read_like(plain, source, format="lines")


def test_examples_are_streamed(write):
    path = write("a.tsv", "x\ta\ny\tb\nx\tc\n")
    _, source = read_examples(path)
    broken = write("b.tsv", "x\ta\n" * 1000 + "broken\n")
    stream = iter_examples(broken, source)
    assert next(stream).text == "a"
    stream.close()
    with pytest.raises(DataError) as error:
        list(iter_examples(broken, source))
    assert error.value.line == 1001
