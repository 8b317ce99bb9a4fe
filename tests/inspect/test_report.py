from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from throughtime.data.config import DataConfig
from throughtime.inspect.report import Evidence, write_report
from throughtime.metrics import MOST_IN_MATRIX

NASTY = "<script>alert('\"&')</script>"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on elements that are closed in the wrong order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture
def report(tmp_path):
    def write(model, history, *evidence):
        path = tmp_path / "report.html"
        write_report(path, model, history, *evidence)
        return path.read_text(encoding="utf-8")

    return write


def test_refers_to_nothing_outside_itself(report, make_model, make_history):
    content = report(make_model(), make_history())
    page = Page(content)
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", content)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    references = [v for _, attributes in page.tags for k, v in attributes.items() if k in ("href", "xlink:href", "src")]
    assert references
    assert all(str(reference).startswith("#") for reference in references)


def test_every_reference_has_its_one_target(report, make_model, make_history):
    content = report(make_model(), make_history())
    ids = re.findall(r'\bid="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', content)) <= set(ids)


def test_says_the_scores_the_end_and_the_command(report, make_model, make_history):
    text = Page(report(make_model(), make_history())).text
    for expected in (
        "Text classifier: ham or spam",
        "87.2%",  # 41 of 47 right
        "86.4%",
        "0.2468",
        "always telling the most frequent class would reach 51.1%",
        "Training ended after 1 min 15 s and 20 updates: 2 epochs are done (--epochs).",
        "The weights of update 20 (epoch 2) were kept",
        "1,234 rows of texts.csv",
        "throughtime train classify private/texts.csv --epochs 2 --out model",
    ):
        assert expected.lower() in text.lower()


def test_shows_every_setting(report, make_model, make_history):
    model = make_model()
    text = Page(report(model, make_history())).text
    config = model.config
    for part in (config.vocabulary.model_dump(), config.network.model_dump(), config.train, config.run.model_dump()):
        for name in part:
            assert name.replace("_", " ") in text


def test_shows_how_data_was_asked_to_be_read(report, make_model, make_history):
    data = make_model().config.data | {"options": DataConfig(text="body", strict=True).model_dump()}
    content = report(make_model(data=data), make_history())
    settings = Page(content[content.index("<h2>Settings") :].partition("</section>")[0]).text
    for name, field in DataConfig.model_fields.items():
        assert name.replace("_", " ") in settings
        assert str(field.description) in settings


def test_shows_what_it_was_made_with_and_not_what_the_page_is(report, make_model, make_history):
    content = report(make_model(), make_history())
    made = Page(content[content.index("<h2>Make it again") :].partition("</section>")[0]).text
    assert re.search(r"tokenizers\s*0\.98\.7", made)
    assert re.search(r"threads\s*3", made)
    assert "torch" not in made


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "label-first"])
def test_columns_are_shown_where_there_are_some(report, make_model, make_history, kind):
    data = make_model().config.data
    data["source"] |= {"format": kind, "delimiter": "," if kind == "csv" else None}
    text = Page(report(make_model(data=data), make_history())).text
    assert ("text columnbody" in text.replace("\n", "")) == (kind != "label-first")
    assert ("delimiter" in text) == (kind == "csv")


def test_text_of_the_user_is_never_markup(report, make_model, make_history):
    labels = [NASTY, "spam"]
    data = {"train": {"path": f"{NASTY}/x.csv", "rows": 3}, "source": {"format": NASTY, "notes": [NASTY]}}
    result = {**make_model(labels).config.result, "reason": NASTY}
    model = make_model(labels, data=data, command=NASTY, result=result)
    page = Page(report(model, make_history(labels=labels)))
    assert page.count("script") == 0
    assert page.text.count(NASTY) >= 8
    assert {attributes.get("title") for _, attributes in page.tags} >= {NASTY}


def test_same_input_gives_same_bytes(report, make_model, make_history):
    assert report(make_model(), make_history()) == report(make_model(), make_history())


