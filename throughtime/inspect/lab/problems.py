"""Problems with a distance that can be set: what must be remembered was read so many steps before the end."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar

import torch

from throughtime.data.batches import Batch
from throughtime.ragged import Ragged

__all__ = ["PROBLEMS", "Adding", "Agreement", "Copy", "Problem"]


class Problem:
    """Abstract. A sequence, and what is to be answered at its last ``answers`` steps.

    Attributes:
        name: the word for it on the command line.
        title: in a sentence's part.
        question: what is asked, for a page, in a sentence.
        distance: what the distance counts, likewise.
        input_size: symbols, or values of a step's vector.
        outputs: classes, or 1 for a number.
        answers: how many a sequence has.
        nearest: the shortest distance there is.
        chance: the share of right answers that guessing reaches.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    distance: ClassVar[str]
    input_size: ClassVar[int]
    outputs: ClassVar[int]
    answers: ClassVar[int] = 1
    nearest: ClassVar[int] = 1
    chance: ClassVar[float]

    def draw(self, random: Random, distance: int) -> tuple[list[Any], list[Any]]:
        """One sequence of exactly that distance, and its answers."""
        raise NotImplementedError("Problem is abstract: use one of PROBLEMS")

    def example(self, random: Random, distance: int) -> str:
        """One sequence and its answer, to be read by people."""
        raise NotImplementedError("Problem is abstract: use one of PROBLEMS")

    def batch(self, random: Random, distances: Sequence[int]) -> Batch:
        """A sequence of each distance: inputs of ``B`` sequences, targets ``[B, answers]``."""
        drawn = [self.draw(random, distance) for distance in distances]
        steps = torch.tensor([step for sequence, _ in drawn for step in sequence])
        inputs = Ragged.from_lengths(steps, [len(sequence) for sequence, _ in drawn])
        return Batch(inputs, torch.tensor([answers for _, answers in drawn]), tuple(range(len(drawn))))


# ---- agreement ----

NOUNS = [
    *(("dog", "dogs"), ("man", "men"), ("woman", "women"), ("child", "children"), ("teacher", "teachers")),
    *(("house", "houses"), ("car", "cars"), ("bird", "birds"), ("king", "kings"), ("mouse", "mice")),
    *(("tree", "trees"), ("boat", "boats"), ("girl", "girls"), ("boy", "boys"), ("friend", "friends")),
]
VERBS = [
    *("barking", "smoking", "knitting", "playing", "teaching", "burning", "rusting", "flying", "ruling", "squeaking"),
    *("growing", "sinking", "dancing", "running", "visiting"),
]
"""What each of them does."""
LINKS = ["near", "behind", "with", "beside", "above", "before", "owned by", "liked by", "seen by", "known to"]
ADJECTIVES = ["old", "young", "small", "big", "black", "quiet", "tall", "red"]
ADVERBS = ["here", "today", "outside", "again", "lately", "there"]
PHRASES = [
    [*link.split(), "the", *adjective, noun]
    for link in LINKS
    for adjective in ([], *([word] for word in ADJECTIVES))
    for pair in NOUNS
    for noun in pair
]
CALM = [
    phrase.split()
    for phrase in (
        *("all day long", "in the morning", "until late at night", "as so often before", "for the first time"),
        *("at the end of the year", "in spite of the rain", "one after another", "more than ever"),
    )
]
"""Phrases without a noun that could be the subject: most of a sentence."""
NOISE = 0.2
"""The share of phrases that have one."""
SHORTEST = min(map(len, PHRASES))
WORDS = sorted({word for phrase in PHRASES + CALM for word in phrase} | set(ADVERBS))
NUMBERS = {word: number for number, word in enumerate(WORDS)}
NOUN_PHRASES, CALM_PHRASES = ([[NUMBERS[word] for word in phrase] for phrase in own] for own in (PHRASES, CALM))
"""The same phrases as numbers of words: sentences are put together from these."""
SUBJECTS = [NUMBERS[noun] for pair in NOUNS for noun in pair]
FILLERS = [NUMBERS[word] for word in ADVERBS]


