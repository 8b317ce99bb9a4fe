"""One file a task: its settings, its model, its loss, its predictions and metrics."""

from throughtime.tasks.classify import Classifier, ClassifierConfig

__all__ = ["Classifier", "ClassifierConfig"]
