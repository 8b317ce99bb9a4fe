"""What all tests share."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# The short tests draw the same examples at each run: what they find is found by who changed something, not by who
# comes next. The long ones draw anew. How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several processes a core of its own: threads of one would wait for those of another."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {own[int(worker.removeprefix("gw")) % len(own)]})


@pytest.fixture(autouse=True)
def _torch_as_it_was():
    """Training sets threads, seed and determinism for the whole process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the tests' models are small: threads would only wait for each other
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, beside the repository or where THROUGHTIME_DATA says."""
    folder = Path(os.environ.get("THROUGHTIME_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data sets are not on this machine (THROUGHTIME_DATA names their folder)")
    return folder


GOOD = ["lovely", "warm", "funny", "clever", "bright", "tender", "rich"]
BAD = ["dull", "cold", "flat", "tired", "silly", "empty", "long"]
FILLER = ["the", "a", "film", "story", "was", "and", "its", "cast", "ending", "with", "of"]


def reviews(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Made-up reviews: a few words that decide among many that do not."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        label, words = draw.choice([("good", GOOD), ("bad", BAD)])
        text = draw.choices(FILLER, k=draw.randrange(2, 12)) + draw.choices(words, k=2)
        draw.shuffle(text)
        rows.append((label, " ".join(text)))
    return rows


@pytest.fixture
def reviews_file(tmp_path: Path) -> Path:
    """300 made-up reviews as CSV with a header."""
    path = tmp_path / "reviews.csv"
    path.write_text("sentiment,review\n" + "".join(f"{label},{text}\n" for label, text in reviews(300)))
    return path


KINDS = {
    "DET": ["the", "a", "every"],
    "NOUN": ["dog", "cat", "tree", "song", "Fish"],
    "VERB": ["sees", "hears", "runs", "sings"],
    "ADV": ["slowly", "often", "loudly"],
}
NAMES = {
    "I-PER": ["Ada", "Alan", "Grace", "Kurt"],
    "I-LOC": ["Oslo", "Rome", "Lima"],
    "O": ["met", "in", "and", "left", "for", "again"],
}


def tagged(count: int, kinds: dict[str, list[str]], seed: int = 0) -> list[list[tuple[str, str]]]:
    """Made-up sentences: words that tell their labels."""
    draw = random.Random(seed)
    labels = list(kinds)
    drawn = [draw.choices(labels, k=draw.randrange(1, 9)) for _ in range(count)]
    return [[(draw.choice(kinds[label]), label) for label in row] for row in drawn]
