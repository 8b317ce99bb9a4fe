"""Folders that are whole or not there."""

import os
import time

import pytest

from throughtime.data.store import Store, usual_cache


def fill(store, name, size=10):
    with store.make(name) as folder:
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * size)


def test_a_folder_is_whole_or_not_there(tmp_path):
    store = Store(tmp_path / "cache")
    assert store.find("a") is None
    with pytest.raises(AttributeError), store.make("a") as folder:
        folder.mkdir(parents=True).fails()
    assert store.find("a") is None
    assert list(store.folder.iterdir()) == []
    fill(store, "a")
    assert (store.find("a") / "file").read_bytes() == b"x" * 10


def test_nothing_is_made_where_nothing_was_written(tmp_path):
    store = Store(tmp_path / "cache")
    with store.make("a"):
        pass
    assert not store.folder.exists()


def test_the_first_to_end_gives_the_name(tmp_path):
    store = Store(tmp_path)
    with store.make("a") as folder:
        folder.mkdir()
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "file").write_text("another's")
    assert (store.find("a") / "file").read_text() == "another's"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_was_used_longest_ago_goes_first(tmp_path):
    store = Store(tmp_path)
    for age, name in enumerate("abcd"):
        fill(store, name)
        os.utime(tmp_path / name, (time.time() - 100 + age,) * 2)
    store.find("a")  # used just now
    for kind, age in (("old", 90_000), ("new", 0)):
        (tmp_path / f"x.{kind}.partial").mkdir()
        os.utime(tmp_path / f"x.{kind}.partial", (time.time() - age,) * 2)
    assert store.tidy(most=20, keep="b") == ["c", "d"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "x.new.partial"]
    assert Store(tmp_path / "none").tidy() == []


def test_where_caches_live(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(usual_cache()) == "/somewhere/throughtime"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert str(usual_cache()) == "/home/ann/.cache/throughtime"
