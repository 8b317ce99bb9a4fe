"""What the report shows of labelled words: true, in the order of reading, and never markup."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from tests.inspect.test_report import NASTY, Page
from throughtime.data.batches import Batches, Dataset
from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.readers.conll import read_conll
from throughtime.inspect.card import interval
from throughtime.inspect.report import Evidence, labelled, write_report
from throughtime.inspect.report.rarity import Scored, grouped, rarity, score_spans, sentence_lengths
from throughtime.inspect.report.sentences import MOST, MOST_WORDS, worst_sentences
from throughtime.inspect.report.tags import tag_confusions
from throughtime.metrics import SpanScore
from throughtime.tasks import Labeler, LabelerConfig, Tags

TAGGED = [
    [("the", "D", "D"), ("dogs", "N", "V"), ("bark", "V", "V")],
    [("a", "D", "D"), ("dog", "N", "N")],
    [("bark", "V", "N"), ("!", "P", "P")],
]
NAMED = [
    [("John", "B-PER", "B-PER"), ("Smith", "I-PER", "I-PER"), ("left", "O", "O"), ("York", "B-LOC", "B-PER")],
    [("New", "B-LOC", "O"), ("York", "I-LOC", "B-LOC"), ("slept", "O", "B-PER")],
    [("Paris", "B-LOC", "O"), (".", "O", "O")],
]
SECTIONS = ["The worst sentences", "Rare words and frequent ones", "Short sentences and long ones"]


def evidence_of(part, name="valid"):
    return Evidence({"train": np.array([3, 4, 9]), name: part.lengths}, labelled={name: part})


def read(sections):
    return re.sub(r"\s+", " ", Page("".join(sections)).text)


def table(sections, title):
    """The cells of the table with that name, row by row."""
    content = "".join(sections)
    box = content[content.index(f'aria-label="{title}"') :].partition("</table>")[0]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr.*?>(.*?)</tr>", box, re.DOTALL)]


def plain(cells):
    return [re.sub("<[^>]*>", "", cell) for cell in cells]


@pytest.fixture
def report(tmp_path):
    def write(model, history, evidence):
        write_report(tmp_path / "report.html", model, history, evidence)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


# ---- the page ----


@pytest.mark.parametrize(("spans", "each"), [(False, "Each tag"), (True, "Each type")])
def test_the_order_is_that_of_reading(report, make_tagger, make_labelled, spans, each):
    part = make_labelled(NAMED if spans else TAGGED, spans=spans)
    content = report(make_tagger(scheme="bio" if spans else None), [], evidence_of(part))
    found = re.findall("<h2>(.*?)</h2>", content)
    assert found[: found.index("How it learnt")] == ["Scores", "Where it errs", each, *SECTIONS]
    page = Page(content)
    assert page.count("svg") == (5 if spans else 3)
    ids = re.findall(r'\bid="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', content)) <= set(ids)
    assert "12 sentences of words.conll" in page.text
    assert "label smoothing" not in page.text


def test_settings_are_those_of_files_of_sentences(report, make_tagger):
    text = Page(report(make_tagger(), [], Evidence())).text
    assert "the labels' column" in text


def test_without_held_out_data_there_are_only_lengths(report, make_tagger):
    content = report(make_tagger(part="other"), [], Evidence({"train": np.array([3, 4, 9])}))
    assert [heading for heading in re.findall("<h2>(.*?)</h2>", content) if heading in SECTIONS] == SECTIONS[2:]


def test_the_test_data_comes_first(make_labelled):
    parts = {"valid": make_labelled(TAGGED), "test": make_labelled(TAGGED[:1])}
    evidence = Evidence({name: part.lengths for name, part in parts.items()}, labelled=parts)
    for sections in (tag_confusions(evidence), worst_sentences(evidence), rarity(evidence), sentence_lengths(evidence)):
        assert "test data" in read(sections)


def test_words_and_labels_are_never_markup(report, make_tagger, make_labelled):
    tags = [[(NASTY, NASTY, "N"), ("dog", "N", NASTY)]] * 2
    spans = [[(NASTY, f"B-{NASTY}", "O"), ("dog", "O", f"B-{NASTY}")]] * 2
    for sentences, scheme in ((tags, None), (spans, "bio")):
        part = make_labelled(sentences, spans=bool(scheme))
        page = Page(report(make_tagger([NASTY, "N"], scheme), [], evidence_of(part)))
        assert page.count("script") == 0
        assert page.text.count(NASTY) >= 10


# ---- what is taken for what ----


def test_tags_have_a_cell_for_each_pair(make_labelled):
    sections = tag_confusions(evidence_of(make_labelled(TAGGED)))
    head, *rows = table(sections, "Confusion matrix")
    assert plain(head)[1:] == ["D", "N", "P", "V"]
    assert [plain(row) for row in rows] == [
        ["D", "2", "·", "·", "·"],
        ["N", "·", "1", "·", "1"],
        ["P", "·", "·", "1", "·"],
        ["V", "·", "1", "·", "1"],
    ]
    each = [plain(row) for row in table(sections, "F1 of each tag")[1:]]
    assert each[0] == ["D", "", "100.0%", "100.0%", "100.0%", "2"]
    assert each[2] == ["N", "", "50.0%", "50.0%", "50.0%", "2"]


def test_too_many_tags_for_a_matrix_still_show_their_mistakes(make_labelled):
    sentences = [[("word", f"T{n:02}", f"T{max(n, 1):02}")] for n in range(61)] + [[("word", "T00", "T07")]] * 2
    sections = tag_confusions(evidence_of(make_labelled(sentences)))
    assert '<table class="confusion' not in sections[0]
    assert "too many" in sections[0]
    assert plain(table(sections, "Most frequent mistakes")[1]) == ["T00", "T07", "2", "66.7%"]


def test_spans_are_right_wrong_elsewhere_missed_or_too_many(make_labelled):
    sections = tag_confusions(evidence_of(make_labelled(NAMED, spans=True)))
    head, *rows = table(sections, "Confusion matrix")
    assert plain(head)[1:] == ["LOC", "PER", "other borders", "missed"]
    assert [plain(row) for row in rows] == [
        ["LOC", "·", "1", "1", "1"],
        ["PER", "·", "1", "·", "·"],
        ["no span", "·", "1", "·", "·"],
    ]
    each = [plain(row) for row in table(sections, "F1 of each type")[1:]]
    assert each == [["PER", "", "50.0%", "33.3%", "100.0%", "1"], ["LOC", "", "0.0%", "0.0%", "0.0%", "3"]]


def test_spans_of_letters_alone_have_a_name(make_labelled):
    sections = tag_confusions(evidence_of(make_labelled([[("a", "B", "B"), ("b", "I", "O")]], spans=True)))
    assert plain(table(sections, "F1 of each type")[1])[0] == "span"


# ---- the worst sentences ----


def test_the_least_likely_come_first_with_their_place_and_their_words(make_labelled):
    part = make_labelled(TAGGED, losses=np.array([1, 9, 5], dtype=np.float32))
    content = "".join(worst_sentences(evidence_of(part)))
    text = read([content])
    assert re.findall(r"(\d of \d) words (?:is|are) wrong words.conll, line (\d+)", text) == [
        ("1 of 2", "8"),
        ("1 of 3", "1"),
    ]
    assert "the dogs N → V bark" in text
    assert content.count("<mark") == 2
    assert "folder" not in content


def test_right_and_told_spans_stand_below_each_other(make_labelled):
    content = "".join(worst_sentences(evidence_of(make_labelled(NAMED[:1], spans=True))))
    lines = [read([line]) for line in re.findall(r'<div class="tagged">.*?</div>', content)]
    assert lines == ["rightJohn Smith PER left York LOC ✗", "toldJohn Smith PER left York PER ✗"]
    assert "1 of 2 spans found, 1 told that are not there" in read([content])
    kinds = re.findall(r'<mark class="(kind\d)( off)?">', content)
    assert [off for _, off in kinds] == ["", " off", "", " off"]
    assert kinds[0][0] == kinds[2][0] == kinds[3][0] != kinds[1][0]


def test_sentences_with_labels_never_seen_or_without_mistakes_are_passed_over(make_labelled):
    right = [[("a", "D", "D"), ("dog", "N", "N")]]
    part = make_labelled(right + TAGGED[:1] + TAGGED[2:], losses=np.array([9, np.nan, 1], dtype=np.float32))
    assert Page("".join(worst_sentences(evidence_of(part)))).count("li") == 1
    assert "no mistakes on the validation data" in read(worst_sentences(evidence_of(make_labelled(right))))
    new = make_labelled(TAGGED[:1], losses=np.array([np.nan], dtype=np.float32))
    assert "mistakes only beside labels that training did not show" in read(worst_sentences(evidence_of(new)))


@pytest.mark.parametrize("spans", [False, True])
def test_long_sentences_are_cut_and_many_left_out(make_labelled, spans):
    sentence = [("word", "B-X", "O")] + [("word", "O", "O")] * 4999
    content = "".join(worst_sentences(evidence_of(make_labelled([sentence] * 20, spans=spans))))
    assert Page(content).count("li") == MOST
    assert f"… and {5000 - MOST_WORDS:,} words more" in content
    assert len(content) < MOST * 2 * MOST_WORDS * 12


# ---- rare and frequent, short and long ----


def test_shares_by_how_often_words_were_seen(make_labelled):
    counts = np.array([0, 0, 1, 150, 4, 4, 99], dtype=np.int32)
    sections = rarity(evidence_of(make_labelled(TAGGED, counts=counts)))
    rows = [plain(row)[:3] for row in table(sections, "Accuracy by times seen in training")[1:]]
    assert rows == [
        ["0", "2", "50.0%"],
        ["1", "1", "100.0%"],
        ["2–4", "2", "50.0%"],
        ["10–99", "1", "100.0%"],
        ["100+", "1", "100.0%"],
    ]
    assert "Words that training did not show are right in 50.0% of cases, those seen 100+ times in 100.0%" in read(
        sections
    )


def test_spans_go_by_their_rarest_word(make_labelled):
    counts = np.array([200, 0, 5, 7, 1, 1, 1, 1, 1], dtype=np.int32)
    part = make_labelled(NAMED, spans=True, counts=counts)
    rows = [plain(row)[:3] for row in table(rarity(evidence_of(part)), "F1 of spans by times seen in training")[1:]]
    assert rows == [["0", "1", "100.0%"], ["1", "4", "0.0%"], ["5–9", "2", "0.0%"]]
    scored = score_spans(part)
    assert scored.gained.sum() / scored.whole.sum() == SpanScore(targets=4, predicted=4, correct=1).f1


def test_lengths_are_those_of_sentences(make_labelled):
    text = read(sentence_lengths(evidence_of(make_labelled(TAGGED))))
    assert "too few words, or lengths" in text
    assert "How long the sentences are" in text
    many = make_labelled([TAGGED[1]] * 300 + [TAGGED[0] * 3] * 100)
    text = read(sentence_lengths(evidence_of(many)))
    assert "(2) words are right in 100.0% of cases, in the longest (9) in 66.7%: a larger difference" in text


def test_an_interval_holds_the_share_in_95_of_100_samples():
    """Of words that are right or wrong together: as many independent ones would have much too narrow a one."""
    draw = np.random.default_rng(0)
    held = narrow = 0
    for _ in range(300):
        sizes = draw.integers(5, 20, 60)
        chances = draw.beta(2, 0.5, 60)
        right = draw.random(sizes.sum()) < np.repeat(chances, sizes)
        rows = np.repeat(np.arange(60), sizes)
        ones = np.ones(len(rows))
        scored = Scored("Accuracy", "words", rows, np.zeros(len(rows)), sizes[rows], right * ones, ones)
        (group,) = grouped(scored, np.zeros(len(rows), int), ["all"])
        held += group.low <= 0.8 <= group.high
        low, high = interval(group.value, len(rows))
        narrow += low <= 0.8 <= high
    assert 0.91 * 300 <= held <= 0.985 * 300
    assert narrow < 0.8 * 300


# ---- where it comes from ----


def test_is_heard_while_the_metrics_are_made(tmp_path):
    path = tmp_path / "words.conll"
    path.write_text("the D\ndogs N\nbark V\n\nBark V\n\na D\ndog N\n! NEW\n", encoding="utf-8")
    sentences = list(read_conll(path))
    known = sentences[:2]
    torch.manual_seed(0)
    lexicon = Lexicon.learn([sentence.tokens for sentence in known], LexiconConfig())
    targets = Tags.learn(known, LabelerConfig())
    task = Labeler(LabelerConfig(hidden_size=4), lexicon, targets)
    data = Dataset(lexicon.encode(s.tokens for s in sentences), targets.encode(sentences), sentences)
    counts = lexicon.counts(lexicon.encode(s.tokens for s in known))
    metrics, part = labelled(task, Batches(data, 4), data, counts)
    assert metrics == task.evaluate(Batches(data, 4))
    assert [part.of(row)[0] for row in range(3)] == [["D", "N", "V"], ["V"], ["D", "N", "NEW"]]
    assert part.right.mean() == pytest.approx(metrics["accuracy"])
    assert part.counts.tolist() == [1, 1, 2, 2, 0, 0, 0]
    assert np.isnan(part.losses).tolist() == [False, False, True]
    assert float(part.losses[:2].sum()) / 4 == pytest.approx(metrics["loss"], rel=1e-6)
    answers = task.best(data.take(torch.arange(3))).to_list()
    assert [part.of(row)[1] for row in range(3)] == [targets.decode(numbers) for numbers in answers]
