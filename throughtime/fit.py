"""From examples to a trained model in a folder: what the ``train`` command does once its files are read."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from throughtime.data.batches import Batched, Dataset
from throughtime.data.encoded_pairs import Rows
from throughtime.data.identity import plain
from throughtime.data.passages import Documents, Lines, stretches
from throughtime.environment import cores, environment
from throughtime.errors import DataError, TrainingError, UsageError
from throughtime.inspect.card import write_card
from throughtime.inspect.reach import SEQUENCES, STEPS, Reach, measure, subsample
from throughtime.inspect.report import (
    Answered,
    Evidence,
    answered,
    composed,
    foretold,
    labelled,
    sounded,
    text_lengths,
    translated,
    write_report,
    written,
)
from throughtime.model import (
    FILES,
    ComposerModel,
    LanguageModel,
    Model,
    ModelConfig,
    TranslatorModel,
    choose_device,
    read_config,
)
from throughtime.model.folder import make_model
from throughtime.prepare import Covered, Prepared, Splits, Start, prepare
from throughtime.tasks import (
    TASKS,
    Classifier,
    ClassifierConfig,
    Composer,
    Generator,
    Labeler,
    LabelerConfig,
    Task,
    Translator,
)
from throughtime.tasks.classify import certainty
from throughtime.tasks.targets import Measure, Names
from throughtime.train.checkpoint import remove_checkpoints
from throughtime.train.config import TrainConfig
from throughtime.train.plan import Plan
from throughtime.train.protocol import Listener
from throughtime.train.run import Outcome, Run
from throughtime.warm import check_alike, inherit

__all__ = ["OWN_FILES", "FitListener", "Fitted", "Splits", "Summary", "fit", "learn", "remove_model", "settle"]

OWN_FILES = (*FILES, "metrics.jsonl", "report.html", "README.md", "config.json")
"""The last one is what tells a model's folder from any other, so it is also the last to go."""


@dataclass(frozen=True)
class Summary:
    """What is known before the first step.

    Attributes:
        parameters: weights of the model.
        symbols: size of the vocabulary.
        unknown: share of the validation tokens that are not in it.
        cut: texts cut short by ``max_length``.
        tokens: tokens a batch.
        targets: what is to be told of a text, in words.
        names: what its data is called.
        memory: the process's peak so far in bytes, some updates on a copy of the model included.
        plan: updates and seconds to come.
        score: the metric that weights are chosen by.
        resumed_at: the update that a resumed run goes on from.
        covered: which words begin with a vector made elsewhere, where such are asked for.
    """

    parameters: int
    symbols: int
    unknown: float | None
    cut: int
    tokens: int
    targets: str
    names: Names
    memory: int
    plan: Plan
    score: Measure
    resumed_at: int | None
    covered: tuple[Covered, ...] = ()


class FitListener(Listener):
    """A listener that is also told what comes before the first update."""

    def preparing(self, words: str) -> None:
        """What is being done with the data, now and then."""

    def prepared(self, summary: Summary) -> None:
        """Before the first update."""


@dataclass(frozen=True)
class Fitted:
    """A finished model and how it came about; ``valid`` and ``test`` are its metrics there.

    The reaches are how far back the model reached before training, and reaches after; evidence is what the report
    shows of single texts. They are there where a folder is. ``calibration`` holds the ``temperature``, and loss and
    calibration error ``before`` it, where one was asked for.
    """

    model: Model
    outcome: Outcome
    valid: dict[str, Any] | None
    test: dict[str, Any] | None
    calibration: dict[str, Any] | None = None
    evidence: Evidence = field(default_factory=Evidence)
    reach_before: Reach | None = None
    reach_after: Reach | None = None


def fit(
    splits: Splits,
    config: ModelConfig,
    train: TrainConfig,
    folder: Path,
    *,
    deadline: float | None = None,
    resume: bool = False,
    listener: FitListener | None = None,
) -> Fitted:
    """Train a model and write its folder; a model that the folder holds is replaced.

    Args:
        splits: the examples.
        config: the model's settings; its ``train``, ``environment`` and ``result`` are filled in here.
        train: how to learn.
        folder: where the model goes; its checkpoints live there meanwhile.
        deadline: for ``--minutes``: when training must have ended, by ``time.monotonic``.
        resume: go on from the folder's checkpoint instead, if it has one.
        listener: is told how it goes.

    Raises:
        UsageError: ``patience``, ``average_after`` or ``calibrate`` without validation data.
        DataError: fewer than two classes or numbers, or a label that is none of them.
        TrainingError: see :class:`~throughtime.train.run.Run`.
    """
    fitted = learn(splits, config, train, folder, deadline=deadline, resume=resume, listener=listener)
    _finish(fitted, folder)
    return fitted


