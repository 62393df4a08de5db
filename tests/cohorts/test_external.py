"""External sets: known counts, the same features on the same scale, nothing shared with the mouse cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pooch
import pytest
import requests

from patchtype import cohorts
from patchtype.cohorts import DataUnavailable, TableError, external
from patchtype.cohorts.tables import validate
from patchtype.experiments.few_shot import matched


@pytest.fixture(scope="module")
def sets():
    return {name: external.load(name) for name in external.SETS}


@pytest.fixture(scope="module")
def mouse():
    return cohorts.load("mouse", "aligned")


def test_cells_by_subclass_are_those_of_the_publications(sets):
    assert sets["motor"].counts().to_dict() == {"Lamp5": 91, "Pvalb": 289, "Sncg": 13, "Sst": 272, "Vip": 153}
    assert sets["cell types"].counts()[["Lamp5", "Pvalb", "Sst", "Vip"]].tolist() == [13, 142, 110, 20]


@pytest.mark.parametrize("name", external.SETS)
def test_every_row_is_a_cell_or_has_a_reason(name, sets):
    assert sets[name].excluded["reason"].ne("").all()
    assert not set(sets[name].cells.index) & set(sets[name].excluded.index)
    assert np.isfinite(sets[name].table["v_baseline"]).all() and not np.isinf(sets[name].x).any()


@pytest.mark.parametrize("name", external.SETS)
def test_medians_lie_among_the_mouse_cells(name, sets, mouse):
    """A wrong unit or a wrong onset puts the median of a set outside the middle 98 % of the mouse cells."""
    ours, theirs = mouse.table, sets[name].table
    for feature in theirs:
        low, high = ours[feature].quantile([0.01, 0.99])
        assert low <= theirs[feature].median() <= high, feature


def test_sag_and_adaptation_of_the_motor_set_are_converted():
    raw = pd.DataFrame({"Sag ratio": [1.0, 1.25], "ISI average adaptation index": [1.0, 3.0]})
    assert raw.eval(external.MOTOR_EXPRESSIONS["sag"]).tolist() == pytest.approx([0.0, 0.2])
    assert raw.eval(external.MOTOR_EXPRESSIONS["adapt_hero"]).tolist() == pytest.approx([0.0, 0.5])


def test_no_cell_and_no_animal_is_trained_on_and_tested(sets, mouse):
    for cells in sets.values():
        source, target = matched(mouse, cells)
        assert not set(source.donors) & set(target.donors)
        assert not set(source.cells["specimen_id"].astype(str)) & set(target.cells.index)
        assert list(source.table.columns) == list(target.table.columns)


def test_layer_one_is_nearly_all_in_the_mouse_table(sets):
    assert (sets["layer 1"].excluded["reason"] == "the mouse table has this cell").sum() == 250


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="found the external set 'retina', expected one of"):
        external.load("retina")


def test_a_missing_file_is_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))

    def offline(*args, **options):
        raise requests.ConnectionError("offline")

    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(DataUnavailable, match="motor_efeature.csv is not in a data folder and could not be downloaded"):
        external.load("motor")


def test_seconds_where_milliseconds_are_expected_are_noticed():
    table = external.read("motor_efeature.csv")
    with pytest.raises(TableError, match="motor_efeature.csv: column 'Membrane time constant"):
        validate(table.assign(**{"Membrane time constant (ms)": table["Membrane time constant (ms)"] / 1000}),
                 "motor_efeature.csv", external.SCHEMAS["motor_efeature.csv"])
