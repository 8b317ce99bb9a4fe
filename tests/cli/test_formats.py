"""Parquet files and tar archives go through train, evaluate and predict like any other file."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.cli.conftest import SMALL
from tests.conftest import reviews


def save_parquet(path, rows):
    labels, texts = zip(*rows, strict=True)
    parquet.write_table(pa.table({"id": range(len(rows)), "review": texts, "sentiment": labels}), path)


def save_archive(path, rows):
    with tarfile.open(path, "w:gz") as tar:
        for number, (label, text) in enumerate(rows):
            member = tarfile.TarInfo(f"reviews/{label}/{number:03}.txt")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.parametrize(("save", "name"), [(save_parquet, "a.parquet"), (save_archive, "a.tar.gz")])
def test_train_evaluate_and_predict(run, tmp_path, save, name):
    save(tmp_path / name, reviews(120))
    save(tmp_path / f"more.{name}", reviews(100, seed=1))
    trained = run("train", "classify", tmp_path / name, "--out", tmp_path / "model", *SMALL, "--epochs", "2")
    assert trained.code == 0, trained.err
    assert "120 rows" in trained.err
    scores = json.loads(run("evaluate", tmp_path / "model", tmp_path / f"more.{name}", "--json").out)
    assert scores["examples"] == 100
    predicted = list(csv.DictReader(io.StringIO(run("predict", tmp_path / "model", tmp_path / f"more.{name}").out)))
    label = "sentiment" if save is save_parquet else "label"
    assert sum(row["predicted"] == row[label] for row in predicted) / 100 == scores["accuracy"]


def test_a_model_of_a_table_reads_a_parquet_file_when_told(run, trained, tmp_path):
    save_parquet(tmp_path / "more.parquet", reviews(100, seed=1))
    refused = run("evaluate", trained / "model", tmp_path / "more.parquet")
    assert (refused.code, "--format parquet" in refused.err) == (2, True)
    result = run("evaluate", trained / "model", tmp_path / "more.parquet", "--format", "parquet", "--json")
    assert json.loads(result.out)["examples"] == 100


def write_csv(path, rows):
    path.write_text("sentiment,review\n" + "".join(f"{label},{text}\n" for label, text in rows))


def write_folder(path, rows):
    for number, (label, text) in enumerate(rows):
        (path / label).mkdir(parents=True, exist_ok=True)
        (path / label / os.fsdecode(b"\xfe%d.txt" % number)).write_text(text if number else "")  # the first gets a note


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
@pytest.mark.parametrize("save", [write_csv, write_folder])
def test_names_of_files_that_are_no_text(run, tmp_path, save):
    file, test = (tmp_path / os.fsdecode(name) for name in (b"rev\xff.csv", b"test\xff.csv"))
    try:
        save(file, reviews(60))
        save(test, reviews(40, seed=1))
    except OSError:
        pytest.skip("this file system takes no such name")
    words = ["train", "classify", file, "--test", test, "--out", tmp_path / "model", *SMALL, "--epochs", "1"]
    assert run(*words).code == 0
    settings = json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))
    assert settings["data"]["train"]["path"].endswith("rev?.csv")
    assert settings["data"]["options"]["test"].endswith("test?.csv")
    report = (tmp_path / "model" / "report.html").read_text("utf-8")
    assert ("test?.csv, line" if save is write_csv else ".txt, line 1") in report
    assert run("evaluate", tmp_path / "model", test, "--json").code == 0
