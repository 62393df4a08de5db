"""Cells of the Allen Cell Types Database in the schema of the published tables."""

from __future__ import annotations

import pytest

from helpers import cohorts, families
from helpers.cohorts.celltypes import cell_types

LEFT_OUT = {"avg_rate_hero", "isi_cv_hero", "median_isi_hero", "first_isi_inv_hero", "width_rheo"}


@pytest.mark.parametrize(("species", "spiny", "aspiny"), [("mouse", 571, 459), ("human", 218, 54)])
def test_cells_by_their_dendrites(species, spiny, aspiny):
    table, dendrites = cell_types(species)
    assert table.index.equals(dendrites.index) and table.index.is_unique
    assert dendrites.value_counts()[["spiny", "aspiny"]].tolist() == [spiny, aspiny]
    assert list(table.columns) == [name for names in families.families("aligned").values() for name in names]
    assert set(table.columns[table.isna().all()]) == LEFT_OUT


def test_units_are_those_of_the_published_mouse_cells():
    table, dendrites = cell_types("mouse")
    theirs, ours = table[(dendrites == "aspiny").to_numpy()].median(), cohorts.load("mouse", "aligned").table
    low, high = ours.quantile(0.1), ours.quantile(0.9)
    given = theirs.dropna().index
    assert ((theirs >= low) & (theirs <= high))[given].all()
    assert table["latency_rheo"].between(0, 1.01).mean() > 0.99
