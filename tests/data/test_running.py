"""Running text from files, in blocks."""

import gzip
import hashlib
import io
import os
import tempfile
import threading
import types
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data import running
from throughtime.data.identity import content_hash
from throughtime.data.running import RunningText, Span, _cut
from throughtime.errors import DataError, UsageError

TEXTS = st.text(st.sampled_from("ab \n\ré"), min_size=1, max_size=30)


def joined(text, **settings):
    return "".join(piece for _, piece in text.pieces(**settings))


def blocks(text, size):
    return list(_cut([text], size))


def test_a_file_is_counted_hashed_and_read_again(write):
    path = write("a.txt", "\ufeffé\r\nzwei\n")
    text = RunningText.open(path)
    assert len(text) == 8
    assert text.sha256 == {str(path): content_hash(path)}
    assert list(text.pieces()) == list(text.pieces()) == [(True, "é\r\nzwei\n")]
    assert text.spans == [Span(path, 0, 8)]


@pytest.mark.parametrize(
    ("content", "end"), [("a\nb\r\n", "\n"), ("a\r\nb\n", "\r\n"), ("\r\n", "\r\n"), ("a\rb", "\n"), ("a\r", "\n")]
)
def test_the_first_line_tells_how_lines_end(write, content, end):
    assert RunningText.open(write("a.txt", content)).line_end == end


def test_gzipped_and_in_another_encoding(write):
    path = write("a.gz", gzip.compress("é\n".encode("latin-1")) * 2 + b"\0" * 100)
    text = RunningText.open(path, "latin-1")
    assert joined(text) == "é\né\n"
    assert text.sha256[str(path)] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_blocks_end_with_lines_or_after_blanks_or_anywhere():
    assert blocks("ab\ncd\nef\n", 7) == ["ab\ncd\n", "ef\n"]
    assert blocks("ab\ncd\n", 6) == ["ab\ncd\n"]
    assert blocks("ab cd efg\nh", 5) == ["ab ", "cd ", "efg\nh"]
    assert blocks("abcdefg", 3) == ["abc", "def", "g"]
    assert blocks("ab\r\ncd", 3) == ["ab", "\r\n", "cd"]


@given(st.lists(TEXTS, max_size=4), st.integers(2, 40))
def test_blocks_are_the_text_however_it_was_read(parts, size):
    text = "".join(parts)
    found = list(_cut(parts, size))
    assert "".join(found) == text
    assert found == blocks(text, size)
    assert all(0 < len(block) <= size for block in found)
    for block, then in pairwise(found):
        assert block.endswith("\n") or "\n" not in block
        assert not (block.endswith("\r") and then.startswith("\n"))


def test_a_folder_is_a_document_a_text_file(write, tmp_path):
    for name in ("b.txt", "a.txt", "deep/c.txt.gz", "notes.md", "README.txt", ".hidden.txt"):
        content = f"{name}\n"
        write(f"set/{name}", gzip.compress(content.encode()) if name.endswith("gz") else content)
    text = RunningText.open(tmp_path / "set")
    assert list(text.pieces()) == [(True, "a.txt\n"), (True, "b.txt\n"), (True, "deep/c.txt.gz\n")]
    assert list(text.pieces(4))[:3] == [(True, "a.tx"), (False, "t\n"), (True, "b.tx")]
    write("other/poem", "x")
    assert joined(RunningText.open(tmp_path / "other")) == "x"


def test_parts_are_cut_to_the_character(write, tmp_path):
    write("set/a.txt", "0123456789")
    write("set/b.txt", "abcdefghij")
    text = RunningText.open(tmp_path / "set")
    first, last = text.part(0.25)
    assert (joined(first), joined(last)) == ("0123456789abcde", "fghij")
    assert list(last.pieces()) == [(True, "fghij")]
    first, last = text.part(0.5)
    assert (len(first.spans), len(last.spans)) == (1, 1)
    again, rest = last.part(0.9)
    assert (joined(again), joined(rest)) == ("a", "bcdefghij")  # a float's 1 - 0.9 would give none
    one = RunningText.open(write("one.txt", "é"))
    assert [joined(part) for part in one.part(0.1)] == ["", "é"]


@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(1, 999), st.integers(2, 20))
def test_parts_are_the_whole(texts, share, size):
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            Path(folder, f"{number}.txt").write_bytes(text.encode())
        whole = RunningText.open(folder)
        first, last = whole.part(share / 1000)
        assert joined(first, size=size) + joined(last, size=size) == joined(whole) == "".join(texts)
        assert len(joined(first)) == len(first) == len(whole) * (1000 - share) // 1000


@pytest.mark.parametrize("share", [0, 1, -0.1, 2])
def test_a_share_is_between_0_and_1(write, share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        RunningText.open(write("a.txt", "a")).part(share)


def test_a_pipe_is_kept_as_long_as_it_is_wanted(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"one\ntwo\n",))
    writer.start()
    text = RunningText.open(pipe)
    writer.join()
    spool, (first, last) = text.spans[0].path, text.part(0.5)
    del text, first
    assert joined(last) == joined(last) == "two\n"
    assert list(last.sha256) == [str(pipe)]
    del last
    assert not spool.exists()


def test_standard_input(monkeypatch):
    def give(data):
        monkeypatch.setattr(running.sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))

    give(gzip.compress(b"one\n"))
    assert joined(RunningText.open("-")) == "one\n"
    give(b"one\n\xff")
    with pytest.raises(DataError, match="standard input, line 2: expected utf-8 text, found the byte 0xFF"):
        RunningText.open("-")


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_file(write, content):
    with pytest.raises(DataError, match=r"a\.txt: expected text, found an empty file"):
        RunningText.open(write("a.txt", content))


def test_faults_are_named_by_their_place(write, tmp_path):
    with pytest.raises(DataError, match=r"a\.txt, line 2: .* byte 0xE9 at byte 5"):
        RunningText.open(write("a.txt", b"one\nt\xe9\n"))
    with pytest.raises(DataError, match="cut off"):
        RunningText.open(write("a.gz", gzip.compress(b"some text")[:-4]))
    with pytest.raises(DataError, match="nothing of that name"):
        RunningText.open(tmp_path / "none.txt")
    with pytest.raises(UsageError, match="expected an encoding"):
        RunningText.open(write("a.txt", "a"), "utf-9")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected a folder of text files, found none"):
        RunningText.open(tmp_path / "empty")


def test_a_file_that_has_become_shorter(write):
    text = RunningText.open(write("a.txt", "one\ntwo\n"))
    write("a.txt", "one\n")
    with pytest.raises(DataError, match="expected 8 characters as before, found 4: the file has changed"):
        joined(text)


def test_memory_is_that_of_a_few_blocks(write):
    import tracemalloc

    text = RunningText.open(write("a.txt.gz", gzip.compress(b"x" * (1 << 25), 1)))
    tracemalloc.start()
    try:
        assert sum(len(piece) for _, piece in text.pieces()) == len(text) == 1 << 25
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
