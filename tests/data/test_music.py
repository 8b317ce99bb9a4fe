"""Music: piano rolls in JSON, MIDI, vectors, event words; lossless on the grid, every fault named."""

from __future__ import annotations

import gzip
import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from symusic import Note as MidiNote
from symusic import Score, Tempo, TimeSignature, Track

from throughtime.data.events import EVENTS, LONGEST, from_events, to_events
from throughtime.data.midi import read_midi, write_midi
from throughtime.data.music import Rolls, frame_nll
from throughtime.data.piece import MOST_STEPS, REST, Note, Piece
from throughtime.data.readers.music import is_music, read_music
from throughtime.errors import DataError, ModelError, UsageError

NOTES = st.lists(
    st.builds(Note, start=st.integers(0, 150), pitch=st.integers(0, 127), length=st.integers(1, 150)), max_size=12
)


@pytest.fixture
def midi(tmp_path):
    """Write tracks of (start, length, pitch) in ticks as a MIDI file, 480 ticks a quarter, and give the path."""

    def midi(name, *tracks, drums=(), setup=lambda score: None):
        score = Score(480)
        for notes in [*tracks, *drums]:
            track = Track("", 0, notes in drums)
            for start, length, pitch in notes:
                track.notes.append(MidiNote(start, length, pitch, 80))
            score.tracks.append(track)
        setup(score)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        score.dump_midi(path)
        return path

    return midi


# ---- pieces ----


def test_a_pitch_in_consecutive_steps_is_one_note_unless_struck_again():
    held = Piece([(60,), (60,), (60,), (), (60,)])
    assert held.notes() == [Note(0, 60, 3), Note(4, 60, 1)]
    struck = Piece(held.steps, repeats=frozenset({(2, 60)}))
    assert struck.notes() == [Note(0, 60, 2), Note(2, 60, 1), Note(4, 60, 1)]


@given(NOTES)
def test_notes_and_steps_are_two_forms_of_one_piece(notes):
    piece = Piece.from_notes(notes)
    assert Piece.from_notes(piece.notes()) == piece
    sounding = {(step, n.pitch) for n in notes for step in range(n.start, n.start + n.length)}
    assert {(at, pitch) for at, step in enumerate(piece.steps) for pitch in step} == sounding
    assert {(n.start, n.pitch) for n in piece.notes()} == {(n.start, n.pitch) for n in notes}


def test_many_long_notes_of_one_pitch_take_the_work_of_one():
    piece = Piece.from_notes(Note(start, 60, 20_000) for start in range(20_000))
    assert len(piece) == 39_999
    assert len(piece.repeats) == 19_999


def test_transposing_moves_all_that_has_a_pitch():
    piece = Piece([(60,), (60,)], repeats=frozenset({(1, 60)}), voices=[(60, REST), (60, REST)]).transposed(2)
    assert (piece.steps, piece.repeats) == ([(62,), (62,)], frozenset({(1, 62)}))
    assert piece.voices == [(62, REST)] * 2
    with pytest.raises(ValueError, match="expected pitches from 0 to 127 after transposing by 70"):
        piece.transposed(70)


# ---- JSON ----


def test_parts_and_the_step_that_the_name_tells(write):
    path = write("tunes-16th.json", json.dumps({"train": [[[60.0, 67], []]], "val": [[[62]]], "test": [[[1]], [[2]]]}))
    music = read_music(path)
    assert {part: len(pieces) for part, pieces in music.parts.items()} == {"train": 1, "valid": 1, "test": 2}
    assert (music.quarters, music.format, len(music.pieces)) == (0.25, "json", 4)
    assert music.parts["train"][0] == Piece([(60, 67), ()], 0.25, path=str(path), number=1)
    assert music.notes == ["read as JSON piano rolls: 4 pieces, 5 steps of a 16th note"]
    assert read_music(path, step=0.5).parts["test"][1].quarters == 0.5


def test_a_gzipped_plain_list(write):
    path = write("a.json.gz", gzip.compress(b"[[[72, 60], [60]]]"))
    assert read_music(path).parts["train"][0].steps == [(60, 72), (60,)]


