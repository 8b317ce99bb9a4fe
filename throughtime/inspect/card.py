"""The model card: the README of a model's folder, in plain Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from throughtime.data.language import LanguageConfig
from throughtime.data.lexicon import LexiconConfig
from throughtime.data.music import RollConfig, Rolls
from throughtime.data.noise import NoiseConfig
from throughtime.data.piece import pitch_name
from throughtime.model import Model
from throughtime.storage import write_atomically
from throughtime.tasks import Tags
from throughtime.tasks.targets import Measure

__all__ = ["PARTS", "interval", "named", "shown_part", "write_card"]

THAT_MATTER = (
    *(
        "tokens",
        "lowercase",
        "max_length",
        "spelling",
        "characters",
        "cell",
        "hidden_size",
        "num_layers",
        "bidirectional",
        "pooling",
    ),
    *("dropout", "word_dropout", "optimizer", "lr", "batch_size", "seed"),
)
PARTS = {"test": "test", "valid": "validation"}
"""The results there may be, the one never used for a choice first."""

Part = TypeVar("Part")

CARD = """\
# {title}

It {does}: {network}, trained with Throughtime from nothing else than the data below.
`report.html` beside this file shows how it learnt and where it errs.

## Use

`DIR` stands for this folder, `FILE` for a file of the same kind as the training data.

{commands}

```python
{imports}import throughtime as tt

model = tt.load("DIR")
{calls}
```

## Scores

{scores}

## What it can answer

{labels}

## Data

{data}

## Settings that matter

{settings}

## Limits

- It was trained on the data above and on nothing else; text of another kind, time or language can fare worse than
  the scores say.
{unknown}
{own_limits}

## Version and licence

Made with throughtime {version} (model format {format}).
Licence: for the owner of the model and its data to state.
"""


DOES = {
    "event": "reads music as events and tells what comes next",
    "generate": "reads a text and tells what comes next",
    "compose": "reads music and tells which pitches sound next",
    "classify": "reads a text and tells its class",
    "rate": "reads a text and tells its number",
    "label": "reads a sentence and tells a label for each of its words",
    "translate": "reads a text and answers it with a text",
}

ANSWERS = """\
    throughtime predict DIR FILE
    throughtime evaluate DIR FILE"""
GENERATES = """\
    throughtime generate DIR --prompt TEXT
    throughtime complete DIR
    throughtime score DIR FILE
    throughtime evaluate DIR FILE"""

COMPOSES = """\
    throughtime generate DIR --out new.mid
    throughtime score DIR FILE
    throughtime evaluate DIR FILE"""
TRANSLATES = """\
    throughtime translate DIR
    throughtime predict DIR FILE
    throughtime evaluate DIR FILE"""
COMMANDS = {"translate": TRANSLATES, "generate": GENERATES, "compose": COMPOSES, "event": COMPOSES}

IMPORTS = {
    "compose": "from throughtime.data.midi import write_midi\n\n",
    "event": "from throughtime.data.events import from_events\nfrom throughtime.data.midi import write_midi\n\n",
}
CALLS = {
    "generate": """\
model.generate("A text that goes on", length=200)  # new text
model.complete("How a word en")                    # the likeliest ways on, with their probabilities
model.score(["a text", "another one"])             # how probable each is""",
    "compose": """\
[piece] = model.generate(length=64, seed=1)  # new music
write_midi("new.mid", piece)
model.score([piece])                         # how probable it is""",
    "event": """\
[text] = model.generate(length=2000, seed=1)       # new music, as the words of its events
write_midi("new.mid", from_events(text.split()))
model.score([text])                                # how probable it is""",
    "translate": """\
model.predict(["a text", "another one"])              # an answer each
model.translate(["a text", "another one"], n_best=3)  # the three best, with their scores""",
    "classify": """\
model.predict(["a text", "another one"])  # a class each
model.answers(["a text", "another one"])  # a row each: the probability of each class""",
    "rate": """\
model.predict(["a text", "another one"])  # a number each
model.answers(["a text", "another one"])  # a row each: the number, then each grade's chance""",
    "label": """\
model.predict([["a", "sentence"], ["another"]])  # a list of labels each
model.probabilities([["a", "sentence"], ["another"]])  # a table each: a row a word, a column each of model.labels""",
}

