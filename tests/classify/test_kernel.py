"""Support vectors as arrays: the same margins as scikit-learn's, in the features that they read."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from patchtype.classify.kernel import KernelMachine
from patchtype.models.table import scaled


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    x[rng.uniform(size=x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 1]) ** 2 + np.nan_to_num(x[:, 3]) > 0.5).astype(int)
    columns = np.array([1, 3, 4])
    pipeline = make_pipeline(*scaled(), SVC(class_weight="balanced")).fit(x[:, columns], y)
    return pipeline, KernelMachine.of(pipeline, columns), x, y


def test_margins_are_those_of_scikit_learn(made):
    pipeline, machine, x, y = made
    assert machine.margin(x) == pytest.approx(pipeline.decision_function(x[:, [1, 3, 4]]))
    assert ((machine.margin(x) > 0) == y).mean() > 0.9


def test_other_features_are_not_read_and_none_at_all_has_no_side(made):
    _, machine, x, _ = made
    changed = x[:3].copy()
    changed[:, [0, 2]] = 1e6
    changed[2, [1, 3, 4]] = np.nan
    assert machine.margin(changed)[:2].tolist() == machine.margin(x[:2]).tolist()
    assert np.isnan(machine.margin(changed)[2])


def test_arrays_go_out_and_come_back(made):
    _, machine, x, _ = made
    assert np.array_equal(KernelMachine.from_arrays(machine.arrays("g."), "g.").margin(x), machine.margin(x))


def test_three_classes_are_refused(made):
    _, _, x, _ = made
    pipeline = make_pipeline(*scaled(), SVC()).fit(x, np.arange(len(x)) % 3)
    with pytest.raises(ValueError, match="found 3 classes, expected two"):
        KernelMachine.of(pipeline, np.arange(5))