def test_steps_of_one_size_are_voices_and_minus_one_is_a_rest(write):
    piece = read_music(write("a.json", "[[[67, 60], [67, -1], [60, 60]]]")).pieces[0]
    assert piece.steps == [(60, 67), (67,), (60,)]
    assert piece.voices == [(67, 60), (67, REST), (60, 60)]
    assert piece.voice_notes() == [[Note(0, 67, 2), Note(2, 60, 1)], [Note(0, 60, 1), Note(2, 60, 1)]]


def test_pieces_without_a_note_are_left_out_and_counted(write):
    music = read_music(write("a.json", '{"train": [[], [[60]], [[], []]], "test": [[[60], []]]}'))
    assert [(piece.number, len(piece)) for piece in music.pieces] == [(2, 1), (1, 2)]
    assert music.notes[1] == "2 pieces without a note are left out (first: train, piece 1)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[[60], [60, 300]]]", "piece 1, step 2: expected pitches from 0 to 127, found 300"),
        ("[[[60], [60, -1]]]", "piece 1, step 2: expected pitches from 0 to 127, found -1"),
        (
            '{"train": [[[60, -2]]]}',
            "piece 1, step 1: expected pitches from 0 to 127 (or -1, a voice's rest), found -2",
        ),
        ('{"train": [], "test": [[["C4"]]]}', 'test, piece 1, step 1: expected pitches from 0 to 127, found "C4"'),
        ("[[[60.5]]]", "piece 1, step 1: expected pitches from 0 to 127, found 60.5"),
        ("[[[NaN]]]", "piece 1, step 1: expected pitches from 0 to 127, found NaN"),
        ("[[[Infinity]]]", "piece 1, step 1: expected pitches from 0 to 127, found Infinity"),
        (f"[[[1{'0' * 400}]]]", "piece 1, step 1: expected pitches from 0 to 127, found a number of 401 digits"),
        (f"[[[1{'0' * 5000}]]]", "expected pitches from 0 to 127, found a number of thousands of digits"),
        ("[[[true]]]", "piece 1, step 1: expected pitches from 0 to 127, found true"),
        ("[[60]]", "piece 1, step 1: expected a list of pitches, found 60"),
        ("[60]", "piece 1: expected a list of steps, found 60"),
        ('{"train": {}}', "train: expected a list of pieces, found an object"),
        ('{"train": [], "tempo": 3}', 'expected the parts train, valid and test, found "tempo"'),
        ('{"valid": [], "dev": []}', 'expected each part once, found "valid", "dev"'),
        ("3", "train: expected a list of pieces, found 3"),
        ("[]", "expected music, found not one note"),
        ("{}", "expected music, found not one note"),
        ("[[[]]]", "expected music, found not one note"),
        ("[" * 100_000, "expected JSON piano rolls, found JSON nested too deeply"),
    ],
)
def test_faults_in_json_are_named(write, content, message):
    path = write("a.json", content)
    with pytest.raises(DataError) as error:
        read_music(path)
    assert str(error.value) == f"{path}: {message}"


def test_what_is_no_json_has_a_line_and_a_column(write):
    path = write("a.json", "[\n[[60,]]]")
    with pytest.raises(
        DataError, match=r"a\.json, line 2, column \d+: expected JSON piano rolls or MIDI, found no JSON"
    ):
        read_music(path)
    with pytest.raises(DataError, match="expected a file, found nothing of that name"):
        read_music(path.with_name("none.json"))


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf")])
def test_a_step_has_a_length(write, midi, step):
    for path in (write("a.json", "[[[60]]]"), midi("a.mid", [(0, 480, 60)])):
        with pytest.raises(UsageError, match="expected a step of a positive length in quarter notes, found"):
            read_music(path, step=step)


# ---- MIDI ----


def test_notes_go_to_the_nearest_step_and_last_one_at_least(midi):
    path = midi("a.mid", [(0, 480, 60), (470, 20, 64), (725, 235, 67), (725, 100, 72)])
    piece = read_music(path).pieces[0]
    assert piece.notes() == [Note(0, 60, 4), Note(4, 64, 1), Note(6, 67, 2), Note(6, 72, 1)]
    assert (piece.quarters, piece.path, piece.voices) == (0.25, str(path), ())
    assert read_music(path, step=1).pieces[0].steps == [(60,), (64,), (67, 72)]


