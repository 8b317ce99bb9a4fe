"""Running text as symbols: in a file as in memory, and never all of it at once."""

import errno
import io
import itertools
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from throughtime import prepare
from throughtime.data import corpus, passages
from throughtime.data.columns import Example
from throughtime.data.config import PassageConfig
from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.data.parts import Meaning
from throughtime.data.passage_files import HELD_OUT, read_passages
from throughtime.data.passages import (
    encode_documents,
    encode_lines,
    encode_passages,
    encode_passages_into,
    open_kept,
)
from throughtime.data.running import RunningText
from throughtime.data.vocabulary import EOS
from throughtime.errors import DataError
from throughtime.tasks import NextSymbol

TEXTS = ["one\ntwo two\n", "a b\n\nc\n" * 30, "x"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where all that is longer than a few characters goes."""
    monkeypatch.setattr(corpus, "IN_MEMORY", 20)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "throughtime"


@pytest.fixture
def folder(write, tmp_path):
    for number, text in enumerate(TEXTS):
        write(f"set/{number}.txt", text)
    return tmp_path / "set"


def learn(folder, tokens):
    text = RunningText.open(folder)
    return LanguageVocabulary.learn((block for _, block in text.pieces()), LanguageConfig(tokens=tokens, min_count=1))


def read(path, cache, **options):
    meaning = Meaning("generate", NextSymbol.value, NextSymbol.strata)
    return read_passages(path, PassageConfig(**options), meaning, 1, cache)


@pytest.mark.parametrize("tokens", ["char", "byte", "word", "bpe"])
@pytest.mark.parametrize("known", [True, False])
def test_symbols_in_a_file_are_those_in_memory(folder, cache, monkeypatch, tmp_path, tokens, known):
    vocabulary = learn(folder if known else folder / "0.txt", tokens)
    (tmp_path / "own").mkdir()
    for text in (RunningText.open(folder), *RunningText.open(folder).part(0.4)):
        aside = encode_documents(text, vocabulary)
        facts = encode_passages_into(tmp_path / "own", "part", text, vocabulary)
        kept = open_kept(tmp_path / "own", "part", vocabulary, facts, text)
        monkeypatch.setattr(corpus, "IN_MEMORY", 10_000)
        held = encode_documents(text, vocabulary)
        monkeypatch.setattr(corpus, "IN_MEMORY", 20)
        assert held.mapped is None
        assert (held.characters > 0) == (known or tokens in ("byte", "bpe"))
        for other in (aside, kept):
            assert other.mapped is not None
            assert other.inputs.to_list() == held.inputs.to_list()
            assert other.inputs.values.dtype == held.inputs.values.dtype
            assert (other.characters, other.tokens) == (held.characters, held.tokens)
            assert other.counts(len(vocabulary)) == held.counts(len(vocabulary))


def test_nothing_is_left_of_a_file_without_a_name(folder, cache):
    data = encode_documents(RunningText.open(folder), learn(folder, "char"))
    assert list(cache.iterdir()) == []
    total = int(data.inputs.values.sum())
    data.mapped.release()
    assert int(data.inputs.values.sum()) == total > 0


def test_no_room_for_it(folder, cache, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    vocabulary, text = learn(folder, "char"), RunningText.open(folder)
    monkeypatch.setattr(passages, "write_pieces", full)
    with pytest.raises(
        DataError, match=r"throughtime: expected to keep there .* no space left on device; the variable"
    ):
        encode_documents(text, vocabulary)
    assert list(cache.iterdir()) == []


def test_counted_a_block_at_a_time(write, cache, monkeypatch):
    text = RunningText.open(write("a.txt", "abc\n" * 25_000))
    vocabulary = LanguageVocabulary.learn(["abc\n"], LanguageConfig())
    data = encode_documents(text, vocabulary)
    whole = data.counts(len(vocabulary))
    monkeypatch.setattr(passages, "_BLOCK", 1000)
    tracemalloc.start()
    assert data.counts(len(vocabulary)) == whole == [0, 0, 0, 1, 25_000, 25_000, 25_000, 25_000]
    assert tracemalloc.get_traced_memory()[1] < 100_000  # bincount of all would make 800 kB of them
    tracemalloc.stop()


@pytest.mark.parametrize("count", [0, 1, 23])
def test_lines_in_files_are_those_in_memory(tmp_path, monkeypatch, count):
    monkeypatch.setattr(passages, "_LINES", 10)
    monkeypatch.setattr(passages, "_BLOCK", 7)
    examples = [Example("ab"[number % 2] * (number % 4), None, "a.txt", number + 1) for number in range(count)]
    vocabulary = LanguageVocabulary.learn(["abb"], LanguageConfig())
    facts = encode_passages_into(tmp_path, "part", examples, vocabulary)
    kept = open_kept(tmp_path, "part", vocabulary, facts, examples)
    held = encode_passages(examples, vocabulary)
    for rows in ([], range(count), [count - 1] * min(1, count)):
        assert kept.take(torch.tensor(rows)).to_list() == held.take(torch.tensor(rows)).to_list()
        assert kept.take_targets(torch.tensor(rows)).tolist() == held.take_targets(torch.tensor(rows)).tolist()
    assert (kept.characters, kept.tokens) == (held.characters, held.tokens)
    assert kept.counts(len(vocabulary)) == held.counts(len(vocabulary))
    assert held.counts(len(vocabulary))[EOS] == count
    with pytest.raises(ValueError, match=r"expected .* lines"):
        open_kept(tmp_path, "part", vocabulary, facts, [*examples, Example("a", None, "a.txt", 99)])


def test_what_is_not_told_is_not_counted():
    vocabulary = LanguageVocabulary.learn(["ab\n"], LanguageConfig())
    data = encode_lines(["ab", "b"], vocabulary, before=vocabulary.encode("\n").tolist())
    assert data.tokens == sum(data.counts(len(vocabulary))) == 5


# ---- where it is kept ----


def test_a_text_is_found_again_by_its_content(folder, cache, tmp_path):
    first, again, others = read(folder, cache), read(folder, cache), read(folder, cache, valid="0.2")
    assert first.folder == again.folder != others.folder
    assert first.folder.parent == others.folder.parent
    assert first.folder.parent.parent == cache
    assert (first.kept, again.kept, others.kept) == (False, True, True)
    (folder / "2.txt").write_text("y")
    changed = read(folder, cache)
    assert not changed.kept
    assert changed.folder.parent != first.folder.parent
    assert read(folder, cache, encoding="latin-1").folder.parent != changed.folder.parent


def test_a_text_that_memory_holds_is_not_kept(write, tmp_path):
    assert read(write("a.txt", TEXTS[1]), tmp_path / "cache").folder is None
    assert not (tmp_path / "cache").exists()


def test_lines_of_standard_input(tmp_path, monkeypatch):
    def give(data):
        monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))

    give(b"a\n\nb\r\nc")
    parts = read(Path("-"), tmp_path / "cache", by="line", valid="0.4")
    assert sorted(example.text for part in (parts.train, parts.valid) for example in part) == ["a", "b", "c"]
    assert parts.facts["train"]["sha256"] is None
    give(b"a\n\xff\n")
    with pytest.raises(DataError, match="standard input, line 2: expected utf-8 text, found the byte 0xFF"):
        read(Path("-"), tmp_path / "cache", by="line")


def test_lines_have_no_label(write, tmp_path):
    path = write("a.txt", "a\nb\na\n")
    assert read(path, tmp_path / "cache", by="line", valid="0").warnings == [
        f"1 row repeats an earlier text: {path}, line 3 (as line 1)"
    ]


def test_how_lines_end_is_written_down(write, tmp_path):
    for end in ("\n", "\r\n"):
        text = write("a.txt", f"one{end}two{end}")
        assert read(text, tmp_path / "cache", valid="0.5").facts["source"]["line_end"] == end


def test_a_share_holds_out_no_more_than_is_measured_soon(write, tmp_path, monkeypatch):
    path = write("a.txt", "0123456789" * 10)
    monkeypatch.setattr("throughtime.data.passage_files.HELD_OUT", 10)
    assert HELD_OUT >= 10**6
    parts = read(path, tmp_path, valid="0.5", test="0.1")
    assert [len(part) for part in (parts.train, parts.valid, parts.test)] == [80, 10, 10]
    assert parts.facts["source"]["notes"] == [
        "--valid 0.5: 10 characters are held out, which is enough; a file may have more"
    ]
    parts = read(path, tmp_path, valid=str(path))
    assert [len(parts.train), len(parts.valid), parts.facts["source"]["notes"]] == [100, 100, []]


def test_pieces_are_learnt_from_blocks_spread_over_a_large_text(write, monkeypatch):
    monkeypatch.setattr(RunningText, "pieces", lambda self: zip(itertools.repeat(False), "abcdefghi", strict=False))
    monkeypatch.setattr(prepare, "_PIECES_FROM", 4)
    text = RunningText.open(write("a.txt", "abcdefghi"))
    blocks = {tokens: "".join(prepare._blocks(text, LanguageConfig(tokens=tokens))) for tokens in ("char", "bpe")}
    assert blocks == {"char": "abcdefghi", "bpe": "adg"}


def test_symbols_are_counted_as_they_are(folder):
    data = encode_documents(RunningText.open(folder), learn(folder, "char"))
    assert data.mapped is None
    counts = np.bincount(data.inputs.values).tolist()
    assert data.counts(len(counts)) == [*counts[:2], 0, *counts[3:]]  # no <sos> is told
