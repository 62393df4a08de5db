"""What every model is asked: does anything reach it that it may not have?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from patchtype.cohorts import Cohort
from tests.models.conftest import make_cohort


def assert_test_cells_stay_apart(build) -> np.ndarray:
    """What a model says of a cell depends neither on its companions in the test nor on any test cell's label.

    The companions become absurd, so a statistic taken over the test cells would move. Returns the probabilities.
    """
    cohort = make_cohort()
    train, test = cohort.take(np.arange(180)), cohort.take(np.arange(180, 240))
    model = build(0).fit(train)
    absurd = test.table.copy()
    absurd.iloc[1:] *= 1e6
    said = read(model.predict_proba(test))
    np.testing.assert_allclose(said[0], read(model.predict_proba(replace(test, table=absurd)))[0], rtol=1e-5)
    mislabelled = replace(test, cells=test.cells.assign(subclass="Vip"))
    np.testing.assert_array_equal(said, read(model.predict_proba(mislabelled)))
    return said


def shuffled(cohort: Cohort) -> Cohort:
    """The cohort with its labels dealt out anew, so that nothing can be learnt from it."""
    rng = np.random.default_rng(3)
    return replace(cohort, cells=cohort.cells.assign(subclass=rng.permutation(cohort.cells["subclass"])))


def read(probabilities) -> np.ndarray:
    """(N, C): the reading of the average, where a model gives several."""
    return probabilities[" | average"] if isinstance(probabilities, dict) else probabilities
