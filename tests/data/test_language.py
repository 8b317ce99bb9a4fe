"""From running text to symbols and back."""

import gzip
import json
import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.config import checked
from throughtime.data import language
from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.data.vocabulary import EOS, PAD, SOS, SPECIALS, UNK
from throughtime.data.wording import JOINER
from throughtime.errors import DataError, ModelError, UsageError

FEW = settings(max_examples=150)
KINDS = ["char", "byte", "word", "bpe"]

TEXT = "First Citizen:\nWe know't, we know't.\n\nAll:\n  Don't, he said; don't!!\r\n\tOn 'This' isle.\n"
ODD = [
    "\0 \ufeff a\u2028b\u2029c\x0b\x0c\x1c\x85\xa0d\n",
    "e\u0301 नमस्ते 👩\u200d👩\u200d👧 ❤\ufe0f 𝒳 \ufdd0\uffff\n",
    "\r\n \r\n\r \n\r\r\n \n\n  \n",
    f"{JOINER} {JOINER}{JOINER}a{JOINER} a{JOINER}{JOINER}{JOINER},\n{JOINER}<eos> {JOINER}{JOINER}<pad>",
    "<pad> <unk> <sos> <eos> x<unk>y <unk>",
    " a  b   \n   c \n",
    "no end",
]

# What can go wrong stands near each other here, so that short texts are odd ones.
PARTS = st.sampled_from(
    [*" \n\t\r,'.!<>aéß日👧\u0301\u200d\u2028\ufeff\0", JOINER, "n't", "'s", "\r\n", "  ", "the", *SPECIALS]
)
TEXTS = st.one_of(st.lists(PARTS, max_size=20).map("".join), st.text(max_size=20))


def learn(*pieces, **settings):
    return LanguageVocabulary.learn(pieces, LanguageConfig(**settings))


def whole(text, tokens, **settings):
    """A vocabulary that knows all of a text, blank or not."""
    return learn(text, "\nx\n", tokens=tokens, min_count=1, **settings)


def spelt(vocabulary, text):
    return [vocabulary.symbols[number] for number in vocabulary.encode(text)]


# ---- nothing is lost ----


@pytest.mark.parametrize("text", [TEXT, *ODD, "".join(ODD), ""])
@pytest.mark.parametrize("tokens", KINDS)
def test_text_comes_back(tokens, text):
    vocabulary = whole(text, tokens, split="marks")
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert ids.dtype == vocabulary.dtype == np.int16
    assert not set(ids.tolist()) & {PAD, UNK, SOS, EOS}


@FEW
@given(TEXTS, st.sampled_from(["char", "byte", "word"]))
def test_any_text_comes_back(text, tokens):
    vocabulary = whole(text, tokens, split="marks")
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.fixture(scope="module")
def pieces():
    return learn(TEXT * 3, tokens="bpe", vocab_size=300)


@FEW
@given(TEXTS)
def test_pieces_and_bytes_know_every_text(pieces, text):
    for vocabulary in (pieces, learn("x", tokens="byte")):
        ids = vocabulary.encode(text)
        assert vocabulary.decode(ids) == text
        assert UNK not in ids


@FEW
@given(TEXTS, TEXTS)
def test_blocks_that_end_with_lines_are_the_whole(pieces, first, second):
    first += "\n"
    known = [whole(TEXT, tokens) for tokens in ("char", "byte", "word")]
    for vocabulary in (pieces, whole("a b", "word", split="blanks"), *known):
        blocks = np.concatenate([vocabulary.encode(first), vocabulary.encode(second)])
        assert blocks.tolist() == vocabulary.encode(first + second).tolist()


@FEW
@given(TEXTS, TEXTS)
def test_learnt_alike_from_other_blocks(first, second):
    for tokens in ("char", "byte", "word"):
        learnt = learn(first + "\n" + second + "\nx y\n", tokens=tokens, min_count=1)
        again = learn(first + "\n", second + "\n", "x y\n", tokens=tokens, min_count=1)
        assert learnt.symbols == again.symbols
        assert learnt.told == again.told


