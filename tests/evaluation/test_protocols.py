"""Protocols: every cell tested once, donors kept apart when asked, the same folds for the same protocol."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from patchtype.evaluation import CrossValidation, HoldOut, evaluate
from patchtype.evaluation.protocols import repeat_of
from tests.models.conftest import make_cohort


@pytest.mark.parametrize("grouped", [False, True])
def test_every_cell_is_tested_once_per_repeat(grouped):
    cohort = make_cohort()
    protocol = CrossValidation(5, 2, grouped=grouped)
    for repeat in range(2):
        tested = np.concatenate([f.test for f in protocol.folds(cohort) if f.repeat == repeat])
        assert sorted(tested) == list(range(len(cohort)))


@pytest.mark.parametrize(
    "protocol", [CrossValidation(5, 2), CrossValidation(5, 2, grouped=True), HoldOut(0.2, 3)], ids=str)
def test_training_and_test_cells_never_meet_and_folds_repeat(protocol):
    cohort = make_cohort()
    first, second = list(protocol.folds(cohort)), list(protocol.folds(cohort))
    for a, b in zip(first, second, strict=True):
        assert not set(a.train) & set(a.test)
        np.testing.assert_array_equal(a.test, b.test)


def test_grouped_folds_keep_donors_apart_and_plain_ones_do_not():
    cohort = make_cohort()
    shared = {
        grouped: sum(len(set(cohort.donors[f.train]) & set(cohort.donors[f.test]))
                     for f in CrossValidation(5, 1, grouped=grouped).folds(cohort))
        for grouped in (True, False)
    }
    assert shared[True] == 0 and shared[False] > 0


def test_every_test_fold_holds_every_class():
    cohort = make_cohort()
    for fold in CrossValidation(5, 3).folds(cohort):
        assert set(cohort.y[fold.test]) == set(range(4))


@pytest.mark.parametrize(
    ("protocol", "ratio"), [(CrossValidation(5, 2), 0.25), (CrossValidation(10, 1), 1 / 9), (HoldOut(0.2, 3), 0.25)])
def test_test_cells_per_training_cell(protocol, ratio):
    cohort = make_cohort(n=400)
    assert protocol.test_to_train == pytest.approx(ratio)
    fold = next(iter(protocol.folds(cohort)))
    assert len(fold.test) / len(fold.train) == pytest.approx(ratio, abs=0.02)


def test_the_seed_of_a_fold_tells_its_repeat_and_is_its_own():
    folds = list(CrossValidation(5, 3).folds(make_cohort()))
    assert len({fold.seed for fold in folds}) == 15
    assert [repeat_of(fold.seed) for fold in folds] == [fold.repeat for fold in folds]


class Guess:
    """Reads one fit in two ways: the first class for all, and the last."""

    def fit(self, cohort):
        return self

    def predict_proba(self, cohort):
        return {"": np.eye(4)[np.zeros(len(cohort), int)], ", reversed": np.eye(4)[np.full(len(cohort), 3)]}


def test_several_readings_of_one_fit_are_several_models_in_the_table():
    cohort = make_cohort()
    table = evaluate({"guess": lambda seed: Guess()}, cohort, CrossValidation(5, 1))
    assert table.groupby("model")["predicted"].unique().map(list).to_dict() == {
        "guess": ["Lamp5"], "guess, reversed": ["Vip"]}
    assert (table.groupby("model")["cell"].nunique() == len(cohort)).all()


@pytest.mark.parametrize(
    "protocol", [CrossValidation(5, 3), CrossValidation(5, 3, grouped=True), HoldOut(0.2, 3)], ids=str)
def test_repeats_cut_the_cells_differently_and_so_does_another_seed(protocol):
    cohort = make_cohort()
    cuts = [{tuple(f.test) for f in p.folds(cohort) if f.repeat == r} for p in (protocol, replace(protocol, seed=99))
            for r in range(3)]
    assert not any(a & b for a, b in combinations(cuts, 2))


def test_each_fold_is_told_of_its_training_cells_by_a_model_of_its_own_seed():
    cohort, protocol, seen = make_cohort(n=100), CrossValidation(3, 2), []

    class Witness:
        def __init__(self, seed):
            self.seed = seed

        def fit(self, cells):
            seen.append((self.seed, tuple(cells.cells.index)))
            return self

        def predict_proba(self, cells):
            return np.tile([0.1, 0.2, 0.4, 0.3], (len(cells), 1))

    table = evaluate({"m": Witness}, cohort, protocol)
    assert seen == [(fold.seed, tuple(cohort.cells.index[fold.train])) for fold in protocol.folds(cohort)]
    assert set(table["predicted"]) == {cohort.classes[2]} and (table["p_Vip"] == 0.3).all()
