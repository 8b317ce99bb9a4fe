"""The experiments' problems, the training side by side, the explosion, and the page."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import partial
from random import Random

import pytest
import torch

from tests.inspect.test_report import Page
from throughtime.inspect.lab import vanishing
from throughtime.inspect.lab.explosion import CLIP, Run, explode
from throughtime.inspect.lab.network import Network
from throughtime.inspect.lab.page import verdict, write_page
from throughtime.inspect.lab.problems import COPIED, NOUNS, PROBLEMS, WORDS
from throughtime.inspect.lab.vanishing import CELLS, Experiment, Outcome, Trained, VanishingConfig, run_vanishing
from throughtime.inspect.reach import Layer, Reach, measure

SMALL = VanishingConfig(distances="4,6", updates=3, hidden_size=5, batch_size=4, threads=1)
PLURALS = {plural for _, plural in NOUNS}
NOUNS_FLAT = {noun for pair in NOUNS for noun in pair}


@pytest.fixture(scope="module", autouse=True)
def short():
    """A shorter explosion, and fewer sequences to test on, than a lesson needs."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        yield


def shorten(patch):
    patch.setattr(vanishing, "explode", partial(explode, updates=8))
    patch.setattr(vanishing, "TESTS", 100)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return run_vanishing(SMALL)


# ---- problems ----


