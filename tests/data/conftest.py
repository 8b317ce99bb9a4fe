"""What the tests of the readers share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """The folder of public data sets, where it is at hand."""
    told = os.environ.get("THROUGHTIME_DATA")
    folder = Path(told) if told else request.config.rootpath / ".." / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not here: set THROUGHTIME_DATA to their folder")
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write bytes or text under a name and give the path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
