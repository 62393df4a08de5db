"""Gains of many methods: scores equal to the slow ones, twins that exist, Holm's correction, the best row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from patchtype.evaluation import archive, fold_scores
from patchtype.evaluation.metrics import corrected_mean
from patchtype.experiments import gains
from patchtype.experiments import transfer as science
from patchtype.experiments.methods import METHODS, reading, twin
from tests.models.conftest import make_cohort

COHORT = make_cohort()
CLASSES = COHORT.classes


def named(rates: dict[str, float], size: int = 0, seed: int = 0) -> pd.DataFrame:
    """Predictions of models that name each cell rightly with a given chance, on two repeats of five folds."""
    rng = np.random.default_rng(seed)
    tables = []
    for model, rate in rates.items():
        for repeat in range(2):
            true = COHORT.cells["subclass"].to_numpy()
            guess = np.where(rng.random(len(true)) < rate, true, rng.choice(CLASSES, len(true)))
            p = {f"p_{c}": (guess == c).astype(float) for c in CLASSES}
            tables.append(pd.DataFrame({
                "model": model, "size": size, "repeat": repeat, "fold": np.arange(len(true)) % 5,
                "cell": COHORT.cells.index, "true": true, "predicted": guess, **p}))
    return pd.concat(tables, ignore_index=True)


RATES = {"full | average": 0.7, "full | random forest": 0.5, "stacked_full | average": 0.95, "adversarial": 0.3,
         "network_alone": 0.4}


@pytest.fixture(scope="module")
def predictions():
    return named(RATES)


@pytest.fixture(scope="module")
def scores(predictions):
    return gains.class_f1(predictions, CLASSES).mean(axis=1)


def test_fast_scores_are_the_scores_of_the_book(predictions, scores):
    slow = pd.Series({
        key: f1_score(part["true"], part["predicted"], labels=CLASSES, average="macro", zero_division=0)
        for key, part in predictions.groupby(["model", "repeat", "fold"])})
    for each in (scores.droplevel("size"), fold_scores(predictions)["macro_f1"]):
        np.testing.assert_allclose(each.reindex(slow.index), slow)


def test_a_gain_is_the_corrected_mean_of_fold_differences(scores):
    table = gains.gains(scores)
    row = table.loc["stacked_full | average"]
    one, other = (scores.xs((m, 0), level=("model", "size")) for m in ("stacked_full | average", "full | average"))
    slow = corrected_mean(one - other, 0.25)
    assert (row["reference"], row["folds"]) == ("full | average", 10)
    np.testing.assert_allclose([row["gain"], row["low"], row["high"], row["p"]], slow)
    assert set(table.index) == {"stacked_full | average", "adversarial"}
    assert (table["p_holm"] >= table["p"]).all() and table["gain"].is_monotonic_decreasing


def test_a_curve_has_a_row_a_number_of_cells_and_ends_at_all_of_them():
    model, twin_ = "stacked_full | average", "full | average"
    tables = [named({model: 0.9, twin_: rate}, size, seed=size) for size, rate in ((0, 0.8), (25, 0.3), (50, 0.5))]
    scores = gains.class_f1(pd.concat(tables), CLASSES).mean(axis=1)
    gain, own = gains.curve(scores, model, 160, twin_), gains.curve(scores, model, 160)
    assert gain.index.tolist() == own.index.tolist() == [25, 50, 160]
    for size, cells in ((25, 25), (50, 50), (0, 160)):
        there = scores.xs((model, size), level=("model", "size"))
        np.testing.assert_allclose(own.loc[cells], corrected_mean(there, 0.25))
        np.testing.assert_allclose(gain.loc[cells], corrected_mean(gains.differences(scores, model, twin_, size), 0.25))


def test_the_reference_uses_no_mouse_cell_even_where_others_score_more(scores):
    assert gains.best_alone(scores) == "full | average"
    assert gains.gains(scores, reference="full | average").loc["adversarial", "gain"] < -0.2


def test_methods_on_fewer_repeats_are_compared_on_the_folds_they_share(predictions):
    fewer = predictions[(predictions["model"] != "stacked_full | average") | (predictions["repeat"] == 0)]
    scores = gains.class_f1(fewer, CLASSES).mean(axis=1)
    assert gains.gains(scores).loc["stacked_full | average", "folds"] == 5


def test_without_a_common_fold_nothing_is_compared(scores):
    one = scores[scores.index.get_level_values("repeat") == 0].xs("adversarial", drop_level=False)
    other = scores[scores.index.get_level_values("repeat") == 1].xs("network_alone", drop_level=False)
    with pytest.raises(ValueError, match="found no fold that 'adversarial' and 'network_alone' share"):
        gains.differences(pd.concat([one, other]), "adversarial", "network_alone")


@pytest.mark.parametrize(("p", "adjusted"), [
    ([0.01], [0.01]),
    ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
    ([0.5, 0.9], [1.0, 1.0]),
    ([np.nan, 0.02], [np.nan, 0.02]),
])
def test_holm_on_known_values(p, adjusted):
    np.testing.assert_allclose(gains.holm(p), adjusted)


def test_holm_keeps_false_findings_as_rare_as_promised():
    p = np.random.default_rng(0).random((4000, 8))
    rate = np.mean([(gains.holm(row) < 0.05).any() for row in p])
    assert abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)


def test_the_best_row_comes_from_the_folder_and_says_against_what(predictions, tmp_path):
    for name in {reading(model)[0] for model in RATES}:
        part = predictions[predictions["model"].map(lambda m, name=name: reading(m)[0] == name)]
        archive.keep(science.PREFIX + name, part, science.base(), tmp_path, cohort=COHORT)
    row = gains.best_gain(COHORT, tmp_path)
    assert (row["model"], row["reference"], row["methods"]) == ("stacked_full | average", "full | average", 2)
    assert row["low"] <= row["gain"] <= row["high"] and row["cells"] == len(COHORT)
    with pytest.raises(archive.ArchiveError, match="found no kept method in .*; run `make science`"):
        gains.best_gain(COHORT, tmp_path / "empty")


def test_every_twin_is_a_method_without_mouse_cells():
    for name, method in METHODS.items():
        if method.twin is not None:
            assert METHODS[method.twin].twin is None, name
    assert twin("pooled_coral | support vectors") == "scaled_alone | support vectors"
    assert gains.title("adversarial") == "adversarial network"
