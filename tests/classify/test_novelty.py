"""Novelty: what is far, what is missing, and that neither depends on units."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from patchtype.classify.novelty import Novelty


def training(n=2000, seed=0, p=8):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    mix = np.random.default_rng(9).normal(size=(p, p))
    return (rng.normal(size=(n, p)) @ mix) + 0.5 * y[:, None], y


def test_the_distance_is_that_to_the_nearest_class():
    novelty = Novelty(np.zeros(2), np.ones(2), np.array([[0.0, 0.0], [3.0, 3.0]]), np.array([np.eye(2)] * 2))
    first, second, between = novelty.distance(np.sinh([[0.0, 0.0], [3.0, 3.0], [1.5, 1.5]]))
    assert first == pytest.approx(second) and first < between - 2


def test_cells_of_the_training_kind_have_a_standard_distance_whatever_is_missing():
    x, y = training()
    new, _ = training(seed=1)
    novelty = Novelty.fit(x, y)
    whole = novelty.distance(new)
    new[:, :4] = np.nan
    part = novelty.distance(new)
    # The nearest of three means, so a little nearer than standard normal; tails drawn in.
    assert abs(np.median(whole)) < 0.8 and abs(np.median(part)) < 0.8
    assert np.quantile(whole, 0.99) < 4 and np.quantile(part, 0.99) < 4
    assert kstest(whole - np.median(whole), "norm").statistic < 0.2


def test_a_far_cell_is_farther_than_any_of_the_training_kind():
    x, y = training()
    novelty = Novelty.fit(x, y)
    for column in range(8):
        far = x[:5].copy()
        far[:, column] *= 1000
        assert (novelty.distance(far) > np.quantile(novelty.distance(x), 0.99)).mean() >= 0.8


def test_units_do_not_matter():
    x, y = training()
    scale = 10.0 ** np.arange(-4, 4)
    a, b = Novelty.fit(x, y).distance(x), Novelty.fit(x * scale, y).distance(x * scale)
    assert a == pytest.approx(b, abs=1e-6)


def test_the_feature_that_was_changed_is_the_oddest():
    x, y = training()
    novelty = Novelty.fit(x, y)
    for column in range(8):
        far = x[:1].copy()
        far[:, column] = 1e3
        assert novelty.oddest(far[0], 1).tolist() == [column]


def test_the_wrong_combination_of_ordinary_values_is_noticed():
    rng = np.random.default_rng(0)
    first = rng.normal(size=1000)
    x = np.c_[first, first + 0.1 * rng.normal(size=1000)]
    distance = Novelty.fit(x, np.zeros(1000, int)).distance([[1.0, 1.0], [1.0, -1.0]])
    assert distance[1] > distance[0] + 3


def test_missing_features_are_counted_and_a_cell_without_any_is_infinitely_far():
    x, y = training()
    x[:, 7] = np.nan
    novelty = Novelty.fit(x, y)
    new = x[:3].copy()
    new[1, :2] = np.nan
    new[2] = np.nan
    assert novelty.missing(new).tolist() == [0, 2, 7]
    assert np.isfinite(novelty.distance(new)).tolist() == [True, True, False]
    new[0, 7] = 5.0  # no training cell had it: it says nothing
    assert novelty.distance(new)[0] == novelty.distance(x[:1])[0]


def test_cells_are_no_distance_from_themselves_and_compare_what_they_share():
    x, y = training(50)
    novelty = Novelty.fit(x, y)
    assert np.diag(novelty.apart(x, x)) == pytest.approx(0)
    other = x[:2].copy()
    other[:, 3:] = np.nan
    assert novelty.apart(x[:1], other)[0, 0] == 0 and novelty.apart(x[:1], other * np.nan)[0, 0] == np.inf
    assert novelty.apart(x, x) == pytest.approx(novelty.apart(x, x).T)


def test_arrays_go_out_and_come_back():
    x, y = training()
    novelty = Novelty.fit(x, y)
    assert np.array_equal(Novelty.from_arrays(novelty.arrays("n."), "n.").distance(x), novelty.distance(x))
