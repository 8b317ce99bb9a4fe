"""``--calibrate`` from the command line to the folder and back."""

import json
import re

import numpy as np
import pytest

import throughtime as tt
from tests.cli.conftest import SMALL
from tests.conftest import reviews
from throughtime.data.columns import read_examples
from throughtime.fit import FitListener, Splits, fit
from throughtime.model import ModelConfig
from throughtime.model.config import settings_hash
from throughtime.tasks import ClassifierConfig
from throughtime.train.config import TrainConfig

TEXTS = ["a lovely warm film", "the dull cold story", "film", ""]
WORDS = (*SMALL, "--epochs", "2", "--valid", "0.3", "--test", "0.2", "--no-bidirectional", "--threads", "1")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The same training with and without it; what the first one said."""
    from throughtime.cli.main import main

    folder = tmp_path_factory.mktemp("calibrated")
    rows = "".join(f"{label},{text}\n" for label, text in reviews(300))
    (folder / "reviews.csv").write_text("sentiment,review\n" + rows)
    for name, more in (("plain", []), ("calibrated", ["--calibrate"])):
        words = ["train", "classify", folder / "reviews.csv", "--out", folder / name, "--quiet", *WORDS, *more]
        assert main([str(word) for word in words]) == 0
    return folder


def result(folder):
    return json.loads((folder / "config.json").read_text())["result"]


def test_the_answers_stay_and_the_loss_falls(pair):
    plain, calibrated = result(pair / "plain"), result(pair / "calibrated")
    found = calibrated["calibration"]
    assert found["temperature"] != 1
    assert calibrated["valid"]["loss"] < plain["valid"]["loss"]
    for part in ("valid", "test"):
        assert found["before"][part] == {key: plain[part][key] for key in ("loss", "ece")}
        assert calibrated[part]["confusion"] == plain[part]["confusion"]
    assert "calibration" not in plain


def test_the_loaded_model_divides_by_the_temperature_everywhere(run, pair):
    plain, calibrated = tt.load(pair / "plain"), tt.load(pair / "calibrated")
    temperature = result(pair / "calibrated")["calibration"]["temperature"]
    raw = np.log(plain.probabilities(TEXTS).astype(np.float64)) / temperature
    expected = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    np.testing.assert_allclose(calibrated.probabilities(TEXTS), expected, atol=1e-5)
    assert calibrated.predict(TEXTS) == plain.predict(TEXTS)
    stream = calibrated.stream()
    told, _ = stream.step("film", stream.start())
    np.testing.assert_allclose(list(told.values()), expected[2], atol=1e-5)
    scores = json.loads(run("evaluate", pair / "calibrated", pair / "reviews.csv", "--json").out)
    assert 0 <= scores["ece"] <= 1
    assert scores["loss"] == pytest.approx(calibrated.evaluate(read_examples(pair / "reviews.csv")[0])["loss"])


def test_a_saved_model_is_the_same_after_loading_and_saving(pair, tmp_path):
    model = tt.load(pair / "calibrated")
    model.save(tmp_path)
    again = tt.load(tmp_path)
    assert (again.probabilities(TEXTS) == model.probabilities(TEXTS)).all()
    assert (tmp_path / "model.safetensors").read_bytes() == (pair / "calibrated" / "model.safetensors").read_bytes()


def test_a_folder_of_before_this_option_still_loads(pair, tmp_path):
    model = tt.load(pair / "plain")
    model.save(tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    del content["network"]["calibrate"]
    content["files"]["config.json"] = settings_hash(content)
    path.write_text(json.dumps(content))
    assert (tt.load(tmp_path).probabilities(TEXTS) == model.probabilities(TEXTS)).all()


def test_it_is_said(run, pair, tmp_path):
    told = run("train", "classify", pair / "reviews.csv", "--out", tmp_path / "m", *WORDS, "--calibrate").err
    assert re.search(r"Calibrated by the temperature [\d.]+; on the validation data", told)
    report = (pair / "calibrated" / "report.html").read_text()
    assert "divided by the temperature" in report
    assert "--calibrate</code> fits" not in report
    assert "are calibrated on the validation data" in (pair / "calibrated" / "README.md").read_text()
    assert "--calibrate</code> fits" in (pair / "plain" / "report.html").read_text()


def test_without_validation_data_it_is_an_error(run, pair, tmp_path):
    out = tmp_path / "m"
    refused = run("train", "classify", pair / "reviews.csv", "--out", out, "--valid", "0", "--calibrate", *SMALL)
    assert refused.code == 2
    assert "--calibrate: expected validation data to fit the temperature on, found none (--valid)" in refused.err
    assert not out.exists()


def test_numbers_have_no_temperature(run, tmp_path):
    assert run("train", "rate", "x.csv", "--out", tmp_path / "m", "--calibrate").code == 2


class Stop(FitListener):
    def stepped(self, step, progress):
        if progress.updates == 9:
            raise RuntimeError("pulled the plug")


def test_resumed_it_ends_with_the_same_bytes(pair, tmp_path):
    examples, _ = read_examples(pair / "reviews.csv")
    network = ClassifierConfig(hidden_size=8, embedding_size=8, calibrate=True)
    train = TrainConfig(epochs=2, checkpoint_seconds=0)

    def go(name, **more):
        return fit(Splits(examples[:200], examples[200:]), ModelConfig(network=network), train, tmp_path / name, **more)

    go("whole")
    with pytest.raises(RuntimeError, match="plug"):
        go("cut", listener=Stop())
    go("cut", resume=True)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("cut", "whole")]
    assert weights[0] == weights[1]
    assert result(tmp_path / "cut")["calibration"] == result(tmp_path / "whole")["calibration"]


def test_estimators_calibrate_and_go_on_from_each_other():
    labels, texts = zip(*reviews(120), strict=True)
    settings = {"hidden_size": 8, "embedding_size": 8, "epochs": 2, "lr": 0.02, "threads": 1, "warm_start": True}
    model = tt.SequenceClassifier(**settings, validation_fraction=0.3).fit(texts, labels)
    model.set_params(calibrate=True).fit(texts, labels)
    assert model.model_.task.temperature != 1
    model.set_params(calibrate=False).fit(texts, labels)
    assert model.model_.task.temperature is None
    with pytest.raises(tt.errors.UsageError, match="calibrate"):
        tt.SequenceClassifier(**settings, calibrate=True).fit(texts[:10], labels[:10])
