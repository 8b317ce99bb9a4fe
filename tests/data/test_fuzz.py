"""Every reader is fed damaged files: it gives a table that accounts for every row, or an error that names the file.

A valid sample is damaged inside (before it is packed) and outside; 200 samples a reader in the short tests, 10,000 in
the long ones.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import signal
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from throughtime.data import read_examples, read_like, read_table
from throughtime.data.packed import is_tar
from throughtime.errors import DataError, ThroughtimeError

SECONDS = 20
"""What a reader may take for a file of some kilobytes; far more than it needs, on a busy machine too."""

# ---- samples ----

ROWS = [
    ("a fine, funny film", "pos"),
    ('it said "no" twice', "neg"),
    ("café über alles", "pos"),
    ("dull", "neg"),
    ("", "pos"),
    ("long " * 60, "neg"),
]
QUOTED = '"two\nlines, and ""quotes""",pos\n'
CSV = "text,label\n" + QUOTED + "".join('"{}",{}\n'.format(t.replace('"', '""'), label) for t, label in ROWS)
JSONL = """{"text": "a fine film", "label": 1, "id": [1, 2]}
{"label": 0, "text": "caf\\u00e9 \\ud83d\\ude00", "id": null}
{"text": "", "label": true, "id": 1.5e3}
"""
TSV = "".join(f"{label}\t{text}\n" for text, label in ROWS)
FIRST = "".join(f"{label} {text}\n" for text, label in ROWS if text)
LINES = "".join(f"{text}\n" for text, _ in ROWS if text)


def archive(files: dict[str, str], format: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    whole = out.getvalue()
    return whole[: len(whole.rstrip(b"\0")) + 512 & ~511] + bytes(1024)  # without what pads it to 10 KiB


def table(compression: str, version: str) -> bytes:
    out = io.BytesIO()
    texts, labels = zip(*ROWS, strict=True)
    columns = {"text": pa.array(texts), "label": pa.array(labels).dictionary_encode(), "n": [1, None, 3.5, 4, 5, 6]}
    options = {"compression": compression, "data_page_version": version, "row_group_size": 4}
    parquet.write_table(pa.table(columns), out, write_page_checksum=True, **options)
    return out.getvalue()


SET = {f"set/{label}/{n}.txt": text for n, (text, label) in enumerate(ROWS)}
LONG_NAMES = {f"set/{label}/{'x' * 90}{n}.txt": text for n, (text, label) in enumerate(ROWS)}
CLASSES = {"names/pos.txt": LINES, "names/neg.txt": "one\n\ntwo\n"}
ARCHIVES = [
    archive(files, format)
    for files in (SET, LONG_NAMES, CLASSES)
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
]
TABLES = [table(compression, version) for compression in ("none", "snappy", "gzip") for version in ("1.0", "2.0")]

# ---- damage ----

NASTY = st.sampled_from(
    [
        *(
            b"\0",
            b'"',
            b'""',
            b'"\n',
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b" \n",
            b"\t",
            b",",
            b";",
            b" ",
            b"\x1a",
            b"\x0c",
        ),
        *(b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", "é\n".encode("utf-16")),
        *(b"{", b"}", b"[", b"]", b":", b"\\", b"\\ud800", b"null", b"NaN", b"1e999", b'{"text": 1}\n', b"[" * 5000),
        *(b"__label__", b"PK\x03\x04", b"PAR1", b"\x1f\x8b\x08", b"x" * 70_000, b"word " * 14_000, b"9" * 5000),
        *(
            b"\0" * 512,
            b"\x80" + b"\0" * 11,
            b"\xff" * 12,
            b"\x80\0\0\0\xff\xff\xff\xff\0\0\0\0",
            b"00000000000\0",
            b"S",
            b"L",
        ),
        *(b"14 size=-1024\n", b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n", b"30 GNU.sparse.map=0,0,5,-5\n"),
    ]
) | st.binary(min_size=1, max_size=4)
SPOT = st.integers(0, 9999)  # how far into the file, in ten thousandths
FIELD = st.sampled_from([0, 100, 124, 156, 157, 257, 345, 386, 482, 483])  # of an archive's header, in its block
LENGTH = st.integers(1, 20) | st.sampled_from([100, 511, 512, 513, 1024])
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), SPOT, NASTY),
        st.tuples(st.just("overwrite"), SPOT, NASTY),
        st.tuples(st.just("overwrite field"), SPOT, st.tuples(FIELD, NASTY)),
        st.tuples(st.just("delete"), SPOT, LENGTH),
        st.tuples(st.just("repeat"), SPOT, LENGTH),
        st.tuples(st.just("cut"), SPOT, st.none()),
        st.tuples(st.just("line ends"), SPOT, st.sampled_from([b"\r\n", b"\r", b"\n\n", b"\n \t\n"])),
        st.tuples(st.just("recode"), SPOT, st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "latin-1"])),
    ),
    max_size=4,
)


