"""Trees and regression as arrays: the same probabilities as scikit-learn's, to the last bit or nearly."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from patchtype.classify.linear import LinearModel
from patchtype.classify.trees import BoostedTrees
from patchtype.models.table import logistic_regression


def data(n=400, seed=0, n_classes=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) * [1, 1e3, 1e-3, 1, 1, 1]
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 400)
    x[rng.uniform(size=x.shape) < 0.15] = np.nan
    return x, y % n_classes


@pytest.mark.parametrize("seed", range(4))
def test_trees_give_identical_probabilities(seed):
    x, y = data(seed=seed)
    booster = HistGradientBoostingClassifier(max_iter=25, max_leaf_nodes=12, random_state=seed).fit(x, y)
    trees = BoostedTrees.of(booster)
    other = data(1300, seed + 100)[0]  # more than walk together at once
    other[0] = np.nan
    other[1] = 1e300
    other[2] = -np.inf
    assert np.array_equal(trees.predict_proba(other), booster.predict_proba(other))


def test_values_on_a_threshold_go_where_scikit_learn_sends_them():
    x, y = data()
    booster = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(x, y)
    trees = BoostedTrees.of(booster)
    inner = np.flatnonzero(trees.feature >= 0)
    rows = np.full((len(inner), 6), 0.1)
    rows[np.arange(len(inner)), trees.feature[inner]] = trees.threshold[inner]
    assert np.array_equal(trees.predict_proba(rows), booster.predict_proba(rows))


def test_columns_are_renamed_where_training_left_some_out():
    x, y = data()
    booster = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(x[:, [1, 0]], y)
    assert np.array_equal(BoostedTrees.of(booster, [1, 0]).predict_proba(x), booster.predict_proba(x[:, [1, 0]]))


def test_arrays_go_out_and_come_back():
    x, y = data()
    trees = BoostedTrees.of(HistGradientBoostingClassifier(max_iter=5).fit(x, y))
    again = BoostedTrees.from_arrays(trees.arrays("trees."), "trees.")
    assert np.array_equal(again.raw(x), trees.raw(x)) and again.raw(x[:0]).shape == (0, 3)


@pytest.mark.parametrize(("change", "message"), [
    (lambda x, y: (HistGradientBoostingClassifier(max_iter=2), x, y > 0), "found 2 classes, expected at least three"),
    (lambda x, y: (HistGradientBoostingClassifier(max_iter=2, categorical_features=[3]),
                   np.c_[x[:, :3], np.arange(len(x)) % 5 * 1.0], (np.arange(len(x)) % 5) % 3), "splits on categories"),
    (lambda x, y: (HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=300, min_samples_leaf=1),
                   np.random.default_rng(0).normal(size=(2000, 3)), np.arange(2000) % 3), "expected at most 255"),
])
def test_boosters_that_do_not_fit_are_refused(change, message):
    booster, x, y = change(*data())
    with pytest.raises(ValueError, match=message):
        BoostedTrees.of(booster.fit(x, y))


def test_the_regression_gives_the_same_probabilities():
    x, y = data()
    x[:, 5] = np.nan  # a feature that no training cell has
    pipeline = logistic_regression(0).estimator.fit(x, y)
    other = data(50, 9)[0]
    linear = LinearModel.of(pipeline)
    assert linear.predict_proba(other) == pytest.approx(pipeline.predict_proba(other), abs=1e-12)
    again = LinearModel.from_arrays(linear.arrays("l."), "l.")
    assert np.array_equal(again.predict_proba(other), linear.predict_proba(other))


def test_a_regression_of_two_classes_is_refused():
    x, y = data()
    with pytest.raises(ValueError, match="found 2 classes, expected at least three"):
        LinearModel.of(logistic_regression(0).estimator.fit(x, y > 0))
