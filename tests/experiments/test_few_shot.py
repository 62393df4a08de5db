"""Few labelled cells of another set: scaling, intervals and learning with known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from patchtype.experiments.few_shot import few_shot, recalls, z_scored
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


def test_few_shot_learns_from_few_and_leaves_labels_of_tested_donors_alone():
    source, target = make_cohort(seed=1, shift=3), make_cohort(n=400, seed=2, shift=3)
    table = few_shot(source, target, by_set=True, sizes=(2, 20), draws=3)
    mean = table.groupby(["way", "size"])["macro_f1"].mean()
    assert mean["new cells alone", 20] > mean["new cells alone", 2]
    assert mean["source alone", 0] > 0.8
    assert len(table) == 3 * (1 + 2 * 2)
