"""IMDb reviews as JSON lines with their stars, which stand in the files' names.

python benchmarks/quality/stars.py ACLIMDB OUT [--copies N]

ACLIMDB holds ``train`` and ``test``, each with ``pos/ID_STARS.txt`` and ``neg/ID_STARS.txt``. Of several copies each
has a word of its own at the head of every review, so that no text stands twice.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main() -> None:
    """Write OUT/train.jsonl and OUT/test.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reviews", type=Path, metavar="ACLIMDB")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--copies", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        files = sorted((arguments.reviews / part).glob("*/*.txt"))
        with (arguments.out / f"{part}.jsonl").open("w", encoding="utf-8") as lines:
            for copy in range(arguments.copies):
                head = f"copy{copy} " if arguments.copies > 1 else ""
                for file in files:
                    row = {"stars": int(file.stem.split("_")[1]), "text": head + file.read_text(encoding="utf-8")}
                    lines.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
