"""What the report shows of a model of music, on made pieces whose costs are known."""

import math

import pytest
import torch

from throughtime.data.music import RollConfig, Rolls
from throughtime.data.piece import Piece
from throughtime.inspect.report.sounded import along, beside_the_real, composed, hard_pitches, hard_sizes, sounded
from throughtime.model import ComposerModel, ModelConfig
from throughtime.ragged import Ragged
from throughtime.tasks import Chords, Composer, ComposerConfig

PIECES = [Piece([(60, 64), (60,), ()]), Piece([(62, 64)] * 6)]


@pytest.fixture
def model():
    """One that gives every pitch one chance in four, whatever was before."""
    torch.manual_seed(0)
    told = Chords.learn(Ragged.from_lengths(Rolls(60, 64).encode(PIECES).values, [3, 6]))
    task = Composer(ComposerConfig(hidden_size=4), 5, told)
    torch.nn.init.zeros_(task.network.head.weight)
    torch.nn.init.constant_(task.network.head.bias, -math.log(3))
    config = ModelConfig(task="compose", network=ComposerConfig(hidden_size=4), vocabulary=RollConfig())
    return ComposerModel(config, Rolls(60, 64), task)


def test_costs_by_pitch_by_size_and_by_place(model):
    scores, found = sounded(model, model.encode(PIECES))
    yes, no = math.log(4), math.log(4 / 3)
    assert found.frames == 9
    assert found.pitches == pytest.approx([2 * yes + 7 * no, 9 * no, 6 * yes + 3 * no, 9 * no, 7 * yes + 2 * no])
    assert found.counts.tolist() == [2, 0, 6, 0, 7]
    assert found.expected == pytest.approx([0.5, 0, 1.5, 0, 1.75])
    assert found.sizes.tolist() == [1, 1, 7]
    assert found.size_nats == pytest.approx([5 * no, yes + 4 * no, 7 * (2 * yes + 3 * no)])
    assert found.size_expected == pytest.approx([1.25, 1.25, 7 * 1.25])
    assert found.places.tolist() == [2, 2, 3, 2, 0, 0, 0, 0]
    assert scores["nll"] == pytest.approx(found.pitches.sum() / 9)
    assert found.place_nats.sum() == pytest.approx(found.pitches.sum())


def test_sections_show_them(model):
    parts = {"valid": sounded(model, model.encode(PIECES))[1]}
    [pitches], [sizes], [places] = hard_pitches(model, parts), hard_sizes(parts), along(parts)
    assert "On the validation data" in pitches
    assert "<svg" in pitches
    assert "E4" in pitches
    assert ">77.8%<" in sizes
    assert ">5–8<" in places
    assert "65 on" not in places
    assert hard_pitches(model, {}) == hard_sizes({}) == along({}) == []


def test_what_is_made_stands_beside_the_real(model):
    [section] = beside_the_real(composed(model, PIECES))
    assert section.count("<svg") == 2
    assert "consonant intervals" in section
    [alone] = beside_the_real(composed(model, []))
    assert alone.count("<svg") == 1
    assert beside_the_real(None) == []
    assert composed(model, PIECES) == composed(model, PIECES)  # the same page each time
