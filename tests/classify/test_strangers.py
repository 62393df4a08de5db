"""What becomes of cells that the classifier was not made for."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import cohorts
from helpers.__main__ import main
from helpers.classify import strangers, training
from helpers.classify.classifier import FEATURES, load


def first(n):
    """The same groups, their first cells only."""
    return lambda species, groups=strangers.strangers: ((name, table.head(n)) for name, table in groups(species))


def test_every_group_has_the_features_of_the_classifier_and_all_verdicts_add_up(monkeypatch):
    monkeypatch.setattr(strangers, "strangers", first(20))
    table = strangers.met(load("human"))
    assert table[["unlike", "undecided", "answered"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert {"human excitatory cells (spiny dendrites)", "mouse interneurons"} <= set(table.index)
    assert (table.loc[list(strangers.WRONG_UNITS), "unlike"] == 1).all()
    assert table.loc["passive and sag only", "answered"] == 0


def test_groups_whose_files_cannot_be_had_are_left_out(monkeypatch):
    def nowhere(species):
        raise cohorts.DataUnavailable("offline")
    monkeypatch.setattr(strangers, "cell_types", nowhere)
    names = [name for name, _ in strangers.strangers("mouse")]
    assert names[0] == "human interneurons" and not any("spiny" in name for name in names)


def test_damaged_cells_differ_from_the_published_ones_only_where_they_should():
    groups, own = dict(strangers.strangers("human")), cohorts.load("human", FEATURES).table
    pd.testing.assert_series_equal(groups["potentials × 1,000"]["v_baseline"], 1000 * own["v_baseline"])
    pd.testing.assert_series_equal(groups["potentials × 1,000"]["tau"], own["tau"])
    assert groups["no ramp"]["threshold_v_ramp"].isna().all()
    pd.testing.assert_series_equal(groups["no ramp"]["tau"], own["tau"])


def test_models_writes_weights_and_a_card_and_a_missing_table_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(strangers, "strangers", first(5))
    monkeypatch.setattr(training, "make", load)  # training itself is tested beside it
    assert main(["models", "--species", "human", "--out", str(tmp_path / "made")]) == 0
    assert {p.name for p in (tmp_path / "made").iterdir()} == {"human.safetensors", "human.json", "CARD.md"}
    assert "human: macro-F1" in capsys.readouterr().out

    def nowhere(species):
        raise cohorts.DataUnavailable("no tables here")
    monkeypatch.setattr(training, "make", nowhere)
    assert main(["models", "--out", str(tmp_path / "not")]) == 3
    assert capsys.readouterr().err == "No data: no tables here\n" and not (tmp_path / "not").exists()
