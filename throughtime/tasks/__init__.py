"""One file a task: its settings, its model, its loss, its answers and metrics."""

from throughtime.tasks.classify import Classes, Classifier, ClassifierConfig
from throughtime.tasks.rate import Numbers, Rater, RaterConfig

__all__ = ["TASKS", "Classes", "Classifier", "ClassifierConfig", "Numbers", "Rater", "RaterConfig", "TextTask"]

TextTask = Classifier | Rater

TASKS: dict[str, tuple[type[TextTask], type[ClassifierConfig | RaterConfig], type[Classes | Numbers]]] = {
    "classify": (Classifier, ClassifierConfig, Classes),
    "rate": (Rater, RaterConfig, Numbers),
}
"""What each word after ``train`` means: the model, its settings, and how its targets are learnt."""
