"""Training of the IMDb classifier: our layers, the same model on torch.nn packed, and the same on Keras with JAX.

    python benchmarks/speed/imdb.py --data FOLDER [--threads 2] [--batches 6] [--rounds 5] [--out FILE.json]

The model is the one that plain ``throughtime train classify`` makes of the reviews, without its dropouts, which are
drawn differently everywhere. Every program is given the same real batches and the same weights, must find the same
loss, and is timed in turns in one process: forward and backward to all weights. Keras's batches are padded to the next
128 steps, so that JAX compiles few shapes; it compiles before it is timed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from table import machine
from torch import Tensor, nn

from throughtime.data.batches import Batch, Batches, Dataset
from throughtime.data.columns import Example
from throughtime.data.encoded import encode_texts
from throughtime.data.vocabulary import Vocabulary, VocabularyConfig
from throughtime.ragged import Ragged, reorder
from throughtime.tasks import Classes, Classifier
from throughtime.tasks.classify import ClassifierConfig
from throughtime.train.config import TrainConfig

LABELS = ["neg", "pos"]
Step = Callable[[Batch], float]


def main() -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="Keras computes with all cores")
    parser.add_argument("--batches", type=int, default=6, help="real batches, drawn from all of an epoch's")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each program over them")
    parser.add_argument("--out", type=Path, default=Path("build/imdb-speed.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    examples = reviews(arguments.data / "imdb" / "train.tar.xz")
    vocabulary = Vocabulary.learn([example.text for example in examples], VocabularyConfig())
    data = Dataset(encode_texts(examples, vocabulary).inputs, Classes(LABELS).encode(examples), examples)
    budget = round(TrainConfig().batch_size * float(data.inputs.lengths.double().mean()))
    batches = Batches(data, budget, seed=1)
    plan = batches.plan()
    chosen = [batches.load(rows) for rows in plan[:: max(1, len(plan) // arguments.batches)][: arguments.batches]]
    config = ClassifierConfig(dropout=0.0, word_dropout=0.0)
    torch.manual_seed(1)
    model = Classifier(config, len(vocabulary), Classes(LABELS), spelling=vocabulary.spelling)
    twin = on_torch(model, config, vocabulary)
    steps = {"throughtime": torch_step(model), "torch.nn packed": torch_step(twin)}
    steps["Keras on JAX"] = keras_step(model, config)
    tokens = sum(len(batch.inputs.values) for batch in chosen)
    for batch in chosen:
        check({name: step(batch) for name, step in steps.items()}, model, twin)
    seconds = time_in_turns(steps, chosen, arguments.rounds)
    result: dict[str, Any] = {"machine": machine(), "threads": arguments.threads, "tokens": tokens, "programs": {}}
    ours = seconds["throughtime"]
    for name, own in seconds.items():
        ratios = [theirs / mine for theirs, mine in zip(own, ours, strict=True)]
        rate = tokens / statistics.median(own)
        result["programs"][name] = {
            "tokens_per_s": rate, "ratio_median": statistics.median(ratios), "ratio_min": min(ratios)
        }  # fmt: skip
        print(f"{name:16} {rate:9.0f} tokens/s, {statistics.median(ratios):.2f}x our time (least {min(ratios):.2f})")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def check(losses: dict[str, float], model: Classifier, twin: Classifier) -> None:
    """All find the same loss; ours and torch's the same gradients."""
    if max(losses.values()) - min(losses.values()) > 1e-4:
        raise SystemExit(f"expected equal losses, found {losses}")
    theirs = {name.replace(".layer.", "."): parameter.grad for name, parameter in twin.named_parameters()}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name], rtol=1e-3, atol=1e-5)


def time_in_turns(steps: dict[str, Step], batches: list[Batch], rounds: int) -> dict[str, list[float]]:
    """Seconds of each over all batches, one a round; they take turns at going first, after one call not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    gc.collect()
    gc.disable()
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            time.sleep(0.05)
            steps[name](batches[0])
            begun = time.perf_counter()
            for batch in batches:
                steps[name](batch)
            seconds[name].append(time.perf_counter() - begun)
    gc.enable()
    return seconds


def reviews(archive: Path) -> list[Example]:
    """The training reviews with their labels."""
    examples = []
    with tarfile.open(archive) as members:
        for member in members:
            label = Path(member.name).parent.name
            stream = members.extractfile(member) if label in LABELS else None
            if stream is not None:
                examples.append(Example(text=stream.read().decode(), label=label, path=member.name, line=1))
    return examples


def torch_step(model: Classifier) -> Step:
    """Forward, backward."""

    def step(batch: Batch) -> float:
        for parameter in model.parameters():
            parameter.grad = None
        loss, _ = model.loss(batch)
        loss.backward()
        return float(loss.detach())

    return step


class Packed(nn.Module):
    """torch.nn's layer in the place of ours: as PyTorch advises for ragged batches."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        self.layer = nn.GRU(ours.input_size, ours.hidden_size, bidirectional=True)  # type: ignore[arg-type]
        self.layer.load_state_dict(ours.state_dict())
        self.output_size, self.num_directions = ours.hidden_size, 2

    def forward(self, steps: Ragged, state: Any = None, table: Tensor | None = None) -> tuple[Ragged, Tensor]:
        """As a PackedSequence, in the order that our layers use too."""
        outputs, h = self.layer(steps.to_packed(), state)
        order = steps.time_major
        return steps.with_values(reorder(outputs.data, order.scatter, order.gather)), h


