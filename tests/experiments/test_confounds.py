"""Confounders: covariates as numbers, training on one condition, weights that silence covariates, donors drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from patchtype.evaluation import CrossValidation
from patchtype.experiments import confounds, layer
from tests.models.conftest import make_cohort


def with_metadata(seed: int = 0, tell: float = 0.0, n: int = 240):
    """A cohort whose condition follows the subclass with a strength from 0 (not at all) to 1 (wholly)."""
    cohort = make_cohort(n=n, seed=seed)
    rng = np.random.default_rng(1000 + seed)  # not the numbers that drew the classes
    culture = np.where(rng.random(n) < tell, cohort.y == 1, rng.random(n) < 0.5)
    return replace(cohort, cells=cohort.cells.assign(
        condition=np.where(culture, "culture", "acute"), days_in_culture=5.0 * culture,
        layer=rng.choice(["2", "2_3", "5_6", None], n), age_years=rng.integers(20, 70, n).astype(float)))


def test_covariates_become_numbers():
    cohort = with_metadata()
    table = confounds.covariates(cohort)
    assert tuple(table.columns) == confounds.COVARIATES and table.index.equals(cohort.cells.index)
    layers = dict(zip(cohort.cells["layer"], table["layer_depth"], strict=True))
    assert (layers["2"], layers["2_3"], layers["5_6"]) == (2.0, 2.5, 5.5) and np.isnan(layers[None])
    assert table["culture"].tolist() == (cohort.cells["condition"] == "culture").astype(float).tolist()


def test_cells_without_metadata_are_refused():
    with pytest.raises(ValueError, match="found simulated cells without 'condition', expected published human cells"):
        confounds.covariates(make_cohort())


def test_covariates_stand_beside_the_features_or_alone():
    cohort = with_metadata()
    both, alone = confounds.with_covariates(cohort), confounds.with_covariates(cohort, alone=True)
    assert list(both.table) == [*cohort.table, *confounds.COVARIATES] and both.families["covariates"]
    assert list(alone.table) == list(confounds.COVARIATES) and len(alone) == len(cohort)


@pytest.mark.parametrize("condition", ["acute", "culture", "both"])
def test_training_cells_are_of_one_condition_and_test_cells_of_all(condition):
    cohort = with_metadata()
    base = CrossValidation(4, 1, grouped=True)
    for fold, whole in zip(confounds.Condition(base, condition, 50).folds(cohort), base.folds(cohort), strict=True):
        assert len(fold.train) == 50 and set(fold.train) <= set(whole.train)
        np.testing.assert_array_equal(fold.test, whole.test)
        found = set(cohort.cells["condition"].iloc[fold.train])
        assert found == ({"acute", "culture"} if condition == "both" else {condition})


def test_too_few_cells_of_a_condition_are_refused():
    with pytest.raises(ValueError, match=r"found \d+ acute training cells in a fold, expected 200; ask for fewer"):
        list(confounds.Condition(CrossValidation(5, 1), "acute", 200).folds(with_metadata()))


def oracle(cohort, p):
    """Predictions with given probabilities (N, C)."""
    guess = np.array(cohort.classes)[p.argmax(1)]
    return pd.DataFrame({"model": "m", "repeat": 0, "fold": 0, "cell": cohort.cells.index, "true":
                         cohort.cells["subclass"].to_numpy(), "predicted": guess,
                         **{f"p_{c}": p[:, i] for i, c in enumerate(cohort.classes)}})


def chances(cohort, p):
    return pd.DataFrame(p, cohort.cells.index, list(cohort.classes))


def test_propensities_are_the_shares_within_each_condition():
    cohort = with_metadata(tell=0.6, n=3000)
    p = confounds.propensity(cohort, CrossValidation(4, 2))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    for condition in ("acute", "culture"):
        inside = (cohort.cells["condition"] == condition).to_numpy()
        shares = np.bincount(cohort.y[inside], minlength=4) / inside.sum()
        np.testing.assert_allclose(p[inside].mean(), shares, atol=0.02)


def test_weights_make_subclass_and_covariate_independent():
    """With the true probabilities of the subclass given the condition, the weighted table has no association left."""
    cohort = with_metadata(tell=0.6, n=1200)
    culture = (cohort.cells["condition"] == "culture").to_numpy()
    table = np.array([np.bincount(cohort.y[culture == c], minlength=4) for c in (False, True)], float)
    p = (table / table.sum(axis=1, keepdims=True))[culture.astype(int)]
    weights = confounds.balancing_weights(chances(cohort, p), cohort, limit=100)
    assert weights.mean() == pytest.approx(1)
    weighted = np.array([np.bincount(cohort.y[culture == c], weights[culture == c], 4) for c in (False, True)])
    shares = weighted / weighted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-9)
    before = table / table.sum(axis=1, keepdims=True)
    assert np.abs(before[0] - before[1]).max() > 0.3


def test_covariates_that_tell_nothing_weigh_all_cells_alike():
    cohort = with_metadata()
    p = np.tile(np.bincount(cohort.y, minlength=4) / len(cohort), (len(cohort), 1))
    weights = confounds.balancing_weights(chances(cohort, p), cohort)
    np.testing.assert_allclose(weights, 1)
    assert confounds.effective_cells(weights) == pytest.approx(len(cohort))


def test_the_score_is_macro_f1_with_and_without_weights_and_rows():
    cohort = with_metadata(n=300)
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 300)
    table = oracle(cohort, p)
    weights = pd.Series(rng.random(300), cohort.cells.index)
    rows = pd.Series(rng.random(300) < 0.6, cohort.cells.index)
    value = confounds.donor_score(table, cohort, rows, weights, draws=50)[0]
    keep = rows.to_numpy()
    known = f1_score(table["true"][keep], table["predicted"][keep], average="macro", sample_weight=weights[keep])
    assert value == pytest.approx(known)


def test_the_interval_is_over_donors():
    """Cells of one donor that are all right or all wrong together carry less than as many independent cells."""
    cohort = with_metadata(n=600)
    rng = np.random.default_rng(1)
    right_donor = dict(zip(sorted(set(cohort.donors)), rng.random(100) < 0.5, strict=True))
    clustered = np.array([right_donor[d] for d in cohort.donors])
    spread = rng.random(600) < clustered.mean()
    widths = {}
    for name, right in (("clustered", clustered), ("spread", spread)):
        p = np.eye(4)[np.where(right, cohort.y, (cohort.y + 1) % 4)]
        value, low, high = confounds.donor_score(oracle(cohort, p), cohort)
        assert low <= value <= high
        widths[name] = high - low
    assert widths["clustered"] > 1.5 * widths["spread"]


def test_a_propensity_is_learnt_from_cells_that_are_not_asked_for(monkeypatch):
    """The age is made to name the cell, so that what the model is given tells which cells these are."""
    cohort = with_metadata()
    cohort = replace(cohort, cells=cohort.cells.assign(age_years=np.arange(240.0)))
    learnt, asked = [], []

    class Witness:
        classes_ = np.arange(4)

        def fit(self, x, y):
            learnt.append(set(x[:, 3]))

        def predict_proba(self, x):
            asked.append(set(x[:, 3]))
            return np.full((len(x), 4), 0.25)

    monkeypatch.setattr(confounds, "make_pipeline", lambda *steps: Witness())
    confounds.propensity(cohort, CrossValidation(4, 2, grouped=True))
    assert len(learnt) == 8 and all(not a & b and len(a | b) == 240 for a, b in zip(learnt, asked, strict=True))


def test_a_gain_over_donors_is_the_difference_of_their_scores_with_the_same_donors_drawn():
    cohort = make_cohort(n=90, seed=3)
    rng = np.random.default_rng(0)
    names = cohort.cells["subclass"].to_numpy()
    table = pd.DataFrame({"repeat": 0, "fold": 0, "cell": cohort.cells.index, "true": names})
    predictions = pd.concat([
        table.assign(model=name, predicted=np.where(rng.random(90) < share, names, rng.permutation(names)))
        for name, share in (("a", 0.9), ("b", 0.5))])
    found = confounds.donor_gain(predictions, "a", "b", cohort)
    scores = {name: confounds.donor_score(part, cohort)[0] for name, part in predictions.groupby("model")}
    assert found.mean == pytest.approx(scores["a"] - scores["b"]) and found.low < found.mean < found.high
    assert confounds.donor_gain(predictions, "a", "a", cohort).interval == (0.0, 0.0)
    with pytest.raises(ValueError, match="other cells"):
        confounds.donor_gain(predictions.iloc[1:], "a", "b", cohort)


def test_a_gain_from_the_layer_is_told_by_whose_cells_are_scored():
    """The layer mends the acute cells alone, a permuted one harms all."""
    cohort = with_metadata(n=200)
    acute = (cohort.cells["condition"] == "acute").to_numpy()
    true = cohort.cells["subclass"].to_numpy()
    wrong = np.where(np.arange(200) % 3 == 0, "Sst", true)

    def said(model, names):
        return pd.DataFrame({"model": model, "repeat": 0, "cell": cohort.cells.index, "true": true, "predicted": names})

    found = layer.gains(pd.concat([said(layer.PLAIN, wrong), said(layer.LAYER, np.where(acute, true, wrong)),
                                   said(layer.PERMUTED, "Sst")]), cohort)
    assert found["cultured cells alone"].mean == 0 < found["all cells"].mean < found["acute cells alone"].mean
    assert found["acute cells alone"].mean == pytest.approx(1 - f1_score(true[acute], wrong[acute], average="macro"))
    assert found["layers dealt out at random"].high < 0


def test_each_condition_is_tested_on_either(monkeypatch):
    """A model that always names the class of its training cells' condition is right there and wrong elsewhere."""
    cohort = with_metadata(tell=1.0)  # class 1 is all that was cultured, and all of it
    cohort = cohort.take(np.flatnonzero(np.isin(cohort.y, (0, 1))))

    def named(cells, protocol):
        assert (protocol.size, protocol.base.n_splits) == (20, 3)
        guess = 0 if protocol.condition == "acute" else 1
        return oracle(cells, np.eye(len(cells.classes))[np.full(len(cells), guess)])

    monkeypatch.setattr(confounds, "answers", named)
    scores = confounds.across_conditions(cohort, CrossValidation(3, 1), 20)
    share = 1 / len(cohort.classes)
    assert {key: value.mean for key, value in scores.items()} == pytest.approx({
        ("acute", "acute"): share, ("acute", "culture"): 0, ("culture", "acute"): 0, ("culture", "culture"): share,
        ("both", "acute"): 0, ("both", "culture"): share})
    assert all(value.low <= value.mean <= value.high for value in scores.values())


