"""Wrong English from right English, so that a corrector can be trained where nobody has corrected anything.

How many words go wrong is drawn for each sentence from a normal distribution, of mean 0.15 and deviation 0.2 as
Grundkiewicz et al. (2019, "Neural Grammatical Error Correction Systems with Unsupervised Pre-training on Synthetic
Data") have it. What goes wrong is told by small tables of what learners mix up, near to the lists of common edits of
Awasthi et al. (2019, "Parallel Iterative Edit Models for Local Sequence Transduction") rather than to the random words
of Zhao et al. (2019, "Improving Grammatical Error Correction via Pre-Training a Copy-Augmented Architecture"), which
nobody would write.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import ClassVar, overload

from pydantic import Field

from throughtime.config import Config
from throughtime.data.columns import Example
from throughtime.data.pair import Pair

__all__ = ["KINDS", "NoiseConfig", "NoisyPairs", "noisy", "noisy_pairs", "share_of_english"]


class NoiseConfig(Config):
    """How much goes wrong in right English with --noise, and how often each kind of error is the one."""

    prefix: ClassVar[str] = "noise_"

    unchanged: float = Field(
        0.1, ge=0, le=1, description="the share of sentences left right; the spread leaves more of them so"
    )
    rate: float = Field(0.15, ge=0, le=1, description="the share of a sentence's words that go wrong, on average")
    spread: float = Field(
        1.33, ge=0, description="how uneven sentences are: the deviation of that share, as a multiple of it"
    )
    article: float = Field(0.15, ge=0, description="how often an error is an article: dropped, added or another one")
    preposition: float = Field(0.12, ge=0, description="… a preposition: another one, dropped or added")
    agreement: float = Field(0.14, ge=0, description="… the -s of a noun or a verb, or a form of be, have or do")
    tense: float = Field(0.1, ge=0, description="… another form of a verb")
    spelling: float = Field(0.25, ge=0, description="… a letter: doubled, dropped, swapped, or its neighbour's key")
    confusion: float = Field(0.08, ge=0, description="… a word that is mixed up with another: their and there")
    order: float = Field(0.05, ge=0, description="… two neighbouring words swapped")
    punctuation: float = Field(0.14, ge=0, description="… a mark: dropped, or a comma added")
    capital: float = Field(0.05, ge=0, description="… a word's beginning: small in place of a capital, or a capital")


def noisy(text: str, config: NoiseConfig, seed: int, epoch: int = 0) -> str:
    """Give a sentence with errors; the same ones for the same text, seed and epoch, in whatever order texts come.

    What holds a digit, an at sign or a slash stays as it is, and so does a text that none of the tables knows.

    >>> noisy("She has lived in the city for 12 years.", NoiseConfig(rate=0.3), seed=11)
    'She have lived in the cities since 12 years.'
    """
    key = f"{seed} {epoch} {text}".encode("utf-8", "surrogatepass")
    draw = random.Random(blake2b(key, digest_size=8).digest())
    if draw.random() < config.unchanged:
        return text
    parts = _PARTS.findall(text)
    places = [place for place, part in enumerate(parts) if not part.isspace() and not _KEPT.search(part)]
    share = min(1.0, max(0.0, draw.gauss(config.rate, config.rate * config.spread)))
    wanted = int(share * sum(parts[place][0].isalpha() for place in places) + draw.random())  # rounded by chance
    weights = {kind: getattr(config, kind) for kind in KINDS if getattr(config, kind)}
    for _ in range(wanted):
        edit = _drawn(parts, places, weights, draw)
        for place, part in edit.items():
            parts[place] = part
        places = [place for place in places if place not in edit]
    return "".join(parts)


def noisy_pairs(examples: Iterable[Example | Pair], config: NoiseConfig, seed: int, epoch: int = 0) -> Iterator[Pair]:
    """Yield each text with errors as the source, and as it is as the target."""
    for example in examples:
        wrong = noisy(example.text, config, seed, epoch)
        yield Pair(wrong, (example.text,), example.path, example.line, ((example.path, example.line),))


class NoisyPairs(Sequence[Pair]):
    """Right texts as pairs whose sources are made when they are asked for, so that only the texts take room.

    Args:
        right: the texts.
        config: how much goes wrong.
        seed: what goes wrong; see :func:`noisy`.

    >>> pairs = NoisyPairs([Example("We went to the sea.", None, "a.txt", 1)], NoiseConfig(), seed=2)
    >>> pairs[0].text, pairs.made(0, epoch=1).text, pairs[0].targets
    ('We going at the sea.', 'We goes to the sea.', ('We went to the sea.',))
    """

    def __init__(self, right: Sequence[Example | Pair], config: NoiseConfig, seed: int) -> None:
        self.right, self.config, self.seed = right, config, seed

    def __len__(self) -> int:
        return len(self.right)

    @overload
    def __getitem__(self, place: int) -> Pair: ...

    @overload
    def __getitem__(self, place: slice) -> NoisyPairs: ...

    def __getitem__(self, place: int | slice) -> Pair | NoisyPairs:
        if isinstance(place, slice):
            return NoisyPairs(self.right[place], self.config, self.seed)
        return self.made(place)

    def __iter__(self) -> Iterator[Pair]:
        return noisy_pairs(self.right, self.config, self.seed)

    def made(self, place: int, epoch: int = 0) -> Pair:
        """One of them, with the errors of an epoch."""
        return next(noisy_pairs([self.right[place]], self.config, self.seed, epoch))


def share_of_english(texts: Iterable[str]) -> float:
    """The share of the words that are among English's small ones, from whose mixing up most errors are made.

    >>> share_of_english(["The dog is in the house."]), share_of_english(["Der Hund ist im Haus."])
    (0.6666666666666666, 0.0)
    """
    words = [part.lower() for text in texts for part in _PARTS.findall(text) if part[0].isalpha()]
    return sum(word in _FUNCTION_WORDS for word in words) / len(words) if words else 0.0


Edit = dict[int, str]
"""What parts of a sentence become; nothing where an error of a kind does not fit."""

# Runs of white space, what holds a digit or is an address, words with their apostrophes, and marks.
_PARTS = re.compile(r"\s+|\S*[\d@/_]\S*|[^\W\d_]+(?:['’-][^\W\d_]+)*|\S")
_KEPT = re.compile(r"[\d@/_]")


def _drawn(parts: Sequence[str], places: list[int], weights: dict[str, float], draw: random.Random) -> Edit:
    """An error of a kind that fits somewhere; a kind that fits nowhere leaves `weights`."""
    while weights:
        [kind] = draw.choices(list(weights), list(weights.values()))
        for place in draw.sample(places, len(places)):
            edit = KINDS[kind](parts, place, draw)
            if edit and all(other in places or parts[other].isspace() for other in edit):
                return edit
        del weights[kind]
    return {}


# ---- words ----

_ARTICLES = ("a", "an", "the")
_PREPOSITIONS = ("in", "on", "at", "to", "for", "of", "with", "by", "from", "about", "into", "during", "since")
_MIXED = {
    "in": ("on", "at", "to"), "on": ("in", "at", "about"), "at": ("in", "on", "to"), "to": ("for", "at", "in"),
    "for": ("to", "of", "since"), "of": ("from", "for", "in"), "with": ("by", "to", "from"), "by": ("with", "from"),
    "from": ("of", "by", "since"), "about": ("of", "on", "for"), "into": ("in", "to"), "during": ("for", "while"),
    "since": ("for", "from"),
}  # fmt: skip
_NO_PREPOSITION = {
    "discuss": "about", "discussed": "about", "enter": "into", "entered": "into", "reach": "to", "reached": "to",
    "marry": "with", "married": "with", "attend": "to", "attended": "to", "contact": "with", "answer": "to",
    "lack": "of", "visit": "to", "visited": "to", "emphasize": "on", "affect": "to", "request": "for",
}  # fmt: skip
_NUMBERS = {
    "is": "are", "are": "is", "was": "were", "were": "was", "has": "have", "have": "has", "does": "do", "do": "does",
    "am": "is", "isn't": "aren't", "aren't": "isn't", "wasn't": "weren't", "weren't": "wasn't", "doesn't": "don't",
    "don't": "doesn't", "hasn't": "haven't", "haven't": "hasn't", "this": "these", "these": "this", "that": "those",
    "those": "that", "child": "children", "children": "child", "man": "men", "men": "man", "woman": "women",
    "women": "woman", "person": "people", "people": "person", "life": "lives", "lives": "life",
}  # fmt: skip
_NOUNS = """
book car city company country course day dog example experience fact family friend game group hour house idea job
language law lesson lot month mother nation parent part party picture place player problem product question reason
result room rule school side skill story street student subject system teacher thing time town tree way week word
work world year
"""
_UNCOUNTED = "advice equipment furniture homework information knowledge luggage money music news research"
_REGULAR = """
accept achieve add agree allow answer ask believe call change create decide depend develop discuss enjoy expect
explain finish follow happen help hope improve include increase learn like listen live look love need offer open
play prefer provide reach receive remember seem start stay stop study suggest support talk travel try turn use visit
wait walk want watch work worry
"""
_IRREGULAR = """
become became become|begin began begun|bring brought brought|build built built|buy bought bought|choose chose chosen
come came come|do did done|eat ate eaten|fall fell fallen|feel felt felt|find found found|forget forgot forgotten
get got got|give gave given|go went gone|grow grew grown|hear heard heard|hold held held|keep kept kept
know knew known|leave left left|lose lost lost|make made made|mean meant meant|meet met met|pay paid paid
read read read|run ran run|say said said|see saw seen|sell sold sold|send sent sent|sit sat sat|sleep slept slept
speak spoke spoken|spend spent spent|stand stood stood|take took taken|teach taught taught|tell told told
think thought thought|understand understood understood|wear wore worn|win won won|write wrote written
""".strip()
_CONFUSED = """
their there they're|its it's|then than|your you're|to too|affect effect|lose loose|quiet quite|accept except
advice advise|whose who's|whether weather|much many|less fewer|good well|say tell|make do|where were|of off
few little|also too|although despite|other another|beside besides|economic economical
interested interesting|bored boring|excited exciting|hard hardly|sometime sometimes|every all|like as|so very
""".strip()
_NOT_PLURAL = re.compile(r".*(?:ss|us|is|'s|as)|always|besides|perhaps|sometimes|yes|news|towards|afterwards")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh", "o")):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search("[^aeou]y$", word) else f"{word}s"


def _with(ending: str, verb: str) -> str:
    if verb.endswith("e") and not (ending == "ing" and verb.endswith(("ee", "oe"))):
        return verb[:-1] + ending
    if verb.endswith("y") and ending == "ed" and verb[-2] not in "aeou":
        return f"{verb[:-1]}ied"
    doubled = re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]|begin|forget|prefer", verb)
    return f"{verb}{verb[-1]}{ending}" if doubled else verb + ending


def _verbs() -> Iterator[tuple[str, str, str]]:
    """Each verb's base, past and participle."""
    for entry in re.split(r"[|\n]", _IRREGULAR):
        base, past, participle = entry.split()
        yield base, past, participle
    for base in _REGULAR.split():
        yield base, _with("ed", base), _with("ed", base)