def test_pieces_are_learnt_alike_from_other_blocks():
    lines = (TEXT * 3).splitlines(keepends=True)
    blocks = ["".join(lines[:7]), "".join(lines[7:])]
    one, other = (learn(*parts, tokens="bpe", vocab_size=300) for parts in ([TEXT * 3], blocks))
    assert one.symbols == other.symbols


@FEW
@given(TEXTS)
def test_pieces_are_those_of_the_library_itself(pieces, text):
    assert pieces.encode(text).tolist() == pieces.tokenizer.encode(text, add_special_tokens=False).ids


def test_lone_surrogates_are_read_as_replacement_characters():
    for tokens in ("byte", "bpe"):
        assert (read := learn("xy", tokens=tokens)).decode(read.encode("a\ud83db\ude00")) == "a�b�"
        assert read.decode(read.encode("\ud83d\ude00")) == "😀"  # a pair of them is a character
    assert learn("a\ud83d", tokens="char").symbols[4:] == ["a", "�"]
    assert learn("a\ud83d a", tokens="word").symbols[4:] == ["\n", " ", "a"]


def test_of_too_many_words_the_rarest_are_forgotten(monkeypatch):
    monkeypatch.setattr(language, "_COUNTED", 30)
    common = "often more\n" * 5
    blocks = [common + " ".join(f"w{block}x{number}" for number in range(25)) + "\n" for block in range(20)]
    symbols = LanguageVocabulary.learn(blocks, LanguageConfig(tokens="word", split="blanks", min_count=1)).symbols
    assert symbols[4:7] == ["\n", "more", "often"]
    assert len(symbols) < 50
    found = Counter({"a": 9, "b": 9, **{str(number): 2 for number in range(20)}, "c": 1})
    language._forget_rare(found)
    assert found == {"a": 9, "b": 9}


def test_small_letters():
    for tokens in KINDS:
        vocabulary = learn(TEXT * 2, tokens=tokens, lowercase=True, min_count=1)
        assert vocabulary.decode(vocabulary.encode(TEXT)) == TEXT.lower()


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / os.fsdecode(b"m\xff")
    folder.mkdir()
    vocabulary = learn("a b a b\n")
    vocabulary.save(folder)
    assert LanguageVocabulary.load(folder, vocabulary.config).symbols == vocabulary.symbols


# ---- characters ----


def test_characters_are_numbered_by_frequency():
    vocabulary = learn("abba", "c b", tokens="char")
    assert vocabulary.symbols == [*SPECIALS, "b", "a", " ", "c"]
    assert vocabulary.encode("bé😀a").tolist() == [4, UNK, UNK, 5]
    assert vocabulary.decode([4, UNK, 5, SOS, EOS, PAD]) == "b\ufffda"
    assert learn("abba c b", tokens="char", min_count=2).symbols[4:] == ["b", " ", "a"]
    assert len(learn("abba c b", tokens="char", vocab_size=5)) == 5


def test_many_characters_need_wider_numbers():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))) + "".join(map(chr, range(0x20000, 0x20000 + 20_000)))
    vocabulary = learn(text, tokens="char")
    assert vocabulary.dtype == np.int32
    assert vocabulary.decode(vocabulary.encode(text)) == text


# ---- words ----


def test_what_is_joined_is_marked_and_blanks_are_not():
    vocabulary = learn(TEXT, tokens="word", min_count=1)
    assert spelt(vocabulary, "Don't, he\nhe  said\n") == [
        *("Do", f"{JOINER}n't", f"{JOINER},", "he", "\n"),
        *("he", " ", "said", "\n"),
    ]
    assert spelt(vocabulary, "\n\n he \r\n") == ["\n", "\n", " ", "he", " ", "\r\n"]
    assert vocabulary.symbols[4:6] == ["\n", " "]


