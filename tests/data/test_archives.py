"""Tar archives of one file a class and one folder a class: read as the folders they hold, in the archive's order."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile

import pytest

from throughtime.data import read_examples, read_like, read_table
from throughtime.data.packed import is_tar
from throughtime.errors import DataError

SET = {"set/pos/1.txt": b"two\nlines\n", "set/neg/1.txt": b"dull\r\n", "set/pos/2.txt": b""}


@pytest.fixture
def pack(tmp_path):
    """Write an archive of these files and give the path."""

    def pack(name, files, mode="w", folders=(), **options):
        path = tmp_path / name
        with tarfile.open(path, mode, **options) as tar:
            for folder in folders:
                member = tarfile.TarInfo(folder)
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            for file, content in files.items():
                member = tarfile.TarInfo(file)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return path

    return pack


def fields(table):
    return [row.fields for row in table.rows]


@pytest.mark.parametrize("packing", ["", ":gz", ":xz", ":bz2"])
@pytest.mark.parametrize("name", ["set.tar", "set"])
@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_one_folder_a_class(pack, name, packing, format):
    path = pack(name, SET, f"w{packing}", folders=["set", "set/pos", "set/neg"], format=format)
    table = read_table(path)
    assert (table.format, table.columns) == ("folder-per-class", ("label", "text"))
    assert fields(table) == [("pos", "two\nlines"), ("neg", "dull"), ("pos", "")]
    assert [(row.path, row.line) for row in table.rows] == [(f"{path}:{file}", 1) for file in SET]
    assert "read as one folder a class, in a tar archive" in table.notes


def test_one_file_a_class(pack):
    files = {"names/Greek.txt": b"Adamou\n\nSamios\n", "names/Irish.txt.gz": gzip.compress(b"O'Brien\n")}
    path = pack("names.tgz", {**files, "names/README": b"about", "names/._Greek.txt": b"\0"}, "w:gz")
    table = read_table(path)
    assert table.format == "file-per-class"
    assert fields(table) == [("Greek", "Adamou"), ("Greek", "Samios"), ("Irish", "O'Brien")]
    assert (table.rows[1].path, table.rows[1].line) == (f"{path}:names/Greek.txt", 3)
    assert '2 entries of the folder are no class file and not read: "._Greek.txt", "README"' in table.notes
    assert f"1 blank line skipped (first: {path}:names/Greek.txt, line 2)" in table.notes


def test_an_archive_reads_as_the_folder_it_holds(pack, write, tmp_path):
    for file, content in SET.items():
        write(file, content)
    examples, source = read_examples(tmp_path / "set")
    packed, told = read_examples(pack("set.tar", SET))
    assert sorted((e.text, e.label) for e in packed) == sorted((e.text, e.label) for e in examples)
    assert told.format == source.format
    assert read_like(tmp_path / "set.tar", source) == packed
    assert read_like(tmp_path / "set", told) == examples


@pytest.mark.parametrize(
    "names", [["pos/1.txt", "neg/1.txt"], ["./pos/1.txt", "./neg/1.txt"], ["/a/pos/1", "/a/neg/1"]]
)
def test_how_names_begin_does_not_matter(pack, names):
    assert fields(read_table(pack("a.tar", dict.fromkeys(names, b"x")))) == [("pos", "x"), ("neg", "x")]


def test_what_lies_around_the_classes_is_told(pack):
    files = {"README": b"about", "set/._x": b"", "set/train/pos/1.txt": b"a", "set/train/neg/1.txt": b"b"}
    table = read_table(pack("a.tar", files))
    assert fields(table) == [("pos", "a"), ("neg", "b")]
    assert '2 entries of the folder are no class file and not read: "README", "._x"' in table.notes


def test_a_single_class_is_read_where_the_format_is_known(pack):
    path = pack("a.tar", {"set/pos/1.txt": b"a", "set/pos/2.txt": b"b"})
    assert fields(read_table(path, format="folder-per-class")) == [("pos", "a"), ("pos", "b")]


def test_links_and_doubled_names_are_told(pack, tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in [("a/1.txt", b"old"), ("b/1.txt", b"b"), ("a/1.txt", b"new")]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("b/2.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        tar.addfile(link)
    table = read_table(path)
    assert fields(table) == [("b", "b"), ("a", "new")]
    assert any("1 file stands in the archive again" in note for note in table.notes)
    assert '1 entry of the folder is no class file and not read: "2.txt"' in table.notes


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["set/train/pos/1.txt", "set/test/pos/1.txt"], "parts of a data set"),
        (["a.csv", "b.csv"], "found tables"),
        ([".hidden/1.txt"], "empty folder"),
        ([], "empty folder"),
        (["a", "a/1.txt", "b/1.txt"], "one name for both"),
        (["x/a/1/2.txt", "x/b/1/2.txt"], "found only folders"),
    ],
)
def test_archives_that_hold_no_classes(pack, files, said):
    path = pack("a.tar", dict.fromkeys(files, b"text\n"))
    with pytest.raises(DataError, match=said) as error:
        read_table(path)
    assert str(error.value).startswith(str(path))


def test_errors_name_the_member_and_its_line(pack):
    path = pack("a.tar.xz", {"pos/1.txt": b"fine\n", "neg/1.txt": b"one\ntwo \xff\n"}, "w:xz")
    with pytest.raises(DataError, match="0xFF at byte 8") as error:
        read_table(path)
    assert (error.value.path, error.value.line) == (f"{path}:neg/1.txt", 2)


def test_line_ends_in_a_name_are_spelt_out(pack):
    path = pack("a.tar", {"pos/1\n2.txt": b"\xff", "neg/1.txt": b"b"})
    with pytest.raises(DataError) as error:
        read_table(path)
    assert error.value.path == f"{path}:pos/1\\n2.txt"


def test_an_archive_cut_off_anywhere_is_named(pack, write):
    whole = pack("whole.tar", SET).read_bytes()
    ends = 512 * 5  # of the last member: what follows are blocks of zeros
    assert whole[ends:].count(0) == len(whole) - ends
    for length in [*range(512, ends + 1, 256), ends - 1, ends + 100]:
        with pytest.raises(DataError, match=r"whole tar archive|ends too early"):
            read_table(write("a.tar", whole[:length]))
    assert fields(read_table(write("a.tar", whole[: ends + 512]))) == fields(read_table(write("b.tar", whole)))


def test_a_damaged_header_is_not_the_end(pack, write):
    """Python's own reader stops there, and says nothing."""
    whole = pack("whole.tar", SET).read_bytes()
    for at in range(1024, 512 * 5, 512):
        if not is_tar(whole[at : at + 512]):
            continue
        blocks = [b"\xff" * 512, b"x" + whole[at + 1 : at + 512]]
        if any(whole[at + 512 :]):  # zeros over the last header make an archive that ends before it
            blocks.append(b"\0" * 512)
        for block in blocks:
            with pytest.raises(DataError, match="whole tar archive") as error:
                read_table(write("a.tar", whole[:at] + block + whole[at + 512 :]))
            assert error.value.path


