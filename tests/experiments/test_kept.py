"""Kept experiments: whole, about the cells they should be, and made again by the code that stands beside them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from patchtype.evaluation import archive
from patchtype.evaluation.final import is_final
from patchtype.evaluation.predictions import as_tables, one_fold
from patchtype.experiments import better_model, goals, human_to_mouse, kept, layer, nearby, networks
from patchtype.experiments.experiment import Experiment, everyone, load
from patchtype.experiments.transfer import base
from patchtype.experiments.transfer import run as run_method
from patchtype.models.ensemble import discriminant
from tests.models.conftest import make_cohort

COHORT = make_cohort(n=120)
KEYS = ["model", "size", "repeat", "fold", "cell"]


@cache
def published():
    return load()


def kept_or_skip(name):
    if name not in archive.kept():
        pytest.skip(f"{name} is not kept")
    return kept.EXPERIMENTS[name].kept(name, published())


@pytest.mark.parametrize("name", kept.EXPERIMENTS)
def test_a_kept_experiment_names_every_tested_cell_once(name):
    predictions = kept_or_skip(name)
    keys = [key for key in KEYS if key in predictions]
    assert not predictions.duplicated(keys).any()
    experiment = kept.EXPERIMENTS[name]
    tested = predictions.groupby([key for key in keys if key not in ("fold", "cell")])["cell"].nunique()
    cells = len(experiment.cells(published()))
    assert (tested == (round(0.2 * cells) if name == "networks_mouse" else cells)).all()


@pytest.mark.parametrize("name", [name for name in kept.EXPERIMENTS if not name.startswith("networks")])
def test_no_final_donor_is_scored_by_an_experiment_that_is_not_the_papers(name):
    assert not any(is_final(donor) for donor in kept.EXPERIMENTS[name].cells(published()).donors)


def agree(anew: pd.DataFrame, name: str, predictions: pd.DataFrame, steps: int):
    """The same names, and probabilities that differ by no more than they are rounded by."""
    keys = [key for key in KEYS if key in predictions and key in anew]
    both = anew.merge(predictions, on=keys, suffixes=("", "_kept"), validate="1:1")
    assert len(both) == len(anew) > 0, name
    assert (both["predicted"] == both["predicted_kept"]).all(), name
    for column in (c for c in anew if c.startswith("p_")):
        assert np.abs(both[column] - both[f"{column}_kept"]).max() <= 0.5 / steps + 1e-3, (name, column)


#: One quick piece of each, by its place.
PIECES = {"networks_mouse": 5, "layer_human": 1, "human_to_mouse": 0, "human_to_mouse_no_label": 0,
          "nearby_settings": 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", PIECES)
def test_a_piece_made_anew_is_the_one_that_was_kept(name):
    predictions, experiment = kept_or_skip(name), kept.EXPERIMENTS[name]
    piece = next(islice(experiment.pieces(published(), experiment.cells(published())), PIECES[name], None))
    agree(piece(), name, predictions, experiment.steps)


@pytest.mark.slow
def test_a_network_on_human_cells_made_anew_says_what_was_kept():
    """On another processor a training may end elsewhere, so not every name need be the same."""
    name, human = "attention, family embedding", published()["human"]
    fold = next(networks.FOLDS.folds(human))
    anew = one_fold(name, networks.networks(networks.HUMAN_VALIDATION)[name], human, fold)
    both = anew.merge(kept_or_skip("networks_human"), on=["model", "repeat", "fold", "cell"], validate="1:1")
    assert len(both) == len(fold.test) and (both["predicted_x"] == both["predicted_y"]).mean() > 0.9


@pytest.mark.slow
def test_a_member_of_the_better_model_made_anew_is_the_one_that_was_kept():
    name, human = "better_human", published()["human"]
    cells = better_model.cells_of(name, human)
    fold = next(better_model.development("human").folds(cells))
    anew = one_fold("average / discriminant", discriminant, cells, fold)
    agree(anew, name, archive.load(name, cells), archive.STEPS)


@pytest.mark.slow
def test_a_method_of_transfer_made_anew_is_the_one_that_was_kept():
    human = published()["human"]
    anew, _ = run_method("pooled_coral", published()["mouse aligned"], human, base(), (50,), first=1)
    agree(anew, "transfer_pooled_coral", archive.load("transfer_pooled_coral", human), archive.STEPS)


def test_a_run_that_stopped_goes_on_with_the_next_piece(tmp_path, monkeypatch, capsys):
    """The second run makes no piece that the first one made, and keeps what an unbroken run keeps."""
    made, broken = [], [True]

    def piece(number):
        def make():
            if broken and number == 2:
                raise KeyboardInterrupt
            made.append(number)
            p = np.full((len(COHORT), 4), 0.25)
            return as_tables(f"model {number}", everyone(COHORT), COHORT, p)

        return make

    experiment = Experiment(lambda data: COHORT, "all cells", lambda data, cells: map(piece, range(4)))
    monkeypatch.setattr(kept, "load", lambda source: {})
    monkeypatch.setattr(kept, "EXPERIMENTS", {"layer_human": experiment})
    monkeypatch.setenv("HELPERS_BUILD", str(tmp_path / "build"))
    from patchtype.__main__ import main
    call = ["experiments", "layer_human", "--out", str(tmp_path / "kept")]
    assert main(call) == 130 and not list((tmp_path).glob("kept/*"))
    broken.clear()
    assert main(call) == 0 and made == [0, 1, 2, 3]
    assert set(archive.load("layer_human", COHORT, tmp_path / "kept")["model"]) == {f"model {n}" for n in range(4)}
    assert main(call) == 0 and made == [0, 1, 2, 3] and "kept" in capsys.readouterr().out.splitlines()[-1]
    assert not list((tmp_path / "build" / "experiments").iterdir())


def test_layers_dealt_out_anew_are_the_same_layers_on_other_cells():
    cells = COHORT.cells.assign(condition="acute", days_in_culture=0.0, layer="2_3", age_years=50.0)
    cells.loc[cells.index[:40], "layer"] = "5"
    cells.loc[cells.index[40:45], "layer"] = None
    cohort = replace(COHORT, cells=cells)
    told, dealt = layer.with_layer(cohort), layer.with_layer(cohort, seed=1)
    assert told.table["layer_depth"].iloc[[0, 50]].tolist() == [5.0, 2.5]
    assert told.table["layer_depth"].isna().sum() == 5 and list(told.families)[-1] == "layer"
    depth, other = told.table["layer_depth"], dealt.table["layer_depth"]
    assert depth.value_counts(dropna=False).equals(other.value_counts(dropna=False)) and not depth.equals(other)
    assert layer.with_layer(cohort, seed=1).table.equals(dealt.table)
    assert told.table[COHORT.table.columns].equals(COHORT.table)


def test_the_chapters_own_setting_is_among_those_near_it():
    own = nearby.ZeroShot()
    assert nearby.SETTINGS[nearby.OWN] == {"threshold": own.threshold, "sncg": own.sncg, "share": own.share}
    assert len(nearby.SETTINGS) == 45
    assert human_to_mouse.NEARBY[human_to_mouse.OWN] == {"threshold": own.threshold, "share": own.share}


def test_the_papers_mouse_protocol():
    """Sixty, twenty and twenty percent of the mouse cells, in ten runs."""
    cells = make_cohort(n=500)
    folds = list(networks.HOLD_OUT.folds(cells))
    inner, held = networks.networks(networks.VALIDATION)["attention"](0)._split(cells.take(folds[0].train))
    assert (len(folds), len(folds[0].test), len(inner), len(held)) == (10, 100, 300, 100)


@pytest.mark.slow
def test_a_goal_scored_on_the_donors_that_chose_the_method_gets_no_verdict_but_tuned():
    table = goals.table(published())
    tuned = table["scored on"].str.startswith("development")
    assert (table.loc[tuned, "verdict"] == goals.TUNED).all() and tuned.sum() >= 3
    assert not table.loc[~tuned, "verdict"].eq(goals.TUNED).any()
    assert set(table["covers"]) == {goals.FOLDS, goals.DONORS}