def test_rare_words_are_the_unknown_word_unless_the_text_has_it():
    assert spelt(learn("a, a, b", tokens="word"), "a, b") == ["a", f"{JOINER},", "<unk>"]
    held = learn("a <unk> b ,\n", tokens="word")
    assert spelt(held, "a <unk> c b") == ["a", "<unk>", "<unk>", "b"]
    assert held.decode(held.encode("a <unk> b\n")) == "a <unk> b\n"
    ordinary = learn("a <unk> b", tokens="word", split="marks", min_count=1)
    assert spelt(ordinary, "<unk>") == ["<", f"{JOINER}unk", f"{JOINER}>"]
    assert len(learn("a b c a b c", tokens="word", vocab_size=7)) == 7


def test_split_text_keeps_its_words_and_one_symbol_for_each_line_end():
    vocabulary = learn(" a n't\tmr.,x  \n\n b\r\n", tokens="word", split="blanks", min_count=1)
    assert spelt(vocabulary, " a n't\tmr.,x  \n\n b\r\n") == ["a", "n't", "mr.,x", "\n", "\n", "b", "\r\n"]
    assert vocabulary.decode(vocabulary.encode(" a   n't \n b")) == "a n't\nb"


def test_a_line_end_of_windows_that_is_rare_is_a_line_end():
    assert spelt(learn("a a\nb b\r\n", tokens="word"), "a\r\n\r\nb") == ["a", "\n", "\n", "b"]


@FEW
@given(st.lists(st.sampled_from(["a", "\n", *SPECIALS, JOINER, f"{JOINER}<eos>", f"{JOINER}a", "<eos>,"])))
def test_split_text_that_spells_special_symbols_is_ordinary_text(words):
    text = " ".join(words).replace(" \n", "\n").replace("\n ", "\n")
    vocabulary = whole(text, "word", split="blanks")
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert not {PAD, SOS, EOS} & set(ids.tolist())
    assert np.count_nonzero(ids == UNK) == words.count("<unk>")


@pytest.mark.parametrize(
    ("text", "split"),
    [
        (" the <unk> did n't say , he 's told .\n", "blanks"),
        (" banknote berlitz <unk> N \n", "blanks"),
        ("He didn't say, he's told.\n", "marks"),
        ("Quoi ! dit-il, vraiment ? Non, oui, bien.\n", "marks"),
        ("words alone\n", "marks"),
    ],
)
def test_how_words_are_split_is_told_from_the_text_and_said(text, split):
    vocabulary = learn(text, tokens="word", min_count=1)
    assert vocabulary.told.startswith("words end at blanks alone") == (split == "blanks")
    assert (" " in vocabulary.symbols) == (split == "marks")
    assert "stand alone" in vocabulary.told
    assert not learn(text, tokens="word", min_count=1, split="marks").told


@pytest.mark.parametrize(("part", "tokens"), [("train.txt.gz", 929_589), ("valid.txt", 73_760), ("test.txt", 82_430)])
def test_penn_treebank_has_the_counts_of_the_literature(shared_data, part, tokens):
    def text(name):
        data = (shared_data / "ptb" / f"ptb.{name}").read_bytes()
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode()

    vocabulary = learn(text("train.txt.gz"), tokens="word")
    ids = vocabulary.encode(text(part))
    assert len(ids) == tokens
    assert len(vocabulary) - len({PAD, SOS, EOS}) == 10_000
    assert (ids == vocabulary.symbols.index("\n")).sum() == text(part).count("\n")
    lines = ["".join(f"{word} " for word in line.split()).strip() for line in text(part).split("\n")]
    assert vocabulary.decode(ids) == "\n".join(lines)


# ---- pieces ----


def test_no_piece_crosses_a_line_end(pieces):
    assert len(pieces) == 300
    newline = pieces.encode("\n").tolist()
    assert [number for number in range(300) if "\n" in pieces.decode([number])] == newline
    assert pieces.encode("a\n\nb").tolist() == [*pieces.encode("a"), *newline, *newline, *pieces.encode("b")]
    assert len(pieces.encode(" know")) < 5