def on_torch(model: Classifier, config: ClassifierConfig, vocabulary: Vocabulary) -> Classifier:
    """The same model with torch.nn's recurrence."""
    twin = Classifier(config, len(vocabulary), Classes(LABELS), spelling=vocabulary.spelling)
    twin.load_state_dict(model.state_dict())
    twin.encoder.recurrent = Packed(twin.encoder.recurrent)  # type: ignore[assignment]
    return twin


def keras_step(model: Classifier, config: ClassifierConfig) -> Step:
    """The same model in Keras, compiled by JAX."""
    os.environ["KERAS_BACKEND"] = "jax"
    import jax
    import jax.numpy as jnp
    import keras
    from keras import ops

    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    spelling = sorted(name for name in weights if name.startswith("encoder.embedding.spelling"))
    tables = [weights["encoder.embedding.word.weight"], *(weights[name] for name in spelling)]
    symbols, mask = keras.Input((None, len(tables)), dtype="int32"), keras.Input((None,), dtype="bool")
    embeddings = [keras.layers.Embedding(*table.shape) for table in tables]
    vectors = sum(embedding(symbols[:, :, place]) for place, embedding in enumerate(embeddings))
    gru = keras.layers.Bidirectional(keras.layers.GRU(config.hidden_size, return_sequences=True, reset_after=True))
    outputs = gru(vectors, mask=mask)
    inner, score, head = (
        keras.layers.Dense(2 * config.hidden_size, activation="tanh"),
        keras.layers.Dense(1, use_bias=False),
        keras.layers.Dense(len(LABELS)),
    )
    scores = ops.where(mask, score(inner(outputs))[:, :, 0], -1e9)
    pooled = ops.sum(outputs * ops.softmax(scores, axis=1)[:, :, None], axis=1)
    network = keras.Model([symbols, mask], head(pooled))
    for embedding, table in zip(embeddings, tables, strict=True):
        embedding.set_weights([table])
    recurrent = []
    for suffix in ("", "_reverse"):
        own = {}
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            r, z, n = torch.from_numpy(weights[f"encoder.recurrent.{name}_l0{suffix}"]).chunk(3)
            own[name] = torch.cat([z, r, n])
        recurrent += [own["weight_ih"].t().numpy(), own["weight_hh"].t().numpy()]
        recurrent += [torch.stack([own["bias_ih"], own["bias_hh"]]).numpy()]
    gru.set_weights(recurrent)
    inner.set_weights([weights["pooling.score.0.weight"].T, weights["pooling.score.0.bias"]])
    score.set_weights([weights["pooling.score.2.weight"].T])
    head.set_weights([weights["head.weight"].T, weights["head.bias"]])
    values = [variable.value for variable in network.trainable_variables]
    frozen = [variable.value for variable in network.non_trainable_variables]
    smooth = config.label_smoothing

    @jax.jit
    def gradients(values: Any, symbols: Any, mask: Any, targets: Any) -> Any:
        def loss(values: Any) -> Any:
            logits, _ = network.stateless_call(values, frozen, [symbols, mask])
            log = jax.nn.log_softmax(logits)
            goal = jax.nn.one_hot(targets, len(LABELS)) * (1 - smooth) + smooth / len(LABELS)
            return -(goal * log).sum(1).mean()

        return jax.value_and_grad(loss)(values)

    def step(batch: Batch) -> float:
        lengths = batch.inputs.lengths
        longest = -(-int(lengths.max()) // 128) * 128
        real = torch.arange(longest) < lengths[:, None]
        padded = torch.zeros(len(lengths), longest, len(tables), dtype=torch.int32)
        padded[real] = batch.inputs.values.to(torch.int32)
        arrays = (jnp.asarray(array.numpy()) for array in (padded, real, batch.targets))
        loss, _ = jax.block_until_ready(gradients(values, *arrays))
        return float(loss)

    return step


if __name__ == "__main__":
    sys.exit(main())
