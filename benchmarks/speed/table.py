"""The page's tables, made from the file of figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["machine", "write_page"]

TITLES = {
    "long": "Long sequences, all but one shorter by one step, training",
    "ragged": "Ragged batches of 32, lengths even between 1 and 100, training",
    "equal": "Equal lengths, 32 sequences of 100 steps, training",
    "keras": "Training beside Keras on JAX",
    "one row": "One sequence, training",
    "inference": "Inference, 32 sequences of at most 100 steps",
    "step": "One step of one sequence (ten in a row, state carried on)",
    "options": "What the options cost (the plain layer's time over the option's)",
    "linear": "Time against length",
    "alternating": "By turns with torch's own threads",
}
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def machine() -> str:
    """The processor's name and how many there are."""
    import os

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of an {names[0] if names else 'unknown processor'}"


def write_page(page: Path, result: dict[str, Any]) -> None:
    """Put the tables between the page's marks."""
    text = page.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n\n{tables(result)}\n{END}{tail}", encoding="utf-8")


def tables(result: dict[str, Any]) -> str:
    """One table a group, threads side by side."""
    rows = list(result["rows"].values())
    places = dict.fromkeys(
        f"{row['machine']}, kernels for {row['instruction_set']}, Python {row['python']}, PyTorch {row['torch']}."
        for row in rows
    )
    parts = [" Also ".join(places)]
    for group, title in TITLES.items():
        own = [row for row in rows if row["group"] == group]
        if not own:
            continue
        parts += [
            "",
            f"### {title}",
            "",
            "| | beside | asked | 1 thread | 2 threads | GFLOP/s, of peak |",
            "|---|---|---|---|---|---|",
        ]
        for name, peer in dict.fromkeys((row["name"], row["peer"]) for row in own):
            by_threads = {row["threads"]: row for row in own if (row["name"], row["peer"]) == (name, peer)}
            last = by_threads[max(by_threads)]
            asked = "" if last["target"] is None else f"{last['target']:.2f}"
            cells = [cell(by_threads.get(threads)) for threads in (1, 2)]
            pace = f"{last['gflops']:.0f}, {last['share_of_peak']:.0%}"
            parts.append(f"| {name} | {peer} | {asked} | {cells[0]} | {cells[1]} | {pace} |")
    return "\n".join(parts) + "\n"


def cell(row: dict[str, Any] | None) -> str:
    """Median and least ratio, and our time."""
    if row is None:
        return ""
    return f"**{row['ratio_median']:.2f}×** (least {row['ratio_min']:.2f}), {row['ours_median_s'] * 1e3:.3g} ms"