def test_pieces_need_room_for_every_byte():
    with pytest.raises(UsageError, match="vocab_size of 260 or more"):
        checked(LanguageConfig, {"tokens": "bpe", "vocab_size": 259})


# ---- symbols that come one by one ----


def test_no_character_comes_out_before_all_its_bytes():
    vocabulary = learn("x", tokens="byte")
    decoder = vocabulary.decoder()
    come = [decoder.push(symbol) for symbol in vocabulary.encode("é👧")]
    assert come == ["", "é", "", "", "", "👧"]
    assert decoder.push(4 + 0xC3) == ""
    assert decoder.flush() == "\ufffd"
    assert decoder.push(4 + ord("a")) == "a"


@FEW
@given(st.lists(st.integers(0, 259), max_size=12))
def test_any_bytes_decode_as_python_reads_them(ids):
    read = bytes(number - 4 for number in ids if number >= 4) if UNK not in ids else None
    decoded = learn("x", tokens="byte").decode(ids)
    assert read is None or decoded == read.decode("utf-8", "replace")


def test_words_are_joined_as_they_come():
    vocabulary = learn(TEXT, tokens="word", min_count=1)
    decoder = vocabulary.decoder()
    come = [decoder.push(symbol) for symbol in vocabulary.encode("he said!! he\nhe")]
    assert come == ["he", " said", "!!", " he", "\n", "he"]
    assert decoder.flush() == ""


# ---- keeping, counting, refusing ----


@pytest.mark.parametrize("tokens", KINDS)
def test_kept_in_a_folder(tokens, tmp_path):
    config = LanguageConfig(tokens=tokens, min_count=1)
    learnt = LanguageVocabulary.learn([TEXT], config)
    learnt.save(tmp_path)
    again = LanguageVocabulary.load(tmp_path, config)
    assert again.symbols == learnt.symbols
    assert again.encode(TEXT).tolist() == learnt.encode(TEXT).tolist()
    assert again.tokenizer.to_str() == learnt.tokenizer.to_str()


def test_the_kept_file_says_how_words_were_split(tmp_path):
    config = LanguageConfig(tokens="word")
    LanguageVocabulary.learn(["a <unk> b ,\n"], config).save(tmp_path)
    assert spelt(LanguageVocabulary.load(tmp_path, config), "a <unk>, ,") == ["a", "<unk>", ","]


def test_a_file_of_another_kind(tmp_path):
    learn("some text", tokens="word", min_count=1).save(tmp_path)
    for tokens in ("char", "byte", "bpe"):
        with pytest.raises(ModelError, match=f"expected the symbols of a model of {tokens}s"):
            LanguageVocabulary.load(tmp_path, LanguageConfig(tokens=tokens))
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"] = {"a": 0, "<unk>": 1}
    content["added_tokens"] = []
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="as numbers 0 to 3"):
        LanguageVocabulary.load(tmp_path, LanguageConfig(tokens="word"))
    with pytest.raises(ModelError, match="cannot be read"):
        LanguageVocabulary.load(tmp_path / "none", LanguageConfig())


@pytest.mark.parametrize("tokens", KINDS)
def test_texts_without_symbols_are_an_error(tokens):
    with pytest.raises(DataError, match="expected text, found an empty one"):
        learn("", tokens=tokens)
    with pytest.raises(DataError, match="expected text, found only blanks"):
        learn(" \n", "\t\r\n", tokens=tokens)
    if tokens in ("char", "word"):
        with pytest.raises(DataError, match=f"expected {tokens}s seen at least 5× in the training text, found none"):
            learn("a b", tokens=tokens, min_count=5)


def test_a_text_of_one_character():
    assert learn("a", tokens="char").encode("a").tolist() == [4]