@pytest.mark.parametrize("distance", [5, 6, 7, 40])
def test_agreement_has_so_many_words_between_subject_and_verb(distance):
    random = Random(0)
    for _ in range(200):
        words, (subject,) = PROBLEMS["agreement"].draw(random, distance)
        assert len(words) == 2 + distance
        assert WORDS[words[1]] == NOUNS[subject // 2][subject % 2]


def test_no_noun_but_the_subject_is_a_hint():
    """Of the nouns in between as many agree in number as not, and the same noun is there by chance alone."""
    random = Random(0)
    agreed, same = [], []
    for _ in range(2000):
        words, (subject,) = PROBLEMS["agreement"].draw(random, 20)
        between = [WORDS[word] for word in words[2:] if WORDS[word] in NOUNS_FLAT]
        agreed += [(noun in PLURALS) == subject % 2 for noun in between]
        same += [noun == WORDS[words[1]] for noun in between]
    assert len(agreed) > 1000
    for marks, chance in ((agreed, 1 / 2), (same, 1 / len(NOUNS_FLAT))):
        spread = (chance * (1 - chance) / len(marks)) ** 0.5
        assert sum(marks) / len(marks) == pytest.approx(chance, abs=4 * spread)


@pytest.mark.parametrize("distance", [2, 3, 50])
def test_adding_marks_the_first_number_and_one_of_the_first_half(distance):
    random = Random(0)
    for _ in range(100):
        steps, (answer,) = PROBLEMS["adding"].draw(random, distance)
        marked = [place for place, (_, mark) in enumerate(steps) if mark]
        assert len(steps) == distance + 1
        assert marked[0] == 0
        assert 0 < marked[1] <= max(1, distance // 2)
        assert answer == pytest.approx(0.5 + sum(steps[place][0] for place in marked) / 4)


def test_guessing_the_middle_is_right_as_often_as_said():
    random, problem = Random(0), PROBLEMS["adding"]
    answers = [problem.draw(random, 5)[1][0] for _ in range(20_000)]
    share = sum(abs(answer - 0.5) < 0.04 for answer in answers) / len(answers)
    assert share == pytest.approx(problem.chance, abs=0.01)


@pytest.mark.parametrize("distance", [4, 5, 30])
def test_copy_asks_for_each_letter_so_many_steps_after_it(distance):
    symbols, letters = PROBLEMS["copy"].draw(Random(0), distance)
    assert len(symbols) == COPIED + distance
    assert symbols[:COPIED] == letters
    assert len({*symbols[COPIED:distance], *symbols[distance:]} & set(letters)) == 0
    assert len(set(symbols[distance:])) == 1


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_network_reads_every_problem(name):
    problem = PROBLEMS[name]
    batch = problem.batch(Random(0), [4, 9, 5])
    torch.manual_seed(0)
    network = Network(problem, "lstm", 6)
    loss, _ = network.loss(batch)
    assert math.isfinite(loss.item())
    assert network(batch.inputs).shape == (3 * problem.answers, problem.outputs)
    assert 0 <= network.accuracy(batch) <= 1


def test_right_answers_are_counted():
    problem = PROBLEMS["agreement"]
    batch = problem.batch(Random(0), [5] * 400)
    network = Network(problem, "gru", 4)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.arange(problem.outputs) == 7)
    assert network.accuracy(batch) == pytest.approx(float((batch.targets == 7).double().mean()))


# ---- training ----


def test_all_cells_are_trained_and_measured(experiment):
    assert [outcome.cell for outcome in experiment.outcomes] == list(CELLS)
    for outcome in experiment.outcomes:
        assert list(outcome.trained) == [4, 6]
        for distance, trained in outcome.trained.items():
            assert trained.tried[trained.lr] == max(trained.tried.values())
            assert len(trained.end.layers[0].norms) == distance + 2
            assert trained.start != trained.end


def test_same_seed_same_numbers_other_seed_others(experiment):
    def numbers(one):
        return {name: value for name, value in one.to_json().items() if name not in ("seconds", "settings")}

    assert numbers(run_vanishing(SMALL)) == numbers(experiment)
    assert numbers(run_vanishing(SMALL.model_copy(update={"seed": 2}))) != numbers(experiment)


def test_a_sequence_is_measured_to_its_beginning_however_long(page):
    long = run_vanishing(SMALL.model_copy(update={"distances": "401", "updates": 1, "hidden_size": 3}))
    for outcome in long.outcomes:
        assert len(outcome.trained[401].start.layers[0].norms) == 401 + 2
        assert len(outcome.trained[401].end.layers[0].norms) == 401 + 2
    assert "What arrives before training" in page(long)


def test_minutes_leave_fewer_updates():
    short = run_vanishing(SMALL.model_copy(update={"updates": 10_000_000, "minutes": 1e-3}))
    assert 1 <= short.updates < 1000


def test_it_learns():
    """A distance of 2 with enough updates: all three are right."""
    config = VanishingConfig(distances="2", updates=150, hidden_size=16, batch_size=64, threads=1)
    assert all(outcome.trained[2].accuracy > 0.95 for outcome in run_vanishing(config).outcomes)


@pytest.mark.parametrize("distances", ["", "5,", "0", "5,x", "-3", "99999"])
def test_distances_that_are_none_are_refused(distances):
    with pytest.raises(ValueError, match="expected whole numbers from 1"):
        VanishingConfig(distances=distances)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_clipping_it_explodes_and_with_it_goes_on(seed):
    explosion = explode(seed, updates=60)
    assert explosion.free.ended is not None
    assert explosion.clipped.ended is None
    assert len(explosion.clipped.losses) == 60
    assert explosion.free.losses[0] == explosion.clipped.losses[0]
    assert explosion.clipped.norms[0] > CLIP


# ---- the page ----


def test_gates_begin_open_for_the_distance():
    """Of an LSTM that is made for 1,000 steps the gradient arrives after 100, of one made for 2 it does not."""
    shares = []
    for distance in (2, 1000):
        torch.manual_seed(0)
        network = Network(PROBLEMS["agreement"], "lstm", 8, lasting=distance)
        batch = PROBLEMS["agreement"].batch(Random(0), [100] * 4)
        norms = measure(network, batch.inputs, batch.targets).layers[0].norms
        shares.append(norms[100] / max(norms))
    assert shares[0] < 1e-6
    assert shares[1] > 1e-2


def outcome_of(cell: str, *shares: float) -> Outcome:
    layer = Layer(1, False, tuple(0.5**k for k in range(12)), {"h": 0.1} if cell == "elman" else {"z": 0.2})
    reach = Reach((layer,), sequences=4, median_length=12)
    tried = {1e-3: 0.9, 3e-3: 0.8, 1e-2: 0.7}
    return Outcome(
        cell, 10, {d: Trained(1e-3, tried, share, reach, reach) for d, share in zip((5, 10, 20), shares, strict=True)}
    )


def test_a_distance_is_solved_when_the_shorter_ones_are_too():
    assert outcome_of("gru", 0.99, 0.95, 0.9).solved == 20
    assert outcome_of("gru", 0.99, 0.6, 1.0).solved == 5
    assert outcome_of("gru", 0.5, 0.6, 1.0).solved == 0


def test_the_verdict_tells_what_came_out(experiment):
    outcomes = (outcome_of("elman", 1, 0.5, 0.5), outcome_of("gru", 1, 1, 1), outcome_of("lstm", 1, 1, 1))
    told = verdict(replace(experiment, outcomes=outcomes))
    assert told == "Solved distances: up to 5 by the Elman network, up to 20 by the GRU and the LSTM."
    none = verdict(replace(experiment, outcomes=tuple(outcome_of(cell, 0.5, 0.5, 0.5) for cell in CELLS)))
    assert none == "Solved distances: not even the shortest by the Elman network, the GRU and the LSTM."


@pytest.fixture
def page(tmp_path):
    def write(experiment, command="throughtime lab vanishing"):
        write_page(tmp_path / "report.html", experiment, command)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def test_the_page_holds_everything(page, experiment):
    content = page(experiment, "throughtime lab vanishing --distances '4,6' <x>")
    read = Page(content)
    assert read.count("svg") == 5
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", content)
    ids = re.findall(r'\bid="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert "throughtime lab vanishing --distances '4,6' <x>" in read.text
    for outcome in experiment.outcomes:
        for trained in outcome.trained.values():
            assert f"{trained.accuracy:.1%}" in read.text
    assert "is NaN" in read.text
    assert content == page(experiment, "throughtime lab vanishing --distances '4,6' <x>")


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_has_its_page(page, experiment, name):
    config = SMALL.model_copy(update={"task": name})
    text = Page(page(replace(experiment, config=config))).text
    assert PROBLEMS[name].question in text


def test_a_run_that_does_not_explode_is_told_as_it_was(page, experiment):
    calm = Run(losses=(1.0, 0.5), norms=(1.0, 0.9))
    text = Page(page(replace(experiment, explosion=replace(experiment.explosion, free=calm)))).text
    assert "This time it held for all 2 updates." in text
    assert "is NaN" not in text


def test_what_is_not_finite_is_null_in_json(experiment):
    content = json.loads(json.dumps(experiment.to_json(), allow_nan=False))
    assert content["explosion"]["free"]["losses"][-1] is None
