"""Simulated against real: known quantiles give known rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from patchtype.cohorts import Cohort
from patchtype.cohorts.comparison import SELECTION, compare, worst
from patchtype.families import families


def cohort(values: dict[str, np.ndarray], subclass, source) -> Cohort:
    table = pd.DataFrame(values)
    cells = pd.DataFrame({"species": "mouse", "subclass": subclass, "donor": "a", "source": source}, index=table.index)
    return Cohort.build(cells, table, {"all": list(table)}, ("Pvalb", "Sst"))


@pytest.fixture
def pair():
    """Sst from 0 to 10, Pvalb from 100 to 110; simulated Sst moved by 4 in one feature, Pvalb by 20."""
    ramp = np.concatenate([np.arange(11.0), np.arange(100.0, 111.0)])
    subclass = ["Sst"] * 11 + ["Pvalb"] * 11
    moved = ramp + np.repeat([4.0, 20.0], 11)
    return (cohort({"sag": ramp, "tau": ramp, "real_only": ramp}, subclass, "published"),
            cohort({"tau": ramp, "sag": moved, "simulated_only": ramp}, subclass, "simulated"))


def test_quantiles_distance_and_range_are_those_of_the_cells(pair):
    table = compare(*pair)
    assert table.index.tolist() == [("Pvalb", "sag"), ("Pvalb", "tau"), ("Sst", "sag"), ("Sst", "tau")]
    row = table.loc[("Sst", "sag")]
    assert row[["median", "low", "high", "simulated_median", "simulated_low", "simulated_high"]].tolist() \
        == [5, 1, 9, 9, 5, 13]
    assert (row["distance"], row["within"]) == (0.5, True)
    assert (table.loc[("Pvalb", "sag"), "distance"], table.loc[("Pvalb", "sag"), "within"]) == (2.5, False)
    assert table.xs("tau", level="feature")["distance"].tolist() == [0, 0]


def test_the_worst_feature_comes_first(pair):
    assert list(worst(compare(*pair)).items()) == [("sag", 1.5), ("tau", 0.0)]


def test_missing_values_and_absent_classes_leave_gaps_not_errors(pair):
    real, simulated = pair
    tau = simulated.table["tau"].iloc[:11].mask(lambda values: values == 0)
    table = compare(real, cohort({"tau": tau}, ["Sst"] * 11, "simulated"))
    assert np.isnan(table.loc[("Pvalb", "tau"), "simulated_median"]) and not table.loc[("Pvalb", "tau"), "within"]
    assert table.loc[("Sst", "tau"), "simulated_median"] == 5.5


def test_the_selection_is_of_aligned_features():
    assert set(SELECTION) <= {feature for members in families("aligned").values() for feature in members}
