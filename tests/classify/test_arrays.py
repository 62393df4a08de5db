"""Models as plain arrays: what scikit-learn says, without scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import yeojohnson
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVC

from patchtype.classify.arrays import KernelMachine, LinearModel, Prepared, geometric_mean, yeo_johnson
from patchtype.models.table import scaled


def data(n=300, seed=0, n_classes=4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) * [1, 1e3, 1e-3, 1, 1, 1] + [0, 0, 0, 5, -5, 0]
    y = ((x[:, 0] > 0).astype(int) + 2 * (x[:, 1] > 200)) % n_classes
    return x, y


@pytest.mark.parametrize("power", [-3.0, 0.0, 0.4, 1.0, 2.0, 2.5])
def test_the_transform_is_that_of_scipy(power):
    x = np.r_[-np.geomspace(1e-4, 50, 40), 0, np.geomspace(1e-4, 50, 40)]
    ours = yeo_johnson(x[:, None], np.array([power]))[:, 0]
    assert ours == pytest.approx(yeojohnson(x, power), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("scaler", [StandardScaler, PowerTransformer])
def test_preparation_is_that_of_the_fitted_steps(scaler):
    x, _ = data()
    x[np.random.default_rng(1).uniform(size=x.shape) < 0.15] = np.nan
    x[:, 5] = np.nan  # a feature that no training cell has
    other, expected = data(80, 9)[0], None
    other[0] = np.nan
    other[1] = 1e6
    steps = scaled(scaler)
    expected = x
    for step in steps:
        expected = step.fit_transform(expected)
    made = Prepared.of(*steps)
    assert made(x) == pytest.approx(expected, abs=1e-8)
    expected = other
    for step in steps:
        expected = step.transform(expected)
    assert made(other) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_margins_and_votes_are_those_of_scikit_learn(n_classes):
    x, y = data(n_classes=n_classes)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    svc = SVC(C=3.0, class_weight="balanced", decision_function_shape="ovo").fit(x, y)
    machine, other = KernelMachine.of(svc), data(50, 3)[0] / [1, 1e3, 1e-3, 1, 1, 1] - [0, 0, 0, 5, -5, 0]
    sign = 1 if n_classes == 2 else -1
    assert machine.margins(other) == pytest.approx(sign * svc.decision_function(other).reshape(50, -1), abs=1e-4)
    if n_classes > 2:
        svc.decision_function_shape = "ovr"
        votes, sure = machine.readings(other)
        assert np.exp(votes) == pytest.approx(softmax(svc.decision_function(other), axis=1), abs=1e-4)
        assert np.exp(sure).sum(axis=1) == pytest.approx(1)


def test_how_surely_pairs_are_won_by_hand():
    # One support vector far away from every cell: the margins are the intercepts.
    machine = KernelMachine(np.full((1, 1), 1e6), np.ones((1, 3)), np.ones(1), np.array([0.5, -1.0, 2.0]))
    pair = {(0, 1): 0.5, (0, 2): -1.0, (1, 2): 2.0}
    score = np.zeros(3)
    for (i, j), margin in pair.items():
        score[j] += np.log(1 / (1 + np.exp(-2 * margin)))
        score[i] += np.log(1 / (1 + np.exp(2 * margin)))
    assert np.exp(machine.readings(np.zeros((1, 1)))[1][0]) == pytest.approx(softmax(score))


def test_a_discriminant_gives_the_same_probabilities_and_two_classes_are_refused():
    x, y = data()
    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, y)
    assert np.exp(LinearModel.of(fitted).log_probabilities(x)) == pytest.approx(fitted.predict_proba(x), abs=1e-10)
    with pytest.raises(ValueError, match="found 2 classes, expected at least three"):
        LinearModel.of(LinearDiscriminantAnalysis(solver="lsqr").fit(x, y > 1))


def test_one_reading_that_is_certain_does_not_decide_alone():
    logs = [np.array([[0.0, -np.inf]]), np.log([[0.001, 0.999]])]
    assert geometric_mean(logs)[0] == pytest.approx([0.5, 0.5], abs=1e-3)


def test_arrays_go_out_and_come_back():
    x, y = data()
    machine = KernelMachine.of(SVC().fit(x, y))
    again = KernelMachine.from_arrays(machine.arrays("g."), "g.")
    assert np.array_equal(again.margins(x), machine.margins(x))
