"""The report: one page of HTML that holds everything it needs and can be sent as it is; one file for some sections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from throughtime.inspect.reach import Reach
from throughtime.inspect.report.calibration import calibration
from throughtime.inspect.report.confusion import confusions
from throughtime.inspect.report.evidence import Answered, Chances, Evidence, answered, text_lengths
from throughtime.inspect.report.fading import fading
from throughtime.inspect.report.learning import learning
from throughtime.inspect.report.lengths import lengths
from throughtime.inspect.report.origin import origin
from throughtime.inspect.report.page import page
from throughtime.inspect.report.scores import header, scores
from throughtime.inspect.report.worst import worst
from throughtime.model import Model
from throughtime.storage import write_atomically
from throughtime.train.protocol import Record

__all__ = ["Answered", "Chances", "Evidence", "answered", "text_lengths", "write_report"]

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
        *confusions(model, evidence),
        *worst(model, evidence),
        *lengths(model, evidence),
        *calibration(model, evidence),
        learning(model, history),
        *_reach(model),
        *origin(model),
    ]
    write_atomically(path, page(model.task.targets.title(), sections))


def _reach(model: Model) -> list[str]:
    """How far back it reaches, where that was measured."""
    found = model.config.result.get("reach")
    return [fading(*(Reach.from_json(part) for part in found))] if found else []
