"""Naming another species without its labels: invariances, and that labels are never read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from patchtype import taxonomy
from patchtype.models import zero_shot
from patchtype.models.zero_shot import ZeroShot, consistency, normal_scores
from tests.models.conftest import make_cohort


@pytest.fixture
def quick(monkeypatch):
    """One reader in place of four."""
    monkeypatch.setattr(zero_shot, "readers", lambda seed: [LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)])
    return ZeroShot(threshold=-1, turns=4, sncg=("drop",))


@pytest.fixture
def pair():
    """Source and target with the same classes and another scale for every feature."""
    source, target = make_cohort(n=400, seed=1, shift=3), make_cohort(n=300, seed=2, shift=3)
    stretched = np.exp(target.table / 4) * 7 - 3
    return replace(source, classes=taxonomy.HUMAN_SUBCLASSES), replace(target, table=stretched)


def test_a_normal_score_depends_on_the_order_alone():
    x = pd.DataFrame({"a": np.random.default_rng(0).normal(size=50)})
    pd.testing.assert_frame_equal(normal_scores(x, np.ones(50)), normal_scores(np.exp(3 * x), np.ones(50)))


def test_the_order_of_rows_says_nothing():
    rng = np.random.default_rng(0)
    x, weights = pd.DataFrame({"a": rng.integers(3, size=60), "b": np.nan}), rng.uniform(1, 2, 60)
    scores = normal_scores(x, weights)
    assert scores.groupby(x["a"])["a"].nunique().tolist() == [1, 1, 1]
    shuffled = rng.permutation(60)
    pd.testing.assert_frame_equal(normal_scores(x.iloc[shuffled], weights[shuffled]), scores.iloc[shuffled])


def test_weights_move_the_middle():
    """With the upper two of four cells counted three times, the middle of the mass lies between them."""
    scores = normal_scores(pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]}), np.array([1.0, 1.0, 3.0, 3.0]))["a"]
    assert scores[1] < scores[2] < 0 < scores[3]
    assert np.isnan(normal_scores(pd.DataFrame({"a": [1.0, np.nan]}), np.ones(2))["a"][1])


def test_balanced_weights_undo_a_different_mixture():
    """Two classes at 0 and 1: their scores agree between mixtures once each class has the same mass."""
    one, two = np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 1.0], [30, 70])
    noise = np.random.default_rng(0).normal(0, 0.01, 100)

    def class_means(x):
        weights = np.where(x == 1, 1 / (x == 1).sum(), 1 / (x == 0).sum())
        scores = normal_scores(pd.DataFrame({"a": x + noise}), weights)["a"]
        return scores[x == 0].mean(), scores[x == 1].mean()

    np.testing.assert_allclose(class_means(one), class_means(two), atol=0.1)


def test_a_feature_that_means_something_else_is_inconsistent():
    """Two groups of features; the last one goes with the first group here and with the second there."""
    def species(seed, last):
        rng = np.random.default_rng(seed)
        factors = rng.normal(size=(2, 400))
        rows = [factors[g] + 0.3 * rng.normal(size=400) for g in (0, 0, 0, 1, 1, 1, last)]
        return pd.DataFrame(np.transpose(rows), columns=list("abcdefg"))

    found = consistency(species(0, 0), species(1, 1))
    assert found.drop("g").min() > 0.3 and found["g"] < -0.3


@pytest.mark.parametrize("steps", [0, 2, 3])
def test_another_scale_is_no_obstacle(steps, quick, pair):
    source, target = pair
    p = replace(quick, steps=steps).name(source, target)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p.argmax(1) == target.y).mean() > 0.85


def test_labels_of_the_target_are_never_read(quick, pair):
    source, target = pair
    mislabelled = replace(target, cells=target.cells.assign(subclass="Vip"))
    np.testing.assert_array_equal(quick.name(source, target), quick.name(source, mislabelled))
