"""The cohort type: sequences, classes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from patchtype import taxonomy
from patchtype.cohorts import Cohort, load, published


@pytest.fixture
def parts():
    index = ["a", "b", "c"]
    cells = pd.DataFrame({"species": "mouse", "subclass": ["Sst", "Vip", "Sncg"], "donor": ["x", "x", "y"],
                          "source": "published"}, index=index)
    table = pd.DataFrame({"tau": [1.0, np.nan, 3.0], "sag": [4.0, 5.0, 6.0], "vm": [7.0, 8.0, 9.0]}, index=index)
    return {"cells": cells, "table": table, "families": {"passive": ["tau"], "sag": ["sag", "vm"]},
            "classes": taxonomy.MOUSE_SUBCLASSES}


def test_a_sequence_holds_each_family_once_with_its_mask(parts):
    sequence = Cohort.build(**parts).sequence()
    assert sequence.values.tolist() == [[[1, 0], [4, 7]], [[0, 0], [5, 8]], [[3, 0], [6, 9]]]
    assert sequence.mask.tolist() == [[[True, False], [True, True]], [[False, False], [True, True]],
                                      [[True, False], [True, True]]]
    assert sequence.families == ("passive", "sag") and sequence.widths.tolist() == [1, 2]


def test_table_and_sequence_hold_the_same_values(parts):
    cohort = Cohort.build(**parts)
    sequence = cohort.sequence()
    assert np.sort(sequence.values[sequence.mask]).tolist() == np.sort(cohort.x[np.isfinite(cohort.x)]).tolist()


@pytest.mark.parametrize(("sncg", "left", "vip"), [("Vip", 3, 2), ("Lamp5", 3, 1), ("drop", 2, 1)])
def test_four_classes_follow_the_rule_for_sncg(parts, sncg, left, vip):
    four = Cohort.build(**parts).four_classes(sncg)
    assert len(four) == left and four.counts()["Vip"] == vip
    assert four.classes == taxonomy.HUMAN_SUBCLASSES and set(four.y) <= set(range(4))


def test_an_unknown_rule_for_sncg_is_refused(parts):
    with pytest.raises(ValueError, match=r"found sncg='SNGC', expected one of \('Vip', 'Lamp5', 'drop'\)"):
        Cohort.build(**parts).four_classes("SNGC")


@pytest.mark.parametrize(("change", "message"), [
    (lambda p: p.update(cells=p["cells"].drop(columns="donor")), "cells without the column 'donor'"),
    (lambda p: p.update(table=p["table"].iloc[:2]), "different indexes"),
    (lambda p: p.update(table=p["table"].iloc[::-1]), "different indexes"),
    (lambda p: p.update({key: p[key].rename(index={"b": "a"}) for key in ("cells", "table")}),
     "found the cell id 'a' twice"),
    (lambda p: p["families"].update(extra=["width"]), "no column for the feature 'width'"),
    (lambda p: p.update(classes=("Sst", "Vip")), "found the subclass 'Sncg'"),
    (lambda p: p["cells"].__setitem__("source", "dreamt"), "found the source 'dreamt'"),
])
def test_parts_that_do_not_fit_are_refused(parts, change, message):
    change(parts)
    with pytest.raises(ValueError, match=message):
        Cohort.build(**parts)


def test_take_accepts_positions_and_booleans(parts):
    cohort = Cohort.build(**parts)
    assert cohort.take([2, 0]).cells.index.tolist() == ["c", "a"]
    assert cohort.take(np.array([False, True, False])).table.index.tolist() == ["b"]


def test_a_view_has_the_named_families_in_their_order_and_the_same_cells(parts):
    cohort = Cohort.build(**parts)
    view = cohort.view({"spike": ["vm"], "passive": ["tau"]})
    assert view.cells is cohort.cells and view.excluded is cohort.excluded and view.classes == cohort.classes
    assert list(view.families) == ["spike", "passive"] and list(view.table) == ["vm", "tau"]
    np.testing.assert_array_equal(view.x, [[7, 1], [8, np.nan], [9, 3]])
    with pytest.raises(ValueError, match="found no feature 'width' in the cohort, expected all"):
        cohort.view({"spike": ["vm", "width"]})


@pytest.mark.parametrize(("species", "features", "cells", "width", "families"), [
    ("mouse", "aligned", 4178, 32, 8), ("mouse", "mouse", 4178, 53, 11),
    ("human", "aligned", 679, 32, 8), ("human", "human", 679, 93, 13),
])
def test_the_published_cohorts(species, features, cells, width, families):
    cohort = load(species, features)
    assert cohort.table.shape == (cells, width) and len(cohort.families) == families
    assert set(cohort.cells["source"]) == {"published"} and set(cohort.cells["species"]) == {species}
    assert cohort.cells["donor"].notna().all()


def test_no_cell_of_the_public_tables_is_lost():
    for species, cells in (("mouse", 4435), ("human", 778)):
        cohort = load(species)
        assert len(cohort) + len(cohort.excluded) == cells
        assert cohort.excluded["reason"].notna().all()


def test_features_carry_no_label():
    """The feature columns are physiology: no acquisition number, no identifier, nothing about the donor."""
    words = ("sweep_num", "id", "label", "donor", "days")
    for species in ("mouse", "human"):
        names = load(species, species).table.columns
        assert not [n for n in names for w in words if w == n or n.endswith(f"_{w}")]


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="found the species 'rat'"):
        load("rat")
    with pytest.raises(ValueError, match="found the source 'dreamt'"):
        load("mouse", source="dreamt")
    with pytest.raises(ValueError, match="found the feature set 'human' for mouse, published"):
        load("mouse", "human")


def test_ages_in_days_and_in_weeks_become_days():
    ages = published._age_days(pd.Series(["P55", "9 wks", None]))
    assert ages.tolist()[:2] == [55.0, 63.0] and np.isnan(ages[2])


def test_a_donor_is_one_however_it_is_spelt():
    """The public table writes one of its donors h19.03.002."""
    donors = pd.Series(load("human").donors)
    assert donors.str.upper().nunique() == donors.nunique()
    assert set(donors[donors.str.contains("19.03.002", regex=False)]) == {"human-H19.03.002"}
