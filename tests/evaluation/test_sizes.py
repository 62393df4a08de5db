"""Samples of training cells: nested, stratified, the same for every model, test cells untouched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchtype.evaluation import CrossValidation
from patchtype.evaluation.sizes import Sample, queue
from tests.models.conftest import make_cohort

BASE = CrossValidation(5, 2, grouped=True)


@pytest.fixture(scope="module")
def cohort():
    return make_cohort()


def test_samples_are_nested_and_tested_on_the_same_cells(cohort):
    whole = list(BASE.folds(cohort))
    larger = [fold.train for fold in whole]
    for size in (120, 60, 25):
        folds = list(Sample(BASE, size).folds(cohort))
        for fold, before, all_cells in zip(folds, larger, whole, strict=True):
            assert len(fold.train) == size and set(fold.train) < set(before)
            assert (fold.repeat, fold.fold, fold.seed) == (all_cells.repeat, all_cells.fold, all_cells.seed)
            np.testing.assert_array_equal(fold.test, all_cells.test)
        larger = [fold.train for fold in folds]


def test_nought_takes_every_training_cell(cohort):
    for sampled, whole in zip(Sample(BASE).folds(cohort), BASE.folds(cohort), strict=True):
        np.testing.assert_array_equal(sampled.train, whole.train)


def test_folds_get_samples_of_their_own_and_get_them_again(cohort):
    first, again = ([tuple(f.train) for f in Sample(BASE, 25).folds(cohort)] for _ in range(2))
    assert first == again and len(set(first)) == len(first)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), st.integers(0, 5))
def test_every_beginning_of_the_queue_has_the_shares_of_the_classes(y, seed):
    y = np.array(y)
    order = queue(y, seed)
    assert sorted(order) == list(range(len(y)))
    shares = np.bincount(y, minlength=4) / len(y)
    for n in range(1, len(y) + 1):
        # Ties between classes are taken in turn, so up to one cell and the ties of the other classes.
        assert np.abs(np.bincount(y[order[:n]], minlength=4) - n * shares).max() < 2


@pytest.mark.parametrize(("size", "message"), [
    (-1, "found size=-1, expected a number of cells, or 0 for all"),
    (500, "training cells in a fold, expected at least the 500 asked for"),
])
def test_a_size_that_cannot_be_is_refused(size, message, cohort):
    with pytest.raises(ValueError, match=message):
        list(Sample(BASE, size).folds(cohort))


def test_the_correlation_term_is_that_of_the_test_cells(cohort):
    assert Sample(BASE, 25).test_to_train == BASE.test_to_train == pytest.approx(0.25)
    assert str(Sample(BASE, 25)) == "donor-grouped 5-fold x 2, 25 training cells"
    assert str(Sample(BASE)).endswith("all training cells")
