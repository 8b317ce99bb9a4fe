"""One file a task: its settings, its model, its loss, its answers and metrics."""

from __future__ import annotations

from typing import NamedTuple

from throughtime.config import Config
from throughtime.data.lexicon import LexiconConfig
from throughtime.data.vocabulary import VocabularyConfig
from throughtime.tasks.classify import Classes, Classifier, ClassifierConfig
from throughtime.tasks.label import Labeler, LabelerConfig
from throughtime.tasks.rate import Numbers, Rater, RaterConfig
from throughtime.tasks.tags import Tags
from throughtime.tasks.targets import SENTENCES, TEXTS, Names

__all__ = [
    "TASKS",
    "Classes",
    "Classifier",
    "ClassifierConfig",
    "Kind",
    "Labeler",
    "LabelerConfig",
    "Numbers",
    "Rater",
    "RaterConfig",
    "Tags",
    "Task",
    "TextTask",
]

TextTask = Classifier | Rater
Task = TextTask | Labeler


class Kind(NamedTuple):
    """What a word after ``train`` means: the model, its settings, how targets are learnt, its vocabulary's settings.

    ``names`` are what its data is called.
    """

    task: type[Task]
    network: type[ClassifierConfig | RaterConfig | LabelerConfig]
    targets: type[Classes | Numbers | Tags]
    vocabulary: type[Config]
    names: Names


TASKS = {
    "classify": Kind(Classifier, ClassifierConfig, Classes, VocabularyConfig, TEXTS),
    "rate": Kind(Rater, RaterConfig, Numbers, VocabularyConfig, TEXTS),
    "label": Kind(Labeler, LabelerConfig, Tags, LexiconConfig, SENTENCES),
}
