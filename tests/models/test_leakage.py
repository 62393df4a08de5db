"""What a model learns, it learns from its training cells: nothing of the test cells may change it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from helpers.evaluation import CrossValidation, HoldOut, evaluate, fold_scores
from helpers.models.bilstm import BiLSTM
from helpers.models.spca import FamilySparsePCA, SparsePCAModel
from helpers.models.table import BASELINES
from helpers.models.tokens import FamilyTokens

from .conftest import make_cohort

MODELS = {
    **BASELINES,
    "components": lambda seed: SparsePCAModel(RandomForestClassifier(50, random_state=seed)),
    "bilstm": lambda seed: BiLSTM(seed=seed, inputs="family embedding", epochs=8),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_test_cell_is_named_alike_whatever_its_companions_are(name):
    """Prediction for a cell does not change when the other test cells become absurd: no statistic is theirs."""
    cohort = make_cohort()
    train, test = cohort.take(np.arange(180)), cohort.take(np.arange(180, 240))
    model = MODELS[name](0).fit(train)
    absurd = test.table.copy()
    absurd.iloc[1:] *= 1e6
    alone = model.predict_proba(test)[0]
    beside = model.predict_proba(replace(test, table=absurd))[0]
    np.testing.assert_allclose(alone, beside, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_labels_of_test_cells_are_never_read(name):
    cohort = make_cohort()
    train, test = cohort.take(np.arange(180)), cohort.take(np.arange(180, 240))
    model = MODELS[name](0).fit(train)
    mislabelled = replace(test, cells=test.cells.assign(subclass="Vip"))
    np.testing.assert_array_equal(model.predict_proba(test), model.predict_proba(mislabelled))


@pytest.mark.parametrize("transform", [FamilyTokens(), FamilySparsePCA()], ids=["tokens", "sparse components"])
def test_scaling_and_components_come_from_training_cells(transform):
    """Refitting with other test cells leaves the transform as it was; with other training cells it changes."""
    train, other = make_cohort(seed=1), make_cohort(seed=2)
    before = np.asarray(transform.fit(train).transform(other))
    again = np.asarray(transform.fit(train).transform(other))
    np.testing.assert_array_equal(before, again)
    changed = np.asarray(transform.fit(other).transform(other))
    assert before.shape != changed.shape or not np.allclose(before, changed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol", [CrossValidation(5, 4), CrossValidation(5, 4, grouped=True), HoldOut(0.2, 10)], ids=str)
@pytest.mark.parametrize("name", ["random forest", "gradient boosting", "components"])
def test_shuffled_labels_score_at_chance(name, protocol):
    cohort = make_cohort(n=400)
    rng = np.random.default_rng(3)
    shuffled = replace(cohort, cells=cohort.cells.assign(subclass=rng.permutation(cohort.cells["subclass"])))
    predictions = evaluate({name: MODELS[name]}, shuffled, protocol)
    # Balanced accuracy of a guess is one quarter whatever the mixture; five standard errors of a guess.
    score = fold_scores(predictions)["balanced_accuracy"]
    assert abs(score.mean() - 0.25) < 0.06


@pytest.mark.slow
def test_a_planted_donor_mark_helps_only_where_donors_are_split():
    """A feature that names the donor lets a model copy labels across folds, unless donors are kept apart."""
    cohort = make_cohort(n=1200, shift=0.0, missing=0.0, per_donor=10)
    donors = pd.factorize(cohort.donors)[0]
    label_of_donor = np.random.default_rng(5).integers(0, 4, donors.max() + 1)[donors]
    cells = cohort.cells.assign(subclass=np.array(cohort.classes)[label_of_donor])
    planted = replace(cohort, cells=cells, table=cohort.table.assign(**dict.fromkeys("abcd", donors.astype(float))))
    scores = {
        str(p): fold_scores(evaluate({"m": MODELS["random forest"]}, planted, p))["balanced_accuracy"].mean()
        for p in (CrossValidation(5, 1), CrossValidation(5, 1, grouped=True))
    }
    assert scores["stratified 5-fold x 1"] > 0.7
    assert scores["donor-grouped 5-fold x 1"] < 0.4
