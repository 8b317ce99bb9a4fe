"""The report: one page of HTML that holds everything it needs and can be sent as it is."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path
from string import Template
from typing import Any

import torch

from throughtime.config import Config
from throughtime.inspect import fading
from throughtime.inspect.card import PARTS, interval, network_in_words
from throughtime.inspect.reach import Reach
from throughtime.inspect.words import seconds_in_words
from throughtime.model import Model
from throughtime.storage import write_atomically
from throughtime.tasks.targets import Measure
from throughtime.train.config import TrainConfig
from throughtime.train.protocol import Record

__all__ = ["write_report"]

MOST_IN_MATRIX = 60
MOST_MISTAKES = 10
FEW, MANY, TALL = 4, 12, 20
WITH_COLUMNS = ("csv", "tsv", "jsonl")
DEEPEST = 0.55
"""The strongest tint of a cell: text keeps a contrast of more than 4.5 on it, in the light and in the dark."""


def write_report(path: Path, model: Model, history: Sequence[Record]) -> None:
    """Write the page; the same model and history give the same bytes.

    Args:
        path: the page's place.
        model: trained, with its ``config.result``.
        history: the evaluations of its training, in order.

    Raises:
        OSError: when the file cannot be written.
    """
    sections = [
        _header(model),
        _section("Scores", _scores(model)),
        _section("How it learnt", _learning(model, history)),
        *_reach(model.config.result),
        *_errors(model),
        _section("Data", _data(model.config.data)),
        _section("Settings", _settings(model)),
        _section("Make it again", _origin(model)),
    ]
    page = Template(_own("report.html")).substitute(
        title=escape(_title(model)), css=_own("report.css"), content="\n".join(sections)
    )
    write_atomically(path, page)


def _own(name: str) -> str:
    return files("throughtime.inspect").joinpath(name).read_text(encoding="utf-8")


# ---- what it is ----


def _header(model: Model) -> str:
    labels = "".join(f"<li>{escape(label)}</li>" for label in model.labels)
    listed = f'\n<ul class="labels" aria-label="Labels" tabindex="0">{labels}</ul>' if labels else ""
    return f"""<header>
<p class="eyebrow">Throughtime · {escape(model.config.task)}</p>
<h1>{escape(_title(model))}</h1>
<p class="lead">{_sentence(network_in_words(model))}{_taught_by(model.config.data)}.</p>{listed}
</header>"""


def _title(model: Model) -> str:
    return model.task.targets.title()


def _taught_by(data: dict[str, Any]) -> str:
    train = data.get("train") or {}
    name = Path(train["path"]).name or train["path"] if train.get("path") else None
    return f", trained on {train.get('rows', 0):,} rows of {escape(name)}" if name else ""


def _sentence(text: str) -> str:
    return escape(text[:1].upper() + text[1:])


# ---- how well it does ----


def _scores(model: Model) -> str:
    result = model.config.result
    found = [_score(model.task.measures, name, result[part]) for part, name in PARTS.items() if result.get(part)]
    if not found:
        return "<p>No data was held out, so nothing is known of how well it does on texts it has not seen.</p>"
    note = "The validation data chose the weights that were kept, so its scores lean to the good side."
    if result.get("test"):
        note += " The test data had no part in any choice."
    return f'<div class="grid">{"".join(found)}</div>\n<p class="note">{note}</p>'


def _score(measures: Sequence[Measure], name: str, scores: dict[str, Any]) -> str:
    first, *others = measures
    rows = "".join(f"<div><dt>{_sentence(m.title)}</dt><dd>{_shown(m, scores)}</dd></div>\n" for m in others)
    return f"""<div class="score">
