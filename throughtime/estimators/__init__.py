"""The scikit-learn face: ``fit``, ``predict``, ``score``, grids, pipelines and pickles."""

from throughtime.estimators.generator import SequenceGenerator
from throughtime.estimators.labels import SequenceLabeler
from throughtime.estimators.texts import SequenceClassifier, SequenceRegressor
from throughtime.estimators.translator import SequenceTranslator

__all__ = ["SequenceClassifier", "SequenceGenerator", "SequenceLabeler", "SequenceRegressor", "SequenceTranslator"]