def damaged(content: bytes, edits: list[tuple[str, int, object]]) -> bytes:
    for edit, spot, what in edits:
        at = len(content) * spot // 10_000
        if edit == "insert":
            content = content[:at] + what + content[at:]
        elif edit == "overwrite":
            content = content[:at] + what + content[at + len(what) :]
        elif edit == "overwrite field":
            at, new = at // 512 * 512 + what[0], what[1]
            content = content[:at] + new + content[at + len(new) :]
        elif edit == "delete":
            content = content[:at] + content[at + what :]
        elif edit == "repeat":
            content = content[: at + what] + content[at:]
        elif edit == "cut":
            content = content[:at]
        elif edit == "line ends":
            content = content[:at] + content[at:].replace(b"\n", what)
        else:
            content = content.decode("utf-8", "replace").encode(what, "replace")
    return content


def signed(content: bytes) -> bytes:
    """Make the checksums of an archive's headers right again, so that damage goes deeper than them."""
    blocks = [content[at : at + 512] for at in range(0, len(content), 512)]
    for number, block in enumerate(blocks):
        if block[257:262] == b"ustar" and len(block) == 512:
            blank = block[:148] + b" " * 8 + block[156:]
            blocks[number] = block[:148] + b"%06o\0 " % sum(blank) + block[156:]
    return b"".join(blocks)


@dataclass(frozen=True)
class Damage:
    """What is done to a sample, and how it is then read; `signed` makes an archive's checksums right again."""

    sample: int
    inside: list[tuple[str, int, object]]
    packing: int
    outside: list[tuple[str, int, object]] = field(default_factory=list)
    signed: bool = False
    auto: bool = True
    encoding: str = "utf-8"


DAMAGE = st.builds(
    Damage,
    sample=st.integers(0, 99),
    inside=EDITS,
    packing=st.integers(0, 7),
    outside=st.just([]) | EDITS,
    signed=st.booleans(),
    auto=st.booleans(),
    encoding=st.sampled_from(["utf-8"] * 8 + ["latin-1", "utf-16"]),
)

# ---- accounts: what a table that was read must hold ----


def blanks(notes: list[str]) -> int:
    return counted(r"blank lines? skipped", notes)


def counted(kind: str, notes: list[str]) -> int:
    found = [re.match(rf"(\d+) {kind}", note) for note in notes]
    return sum(int(match[1]) for match in found if match)


def lines_of(content: bytes, encoding: str) -> int:
    content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    lines = content.decode(encoding).removeprefix("\ufeff").split("\n")
    return len(lines) - (lines[-1] == "")


def account_lines(table, path, encoding):
    assert len(table.rows) + table.header + blanks(table.notes) == lines_of(path.read_bytes(), encoding)


def account_csv(table, path, encoding):
    fields = [field for row in table.rows for field in row.fields] + list(table.columns)
    inside = sum(field.count("\n") for field in fields)
    rows = len(table.rows) + table.header + blanks(table.notes)
    assert rows + inside == lines_of(path.read_bytes(), encoding)


def account_text(table, path, encoding):
    (account_csv if table.format == "csv" else account_lines)(table, path, encoding)


def account_classes(table, path, encoding):
    total = sum(lines_of(file.read_bytes(), encoding) for file in path.iterdir())
    assert len(table.rows) + blanks(table.notes) == total


def account_folders(table, path, encoding):
    assert len(table.rows) == sum(file.is_file() for file in path.rglob("*"))


def account_archive(table, path, encoding):
    if not table.format.endswith("per-class"):  # too little was left to tell that it was an archive
        account_text(table, path, encoding)
        return
    passed = counted(r"entr(y|ies) of the folder", table.notes)
    again = counted(r"files? stands? in the archive again", table.notes)
    read = len({row.path for row in table.rows}) + again
    headers = file_headers(path.read_bytes())
    if passed or again:  # one entry may hold many files, and a header may lie in what is not read
        assert read <= headers
    else:
        assert read == headers


