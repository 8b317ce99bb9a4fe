"""The memory and the start of training on a file, and on one ten times as large.

    python benchmarks/memory.py --data FOLDER [--times 10] [--minutes 2] [--threads 2] [--out FOLDER]
    python benchmarks/memory.py --data FOLDER --text 34 340 [--minutes 2] [--threads 2] [--out FOLDER]

Writes the IMDb training reviews as JSON lines, once and ``--times`` over (each copy with a word of its own, so that no
text stands twice), trains a classifier on both with the plain command for some minutes, and again on the larger one,
whose symbols are then ready. Or, with ``--text``, a language model of characters on texts of so many megabytes:
tiny-shakespeare over and over, its lines in another order each time. Prints for each the size of the file, the seconds
until the first update, and the peak of resident memory, pages of mapped files included; writes them to OUT/memory.json,
or OUT/text.json. The texts, and what was kept of them, are removed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run all and print a table."""
    parser = argparse.ArgumentParser(description="Memory of training on a larger file.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--text", type=float, nargs="+", metavar="MB", help="texts of so many megabytes instead")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "memory")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, row in texts(arguments) if arguments.text else reviews(arguments):
        rows.append({"file": name} | row)
        print(
            f"{name:<14}{row['megabytes']:>7,.0f} MB{row['start']:>8.1f} s until the first update"
            f"{row['peak']:>8,.0f} MiB at the peak",
            flush=True,
        )
    result = arguments.out / ("text.json" if arguments.text else "memory.json")
    result.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def reviews(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Train on the reviews, on more of them, and on these again."""
    out: Path = arguments.out
    if not (out / "aclImdb").exists():
        with tarfile.open(arguments.data / "imdb" / "train.tar.xz") as members:
            members.extractall(out, filter="data")
    for name, copies, again in (("once", 1, False), ("larger", arguments.times, False), ("larger", 0, True)):
        file = out / name / "train.jsonl"
        if copies:
            words = [HERE / "quality" / "stars.py", out / "aclImdb", file.parent, "--copies", copies]
            subprocess.run([sys.executable, *map(str, words)], check=True)
        yield name + " again" * again, train(["classify", file, "--label", "stars"], file, out, arguments)


def texts(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Train on texts of each size, and on the last again."""
    source = arguments.data / "tinyshakespeare" / "input.txt.gz"
    lines = gzip.decompress(source.read_bytes()).splitlines(keepends=True)
    sizes = [*arguments.text, arguments.text[-1]]
    with tempfile.TemporaryDirectory(dir=arguments.out) as name:
        file = Path(name, "text.txt")
        for number, size in enumerate(sizes):
            again = number == len(arguments.text)
            if not again:
                write(file, lines, round(size * 1e6))
            yield "text" + " again" * again, train(["generate", file], file, Path(name), arguments)


def write(file: Path, lines: list[bytes], size: int) -> None:
    """So many bytes of these lines, about."""
    draw, own = np.random.default_rng(1), np.array(lines, object)
    with file.open("wb") as text:
        while text.tell() < size:
            text.write(b"".join(own[draw.permutation(len(own))])[: size - text.tell()])


def train(words: list[Any], file: Path, out: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One run of the plain command; without a terminal it says its first update after a while, and the log has it."""
    minutes = arguments.minutes
    words = ["train", *words, "--cache", out / "cache", "--overwrite", "--out", out / "model"]
    words += ["--minutes", minutes, "--threads", arguments.threads]
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "throughtime.cli.main", *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    start = 0.0
    for line in process.stderr:
        if line.split()[:2] == ["epoch", "update"]:  # the head of the table stands before the first update
            start = time.monotonic() - begun
        print(line, end="", file=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{file}: training failed")
    return {
        "megabytes": file.stat().st_size / 1e6,
        "start": round(start, 1),
        "peak": usage.ru_maxrss / 1024,
        "minutes": minutes,
        "threads": arguments.threads,
    }


if __name__ == "__main__":
    sys.exit(main())
