"""From simulated recordings to a cohort: the whole road, with real files, and what is refused on the way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from patchtype import families, taxonomy
from patchtype.__main__ import main
from patchtype.cohorts import DataUnavailable, load
from patchtype.cohorts.extracted import load as load_folder
from patchtype.recordings.text import from_csv

SCALARS = sorted({
    word for expression in families.features()["mouse_expression"].dropna() if "second_" not in expression
    for word in pd.Series(expression).str.findall(r"[a-z_]+[a-z]").item()
})


@pytest.fixture
def folder(tmp_path):
    """What ``extract`` leaves, for four cells: two good, one refused, one of another class."""
    cells = pd.DataFrame({
        "cell_id": [f"sub-{i // 2}_ses-{i}_icephys" for i in range(4)], "passed": [True, True, False, True],
        "explanation": ["", "", "found no spikes | found noise", ""], "species": "mouse",
        "subject_id": ["0", "0", "1", "1"],
    }).assign(**{name: np.arange(4.0) + 1 for name in SCALARS})
    cells.to_csv(tmp_path / "cells.csv", index=False)
    pd.DataFrame({"cell_id": cells["cell_id"], "subclass": ["Sst", "Vip", "Sst", "Meis2"]}).to_csv(
        tmp_path / "labels.csv", index=False)
    vectors = {family: np.add.outer(100 * np.arange(4), [k] * 3).astype(np.float32)
               for k, family in enumerate(families.VECTOR_FAMILIES)}
    np.savez(tmp_path / "families_paper.npz", cell_id=cells["cell_id"].to_numpy(str), **vectors)
    return tmp_path


def test_good_cells_stay_and_the_others_have_a_reason(folder):
    cohort = load_folder(folder, "mouse", "aligned", "simulated")
    assert cohort.cells["subclass"].tolist() == ["Sst", "Vip"] and cohort.source == "simulated"
    assert cohort.excluded["reason"].tolist() == ["found no spikes", "subclass Meis2 is not one of the task's"]
    assert cohort.donors.tolist() == ["mouse-0", "mouse-0"]


def test_scalars_are_converted_as_those_of_the_published_table(folder):
    table = load_folder(folder, "mouse", "aligned", "simulated").table
    assert table["tau"].tolist() == [0.001, 0.002]
    assert "width_rheo" not in table  # this folder lacks its column


def test_columns_of_the_second_table_are_used_where_they_are(folder):
    cells = from_csv(folder / "cells.csv").assign(rheo_width=0.0005, hero_first_isi=0.02)
    cells.to_csv(folder / "cells.csv", index=False)
    table = load_folder(folder, "mouse", "aligned", "simulated").table
    assert table["width_rheo"].tolist() == [0.0005] * 2 and table["first_isi_inv_hero"].tolist() == [50.0] * 2


def test_a_feature_that_no_cell_has_is_left_out_but_of_the_aligned_ones(folder):
    cells = from_csv(folder / "cells.csv").assign(sag=np.nan)
    cells.to_csv(folder / "cells.csv", index=False)
    assert "sag" not in load_folder(folder, "mouse", "mouse", "simulated").table
    aligned = load_folder(folder, "mouse", "aligned", "simulated")
    assert aligned.table["sag"].isna().all() and "sag" in aligned.families["sag"]


def test_vector_families_become_the_same_type(folder):
    sequence = load_folder(folder, "mouse", "paper", "simulated").sequence()
    assert sequence.families == tuple(families.VECTOR_FAMILIES) and sequence.values.shape == (2, 12, 3)
    assert sequence.values[:, :, 0].tolist() == [list(range(12)), list(range(100, 112))]


def test_vectors_go_to_their_cells_whatever_their_order_and_a_cell_without_any_has_none(folder):
    with np.load(folder / "families_paper.npz") as arrays:
        turned = {name: values[[3, 1]] for name, values in arrays.items()}
    np.savez(folder / "families_paper.npz", **turned)
    table = load_folder(folder, "mouse", "paper", "simulated").table
    assert table.iloc[0].isna().all() and table.iloc[1].tolist()[::3] == list(range(100, 112))


def test_every_feature_that_recordings_gave_is_there_for_any_set(folder):
    cells = from_csv(folder / "cells.csv")
    names = families.features().index
    table = pd.DataFrame({name: np.arange(4.0) for name in names}).assign(cell_id=cells["cell_id"], sag=np.nan)
    table.to_csv(folder / "features.csv", index=False)
    human = load_folder(folder, "mouse", "human", "simulated")
    assert human.table["width_hero"].tolist() == [0.0, 1.0] and "sag" not in human.table
    assert load_folder(folder, "mouse", "aligned", "simulated").table["sag"].isna().all()


def test_a_cell_with_features_only_leaves_where_vectors_are_asked(folder):
    cells = from_csv(folder / "cells.csv")
    cells.assign(no_families=["", "found a step of 0.5 s | found no test pulse", "", ""]).to_csv(
        folder / "cells.csv", index=False)
    vectors = load_folder(folder, "mouse", "paper", "simulated")
    assert vectors.cells["subclass"].tolist() == ["Sst"]
    assert "found a step of 0.5 s" in vectors.excluded["reason"].tolist()
    assert len(load_folder(folder, "mouse", "aligned", "simulated")) == 2


@pytest.mark.parametrize(("lost", "message"), [
    ("cells.csv", "expected a folder made by `patchtype extract`"),
    ("labels.csv", "extract a folder that `simulate` made"),
])
def test_an_incomplete_folder_is_refused_in_a_sentence(folder, lost, message):
    (folder / lost).unlink()
    with pytest.raises(DataUnavailable, match=message):
        load_folder(folder, "mouse", "aligned", "simulated")


def test_a_folder_of_the_other_species_is_refused(folder):
    with pytest.raises(DataUnavailable, match="found no human cell among the 4"):
        load_folder(folder, "human", "aligned", "simulated")


def test_real_recordings_meet_the_published_labels(folder):
    """Sessions of the public metadata: the label is the T-type's first word."""
    sessions = {1003020741: None, 1003305489: None}
    cells = from_csv(folder / "cells.csv").head(2)
    cells["cell_id"] = [f"sub-1_ses-{session}_icephys" for session in sessions]
    cells.to_csv(folder / "cells.csv", index=False)
    cohort = load_folder(folder, "mouse", "aligned", "dandi")
    every = pd.concat([cohort.cells, cohort.excluded])
    published = load("mouse")
    known = pd.concat([published.cells, published.excluded])["subclass"]
    for session in sessions:
        ours = every.loc[f"sub-1_ses-{session}_icephys", "subclass"]
        theirs = known[f"mouse-{session}"]
        assert ours == theirs or (pd.isna(ours) and pd.isna(theirs))


