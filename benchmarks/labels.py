"""Words a second of ``predict`` with a labelling model: the whole command, and its network beside torch.nn packed.

    python benchmarks/labels.py MODEL FILE [--threads 2] [--rounds 5] [--out build/labels-speed.json]

MODEL is a folder that ``throughtime train label`` made, FILE sentences of its training data's format. The other network
is the same model with torch.nn's layers on PackedSequences in the place of both of its recurrences, over the letters
(each distinct word once, as ours) and over the words; it must give the same tags and, but for rounding,
the same scores. They take turns at going first on the same batches; the ratio is theirs over ours, of each round.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import throughtime as tt
from throughtime.data.batches import Batch
from throughtime.data.tagged import SentenceSource, read_tagged
from throughtime.model import LabelModel
from throughtime.ragged import Ragged, reorder
from throughtime.tasks.label import Labeler


def main() -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("build/labels-speed.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = tt.load(arguments.model)
    if not isinstance(model, LabelModel):
        sys.exit(f"{arguments.model}: expected a model that labels words")
    source = SentenceSource(**model.config.data["source"])
    sentences = list(read_tagged(arguments.file, source, need_label=False))
    words = sum(len(sentence.tokens) for sentence in sentences)
    twin = on_torch(model.task)
    data = model.encode(sentences)
    batches = list(model.batches(data))
    check(model.task, twin, batches[0])
    ours, theirs = in_turns([lambda: run(model.task, batches), lambda: run(twin, batches)], arguments.rounds)
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    whole = [command(arguments) for _ in range(arguments.rounds)]
    result = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "threads": arguments.threads,
        "file": arguments.file.name,
        "sentences": len(sentences),
        "words": words,
        "command_words_per_s": words / statistics.median(whole),
        "command_seconds": whole,
        "network_words_per_s": words / statistics.median(ours),
        "torch_words_per_s": words / statistics.median(theirs),
        "ratio_median": statistics.median(ratios),
        "ratio_min": min(ratios),
    }
    print(f"{words:,} words, {arguments.threads} threads")
    print(f"whole command     {result['command_words_per_s']:9,.0f} words/s ({statistics.median(whole):.2f} s)")
    print(f"network           {result['network_words_per_s']:9,.0f} words/s")
    print(f"torch.nn packed   {result['torch_words_per_s']:9,.0f} words/s, {result['ratio_median']:.2f}x our time")
    print(f"                  (least {result['ratio_min']:.2f})")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def command(arguments: argparse.Namespace) -> float:
    """Seconds of the whole command, from starting Python to the file's last byte."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / arguments.file.name
        words = ["predict", arguments.model, arguments.file, "--out", out, "--threads", arguments.threads, "--quiet"]
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "throughtime.cli.main", *map(str, words)], check=True)
        return time.perf_counter() - begun


def run(task: Labeler, batches: list[Batch]) -> None:
    """The tags of all."""
    for batch in batches:
        task.best(batch.inputs)


def in_turns(programs: list[Callable[[], Any]], rounds: int) -> list[list[float]]:
    """Seconds of each, one a round; they take turns at going first, after one call not timed."""
    seconds: list[list[float]] = [[] for _ in programs]
    for program in programs:
        program()
    gc.collect()
    gc.disable()
    for number in range(rounds):
        for place in range(len(programs)):
            chosen = (place + number) % len(programs)
            begun = time.perf_counter()
            programs[chosen]()
            seconds[chosen].append(time.perf_counter() - begun)
    gc.enable()
    return seconds


class Packed(nn.Module):
    """torch.nn's layer in the place of ours: as PyTorch advises for ragged batches."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        kind = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}[type(ours).__name__]
        self.layer = kind(ours.input_size, ours.hidden_size, ours.num_layers, bidirectional=ours.num_directions == 2)
        self.layer.load_state_dict(ours.state_dict())
        self.output_size, self.num_directions = ours.hidden_size, ours.num_directions

    def forward(self, steps: Ragged, state: Any = None, table: Tensor | None = None) -> tuple[Ragged, Any]:
        """As a PackedSequence, in the order that our layers use too."""
        if table is not None:
            steps = steps.with_values(F.embedding(steps.values, table))
        outputs, state = self.layer(steps.to_packed(), state)
        order = steps.time_major
        return steps.with_values(reorder(outputs.data, order.scatter, order.gather)), state


def on_torch(ours: Labeler) -> Labeler:
    """The same model with torch.nn's recurrences."""
    twin = copy.deepcopy(ours)
    twin.recurrent = Packed(ours.recurrent)  # type: ignore[assignment]
    if twin.words.letters is not None and ours.words.letters is not None:
        twin.words.letters.recurrent = Packed(ours.words.letters.recurrent)  # type: ignore[assignment]
    return twin.eval()


@torch.no_grad()
def check(ours: Labeler, twin: Labeler, batch: Batch) -> None:
    """Both give the same scores, and the same tags."""
    torch.testing.assert_close(ours(batch.inputs)[0].values, twin(batch.inputs)[0].values, rtol=1e-3, atol=1e-4)
    same = (ours.best(batch.inputs).values == twin.best(batch.inputs).values).double().mean()
    if same < 0.9999:
        sys.exit(f"expected the same tags, found {1 - same:.2%} of them different")


if __name__ == "__main__":
    sys.exit(main())