def test_what_began_between_the_steps_is_counted(midi):
    music = read_music(midi("a.mid", [(0, 120, 60), (50, 120, 62), (125, 120, 64)]))
    assert music.notes[1:] == ["1 of the notes began between the steps and were moved to the nearest"]


def test_tempo_and_metre_change_nothing(midi):
    def changes(score):
        score.tempos.append(Tempo(0, 33))
        score.tempos.append(Tempo(480, 201))
        score.time_signatures.append(TimeSignature(480, 7, 8))

    notes = [(0, 480, 60), (480, 480, 60)]
    plain, changed = read_midi(midi("a.mid", notes)), read_midi(midi("b.mid", notes, setup=changes))
    assert (changed.steps, changed.repeats) == (plain.steps, plain.repeats)
    assert plain.repeats == {(4, 60)}


def test_drums_are_left_out_and_counted(midi):
    music = read_music(midi("a.mid", [(0, 480, 60)], drums=[[(0, 480, 36), (480, 480, 38)]]))
    assert music.pieces[0].steps == [(60,)] * 4
    assert music.notes[1] == "2 notes of drums are left out"
    with pytest.raises(DataError, match="expected music, found not one note"):
        read_music(midi("b.mid", drums=[[(0, 480, 36)]]))


def test_tracks_of_one_note_at_a_time_are_voices(midi):
    tracks = [[(0, 480, 72)], [(0, 240, 60), (240, 240, 62)]]
    piece = read_midi(midi("a.mid", *tracks), step=0.5)
    assert piece.voices == [(72, 60), (72, 62)]
    assert read_midi(midi("b.mid", tracks[0], [*tracks[1], (0, 480, 50)])).voices == ()


def test_folders_and_their_parts(midi, tmp_path):
    notes = [(0, 480, 60)]
    midi("set/b.mid", notes)
    midi("set/deep/a.MIDI", notes)
    midi("set/.hidden/c.mid", notes)
    midi("set/empty.mid", [])
    (tmp_path / "set" / "README").write_text("about it")
    music = read_music(tmp_path / "set")
    assert [piece.path.partition("set/")[2] for piece in music.parts["train"]] == ["b.mid", "deep/a.MIDI"]
    assert "1 file without a note is left out" in music.notes[1]
    for part in ("train", "val", "test"):
        midi(f"parts/{part}/a.mid", notes)
    assert set(read_music(tmp_path / "parts").parts) == {"train", "valid", "test"}
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="expected a folder with MIDI files"):
        read_music(tmp_path / "none")


def test_music_is_told_by_its_beginning_or_its_name(midi, write, tmp_path):
    path = midi("a.mid", [(0, 480, 60)])
    unnamed, packed = write("tune", path.read_bytes()), write("tune.mid.gz", gzip.compress(path.read_bytes()))
    assert all(read_music(file).format == "midi" for file in (path, unnamed, packed))
    assert all(map(is_music, (path, unnamed, packed, tmp_path)))
    assert all(is_music(write("a.json", text)) for text in ('{"valid": [[[60', "[[[60, 67]]]", " [\n[], [[]", "[[[],"))
    assert is_music(write("a.json.gz", gzip.compress(b"[[[-1, 60]]]")))
    assert is_music(write("a.json", "\ufeff[[[60, 67]]]"))
    assert not any(
        is_music(write("a.json", text)) for text in ("[[60]]", '{"text": [[[60', '[[["a"]]]', "{}", "[[Link]]")
    )
    assert not is_music(write("a.csv", "text,label\n"))
    assert not is_music(write("texts/a.txt", "text").parent)


def test_broken_midi_is_named(midi, write):
    whole = midi("a.mid", [(0, 480, 60)] * 9).read_bytes()
    for content in (
        whole[:-9],
        whole[:20],
        whole.replace(b"MTrk", b"MTxx"),
        *(whole[:12] + ticks + whole[14:] for ticks in (b"\xe7\x28", b"\0\0")),
    ):
        path = write("broken.mid", content)
        with pytest.raises(DataError, match=r"broken\.mid: expected a whole MIDI file, found a damaged one \("):
            read_music(path)
    for content in (b"", b"a text"):
        with pytest.raises(DataError, match="expected a MIDI file, found other content"):
            read_music(write("broken.mid", content))