def _tables() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """For each word the one of the other number, and for each form of a verb those of other tenses."""
    numbers = {word: _with_s(word) for word in f"{_NOUNS} {_UNCOUNTED}".split()}
    tenses: dict[str, tuple[str, ...]] = {}
    for base, past, participle in _verbs():
        numbers.setdefault(base, _with_s(base))
        forms = (base, _with_s(base), past, participle, _with("ing", base))
        for form in forms:
            same_time = {base, _with_s(base)} if form in forms[:2] else {form}
            tenses.setdefault(form, tuple(sorted({*forms} - same_time)))
    return numbers | {several: one for one, several in numbers.items()} | _NUMBERS, tenses


_OTHER_NUMBER, _OTHER_TENSES = _tables()
_OTHER_WORDS = {
    word: tuple(other for other in group if other != word)
    for group in (entry.split() for entry in re.split(r"[|\n]", _CONFUSED))
    for word in group
}
_SMALL = """
i you he she it we they me him her us them my your his its our their mine yours and or but so if when while as that
this these those who which what where how why not no be been being had did can could will would shall should may might
must all some any every each many much more most few one two three than then there here very too also just only
"""
_FUNCTION_WORDS = {*_ARTICLES, *_PREPOSITIONS, *_NUMBERS, *_SMALL.split()}


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[0].upper() + word[1:] if like[0].isupper() else word


