"""Effect sizes and separation on clouds whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from patchtype.evaluation.importance import family_importance
from patchtype.evaluation.separation import cliffs_delta, d_prime, effect, neighbour_purity, silhouettes
from patchtype.models.table import random_forest
from tests.models.conftest import make_cohort


@pytest.mark.parametrize(("a", "b", "delta"), [
    ([3, 4], [1, 2], 1), ([1, 2], [3, 4], -1), ([1, 2], [1, 2], 0), ([2, np.nan], [1, 1], 1), ([1, 3], [2], 0)])
def test_cliffs_delta(a, b, delta):
    assert cliffs_delta(a, b) == pytest.approx(delta)


def test_cliffs_delta_of_nothing_is_not_a_number():
    assert np.isnan(cliffs_delta([np.nan], [1]))


def test_d_prime_of_two_known_clouds():
    """Two unit clouds three apart along one axis: d' is three, whatever the other axis is scaled by."""
    cohort = make_cohort(n=4000, shift=0, missing=0)
    rng = np.random.default_rng(0)
    points = rng.standard_normal((4000, 2))
    points[cohort.y == 1, 0] += 3
    distances = d_prime(points * [1, 50], cohort)
    assert distances.loc["Pvalb", "Sst"] == pytest.approx(3, abs=0.15)
    assert distances.loc["Sst", "Vip"] == pytest.approx(0, abs=0.15)
    assert distances.loc["Sst", "Pvalb"] == distances.loc["Pvalb", "Sst"]


def test_far_clouds_are_pure_and_mixed_ones_are_at_chance():
    cohort = make_cohort(n=400, shift=0, missing=0)
    far = 100.0 * np.eye(4)[cohort.y] + np.random.default_rng(0).standard_normal((400, 4))
    assert neighbour_purity(far, cohort).min() == 1 and silhouettes(far, cohort).min() > 0.9
    mixed = np.random.default_rng(0).standard_normal((400, 4))
    assert neighbour_purity(mixed, cohort)["Pvalb"] == pytest.approx((cohort.y == 1).mean(), abs=0.05)


def test_effect_compares_one_subclass_with_all_others():
    cohort = make_cohort(missing=0)
    cohort.table["a"] = (cohort.y == 2).astype(float)
    found = effect(cohort, "a", "Sst")
    assert found["delta"] == 1 and found["median"] == 1 and found["median_others"] == 0 and found["p"] < 1e-6


def test_a_family_that_alone_tells_classes_apart_is_the_important_one():
    cohort = make_cohort(n=400, shift=0, missing=0)
    cohort.table["a"] = cohort.y.astype(float)
    losses = family_importance(random_forest(0, 50).fit(cohort), cohort, n_repeats=2)
    assert losses["passive"] > 0.5 and abs(losses["spike"]) < 0.1


def test_a_cell_is_no_neighbour_of_its_own():
    """Pairs of cells of two classes: the nearest is always of the other class."""
    cohort = make_cohort(n=40, missing=0)
    cohort.cells["subclass"] = np.tile(["Sst", "Vip"], 20)
    points = np.repeat(100.0 * np.arange(20), 2)[:, None] + np.tile([0.0, 1.0], 20)[:, None]
    assert neighbour_purity(points, cohort, k=1).tolist() == [0, 0]
