"""Methods that use another species: what they promise in the limits, and that they learn from training cells alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from patchtype.evaluation import CrossValidation, evaluate, fold_scores
from patchtype.models.adversarial import Adversarial, Reversal
from patchtype.models.alignment import ALIGNERS
from patchtype.models.average import LearnerAverage, Viewed
from patchtype.models.pooling import LEARNERS, Pooled, balanced
from patchtype.models.stacking import Adviser, Stacked
from patchtype.models.table import boosting, logistic_regression, support_vectors
from tests.models.conftest import make_cohort

from .leakage import assert_test_cells_stay_apart, read, shuffled

QUICK = {"logistic regression": logistic_regression}
QUICK_POOL = {"logistic regression": LEARNERS["logistic regression"]}
PARTNER = make_cohort(n=400, seed=9, missing=0.0)
ADVISER = Adviser(PARTNER, learners=QUICK)

METHODS = {
    "stacked": lambda seed: Stacked(ADVISER, LearnerAverage(seed, QUICK)),
    "viewed": lambda seed: Viewed(LearnerAverage(seed, QUICK), {"passive": ["a", "b"]}),
    "adversarial": lambda seed: Adversarial(PARTNER, seed, steps=40),
    "network alone": lambda seed: Adversarial(None, seed, PARTNER.families, steps=40),
    **{f"pooled, {name}": lambda seed, a=aligner: Pooled(PARTNER, a, (0.0, 0.3), seed, QUICK_POOL, inner_folds=3)
       for name, aligner in ALIGNERS.items()},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_test_cell_is_named_alike_whatever_its_companions_are_and_whatever_its_label(name):
    said = assert_test_cells_stay_apart(METHODS[name])
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_other_labels_of_test_cells_change_no_prediction(name):
    """Through `evaluate`, where a fold could go wrong: new labels for the cells of one fold, same predictions there."""
    cohort = make_cohort(n=150)
    fold = next(iter(CrossValidation(3, 1, grouped=True).folds(cohort)))
    labels = cohort.cells["subclass"].to_numpy(copy=True)
    labels[fold.test] = np.random.default_rng(0).permutation(labels[fold.test])
    changed = replace(cohort, cells=cohort.cells.assign(subclass=labels))
    first, second = (
        METHODS[name](0).fit(c.take(fold.train)).predict_proba(c.take(fold.test)) for c in (cohort, changed))
    np.testing.assert_array_equal(read(first), read(second))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stacked", "adversarial", "pooled, CORAL", "pooled, class-wise transport"])
def test_shuffled_labels_score_at_chance(name):
    predictions = evaluate({name: METHODS[name]}, shuffled(make_cohort(n=400)), CrossValidation(5, 2, grouped=True))
    assert abs(fold_scores(predictions)["balanced_accuracy"].mean() - 0.25) < 0.06


def test_pooling_with_weight_nought_is_training_on_the_own_cells_alone():
    cohort = make_cohort()
    train, test = cohort.take(np.arange(180)), cohort.take(np.arange(180, 240))
    pooled = Pooled(PARTNER, weights=(0.0,)).fit(train).predict_proba(test)
    for name, build in (("logistic regression", logistic_regression), ("support vectors", support_vectors)):
        np.testing.assert_allclose(pooled[f" | {name}"], build(0).fit(train).predict_proba(test), atol=1e-6)
    complete = make_cohort(missing=0.0)
    train, test = complete.take(np.arange(180)), complete.take(np.arange(180, 240))
    own = Pooled(PARTNER, weights=(0.0,)).fit(train).predict_proba(test)[" | gradient boosting"]
    agree = own.argmax(1) == boosting(0).fit(train).predict_proba(test).argmax(1)
    assert agree.mean() > 0.9  # the scaled table is winsorised, so trees may differ in a few cells


def test_cells_of_the_partner_weigh_their_share_of_the_own_cells_and_classes_alike():
    given = []

    class Learner:
        def fit(self, x, y, sample_weight):
            given.append((y, sample_weight))
            return self

    own = make_cohort(n=100, missing=0.0)
    Pooled(PARTNER, weights=(0.3,), learners={"any": lambda seed: Learner()}).fit(own)
    [(y, weights)] = given
    assert weights[:100].sum() == pytest.approx(100) and weights[100:].sum() == pytest.approx(30)
    np.testing.assert_allclose(np.bincount(y[100:], weights[100:]), 7.5)


def test_inner_folds_choose_help_that_helps_and_refuse_help_that_harms():
    """A partner of the same kind raises the score of a few cells; one with exchanged labels lowers it."""
    few = make_cohort(n=40, shift=1.0, seed=5)
    kind = make_cohort(n=1500, shift=1.0, seed=6)
    exchanged = dict(zip(kind.classes, np.roll(kind.classes, 1), strict=True))
    hostile = replace(kind, cells=kind.cells.assign(subclass=kind.cells["subclass"].map(exchanged)))
    assert Pooled(kind, weights=(0.0, 1.0), learners=QUICK_POOL).fit(few).weight == 1.0
    assert Pooled(hostile, weights=(0.0, 1.0), learners=QUICK_POOL).fit(few).weight == 0.0


def test_weights_are_balanced_and_add_up():
    w = balanced(np.array([0, 0, 0, 2]), 8.0)
    assert w.tolist() == [4 / 3, 4 / 3, 4 / 3, 4.0]


def test_a_partner_with_other_classes_is_refused():
    other = replace(PARTNER, classes=("Lamp5", "Pvalb", "Sncg", "Sst", "Vip"))
    with pytest.raises(ValueError, match="found the classes .* expected those of the partner"):
        Pooled(other).fit(make_cohort())


def test_a_cohort_without_a_common_feature_is_refused():
    with pytest.raises(ValueError, match="found no feature 'z' in the cohort"):
        make_cohort().view({"passive": ["a", "z"]})


def test_advice_keeps_the_adviser_s_classes_and_is_told_in_two_ways():
    five = replace(PARTNER, classes=("Lamp5", "Pvalb", "Sncg", "Sst", "Vip"))
    cohort = make_cohort()
    stacked = Stacked(Adviser(five, learners=QUICK), LearnerAverage(0, QUICK)).fit(cohort)
    advice = stacked.adviser.advice(cohort, stacked.own)
    assert advice.shape == (240, 10) and "Sncg relative" in advice
    np.testing.assert_allclose(advice.to_numpy().reshape(240, 2, 5).sum(axis=2), 0, atol=1e-9)
    relative = advice[[f"{c} relative" for c in five.classes]].to_numpy().argmax(1)
    assert (np.array(five.classes)[relative] == cohort.cells["subclass"]).mean() > 0.8


def test_advice_relative_to_the_own_species_ignores_shift_and_unit():
    cohort = make_cohort(missing=0.0)
    moved = replace(cohort, table=3 * cohort.table + 7)
    first, second = (Stacked(ADVISER, LearnerAverage(0, QUICK)).fit(c) for c in (cohort, moved))
    told, told_moved = (s.adviser.advice(c, s.own) for s, c in ((first, cohort), (second, moved)))
    relative = [c for c in told if c.endswith("relative")]
    np.testing.assert_allclose(told[relative], told_moved[relative], atol=1e-6)
    assert np.abs(told - told_moved).drop(columns=relative).to_numpy().max() > 0.1


def test_the_average_is_the_mean_of_its_members():
    cohort = make_cohort()
    told = LearnerAverage(0, {"a": logistic_regression, "b": support_vectors}).fit(cohort).predict_proba(cohort)
    np.testing.assert_allclose(told[" | average"], (told[" | a"] + told[" | b"]) / 2)


def test_reversal_is_the_identity_forwards_and_minus_its_strength_backwards():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = Reversal.apply(x, 0.3)
    assert torch.equal(y, x)
    (y * torch.tensor([2.0, 5.0])).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([-0.6, -1.5]))


def test_the_adversary_hides_the_species_and_an_ally_shows_it():
    """Two species that differ in the sign of one correlation. With the reversal's sign turned round the encoder helps
    to tell them: a fresh classifier then reads the species from the hidden layer, and less well under an adversary."""
    own, other = (make_cohort(n=300, seed=s, missing=0.0) for s in (1, 2))
    own, other = (replace(c, table=c.table.assign(e=sign * c.table["d"])) for c, sign in ((own, 1), (other, -1)))
    told = {}
    for strength in (-1.0, 1.0):
        model = Adversarial(other, 0, strength=strength, steps=200).fit(own)
        x = np.vstack([model.alignment.own(own.x), model.alignment.partner]).astype(np.float32)
        with torch.inference_mode():
            hidden = model.network.eval().encoder(torch.from_numpy(x)).numpy()
        species = np.repeat([0, 1], [len(own), len(other)])
        even = np.arange(len(species)) % 2 == 0
        told[strength] = LogisticRegression(max_iter=2000).fit(hidden[even], species[even]).score(
            hidden[~even], species[~even])
    assert told[-1.0] > told[1.0] + 0.05


def test_the_seed_decides_and_the_world_s_random_state_does_not():
    cohort = make_cohort()
    first = Adversarial(PARTNER, 1, steps=20).fit(cohort).predict_proba(cohort)
    torch.manual_seed(99)
    before = torch.rand(1)
    torch.manual_seed(99)
    again = Adversarial(PARTNER, 1, steps=20).fit(cohort).predict_proba(cohort)
    assert torch.equal(torch.rand(1), before)
    np.testing.assert_array_equal(first, again)


def test_inner_folds_of_the_pooled_model_take_donors_as_a_whole():
    cohort, given = make_cohort(), []

    class Noting(Pooled):
        def _align(self, own):
            given.append(own)
            return super()._align(own)

    Noting(PARTNER, weights=(0.0, 0.3), learners=QUICK_POOL).fit(cohort)
    assert [len(own) for own in given[-1:]] == [len(cohort)] and len(given) == 4
    for own in given[:-1]:
        assert len(own) < len(cohort)
        whole = cohort.donors[np.isin(cohort.donors, own.donors)]
        assert sorted(own.donors) == sorted(whole)