def test_without_a_named_folder_the_sentence_says_which_variable(monkeypatch):
    monkeypatch.delenv("HELPERS_DANDI", raising=False)
    with pytest.raises(DataUnavailable, match="HELPERS_DANDI is not set"):
        load("mouse", source="dandi")


def test_a_folder_without_the_asked_families_is_refused(folder):
    with pytest.raises(DataUnavailable, match="found no families_official.npz in .*choose the paper's, or"):
        load_folder(folder, "mouse", "official", "simulated")


@pytest.mark.slow
def test_simulate_extract_and_load(tmp_path, monkeypatch, capsys):
    """The commands of the README, then the cohort that a chapter would read."""
    assert main(["simulate", "--cells", "4", "--out", str(tmp_path / "nwb"), "--bad-share", "0.25"]) == 0
    assert main(["extract", str(tmp_path / "nwb"), "--out", str(tmp_path / "out"), "--jobs", "0"]) == 0
    monkeypatch.setenv("HELPERS_SIMULATED", str(tmp_path / "out"))
    cohort = load("mouse", "paper", source="simulated")
    assert len(cohort) + len(cohort.excluded) == 4 and len(cohort) >= 2
    assert sum(map(len, cohort.families.values())) == 2005
    assert np.isfinite(cohort.x).all()
    assert set(cohort.classes) == set(taxonomy.MOUSE_SUBCLASSES)
