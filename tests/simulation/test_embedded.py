"""The embedded cohort: what is committed is whole, small, labelled, and what the command makes again."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from patchtype import families, taxonomy
from patchtype.cohorts import load
from patchtype.evaluation import CrossValidation, evaluate, summary
from patchtype.models.table import random_forest
from patchtype.recordings import defects, results
from patchtype.recordings.text import from_csv
from patchtype.simulation import cell as simulation
from patchtype.simulation import embedded

#: How near a cell made again must come. The same libraries on one kind of processor give the same values; another
#: processor rounds otherwise, which may move a sample of the converter by one step.
RELATIVE, ABSOLUTE = 2e-3, 2 * simulation.ADC_MV


@pytest.fixture(autouse=True)
def no_other_folder(monkeypatch):
    monkeypatch.delenv("HELPERS_SIMULATED", raising=False)


@pytest.fixture(scope="module")
def made():
    return json.loads((embedded.FOLDER / "made.json").read_text())


@pytest.fixture(scope="module")
def labels():
    return pd.read_csv(embedded.FOLDER / "labels.csv").fillna({"defect": ""})


@pytest.fixture(scope="module")
def table():
    return from_csv(embedded.FOLDER / "cells.csv")


# --- what is committed -----------------------------------------------------------------------------------

def test_it_says_how_it_was_made(made, labels):
    assert made["simulator"] == simulation.VERSION, "the simulator changed; run `patchtype embed`"
    assert made["planned"] == embedded.PLANNED and made["bad_share"] == embedded.BAD_SHARE
    assert made["cells"] == labels["species"].value_counts().to_dict() == embedded.CELLS
    rows = pd.DataFrame(embedded.rows(made["cells"], made["seed"]))
    pd.testing.assert_frame_equal(labels, rows)


def test_it_is_smaller_than_ten_megabytes():
    assert sum(path.stat().st_size for path in embedded.FOLDER.iterdir()) < 10e6


def test_bad_cells_and_only_they_are_refused_with_their_reason(table, labels):
    both = table.merge(labels[["cell_id", "defect"]], on="cell_id", validate="1:1")
    assert len(both) == len(table) == len(labels)
    broken = both["defect"] != ""
    assert broken.sum() > 15 and set(both.loc[broken, "defect"]) <= set(defects.ALL)
    assert both.loc[broken, "defect"].nunique() > 8
    assert (both.loc[broken, "reasons"].str.split(";").str[0] == both.loc[broken, "defect"]).mean() > 0.9
    assert both.loc[~broken, "passed"].mean() > 0.95  # a drawn neuron may fail for a real reason


@pytest.mark.parametrize("species", taxonomy.SPECIES)
@pytest.mark.parametrize("features", ["aligned", "mouse", "paper"])
def test_it_loads_as_a_cohort(species, features):
    features = species if features == "mouse" else features
    cohort = load(species, features, source="simulated")
    assert cohort.source == "simulated"
    assert cohort.counts().min() >= 5  # folds of five need them
    assert len(cohort.excluded) and cohort.excluded["reason"].str.len().min() > 0
    if features == "paper":
        assert tuple(cohort.families) == tuple(families.VECTOR_FAMILIES)
        assert [len(m) for m in cohort.families.values()] == [w for _, w in families.VECTOR_FAMILIES.values()]
        assert np.isfinite(cohort.x).mean() > 0.99  # a cell with few spikes may lack a family, with a note


def test_proportions_are_those_of_the_published_tables(labels):
    for species, cells in labels.groupby("species"):
        classes = simulation.populations()[species]
        share = pd.Series({name: c["share"] for name, c in classes.items()}, dtype=float)
        found = cells["subclass"].value_counts(normalize=True).reindex(share.index)
        assert (found - share / share.sum()).abs().max() < 3 * 0.5 / np.sqrt(len(cells))  # three standard errors


@pytest.mark.slow
@pytest.mark.parametrize("species", taxonomy.SPECIES)
def test_a_forest_finds_it_about_as_hard_as_real_cells(species):
    """Macro-F1 of the book's random forest in five folds, beside that on as many cells of the published table."""
    made, real, protocol = load(species, "aligned", source="simulated"), load(species, "aligned"), CrossValidation(5, 1)
    real = real.take(np.sort(np.random.default_rng(0).permutation(len(real))[:len(made)]))
    scores = [summary(evaluate({"forest": random_forest}, cohort, protocol), protocol).loc["forest", "macro_f1"]
              for cohort in (made, real)]
    assert scores[0] == pytest.approx(scores[1], abs=0.1)


