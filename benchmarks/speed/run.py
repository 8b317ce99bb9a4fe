"""Speed beside other programs: every row is the same work, agreed on first, then timed in turns in one process.

    python benchmarks/speed/run.py [--threads 1 2] [--only WORD ...] [--out FILE.json] [--page docs/benchmarks.md]

Rows already in the file are kept while the code is the same, and measured again with --again. The page's table is made
from the file.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch
from cases import Case, cases
from pairs import PAUSE, time_pair
from table import machine, write_page

from throughtime import __version__
from throughtime.ops import kernels


def main() -> int:
    """Measure what is asked, write it down, print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="rows whose name holds one of these")
    parser.add_argument("--again", action="store_true", help="measure again what the file holds")
    parser.add_argument("--seconds", type=float, default=3.0, help="at most so long a row")
    parser.add_argument("--out", type=Path, default=Path("build/speed.json"))
    parser.add_argument("--page", type=Path, help="rewrite the tables of this page")
    arguments = parser.parse_args()
    result: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"rows": {}}
    here = {"machine": machine(), "instruction_set": kernels.extension.instruction_set()}
    here |= {"python": platform.python_version(), "torch": torch.__version__, "throughtime": __version__}
    here["sources"] = sources()
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for label, make in cases(threads, arguments.only):
            key = f"{label} | {threads}"
            if result["rows"].get(key, {}).get("sources") == here["sources"] and not arguments.again:
                continue
            row = measure(make(), threads, arguments.seconds)
            result["rows"][key] = row | here
            print(line(row), flush=True)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.page:
        write_page(arguments.page, result)
    return 0


def sources() -> str:
    """A hash of what is measured: rows of other kernels are measured again."""
    whole = hashlib.sha256()
    package = Path(kernels.__file__).parents[1]
    for file in sorted(file for folder in ("kernels", "ops", "nn") for file in (package / folder).rglob("*.*")):
        if file.suffix in (".py", ".h", ".cpp"):
            whole.update(file.read_bytes())
    return whole.hexdigest()[:12]


def measure(case: Case, threads: int, seconds: float) -> dict[str, Any]:
    """One row. The peak is measured beside it, for the machine's pace is not always the same."""
    case.check()
    before = peak(threads)
    timing = time_pair(case.ours, case.theirs, seconds=seconds)
    at_best = max(before, peak(threads))
    gc.collect()
    figures = timing.summary()
    return {
        "group": case.group,
        "name": case.name,
        "peer": case.peer,
        "threads": threads,
        "target": case.target,
        **figures,
        "gflops": case.flop / figures["ours_median_s"] / 1e9,
        "peak_gflops": at_best,
        "share_of_peak": case.flop / figures["ours_median_s"] / 1e9 / at_best,
    }


def peak(threads: int) -> float:
    """GFLOP/s of float32 multiply-adds that this machine does just now, and nothing else: the best of five tries."""
    best = 0.0
    time.sleep(PAUSE)
    for _ in range(5):
        begun = time.perf_counter()
        done = kernels.extension.multiply_adds(1_000_000, threads)
        best = max(best, 2 * done / (time.perf_counter() - begun) / 1e9)
    return best


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    target = "" if row["target"] is None else f" (asked {row['target']:.2f})"
    return (
        f"{row['threads']} threads  {row['group']:10} {row['name']:28} {row['peer']:16} "
        f"{row['ours_median_s'] * 1e3:9.3f} ms  {row['ratio_median']:7.2f}x, least {row['ratio_min']:6.2f}x{target}  "
        f"{row['gflops']:6.1f} GFLOP/s, {row['share_of_peak']:.0%} of peak"
    )


if __name__ == "__main__":
    sys.exit(main())
