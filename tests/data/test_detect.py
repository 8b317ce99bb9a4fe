"""Telling formats by content: what must be seen, and what must not be mistaken for labels."""

from __future__ import annotations

import pytest

from throughtime.data.readers.detect import by_content, label_words
from throughtime.errors import DataError

POEM = """The tide comes in, the tide goes out
And leaves the sand as white as bone
The gulls above it wheel about
And cry as if the sea had gone
The night comes on and we are here"""
PROSE = """Call me what you like.
It was a long, grey winter, and nobody came.
I sat down, opened a book, and read.
It said nothing.
I closed it again."""
CHAT = "Ann: hello there\nBob: hi\nAnn: are you in?\nBob: yes\nAnn: good"
QUESTIONS = "Was ist das hier\nWie geht es dir\nWas soll das\nWie alt bist du\nWas nun mein Freund\nWie heisst er"
NUMBERED = "1 first we go\n2 then we stop\n3 then we rest\n4 then we sleep\n5 at last we wake"
COMMAS = "Well, that was it\nSo, here we are\nNow, what next\nFine, let us go\nWell, good night"
LOWER = "simplistic , silly and tedious .\nit's so laddish\nexploitative and void\nvisually bad\nit's dull here"
RECIPE = "Take two eggs\nTake some flour\nMix both well\nTake a pan\nMix again"
COMMANDS = "go north now\nopen the door\ngo south\ntake the lamp\nclose the door"


@pytest.mark.parametrize("text", [POEM, PROSE, CHAT, QUESTIONS, NUMBERED, COMMAS, LOWER, RECIPE, COMMANDS])
def test_prose_is_not_labelled(text):
    with pytest.raises(DataError, match="none of them fits"):
        by_content(text.split("\n"), "a.txt")
    assert by_content(text.split("\n"), "a.txt", need_label=False)[0] == "lines"


@pytest.mark.parametrize(
    "text",
    [
        "1 a stirring , funny film\n0 dull , and long\n1 lovely , all of it",
        "1 good\n0 bad\n0 worse\n1 fine\n4 best",
        "pos i liked it\nneg i did not\npos it was fun\npos go , see it\nneg too long",
        "ham\tsee you at six\nspam\twin a prize\nham ok\nham later\nspam call now".replace("\t", " "),
        "sports Rovers win again\npolitics Vote is near\ntech New phone out\nsports City lose\n"
        "politics New law\ntech Old phone back",
        "DESC:manner How did it begin ?\nNUM:date When ?\nDESC:def What is an atom ?\nNUM:date What year ?",
        "__label__a one\n__label__b two",
        "-1 bad\n+1 good\n-1 worse",
        "1.0 awful\n5.0 great\n5.0 good\n1.0 bad",
        "SPAM win now\nHAM see you\nHAM ok\nSPAM call\nHAM fine",
    ],
)
def test_labels_are_seen_in_small_files(text):
    assert by_content(text.split("\n"), "a")[0] == "label-first"


def test_files_sorted_by_class():
    lines = [f"0 sentence number {n} of this kind" for n in range(3000)] + ["1 the other kind"] * 3000
    assert label_words(lines) == {"0", "1"}


def test_a_label_without_text_is_a_row_but_a_new_word_alone_is_not():
    lines = ["pos i liked it", "neg i did not"] * 10
    assert label_words([*lines, "pos"]) == {"pos", "neg"}
    assert label_words([*lines, "end"]) == set()


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ('{"text": "a"}\nnonsense', "jsonl"),
        ("text\tlabel\na\tb", "tsv"),
        ("ham\tOk\nspam\tWin\nham\tBye", "tsv"),
        ("text,label\nThe film,pos\nThe plot,neg", "csv"),
        ('The film was good,pos\n"The plot, though",neg\nThe cast,pos\nThe end,neg', "csv"),
        ("id;review;sentiment\n1;good;pos", "csv"),
        ("[1] a note in brackets\nand more of it", "lines"),
        ("{curly} start\nand more of it", "lines"),
    ],
)
def test_other_formats_are_told_by_content(text, format):
    assert by_content(text.split("\n"), "a", need_label=False)[0] == format


def test_a_tab_separated_file_with_one_bad_line_is_still_one():
    assert by_content(["ham\tOk"] * 30 + ["broken line"], "a")[0] == "tsv"
