"""Vocabularies of pairs: what a step is, told from the data; texts there and back; rows and batches."""

from __future__ import annotations

import pickle
from itertools import islice

import pytest
import torch

from throughtime.config import checked
from throughtime.data.encoded_pairs import PairBatches, encode_pairs, encode_side
from throughtime.data.pair import Pair
from throughtime.data.pairs import PairConfig, open_new_pairs
from throughtime.data.two_sided import TwoSided, TwoSidedConfig
from throughtime.data.vocabulary import EOS, SOS, UNK
from throughtime.errors import UsageError

SENTENCES = [
    ("A dog runs.", "Ein Hund rennt."),
    ("The dog sees a dog.", "Der Hund sieht einen Hund."),
    ("No.", "Nein."),
]
SPELT = [("tomato", "T AH M EY T OW"), ("read", "R EH D"), ("red", "R EH D")]
WRITTEN = [("namaste", "नमस्ते"), ("hindi", "हिन्दी"), ("paanee", "पानी")]


def pairs(rows):
    return [Pair(source, tuple(targets), "a.tsv", line) for line, (source, *targets) in enumerate(rows, 1)]


def learn(rows, **settings):
    config = checked(TwoSidedConfig, settings).told_by(pairs(rows))
    return TwoSided.learn(pairs(rows), config)


@pytest.mark.parametrize(
    ("rows", "sides"),
    [(SENTENCES, ("bpe", "bpe")), (SPELT, ("char", "blanks")), (WRITTEN, ("char", "char"))],
)
def test_the_data_tells_what_a_step_is(rows, sides):
    assert TwoSidedConfig().told_by(pairs(rows)).sides == sides


def test_what_is_said_is_not_told_again():
    config = TwoSidedConfig(tokens="word", target_tokens="auto").told_by(pairs(SPELT))
    assert config.sides == ("word", "blanks")
    assert not config.open


@pytest.mark.parametrize("tokens", ["char", "byte", "word", "bpe"])
@pytest.mark.parametrize("joint", [False, True])
def test_texts_of_training_come_back(tokens, joint):
    two = learn(SENTENCES, tokens=tokens, joint=joint, min_count=1)
    for source, target in SENTENCES:
        assert two.source.decode(two.source.encode(source).tolist()) == source
        assert two.target.decode(two.target.encode(target).tolist()) == target
    assert (two.source is two.target) == joint
    assert len(two) == len(two.source) + (0 if joint else len(two.target))


@pytest.mark.parametrize("tokens", ["char", "byte", "word", "bpe", "blanks"])
def test_pickles_read_alike(tokens):
    side = learn(SENTENCES, tokens=tokens).target
    again = pickle.loads(pickle.dumps(side))
    for text in ("Ein Hund, der rennt.", "rennt  <eos> ein\n"):
        assert again.encode(text).tolist() == side.encode(text).tolist()


def test_a_word_is_the_same_piece_wherever_it_stands():
    two = learn([("dog a dog dog dog", "x"), ("dog dog", "x")], source_tokens="bpe", target_tokens="char")
    alone, behind = two.source.encode("dog").tolist(), two.source.encode("a dog").tolist()
    assert len(alone) == 1
    assert behind[-1:] == alone


def test_phones_are_parted_by_blanks_alone_and_rare_ones_are_kept():
    two = learn([*SPELT, ("ox", "AA K S ʔ’")])
    assert two.target.decode(two.target.encode("AA  K ʔ’")) == "AA K ʔ’"
    assert two.target.parts("AA K") == ["AA", "K"]
    assert two.source.parts("ox") == ["o", "x"]


@pytest.mark.parametrize(
    ("tokens", "typed", "read"),
    [
        ("char", " Ein Hu ", "Ein Hu "),
        ("byte", "Ein Hü", "Ein Hü"),
        ("word", " Ein Hund ", "Ein Hund"),
        ("bpe", "Ein Hubschr ", "Ein Hubschr"),
        ("blanks", " Ein", "Ein"),
        ("bpe", "  ", ""),
    ],
)
def test_what_an_answer_begins_with_is_read_as_it_will_be_written(tokens, typed, read):
    side = learn(SENTENCES, tokens=tokens, min_count=1).target
    prefix, symbols = side.begin(typed)
    assert prefix == read == side.decode(symbols)
    assert symbols == (side.encode(read).tolist() if read else [])


def test_symbols_that_are_not_known_are_named():
    two = learn(WRITTEN)
    assert two.source.unknown("näm–ä") == ["ä", "–"]
    assert (two.source.encode("näm") == UNK).tolist() == [False, True, False]
    words = learn(SENTENCES, tokens="word", min_count=1)
    assert words.source.unknown("A zebra runs.") == ["zebra"]
    assert words.source.unknown("A dog, zebra runs.") == [",", "zebra"]  # a mark is a step of its own


@pytest.mark.parametrize("tokens", ["char", "byte", "word", "bpe", "blanks"])
def test_errors_are_counted_over_what_a_step_is(tokens):
    side = learn(SENTENCES, tokens=tokens, min_count=1).target
    for text in ("Ein Hund, ein Hund.", "Zwei  Katzen", "ΝAI!"):
        assert len(side.parts(text)) == len(side.encode(text))
    assert side.parts("Hund.") != side.parts("Hund,")


