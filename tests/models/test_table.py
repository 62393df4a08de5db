"""Table models: separable cells are named rightly, odd inputs do not hurt."""

from __future__ import annotations

import numpy as np
import pytest

from patchtype.models.table import BASELINES, Winsoriser
from tests.models.conftest import make_cohort


@pytest.mark.parametrize("name", BASELINES)
def test_well_separated_cells_are_named_rightly(name):
    train, test = make_cohort(seed=1, shift=6), make_cohort(seed=2, shift=6)
    assert (BASELINES[name](0).fit(train).predict_proba(test).argmax(axis=1) == test.y).mean() > 0.97


@pytest.mark.parametrize("name", BASELINES)
def test_probabilities_sum_to_one_and_the_seed_decides(name, cohort):
    first, second = (BASELINES[name](3).fit(cohort).predict_proba(cohort) for _ in range(2))
    np.testing.assert_allclose(first.sum(axis=1), 1)
    np.testing.assert_array_equal(first, second)


def test_a_class_absent_from_training_gets_zero(cohort):
    train = cohort.take(cohort.y != 0)
    probabilities = BASELINES["random forest"](0).fit(train).predict_proba(cohort)
    assert probabilities.shape[1] == 4 and (probabilities[:, 0] == 0).all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_feature_that_no_training_cell_has_does_no_harm(name, cohort):
    from dataclasses import replace
    empty = replace(cohort, table=cohort.table.assign(e=np.nan))
    assert np.isfinite(BASELINES[name](0).fit(empty).predict_proba(empty)).all()


def test_winsorising_clips_to_training_percentiles_and_keeps_gaps():
    winsoriser = Winsoriser(0, 100).fit([[1.0, np.nan], [3.0, np.nan]])
    clipped = winsoriser.transform([[-5.0, 7.0], [np.nan, -7.0]])
    np.testing.assert_array_equal(clipped, [[1.0, 7.0], [np.nan, -7.0]])


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_units_do_not_matter_to_scaled_models(factor, cohort):
    """Property: multiplying a feature by a constant leaves logistic regression's probabilities as they are."""
    from dataclasses import replace
    scaled = replace(cohort, table=cohort.table.assign(a=cohort.table["a"] * factor))
    plain, other = (BASELINES["logistic regression"](0).fit(c).predict_proba(c) for c in (cohort, scaled))
    np.testing.assert_allclose(plain, other, atol=1e-4)