<h3>{_sentence(first.title)} on the {name} data</h3>
<p class="big">{_shown(first, scores)}</p>
<p>{_beside(first, scores)}</p>
<dl>
{rows}<div><dt>Examples</dt><dd>{scores["examples"]:,}</dd></div>
</dl>
</div>"""


def _shown(measure: Measure, scores: dict[str, Any]) -> str:
    value = scores[measure.key]
    return f"{value:.1%}" if measure.percent and value is not None else measure.shown(value)


def _beside(measure: Measure, scores: dict[str, Any]) -> str:
    """What puts the first score in its place."""
    if measure.key != "accuracy":
        return "On average so far from the true number."
    low, high = interval(scores["accuracy"], scores["examples"])
    return f"95% interval: {low:.1%} to {high:.1%}{_baseline(scores)}"


def _baseline(scores: dict[str, Any]) -> str:
    most = max(sum(row) for row in scores["confusion"])
    return f". Always telling the most frequent class would reach {most / scores['examples']:.1%}."


# ---- how it learnt ----


def _learning(model: Model, history: Sequence[Record]) -> str:
    measures = model.task.measures
    told = f"<p>{_ending(model.config.result)}</p>"
    if not history:
        return told
    note = (
        "A training loss is the mean since the evaluation before it, with dropout and label smoothing; "
        "validation is measured without. "
        "The dotted line marks the evaluation whose weights were kept."
    )
    curves, numbers = _curves(history, measures), _evaluations(history, measures)
    return f'{told}\n<div class="grid">{curves}</div>\n{numbers}\n<p class="note">{note}</p>'


def _curves(history: Sequence[Record], measures: Sequence[Measure]) -> str:
    # Here, since matplotlib takes a good part of a second to import, which a short training need not wait for.
    from throughtime.inspect.plots import charts, draw

    return "".join(
        f"<figure>\n<h3>{chart.title}</h3>\n{draw(chart, history, f'chart{number}')}</figure>\n"
        for number, chart in enumerate(charts(history, measures), 1)
    )


def _ending(result: dict[str, Any]) -> str:
    best, valid = result["best"], result.get("valid")
    kept = "the best on the validation data" if valid else "the last, there being no validation data to choose by"
    return (
        f"Training ended after {seconds_in_words(result['seconds'])} and {result['updates']:,} updates: "
        f"{escape(result['reason'])}. "
        f"The weights of update {best['update']:,} (epoch {best['epoch']:.3g}) were kept, {kept}."
    )


def _evaluations(history: Sequence[Record], measures: Sequence[Measure]) -> str:
    scores = [measure.title for measure in measures if measure.key != "loss"]
    columns = ["update", "epoch", "training loss", "validation loss", *scores]
    columns += ["gradient norm", "clipped", "learning rate", "time", "kept"]
    kept = max((number for number, record in enumerate(history) if record.best), default=None)
    rows = [[*_evaluation(record, measures), "✓" if number == kept else ""] for number, record in enumerate(history)]
    table = _table(columns, rows, "n" * len(columns), "Evaluations", tall=len(rows) > TALL)
    return f"<details><summary>The numbers of the curves</summary>{table}</details>"


def _evaluation(record: Record, measures: Sequence[Measure]) -> list[str]:
    valid = record.valid or {}
    ordered = sorted(measures, key=lambda measure: measure.key != "loss")
    scores = [measure.shown(valid.get(measure.key)) for measure in ordered]
    return [
        f"{record.update:,}",
        f"{record.epoch:.2f}",
        f"{record.loss:.4f}",
        *scores,
        f"{record.grad_norm:.3f}",
        f"{record.clipped:.1%}",
        f"{record.lr:.2e}",
        seconds_in_words(record.seconds),
    ]


def _reach(result: dict[str, Any]) -> list[str]:
    """How far back it reaches, where that was measured."""
    found = result.get("reach")
    return [fading.section(*(Reach.from_json(part) for part in found))] if found else []


# ---- where it errs ----


def _errors(model: Model) -> list[str]:
    """Two sections from the test data, or from the validation data, or none."""
    part = next((part for part in PARTS if model.config.result.get(part)), None)
    if part is None:
        return []
    scores, name = model.config.result[part], PARTS[part]
    if "confusion" not in scores:
        return []
    table: list[list[int]] = scores["confusion"]
    matrix = _matrix(model.labels, table) if len(table) <= MOST_IN_MATRIX else ""
    mistakes = _mistakes(model.labels, table)
    found = [_section("Where it errs", f"<p>{_matrix_note(name, bool(matrix))}</p>{matrix}{mistakes}")]
    if "f1_by_class" in scores:
        text = f"<p>On the {name} data, the best first.</p>{_classes(model.labels, scores)}"
        found.append(_section("Each class", text))
    return found


def _matrix_note(name: str, drawn: bool) -> str:
    if not drawn:
        return f"On the {name} data. The classes are too many to set against each other in one table."
    return f"On the {name} data: each row a true class, each column what it was taken for. Colour: the row's share."


def _matrix(labels: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    size = "few" if len(labels) <= FEW else "many" if len(labels) > MANY else ""
    head = "".join(f'<th scope="col">{_short(label)}</th>' for label in labels)
    rows = "".join(_matrix_row(labels, number, row) for number, row in enumerate(table))
    corner = '<td class="axis">true ↓ taken for →</td>'
    content = f"<thead><tr>{corner}{head}</tr></thead>\n<tbody>\n{rows}</tbody>"
    return _box("Confusion matrix", f'<table class="confusion {size}">{content}</table>', len(labels) > TALL)


def _matrix_row(labels: Sequence[str], number: int, row: Sequence[int]) -> str:
    whole = max(1, sum(row))
    cells = "".join(_matrix_cell(count, count / whole, place == number) for place, count in enumerate(row))
    return f'<tr><th scope="row">{_short(labels[number])}</th>{cells}</tr>\n'


def _matrix_cell(count: int, share: float, right: bool) -> str:
    if not count:
        return '<td class="none">·</td>'
    kind = ' class="right"' if right else ""
    return f'<td{kind} style="--share:{DEEPEST * share:.3f}" title="{share:.1%}">{count:,}</td>'


def _short(label: str) -> str:
    return f'<span class="short" title="{escape(label)}">{escape(label)}</span>'


def _mistakes(labels: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    """The most frequent confusions, which a large matrix hides and a small one shows by itself."""
    pairs = [(n, i, j) for i, row in enumerate(table) for j, n in enumerate(row) if n and i != j]
    if len(labels) <= FEW or not pairs:
        return ""
    rows = [
        (_short(labels[i]), _short(labels[j]), f"{n:,}", f"{n / sum(table[i]):.1%}")
        for n, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:MOST_MISTAKES]
    ]
    content = _table(("true class", "taken for", "texts", "of the class"), rows, "llnn", "Most frequent mistakes")
    return f"<h3>Most frequent mistakes</h3>{content}"


def _classes(labels: Sequence[str], scores: dict[str, Any]) -> str:
    table = scores["confusion"]
    order = sorted(range(len(labels)), key=lambda number: (-scores["f1_by_class"][labels[number]], number))
    rows = []
    for number in order:
        f1, right = scores["f1_by_class"][labels[number]], table[number][number]
        told, true = sum(row[number] for row in table), sum(table[number])
        bar = f'<span class="bar"><i style="width:{f1:.1%}"></i></span>'
        precision, recall = (f"{right / whole:.1%}" if whole else "–" for whole in (told, true))
        rows.append((escape(labels[number]), bar, f"{f1:.1%}", precision, recall, f"{true:,}"))
    return _table(
        ("class", "", "F1", "precision", "recall", "examples"),
        rows,
        "llnnnn",
        "F1 of each class",
        wide=True,
        tall=len(rows) > TALL,
    )


# ---- what it was made of ----


def _data(data: dict[str, Any]) -> str:
    rows = [_file(data, part, name) for part, name in {"train": "training", **PARTS}.items() if _rows(data, part)]
    if not rows:
        return "<p>Nothing was written down about the data.</p>"
    content = _table(("for", "file", "rows", "SHA-256"), rows, "llnl", "Files", wide=True)
    source = data.get("source") or {}
    reading = [(name, _value(value)) for name, value in (_reading(source) | _held_out(data)).items()]
    if reading:
        content += _table(("read as", ""), reading, "ll", "Reading")
    return content + "".join(f"<p>{_sentence(note)}.</p>" for note in source.get("notes", []))


def _reading(source: dict[str, Any]) -> dict[str, Any]:
    """What was found out about the files, as far as it means something for their format."""
    facts = {"format": source.get("format"), "encoding": source.get("encoding")}
    if source.get("format") in WITH_COLUMNS:
        facts |= {"header": source.get("header"), "delimiter": source.get("delimiter") and repr(source["delimiter"])}
        facts |= {f"{role} column": source.get(role) for role in ("text", "label")}
    facts["label kept until"] = source.get("label_until")
    return {name: value for name, value in facts.items() if value is not None}


def _rows(data: dict[str, Any], part: str) -> int:
    return int((data.get(part) or {}).get("rows", 0))


def _file(data: dict[str, Any], part: str, name: str) -> tuple[str, ...]:
    facts = data[part]
    file = escape(facts["path"]) if facts.get("path") else "held out of the training file"
    return name, file, f"{facts['rows']:,}", f"<code>{escape(facts.get('sha256', ''))[:12]}</code>"


def _held_out(data: dict[str, Any]) -> dict[str, Any]:
    options = data.get("options") or {}
    wanted = {part: options.get(part) for part in PARTS if _rows(data, part)}
    return {f"{PARTS[part]} data": value for part, value in wanted.items() if value is not None}


def _settings(model: Model) -> str:
    config = model.config
    groups: dict[str, tuple[dict[str, Any], type[Config]]] = {
        "Vocabulary": (config.vocabulary.model_dump(), type(config.vocabulary)),
        "Network": (config.network.model_dump(), type(config.network)),
        "Training": (config.train, TrainConfig),
        "Run": (config.run.model_dump(), type(config.run)),
    }
    content = "".join(
        f"<div><h3>{name}</h3>{_setting_table(name, *group)}</div>" for name, group in groups.items() if group[0]
    )
    return f'<p class="note">Bold: not the default.</p>\n<div class="grid">{content}</div>'


def _setting_table(title: str, values: dict[str, Any], kind: type[Config]) -> str:
    rows, changed = [], set()
    for number, (name, value) in enumerate(values.items()):
        field = kind.model_fields.get(name)
        rows.append((escape(name.replace("_", " ")), _value(value), escape((field and field.description) or "")))
        if field is not None and value != field.default:
            changed.add(number)
    return _table(("setting", "value", "meaning"), rows, "lll", title, wide=True, changed=changed)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else escape(str(value))


def _origin(model: Model) -> str:
    config = model.config
    versions = [
        ("throughtime", escape(config.throughtime)),
        ("model format", str(config.format)),
        ("torch", escape(torch.__version__)),
        ("python", platform.python_version()),
        ("seed", str(config.run.seed)),
    ]
    command = f"<pre><code>{escape(config.command)}</code></pre>" if config.command else ""
    return command + _table(("made with", "version"), versions, "ll", "Versions")


# ---- pieces of a page ----


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>"


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    columns: str,
    title: str,
    *,
    wide: bool = False,
    tall: bool = False,
    changed: Iterable[int] = (),
) -> str:
    """A table in its own scrolling box; cells are HTML; ``columns`` has ``n`` for numbers and ``l`` for text."""
    kinds = ["n" if column == "n" else "long" for column in columns]
    top = "".join(f'<th scope="col" class="{kind}">{cell}</th>' for cell, kind in zip_longest(head, kinds))
    marked = set(changed)
    body = "".join(_row(cells, kinds, number in marked) for number, cells in enumerate(rows))
    size = ' class="wide"' if wide else ""
    return _box(title, f"<table{size}><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>", tall)


def _row(cells: Sequence[str], kinds: Sequence[str], changed: bool) -> str:
    first, *others = zip(cells, kinds, strict=True)
    rest = "".join(f'<td class="{kind}">{cell}</td>' for cell, kind in others)
    mark = ' class="changed"' if changed else ""
    return f'<tr{mark}><th scope="row" class="{first[1]}">{first[0]}</th>{rest}</tr>\n'


def _box(title: str, content: str, tall: bool = False) -> str:
    # What scrolls must be reachable by the keyboard, and what is reachable must have a name.
    return f'<div class="box{" tall" * tall}" role="region" aria-label="{title}" tabindex="0">{content}</div>'