def test_small_letters_are_all_that_is_read_and_counted():
    two = learn(SENTENCES, lowercase=True)
    assert two.source.decode(two.source.encode("A DOG runs.").tolist()) == "a dog runs."
    assert two.target.parts("HUND") == two.target.parts("hund")


def test_one_vocabulary_is_of_one_kind():
    with pytest.raises(UsageError, match=r"--joint: expected the same tokens on both sides, found char and blanks"):
        learn(SPELT, joint=True)


def test_pieces_hold_every_byte():
    with pytest.raises(UsageError, match=r"--vocab-size: expected 260 or more, which hold every byte, found 100"):
        learn(SENTENCES, vocab_size=100)


def test_a_vocabulary_of_words_has_room_for_one():
    with pytest.raises(UsageError, match="--vocab-size: expected 7 or more, which hold a word, found 6"):
        learn(SENTENCES, tokens="word", min_count=1, vocab_size=6)
    assert len(learn(SENTENCES, tokens="word", min_count=1, vocab_size=7).target) == 7


def test_each_side_has_a_size_of_its_own():
    two = learn(WRITTEN, source_vocab_size=6, target_vocab_size=7)
    assert (len(two.source), len(two.target)) == (6, 7)


@pytest.mark.parametrize("settings", [{}, {"tokens": "bpe", "joint": True}])
def test_what_was_saved_is_read(tmp_path, settings):
    two = learn(SENTENCES if settings else SPELT, **settings)
    two.save(tmp_path)
    read = TwoSided.load(tmp_path, two.config)
    assert read.source.vocabulary.symbols == two.source.vocabulary.symbols
    assert read.target.vocabulary.symbols == two.target.vocabulary.symbols
    assert read.target.encode("T AH").tolist() == two.target.encode("T AH").tolist()
    assert (read.source is read.target) == bool(two.config.joint)


# ---- rows and batches ----


def many():
    rows = [("ab" * (number % 7 + 1), *(["A B"] * (number % 3 + 1))) for number in range(60)]
    return pairs(rows), learn(rows)


def test_every_right_answer_is_a_row():
    given = pairs([("ab", "A B", "B"), ("b", "B")])
    data = encode_pairs(given, TwoSided.learn(given, TwoSidedConfig().told_by(given)))
    assert data.pairs.tolist() == [0, 0, 1]
    assert data.lengths.tolist() == [3 + 3, 3 + 2, 2 + 2]
    assert data.places([1, 2]) == ["a.tsv line 1", "a.tsv line 2"]
    batch = data.take(torch.tensor([2, 0]))
    assert [row[-1] for row in batch.sources.to_list()] == [EOS, EOS]
    assert [row[0] for row in batch.heard.to_list()] == [SOS, SOS]
    assert [row[1:] for row in batch.heard.to_list()] == [row[:-1] for row in batch.told.to_list()]


def test_batches_hold_every_row_once_within_a_budget_of_both_sides():
    given, two = many()
    data = encode_pairs(given, two)
    batches = PairBatches(data, 40, seed=3)
    plan = batches.plan(1)
    assert sorted(row for rows in plan for row in rows) == list(range(len(data)))
    for rows in plan:
        assert len(batches.load(rows).inputs.values) == data.lengths[torch.from_numpy(rows)].sum() <= 40
    assert [rows.tolist() for rows in PairBatches(data, 40, seed=3).plan(1)] == [rows.tolist() for rows in plan]


def test_sources_of_one_length_stand_together():
    given, two = many()
    lengths = [batch.inputs.sources.lengths for batch in PairBatches(encode_pairs(given, two), 60)]
    assert torch.equal(torch.cat(lengths), torch.cat(lengths).sort(descending=True).values)


def test_no_texts_are_no_sequences():
    _, two = many()
    assert len(encode_side([], two.source)) == 0
    assert len(encode_pairs([], two)) == 0


# ---- real data ----

REAL = [
    *(
        (f"sigmorphon2020_g2p/{language}_dev.tsv", ("char", "blanks"))
        for language in ("ady", "ice", "jpn", "kor", "vie")
    ),
    ("dakshina_hi/hi.translit.sampled.dev.tsv", ("char", "char")),
    ("cmudict/cmudict.dict.gz", ("char", "blanks")),
    ("tatoeba_eng_fra/fra.txt.gz", ("bpe", "bpe")),
    ("multi30k_en_de/val", ("bpe", "bpe")),
]


@pytest.mark.parametrize(("name", "sides"), REAL)
def test_real_data_tells_what_a_step_is(shared_data, name, sides):
    given = {"source": "en", "target": "de"} if "multi30k" in name else {}
    with open_new_pairs(shared_data / name, PairConfig(**given)) as opened:
        some = list(islice(opened.examples, 3000))
    two = TwoSided.learn(some, TwoSidedConfig().told_by(some))
    assert two.config.sides == sides
    for pair in some[:200]:
        assert two.source.decode(two.source.encode(pair.text).tolist()) == pair.text
        assert two.target.decode(two.target.encode(pair.label).tolist()) == pair.label
