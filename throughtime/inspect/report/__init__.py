"""The report: one page of HTML that holds everything it needs and can be sent as it is; one file for some sections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from throughtime.inspect.reach import Reach
from throughtime.inspect.report.calibration import calibration
from throughtime.inspect.report.confusion import confusions
from throughtime.inspect.report.evidence import Answered, Chances, Evidence, answered, text_lengths
from throughtime.inspect.report.fading import fading
from throughtime.inspect.report.foretold import Foretold, foretold, hardest, positions, sample, written
from throughtime.inspect.report.labelled import Labelled, labelled
from throughtime.inspect.report.learning import learning
from throughtime.inspect.report.lengths import lengths
from throughtime.inspect.report.looked import where_it_looks
from throughtime.inspect.report.origin import origin
from throughtime.inspect.report.page import page
from throughtime.inspect.report.rarity import rarity, sentence_lengths
from throughtime.inspect.report.scores import header, scores
from throughtime.inspect.report.sentences import worst_sentences
from throughtime.inspect.report.sounded import (
    Composed,
    Sounded,
    along,
    beside_the_real,
    composed,
    hard_pitches,
    hard_sizes,
    sounded,
)
from throughtime.inspect.report.tags import tag_confusions
from throughtime.inspect.report.translated import Translated, some_answers, translated, worst_answers
from throughtime.inspect.report.worst import worst
from throughtime.model import ComposerModel, LanguageModel, Model, TranslatorModel
from throughtime.storage import write_atomically
from throughtime.train.protocol import Record

__all__ = [
    "Answered",
    "Chances",
    "Composed",
    "Evidence",
    "Foretold",
    "Labelled",
    "Sounded",
    "Translated",
    "answered",
    "composed",
    "foretold",
    "labelled",
    "sounded",
    "text_lengths",
    "translated",
    "write_report",
    "written",
]

NOTHING = Evidence()


def write_report(path: Path, model: Model, history: Sequence[Record], evidence: Evidence = NOTHING) -> None:
    """Write the page; the same model, history and evidence give the same bytes.

    How well it does comes first, then where it fails and when to believe it, then how it came about.

    Args:
        path: the page's place.
        model: trained, with its ``config.result``.
        history: the evaluations of its training, in order.
        evidence: what is shown of single texts.

    Raises:
        OSError: when the file cannot be written.
    """
    sections = [
        header(model),
        scores(model, evidence),
        *_shown(model, history, evidence),
        learning(model, history),
        *_reach(model),
        *origin(model),
    ]
    write_atomically(path, page(model.task.targets.title(), sections))


def _shown(model: Model, history: Sequence[Record], evidence: Evidence) -> list[str]:
    if isinstance(model, LanguageModel):
        wrote = sample(model, evidence.written, history)
        return [*wrote, *positions(evidence.foretold), *hardest(model, evidence.foretold)]
    if isinstance(model, ComposerModel):
        return _of_music(model, evidence)
    if isinstance(model, TranslatorModel):
        told = evidence.translated
        return [*some_answers(told), *worst_answers(told), *where_it_looks(model, told)]
    return _of_words(evidence) if model.config.task == "label" else _of_texts(model, evidence)


def _of_texts(model: Model, evidence: Evidence) -> list[str]:
    """Where it fails, and when to believe it."""
    return [
        *confusions(model, evidence),
        *worst(model, evidence),
        *lengths(model, evidence),
        *calibration(model, evidence),
    ]


def _of_words(evidence: Evidence) -> list[str]:
    """The same of a model that labels words."""
    return [
        *tag_confusions(evidence),
        *worst_sentences(evidence),
        *rarity(evidence),
        *sentence_lengths(evidence),
    ]


def _of_music(model: ComposerModel, evidence: Evidence) -> list[str]:
    """What it writes, and what it finds hard."""
    return [
        *beside_the_real(evidence.composed),
        *hard_pitches(model, evidence.sounded),
        *hard_sizes(evidence.sounded),
        *along(evidence.sounded),
    ]


def _reach(model: Model) -> list[str]:
    """How far back it reaches, where that was measured."""
    found = model.config.result.get("reach")
    return [fading(*(Reach.from_json(part) for part in found))] if found else []
