from __future__ import annotations

import gzip
import os

import pytest

from throughtime.data.files import check_encoding, plain_name, read_lines, read_text
from throughtime.errors import DataError, UsageError


def test_lines_end_only_at_a_newline(write):
    path = write("a.txt", "one\u2028still\x0bone\x85\x0c\x1c\r\ntwo\rtwo\n\nfour")
    assert list(read_lines(path)) == ["one\u2028still\x0bone\x85\x0c\x1c\r", "two\rtwo", "", "four"]


@pytest.mark.parametrize("content", ["", "\n", "a", "a\n", "a\n\n", "\n\na"])
def test_lines_of_short_files(write, content):
    lines = list(read_lines(write("a.txt", content)))
    assert lines == (content.split("\n")[:-1] if content.endswith("\n") else content.split("\n") if content else [])


def test_lines_longer_than_a_block_and_characters_across_blocks(write):
    long = "é" * (1 << 20) + "€"
    path = write("a.txt", f"x{long}\n{long}\nend")
    assert list(read_lines(path)) == [f"x{long}", long, "end"]


def test_a_byte_order_mark_is_dropped_once(write):
    assert read_text(write("a.txt", "\ufeff\ufeffa")) == "\ufeffa"
    assert read_text(write("b.txt", "\ufeffa".encode("utf-16-le")), "utf-16-le") == "a"


def test_gzip_is_told_by_content_not_by_name(write):
    assert read_text(write("a.txt", gzip.compress(b"a\nb"))) == "a\nb"
    assert read_text(write("b.gz", "plain")) == "plain"
    assert plain_name("x/a.csv.gz").name == "a.csv"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda packed: packed[:-12], "ends too early"),
        (lambda packed: packed[:2], "ends too early"),
        (lambda packed: packed[:-8] + b"\0" * 8, "damaged"),
        (lambda packed: packed[:12] + b"\xff" * 20 + packed[32:], "damaged"),
        (lambda packed: packed + b"more", "damaged"),
        (lambda packed: packed[:2] + b"\x09" + packed[3:], "damaged"),
    ],
)
def test_a_damaged_gzip_is_said(write, damage, said):
    path = write("a.gz", damage(gzip.compress(os.urandom(500).hex().encode(), mtime=0)))
    with pytest.raises(DataError, match=said) as error:
        read_text(path)
    assert error.value.path == str(path)


@pytest.mark.parametrize("before", [b"ok\ncaf", b"x" * (1 << 20) + b"\n", b"\xc3\xa9" * (1 << 19) + b"\n\n"])
def test_a_wrong_byte_is_named_by_value_place_and_line(write, before):
    path = write("a.txt", before + b"\xf0 and more\n")
    with pytest.raises(DataError, match="windows-1252") as error:
        read_text(path)
    assert f"0xF0 at byte {len(before)} (counted from 0)" in str(error.value)
    assert error.value.line == before.count(b"\n") + 1


def test_a_wrong_byte_after_a_byte_order_mark_and_in_gzip(write):
    path = write("a.txt", gzip.compress(b"\xef\xbb\xbfa\nb\xff"))
    with pytest.raises(DataError, match="0xFF at byte 6 ") as error:
        read_text(path)
    assert error.value.line == 2


def test_a_character_cut_off_at_the_end_is_named(write):
    with pytest.raises(DataError, match="0xE2 at byte 2 "):
        read_text(write("a.txt", b"ab\xe2\x82"))


def test_advice_fits_the_case(write):
    with pytest.raises(DataError, match="--encoding utf-16"):
        read_text(write("a.txt", "text".encode("utf-16")))
    with pytest.raises(DataError, match="binary file"):
        read_text(write("b.txt", b"ab\xff\0\0"))
    with pytest.raises(DataError, match="--encoding latin-1, which takes every byte"):
        read_text(write("c.txt", b"\x81"), "windows-1252")


def test_a_nul_byte_is_refused_with_its_line(write):
    with pytest.raises(DataError, match="NUL") as error:
        read_text(write("a.txt", "a\nb\0c"))
    assert error.value.line == 2


@pytest.mark.parametrize(
    ("magic", "said"),
    [(b"PK\x03\x04..", "zip"), (b"\xfd7zXZ\x00..", "xz"), (b"BZh91AY&SY", "bzip2"), (b"PAR1..", "Parquet")],
)
def test_other_archives_are_named(write, magic, said):
    with pytest.raises(DataError, match=said):
        read_text(write("a.txt", magic))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "windows-1252", "utf-16", "cp932", "UTF8", "koi8-r"])
def test_encodings_of_files_are_taken(encoding):
    check_encoding(encoding)


@pytest.mark.parametrize("encoding", ["utf-9", "", "base64", "rot13", "idna", "unicode_escape", "a\0b", "\ud800"])
def test_other_encodings_are_a_usage_error(write, encoding):
    with pytest.raises(UsageError, match="encoding"):
        read_text(write("a.txt", "a"), encoding)


def test_what_cannot_be_opened_is_said_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match="nothing of that name"):
        read_text(tmp_path / "none.csv")
    with pytest.raises(DataError, match="found a folder"):
        read_text(tmp_path)
    with pytest.raises(DataError, match="NUL character"):
        read_text("a\0b")
    with pytest.raises(DataError, match="too long"):
        read_text(tmp_path / ("x" * 3000))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="a superuser may read everything")
def test_a_file_without_permission(write):
    path = write("a.txt", "a")
    path.chmod(0)
    with pytest.raises(DataError, match="permission"):
        read_text(path)


def test_permission_errors_are_said(write, monkeypatch):
    path = write("a.txt", "a")

    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("throughtime.data.files.Path.open", refuse)
    with pytest.raises(DataError, match="without the permission"):
        read_text(path)
