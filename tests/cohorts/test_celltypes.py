"""The Cell Types Database in the schema of the published tables; a cache of allensdk gives the same, offline."""

from __future__ import annotations

import json
import socket

import pandas as pd
import pytest

from patchtype import cohorts, families, settings
from patchtype.cohorts import DataUnavailable, celltypes

#: Features that the database does not give.
LEFT_OUT = {"avg_rate_hero", "isi_cv_hero", "median_isi_hero", "first_isi_inv_hero", "width_rheo"}

FEATURES = pd.DataFrame({"specimen_id": [11, 12], "ri": [150.0, 90.0], "tau": [20.0, 8.0], "latency": [1.1, 1.05]})
SPECIMENS = pd.DataFrame({
    "specimen__id": [11, 12], "line_name": ["Sst-IRES-Cre", "Pvalb-IRES-Cre"], "donor__species": ["Mus musculus"] * 2,
    "tag__dendrite_type": ["aspiny"] * 2, "donor__name": ["Sst-1", "Pvalb-1"], "nr__reconstruction_type": [None] * 2,
    "cell_reporter_status": ["positive"] * 2, "m__glif": [1, 0], "morph_thumb_path": [None] * 2,
})


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """A cache as allensdk 2.16 leaves it: its manifest, and the two tables. No socket may be opened."""
    def refused(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.delenv(settings.CELL_TYPES, raising=False)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"manifest": [
        {"type": "manifest_version", "value": "1.1"},
        {"key": "BASEDIR", "type": "dir", "spec": "."},
        {"key": "CELLS", "type": "file", "spec": "cells.json", "parent_key": "BASEDIR"},
        {"key": "EPHYS_DATA", "type": "file", "spec": "specimen_%d/ephys.nwb", "parent_key": "BASEDIR"},
        {"key": "EPHYS_FEATURES", "type": "file", "spec": "ephys_features.csv", "parent_key": "BASEDIR"},
    ]}))
    FEATURES.to_csv(tmp_path / "ephys_features.csv", index=False)
    (tmp_path / "cells.json").write_text(json.dumps(json.loads(SPECIMENS.to_json(orient="records"))))
    return path


def test_both_tables_come_with_the_registrys_columns(manifest):
    features, specimens = celltypes.tables(manifest)
    pd.testing.assert_frame_equal(features[FEATURES.columns], FEATURES)
    assert specimens[["specimen__id", "line_name", "donor__species"]].equals(
        SPECIMENS[["specimen__id", "line_name", "donor__species"]])


def test_the_environment_names_the_folder(manifest, monkeypatch):
    monkeypatch.setenv(settings.CELL_TYPES, str(manifest.parent))
    assert celltypes.tables()[0]["ri"].tolist() == [150.0, 90.0]


@pytest.mark.parametrize("lost", ["ephys_features.csv", "cells.json"])
def test_a_table_that_is_not_there_is_not_fetched(manifest, lost):
    (manifest.parent / lost).unlink()
    with pytest.raises(DataUnavailable, match=rf"{lost}, expected it in a filled CellTypesCache; call its get_cells"):
        celltypes.tables(manifest)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("manifest.json", "{", "which is no manifest of a CellTypesCache"),
    ("manifest.json", '{"manifest": [{"key": "CELLS", "spec": "cells.json"}]}', "KeyError: 'EPHYS_FEATURES'"),
    ("manifest.json", '{"manifest": [{"key": "EPHYS_FEATURES", "spec": ".", "parent_key": "EPHYS_FEATURES"}]}',
     "RecursionError"),
    ("cells.json", "<html>", "that CellTypesCache did not write"),
    ("ephys_features.csv", "", "that CellTypesCache did not write"),
    ("cells.json", "[]", "found no column 'specimen__id'"),
    ("ephys_features.csv", "ri\n150\n", "found no column 'specimen_id'"),
])
def test_what_is_not_a_cache_is_refused_in_a_sentence(manifest, name, content, message):
    (manifest.parent / name).write_text(content)
    with pytest.raises(DataUnavailable, match=message) as error:
        celltypes.tables(manifest)
    assert "\n" not in str(error.value)


def test_tables_lie_where_the_manifest_says(manifest):
    content = json.loads(manifest.read_text())
    content["manifest"][1]["spec"] = "elsewhere"
    manifest.write_text(json.dumps(content))
    (manifest.parent / "elsewhere").mkdir()
    for name in ("cells.json", "ephys_features.csv"):
        (manifest.parent / name).rename(manifest.parent / "elsewhere" / name)
    assert celltypes.tables(manifest)[0]["ri"].tolist() == [150.0, 90.0]


def test_no_cache_at_all_says_which_variable(tmp_path):
    with pytest.raises(DataUnavailable, match="found no .*manifest.json, expected the manifest .*HELPERS_CELL_TYPES"):
        celltypes.tables(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("species", "spiny", "aspiny"), [("mouse", 571, 459), ("human", 218, 54)])
def test_cells_by_their_dendrites(species, spiny, aspiny):
    table, specimens = celltypes.cell_types(species)
    assert table.index.equals(specimens.index) and table.index.is_unique
    measured = specimens["tag__dendrite_type"][table["threshold_v_rheo"].notna()]
    assert measured.value_counts()[["spiny", "aspiny"]].tolist() == [spiny, aspiny]
    assert list(table.columns) == [name for names in families.families("aligned").values() for name in names]
    assert set(table.columns[table.isna().all()]) == LEFT_OUT


def test_units_are_those_of_the_published_mouse_cells():
    table, specimens = celltypes.cell_types("mouse")
    theirs = table[(specimens["tag__dendrite_type"] == "aspiny").to_numpy()].median()
    ours = cohorts.load("mouse", "aligned").table
    low, high = ours.quantile(0.1), ours.quantile(0.9)
    given = theirs.dropna().index
    assert ((theirs >= low) & (theirs <= high))[given].all()
    assert table["latency_rheo"].dropna().between(0, 1.01).mean() > 0.99
