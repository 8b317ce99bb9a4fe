"""JSON lines and Parquet of sentences go through train, evaluate, predict and verify, and come back filled."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest
from pyarrow import parquet

from throughtime.cli.main import main

TINY = ["--hidden-size", "8", "--embedding-size", "8", "--no-characters", "--no-spelling", "--epochs", "4"]
WORDS = {"the": "DET", "a": "DET", "dog": "NOUN", "cat": "NOUN", "sees": "VERB", "likes": "VERB"}


def sentences(count, seed=0):
    draw = random.Random(seed)
    rows = [draw.choices(list(WORDS), k=draw.randrange(1, 6)) for _ in range(count)]
    return rows, [[WORDS[word] for word in row] for row in rows]


def save_jsonl(path, words, labels, **others):
    rows = [{"id": n, "tokens": own, "pos": tags} for n, (own, tags) in enumerate(zip(words, labels, strict=True))]
    path.write_text("".join(json.dumps(row | others) + "\n" for row in rows))


def save_parquet(path, words, labels, **others):
    lists = pa.list_(pa.string())
    columns = {"id": range(len(words)), "tokens": words, "pos": pa.array(labels, lists)}
    parquet.write_table(pa.table(columns | {name: [value] * len(words) for name, value in others.items()}), path)


SAVE = {"jsonl": save_jsonl, "parquet": save_parquet}


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """A folder with a model for each format, learnt from the same sentences."""
    folder = tmp_path_factory.mktemp("tagger")
    for kind, save in SAVE.items():
        save(folder / f"a.{kind}", *sentences(120))
        save(folder / f"more.{kind}", *sentences(60, seed=1))
        words = ["train", "label", folder / f"a.{kind}", "--out", folder / kind, "--threads", "1", "--quiet", *TINY]
        assert main([str(word) for word in words]) == 0
    return folder


@pytest.mark.parametrize("kind", SAVE)
def test_train_and_evaluate(run, tagger, kind):
    source = json.loads((tagger / kind / "config.json").read_text("utf-8"))["data"]["source"]
    assert (source["format"], source["text"], source["label"]) == (kind, "tokens", "pos")
    for other in SAVE:
        told = run("evaluate", tagger / kind, tagger / f"more.{other}", "--format", other, "--json")
        scores = json.loads(told.out)
        assert (scores["sequences"], scores["accuracy"] > 0.5) == (60, True)
    assert json.loads(run("evaluate", tagger / kind, tagger / f"more.{kind}", "--json").out) == scores


@pytest.mark.parametrize("kind", SAVE)
def test_verify(run, tagger, tmp_path, kind):
    result = run("verify", tagger / kind, tagger / f"more.{kind}", "--json")
    assert (result.code, json.loads(result.out)["rows"]) == (0, 60)
    SAVE[kind](tmp_path / "a", [["a"], [], ["dog", "sees"]], [["DET"], [], None])
    result = run("verify", tagger / kind, tmp_path / "a", "--json")
    assert (result.code, json.loads(result.out)["rows"]) == (0, 3)
    SAVE[kind](tmp_path / "b", [[]], [[]])
    result = run("verify", tagger / kind, tmp_path / "b")
    assert (result.code, result.err) == (2, "throughtime: expected sentences with words to try, found none\n")


def test_predict_fills_json_lines(run, tagger, tmp_path):
    words, labels = sentences(60, seed=1)
    plain, out = tmp_path / "plain.jsonl", tmp_path / "out.jsonl"
    save_jsonl(plain, words, [None] * 60, note=[1.50, {"pos": None}])
    raw = plain.read_bytes().replace(b"\n", b"\r\n")[:-2]
    plain.write_bytes(raw)
    assert run("predict", tagger / "jsonl", plain, "--out", out).err == f"60 sentences labelled, in {out}\n"
    found = [json.loads(line)["pos"] for line in out.read_text().splitlines()]
    assert [len(tags) for tags in found] == [len(tags) for tags in labels]
    right = sum(a == b for x, y in zip(found, labels, strict=True) for a, b in zip(x, y, strict=True))
    scores = json.loads(run("evaluate", tagger / "jsonl", tagger / "more.jsonl", "--json").out)
    assert right == round(scores["accuracy"] * scores["tokens"])
    blank = out.read_bytes()
    for tags in found:
        blank = blank.replace(b'"pos": ' + json.dumps(tags).encode() + b",", b'"pos": null,', 1)
    assert blank == raw
    # What was filled is filled again alike, and on the screen too.
    assert run("predict", tagger / "jsonl", out).out.encode() == out.read_bytes()


def test_predict_fills_parquet(run, tagger, tmp_path):
    words, _ = sentences(3000, seed=1)
    plain, out, lines = tmp_path / "plain.pq", tmp_path / "out.parquet", tmp_path / "out.jsonl"
    save_parquet(plain, [*words, []], [None] * 3001, score=0.5)
    assert run("predict", tagger / "parquet", plain, "--out", out).code == 0
    before, after = parquet.read_table(plain), parquet.read_table(out)
    assert after.drop(["pos"]).equals(before.drop(["pos"]))
    assert after.schema == before.schema
    found = after["pos"].to_pylist()
    assert [len(tags) for tags in found] == [*map(len, words), 0]
    assert run("predict", tagger / "parquet", plain, "--out", lines).code == 0
    assert [json.loads(line) for line in lines.read_text().splitlines()] == after.to_pylist()
    assert run("predict", tagger / "parquet", plain).out == lines.read_text()
    # A model of JSON lines tells the same of the same words.
    assert run("predict", tagger / "jsonl", lines, "--out", tmp_path / "again.jsonl").code == 0
    assert (tmp_path / "again.jsonl").read_bytes() == lines.read_bytes()


def test_labels_that_are_missing_are_added(run, tagger, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"tokens":["the","dog"]}\n{"tokens":[] , "pos":[]}')
    result = run("predict", tagger / "jsonl", tmp_path / "a.jsonl")
    first, second = result.out.splitlines()
    assert len(json.loads(first)["pos"]) == 2
    assert first.startswith('{"tokens":["the","dog"],"pos":["')
    assert second == '{"tokens":[] , "pos":[]}'
    parquet.write_table(pa.table({"tokens": [["the", "dog"]]}), tmp_path / "a.parquet")
    assert run("predict", tagger / "parquet", tmp_path / "a.parquet", "--out", tmp_path / "b.parquet").code == 0
    [row] = parquet.read_table(tmp_path / "b.parquet").to_pylist()
    assert (list(row), len(row["pos"])) == (["tokens", "pos"], 2)


@pytest.mark.parametrize(
    ("kind", "out", "said"),
    [
        ("parquet", "b.csv", "b.csv: expected a name that ends in .parquet or .jsonl, as "),
        ("parquet", "b.conllu", "expected a name that ends in .parquet or .jsonl"),
        ("jsonl", "b.parquet", "which is read as jsonl, found a name of Parquet"),
    ],
)
def test_names_that_say_another_format(run, tagger, tmp_path, kind, out, said):
    result = run("predict", tagger / kind, tagger / f"more.{kind}", "--out", tmp_path / out)
    assert (result.code, said in result.err, result.err.count("\n")) == (2, True, 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "line", "said"),
    [
        ("evaluate", '{"tokens": ["a"], "pos": ["DET", "X"]}', "line 2, column 'pos': expected 1 label, one for each"),
        ("evaluate", '{"tokens": [], "pos": []}', "line 2, column 'tokens': expected words, found an empty list"),
        ("evaluate", '{"tokens": ["a"], "pos": null}', "line 2, column 'pos': expected a list of labels, found null"),
        ("predict", '{"tokens": ["a"], "pos": [3]}', "line 2, column 'pos': expected labels that are texts, found the"),
        ("predict", '{"words": ["a"]}', 'line 2: expected the key "tokens", found the keys "words"'),
        ("predict", "x", "line 2: expected one JSON object a line"),
        (
            "verify",
            '{"tokens": ["a", 1]}',
            "line 2, column 'tokens': expected words that are texts, found the number 1",
        ),
        ("train", '{"tokens": [], "pos": []}', "line 2, column 'tokens': expected words, found an empty list"),
    ],
)
def test_faults_are_one_sentence(run, tagger, tmp_path, command, line, said):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"tokens": ["a"], "pos": ["DET"]}}\n{line}\n')
    words = {
        "evaluate": ["evaluate", tagger / "jsonl", path],
        "predict": ["predict", tagger / "jsonl", path, "--out", tmp_path / "out.jsonl"],
        "verify": ["verify", tagger / "jsonl", path],
        "train": ["train", "label", path, "--out", tmp_path / "model", *TINY],
    }[command]
    result = run(*words)
    assert (result.code, result.err) == (2, f"throughtime: {path}, {result.err.partition(', ')[2]}")
    assert said in result.err
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_what_is_not_plain_is_asked_for(run, tmp_path):
    save_jsonl(tmp_path / "a.jsonl", *sentences(5), ner_tags=["O"])
    result = run("train", "label", tmp_path / "a.jsonl", "--out", tmp_path / "model", *TINY)
    assert (result.code, "say --label, each with a name or a number from 1" in result.err) == (2, True)
