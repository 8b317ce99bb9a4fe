"""The memory and the start of training on a file, and on one ten times as large.

    python benchmarks/memory.py --data FOLDER [--times 10] [--minutes 2] [--out FOLDER]

Writes the IMDb training reviews as JSON lines, once and ``--times`` over (each copy with a word of its own, so that no
text stands twice), trains on both with the plain command for some minutes, and again on the larger one, whose symbols
are then ready. Prints for each the size of the file, the seconds until the first update, and the peak of resident
memory, pages of mapped files included; writes them to OUT/memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run all and print a table."""
    parser = argparse.ArgumentParser(description="Memory of training on a larger file.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "memory")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not (arguments.out / "aclImdb").exists():
        with tarfile.open(arguments.data / "imdb" / "train.tar.xz") as members:
            members.extractall(arguments.out, filter="data")
    rows = []
    for name, copies, again in (("once", 1, False), ("larger", arguments.times, False), ("larger", 0, True)):
        file = arguments.out / name / "train.jsonl"
        if copies:
            words = [HERE / "quality" / "stars.py", arguments.out / "aclImdb", file.parent, "--copies", copies]
            subprocess.run([sys.executable, *map(str, words)], check=True)
        rows.append({"file": name + " again" * again} | train(file, arguments.out, arguments.minutes))
        print(
            f"{rows[-1]['file']:<14}{rows[-1]['megabytes']:>7,.0f} MB{rows[-1]['start']:>8.1f} s until the first update"
            f"{rows[-1]['peak']:>8,.0f} MiB at the peak",
            flush=True,
        )
    (arguments.out / "memory.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def train(file: Path, out: Path, minutes: float) -> dict[str, Any]:
    """One run of the plain command; without a terminal it says its first update after a while, and the log has it."""
    words = ["train", "classify", str(file), "--label", "stars", "--cache", str(out / "cache"), "--overwrite"]
    words += ["--out", str(out / "model"), "--minutes", str(minutes)]
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "throughtime.cli.main", *words], stderr=subprocess.PIPE, text=True
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
    }


if __name__ == "__main__":
    sys.exit(main())
