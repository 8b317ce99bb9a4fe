"""Damaged sentence files, damaged as tables are in `test_fuzz`: all lines come back, or an error names the file."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.test_fuzz import EDITS, FUZZ, bounded, check_named, damaged
from tests.data.test_sentences import CHUNKS, SECOND, TREE
from throughtime.data.readers.conll import read_conll
from throughtime.data.readers.conllu import read_conllu
from throughtime.data.readers.sentences import write_sentences
from throughtime.data.schemes import tell_scheme
from throughtime.data.spans import check_tags, read_spans
from throughtime.errors import ThroughtimeError

TABBED = "EU\tI-ORG\nrejects\tO\n\n10 000\t O\n"
SAMPLES = {
    "conllu": (read_conllu, [TREE + SECOND * 3, (TREE * 2 + SECOND).replace("\n", "\r\n"), "\ufeff# é\n" + SECOND]),
    "conll": (read_conll, [CHUNKS * 3, TABBED * 2, "é B-X\nü I-X \n\nO O"]),
}
LABELS = {"conllu": ["upos", "xpos", "feats", "10"], "conll": [None, None, 2, 4]}


@dataclass(frozen=True)
class Damage:
    """What is done to a sample, inside and outside of what packs it, and how it is then read."""

    sample: int
    inside: list[tuple[str, int, object]]
    packed: bool = False
    outside: list[tuple[str, int, object]] = field(default_factory=list)
    label: int = 0
    need_label: bool = True
    encoding: str = "utf-8"


DAMAGE = st.builds(
    Damage,
    sample=st.integers(0, 2),
    inside=EDITS,
    packed=st.booleans(),
    outside=st.just([]) | EDITS,
    label=st.integers(0, 3),
    need_label=st.booleans(),
    encoding=st.sampled_from(["utf-8"] * 8 + ["latin-1", "utf-16-le"]),
)


def feed(format: str, damage: Damage) -> bool:
    """Read a damaged file, and give whether it could be read."""
    reader, samples = SAMPLES[format]
    content = damaged(samples[damage.sample % len(samples)].encode(), damage.inside)
    content = damaged(gzip.compress(content, mtime=0) if damage.packed else content, damage.outside)
    options = {"label": LABELS[format][damage.label], "need_label": damage.need_label, "encoding": damage.encoding}
    with tempfile.TemporaryDirectory() as folder, bounded():
        path, out = Path(folder, "a"), Path(folder, "b.gz")  # gzipped, as a text itself may begin like a gzip
        path.write_bytes(content)
        try:
            sentences = list(reader(path, **options))
        except ThroughtimeError as error:
            check_named(error, path)
            return False
        account(sentences)
        write_sentences(out, ((sentence, None) for sentence in sentences), damage.encoding)
        assert gzip.decompress(out.read_bytes()) == (
            gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        )
        relabelled(reader, sentences, out, damage)
        told(sentences, path)
    return True


def account(sentences: list) -> None:
    for sentence in sentences:
        assert sentence.tokens
        assert len(sentence.tokens) == len(sentence.lines) == len(sentence.labels or sentence.tokens)
        assert all(sentence.tokens)
        assert all(sentence.labels or ["-"])
    lines = [line for sentence in sentences for line in sentence.lines]
    assert lines == sorted(set(lines))


def relabelled(reader: Callable, sentences: list, out: Path, damage: Damage) -> None:
    new = [[f"L{at}" for at in range(len(sentence.tokens))] for sentence in sentences]
    write_sentences(out, zip(sentences, new, strict=True), damage.encoding)
    label = LABELS["conllu" if reader is read_conllu else "conll"][damage.label]
    again = list(reader(out, label=label, encoding=damage.encoding))
    assert [(s.tokens, s.labels, s.lines) for s in again] == [
        (s.tokens, labels, s.lines) for s, labels in zip(sentences, new, strict=True)
    ]


def told(sentences: list, path: Path) -> None:
    try:
        scheme = tell_scheme(sentences).scheme
        for sentence in sentences:
            if scheme and sentence.labels:
                check_tags(sentence.labels, scheme, path=sentence.path, lines=sentence.lines)
                assert all(begin < end for begin, end, _ in read_spans(sentence.labels))
    except ThroughtimeError as error:
        check_named(error, path)


@pytest.mark.parametrize("format", SAMPLES)
@pytest.mark.parametrize("sample", [0, 1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_the_samples_themselves_are_read(format, sample, packed):
    assert feed(format, Damage(sample, [], packed))


@pytest.mark.parametrize("format", SAMPLES)
@given(damage=DAMAGE)
@settings(FUZZ, max_examples=200)
def test_damaged_files(format, damage):
    feed(format, damage)


@pytest.mark.long
@pytest.mark.parametrize("format", SAMPLES)
@given(damage=DAMAGE)
@settings(FUZZ, max_examples=10_000)
def test_ten_thousand_damaged_files(format, damage):
    feed(format, damage)
