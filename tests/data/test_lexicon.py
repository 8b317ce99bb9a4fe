"""The words and letters of a model: learnt alike from the same sentences, kept, and read again."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.vocabulary import EOS, SOS, SPECIALS, UNK
from throughtime.errors import DataError, ModelError, UsageError

SENTENCES = [["The", "dog", "sees", "the", "Cat"], ["New York", "<pad>", "dog"], ["naïve", "İ", "ß"]]
SENTENCE = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=6)


def learn(sentences=SENTENCES, **settings):
    return Lexicon.learn(sentences, LexiconConfig(**settings))


def spelt(lexicon, forms, row):
    """What is read of a form's letters, as text; special symbols as they are called."""
    return [lexicon.letters[number] for number in forms.characters[row].tolist()]


@given(st.lists(SENTENCE, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_the_sentences_decides_nothing(sentences, draw):
    one, other = learn(sentences), learn(draw.sample(sentences, len(sentences)))
    assert (one.symbols, one.letters) == (other.symbols, other.letters)


@given(st.lists(SENTENCE, min_size=1, max_size=5))
def test_all_words_and_letters_of_training_are_known(sentences):
    lexicon = learn(sentences, lowercase=False)
    words = lexicon.encode(sentences)
    plain = [word not in SPECIALS for sentence in sentences for word in sentence]
    numbers = words.forms.symbols[words.values.long(), 0]
    assert ((numbers >= len(SPECIALS)) == torch.tensor(plain)).all()
    assert UNK not in words.forms.characters.values.tolist()


def test_a_special_symbols_name_is_a_word_like_any_other():
    lexicon = learn([*SENTENCES, ["<pad>", "<eos>", "<PAD>"]])
    assert lexicon.symbols[:4] == list(SPECIALS)
    assert lexicon.symbols.count("<pad>") == 1
    forms = lexicon.encode([["<pad>", "<eos>", "<unk>", "<PAD>"]]).forms
    assert forms.symbols[:, 0].tolist() == [UNK] * 4
    assert spelt(lexicon, forms, 0) == ["<sos>", *"<pad>", "<eos>"]
    assert spelt(lexicon, forms, 3) == ["<sos>", *"<PAD>", "<eos>"]


def test_letters_that_training_did_not_show():
    lexicon = learn()
    forms = lexicon.encode([["dogž", ""]]).forms
    assert spelt(lexicon, forms, 0) == ["<sos>", "d", "o", "g", "<unk>", "<eos>"]
    assert forms.characters[1].tolist() == [SOS, EOS]


def test_capitals_are_read_in_letters_and_not_in_words():
    lexicon = learn()
    forms = lexicon.encode([["the", "The", "THE"]]).forms
    assert len(set(forms.symbols[:, 0].tolist())) == 1
    assert len(forms) == 3
    assert forms.characters[0].tolist() != forms.characters[1].tolist()
    kept = learn(lowercase=False)
    assert {"The", "the"} <= set(kept.symbols)
    assert kept.encode([["THE"]]).forms.symbols[0, 0] == UNK


def test_rare_words_are_left_out_and_their_letters_are_not():
    lexicon = learn(min_count=2)
    assert lexicon.symbols[4:] == ["dog", "the"]
    assert set("YorkïCß") <= set(lexicon.letters)
    assert learn(vocab_size=5).symbols[4:] == ["dog"]  # of equals the one that sorts first
    with pytest.raises(DataError, match="expected words seen at least 3× in the training sentences, found none"):
        learn(min_count=3)


def test_what_is_counted():
    lexicon = learn()
    words = lexicon.encode([["the", "dog", "The", "zebra"], ["zebu", "dog"]])
    counts = dict(zip(lexicon.symbols, lexicon.counts(words), strict=True))
    assert {word: count for word, count in counts.items() if count} == {"<unk>": 2, "dog": 2, "the": 2}
    assert lexicon.unknown(words) == 2 / 6
    assert lexicon.unknown(lexicon.encode([])) == 0


def test_what_is_read_is_asked_for():
    bare = learn(spelling=False, characters=False).encode(SENTENCES).forms
    assert (bare.symbols.shape, bare.characters) == ((10, 1), None)
    full = learn(spelling=True)
    forms = full.encode(SENTENCES).forms
    features, buckets = full.spelling
    assert forms.symbols.shape == (10, 1 + features)
    assert 0 <= forms.symbols[:, 1:].min() <= forms.symbols[:, 1:].max() < buckets
    assert len(forms.characters) == 10


def test_numbers_take_little_room_until_they_are_used():
    words = learn().encode(SENTENCES)
    assert {t.dtype for t in (words.values, words.forms.symbols, words.forms.characters.values)} == {torch.int32}
    used = words.to("cpu")
    assert {t.dtype for t in (used.values, used.forms.symbols, used.forms.characters.values)} == {torch.int64}


def test_words_that_are_no_text_are_refused():
    with pytest.raises(UsageError, match="expected words as text, found 5"):
        learn().encode([["dog", 5]])


@pytest.mark.parametrize("settings", [{}, {"lowercase": False, "spelling": False, "characters": False}])
def test_what_is_saved_is_read_again(tmp_path, settings):
    lexicon, config = learn(**settings), LexiconConfig(**settings)
    lexicon.save(tmp_path)
    read = Lexicon.load(tmp_path, config)
    again = tmp_path / "again"
    again.mkdir()
    read.save(again)
    for name in Lexicon.files:
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()
    draw = random.Random(0)
    sentences = [[draw.choice(["Dog", "the", "zebra", "ž", "New York", "<unk>"]) for _ in range(5)] for _ in range(9)]
    one, other = lexicon.encode(sentences), read.encode(sentences)
    assert one.steps.to_list() == other.steps.to_list()
    assert torch.equal(one.forms.symbols, other.forms.symbols)
    assert (one.forms.characters is None) == (not config.characters)
    if one.forms.characters is not None:
        assert one.forms.characters.to_list() == other.forms.characters.to_list()


@pytest.mark.parametrize("name", Lexicon.files)
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b'{"model": 1}'])
def test_a_damaged_file_is_named(tmp_path, name, content):
    learn().save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        Lexicon.load(tmp_path, LexiconConfig())


def test_another_tokenizers_numbers_are_refused(tmp_path):
    from tokenizers import Tokenizer, models

    learn().save(tmp_path)
    Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>")).save(str(tmp_path / "characters.json"))
    with pytest.raises(ModelError, match="as numbers 0 to 3, found others"):
        Lexicon.load(tmp_path, LexiconConfig())


@pytest.mark.parametrize("word", ["\ud800", "caf\udce9", None])
def test_half_a_character_is_no_text(word):
    lexicon = Lexicon.learn([["a"]], LexiconConfig())
    with pytest.raises(UsageError, match="expected words as text, found"):
        lexicon.encode([["a", word]])
    with pytest.raises(UsageError, match="expected words as text, found"):
        Lexicon.learn([["a", word]], LexiconConfig(lowercase=False))
