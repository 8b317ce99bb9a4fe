"""Every figure of learnt quality that the docs state: train with the committed command, test, repeat by seed.

    python benchmarks/quality.py SET --data FOLDER --seeds N [--threads N] [--out FOLDER]

A set is a file ``benchmarks/quality/SET.toml``: a ``title``, the words of the ``train`` command ({data} is the
folder of data sets, {unpacked} one with what the archives of ``unpack`` hold and what the script ``prepare`` made of
it), the ``scores`` to print and the least, or most, that is asked of them. Where a set has several members, they are
listed in ``each``, {each} stands for one of them in the command, and the scores are their means. Each seed's run is
resumed where it stopped, and a finished one is not run again. Writes OUT/SET/result.json and OUT/SET/seed-N.log.

With ``--left-out`` each part named in the recipe's table ``left_out`` is taken away alone, by the options beside it,
and what that costs on the validation and test data is printed; one seed, 1. Writes OUT/SET/left-out.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tarfile
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
COMMAND = [sys.executable, "-m", "throughtime.cli.main"]


def main() -> int:
    """Run a set and print its figures; 1 when a least score is missed."""
    sets = sorted(path.stem for path in (HERE / "quality").glob("*.toml"))
    parser = argparse.ArgumentParser(description="Train and test a set with several seeds.")
    parser.add_argument("set", choices=sets)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 to N")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "quality")
    parser.add_argument("--threads", type=int, default=2, help="of each training; one leaves the other cores free")
    parser.add_argument("--left-out", action="store_true", help="what each part of the recipe is worth")
    arguments = parser.parse_args()
    recipe = tomllib.loads((HERE / "quality" / f"{arguments.set}.toml").read_text(encoding="utf-8"))
    folder = arguments.out / arguments.set
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = unpack([Path(name.format(data=arguments.data)) for name in recipe.get("unpack", [])], folder / "data")
    names = {"here": HERE / "quality", "data": arguments.data, "unpacked": unpacked, "each": "{each}"}
    if "prepare" in recipe and not (folder / "data" / "prepared").exists():
        subprocess.run([sys.executable, *(word.format(**names) for word in recipe["prepare"])], check=True)
        (folder / "data" / "prepared").touch()
    words = [word.format(**names) for word in recipe["train"]] + ["--threads", str(arguments.threads)]
    if arguments.left_out:
        return leave_out(recipe, words, folder)
    runs = [run_each(words, folder, seed, recipe) for seed in range(1, arguments.seeds + 1)]
    result = summary(arguments.set, recipe, runs)
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return report(recipe, result)


def leave_out(recipe: dict[str, Any], words: list[str], folder: Path) -> int:
    """Train without each part alone, and print the first score beside the whole recipe's."""
    score = recipe["scores"][0]
    parts: dict[str, list[str]] = {"nothing": [], **recipe["left_out"]}
    found = {}
    for name, options in parts.items():
        own = folder / f"without-{name.replace(' ', '-')}" if options else folder
        own.mkdir(exist_ok=True)
        figures = run([*words, *options], own, 1)
        found[name] = {part: value(figures[part], score) for part in ("valid", "test")} | {"options": options}
    (folder / "left-out.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    whole = found["nothing"]
    print(f"\n{recipe['title']}: {score}, seed 1, and what it loses without a part")
    for name, figure in found.items():
        told = (f"{part} {figure[part]:.4f} ({figure[part] - whole[part]:+.4f})" for part in ("valid", "test"))
        print(f"  {name:<24} {'   '.join(told)}   {shlex.join(figure['options'])}")
    return 0


def unpack(archives: list[Path], folder: Path) -> Path:
    """What the archives hold, in a folder; once."""
    for archive in archives:
        done = folder / f"{archive.name}.unpacked"
        if not done.exists():
            with tarfile.open(archive) as members:
                members.extractall(folder, filter="data")
            done.touch()
    return folder


def run_each(words: list[str], folder: Path, seed: int, recipe: dict[str, Any]) -> dict[str, Any]:
    """One seed's figures: of a set with several members their means, with each one's own beside them."""
    if "each" not in recipe:
        return run(words, folder, seed)
    found = {}
    for member in recipe["each"]:
        own = folder / member
        own.mkdir(exist_ok=True)
        found[member] = run([word.replace("{each}", member) for word in words], own, seed)
    seconds = [figures["seconds"] for figures in found.values()]
    return {
        "seed": seed,
        "command": shlex.join(words),
        "seconds": None if None in seconds else sum(seconds),
        "threads": next(iter(found.values()))["threads"],
        "each": found,
    } | {
        part: {score: statistics.mean(value(own[part], score) for own in found.values()) for score in recipe["scores"]}
        for part in ("valid", "test")
    }


def run(words: list[str], folder: Path, seed: int) -> dict[str, Any]:
    """One seed's figures, from its finished run or by running it to the end."""
    done = folder / f"seed-{seed}.json"
    command = ["train", *words, "--seed", str(seed), "--out", str(folder / f"seed-{seed}"), "--resume"]
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        if found["command"] == shlex.join(command):
            return found
        sys.exit(f"{done}: made by another command; remove {folder} to begin anew")
    print(f"$ throughtime {shlex.join(command)}", flush=True)
    resumed = (folder / f"seed-{seed}" / "checkpoints").exists()
    begun = time.monotonic()
    with (folder / f"seed-{seed}.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen([*COMMAND, *command], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            print(line, end="", flush=True)
            log.write(line)
    if process.wait():
        sys.exit(f"seed {seed} failed; the same command goes on where it stopped")
    seconds = time.monotonic() - begun
    inspected = subprocess.run(
        [*COMMAND, "inspect", str(folder / f"seed-{seed}"), "--json"], capture_output=True, check=True
    )
    content = json.loads(inspected.stdout)
    figures = {
        "seed": seed,
        "command": shlex.join(command),
        "seconds": None if resumed else round(seconds, 1),
        "threads": content["run"]["threads"],
        "valid": content["result"]["valid"],
        "test": content["result"]["test"],
    }
    done.write_text(json.dumps(figures) + "\n", encoding="utf-8")
    return figures


def summary(name: str, recipe: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds of every score, on validation and on test."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for part in ("valid", "test"):
        scores[part] = {}
        for score in recipe["scores"] if runs[0][part] else ():  # a custom without a test part has none
            values = [value(run[part], score) for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            scores[part][score] = {"mean": statistics.mean(values), "spread": spread}
    return {
        "set": name,
        "title": recipe["title"],
        "machine": f"{cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "scores": scores,
        "seconds": [run["seconds"] for run in runs],
        "runs": runs,
    }


def value(metrics: dict[str, Any], score: str) -> float:
    """``accuracy``, or a part of one, ``f1_by_class.spam``."""
    for part in score.split("."):
        metrics = metrics[part]
    return float(metrics)  # type: ignore[arg-type]


def cpu() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def report(recipe: dict[str, Any], result: dict[str, Any]) -> int:
    """Print the figures, of each member first; 1 when one is not what the recipe asks for."""
    missed = False
    print(f"\n{result['title']}: {len(result['runs'])} seeds, {result['machine']}")
    for member in recipe.get("each", ()):
        shown = (
            f"{score} {run['each'][member]['test'][score]:.4f}" for run in result["runs"] for score in recipe["scores"]
        )
        print(f"  {member:<6} {'   '.join(shown)}")
    for part, scores in result["scores"].items():
        for score, figure in scores.items():
            line = f"  {part:<6} {score:<20} {figure['mean']:.4f} ± {figure['spread']:.4f}"
            for asked, sign in (("at_least", 1), ("at_most", -1)):
                bound = recipe.get(asked, {}).get(score)
                if part == "test" and bound is not None:
                    short = sign * figure["mean"] < sign * bound
                    missed |= short
                    line += f"   ({asked.replace('_', ' ')} {bound}: {'missed' if short else 'reached'})"
            print(line)
    print(f"  seconds of each command: {result['seconds']}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
