"""Listening by measure on made pieces whose answers are known, and the pictures of rolls."""

from __future__ import annotations

import random
import re

import pytest

from throughtime.data.piece import REST, Piece
from throughtime.inspect.listening import comparison, listen, longest_copy, longest_repeat
from throughtime.inspect.roll import draw_rolls

A, B, C, D = (60, 64), (62,), (64,), (65,)


def test_a_made_piece_with_known_answers():
    piece = Piece([(48, 55, 64), (48, 55, 64), (50, 54, 65), (), (50,)], quarters=0.5)
    heard = listen([piece])
    assert (heard.pieces, heard.steps, heard.silent, heard.same) == (1, 5, 0.2, 0.25)
    assert heard.ranges == [(64, 65), (54, 55), (48, 50)]
    assert heard.sizes == {0: 0.2, 1: 0.2, 3: 0.6}
    assert heard.notes_per_step == pytest.approx(2)
    # 7, 9 and 16 semitones twice; then 4, 11 and 15.
    assert heard.consonant == pytest.approx(8 / 9)
    assert heard.lengths == {0.5: pytest.approx(4 / 7), 1.0: pytest.approx(3 / 7)}
    assert heard.mean_length == pytest.approx((4 * 0.5 + 3 * 1) / 7)
    assert heard.repeat == 0.5  # one step, which comes twice


def test_voices_that_are_known_keep_their_ranges_where_they_cross():
    piece = Piece([(60, 67), (60, 67), (62,)], voices=[(67, 60), (60, 67), (62, REST)])
    assert listen([piece]).ranges == [(60, 67), (60, 67)]
    assert listen([Piece(piece.steps)]).ranges == [(67, 67), (60, 60)]


def test_silence_alone_can_be_heard():
    heard = listen([Piece([(), ()])])
    assert (heard.consonant, heard.ranges, heard.silent, heard.mean_length) == (None, [], 1, 0)
    with pytest.raises(ValueError, match="expected pieces with steps"):
        listen([Piece([])])


@pytest.mark.parametrize(
    ("steps", "longest"),
    [
        ([], 0),
        ([A], 0),
        ([A, B, C], 0),
        ([A, A], 1),
        ([A, A, A], 1),
        ([A, B, A, B], 2),
        ([A, B, C, A, B, D, A, B, C], 3),
        ([A, B, A, B, A], 2),
    ],
)
def test_longest_repeat(steps, longest):
    assert longest_repeat(steps) == longest


def test_longest_repeat_is_that_of_looking_everywhere():
    draw = random.Random(0)
    for _ in range(200):
        steps = [draw.choice([A, B, C]) for _ in range(draw.randrange(14))]
        places = [(i, j) for j in range(len(steps)) for i in range(j)]
        found = [
            n
            for i, j in places
            for n in range(1, j - i + 1)
            if j + n <= len(steps) and steps[i : i + n] == steps[j : j + n]
        ]
        assert longest_repeat(steps) == max(found, default=0)


def test_longest_copy():
    assert longest_copy([[A, B, C], [D]], [[D, B, C], [A]]) == 2
    assert longest_copy([[A, B]], [[A, B, C]]) == 2
    assert longest_copy([[A], []], [[B], []]) == 0


def test_the_table_sets_the_made_beside_the_real():
    real, made = [Piece([(60, 64), (60, 67)] * 4)], [Piece([(60, 64), (60, 67), (), (61,)])]
    rows = {what: (one, other) for what, one, other in comparison(real, made)}
    assert rows["voice 1"] == ("E4–G4", "E4–G4")
    assert rows["silent steps"] == ("0.0%", "25.0%")
    assert rows["longest passage that comes twice, quarter notes"] == ("4.0", "0.0")
    assert rows["longest passage taken from the real ones, quarter notes"] == ("–", "2.0")


def test_rolls_share_their_axes_and_the_pages_colours():
    pieces = [("<Real>", Piece([(60, 64), (60,)] * 8)), ("Made", Piece([(48,)], quarters=0.25))]
    pictures = draw_rolls(pieces, "roll", made=[False, True])
    boxes = [re.search(r'viewBox="([^"]*)"', picture)[1] for picture in pictures]
    assert boxes[0] == boxes[1]
    assert "fill: var(--first)" in pictures[0]
    assert "fill: var(--second)" in pictures[1]
    for number, picture in enumerate(pictures):
        assert not re.search(r"#[0-9a-f]{6}|http", re.sub(r'xmlns(:\w+)?="[^"]*"', "", picture))
        assert set(re.findall(r'id="(\w+?)-', picture)) == {f"roll{number}"}
        assert "C4" in picture
    assert 'aria-label="Piano roll, &lt;Real&gt;: 9 notes in 16 quarter notes, from C4 to E4."' in pictures[0]
    assert pictures == draw_rolls(pieces, "roll", made=[False, True])


def test_a_silent_piece_and_a_very_long_one_are_drawn():
    silent, long = draw_rolls([("Silent", Piece([()])), ("Long", Piece([(60,), (62,)] * 5_000))], "roll")
    assert "0 notes" in silent
    assert "64 notes in 64 quarter notes" in long
    assert len(long) < 60_000
