from __future__ import annotations

import re

import pytest

from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.inspect.card import interval, write_card
from throughtime.model import LanguageModel, ModelConfig
from throughtime.tasks import Generator, GeneratorConfig, NextSymbol


@pytest.fixture
def card(tmp_path):
    def write(model):
        path = tmp_path / "README.md"
        write_card(path, model)
        return path.read_text(encoding="utf-8")

    return write


def test_holds_scores_with_their_examples(card, make_model):
    content = card(make_model())
    assert re.search(r"\| test \| 47 \| 87\.2% \(.*\) \| 86\.4% \| 0\.2468 \|", content)
    assert re.search(r"\| validation \| 47 \|", content)
    assert "| spam | 100.0% |" in content


def test_says_how_to_use_it(card, make_model):
    content = card(make_model())
    for line in (
        "throughtime predict DIR FILE",
        "import throughtime as tt",
        'model = tt.load("DIR")',
        "model.predict([",
    ):
        assert line in content


def test_names_files_without_their_folders(card, make_model):
    content = card(make_model())
    assert "| training | texts.csv | 1,234 |" in content
    assert "private" not in content


def test_says_its_limits(card, make_model):
    content = card(make_model())
    assert "Words that training did not show become `<unk>`" in content
    assert "not calibrated" in content
    assert "for the owner" in content


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ("char", "Characters that"),
        ("word", "Words that"),
        ("byte", "No text is unknown"),
        ("bpe", "No text is unknown"),
    ],
)
def test_says_what_becomes_of_symbols_that_training_did_not_show(card, tokens, told):
    settings, network = LanguageConfig(tokens=tokens), GeneratorConfig(hidden_size=3, embedding_size=2)
    vocabulary = LanguageVocabulary.learn(["the dogs bark, the dogs sleep"], settings)
    task = Generator.build(network, vocabulary, NextSymbol(tokens, 1.0))
    config = ModelConfig(task="generate", vocabulary=settings, network=network)
    assert told in card(LanguageModel(config, vocabulary, task))


def test_without_held_out_data_it_says_that_nothing_is_known(card, make_model):
    content = card(make_model(valid=False, test=False))
    assert "nothing is known" in content
    assert "- ham\n- spam" in content


def test_text_of_the_user_is_never_markup(card, make_model):
    content = card(make_model(["<b>|`x`*", "line\nbreak"]))
    assert r"| &lt;b\>\|\`x\`\* | 50.0% |" in content
    assert "| line break |" in content


def test_tables_have_as_many_cells_in_each_row(card, make_model):
    tables = re.findall(r"(?:^\|.*\n)+", card(make_model(["a|b", "c\\"])), re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()}
        assert len(widths) == 1


@pytest.mark.parametrize(("share", "count"), [(0.0, 3), (1.0, 3), (0.5, 1), (0.9, 10_000)])
def test_interval_holds_the_share_and_stays_within_0_and_1(share, count):
    low, high = interval(share, count)
    assert 0 <= low <= share <= high <= 1
    assert low < high


def test_of_spans_it_names_the_types(card, make_tagger):
    content = card(make_tagger())
    assert "| type of span | F1 on the validation data |" in content
    assert "| LOC | 37.5% |\n| PER | – |" in content
    assert "B-LOC" not in content


def test_of_tags_it_names_them(card, make_tagger):
    assert "- D\n- N\n" in card(make_tagger(["D", "N"], None))


def test_settings_without_a_value_are_left_out(card, make_model, make_tagger):
    for model in (make_model(), make_tagger()):
        content = card(model)
        settings = content[content.index("## Settings that matter") : content.index("## Limits")]
        assert "hidden size" in settings
        assert "–" not in settings


def test_of_words_that_are_read_by_letters_too_it_says_so(card, make_tagger):
    assert "Words that training did not show become `<unk>`: only their letters tell them apart." in card(make_tagger())
