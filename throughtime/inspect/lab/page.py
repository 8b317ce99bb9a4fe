"""The page of ``throughtime lab vanishing``: one HTML file with everything in it, for a class."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from html import escape
from pathlib import Path
from random import Random

import torch

from throughtime.inspect.curves import Curve, Picture, draw_curves, power_of_ten
from throughtime.inspect.lab.explosion import CLIP, DISTANCE, LR, NAIVE, Run
from throughtime.inspect.lab.vanishing import LEARNING_RATES, SOLVED, TESTS, Experiment, Outcome, VanishingConfig
from throughtime.inspect.reach import FELT, Layer, Reach
from throughtime.inspect.report.page import figure, page, section, table
from throughtime.inspect.words import seconds_in_words
from throughtime.storage import write_atomically
from throughtime.version import __version__

__all__ = ["verdict", "write_page"]

NAMES = {"elman": "Elman", "gru": "GRU", "lstm": "LSTM"}
LOOKS = {"elman": ("second", "--", "s"), "gru": ("third", "-.", "^"), "lstm": ("first", "-", "o")}
"""Colour, dashes and marker: nobody needs to tell colours apart."""
BEGAN = {
    "lasting": "each begins as is known to be best for long distances: orthogonal recurrent matrices for all (Saxe and "
    "others 2014), and gates that stay open for about the distance (Tallec and Ollivier 2018)",
    "torch": "each begins as torch’s own layers do",
}
CSS = """\
:root { --third: #2c7a4b; }
@media (prefers-color-scheme: dark) { :root { --third: #79c796; } }
.example { font-size: 1.05rem; padding: .8rem 1.1rem; background: var(--raised); border-radius: 8px; max-width: 44rem; }
section > ul, section > ol { max-width: 44rem; padding-left: 1.3rem; margin: 0 0 .9rem; }
li + li { margin-top: .35rem; }
.grid { align-items: start; }
figcaption { margin-top: .4rem; }
"""


def write_page(path: Path, experiment: Experiment, command: str) -> None:
    """Write the page; the same experiment gives the same bytes.

    Raises:
        OSError: when it cannot be written.
    """
    sections = [
        _header(experiment),
        _task(experiment),
        _found(experiment),
        _gradient(experiment),
        _explosion(experiment),
        _try(experiment),
        _settings(experiment, command),
    ]
    write_atomically(path, page("The fading gradient", sections, CSS))


def verdict(experiment: Experiment) -> str:
    """What came out, in one sentence.

    An example: ``Solved distances: up to 20 by the Elman network, up to 160 by the GRU and the LSTM.``
    """
    reached: dict[int, list[str]] = {}
    for outcome in experiment.outcomes:
        name = "the Elman network" if outcome.cell == "elman" else f"the {NAMES[outcome.cell]}"
        reached.setdefault(outcome.solved, []).append(name)
    parts = []
    for furthest in sorted(reached):
        words = f"up to {furthest}" if furthest else "not even the shortest"
        parts.append(f"{words} by {_listed(reached[furthest])}")
    return f"Solved distances: {', '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    """Such as ``a, b and c``."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _header(experiment: Experiment) -> str:
    return f"""<header>
<p class="eyebrow">Throughtime · lab vanishing · {escape(experiment.config.task)}</p>
<h1>The fading gradient</h1>
<p class="lead">Three recurrent networks learn the same thing from the same sequences, for as long: Elman's simple
network (1990), the LSTM (1997) and the GRU (2014). How far back do they learn to remember? {verdict(experiment)}</p>
</header>"""


# ---- the problem ----


def _task(experiment: Experiment) -> str:
    problem, config = experiment.problem, experiment.config
    examples = "<br>".join(
        escape(problem.example(Random(f"{config.seed} example {distance}"), distance)) for distance in (8, 20)
    )
    return section(
        "The problem",
        f"""<p>{escape(problem.question)} Everything that the answer needs was read at the beginning, and nothing that
came later helps. Two sequences at the distances 8 and 20 ({escape(problem.distance)}):</p>
<p class="example">{examples}</p>
<p>The distance can be set, and that is the point: the network sees one step at a time and has only its state, a
vector of {config.hidden_size} numbers, to carry what it will need. For each distance each network learns anew, from
sequences of that distance alone: no shorter ones show it the way. Whoever guesses is right in
{problem.chance:.1%}.</p>""",
    )


# ---- accuracy ----


def _found(experiment: Experiment) -> str:
    problem = experiment.problem
    distances = list(experiment.outcomes[0].trained)
    shares = {o.cell: [trained.accuracy for trained in o.trained.values()] for o in experiment.outcomes}
    curves = [_curve(cell, distances, own) for cell, own in shares.items()]
    words = "Accuracy against distance. " + "; ".join(
        f"{NAMES[cell]}: {', '.join(f'{share:.0%} at {d}' for d, share in zip(distances, own, strict=True))}"
        for cell, own in shares.items()
    )
    picture = Picture(
        words, curves, problem.distance, "right", distances, percent=True, level=(problem.chance, "guessing")
    )
    head = ["distance", *(NAMES[outcome.cell] for outcome in experiment.outcomes)]
    rows = [[f"{d}", *(f"{o.trained[d].accuracy:.1%}" for o in experiment.outcomes)] for d in distances]
    rates = ", ".join(f"{rate:g}" for rate in LEARNING_RATES)
    return section(
        "How far back each of them learns",
        f"""<div class="grid">
{figure("Right answers", draw_curves(picture, "accuracy"))}
<div><h3>The numbers</h3>{table(head, rows, _numbers(head), "Accuracy")}</div>
</div>
<p class="note">{TESTS} new sequences of each distance; a share of 90% is certain to about three points, one of 50% to
four or five. A distance counts as solved at {SOLVED:.0%}. The same care was taken for all three: each was trained with
the learning rates {rates} and is shown with the one that did best on other sequences, held out for this choice;
{BEGAN[experiment.config.init]}.</p>""",
    )


def _numbers(head: Sequence[str]) -> str:
    """The columns of a table with what its numbers are of on the left."""
    return "l" + "n" * (len(head) - 1)


def _curve(cell: str, x: Sequence[float], y: Sequence[float], *, marked: bool = True) -> Curve:
    colour, dashes, marker = LOOKS[cell]
    return Curve(NAMES[cell], x, y, colour, dashes, marker if marked else "")


# ---- the gradient ----


def _gradient(experiment: Experiment) -> str:
    figures = "".join(
        _fading(experiment, title, name) for title, name in (("Before training", "start"), ("After training", "end"))
    )
    distances = list(experiment.outcomes[0].trained)
    probes = experiment.outcomes[0].furthest.end.sequences
    told = "".join(f"<li><b>{NAMES[o.cell]}</b>: {_told(o)}</li>" for o in experiment.outcomes)
    return section(
        "Why: the gradient on its way back",
        f"""<p>A network learns from its mistake at the end by asking, step by step backwards, how the mistake would
have changed had the state been a little different: that is the gradient. From each step to the one before, it is
multiplied by one more matrix, made of the same weights each time. A product of many factors below one is soon nothing,
and of factors above one it is enormous. Where the gradient is nothing, the network cannot find out that what it read
there mattered.</p>
<div class="grid">{figures}</div>
<p class="note">The norm of ∂L/∂s, with s the state k steps before the end (of an LSTM, h and c together); mean over
{probes} sequences at distance {distances[-1]}, computed exactly in 64-bit numbers. The end of the sequence is at the
left of the picture, and what must be remembered at the right.</p>
<p>The LSTM and the GRU have a way out: their state is <em>added to</em>, and a gate decides how much of the old state
stays. With that gate open each factor of the product is close to one, and the gradient arrives. The Elman network has
no gate. Its state can hold something for long, once it has learnt to (it then sits where tanh is flat, and the gradient
fades all the more: Bengio, Simard and Frasconi 1994); but to learn it over a long distance, the gradient must come
first.</p>
<ul>{told}</ul>
{_arrivals(experiment)}
{_gates(experiment)}""",
    )


def _arrivals(experiment: Experiment) -> str:
    """How much of the gradient there is where it is needed, before training, at each distance."""
    head = ["distance", *(NAMES[outcome.cell] for outcome in experiment.outcomes)]
    rows = [
        [
            f"{distance}",
            *(_power(_arriving(outcome.trained[distance].start, distance)) for outcome in experiment.outcomes),
        ]
        for distance in experiment.outcomes[0].trained
    ]
    return (
        "<h3>What arrives before training</h3>"
        f"{table(head, rows, _numbers(head), 'What arrives before training')}"
        '<p class="note">The norm of the gradient where what is asked for was read, as a share of its largest.</p>'
    )


def _arriving(reach: Reach, distance: int) -> float:
    norms = reach.layers[0].norms
    return norms[distance] / max(norms) if max(norms) else 0.0


def _power(share: float) -> str:
    """A share that may be tiny.

    >>> _power(0.25), _power(3.2e-7), _power(0.0)
    ('0.25', '3 · 10⁻⁷', '0')
    """
    if not share or share >= 1e-3:
        return f"{share:.2g}"
    digit, exponent = f"{share:.0e}".split("e")
    return f"{digit} · {power_of_ten(int(exponent))}"


def _fading(experiment: Experiment, title: str, name: str) -> str:
    reaches: dict[str, Reach] = {outcome.cell: getattr(outcome.furthest, name) for outcome in experiment.outcomes}
    curves = []
    for cell, reach in reaches.items():
        norms = reach.layers[0].norms
        curves.append(_curve(cell, range(len(norms)), norms, marked=False))
    words = f"{title}: norm of the gradient against steps back. " + "; ".join(
        f"{NAMES[cell]} falls below 1% of its largest {_end(reach.layers[0])}" for cell, reach in reaches.items()
    )
    picture = Picture(words, curves, "steps back", "norm of the gradient", logarithmic=True)
    return figure(title, draw_curves(picture, name))


def _told(outcome: Outcome) -> str:
    before, after = (reach.layers[0] for reach in (outcome.furthest.start, outcome.furthest.end))
    return (
        f"before training the gradient falls below {FELT:.0%} of its largest norm {_end(before)}, after training "
        f"{_end(after)}. At this distance {outcome.furthest.accuracy:.1%} of its answers are right."
    )


def _end(layer: Layer) -> str:
    if layer.steps == len(layer.norms) - 1:
        return "nowhere on its way"
    return f"after {layer.steps} step{'s' * (layer.steps != 1)}"


def _gates(experiment: Experiment) -> str:
    meaning = {"i": "input", "f": "forget", "o": "output", "r": "reset", "z": "update", "h": "units"}
    rows = [
        [NAMES[o.cell], meaning[gate], f"{o.furthest.start.layers[0].saturated[gate]:.1%}", f"{share:.1%}"]
        for o in experiment.outcomes
        for gate, share in o.furthest.end.layers[0].saturated.items()
    ]
    head = ["network", "gate", "before training", "after training"]
    return (
        f"<h3>Saturated gates</h3>{table(head, rows, 'llnn', 'Saturated gates')}"
        '<p class="note">The share of values below 0.05 or above 0.95: a gate that is wholly shut or wholly open. '
        "Elman has no gates; of its units it is the share with |h| above 0.95, where tanh is flat and lets little "
        "gradient through.</p>"
    )


# ---- explosion ----


def _explosion(experiment: Experiment) -> str:
    explosion = experiment.explosion
    free, clipped = explosion.free, explosion.clipped
    if free.ended is None:
        outcome = f"This time it held for all {len(free.losses)} updates."
    else:
        outcome = (
            f"At update {free.ended} its loss is NaN, “not a number”, and so is every weight: nothing can be saved."
        )
    kept = "also ended in NaN" if clipped.ended else f"went on for all its updates, to a loss of {_mean(clipped):.3g}"
    figures = "".join(
        figure(title, draw_curves(_exploding(title, free_y, clipped_y), name))
        for title, name, free_y, clipped_y in (
            ("Loss", "loss", free.losses, clipped.losses),
            ("Norm of the gradient, before clipping", "norm", free.norms, clipped.norms),
        )
    )
    return section(
        "The other end: a gradient that explodes",
        f"""<p>The same product can grow instead. Here an Elman network of rectified units begins with the identity as
its recurrent matrix (nothing fades, nothing grows; Le, Jaitly and Hinton 2015). It learns to add two marked numbers,
the first of them {DISTANCE} steps back, by following its gradient with a learning rate of {LR:g}. One step that is too
long makes the matrix a little larger, and {DISTANCE} factors a little above one are a huge number. {outcome}</p>
<p>The second run is the same in everything, but a gradient longer than {CLIP:g} is cut to that length, its direction
kept (Pascanu, Mikolov and Bengio 2013). It {kept}
(always saying 0.5 would have {NAIVE:.3f}).</p>
<div class="grid">{figures}</div>""",
    )


def _exploding(title: str, free: Sequence[float], clipped: Sequence[float]) -> Picture:
    last = max((n for n, value in enumerate(free) if math.isfinite(value)), default=0)
    climb, ended = list(free[: last + 1]), []
    if last + 1 < len(free):  # where it left the numbers, beyond the largest of them
        climb.append(1000 * max(value for value in (*free, *clipped) if math.isfinite(value)))
        ended = [Curve("NaN", [last + 2], climb[-1:], "second", "none", "X")]
    curves = [
        Curve("clipped", range(1, len(clipped) + 1), clipped),
        Curve("not clipped", range(1, len(climb) + 1), climb, "second", "--"),
        *ended,
    ]
    words = (
        f"{title} against updates. Without clipping from {free[0]:.3g} to {free[last]:.3g} at update {last + 1}, the "
        f"last finite one; with clipping from {clipped[0]:.3g} to {clipped[-1]:.3g}."
    )
    return Picture(words, curves, "updates", logarithmic=True, decades=60)


def _mean(run: Run, last: int = 20) -> float:
    """Over the last updates: one batch's loss says little."""
    ending = run.losses[-last:]
    return sum(ending) / len(ending)


# ---- for the class ----


def _try(experiment: Experiment) -> str:
    task = experiment.config.task
    other = next(name for name in ("adding", "agreement", "copy") if name != task)
    questions = [
        ("Does it matter how the weights begin? As torch’s layers do:", "--init torch"),
        ("Is it a question of size?", "--hidden-size 128"),
        ("Or of patience?", f"--updates {3 * experiment.config.updates} --minutes 15"),
        ("Is it the words? The same with numbers, or letters:", f"--task {other}"),
        ("Was it luck?", f"--seed {experiment.config.seed + 1}"),
    ]
    content = "".join(
        f"<li>{escape(question)} <code>throughtime lab vanishing {options} --out other</code></li>"
        for question, options in questions
    )
    return section("Try it yourself", f"<p>First say what you expect; then run it.</p>\n<ol>{content}</ol>")


# ---- settings ----


def _settings(experiment: Experiment, command: str) -> str:
    fields = VanishingConfig.model_fields
    rows = [
        [name.replace("_", " "), escape(str(value)), escape(fields[name].description or "")]
        for name, value in experiment.config.model_dump().items()
    ]
    distances = list(experiment.outcomes[0].trained)
    cells = [
        [NAMES[o.cell], f"{o.weights:,}", *(f"{o.trained[d].lr:g}" for d in distances)] for o in experiment.outcomes
    ]
    head = ["network", "weights", *(f"rate at {distance}" for distance in distances)]
    return section(
        "Make it again",
        f"""<pre><code>{escape(command)}</code></pre>
<p class="note" style="margin-top:.9rem">{experiment.updates:,} updates of each network, all in all
{seconds_in_words(experiment.seconds)}. throughtime {__version__}, torch {escape(torch.__version__)}, Python
{platform.python_version()}.</p>
<h3>Networks</h3>
{table(head, cells, _numbers(head), "Networks")}
<p class="note">One recurrent layer and a linear map. Adam, with the learning rate (of the table: the one that did
best) rising over the first 5% of the updates and falling along a cosine; the gradient is clipped to a norm of 1.</p>
<h3>Settings</h3>
{table(["setting", "value", "meaning"], rows, "lll", "Settings")}""",
    )
