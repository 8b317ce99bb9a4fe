"""JSON lines and Parquet with lists: what is read, what is refused with its line, and that all is given back."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
from itertools import islice

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.data.test_sentences import read, text
from throughtime.data.readers.jsonl_lists import open_jsonl_lists
from throughtime.data.readers.parquet_lists import open_parquet_lists, write_rows
from throughtime.data.readers.rows import Tally
from throughtime.data.readers.sentences import write_sentences
from throughtime.errors import DataError, UsageError

LINES = '{"id": 7, "tokens": ["New", "York"], "labels": ["B-LOC", "I-LOC"]}\n{"labels": ["O"], "tokens": ["rains"]}\n'
PAIR = '{"tokens": ["a"], "tags": ["X"]}\n'


def jsonl(path, **options):
    return list(open_jsonl_lists(path, **options).sentences)


def rows(path, **options):
    return list(open_parquet_lists(path, **options).sentences)


@pytest.fixture
def save(tmp_path):
    """Write columns as a Parquet file and give the path."""

    def save(name="a.parquet", types=None, **columns):
        schema = pa.schema(types.items()) if types else None
        parquet.write_table(pa.table(columns, schema=schema), tmp_path / name, row_group_size=2)
        return tmp_path / name

    return save


# JSON lines


def test_jsonl(write):
    path = write("a.jsonl", LINES)
    sentences = jsonl(path)
    assert read(sentences) == [(["New", "York"], ["B-LOC", "I-LOC"], [1, 1]), (["rains"], ["O"], [2])]
    assert [(s.line, s.text, s.label) for s in sentences] == [(1, "New York", "B-LOC I-LOC"), (2, "rains", "O")]
    assert {sentence.path for sentence in sentences} == {str(path)}
    assert text(sentences) == LINES
    assert sentences[0].written(["O", "X-é"]) == LINES.splitlines(keepends=True)[0].replace(
        '["B-LOC", "I-LOC"]', '["O", "X-\\u00e9"]'
    )


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ('{"tokens":["a","b"],"tags":null,"n":1.50}\r\n', '{"tokens":["a","b"],"tags":["X","Y"],"n":1.50}\r\n'),
        ('  { "tags" :\t[ "P" , null ] , "tokens" : ["a","é"]}', '  { "tags" :\t["X","Y"] , "tokens" : ["a","é"]}'),
        ('{"tokens": ["a", "b"] }\n', '{"tokens": ["a", "b"], "tags": ["X", "Y"] }\n'),
        ('{"tokens":["a", "b"]}', '{"tokens":["a", "b"],"tags":["X","Y"]}'),
        (r'{"t\u0061gs": [null, 1], "x": {"tags": "}"}, "tokens": ["\"", "]"]}', None),
    ],
)
def test_jsonl_labels_alone_are_replaced(write, line, written):
    line = line.replace("[null, 1]", '["P", null]')
    [sentence] = jsonl(write("a", "\ufeff" + line), text="tokens", label="tags", need_label=False)
    written = written or line.replace('["P", null]', '["X", "Y"]')
    assert sentence.labels is None
    assert (sentence.written(), sentence.written(["X", "Y"])) == ("\ufeff" + line, "\ufeff" + written)


def test_jsonl_keeps_blank_lines_and_counts_them(write):
    content = f"\ufeff\n \r\n{PAIR}\t\n{PAIR}\n\r\n \n"
    path = write("a", content)
    tally = Tally(str(path))
    sentences = jsonl(path, tally=tally)
    assert [sentence.lines for sentence in sentences] == [[3], [5]]
    assert (text(sentences), tally.notes()) == (content, ["6 blank lines skipped (first: line 1)"])


def test_jsonl_spells_labels_as_the_line_is_spelt(write):
    [sentence] = jsonl(write("a", '{"tokens": ["é"], "tags": ["X"]}'))
    assert sentence.written(["ü"]) == '{"tokens": ["é"], "tags": ["ü"]}'


@pytest.mark.parametrize("key", ['"quoted"', "é", "\\"])
def test_jsonl_labels_under_any_key(write, key):
    path = write("a", '{"tokens":["a"]}\n')
    [sentence] = jsonl(path, label=key, need_label=False)
    assert json.loads(sentence.written(["X"])) == {"tokens": ["a"], key: ["X"]}


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_file_of_json_lines_is_written(write, tmp_path, name):
    path, out = write("a.gz", gzip.compress(LINES.encode())), tmp_path / name
    assert write_sentences(out, ((s, ["Z"] if s.line == 2 else None) for s in jsonl(path))) == 2
    written = out.read_bytes()
    written = gzip.decompress(written) if name.endswith(".gz") else written
    assert written.decode() == LINES.replace('["O"]', '["Z"]')


def test_jsonl_without_words_or_labels(write):
    content = '{"tokens": [], "tags": []}\n{"tokens": ["a"], "tags": null}\n{"tokens": []}\n{"tokens": ["a", "b"]}\n'
    sentences = jsonl(write("a", content), need_label=False)
    assert [(s.tokens, s.labels, s.line) for s in sentences] == [
        ([], [], 1),
        (["a"], None, 2),
        ([], None, 3),
        (["a", "b"], None, 4),
    ]
    assert [json.loads(s.written(["X"] * len(s.tokens)))["tags"] for s in sentences] == [[], ["X"], [], ["X", "X"]]


def test_a_sentence_of_one_token_and_one_of_many(write):
    path = write("a", PAIR + json.dumps({"tokens": ["b"] * 5000, "tags": ["Y"] * 5000}))
    assert [len(sentence.tokens) for sentence in jsonl(path)] == [1, 5000]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x", "expected one JSON object a line, found expecting value at character 1"),
        ("[]", "expected one JSON object a line, found an array"),
        ('{"tokens": ["a"]', "found expecting ',' delimiter"),
        ('{"tokens": ["a"], "tokens": ["a"], "tags": ["X"]}', "found the same key twice in one object"),
        ('{"tokens": ["a"], "tags": ["X"], "n": NaN}', "found NaN, which JSON does not have"),
        ('{"tags": ["X"]}', 'expected the key "tokens", found the keys "tags"'),
        ('{"tokens": ["a"]}', 'expected the key "tags", found the keys "tokens"'),
        ('{"tokens": null, "tags": ["X"]}', "expected a list of words, found null"),
        ('{"tokens": "a", "tags": ["X"]}', "expected a list of words, found a text"),
        ('{"tokens": [], "tags": []}', "expected words, found an empty list"),
        ('{"tokens": ["a", ""], "tags": ["X", "X"]}', "expected a word, found an empty text as word 2"),
        ('{"tokens": ["a", 1.5], "tags": ["X", "X"]}', "words that are texts, found the number 1.5 as word 2"),
        ('{"tokens": [["a"]], "tags": ["X"]}', "words that are texts, found an array as word 1"),
        ('{"tokens": [{"a": 1}], "tags": ["X"]}', "words that are texts, found an object as word 1"),
        ('{"tokens": [null], "tags": ["X"]}', "words that are texts, found null as word 1"),
        ('{"tokens": [true], "tags": ["X"]}', "words that are texts, found true or false as word 1"),
        ('{"tokens": ["\\ud83d"], "tags": ["X"]}', "expected whole characters, found half of a surrogate pair"),
        ('{"tokens": ["a"], "tags": ["\\udc00"]}', "expected whole characters, found half of a surrogate pair"),
        ('{"tokens": ["a"], "tags": null}', "expected a list of labels, found null"),
        ('{"tokens": ["a"], "tags": "X"}', "expected a list of labels, found a text"),
        ('{"tokens": ["a"], "tags": []}', "expected 1 label, one for each word, found 0"),
        ('{"tokens": ["a"], "tags": ["X", "Y"]}', "expected 1 label, one for each word, found 2"),
        ('{"tokens": ["a"], "tags": [""]}', "expected a label, found an empty text as label 1"),
        ('{"tokens": ["a"], "tags": [null]}', "expected labels that are texts, found null as label 1"),
        ('{"tokens": ["a"], "tags": [3]}', "found the number 3 as label 1: write the label's name in place of"),
        ('{"tokens": ["a"], "tags": [' + "9" * 5000 + "]}", r"found the number 9{17}\.\.\. as label 1"),
        ('{"n": ' + "[" * 100_000, "found brackets nested too deep"),
        ('{"tokens": ["\0"], "tags": ["X"]}', "NUL"),
    ],
)
def test_jsonl_faults_name_the_line(write, line, said):
    path = write("a.jsonl", f"{PAIR}\n{line}\n{PAIR}")
    with pytest.raises(DataError, match=said) as error:
        jsonl(path)
    assert (error.value.path, error.value.line) == (str(path), 3)


@pytest.mark.parametrize("labels", ["[null, 0]", '["X"]', '["X", ""]', '"X"', "[[], []]", "[0, 3]"])
def test_faulty_labels_are_refused_even_where_none_are_needed(write, labels):
    path = write("a.jsonl", f'{PAIR}{{"tokens": ["a", "b"], "tags": {labels}}}\n')
    if labels == "[null, 0]":  # one that is missing: the others are not looked at
        assert jsonl(path, need_label=False)[1].labels is None
        return
    with pytest.raises(DataError, match="expected") as error:
        jsonl(path, need_label=False)
    assert (error.value.line, error.value.column) == (2, "tags")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "expected sentences, found an empty file"),
        ("\n \r\n", "expected sentences, found only blank lines"),
        ('[{"tokens": ["a"], "tags": ["X"]}]', "one a line, for example with: jq"),
        ("[\n", "one a line, for example with: jq"),
    ],
)
def test_files_that_are_no_json_lines(write, content, said):
    with pytest.raises(DataError, match=said):
        jsonl(write("a.jsonl", content))


# Which keys


@pytest.mark.parametrize(
    ("value", "options", "found"),
    [
        ({"tokens": ["a"], "labels": ["X"]}, {}, ("tokens", "labels")),
        ({"ner_tags": ["X"], "text": "a", "words": ["a"]}, {}, ("words", "ner_tags")),
        ({"Form": ["a"], "UPOS": ["X"], "lemma": ["a"]}, {}, ("Form", "UPOS")),
        ({"tokens": ["a"], "mine": ["X"], "id": 1, "spans": [1, 2]}, {}, ("tokens", "mine")),
        ({"mine": ["a"], "id": 1, "tags": ["X"]}, {}, ("mine", "tags")),
        ({"a": ["a"], "b": ["X"]}, {"label": "b"}, ("a", "b")),
        ({"a": ["a"], "b": ["X"]}, {"text": "2"}, ("b", "a")),
        ({"tokens": ["a"], "ner_tags": ["X"], "pos_tags": ["Y"]}, {"label": "pos_tags"}, ("tokens", "pos_tags")),
        ({"tokens": ["a"], "ner_tags": ["X"], "pos_tags": ["Y"]}, {"label": "2"}, ("tokens", "ner_tags")),
        ({"tokens": ["a"], "ner_tags": [0], "pos_tags": ["Y"]}, {}, ("tokens", "pos_tags")),
        ({"tokens": ["a"], "words": [1], "tags": ["Y"]}, {}, ("tokens", "tags")),
        ({"tokens": ["a"], "tags": None, "x": [1]}, {"need_label": False}, ("tokens", "tags")),
        ({"tokens": ["a"]}, {"need_label": False}, ("tokens", "labels")),
        ({"tokens": ["a"]}, {"need_label": False, "label": "ner"}, ("tokens", "ner")),
    ],
)
def test_keys_are_told(write, value, options, found):
    opened = open_jsonl_lists(write("a.jsonl", json.dumps(value)), **options)
    assert (opened.columns, len(list(opened.sentences))) == (found, 1)


@pytest.mark.parametrize(
    ("value", "options", "said"),
    [
        ({"a": ["a"], "b": ["X"]}, {}, 'found "a", "b": say --text and --label'),
        ({"tokens": ["a"], "b": ["X"], "c": ["Y"]}, {}, "say --label, each"),
        ({"tokens": ["a", "b"], "b": ["X"]}, {}, "say --label"),
        ({"tokens": ["a"], "words": ["a"], "tags": ["X"]}, {}, "say --text, each"),
        ({"tokens": ["a"], "ner_tags": ["X"], "pos_tags": ["Y"]}, {}, "say --label"),
        ({"tokens": ["a"], "ner_tags": ["X"], "pos_tags": ["Y"]}, {"need_label": False}, "say --label"),
        ({"text": "a b", "label": "X"}, {}, "say --text and --label"),
        ({"tokens": ["a"], "tags": ["X"]}, {"text": "tags", "label": "2"}, 'cannot be the same, "tags"'),
        ({"tokens": ["a"], "tags": ["X"]}, {"encoding": "utf-9"}, "expected an encoding"),
    ],
)
def test_keys_that_are_not_plain_are_asked_for(write, value, options, said):
    with pytest.raises(UsageError, match=said):
        open_jsonl_lists(write("a.jsonl", json.dumps(value)), **options)


@pytest.mark.parametrize("options", [{"text": "words"}, {"label": "3"}, {"label": "3", "need_label": False}])
def test_keys_that_are_not_there(write, options):
    with pytest.raises(DataError, match=r'expected a column ".*", found the columns "tokens", "tags"'):
        open_jsonl_lists(write("a.jsonl", PAIR), **options)


# Parquet


def test_parquet(save):
    path = save(id=[1, 2], tokens=[["New", "York"], ["rains"]], ner_tags=[["B-LOC", "I-LOC"], ["O"]])
    sentences = rows(path)
    assert read(sentences) == [(["New", "York"], ["B-LOC", "I-LOC"], [1, 1]), (["rains"], ["O"], [2])]
    assert sentences[1].written() == '{"id": 2, "tokens": ["rains"], "ner_tags": ["O"]}\n'
    assert sentences[1].written(["é"]) == '{"id": 2, "tokens": ["rains"], "ner_tags": ["é"]}\n'


LISTS = pa.list_(pa.string())


@pytest.mark.parametrize(
    "type",
    [
        LISTS,
        pa.large_list(pa.large_string()),
        pa.list_(pa.string(), 2),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.null(),
        None,
    ],
)
def test_a_table_is_written_with_other_labels(save, tmp_path, type):
    words, scores = [["a", "b"], ["c", "d"], ["é", "f"]], [0.5, None, float("nan")]
    columns = {"tokens": words, "tags": [["X", "X"], None, None], "score": scores}
    types = {"tokens": LISTS, "tags": type, "score": pa.float32()}
    if type is None or type == pa.null():
        columns["tags"] = [None] * 3
    if type is None:
        del columns["tags"], types["tags"]
    path, out = save(types=types, **columns), tmp_path / "b.parquet"
    new = [["X", "Y"], ["Z", "X"], ["ü", "X"]]
    opened = open_parquet_lists(path, label="tags", need_label=False)
    assert write_rows(out, zip(opened.sentences, new, strict=True)) == 3
    before, after = parquet.read_table(path), parquet.read_table(out)
    assert after["tags"].to_pylist() == new
    assert after.column_names == (before.column_names if type else ["tokens", "score", "tags"])
    for name in ("tokens", "score"):
        assert after.schema.field(name) == before.schema.field(name)
        assert str(after[name].combine_chunks()) == str(before[name].combine_chunks())  # NaN is not equal to itself
    large = type == pa.large_list(pa.large_string())
    assert str(after.schema.field("tags").type).startswith("large_list" if large else "list")
    assert str(after.schema.field("tags").type.value_type) == ("large_string" if large else "string")
    assert [sentence.labels for sentence in rows(out)] == new


def test_what_a_table_says_of_itself_is_kept(save, tmp_path):
    schema = pa.schema([pa.field("tokens", LISTS, metadata={"a": "b"}), pa.field("tags", LISTS)], {"c": "d"})
    parquet.write_table(pa.table({"tokens": [["a"]], "tags": [["X"]]}, schema=schema), tmp_path / "a.parquet")
    [sentence] = rows(tmp_path / "a.parquet")
    write_rows(tmp_path / "b.parquet", [(sentence, ["Y"])])
    found = parquet.read_schema(tmp_path / "b.parquet")
    assert (found.metadata, found.field("tokens").metadata[b"a"]) == ({b"c": b"d"}, b"b")


def test_a_table_that_cannot_be_finished_leaves_what_was_there(save, write, tmp_path):
    path, out = save(tokens=[["a"], [None]], tags=[["X"], None]), write("b.parquet", "before")
    with pytest.raises(DataError, match="found null as word 1") as error:
        write_rows(out, ((s, ["X"]) for s in open_parquet_lists(path, need_label=False).sentences))
    assert (error.value.line, error.value.column) == (2, "tokens")
    assert out.read_text() == "before"
    assert {file.name for file in tmp_path.iterdir()} == {"a.parquet", "b.parquet"}
    [sentence] = rows(save("c.parquet", tokens=[["a", "b"]], tags=[["X", "Y"]]))
    for labels in (["X"], ["X"] * 3):
        with pytest.raises(ValueError, match="expected 2 labels"):
            write_rows(out, [(sentence, labels)])
        with pytest.raises(ValueError, match="expected 2 labels"):
            sentence.written(labels)


@pytest.mark.parametrize(
    ("columns", "line", "said"),
    [
        ({"tokens": [["a"], ["b"]], "tags": [["X"], ["X", "Y"]]}, 2, "expected 1 label, one for each word, found 2"),
        ({"tokens": [["a"], None], "tags": [["X"], ["X"]]}, 2, "expected a list of words, found null"),
        ({"tokens": [["a"], []], "tags": [["X"], []]}, 2, "expected words, found an empty list"),
        ({"tokens": [["a"], ["", "b"]], "tags": [["X"], ["X", "X"]]}, 2, "found an empty text as word 1"),
        ({"tokens": [["a"], ["b"]], "tags": [["X"], None]}, 2, "expected a list of labels, found null"),
        ({"tokens": [["a"], ["b"]], "tags": [["X"], [None]]}, 2, "labels that are texts, found null as label 1"),
        ({"tokens": [["a"]], "tags": [[3]]}, None, r"type list<.*int64>: write each label's name in place of its"),
        ({"tokens": [[3]], "tags": [["X"]]}, None, r"expected lists of words that are texts, found values of the type"),
        ({"tokens": [], "tags": []}, None, "expected"),
    ],
)
def test_parquet_faults_name_the_row(save, columns, line, said):
    path = save(**columns)
    with pytest.raises((DataError, UsageError), match=said) as error:
        rows(path)
    assert str(path) in str(error.value)
    assert getattr(error.value, "line", None) == line


def test_parquet_without_rows(save):
    path = save(types={"tokens": LISTS, "tags": LISTS}, tokens=[], tags=[])
    with pytest.raises(DataError, match="expected sentences, found a table without rows"):
        rows(path)


def test_bytes_that_are_no_text_are_named_by_row(save):
    values = pa.array([b"ok", b"ok", b"\xff\xfe"], pa.binary()).view(pa.string())
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), values)
    with pytest.raises(DataError, match="expected UTF-8, found other bytes") as error:
        rows(save(tokens=lists, tags=[["X"]] * 3))
    assert (error.value.line, error.value.column) == (3, "tokens")


@pytest.mark.parametrize(
    ("values", "said"), [([b"\1"], "of the type bytes"), ([float("inf")], "a number that is infinite or none")]
)
def test_rows_that_json_cannot_spell(save, values, said):
    [sentence] = rows(save(tokens=[["a"]], tags=[["X"]], other=values))
    with pytest.raises(DataError, match=f"values that JSON can spell, found .*{said}.* --out FILE.parquet") as error:
        sentence.written(["Y"])
    assert error.value.line == 1


def test_columns_of_one_name(tmp_path):
    for names, said in ((["tokens", "tags", "tags"], "2"), (["tokens", "tokens", "tags"], "2")):
        table = pa.Table.from_arrays([pa.array([["a"]])] * 3, names=names)
        parquet.write_table(table, tmp_path / "a.parquet")
        with pytest.raises((DataError, UsageError), match=said):
            rows(tmp_path / "a.parquet", text="tokens", label="tags")
        with pytest.raises((DataError, UsageError), match=r"say|2"):
            rows(tmp_path / "a.parquet")


def test_damage_is_named(save, write):
    whole = save(tokens=[["some", "words"]] * 50, tags=[["X", "Y"]] * 50).read_bytes()
    for content in (whole[:-30], whole[:8], b"PAR1", whole[:60] + b"\xff" * 40 + whole[100:]):
        path = write("b.parquet", content)
        with pytest.raises(DataError, match="expected a whole Parquet file") as error:
            rows(path)
        assert error.value.path == str(path)


def test_a_missing_pyarrow_says_how_to_install_it(save, monkeypatch):
    path = save(tokens=[["a"]], tags=[["X"]])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'throughtime\[parquet\]'"):
        rows(path)


# Streaming


def test_sentences_come_before_the_file_is_read(write, save):
    opened = open_jsonl_lists(write("a", PAIR * 200_000 + "broken"))
    assert len(list(islice(opened.sentences, 1000))) == 1000
    opened.sentences.close()
    opened = open_parquet_lists(save(tokens=[["a"]] * 3000, tags=[["X"]] * 3000))
    assert len(list(islice(opened.sentences, 1000))) == 1000
    opened.sentences.close()  # a file left open would be a warning, and that an error


def test_memory_does_not_grow_with_json_lines(write, tmp_path):
    def peak(times):
        path = write("a", json.dumps({"note": "x" * 3000, "tokens": ["a"], "tags": ["X"]}) + "\n")
        path.write_bytes(path.read_bytes() * times)
        tracemalloc.start()
        sentences = open_jsonl_lists(path).sentences
        write_sentences(tmp_path / "out", ((sentence, ["Y"]) for sentence in sentences))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    small, large = peak(1000), peak(3000)  # 3 and 9 MB
    assert large < small * 1.1


def test_memory_does_not_grow_with_a_table(tmp_path):
    path, out = tmp_path / "long.parquet", tmp_path / "out.parquet"
    schema = pa.schema({"note": pa.string(), "tokens": LISTS, "tags": LISTS})
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        notes = [f"{n}" + "x" * 2000 for n in range(2000)]
        for _ in range(20):
            writer.write_table(pa.table({"note": notes, "tokens": [["a"]] * 2000, "tags": [["X"]] * 2000}, schema))
    before, peak = pa.total_allocated_bytes(), 0

    def labelled():
        nonlocal peak
        for sentence in open_parquet_lists(path, need_label=False).sentences:
            yield sentence, ["Y"]
            if sentence.line % 1000 == 0:
                peak = max(peak, pa.total_allocated_bytes() - before)

    assert write_rows(out, labelled()) == 40_000
    assert path.stat().st_size > 80_000_000
    assert peak < 50 << 20