def test_what_the_average_is_shown_and_on_which_folds(monkeypatch):
    cohort = with_metadata()
    monkeypatch.setattr(confounds, "answers", lambda cells, protocol: (list(cells.table), protocol))
    shown = confounds.by_inputs(cohort, "apart", "together")
    own, told = list(cohort.table), list(confounds.COVARIATES)
    assert shown == {
        "features": (own, "apart"), "features and covariates": ([*own, *told], "apart"),
        "covariates alone": (told, "apart"), "features, donors not apart": (own, "together")}


def test_scores_come_with_and_without_weights():
    cohort = with_metadata()
    table = oracle(cohort, np.random.default_rng(0).dirichlet(np.ones(4), len(cohort)))
    weights = pd.Series(np.random.default_rng(1).random(len(cohort)), cohort.cells.index)
    scores = confounds.weighted_and_not({"one": table}, cohort, weights)
    assert scores["one", "as they are"][:3] == confounds.donor_score(table, cohort)
    assert scores["one", "weighted"][:3] == confounds.donor_score(table, cohort, weights=weights)


def test_the_gain_from_mice_is_over_the_same_model_on_the_same_folds(monkeypatch):
    """The one that is told of mice gets their probabilities beside features and covariates, on the same folds."""
    cohort, mouse = with_metadata(), make_cohort(seed=5)
    protocol, asked = CrossValidation(5, 1, grouped=True), []
    table = oracle(cohort, np.random.default_rng(0).dirichlet(np.ones(4), len(cohort)))
    table["fold"] = np.arange(len(table)) % 5

    def named(cells, folds, model):
        asked.append((list(cells.table), folds, type(model(0)).__name__))
        return table.assign(predicted=table["true"])

    monkeypatch.setattr(confounds, "answers", named)
    gain = confounds.mouse_gain(mouse, cohort, protocol, table)
    assert asked == [([*cohort.table, *confounds.COVARIATES], protocol, "Stacked")]
    right = [f1_score(part["true"], part["predicted"], average="macro") for _, part in table.groupby("fold")]
    assert gain.mean == pytest.approx(1 - np.mean(right)) and gain.low < gain.mean < gain.high
    monkeypatch.setattr(confounds, "answers", lambda *task: table)
    assert confounds.mouse_gain(mouse, cohort, protocol, table).mean == 0


def test_answers_are_those_of_the_average_alone():
    table = confounds.answers(with_metadata(n=120), CrossValidation(2, 1))
    assert set(table["model"]) == {"model | average"} and table["cell"].is_unique and len(table) == 120