def learn(
    splits: Splits,
    config: ModelConfig,
    train: TrainConfig,
    folder: Path | None = None,
    *,
    deadline: float | None = None,
    resume: bool = False,
    listener: FitListener | None = None,
    like: Model | None = None,
) -> Fitted:
    """Train a model; of the folder's files only the settings and checkpoints are written.

    Args:
        splits: the examples.
        config: the model's settings.
        train: how to learn.
        folder: where settings and checkpoints go; none keeps everything in memory.
        deadline: for ``--minutes``: when training must have ended, by ``time.monotonic``.
        resume: go on from the folder's checkpoint instead, if it has one.
        listener: is told how it goes.
        like: begin with the weights, the vocabulary and the targets of this model.

    Raises:
        UsageError: settings that are not those of ``like``; others, DataError and TrainingError: see :func:`fit`.
    """
    listener, config = listener or FitListener(), config.settled(splits.train, like.config if like else None)
    train = train.settled_with(config.network.learning(config.vocabulary))  # type: ignore[arg-type]
    device = settle(config)
    for name, wanted in (("--patience", train.patience), ("--average-after", train.average_after)):
        if wanted is not None and not splits.valid:
            raise UsageError(f"{name}: expected validation data to judge by, found none (--valid)")
    if not splits.valid and isinstance(config.network, ClassifierConfig) and config.network.calibrate:
        raise UsageError("--calibrate: expected validation data to fit the temperature on, found none (--valid)")
    if like:
        check_alike(like, config)
    ready = prepare(splits, config, like, listener.preparing)
    vocabulary, data, valid = ready.vocabulary, ready.train, ready.valid
    if ready.start is not None:
        config = _noted(config, ready.start, folder if resume else None)
    task = _network(config, ready).to(device)
    if like:
        inherit(task, like)
    made = {"train": train.model_dump(), "environment": environment(device)}
    model = make_model(config.model_copy(update=made), vocabulary, task)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        if not resume:  # not before now: until here anything may still turn out wrong with the new data
            remove_model(folder)
        model.save_settings(folder)
    batches = model.training_batches(data, train)
    if deadline is not None and folder is not None and isinstance(model, TranslatorModel):
        deadline -= _answering_seconds(model, ready)
    run = Run(
        task,
        batches,
        model.batches(valid) if len(valid) else None,
        train,
        folder=folder,
        deadline=deadline,
        resume=resume,
        listener=listener,
        sample=model.sample,
    )
    watched = valid if len(valid) else data

    def reach() -> Reach | None:
        return None if folder is None else _reach(task, watched)

    before = reach()
    resumed_at = run.prepare()
    listener.prepared(_summary(model, ready, batches, run.plan, resumed_at))
    outcome = run.go()
    fitted = conclude(model, outcome, ready, shown=folder is not None)
    return replace(fitted, reach_before=before, reach_after=reach())


def conclude(model: Model, outcome: Outcome, ready: Prepared, *, shown: bool) -> Fitted:
    """Find the temperature, if one was asked for, and how well the model does on what was held out.

    Args:
        model: with the weights that were kept.
        outcome: how its training ended.
        ready: the data.
        shown: whether the report will show single texts.
    """
    task, parts = model.task, {"train": ready.train, "valid": ready.valid, "test": ready.test}
    held_out = {name: parts[name] for name in ("valid", "test") if len(parts[name])}
    if isinstance(task, Labeler | Generator | Composer | Translator) and not shown:
        scores = {name: task.evaluate(model.batches(part)) for name, part in held_out.items()}
        return Fitted(model, outcome, scores.get("valid"), scores.get("test"))
    if isinstance(model, LanguageModel):
        return _language(model, outcome, held_out)
    if isinstance(model, ComposerModel):
        return _music(model, outcome, held_out)
    if isinstance(model, TranslatorModel):
        return _pairs(model, outcome, held_out)
    if isinstance(task, Labeler):
        return _labels(model, outcome, ready, held_out)
    found = {name: _examined(model, part, fits=name == "valid", shown=shown) for name, part in held_out.items()}
    calibration, evidence = None, Evidence()
    if isinstance(task, Classifier) and task.temperature is not None:
        before = {name: own.before for name, own in found.items()}
        calibration = {"temperature": float(task.temperature), "before": before}
    if shown:
        lengths = {name: text_lengths(part) for name, part in parts.items() if len(part)}
        evidence = Evidence(lengths, {name: own.told for name, own in found.items() if own.told})
    scores = {name: own.scores for name, own in found.items()}
    return Fitted(model, outcome, scores.get("valid"), scores.get("test"), calibration, evidence)