def test_midi_with_any_bytes_changed_is_read_or_named(midi, write):
    whole = midi("a.mid", [(0, 480, 60), (480, 480, 64)], [(0, 960, 48)]).read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(draw.integers(1, 4)):
            changed[draw.integers(len(changed))] = draw.integers(256)
        path = write("changed.mid", bytes(changed))
        try:
            assert len(read_midi(path)) <= MOST_STEPS
        except DataError as error:
            assert str(error).startswith(f"{path}: expected")  # noqa: PT017 (either is right)


def test_a_missing_symusic_says_how_to_install_it(midi, monkeypatch, tmp_path):
    path = midi("a.mid", [(0, 480, 60)])
    monkeypatch.setitem(sys.modules, "symusic", None)
    for call in (lambda: read_music(path), lambda: write_midi(tmp_path / "b.mid", Piece([(60,)]))):
        with pytest.raises(
            UsageError, match=r"expected symusic, .* found it missing: pip install 'throughtime\[music\]'"
        ):
            call()


def test_what_is_written_is_read_back(tmp_path):
    piece = Piece([(60, 64), (60,), (60,), (), (55,)], 0.5, frozenset({(2, 60)}))
    write_midi(tmp_path / "a.mid", piece, tempo=72, program=52)
    back = read_midi(tmp_path / "a.mid", step=0.5)
    assert (back.steps, back.repeats) == (piece.steps, piece.repeats)
    score = Score(tmp_path / "a.mid")
    assert (score.tracks[0].program, round(score.tempos[0].qpm)) == (52, 72)


def test_voices_are_tracks(tmp_path):
    voices = [(67, 60, 55, REST), (67, 62, 55, 48), (67, 62, REST, 48)]
    steps = [tuple(sorted(set(step) - {REST})) for step in voices]
    write_midi(tmp_path / "a.mid", Piece(steps, voices=voices))
    assert [track.name for track in Score(tmp_path / "a.mid").tracks] == ["soprano", "alto", "tenor", "bass"]
    assert list(read_midi(tmp_path / "a.mid", step=1).voices) == voices


@pytest.mark.parametrize(("tempo", "program"), [(0, 0), (float("nan"), 0), (2000, 0), (90, 128), (90, -1)])
def test_a_tempo_or_program_that_is_none_is_refused(tmp_path, tempo, program):
    with pytest.raises(UsageError, match=r"expected a (tempo|program) from"):
        write_midi(tmp_path / "a.mid", Piece([(60,)]), tempo=tempo, program=program)


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be written: is a directory"):
        write_midi(tmp_path, Piece([(60,)]))


# ---- vectors ----


def test_a_piano_is_the_default_and_widens_where_it_must():
    rolls = Rolls.fit([Piece([(60,)], 0.25)])
    assert (rolls.lowest, rolls.highest, rolls.width, rolls.quarters) == (21, 108, 88, 0.25)
    assert Rolls.fit([Piece([(12, 60)])]).width == 97
    assert Rolls.fit([Piece([(60, 64)])], keys="met") == Rolls(60, 64)
    with pytest.raises(DataError, match=r"expected steps of 1 quarter notes, found steps of 0\.5"):
        Rolls.fit([Piece([(60,)]), Piece([(60,)], 0.5)])
    with pytest.raises(DataError, match="found not one note"):
        Rolls.fit([])


def test_vectors_and_pieces_are_two_forms_of_one():
    pieces = [Piece([(21, 108), (), (60, 61, 62)]), Piece([]), Piece([(64,)])]
    vectors = Rolls().encode(pieces)
    assert (vectors.values.dtype, list(vectors.values.shape)) == (torch.float32, [4, 88])
    assert [Rolls().decode(one).steps for one in vectors] == [list(piece.steps) for piece in pieces]
    assert len(Rolls().encode([])) == 0