# ---- the kinds of errors ----

# As in learners' essays five marks are left out for each that is too much, though words are many and marks are few, and
# most of them are commas.
_RARELY, _SELDOM = 0.03, 0.3


def _instead(parts: Sequence[str], place: int, others: Sequence[str], draw: random.Random) -> Edit:
    if not others:
        return {}
    return {place: _cased(draw.choice(others), parts[place])}


def _dropped(parts: Sequence[str], place: int) -> Edit:
    """A word and the blank behind it; the next one has its capital then."""
    after = "".join(parts[place + 1 : place + 3][1:])
    if not after or not parts[place + 1].isspace():
        return {}
    cased = _cased(after, parts[place])
    return {place: "", place + 1: ""} | ({place + 2: cased} if cased != after else {})


def _next_word(parts: Sequence[str], place: int, step: int = 1) -> str:
    """The word that follows after a blank, or stands before one; none at an end or beside a mark."""
    blank, at = place + step, place + 2 * step
    plain = 0 <= at < len(parts) and parts[blank].isspace() and parts[at].isalpha()
    return parts[at].lower() if plain else ""


def _article(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    word = parts[place]
    if word.lower() in _ARTICLES:
        dropped = _dropped(parts, place)
        if dropped and draw.random() < 0.6:
            return dropped
        return _instead(parts, place, ["the"] if word.lower() != "the" else ["a"], draw)
    before = _next_word(parts, place, -1)
    follows = before in _PREPOSITIONS or before in _OTHER_TENSES
    if follows and word.islower() and word.isalpha() and len(word) > 2 and word not in _FUNCTION_WORDS:
        return {place: f"{draw.choice(('the', 'the', 'a'))} {word}"}
    return {}


def _preposition(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    word = parts[place].lower()
    if word in _NO_PREPOSITION and _next_word(parts, place) not in ("", *_PREPOSITIONS):
        return {place: f"{parts[place]} {_NO_PREPOSITION[word]}"}
    dropped = _dropped(parts, place) if word in _MIXED else {}
    return dropped if dropped and draw.random() < 0.25 else _instead(parts, place, _MIXED.get(word, ()), draw)


def _agreement(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    word = parts[place].lower()
    if word in _OTHER_NUMBER:
        return _instead(parts, place, [_OTHER_NUMBER[word]], draw)
    plural = len(word) > 3 and word.endswith("s") and parts[place].isalpha() and not parts[place][0].isupper()
    if plural and not _NOT_PLURAL.fullmatch(word) and word not in _FUNCTION_WORDS:
        return {place: parts[place][:-1]}
    return {}


def _tense(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    return _instead(parts, place, _OTHER_TENSES.get(parts[place].lower(), ()), draw)


def _spelling(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    """One letter after the first, which people hardly miss."""
    word = parts[place]
    if len(word) < 4 or not (word.isascii() and word.isalpha()) or word.isupper():
        return {}
    at = draw.randrange(1, len(word))
    letter = word[at]
    row = next(row for row in _KEYS if letter.lower() in row)
    key = row.index(letter.lower())
    near = draw.choice(row[max(0, key - 1) : key] + row[key + 1 : key + 2])
    wrong = draw.choice(
        [
            word[:at] + letter + word[at:],
            word[:at] + word[at + 1 :],
            word[:at] + near + word[at + 1 :],
            word[: at - 1] + letter + word[at - 1] + word[at + 1 :] if at > 1 else word,
        ]
    )
    return {place: wrong} if wrong != word else {}


def _confusion(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    return _instead(parts, place, _OTHER_WORDS.get(parts[place].lower().replace("’", "'"), ()), draw)


def _order(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    """A word changes places with the next one, and a sentence still begins with a capital."""
    word, after = parts[place], _next_word(parts, place)
    if not word.isalpha() or not after or after == word.lower():
        return {}
    first = parts[place + 2]
    if place == 0 and first.islower():
        return {place: _cased(first, word), place + 2: word if word == "I" else word.lower()}
    return {place: first, place + 2: word}


def _punctuation(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    """A mark is dropped, with the blank before it where the text has one; rarely a comma stands where none belongs."""
    if parts[place] in (*",.;:!?'\"",):
        if parts[place] != "," and draw.random() > _SELDOM:
            return {}
        before = {place - 1: ""} if place and parts[place - 1].isspace() else {}
        return {place: ""} | before
    if not parts[place].isalpha() or not _next_word(parts, place) or draw.random() > _RARELY:
        return {}
    apart = any(mark in ",.;!?" and parts[at].isspace() for at, mark in enumerate(parts[1:]))
    return {place: f"{parts[place]}{' ' * apart},"}


def _capital(parts: Sequence[str], place: int, draw: random.Random) -> Edit:
    """A capital becomes small, most often the sentence's first; rarely the other way round."""
    word = parts[place]
    if word[0] == word[0].swapcase() or (word[0].islower() and draw.random() > _RARELY):
        return {}
    return {place: word[0].swapcase() + word[1:]}


KINDS: dict[str, Callable[[Sequence[str], int, random.Random], Edit]] = {
    "article": _article,
    "preposition": _preposition,
    "agreement": _agreement,
    "tense": _tense,
    "spelling": _spelling,
    "confusion": _confusion,
    "order": _order,
    "punctuation": _punctuation,
    "capital": _capital,
}
"""Each kind of error by the name of its setting: what it makes of the part at a place, if it fits there."""
