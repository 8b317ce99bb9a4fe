"""The command line in this process, and a small trained model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import reviews
from throughtime.cli.main import main

SMALL = ["--hidden-size", "8", "--embedding-size", "8", "--epochs", "6", "--lr", "0.02"]


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd):
    """Run ``throughtime WORDS…``: exit code, standard output, standard error."""

    def run(*words: object) -> Result:
        capfd.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:  # argparse's way out
            code = int(error.code or 0)
        return Result(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A folder with ``reviews.csv``, ``more.csv`` and the model ``model/`` learnt from the first."""
    folder = tmp_path_factory.mktemp("trained")
    for name, seed in (("reviews.csv", 0), ("more.csv", 1)):
        rows = "".join(f"{label},{text}\n" for label, text in reviews(300, seed))
        (folder / name).write_text("sentiment,review\n" + rows)
    words = ["train", "classify", folder / "reviews.csv", "--test", "0.1", "--out", folder / "model", "--quiet", *SMALL]
    assert main([str(word) for word in words]) == 0
    return folder


@pytest.fixture
def model(trained, tmp_path) -> Path:
    """A copy of the model that a test may spoil."""
    import shutil

    return Path(shutil.copytree(trained / "model", tmp_path / "model"))
