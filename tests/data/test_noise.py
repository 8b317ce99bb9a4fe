"""Errors are made where they fit, as many as were asked for, and the same ones each time."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data import Example
from throughtime.data.noise import KINDS, NoiseConfig, noisy, noisy_pairs

FEW = settings(max_examples=150)
SENTENCES = [
    "The old man walks to the market in the morning, and he buys a book for his friends.",
    "They have discussed the problem with their teacher .",
    "It's colder than last year; we don't know why!",
    "I think that every student learns more when the lessons are short.",
]
WORDS = "the a in of is has dogs went Their it's I , . ! ' 12 3.5% a@b.org x/y É 日本 İstanbul ß"
TEXTS = st.lists(st.sampled_from(WORDS.split()), max_size=12).map(" ".join) | st.text(max_size=30)


def only(kind, **options):
    return NoiseConfig(**{"unchanged": 0, "rate": 0.3, "spread": 0} | dict.fromkeys(KINDS, 0.0) | {kind: 1.0} | options)


@FEW
@given(TEXTS, st.integers(0, 99))
def test_at_rate_0_nothing_changes(text, seed):
    assert noisy(text, NoiseConfig(rate=0), seed) == text
    assert noisy(text, NoiseConfig(rate=1, spread=0, **dict.fromkeys(KINDS, 0.0)), seed) == text


@FEW
@given(TEXTS, st.integers(0, 99))
def test_any_text_takes_errors_and_keeps_its_numbers(text, seed):
    config = NoiseConfig(rate=1, spread=0)
    wrong = noisy(text, config, seed)
    assert wrong == noisy(text, config, seed)
    kept = [[part for part in whole.split() if any(c in "0123456789@/_" for c in part)] for whole in (text, wrong)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("kind", "text", "wrongs"),
    [
        ("article", "A dog sleeps", {"Dog sleeps", "The dog sleeps"}),
        ("article", "He lives in town", {"He lives in the town", "He lives in a town"}),
        ("preposition", "wait for me", {"wait to me", "wait of me", "wait since me", "wait me"}),
        ("preposition", "We discuss it", {"We discuss about it"}),
        ("agreement", "He is", {"He are"}),
        ("agreement", "DON'T", {"DOESN'T"}),
        ("agreement", "two cities", {"two city"}),
        ("agreement", "she studies", {"she study"}),
        ("agreement", "red apples", {"red apple"}),
        ("tense", "he Wrote", {"he Write", "he Writes", "he Writing", "he Written"}),
        ("tense", "I stopped", {"I stop", "I stops", "I stopping"}),
        ("confusion", "It’s Their one", {"Its Their one", "It’s There one", "It’s They're one"}),
        ("order", "We saw 12 men", {"Saw we 12 men"}),
        ("order", "so Often", {"Often so"}),
        ("punctuation", "It rained .", {"It rained", "It, rained ."}),
        ("punctuation", "It rained.", {"It rained", "It, rained."}),
        ("capital", "I am", {"i am", "I Am"}),
    ],
)
def test_each_kind_of_error(kind, text, wrongs):
    """Enough seeds show all that one error of a kind can be, and nothing else."""
    found = {noisy(text, only(kind, rate=1 / len(text.split())), seed) for seed in range(200)} - {text}
    if kind == "punctuation" and text.endswith(" ."):
        wrongs = {wrong.replace("It,", "It ,") for wrong in wrongs}  # where marks stand apart, so does a new one
    assert found == wrongs


def test_letters_go_wrong_within_a_word():
    found = {noisy("house", only("spelling", rate=1), seed) for seed in range(500)}
    assert {"hhouse", "ouse", "ohuse"}.isdisjoint(found)
    assert {"hoouse", "huse", "hpuse", "huose"} <= found
    assert {noisy("cat NATO naïve", only("spelling", rate=1), seed) for seed in range(50)} == {"cat NATO naïve"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_left_out_is_never_seen(kind):
    others = NoiseConfig(rate=0.5, **{kind: 0.0})
    alone = {noisy("We", only(kind, rate=1), seed) for seed in range(50)} - {"We"}
    assert alone.isdisjoint(noisy("We", others, seed) for seed in range(50))


def test_as_many_as_were_asked_for():
    """Spelling leaves all words, so that those that changed can be counted."""
    text = " ".join(["government house people"] * 20)
    for spread in (0, 0.5):
        config = only("spelling", rate=0.2, spread=spread)
        wrong = [noisy(text, config, seed).split() for seed in range(200)]
        changed = [sum(map(str.__ne__, text.split(), words)) for words in wrong]
        assert abs(sum(changed) / len(changed) / 60 - 0.2) < 0.02
        assert (len(set(changed)) == 1) == (spread == 0)


def test_the_same_text_seed_and_epoch_give_the_same_errors():
    examples = [Example(text, None, "a.txt", line) for line, text in enumerate(SENTENCES * 5, 1)]

    def wrong(seed, epoch, rows=examples):
        return [pair.text for pair in noisy_pairs(rows, NoiseConfig(), seed, epoch)]

    assert wrong(1, 0) == wrong(1, 0)
    assert wrong(1, 0)[::-1] == wrong(1, 0, examples[::-1])
    assert len({tuple(wrong(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    [pair, *_] = noisy_pairs(examples, NoiseConfig(), 1)
    assert (pair.targets, pair.path, pair.line, pair.places) == ((SENTENCES[0],), "a.txt", 1, (("a.txt", 1),))


def test_another_process_makes_the_same_errors():
    code = f"from throughtime.data.noise import *; print(noisy({SENTENCES[0]!r}, NoiseConfig(rate=0.5), 7))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == noisy(SENTENCES[0], NoiseConfig(rate=0.5), 7) + "\n"


def test_white_space_stays():
    text = "She   lives\tin\u2028the  city"
    for seed in range(50):
        assert noisy(text, only("spelling"), seed).count("\t") == 1
        assert [part for part in noisy(text, only("order"), seed) if part.isspace()] == list("   \t\u2028  ")