@pytest.mark.parametrize("packing", ["gz", "xz", "bz2"])
def test_damaged_packing_is_named(pack, write, packing):
    whole = pack("whole.tar", {**SET, "set/pos/3.txt": bytes(range(65, 91)) * 400}, f"w:{packing}").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-9], whole[:40] + b"\x55" * 30 + whole[70:]):
        path = write(f"a.tar.{packing}", content)
        with pytest.raises(DataError, match=r"too early|damaged") as error:
            read_table(path)
        assert error.value.path == str(path)


def test_a_size_below_zero_does_not_turn_in_circles(pack, write):
    whole = bytearray(pack("whole.tar", SET, format=tarfile.GNU_FORMAT).read_bytes())
    whole[1024 + 124 : 1024 + 136] = tarfile.itn(-1536, 12, tarfile.GNU_FORMAT)
    whole[1024 + 148 : 1024 + 156] = b"        "
    whole[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(whole[1024:1536])
    with pytest.raises(DataError, match="below zero"):
        read_table(write("a.tar", bytes(whole)))


def test_names_that_promise_an_archive(write, tmp_path, pack):
    with pytest.raises(DataError, match="whole tar archive"):
        read_table(write("a.tar.gz", gzip.compress(b"text,label\n" * 100)))
    with pytest.raises(DataError, match="nothing of that name"):
        read_table(tmp_path / "none.tgz")
    with pytest.raises(DataError, match=r"found a tar archive: .*--format folder-per-class"):
        read_table(pack("b.tgz", SET, "w:gz"), format="csv")
    with pytest.raises(DataError, match="xz archive"):
        read_table(write("a.csv.xz", lzma.compress(b"text,label\na,b\n")))
