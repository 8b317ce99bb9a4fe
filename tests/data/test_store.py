"""Folders that are whole or not there."""

import errno
import os
import shutil
import threading
import time

import pytest

from throughtime.data import store as store_module
from throughtime.data.store import Store, make_private, usual_cache
from throughtime.errors import DataError


def put(size=10):
    def make(folder):
        (make_private(folder) / "file").write_bytes(b"x" * size)

    return make


def read(folder):
    return (folder / "file").read_bytes()


def test_a_folder_is_whole_or_not_there(tmp_path):
    def fail(folder):
        make_private(folder / "inside")
        raise KeyError("here")

    store = Store(tmp_path / "cache")
    with pytest.raises(KeyError):
        store.get("a", fail, read)
    assert store.find("a") is None
    assert list(store.folder.iterdir()) == []
    assert store.get("a", put(), read) == b"x" * 10
    assert store.get("a", fail, read) == b"x" * 10  # not made again
    assert store.find("a").stat().st_mode & 0o777 == 0o700


def test_nothing_is_made_where_nothing_was_written(tmp_path):
    store = Store(tmp_path / "cache")
    assert store.get("a", lambda folder: b"at hand", read) == b"at hand"
    assert not store.folder.exists()


def test_what_is_damaged_is_made_again(tmp_path):
    store = Store(tmp_path)
    store.get("a", put(), read)
    (tmp_path / "a" / "file").unlink()
    assert store.get("a", put(3), read) == b"xxx"


def test_the_first_to_end_gives_the_name(tmp_path):
    def slow(folder):
        put(3)(folder)
        Store(tmp_path).get("a", put(7), read)  # another process, meanwhile

    assert Store(tmp_path).get("a", slow, read) == b"x" * 7
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_another_version_left_is_made_again(tmp_path, monkeypatch):
    Store(tmp_path).get("a", put(), read)
    monkeypatch.setattr(store_module, "FORMAT", 2)
    assert Store(tmp_path).find("a") is None
    assert Store(tmp_path).get("a", put(3), read) == b"xxx"


def test_no_room_is_said_with_the_place(tmp_path):
    def full(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"cache: expected to keep there .* no space left on device; --cache DIR"):
        Store(tmp_path / "cache").get("a", full, read)


def test_what_was_used_longest_ago_goes_first(tmp_path):
    store = Store(tmp_path)
    for age, name in enumerate("abcd"):
        store.get(name, put(1000), read)
        os.utime(next((tmp_path / name).glob("*.json")), (time.time() - 100 + age,) * 2)
    store.find("a")  # used just now
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_bytes(b"x" * 10_000)
    for kind, age in (("old", 90_000), ("new", 0)):
        (tmp_path / f"x.{kind}.partial").mkdir()
        os.utime(tmp_path / f"x.{kind}.partial", (time.time() - age,) * 2)
    assert store.tidy(most=2500, keep="b") == ["c", "d"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "thesis", "x.new.partial"]
    assert Store(tmp_path / "none").tidy() == []


def test_tidying_never_fails_another_run(tmp_path):
    """Folders come and go meanwhile."""
    stop = threading.Event()

    def work():
        while not stop.is_set():
            shutil.rmtree(tmp_path / "a", ignore_errors=True)
            Store(tmp_path).get("a", put(), lambda folder: None)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(50):
            Store(tmp_path).tidy(most=10**9)
    finally:
        stop.set()
        worker.join()


def test_where_caches_live(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(usual_cache()) == "/somewhere/throughtime"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert str(usual_cache()) == "/home/ann/.cache/throughtime"


def test_who_has_no_home_gets_a_folder_for_the_time_being(monkeypatch):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.expanduser", homeless)
    assert usual_cache().is_dir()
