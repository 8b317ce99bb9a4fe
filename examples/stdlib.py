"""Makes a data set of this machine's own Python standard library: pieces of code, each with what it is about.

The question is one a programmer can check at a glance, every machine with Python has the data, and the classes are
told apart by words (`await`, `MIMEText`, `assertEqual`) as well as by how these follow each other.

A whole top-level class or function goes either to training or to the test, so that no test method has sisters of
its own class in training. Run as `python examples/stdlib.py FOLDER`: writes FOLDER/train.jsonl and FOLDER/test.jsonl.
"""

from __future__ import annotations

import ast
import json
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TOPICS = {
    "async": ["asyncio"],
    "command line": ["argparse", "optparse", "cmd", "getopt", "pdb", "fileinput"],
    "compression": ["zipfile", "tarfile", "gzip", "bz2", "lzma", "shutil", "zipapp", "_compression"],
    "data files": ["json", "csv", "configparser", "plistlib", "pickle", "pickletools", "shelve", "sqlite3", "dbm"],
    "dates": ["datetime", "_pydatetime", "calendar", "_strptime", "zoneinfo"],
    "e-mail": ["email", "mailbox", "smtplib", "imaplib", "poplib", "quopri"],
    "imports": ["importlib", "pkgutil", "zipimport", "runpy", "modulefinder"],
    "logging": ["logging", "warnings", "traceback"],
    "markup": ["xml", "html"],
    "numbers": ["_pydecimal", "fractions", "statistics", "random", "numbers", "colorsys", "ipaddress"],
    "parallel": ["multiprocessing", "concurrent", "threading", "queue", "sched"],
    "source code": ["ast", "inspect", "tokenize", "dis", "symtable", "pyclbr", "lib2to3", "trace"],
    "testing": ["unittest", "doctest"],
    "web": ["http", "urllib", "wsgiref", "xmlrpc", "socketserver"],
    "windows": ["tkinter", "turtle", "turtledemo"],
}
MOST = 500
"""Pieces of each topic at the most, so that no topic drowns the others."""

TEST_SHARE = 0.2


def main(folder: Path) -> None:
    """Write both files and say what is in them."""
    draw = random.Random(1)
    parts: dict[str, list[dict[str, str]]] = {"train": [], "test": []}
    for topic, modules in TOPICS.items():
        groups = [group for file in files(modules) for group in definitions(file)]
        draw.shuffle(groups)
        rows = [[{"topic": topic, **piece} for piece in group] for group in groups]
        kept, held = deal(rows)
        parts["train"] += kept
        parts["test"] += held
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    counts = Counter(row["topic"] for row in parts["train"])
    print(
        f"Python {sys.version.split()[0]}'s own library: {len(parts['train']):,} functions to learn from and "
        f"{len(parts['test']):,} of other classes to test on, in {len(counts)} topics"
    )


def deal(groups: list[list[dict[str, str]]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Up to MOST pieces: whole groups to the test until it has its share, the others to training."""
    total = min(MOST, sum(len(group) for group in groups))
    kept: list[dict[str, str]] = []
    held: list[dict[str, str]] = []
    for group in groups:
        if len(held) + len(group) <= TEST_SHARE * total:
            held += group
        else:
            kept += group
    return kept[: round((1 - TEST_SHARE) * total)], held


def files(modules: list[str]) -> Iterator[Path]:
    """The source files of these modules and packages, as far as this machine has them; their tests left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for module in modules:
        for place in (root / f"{module}.py", *sorted((root / module).rglob("*.py"))):
            if place.is_file() and not {"test", "tests"} & set(place.relative_to(root).parts[1:]):
                yield place


def definitions(path: Path) -> Iterator[list[dict[str, str]]]:
    """For each top-level class or function of a file, its functions' sources."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            pieces = list(functions(node, lines))
            if pieces:
                yield pieces


def functions(node: ast.AST, lines: list[str]) -> Iterator[dict[str, str]]:
    """The functions in a definition that have more than two lines to read."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            code = lines[part.lineno - 1 : part.end_lineno]
            if len(code) > 3:
                yield {"name": part.name, "code": "\n".join(code)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