OWN_LIMITS = {
    "generate": "- What it writes sounds like its data and need not be true.",
    "compose": "- It knows no voices and no note struck again: a pitch in two steps that follow each other is held.",
    "event": "- It knows neither voices nor bars, nor how loud a note is.",
    "translate": "- It always answers, also what it has not understood; an answer that reads well may be wrong.",
    "classify": """\
- {calibrated}
- It always answers with one of its labels, also where none fits.""",
    "rate": "- It always answers with a number, also where the text says nothing of the kind.",
    "label": "- It takes words as they are given: parted otherwise than in its training data, it fares worse.",
}

NOISE = """
- It learnt from errors that a program made in right English: what people do wrong in other ways it leaves, and what is
  right but strange to it may be changed. `--keep` says how sure it must be of a change."""

UNCALIBRATED = "The probabilities are not calibrated: 0.9 does not mean right nine times in ten."
CALIBRATED = (
    "The probabilities are calibrated on the validation data (temperature {:.3g}): on texts of another kind 0.9 need "
    "not mean right nine times in ten."
)


def write_card(path: Path, model: Model) -> None:
    """Write the model's card.

    Raises:
        OSError: when the file cannot be written.
    """
    config = model.config
    kind = "event" if getattr(config.vocabulary, "tokens", "") == "event" else config.task
    content = CARD.format(
        title=_escape(model.task.targets.title()),
        does=DOES[kind],
        commands=COMMANDS.get(kind, ANSWERS),
        imports=IMPORTS.get(kind, ""),
        calls=CALLS[kind],
        own_limits=OWN_LIMITS[kind].format(calibrated=_calibrated(config.result)) + NOISE * (config.noise is not None),
        network=model.in_words(),
        scores=_scores(model),
        labels=_labels(model),
        data=_data(config.data, model.names.example) + _made(config.noise),
        settings=_settings(model),
        unknown=_unknown(config.vocabulary),
        version=config.throughtime,
        format=config.format,
    )
    write_atomically(path, content)


def _unknown(vocabulary: object) -> str:
    """What becomes of what training did not show."""
    if isinstance(vocabulary, RollConfig):
        return "- It refuses pitches beyond those that it knows, and steps of another length."
    if getattr(vocabulary, "tokens", "") == "event":
        return "- It has words for every pitch of MIDI; a note that lasts longer than 64 steps is told by several."
    if isinstance(vocabulary, LanguageConfig) and vocabulary.tokens in ("byte", "bpe"):
        return "- No text is unknown to it: what training did not show is read by its bytes."
    what = {"word": "Words", "char": "Characters"}.get(getattr(vocabulary, "tokens", "word"), "Pieces")
    return f"- {what} that training did not show become `<unk>`: {_alike(vocabulary)}."


def _alike(vocabulary: object) -> str:
    """What is left of words that are not known."""
    spelt = isinstance(vocabulary, LexiconConfig) and (vocabulary.characters or vocabulary.spelling)
    return "only their letters tell them apart" if spelt else "all of them look the same to it"


def _calibrated(result: dict[str, Any]) -> str:
    found = result.get("calibration")
    return CALIBRATED.format(found["temperature"]) if found else UNCALIBRATED


def interval(share: float, count: float) -> tuple[float, float]:
    """Where the true share lies in 95 of 100 samples: Wilson's interval (1927).

    >>> tuple(round(bound, 3) for bound in interval(0.9, 100))
    (0.826, 0.945)
    """
    z = 1.96
    middle = share + z * z / (2 * count)
    spread = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    whole = 1 + z * z / count
    # Rounding may put a bound a hair outside, which would read as -0.0%.
    return max(0.0, min(share, (middle - spread) / whole)), min(1.0, max(share, (middle + spread) / whole))


