"""Ensembles: one member is the model, weights find the member that is right, nothing is read from test cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from patchtype.evaluation import CrossValidation, evaluate, fold_scores
from patchtype.models.average import Average
from patchtype.models.encoder import EncoderPlan, FamilyEncoder
from patchtype.models.ensemble import TABLE_MEMBERS, Pool, PriorAdjusted, discriminant, pool_weights, pooled
from patchtype.models.ratios import ratios
from patchtype.models.table import boosting, logistic_regression
from tests.models.conftest import make_cohort

from .leakage import assert_test_cells_stay_apart, shuffled

LINEAR = {"discriminant": discriminant, "regression": logistic_regression}
ENCODER = EncoderPlan(pretrain_epochs=1, epochs=3, size=16, layers=1)
MODELS = {
    "average": lambda seed: Average(LINEAR, seed),
    "pool": lambda seed: Pool(LINEAR, seed, folds=3),
    "encoder": lambda seed: FamilyEncoder(seed, plan=ENCODER),
    **{name: TABLE_MEMBERS[name] for name in ("discriminant", "support vectors on ratios")},
}


class Known:
    """A model whose answer is given, for arithmetic."""

    def __init__(self, p):
        self.p = np.asarray(p, float)

    def fit(self, cohort):
        return self

    def predict_proba(self, cohort):
        return np.tile(self.p, (len(cohort), 1))


def test_an_average_of_one_is_the_model(cohort):
    alone = discriminant(0).fit(cohort).predict_proba(cohort)
    np.testing.assert_array_equal(Average({"one": discriminant}).fit(cohort).predict_proba(cohort), alone)


def test_a_pool_of_one_with_weight_one_is_the_model():
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=(1, 30))
    np.testing.assert_allclose(pooled(p, np.ones(1), np.zeros(4)), p[0], rtol=1e-6)


def test_the_average_is_the_mean(cohort):
    members = {"a": lambda seed: Known([0.6, 0.4, 0, 0]), "b": lambda seed: Known([0.2, 0.8, 0, 0])}
    readings = Average(members, each=True).fit(cohort).predict_proba(cohort)
    np.testing.assert_allclose(readings[""][0], [0.4, 0.6, 0, 0])
    np.testing.assert_allclose(readings[" / b"][0], [0.2, 0.8, 0, 0])


def test_without_members_nothing_can_be_said():
    with pytest.raises(ValueError, match="found an ensemble without members, expected at least one"):
        Average({})


def test_weights_go_to_the_member_that_is_right():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400)
    right = np.full((400, 3), 0.1)
    right[np.arange(400), y] = 0.8
    noise = rng.dirichlet(np.ones(3), size=400)
    weights, _ = pool_weights(np.stack([right, noise]), y, ridge=1.0)
    assert weights[0] > 5 * weights[1] and (weights >= 0).all()


def test_a_strong_ridge_keeps_equal_weights():
    rng = np.random.default_rng(0)
    parts = rng.dirichlet(np.ones(3), size=(2, 100))
    weights, offsets = pool_weights(parts, rng.integers(0, 3, 100), ridge=1e7)
    np.testing.assert_allclose(weights, 0.5, atol=1e-3)
    np.testing.assert_allclose(offsets, 0, atol=1e-3)


def test_dividing_by_the_shares_undoes_the_prior(cohort):
    shares = np.bincount(cohort.y) / len(cohort)
    model = PriorAdjusted(Known(shares), power=1.0).fit(cohort)
    np.testing.assert_allclose(model.predict_proba(cohort), 0.25)


def test_ratios_have_known_values_and_are_never_infinite():
    table = pd.DataFrame({"tau": [0.02, 0.02], "input_resistance": [200.0, 0.0], "rheobase_i": [50.0, 50.0],
                          "threshold_v_rheo": [-40.0, np.nan], "threshold_v_ramp": [-35.0, -35.0]})
    made = ratios(table)
    assert list(made) == ["capacitance", "drive", "threshold_v_rheo_minus_ramp"]
    assert made.loc[0].tolist() == [1e-4, 10.0, -5.0]
    assert np.isnan(made.loc[1, "capacitance"]) and np.isnan(made.loc[1, "threshold_v_rheo_minus_ramp"])


@pytest.mark.parametrize("name", MODELS)
def test_a_test_cell_is_named_alike_whatever_its_companions_are_and_whatever_its_label(name):
    assert_test_cells_stay_apart(MODELS[name])


@pytest.mark.parametrize("name", ["average", "pool", "encoder"])
def test_shuffled_labels_score_at_chance(name):
    protocol = CrossValidation(5, 1, grouped=True)
    scores = fold_scores(evaluate({name: MODELS[name]}, shuffled(make_cohort(n=400)), protocol))
    assert abs(scores["balanced_accuracy"].mean() - 0.25) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE_MEMBERS)
def test_every_member_names_well_separated_cells(name):
    train, test = make_cohort(seed=1, shift=6), make_cohort(seed=2, shift=6)
    said = TABLE_MEMBERS[name](0).fit(train).predict_proba(test).argmax(1)
    assert (said == test.y).mean() > 0.95
    assert boosting(0).fit(train).predict_proba(test).shape == (240, 4)


class Witness:
    """A model that notes whose cells it learns from and whose it names."""

    seen: list = []

    def fit(self, cohort):
        self.learnt = set(cohort.donors)
        return self

    def predict_proba(self, cohort):
        self.seen.append((self.learnt, set(cohort.donors), len(cohort)))
        return np.full((len(cohort), len(cohort.classes)), 1 / len(cohort.classes))


def test_inner_folds_of_the_pool_keep_donors_apart_and_name_every_cell_once(cohort):
    Witness.seen.clear()
    Pool({"witness": lambda seed: Witness()}).fit(cohort)
    assert len(Witness.seen) == 5 and sum(cells for *_, cells in Witness.seen) == len(cohort)
    assert not any(learnt & named for learnt, named, _ in Witness.seen)
