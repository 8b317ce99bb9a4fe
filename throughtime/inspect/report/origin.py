"""The report's last sections: the data, the settings, and what it takes to make the model again."""

from __future__ import annotations

from html import escape
from typing import Any

from throughtime.config import Config
from throughtime.data.noise import NoiseConfig
from throughtime.inspect.card import PARTS
from throughtime.inspect.report.page import section, sentence, shown_value, table
from throughtime.model import Model, training_of
from throughtime.tasks import TASKS

__all__ = ["origin"]

DELIMITED = ("csv", "tsv")
WITH_COLUMNS = (*DELIMITED, "jsonl", "parquet")


def origin(model: Model) -> list[str]:
    """The sections."""
    return [
        section("Data", _data(model.config.data)),
        section("Settings", _settings(model)),
        section("Make it again", _origin(model)),
    ]


def _data(data: dict[str, Any]) -> str:
    rows = [_file(data, part, name) for part, name in {"train": "training", **PARTS}.items() if _rows(data, part)]
    if not rows:
        return "<p>Nothing was written down about the data.</p>"
    content = table(("for", "file", "rows", "SHA-256"), rows, "llnl", "Files", wide=True)
    source = data.get("source") or {}
    reading = [(name, shown_value(value)) for name, value in (_reading(source) | _held_out(data)).items()]
    if reading:
        content += table(("read as", ""), reading, "ll", "Reading")
    return content + "".join(f"<p>{sentence(note)}.</p>" for note in source.get("notes", []))


def _reading(source: dict[str, Any]) -> dict[str, Any]:
    """What was found out about the files, as far as it means something for their format."""
    facts = {"format": source.get("format"), "encoding": source.get("encoding")}
    if source.get("format") in DELIMITED:
        facts |= {"header": source.get("header"), "delimiter": source.get("delimiter") and repr(source["delimiter"])}
    if source.get("format") in WITH_COLUMNS:
        facts |= {f"{role} column": source.get(role) for role in ("text", "label")}
    facts["label kept until"] = source.get("label_until")
    return {name: value for name, value in facts.items() if value is not None}


def _rows(data: dict[str, Any], part: str) -> int:
    return int((data.get(part) or {}).get("rows", 0))


def _file(data: dict[str, Any], part: str, name: str) -> tuple[str, ...]:
    facts = data[part]
    file = escape(facts["path"]) if facts.get("path") else "held out of the training file"
    return name, file, f"{facts['rows']:,}", f"<code>{escape(facts.get('sha256') or '')[:12]}</code>"


def _held_out(data: dict[str, Any]) -> dict[str, Any]:
    options = data.get("options") or {}
    wanted = {part: options.get(part) for part in PARTS if _rows(data, part)}
    return {f"{PARTS[part]} data": value for part, value in wanted.items() if value is not None}


def _settings(model: Model) -> str:
    config = model.config
    groups: dict[str, tuple[dict[str, Any], type[Config]]] = {
        "Data": (config.data.get("options") or {}, TASKS[config.task].data),
        "Noise": ({} if config.noise is None else config.noise.model_dump(), NoiseConfig),
        "Vocabulary": (config.vocabulary.model_dump(), type(config.vocabulary)),
        "Network": (config.network.model_dump(), type(config.network)),
        "Training": (config.train, training_of(config.task)),
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
        rows.append((escape(name.replace("_", " ")), shown_value(value), escape((field and field.description) or "")))
        if field is not None and value != field.default:
            changed.add(number)
    return table(("setting", "value", "meaning"), rows, "lll", title, wide=True, changed=changed)


def _origin(model: Model) -> str:
    config = model.config
    made_with = {"throughtime": config.throughtime, "model format": config.format, **config.environment}
    rows = [(escape(name), escape(str(value))) for name, value in (made_with | {"seed": config.run.seed}).items()]
    command = f"<pre><code>{escape(config.command)}</code></pre>" if config.command else ""
    return command + table(("made with", ""), rows, "ll", "Versions")