def file_headers(content: bytes) -> int:
    """Count the blocks of an archive that are the header of a file.

    All blocks are looked at, whatever an entry before them says of its size, but for those where a file's text
    stands: the header that a lost block moved there is, to any reader, that text.
    """
    for magic, unpack in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ", lzma)):
        content = unpack.decompress(content) if content.startswith(magic) else content
    at = count = 0
    while at < len(content):
        block = content[at : at + 512]
        at += 512
        if is_tar(block) and block[156] in b"0\x007" and not block[:100].rstrip(b"\0").endswith(b"/"):
            count += 1
            at += -(-tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size // 512) * 512
    return count


def account_parquet(table, path, encoding):
    assert len(table.rows) == parquet.read_metadata(path).num_rows


# ---- readers ----


@dataclass(frozen=True)
class Reader:
    """A format with its samples, where they are written, and what a table read from one must account for."""

    format: str
    samples: list[bytes]
    name: str
    account: Callable[..., None]
    packings: tuple[Callable[[bytes], bytes], ...] = (bytes,)
    beside: tuple[str, ...] = ()

    def write(self, folder: Path, damage: Damage) -> Path:
        content = damaged(self.samples[damage.sample % len(self.samples)], damage.inside)
        content = signed(content) if damage.signed else content
        content = damaged(self.packings[damage.packing % len(self.packings)](content), damage.outside)
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        for name in self.beside:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"whole\nand good\n")
        return folder / Path(self.name).parts[0]


PLAIN = (bytes, bytes, gzip.compress)
TAR = (bytes, bytes, gzip.compress, bz2.compress, lzma.compress)
READERS = {
    "csv": Reader("csv", [CSV.encode(), CSV.replace(",", ";").encode()], "a.csv", account_text, PLAIN),
    "tsv": Reader("tsv", [TSV.encode()], "a.tsv", account_text, PLAIN),
    "jsonl": Reader("jsonl", [JSONL.encode()], "a.jsonl", account_text, PLAIN),
    "label-first": Reader("label-first", [FIRST.encode(), b"__label__a b\n" * 3], "a", account_text, PLAIN),
    "lines": Reader("lines", [LINES.encode()], "a.txt", account_text, PLAIN),
    "file-per-class": Reader(
        "file-per-class", [LINES.encode()], "a/pos.txt", account_classes, PLAIN, ("a/neg.txt", "a/so.txt")
    ),
    "folder-per-class": Reader(
        "folder-per-class", [LINES.encode()], "a/pos/1.txt", account_folders, PLAIN, ("a/pos/2.txt", "a/neg/1.txt")
    ),
    "archive": Reader("folder-per-class", ARCHIVES, "a.tar", account_archive, TAR),
    "nameless-archive": Reader("file-per-class", ARCHIVES, "a", account_archive, TAR),
    "parquet": Reader("parquet", TABLES, "a.parquet", account_parquet),
}


class Hang(BaseException):
    """A reader took too long; no `Exception`, so that nothing on the way takes it for a fault of the file."""


@contextmanager
def bounded() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"a reader takes more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def feed(reader: Reader, damage: Damage) -> None:
    with tempfile.TemporaryDirectory() as folder, bounded():
        path = reader.write(Path(folder), damage)
        options = {"format": "auto" if damage.auto else reader.format, "encoding": damage.encoding}
        try:
            table = read_table(path, **options)
        except ThroughtimeError as error:
            check_named(error, path)
            return
        assert table.rows
        assert {len(row.fields) for row in table.rows} == {len(table.columns)}
        reader.account(table, path, damage.encoding)
        try:
            examples, source = read_examples(path, **options)
            assert len(examples) == len(table.rows)
            assert read_like(path, source, need_label=source.label is not None) == examples
        except ThroughtimeError as error:
            check_named(error, path)


def check_named(error: ThroughtimeError, path: Path) -> None:
    assert str(path) in str(error)
    assert "\n" not in str(error)
    if isinstance(error, DataError):
        assert str(error.path).startswith(str(path))
        assert error.line is None or 1 <= error.line <= last_line(path)


def last_line(path: Path) -> int:
    """The highest number that a line can have: of a folder, an archive or a packed file no one asks."""
    content = path.read_bytes() if path.is_file() else b"\x1f\x8b"
    packed = content.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PAR1")) or b"ustar" in content
    return 2**63 if packed else content.count(b"\n") + 1


@pytest.mark.parametrize("reader", READERS)
def test_the_samples_themselves_are_read(reader):
    for sample in range(len(READERS[reader].samples)):
        for packing in range(len(READERS[reader].packings)):
            with tempfile.TemporaryDirectory() as folder:
                path = READERS[reader].write(Path(folder), Damage(sample, [], packing))
                need_label = reader != "lines"
                assert read_table(path, need_label=need_label).rows


FUZZ = settings(suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("reader", READERS)
@given(damage=DAMAGE)
@settings(FUZZ, max_examples=200)
def test_damaged_files(reader, damage):
    feed(READERS[reader], damage)


@pytest.mark.long
@pytest.mark.parametrize("reader", READERS)
@given(damage=DAMAGE)
@settings(FUZZ, max_examples=10_000, derandomize=False)
def test_ten_thousand_damaged_files(reader, damage):
    feed(READERS[reader], damage)