class Agreement(Problem):
    """Which verb comes next? The subject says so, ``distance`` words before: *dogs were barking*, *a car was rusting*.

    After Elman 1991 and Linzen, Dupoux & Goldberg 2016. Nouns in between are the same words, drawn by chance, so that
    none of them is a hint.

    >>> Agreement().example(Random(1), 9)
    'The woman in the morning one after another one after another … was knitting'
    """

    name = "agreement"
    title = "agreement of the verb with its subject"
    question = "Which verb comes next? It agrees with its subject, in number (was, were) and in meaning (dogs bark)."
    distance = "words between subject and verb"
    input_size = len(WORDS)
    outputs = len(SUBJECTS)
    chance = 1 / len(SUBJECTS)

    def draw(self, random: Random, distance: int) -> tuple[list[int], list[int]]:
        """See :class:`Problem`."""
        subject = random.randrange(len(SUBJECTS))
        words = [NUMBERS["the"], SUBJECTS[subject]]
        left = distance
        while left >= SHORTEST:
            phrase = random.choice(NOUN_PHRASES if random.random() < NOISE else CALM_PHRASES)
            if len(phrase) <= left:
                words += phrase
                left -= len(phrase)
        return words + random.choices(FILLERS, k=left), [subject]

    def example(self, random: Random, distance: int) -> str:
        """See :class:`Problem`."""
        words, (subject,) = self.draw(random, distance)
        verb = f"{('was', 'were')[subject % 2]} {VERBS[subject // 2]}"
        return f"{' '.join(WORDS[word] for word in words).capitalize()} … {verb}"


# ---- adding ----


class Adding(Problem):
    """Add the two numbers that are marked, the first ``distance`` steps before the end.

    Hochreiter & Schmidhuber 1997, experiment 4: each step is a number from -1 to 1 and a mark; the answer is
    ``0.5 + (x_1 + x_2) / 4``, and right when its error is below 0.04. The second mark is in the first half.

    >>> Adding().example(Random(1), 6)
    '[-0.73] [+0.69] +0.53 -0.49 -0.01 -0.10 +0.30 → 0.49'
    """

    name = "adding"
    title = "adding two marked numbers"
    question = "What is the sum of the two numbers that are marked, of all that were read?"
    distance = "steps since the first marked number"
    input_size = 2
    outputs = 1
    chance = 1 - 0.92**2  # of always saying 0.5: |x_1 + x_2| < 4 · 0.04, with a triangular density
    nearest = 2

    def draw(self, random: Random, distance: int) -> tuple[list[list[float]], list[float]]:
        """See :class:`Problem`."""
        numbers = [random.uniform(-1, 1) for _ in range(distance + 1)]
        second = random.randint(1, max(1, distance // 2))
        steps = [[number, float(place in (0, second))] for place, number in enumerate(numbers)]
        return steps, [0.5 + (numbers[0] + numbers[second]) / 4]

    def example(self, random: Random, distance: int) -> str:
        """See :class:`Problem`."""
        steps, (answer,) = self.draw(random, distance)
        shown = [f"[{number:+.2f}]" if mark else f"{number:+.2f}" for number, mark in steps]
        return f"{' '.join(shown)} → {answer:.2f}"


# ---- copy ----

LETTERS = "abcdefgh"
COPIED = 4
BLANK, ASK = len(LETTERS), len(LETTERS) + 1


class Copy(Problem):
    """Say four letters again, each ``distance`` steps after it was read.

    Hochreiter & Schmidhuber 1997 have such noise-free lags; the form is that of Arjovsky, Shah & Bengio 2016: letters,
    blanks, then as many steps that ask.

    >>> Copy().example(Random(1), 6)
    'b g g c · · ? ? ? ? → b g g c'
    """

    name = "copy"
    title = "copying four letters"
    question = "Which four letters stood at the beginning, in their order?"
    distance = "steps from reading a letter to saying it"
    input_size = len(LETTERS) + 2
    outputs = len(LETTERS)
    answers = COPIED
    nearest = COPIED
    chance = 1 / len(LETTERS)

    def draw(self, random: Random, distance: int) -> tuple[list[int], list[int]]:
        """See :class:`Problem`."""
        letters = random.choices(range(len(LETTERS)), k=COPIED)
        return letters + [BLANK] * (distance - COPIED) + [ASK] * COPIED, letters

    def example(self, random: Random, distance: int) -> str:
        """See :class:`Problem`."""
        symbols, letters = self.draw(random, distance)
        shown = f"{LETTERS}·?"
        return f"{' '.join(shown[symbol] for symbol in symbols)} → {' '.join(LETTERS[letter] for letter in letters)}"


PROBLEMS: dict[str, Problem] = {problem.name: problem for problem in (Agreement(), Adding(), Copy())}
