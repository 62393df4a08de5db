"""What becomes of cells that the classifier was not made for."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from patchtype import cohorts
from patchtype.__main__ import main
from patchtype.classify import fitting, guard, strangers, training
from patchtype.classify.classifier import load, shipped
from patchtype.cohorts import external
from patchtype.evaluation import archive
from patchtype.taxonomy import SPECIES
from tests.classify.conftest import kept_predictions


def first(n):
    """The same groups, their first cells only."""
    return lambda species, groups=strangers.strangers: ((name, table.head(n)) for name, table in groups(species))


@pytest.fixture(scope="module")
def kept():
    """The nested predictions of the shipped human classifier."""
    return kept_predictions("human")


def test_every_group_has_the_features_of_the_classifier_and_all_verdicts_add_up(monkeypatch):
    monkeypatch.setattr(strangers, "strangers", first(20))
    table = strangers.met(load("human"))
    assert table[["unlike", "excitatory", "undecided", "answered"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert {"human excitatory cells (spiny dendrites)", "mouse interneurons"} <= set(table.index)
    assert (table.loc[list(strangers.WRONG_UNITS), "unlike"] == 1).all()
    assert table.loc["passive and sag only", "answered"] == 0


def test_groups_whose_files_cannot_be_had_are_left_out(monkeypatch):
    def nowhere(species, feature_set):
        raise cohorts.DataUnavailable("offline")
    monkeypatch.setattr(guard, "cell_types", nowhere)
    names = [name for name, _ in strangers.strangers("mouse")]
    assert names[0] == "human interneurons" and not any("spiny" in name for name in names)


def test_damaged_cells_differ_from_the_published_ones_only_where_they_should():
    groups, own = dict(strangers.strangers("human")), cohorts.load("human", "human").table
    pd.testing.assert_series_equal(groups["potentials × 1,000"]["v_baseline"], 1000 * own["v_baseline"])
    pd.testing.assert_series_equal(groups["potentials × 1,000"]["tau"], own["tau"])
    silent = groups["passive and sag only"]
    assert silent["threshold_v_rheo"].isna().all()
    pd.testing.assert_series_equal(silent["tau"], own["tau"])


def test_models_writes_weights_and_a_card_and_a_missing_table_writes_nothing(tmp_path, monkeypatch, capsys, kept):
    monkeypatch.setattr(strangers, "strangers", first(5))
    monkeypatch.setattr(training, "make", lambda species: (load(species), kept))  # training is tested beside it
    monkeypatch.setenv("HELPERS_SCIENCE", str(tmp_path / "science"))
    assert main(["models", "--species", "human", "--out", str(tmp_path / "made"), "--keep", "--json"]) == 0
    assert {p.name for p in (tmp_path / "made").iterdir()} == {"human.safetensors", "human.json", "CARD.md"}
    again = archive.load("classifier_human", fitting.load("human"))
    assert again["margin"].to_numpy() == pytest.approx(kept["margin"].to_numpy())
    assert "steps only" in json.loads(capsys.readouterr().out)["figures"]["human"]

    def nowhere(species):
        raise cohorts.DataUnavailable("no tables here")
    monkeypatch.setattr(training, "make", nowhere)
    assert main(["models", "--out", str(tmp_path / "not")]) == 3
    assert capsys.readouterr().err == "No data: no tables here\n" and not (tmp_path / "not").exists()


# --- excitatory cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("species", SPECIES)
def test_no_donor_is_on_two_sides(species):
    every, own = guard.specimens(species), set(cohorts.load(species, "aligned").donors)
    made, measured = set(every.learnt.donors), set(every.held_out.donors)
    assert not made & measured and not (made | measured) & own
    assert len(every.learnt.donors) + len(every.held_out.donors) == len(every.donors)
    assert every.learnt.spiny.any() and not every.learnt.spiny.all()


def test_the_guard_reads_only_what_the_database_gives():
    model = load("mouse")
    table = guard.specimens("mouse").held_out.table.head(9)
    absent = [name for name in model.features if table[name].isna().all()]
    assert "width_rheo" in absent
    changed = table.assign(**dict.fromkeys(absent, 1.0))
    before, after = (strangers.scored(model, t, None)["margin"] for t in (table, changed))
    pd.testing.assert_series_equal(before, after)


@pytest.mark.parametrize(("species", "found", "alarms"), [("mouse", 0.9, 0.1), ("human", 0.8, 0.4)])
def test_most_excitatory_cells_of_new_donors_get_no_answer(species, found, alarms):
    model, others = load(species), guard.specimens(species).held_out
    said, judgement = strangers.scored(model, others.table, others.donors), model.judgements[strangers.STEPS]
    excitatory = (said["margin"] > judgement.margin_limit).to_numpy()
    silent = excitatory | (said["distance"] > judgement.distance_limit).to_numpy()
    assert silent[others.spiny].mean() > found > silent[~others.spiny].mean() + 0.4
    assert excitatory[~others.spiny].mean() < alarms


def test_a_guard_on_fewer_features_ranks_the_cells_of_another_laboratory():
    known, (strange, animals) = external.motor(), external.motor_excitatory()
    assert not set(known.table.index) & set(strange.index) and len(strange) == len(animals) > 300
    rows = strangers._motor(load("mouse"))
    assert {flag for _, flag in rows} == {"unlike", "excitatory"} and len(rows) == 3
    (name,) = (name for name, _ in rows if "made anew on the 11 features" in name)
    groups, shares = rows[name, "excitatory"]
    assert len(groups[2]) == len(strange) and np.isnan(shares["flagged"])
    assert guard.detection(*groups, 0.05, draws=5)["auc"] > 0.8


def test_detection_by_hand():
    known, strange = np.arange(100.0), np.array([94.0, 95.0, 96.0, 200.0])
    found = guard.detection(known, np.repeat(np.arange(20), 5), strange, list("abcd"), 0.05, draws=50)
    assert found["cells"] == 4 and found["found"] == 0.5
    assert found["auc"] == pytest.approx((94.5 + 95.5 + 96.5 + 100) / 400)
    assert found["found_low"] <= 0.5 <= found["found_high"] and found["auc_low"] <= found["auc"] <= found["auc_high"]


def test_the_area_is_that_of_scikit_learn_with_ties_and_infinite_scores():
    rng = np.random.default_rng(0)
    known, strange = rng.integers(9, size=60).astype(float), rng.integers(4, 12, size=30).astype(float)
    area = roc_auc_score(np.repeat([0, 1], [60, 30]), np.r_[known, strange])
    strange[strange == 11] = np.inf
    found = guard.detection(known, np.arange(60), strange, np.arange(30), 0.05, draws=2)
    assert found["auc"] == pytest.approx(area)


def test_one_donor_a_side_leaves_nothing_to_draw():
    found = guard.detection([0, 1], ["a", "a"], [2, 3], ["b", "b"], 0.05, draws=5)
    assert (found["auc_low"], found["auc"], found["auc_high"]) == (1, 1, 1)


def test_the_card_says_what_the_flags_find(kept):
    table = strangers.detected(load("human"), kept)
    text = (shipped() / "CARD.md").read_text("utf-8")
    row = table.loc[("published interneurons", "excitatory")]
    assert f"| excitatory | published interneurons | {row['auc']:.3f} (" in text


# --- other laboratories --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_card_has_the_rows_of_other_laboratories():
    table, text = strangers.elsewhere(load("mouse")), (shipped() / "CARD.md").read_text("utf-8")
    for name in ("motor", "cell types", "layer 1"):
        assert table.loc[name, "cells"] == len(external.load(name))
        assert f"| {name} | {int(table.loc[name, 'cells']):,} | {table.loc[name, 'macro_f1']:.3f} |" in text
    assert table.loc["motor", "answered"] == 0  # it gives a third of the features
    away, home = (table.loc[f"motor, {how}", "macro_f1"]
                  for how in ("made anew on its 13 features", "the same trained there"))
    assert 0.75 < away < home < 0.95 and table.loc["cell types", "accuracy_answered"] > 0.9
    assert len(strangers.elsewhere(load("human"))) == 0


def test_models_for_another_set_have_not_seen_its_animals(monkeypatch):
    seen, donors = [], external.load("layer 1").donors
    monkeypatch.setattr(fitting.Models, "fit", lambda cohort, *_: seen.append(set(cohort.donors)))
    table = fitting.load("mouse").table.head(3)
    strangers._unacquainted(load("mouse"), table, donors)
    assert seen and not seen[0] & set(donors) and seen[0] < set(fitting.load("mouse").donors)
    assert strangers._unacquainted(load("mouse"), table, ["nobody"]) is load("mouse")


def test_strangers_are_of_donors_that_the_guard_has_not_learnt_from(monkeypatch, kept):
    every = guard.specimens("human")
    groups = dict(strangers.strangers("human"))
    met = pd.concat([table for name, table in groups.items() if "dendrites" in name or "control" in name]).index
    assert set(met) == set(every.held_out.table.index) and not set(met) & set(every.learnt.table.index)
    counted = strangers.detected(load("human"), kept, draws=2)
    assert set(counted["cells"]) == {int(every.held_out.spiny.sum())}
