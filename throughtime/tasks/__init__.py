"""One file a task: its settings, its model, its loss, its answers and metrics."""

from __future__ import annotations

from typing import NamedTuple

from throughtime.config import Config
from throughtime.data.config import DataConfig, MusicConfig, PassageConfig
from throughtime.data.language import LanguageConfig
from throughtime.data.lexicon import LexiconConfig
from throughtime.data.music import RollConfig
from throughtime.data.pairs import PairConfig
from throughtime.data.tagged import SentenceConfig
from throughtime.data.two_sided import TwoSidedConfig
from throughtime.data.vocabulary import VocabularyConfig
from throughtime.tasks.classify import Classes, Classifier, ClassifierConfig
from throughtime.tasks.compose import Chords, Composer, ComposerConfig
from throughtime.tasks.generate import Generator, GeneratorConfig, NextSymbol
from throughtime.tasks.label import Labeler, LabelerConfig
from throughtime.tasks.rate import Numbers, Rater, RaterConfig
from throughtime.tasks.tags import Tags
from throughtime.tasks.targets import PAIRS, PASSAGES, PIECES, SENTENCES, TEXTS, Names
from throughtime.tasks.translate import Translator
from throughtime.tasks.translations import Translations, TranslatorConfig

__all__ = [
    "TASKS",
    "Chords",
    "Classes",
    "Classifier",
    "ClassifierConfig",
    "Composer",
    "ComposerConfig",
    "Generator",
    "GeneratorConfig",
    "Kind",
    "Labeler",
    "LabelerConfig",
    "NextSymbol",
    "Numbers",
    "Rater",
    "RaterConfig",
    "Tags",
    "Task",
    "TextTask",
    "Translations",
    "Translator",
    "TranslatorConfig",
]

TextTask = Classifier | Rater
Task = TextTask | Labeler | Generator | Composer | Translator


class Kind(NamedTuple):
    """What a word after ``train`` means; ``generate`` means ``compose`` where the file is music.

    Attributes:
        task: the network with its loss and its answers.
        network: its settings.
        targets: how they are learnt, written and told.
        vocabulary: its settings.
        data: the settings of how its files are read and parted.
        names: what its data is called.
    """

    task: type[Task]
    network: type[ClassifierConfig | RaterConfig | LabelerConfig | GeneratorConfig | ComposerConfig | TranslatorConfig]
    targets: type[Classes | Numbers | Tags | NextSymbol | Chords | Translations]
    vocabulary: type[Config]
    data: type[DataConfig | SentenceConfig | PassageConfig | MusicConfig | PairConfig]
    names: Names


TASKS = {
    "classify": Kind(Classifier, ClassifierConfig, Classes, VocabularyConfig, DataConfig, TEXTS),
    "rate": Kind(Rater, RaterConfig, Numbers, VocabularyConfig, DataConfig, TEXTS),
    "label": Kind(Labeler, LabelerConfig, Tags, LexiconConfig, SentenceConfig, SENTENCES),
    "generate": Kind(Generator, GeneratorConfig, NextSymbol, LanguageConfig, PassageConfig, PASSAGES),
    "compose": Kind(Composer, ComposerConfig, Chords, RollConfig, MusicConfig, PIECES),
    "translate": Kind(Translator, TranslatorConfig, Translations, TwoSidedConfig, PairConfig, PAIRS),
}
