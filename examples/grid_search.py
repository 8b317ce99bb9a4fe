"""Which cell, and how many units? scikit-learn's own search over two settings, on TREC's questions.

    python examples/grid_search.py FOLDER

FOLDER holds ``TREC.train`` and ``TREC.test``. The search sees the training questions alone; the test is read once, by
the best model.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from sklearn.model_selection import GridSearchCV

import throughtime as tt
from throughtime.data import read_examples


def questions(path: Path) -> tuple[list[str], list[str]]:
    """Questions and their coarse classes."""
    examples, _ = read_examples(path, encoding="latin-1", label_until=":")
    return [example.text for example in examples], [str(example.label) for example in examples]


def main() -> None:
    """Search, and test what won."""
    folder = Path(sys.argv[1])
    grid = {"cell": ["lstm", "gru"], "hidden_size": [64, 128]}
    begun = time.monotonic()
    search = GridSearchCV(tt.SequenceClassifier(epochs=4), grid, cv=3)
    search.fit(*questions(folder / "TREC.train"))
    results = search.cv_results_
    for setting, mean, spread in zip(
        results["params"], results["mean_test_score"], results["std_test_score"], strict=True
    ):
        print(f"{setting['cell']:<5} {setting['hidden_size']:>4} units: {mean:.1%} ± {spread:.1%}")
    print(f"best: {search.best_params_}; on the test: {search.score(*questions(folder / 'TREC.test')):.1%}")
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