def test_the_step_before_is_zero_where_a_piece_begins():
    inputs, targets = Rolls(60, 62).examples([Piece([(60,), (61,)]), Piece([]), Piece([(62,), (60,)])])
    assert inputs.values.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert targets.values.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert inputs.lengths.tolist() == targets.lengths.tolist() == [2, 0, 2]


def test_what_is_outside_has_its_place():
    piece = Piece([(60,), (60, 70)], path="a.json", number=3)
    with pytest.raises(DataError, match=r"a\.json, piece 3: step 2: expected pitches from 60 to 64, found 70"):
        Rolls(60, 64).encode([piece])
    with pytest.raises(DataError, match=r"a\.json, piece 3: expected steps of 0\.25 quarter notes, found steps of 1"):
        Rolls(quarters=0.25).encode([piece])


def test_rolls_are_saved_as_json(tmp_path):
    path = tmp_path / "rolls.json"
    Rolls(30, 90, 0.25).save(tmp_path)
    assert json.loads(path.read_text()) == {"lowest": 30, "highest": 90, "quarters": 0.25}
    assert Rolls.load(tmp_path) == Rolls(30, 90, 0.25)
    for content in ("", "[]", "{}x", '{"lowest": 90, "highest": 30}', '{"high": 3}', '{"lowest": "a"}'):
        path.write_text(content)
        with pytest.raises(ModelError, match="expected the range of a piano roll's pitches"):
            Rolls.load(tmp_path)


def test_the_measure_is_that_of_the_literature():
    logits, targets = torch.randn(5, 88, dtype=torch.float64), (torch.rand(5, 88) < 0.1).double()
    chance = logits.sigmoid()
    expected = -(targets * chance.log() + (1 - targets) * (1 - chance).log()).sum(1)
    torch.testing.assert_close(frame_nll(logits, targets), expected)


# ---- event words ----


@given(NOTES, st.integers(0, 200))
def test_events_lose_nothing(notes, length):
    piece = Piece.from_notes(notes, quarters=0.25, length=length)
    events = to_events(piece)
    assert set(events) <= set(EVENTS)
    assert from_events(events, 0.25) == piece


def test_what_is_long_is_told_by_several_words():
    assert to_events(Piece([(60,)] * (2 * LONGEST + 1))) == ["Pitch_60", "Duration_64", "Duration_64", "Duration_1"]
    assert to_events(Piece([()] * LONGEST)) == ["TimeShift_64"]


@given(st.lists(st.sampled_from([*EVENTS, "<unk>", "Pitch_128", "Duration_0", "TimeShift_-3", ""]), max_size=60))
def test_whatever_a_model_says_is_a_piece(events):
    piece = from_events(events)
    assert from_events(to_events(piece)) == piece
    assert all(step == tuple(sorted(set(step))) for step in piece.steps)


def test_a_model_that_never_stops_makes_no_endless_piece():
    assert len(from_events(["Pitch_60", *["TimeShift_64"] * 20_000, "Pitch_61"])) == MOST_STEPS


# ---- the chorales ----


@pytest.mark.parametrize(
    ("name", "steps", "lowest", "voices"),
    [
        ("jsb-chorales-quarter.json", {"train": 13_807, "valid": 4_602, "test": 4_725}, 43, 0),
        ("jsb-chorales-16th.json.gz", {"train": 55_228, "valid": 18_408, "test": 18_900}, 36, 0),
        ("Jsb16thSeparated.json.gz", {"train": 55_228, "valid": 18_408, "test": 18_900}, 36, 4),
    ],
)
def test_jsb_chorales(shared_data, name, steps, lowest, voices):
    music = read_music(shared_data / "jsb_chorales" / name)
    assert {part: len(pieces) for part, pieces in music.parts.items()} == {"train": 229, "valid": 76, "test": 77}
    assert {part: sum(map(len, pieces)) for part, pieces in music.parts.items()} == steps
    assert min(step[0] for piece in music.pieces for step in piece.steps if step) == lowest
    assert {len(step) for piece in music.pieces for step in piece.voices} == ({voices} if voices else set())
    assert music.quarters == (1.0 if "quarter" in name else 0.25)
    piece = music.pieces[0]
    assert from_events(to_events(piece), music.quarters).steps == list(piece.steps)
