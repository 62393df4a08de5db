"""Few labelled cells of another set: scaling, intervals and learning with known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from patchtype.experiments import few_shot as module
from patchtype.experiments.few_shot import few_shot, matched, recalls, z_scored
from tests.models.conftest import make_cohort


def test_z_scores_are_by_the_set_itself_or_by_another():
    a, b = make_cohort(seed=1, missing=0), make_cohort(seed=2, missing=0)
    own, other = z_scored(a).table, z_scored(b, by=a).table
    np.testing.assert_allclose(own.std(), 1, atol=0.05)
    expected = ((b.table - a.table.mean()) / a.table.std()).clip(-4, 4)
    pd.testing.assert_frame_equal(other, expected)


def test_wilson_interval_of_a_known_case():
    row = recalls(np.zeros(10, int), np.zeros(10, int), ("a", "b"))
    assert list(row.index) == ["a"] and row.loc["a", "high"] == 1
    assert row.loc["a", "low"] == pytest.approx(0.7225, abs=1e-3)


def test_few_shot_learns_from_few():
    source, target = make_cohort(seed=1, shift=3), make_cohort(n=400, seed=2, shift=3)
    table = few_shot(source, target, by_set=True, sizes=(2, 20), draws=3)
    mean = table.groupby(["way", "size"])["macro_f1"].mean()
    assert mean["new cells alone", 20] > mean["new cells alone", 2]
    assert mean["source alone", 0] > 0.8
    assert len(table) == 3 * (1 + 2 * 2)


class Witness(LogisticRegression):
    """A regression that notes what it is given."""

    fitted: list = []
    asked: list = []

    def fit(self, x, y):
        self.fitted.append((x, y))
        return super().fit(x, y)

    def predict(self, x):
        self.asked.append(x)
        return super().predict(x)


def test_labels_come_from_donors_that_are_not_tested_and_are_as_many_as_asked(monkeypatch):
    source, target = make_cohort(seed=1), make_cohort(n=400, seed=2, missing=0)
    Witness.fitted.clear(), Witness.asked.clear()
    monkeypatch.setattr(module, "_regression", lambda: Witness(max_iter=200))
    few_shot(source, target, by_set=True, sizes=(5,), draws=2)
    donor = {tuple(cell): name for cell, name in zip(z_scored(target).table.to_numpy(), target.donors, strict=True)}
    learnt = [{donor[tuple(cell[:5])] for cell in x} for x, _ in Witness.fitted[1:]]
    tested = [{donor[tuple(cell[:5])] for cell in x} for x in Witness.asked]
    assert len(learnt) == len(tested) == 4
    assert not any(a & b for a, b in zip(learnt, tested, strict=True))
    assert all(np.bincount(y).tolist() == [5] * 4 for _, y in Witness.fitted[1:])
    assert [x.shape[1] for x in Witness.asked] == [5, 9, 5, 9], "alone, and with the advice on four classes"


def test_cells_of_the_target_s_animals_leave_the_source():
    source, target = make_cohort(seed=1), make_cohort(n=60, seed=2)
    left, _ = matched(source, target)
    assert set(left.donors) == set(source.donors) - set(target.donors) and len(left) == 180