def _language(model: LanguageModel, outcome: Outcome, parts: Mapping[str, Dataset]) -> Fitted:
    """The same of a language model, with what the report shows."""
    found = {name: foretold(model, part) for name, part in parts.items()}
    costs = {name: cost for name, (_, cost) in found.items()}
    evidence = Evidence(foretold=costs, written=written(model))
    told = {name: own for name, (own, _) in found.items()}
    return Fitted(model, outcome, told.get("valid"), told.get("test"), evidence=evidence)


def _music(model: ComposerModel, outcome: Outcome, parts: Mapping[str, Dataset]) -> Fitted:
    """The same of a model of chords."""
    found = {name: sounded(model, part) for name, part in parts.items()}
    told = {name: own for name, (own, _) in found.items()}
    real = parts["test" if "test" in parts else "valid"].examples if parts else ()
    evidence = Evidence(sounded={name: cost for name, (_, cost) in found.items()}, composed=composed(model, real))
    return Fitted(model, outcome, told.get("valid"), told.get("test"), evidence=evidence)


def _pairs(model: TranslatorModel, outcome: Outcome, parts: Mapping[str, Dataset]) -> Fitted:
    """The same of a model that answers texts with texts."""
    found = {name: translated(model, part) for name, part in parts.items() if isinstance(part, Rows)}
    told = {name: own for name, (own, _) in found.items()}
    evidence = Evidence(translated={name: answers for name, (_, answers) in found.items()})
    return Fitted(model, outcome, told.get("valid"), told.get("test"), evidence=evidence)


def _labels(model: Model, outcome: Outcome, ready: Prepared, parts: Mapping[str, Dataset]) -> Fitted:
    """The same of words' labels; ``parts`` are those held out."""
    task, scores, told = model.task, {}, {}
    assert isinstance(task, Labeler)
    for name, part in parts.items():
        scores[name], told[name] = labelled(task, model.batches(part), part, ready.facts.counts)
    every = {"train": ready.train, **parts}
    evidence = Evidence({name: part.inputs.lengths.numpy() for name, part in every.items()}, labelled=told)
    return Fitted(model, outcome, scores.get("valid"), scores.get("test"), evidence=evidence)


@dataclass(frozen=True)
class _Examined:
    """What is kept of a held-out part: scores, loss and calibration error without temperature, what is shown."""

    scores: dict[str, Any]
    before: dict[str, float] | None
    told: Answered | None


def _examined(model: Model, part: Dataset, *, fits: bool, shown: bool) -> _Examined:
    """Look at one part alone: its outputs, all classes of each text, may be large and are let go before the next.

    ``fits`` is the part that a temperature is found on, which comes first.
    """
    task, before = model.task, None
    assert not isinstance(task, Labeler | Generator | Composer | Translator)
    outputs, targets = task.examine(model.batches(part))
    if isinstance(task, Classifier) and task.temperature is not None:
        before = certainty(outputs.softmax(1), targets)
        if fits:
            task.calibrate(outputs, targets)
    told = answered(task, part.examples, text_lengths(part), outputs, targets) if shown else None
    return _Examined(task.judge(outputs, targets), before, told)


def _answering_seconds(model: TranslatorModel, ready: Prepared) -> float:
    """What is to be left of ``--minutes`` for the search for answers to what was held out."""
    parts = [part for part in (ready.valid, ready.test) if isinstance(part, Rows)]
    return SLOWER * sum(map(model.seconds_to_judge, parts))


SLOWER = 1.25
"""By so much searches take longer than was told by those that end where right answers do."""


