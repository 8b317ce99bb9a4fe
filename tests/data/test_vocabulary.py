"""From text to symbols and back."""

import copy
import json
import pickle

import pytest

from throughtime.data.spelling import NONE, spelling
from throughtime.data.vocabulary import EOS, SOS, UNK, Vocabulary, VocabularyConfig
from throughtime.errors import DataError, ModelError

TEXTS = ["Food was nice but service wasn't", "Delightful place to have dinner", "It's nice !!! really nice..."]


def learn(texts=TEXTS, **settings):
    return Vocabulary.learn(texts, VocabularyConfig(**{"spelling": False, **settings}))


def words(vocabulary, text):
    symbols = vocabulary.symbols
    return [symbols[number] for number in vocabulary.encode([text]).values.tolist()]


def test_words_come_apart_as_treebanks_have_them():
    written = words(learn(), "It's nice, but the service wasn't!!!")
    assert written == ["<sos>", "it", "'s", "nice", "<unk>", "but", "<unk>", "service", "was", "n't", "!!!", "<eos>"]
    assert words(learn(["do n't", "a-b 's"]), "don't a-b's") == ["<sos>", "do", "n't", "a", "-", "b", "'s", "<eos>"]


def test_characters_keep_everything_and_come_back():
    vocabulary = learn(["añb\tc\n", "日本 e"], tokens="char", lowercase=False)
    text = "日ñ\t\nb"
    assert vocabulary.decode(vocabulary.encode([text]).values.tolist()) == text
    assert len(vocabulary.encode([text]).values) == len(text) + 2


def test_pieces_come_back_as_text():
    vocabulary = learn(tokens="bpe", vocab_size=80)
    assert len(vocabulary) <= 80
    assert vocabulary.decode(vocabulary.encode(["nice service"]).values.tolist()) == "nice service"


@pytest.mark.parametrize("tokens", ["word", "char", "bpe"])
def test_learnt_alike_from_the_same_texts(tokens, tmp_path):
    files = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        learn(TEXTS * 20, tokens=tokens).save(tmp_path / str(number))
        files.append((tmp_path / str(number) / "tokenizer.json").read_bytes())
    assert files[0] == files[1] == files[2]
    again = Vocabulary.load(tmp_path / "0", VocabularyConfig(tokens=tokens, spelling=False))
    assert again.encode(TEXTS).to_list() == learn(TEXTS * 20, tokens=tokens).encode(TEXTS).to_list()


def test_rare_words_and_the_size_are_limited():
    assert words(learn(min_count=2), "nice food") == ["<sos>", "nice", "<unk>", "<eos>"]
    assert len(learn(vocab_size=6)) == 6


def test_case_is_kept_when_asked():
    assert words(learn(lowercase=False), "Food food") == ["<sos>", "Food", "<unk>", "<eos>"]


def test_empty_text_and_no_texts():
    assert learn().encode(["", "  "]).to_list() == [[SOS, EOS], [SOS, EOS]]
    assert len(learn().encode([])) == 0


def test_text_that_spells_a_special_symbol_is_ordinary_text():
    vocabulary = learn(["a <eos> b <pad>"])
    for own in (vocabulary, pickle.loads(pickle.dumps(vocabulary)), copy.deepcopy(vocabulary)):
        assert words(own, "<eos>") == ["<sos>", "<", "eos", ">", "<eos>"]
    assert UNK in learn(["a b"]).encode(["<pad>"]).to_list()[0]


def test_long_texts_are_cut_and_counted():
    vocabulary = learn(["a b c d e f"], max_length=3)
    assert words(vocabulary, "a b c d") == ["<sos>", "a", "b", "c", "<eos>"]
    assert words(vocabulary, "a b c") == ["<sos>", "a", "b", "c", "<eos>"]
    assert [cut for _, _, cut in vocabulary.encode_small(["a b c", "a b c d", ""])] == [1]
    assert [cut for _, _, cut in learn().encode_small(TEXTS)] == [0]


def test_texts_without_symbols_are_an_error():
    with pytest.raises(DataError, match="word symbols seen at least 1× in the training texts, found none"):
        learn(["", "  "])


def test_a_file_that_is_no_tokenizer(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(ModelError, match="cannot be read"):
        Vocabulary.load(tmp_path, VocabularyConfig())
    learn().save(tmp_path)
    content = json.loads(path.read_text())
    content["model"]["vocab"] = {"a": 0, "<unk>": 1}
    content["added_tokens"] = []
    content["post_processor"] = None
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="as numbers 0 to 3"):
        Vocabulary.load(tmp_path, VocabularyConfig())


# ---- spelling ----


def test_the_spelling_comes_with_each_word_as_it_was_written():
    vocabulary = learn(["walked NASA 1984"], spelling=True)
    rows = vocabulary.encode(["Walked, nasa"])[0].tolist()
    assert [row[0] for row in rows] == [
        SOS,
        vocabulary.symbols.index("walked"),
        UNK,
        vocabulary.symbols.index("nasa"),
        EOS,
    ]
    assert rows[0][1:] == rows[-1][1:] == list(NONE)
    assert rows[1][1:] == list(spelling("Walked")) != list(spelling("walked"))
    assert rows[2][1:] == list(spelling(","))
    assert vocabulary.unknown(vocabulary.encode(["x walked"])) == 0.25


def test_capitals_that_grow_when_made_small_keep_their_place():
    text = "İstanbul WALKED"  # its small form is a letter longer
    assert learn(["walked"], spelling=True).encode([text])[0][-2, 1:].tolist() == list(spelling("WALKED"))


def test_characters_and_pieces_have_no_spelling():
    for tokens in ("char", "bpe"):
        vocabulary = learn(tokens=tokens, spelling=True)
        assert vocabulary.spelling is None
        assert vocabulary.encode(["nice"]).values.dim() == 1


def test_long_texts_are_cut_with_their_spelling():
    vocabulary = learn(["a b c d e f"], max_length=2, spelling=True)
    assert vocabulary.encode(["a b c", ""])[0][:, 0].tolist()[-1] == EOS
    assert [len(row) for row in vocabulary.encode(["a b c", ""])] == [4, 2]