def test_without_test_data_the_errors_are_those_of_the_validation_data(report, make_model, make_history):
    text = Page(report(make_model(test=False), make_history())).text
    assert "On the validation data: each row a true class" in text
    assert "Accuracy on the test data" not in text


def test_without_held_out_data_it_says_that_nothing_is_known(report, make_model, make_history):
    page = Page(report(make_model(valid=False, test=False), make_history(valid=False)))
    assert "nothing is known" in page.text
    assert "Where it errs" not in page.text
    assert "no validation data to choose by" in page.text
    assert page.count("svg") == 3  # the loss, the gradient's norm, the share clipped


@pytest.mark.parametrize("evaluations", [0, 1, 200])
def test_any_number_of_evaluations(report, make_model, make_history, evaluations):
    page = Page(report(make_model(), make_history(evaluations)))
    assert page.count("svg") == (4 if evaluations else 0)


@pytest.mark.parametrize("classes", [2, 5, 50])
def test_the_matrix_has_a_cell_for_each_pair(report, make_model, make_history, classes):
    labels = [f"label {number} " + "of a long name " * (number % 7) for number in range(classes)]
    content = report(make_model(labels), make_history(labels=labels))
    matrix = re.search(r'<table class="confusion.*?</table>', content, re.DOTALL)
    assert matrix
    cells = re.findall(r"<td.*?>(.*?)</td>", matrix[0])[1:]
    counts = [int(cell.replace("·", "0")) for cell in cells]
    assert len(counts) == classes**2
    assert counts[:: classes + 1] == [20 + number for number in range(classes)]
    assert sum(counts) == make_model(labels).config.result["test"]["examples"]


def test_too_many_classes_for_a_matrix_still_show_their_mistakes(report, make_model, make_history, make_answered):
    labels = [f"label {number}" for number in range(MOST_IN_MATRIX + 1)]
    targets = np.repeat(np.arange(len(labels)), 4)
    targets[:6] = 7
    told = np.where(np.arange(len(targets)) < 4, 3, targets)
    own = make_answered(np.eye(len(labels))[told], targets)
    model, history = make_model(labels), make_history(labels=labels)
    content = report(model, history, Evidence({"test": own.lengths}, {"test": own}))
    assert '<table class="confusion' not in content
    mistakes = content[content.index("<h3>Most frequent mistakes") : content.index("<h2>Each class")]
    assert re.sub(r"\s+", " ", Page(mistakes[: mistakes.index("</section>")]).text).endswith("label 7label 3440.0% ")
    classes = Page(content[content.index("<h2>Each class") :].partition("</section>")[0]).text
    assert re.search(r"label 7\s*13\.1%100\.0%60\.0%10", classes)  # right in 6 of 10
    assert f"most frequent class would reach {10 / len(targets):.1%}" in content
    assert "Most frequent mistakes" not in report(model, history)


def test_classes_are_sorted_by_f1(report, make_model, make_history):
    content = report(make_model(["a", "b", "c"]), make_history(labels=["a", "b", "c"]))
    section = content[content.index("<h2>Each class</h2>") :]
    assert re.findall(r'<th scope="row" class="long">(\w)</th>', section)[:3] == ["c", "b", "a"]


def test_a_class_never_told_has_no_precision(report, make_model, make_history):
    result = make_model().config.result
    never = {**result["test"], "confusion": [[40, 0], [7, 0]], "f1_by_class": {"ham": 0.9, "spam": 0.0}}
    page = Page(report(make_model(result={**result, "test": never}), make_history()))
    assert "spam0.0%–0.0%7" in page.text.replace("\n", "")


def test_can_be_read_without_seeing_it(report, make_model, make_history):
    page = Page(report(make_model(), make_history()))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert ("html", {"lang": "en"}) in page.tags
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(picture["role"] == "img" for picture in pictures)
    assert "validation from 2 to 0.667, 1 at the best evaluation" in str(pictures[0]["aria-label"])


def test_is_whole_or_not_there(tmp_path: Path, make_model, make_history):
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "nowhere" / "report.html", make_model(), make_history())
    write_report(tmp_path / "report.html", make_model(), make_history())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