def _scores(model: Model) -> str:
    result, measures = model.config.result, model.task.measures
    counted, called = model.names.counted[-1]
    found = {name: result[part] for part, name in PARTS.items() if result.get(part)}
    if not found:
        return "No data was held out, so nothing is known of how well it does."
    rows = [
        (name, f"{scores[counted]:,}", *(_measure(measure, scores, scores[counted]) for measure in measures))
        for name, scores in found.items()
    ]
    titles = [f"{measure.title} (95% interval)" if measure.key == "accuracy" else measure.title for measure in measures]
    table = _table(("data", called, *titles), rows)
    return f"{table}\n\nThe validation data chose the weights; the test data, where there is some, had no part in it."


def _measure(measure: Measure, scores: dict[str, Any], count: int) -> str:
    value = scores[measure.key]
    if measure.key != "accuracy" or value is None:
        return f"{value:.1%}" if measure.percent and value is not None else measure.shown(value)
    low, high = interval(value, count)
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def shown_part(parts: Mapping[str, Part]) -> tuple[str, Part] | None:
    """What is shown of single examples: the test data's, or else the validation data's, with its name in words.

    >>> shown_part({"valid": 3}), shown_part({"valid": 3, "test": 4}), shown_part({})
    (('validation', 3), ('test', 4), None)
    """
    return next(((name, parts[part]) for part, name in PARTS.items() if part in parts), None)


def named(model: Model) -> list[str]:
    """What it tells apart: its labels; of spans their types, which are no labels of the file by themselves."""
    targets = model.task.targets
    return (targets.types if isinstance(targets, Tags) else []) or model.labels


def _labels(model: Model) -> str:
    """The labels, or the types of spans, with their F1 where it is known."""
    result, names = model.config.result, named(model)
    part = next((part for part in PARTS if result.get(part)), None)
    if not names:
        if isinstance(model.vocabulary, Rolls):
            low, high = (pitch_name(pitch) for pitch in (model.vocabulary.lowest, model.vocabulary.highest))
            return f"Any chord of the {len(model.vocabulary)} pitches from {low} to {high}."
        if getattr(model.config.vocabulary, "tokens", "") == "event":
            return "Any music."
        return "Any text." if model.config.task in ("generate", "translate") else "Any number."
    spans = names != model.labels
    f1 = {} if part is None else result[part].get("f1_by_type" if spans else "f1_by_class", {})
    if part is None or not f1:
        return "\n".join(f"- {_escape(name)}" for name in names)
    rows = [(_escape(name), f"{f1[name]:.1%}" if name in f1 else "–") for name in names]
    return _table(("type of span" if spans else "label", f"F1 on the {PARTS[part]} data"), rows)


def _data(data: dict[str, Any], called: str) -> str:
    """File names and rows, and no more: a card travels, and paths and texts are the owner's."""
    rows = []
    for part, name in {"train": "training", "valid": "validation", "test": "test", "vectors": "word vectors"}.items():
        facts = data.get(part) or {}
        if facts.get("rows"):
            path = facts.get("path")
            file = _escape(Path(path).name or path) if path else "held out of the training file"
            rows.append((name, file, f"{facts['rows']:,}{' words' * (part == 'vectors')}"))
    return _table(("for", "file", f"{called}s"), rows) if rows else "Not known."


def _made(noise: NoiseConfig | None) -> str:
    """How sources were made of the data, where they were."""
    if noise is None:
        return ""
    return (
        f"\n\nThe files hold what is right. Sources were made of it: {noise.unchanged:.0%} of them as they are, in the "
        f"others {noise.rate:.0%} of the words with an error on average, other errors in each pass over the data."
    )


def _settings(model: Model) -> str:
    config = model.config
    chosen = config.vocabulary.model_dump() | config.network.model_dump() | config.train | config.run.model_dump()
    wanted = {name.replace("_", " "): chosen[name] for name in THAT_MATTER if name in chosen}
    wanted |= {"symbols known": len(model.vocabulary), "updates": config.result.get("updates")}
    rows = [(name, _value(value)) for name, value in wanted.items() if value is not None]
    return _table(("setting", "value"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else _escape(str(value))


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, in a table's cell too."""
    safe = re.sub(r"([\\`*_{}\[\]()#+!|~>$-])", r"\\\1", " ".join(text.split()))
    return safe.replace("&", "&amp;").replace("<", "&lt;")
