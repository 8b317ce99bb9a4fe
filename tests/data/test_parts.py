"""Parts on disk are those in memory, and are found again until something changes."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from tests.conftest import reviews
from throughtime.data import corpus
from throughtime.data.config import DataConfig
from throughtime.data.corpus import Corpus
from throughtime.data.parts import Meaning, TextFiles, read_parts
from throughtime.errors import DataError

MEANING = Meaning("classify", lambda example: example.label, lambda rows: [row.label for row in rows])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "reviews.csv"
    rows = "".join(f"{label},{text},{number % 7}\n" for number, (label, text) in enumerate(reviews(200)))
    path.write_text("label,text,other\n" + rows + "good,again,1\n" * 12)
    (tmp_path / "held.csv").write_text("label,text,other\ngood,lovely,1\nbad,again,2\n")
    return path


@pytest.fixture
def read(file, tmp_path):
    def read(*, large=True, path=file, seed=1, meaning=MEANING, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(corpus, "IN_MEMORY", 100 if large else 1 << 24)
            return read_parts(path, TextFiles(DataConfig(**options)), meaning, seed, tmp_path / "cache")

    return read


OPTIONS = [{}, {"valid": "0"}, {"test": "0.2"}, {"valid": "held.csv"}, {"test": "held.csv", "valid": "0.3"}]


@pytest.mark.parametrize("options", OPTIONS)
def test_on_disk_as_in_memory(read, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small, large = read(large=False, **options), read(**options)
    again = read(**options)
    assert (small.folder, large.kept, again.kept) == (None, False, True)
    assert large.folder == again.folder
    for found in (large, again):
        for name in ("train", "valid", "test"):
            assert isinstance(getattr(found, name), Corpus) or not getattr(found, name)
            assert list(getattr(found, name)) == list(getattr(small, name))
        assert found.facts == small.facts
        assert found.warnings == small.warnings
    assert "repeat an earlier text and label" in small.warnings[0]


def test_what_has_changed_is_read_anew(read, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = read(test="held.csv")
    for options in ({}, {"seed": 2}, {"valid": "0.3"}, {"strict": True}):
        assert read(test="held.csv", **options).kept
    assert list(read(test="held.csv", seed=2).train) != list(first.train)
    for options in ({"label_until": "o"}, {"encoding": "latin-1"}, {"test": "0.1"}):
        assert not read(**({"test": "held.csv"} | options)).kept
    (tmp_path / "held.csv").write_text("label,text,other\ngood,lovely,1\nbad,never,2\n")
    assert [row.text for row in read(test="held.csv").test] == ["lovely", "never"]
    status = file.stat()
    file.write_text(file.read_text().replace("again", "ag4in"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # as `cp -p` of a file of the same size leaves it
    assert "ag4in" in [row.text for row in read(test="held.csv").train]


def test_a_file_by_another_name_is_called_by_that(read, file, tmp_path):
    read()
    other = tmp_path / "other.csv"
    other.symlink_to(file)
    found = read(path=other)
    assert found.facts["train"]["path"] == found.train[0].path == str(other)


def test_small_data_leaves_nothing(read, tmp_path):
    read(large=False)
    assert not (tmp_path / "cache").exists()


def test_a_folder_is_known_by_all_of_its_files(read, tmp_path):
    folder = tmp_path / "classes"
    for label in ("good", "bad"):
        (folder / label).mkdir(parents=True)
        for number in range(20):
            (folder / label / f"{number}.txt").write_text(f"{label} text {number}")
    assert not read(path=folder).kept
    assert read(path=folder).kept
    (folder / "bad" / "3.txt").write_text("other words")
    assert not read(path=folder).kept


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_never_known(read, file, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for _ in range(2):
        writer = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()))
        writer.start()
        found = read(path=pipe)
        writer.join()
        assert len(found.train) + len(found.valid) == 212
        assert not found.kept


def test_an_error_leaves_nothing_behind(read, file, tmp_path):
    file.write_text(file.read_text() + "good\n")
    with pytest.raises(DataError, match="line 214"):
        read()
    assert not any((tmp_path / "cache").glob("*"))


@pytest.mark.parametrize(
    "name", ["train/rows", "train/texts", "train/names.json", "files.json", "train.npy", "warnings.json"]
)
def test_a_damaged_cache_is_made_again(read, name):
    first = read()
    rows = list(first.train)
    for file in first.folder.parent.rglob(Path(name).name):
        file.write_bytes(file.read_bytes()[:-3])
    again = read()
    assert list(again.train) == rows
    assert again.warnings == first.warnings


def test_linked_folders_are_looked_into(read, tmp_path):
    """What stands beside the classes and is not read, such as an editor's dangling lock, is let be."""
    folder = tmp_path / "classes"
    folder.mkdir()
    for label in ("good", "bad"):
        (tmp_path / "real" / label).mkdir(parents=True)
        (folder / label).symlink_to(tmp_path / "real" / label)
        for number in range(20):
            (folder / label / f"{number}.txt").write_text(f"{label} text {number}")
    (folder / ".#lock").symlink_to("nowhere")
    first = read(path=folder)
    assert first.facts["train"]["sha256"] != hashlib.sha256().hexdigest()
    (folder / "bad" / "3.txt").write_text("other words")
    again = read(path=folder)
    assert not again.kept
    assert again.facts["train"]["sha256"] != first.facts["train"]["sha256"]
    assert "other words" in [row.text for part in (again.train, again.valid) for row in part]


def test_what_is_done_is_told(file, tmp_path):
    file.write_text("label,text\n" + "good,a\nbad,b\n" * 5000)
    told = []
    read_parts(file, TextFiles(DataConfig()), MEANING, 1, tmp_path / "cache", told.append)
    assert told == [
        f"reading {file}: 4,096 rows",
        f"reading {file}: 8,192 rows",
        "parting the rows",
        "looking the rows over",
    ]