def _network(config: ModelConfig, ready: Prepared) -> Task:
    task: Task = TASKS[config.task].task.build(
        config.network,  # type: ignore[arg-type]
        ready.vocabulary,  # type: ignore[arg-type]
        ready.targets,  # type: ignore[arg-type]
        ready.facts.counts,
    )
    if ready.start is not None:
        assert isinstance(task, Labeler)
        task.begin_with(ready.start.words, ready.start.vectors)
    return task


def _reach(task: Task, data: Dataset) -> Reach | None:
    """How far back it reaches on some data, where that has targets."""
    if isinstance(task, Generator):
        assert isinstance(data, Documents | Lines)
        inputs, targets = stretches(data, SEQUENCES, STEPS)
        chunk = task.config.chunk if isinstance(data, Documents) else 0
        return measure(task, inputs, targets, step=task.targets.token, chunk=chunk, text="line")
    if isinstance(task, Composer):
        rows = subsample(data.inputs.lengths, SEQUENCES)  # a byte a pitch becomes a number: no more of them than needed
        heard = data.take(rows)
        return measure(task, heard, heard.with_values(data.take_targets(rows)), step="frame", text="piece")
    if data.targets is None or isinstance(task, Translator):  # which sees all of a source at every step
        return None
    if isinstance(task, Labeler):
        return measure(task, data.inputs, data.targets, step="word", text="sentence")
    return measure(task, data.inputs, data.targets)


def _noted(config: ModelConfig, start: Start, begun: Path | None) -> ModelConfig:
    """With what the vectors were that words begin with.

    Raises:
        DataError: they are not those that the run in the folder ``begun`` began with.
    """
    assert isinstance(config.network, LabelerConfig)
    path = config.network.vectors or ""
    before = read_config(begun).data.get("vectors") if begun is not None and (begun / "config.json").exists() else None
    if before is not None and before["sha256"] != start.sha256:
        raise DataError(
            "expected the vectors that the run began with, found other content; --overwrite begins anew", path=path
        )
    facts = {"path": plain(path), "rows": len(start.words), "sha256": start.sha256}
    network = config.network.model_copy(update={"vectors": plain(path)})
    return config.model_copy(update={"network": network, "data": config.data | {"vectors": facts}})


def settle(config: ModelConfig) -> torch.device:
    """Set threads, seed and determinism, and tell the device that the settings mean.

    Raises:
        UsageError: when CUDA is asked for and there is none.
    """
    device = choose_device(config.run.device)
    torch.set_num_threads(min(config.run.threads, cores()))
    torch.manual_seed(config.run.seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA's products are not reproducible
    torch.use_deterministic_algorithms(True, warn_only=True)
    # A debugging aid that comes along with it and costs a fifth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return device


def remove_model(folder: Path) -> None:
    """Remove a model's own files and checkpoints from a folder, and nothing else."""
    remove_checkpoints(folder / "checkpoints")
    for name in OWN_FILES:
        (folder / name).unlink(missing_ok=True)


def _summary(model: Model, ready: Prepared, batches: Batched, plan: Plan, resumed_at: int | None) -> Summary:
    return Summary(
        parameters=model.parameters,
        symbols=len(model.vocabulary),
        unknown=ready.facts.unknown,
        cut=ready.facts.cut,
        tokens=batches.budget,
        targets=model.task.targets.in_words(),
        names=model.names,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        plan=plan,
        score=model.task.measures[0],
        resumed_at=resumed_at,
        covered=ready.facts.covered,
    )


def _finish(fitted: Fitted, folder: Path) -> None:
    """Everything that a finished model's folder holds; the hashes that make it count as one come last."""
    model, outcome = fitted.model, fitted.outcome
    result = {
        "reason": outcome.reason,
        "best": asdict(outcome.best),
        "updates": outcome.history[-1].update,
        "seconds": round(outcome.seconds, 1),
        "plan": asdict(outcome.plan),
        "valid": fitted.valid,
        "test": fitted.test,
        **({"calibration": fitted.calibration} if fitted.calibration else {}),
        "reach": [reach.to_json() for reach in (fitted.reach_before, fitted.reach_after) if reach is not None],
    }
    model.config = model.config.model_copy(update={"result": result})
    try:
        write_report(folder / "report.html", model, outcome.history, fitted.evidence)
        write_card(folder / "README.md", model)
        model.save(folder)
    except OSError as error:
        raise TrainingError(
            f"{folder}: expected to write the model, found: {error.strerror or error}; its checkpoint is kept: "
            "make room and go on with --resume"
        ) from error
    remove_checkpoints(folder / "checkpoints")
