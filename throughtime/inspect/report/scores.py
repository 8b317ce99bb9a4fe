"""The report's first sections: what the model is, and how well it does."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from throughtime.inspect.card import PARTS, interval, named
from throughtime.inspect.report.confusion import Pairs, count_classes, count_pairs
from throughtime.inspect.report.evidence import Evidence
from throughtime.inspect.report.page import grid, note, section, sentence
from throughtime.model import Model
from throughtime.tasks import Composer, Generator, Translator
from throughtime.tasks.targets import Measure, Names

__all__ = ["header", "scores"]


def header(model: Model) -> str:
    """The page's head."""
    labels = "".join(f"<li>{escape(label)}</li>" for label in named(model))
    listed = f'\n<ul class="labels" aria-label="Labels" tabindex="0">{labels}</ul>' if labels else ""
    return f"""<header>
<p class="eyebrow">Throughtime · {escape(model.config.task)}</p>
<h1>{escape(model.task.targets.title())}</h1>
<p class="lead">{sentence(model.in_words())}{_taught_by(model)}.</p>{listed}
</header>"""


def _taught_by(model: Model) -> str:
    train = model.config.data.get("train") or {}
    called = model.names.example
    name = Path(train["path"]).name or train["path"] if train.get("path") else None
    return f", trained on {train.get('rows', 0):,} {called}s of {escape(name)}" if name else ""


def scores(model: Model, evidence: Evidence) -> str:
    """The section."""
    return section("Scores", _scores(model, evidence))


def _scores(model: Model, evidence: Evidence) -> str:
    result = model.config.result
    found = [
        _score(model, name, result[part], count_pairs(result[part], evidence.answered.get(part)))
        for part, name in PARTS.items()
        if result.get(part)
    ]
    if not found:
        return "<p>No data was held out, so nothing is known of how well it does on texts it has not seen.</p>"
    lean = "The validation data chose the weights that were kept, so its scores lean to the good side."
    if result.get("test"):
        lean += " The test data had no part in any choice."
    return f"{grid(found)}\n{note(lean)}"


def _score(model: Model, name: str, scores: dict[str, Any], pairs: Pairs) -> str:
    first, *others = model.task.measures
    rows = "".join(f"<div><dt>{sentence(m.title)}</dt><dd>{_shown(m, scores)}</dd></div>\n" for m in others)
    return f"""<div class="score">
<h3>{sentence(first.title)} on the {name} data</h3>
<p class="big">{_shown(first, scores)}</p>
<p>{_beside(model, first, scores, pairs)}</p>
<dl>
{rows}{_size(model.names, scores)}
</dl>
</div>"""


def _size(names: Names, scores: dict[str, Any]) -> str:
    sizes = {sentence(title): scores[key] for key, title in names.counted}
    if new := scores.get("labels_unknown"):
        sizes["Words with a label that training did not show"] = sum(new.values())
    return "\n".join(f"<div><dt>{title}</dt><dd>{size:,}</dd></div>" for title, size in sizes.items())


def _shown(measure: Measure, scores: dict[str, Any]) -> str:
    value = scores[measure.key]
    return f"{value:.1%}" if measure.percent and value is not None else measure.shown(value)


def _beside(model: Model, measure: Measure, scores: dict[str, Any], pairs: Pairs) -> str:
    """What puts the first score in its place."""
    if isinstance(model.task, Generator | Composer | Translator):
        return f"{sentence(model.task.targets.in_words())}."
    if measure.key == "f1":
        return "The harmonic mean of precision and recall; a span counts when its words and its type are all right."
    if measure.key != "accuracy":
        return "On average so far from the true number."
    low, high = interval(scores["accuracy"], scores[model.names.counted[-1][0]])
    return f"95% interval: {low:.1%} to {high:.1%}{_baseline(pairs)}"


def _baseline(pairs: Pairs) -> str:
    if not pairs:
        return "."
    share = max(count_classes(pairs).values()) / pairs.total()
    return f". Always telling the most frequent class would reach {share:.1%}."
