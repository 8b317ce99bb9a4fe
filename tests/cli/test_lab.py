"""``throughtime lab`` as a person uses it, and misuses it."""

from __future__ import annotations

import json

import pytest

from tests.inspect.test_lab import shorten

TINY = ["--distances", "4,6", "--updates", "2", "--hidden-size", "4", "--batch-size", "4", "--threads", "1"]


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    shorten(monkeypatch)


def test_writes_a_page_and_the_results(run, tmp_path):
    out = tmp_path / "lab"
    result = run("lab", "vanishing", *TINY, "--out", out)
    assert result.code == 0
    assert "Solved distances:" in result.out
    assert "ended in NaN at update" in result.out
    assert {path.name for path in out.iterdir()} == {"report.html", "results.json"}
    content = json.loads((out / "results.json").read_text())
    assert content["command"].startswith("throughtime lab vanishing --distances 4,6")
    assert [cell["cell"] for cell in content["cells"]] == ["elman", "gru", "lstm"]
    assert content["command"] in (out / "report.html").read_text()


def test_json_is_one_object_and_quiet_is_quiet(run, tmp_path):
    result = run("lab", "vanishing", *TINY, "--out", tmp_path / "a", "--json", "--quiet")
    assert json.loads(result.out) == json.loads((tmp_path / "a" / "results.json").read_text())
    assert result.err == ""


def test_replaces_nothing_unasked(run, tmp_path):
    words = ["lab", "vanishing", *TINY, "--out", tmp_path]
    assert run(*words, "--quiet") == (0, "", "")
    before = (tmp_path / "results.json").read_bytes()
    result = run(*words)
    assert result.code == 2
    assert "already holds a results.json: --overwrite replaces it" in result.err
    assert (tmp_path / "results.json").read_bytes() == before
    assert run(*words, "--seed", 2, "--overwrite", "--quiet").code == 0
    assert (tmp_path / "results.json").read_bytes() != before


def test_the_report_of_a_model_is_never_replaced(run, tmp_path):
    (tmp_path / "report.html").write_text("a model's")
    result = run("lab", "vanishing", *TINY, "--out", tmp_path, "--overwrite")
    assert result.code == 2
    assert "already holds a report.html: expected a new folder" in result.err
    assert (tmp_path / "report.html").read_text() == "a model's"


def test_the_command_says_how_many_updates_the_minutes_left(run, tmp_path):
    result = run("lab", "vanishing", *TINY, "--updates", 10**7, "--minutes", "0.001", "--out", tmp_path, "--json")
    content = json.loads(result.out)
    assert content["updates"] < 10**7
    assert content["command"].endswith(f"--updates {content['updates']}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--distances", "5,far"], "--distances: expected whole numbers from 1 to 10000 with commas between them"),
        (["--minutes", "0"], "--minutes: expected a value greater than 0, found 0"),
        (["--task", "sorting"], "invalid choice"),
    ],
)
def test_misuse_gets_a_sentence(run, tmp_path, options, message):
    result = run("lab", "vanishing", "--out", tmp_path / "lab", *options)
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "lab").exists()


def test_an_out_that_is_a_file_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("lab", "vanishing", *TINY, "--out", tmp_path / "file")
    assert result.code == 2
    assert "expected a folder, found a file" in result.err