# --- how it is made --------------------------------------------------------------------------------------

@pytest.mark.slow
def test_three_cells_made_again_are_the_same(labels, table, made, tmp_path):
    good = labels[labels["cell_id"].isin(table.loc[table["passed"], "cell_id"])]
    chosen = [good[(good["species"] == s) & (good["subclass"] == c)].iloc[0].to_dict()
              for s, c in (("mouse", "Sst"), ("mouse", "Vip"), ("human", "Lamp5"))]
    with np.load(embedded.FOLDER / "families_paper.npz", allow_pickle=False) as arrays:
        committed = dict(arrays.items())
    for row in chosen:
        (tmp_path / "cell.npz").write_bytes(embedded.made(row))
        [again] = results.unpacked(tmp_path / "cell.npz")
        place = int(np.flatnonzero(committed["cell_id"] == row["cell_id"])[0])
        for family, values in again.paper.items():
            np.testing.assert_allclose(committed[family][place], values, RELATIVE, ABSOLUTE, err_msg=family)
        before = table.set_index("cell_id").loc[row["cell_id"], list(again.scalars)].astype(float)
        np.testing.assert_allclose(before, list(again.scalars.values()), RELATIVE, 1e-6, err_msg=row["cell_id"])


def test_a_smaller_cohort_is_the_beginning_of_a_larger_one():
    small, large = (embedded.rows({"mouse": n, "human": n // 2}, seed=3) for n in (4, 8))
    assert [r for r in large if r["number"] < (4 if r["species"] == "mouse" else 2)] == small


@pytest.mark.parametrize("n", [0, 1001])
def test_a_size_beyond_the_plan_is_refused(n):
    with pytest.raises(ValueError, match=f"found {n} mouse cells, expected 1 to 1000"):
        embedded.rows({"mouse": n})


def test_rounding_keeps_digits_gaps_and_zeros():
    values = np.array([0.0, -70.03125, 3.21e-4, np.nan, 1e4])
    kept = embedded.rounded(values)
    assert kept.dtype == np.float32 and np.isnan(kept[3]) and kept[0] == 0
    np.testing.assert_allclose(kept, values, rtol=2.0 ** -embedded.BITS)


def fake(row: dict) -> bytes:
    """A refused cell, at once."""
    from patchtype.recordings.cell import Cell

    cell = Cell(row["cell_id"], species=row["species"], subject_id=row["subject_id"])
    cell.verdict.add("no_spikes", "found none")
    return results.packed([cell])


def test_a_stopped_run_goes_on_and_does_nothing_twice(tmp_path, monkeypatch):
    calls = []

    def stopping(row):
        calls.append(row["cell_id"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fake(row)

    monkeypatch.setattr(embedded, "made", stopping)
    arguments = {"out": tmp_path / "out", "work": tmp_path / "work", "cells": {"mouse": 3, "human": 2}}
    with pytest.raises(KeyboardInterrupt):
        embedded.embed(**arguments)
    assert not (tmp_path / "out").exists()
    table = embedded.embed(**arguments)
    assert len(table) == 5 and len(calls) == 6 and len(set(calls)) == 5
    assert json.loads((tmp_path / "out" / "made.json").read_text())["command"] \
        == f"patchtype embed --mouse 3 --human 2 --seed {embedded.SEED}"
    with pytest.raises(ValueError, match="found cells of another seed or simulator in .*; use another folder"):
        embedded.embed(**arguments, seed=1)
