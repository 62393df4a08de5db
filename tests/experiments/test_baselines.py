"""What chapters 4 to 6 read from `science` is what their models say, for the cells and folds that it was made of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from patchtype import cohorts
from patchtype.evaluation import CrossValidation, archive, evaluate
from patchtype.evaluation.predictions import one_fold
from patchtype.experiments import baselines, suite
from patchtype.experiments.regimes import regimes
from patchtype.models.table import BASELINES
from tests.models.conftest import make_cohort

FAST = {name: BASELINES[name] for name in ("logistic regression", "support vectors")}


def first_fold(table: pd.DataFrame, models) -> pd.DataFrame:
    """Rows of the first fold, model after model."""
    part = table[(table["repeat"] == 0) & (table["fold"] == 0)]
    return pd.concat([part[part["model"] == model] for model in models], ignore_index=True)


def assert_regenerated(kept: pd.DataFrame, made: pd.DataFrame, cohort) -> None:
    named = ["model", "repeat", "fold", "cell", "true", "predicted"]
    pd.testing.assert_frame_equal(kept[named], made.reset_index(drop=True)[named])
    probabilities = [f"p_{c}" for c in cohort.classes]
    difference = np.abs(kept[probabilities].to_numpy() - made[probabilities].to_numpy())
    assert difference.max() < 0.5 / archive.STEPS + 1e-3


@pytest.mark.parametrize("species", ["mouse", "human"])
@pytest.mark.parametrize("protocol", baselines.PROTOCOLS, ids=str)
def test_quick_models_say_again_what_is_kept(species, protocol):
    cohort = cohorts.load(species, species)
    kept = archive.recall(baselines.kept_as(cohort, protocol), cohort, protocol)
    fold = next(iter(protocol.folds(cohort)))
    made = pd.concat(one_fold(name, build, cohort, fold) for name, build in FAST.items())
    assert_regenerated(first_fold(kept, FAST), made, cohort)
    assert set(kept["model"]) == set(baselines.MODELS)


@pytest.mark.parametrize("inputs", suite.KEPT)
def test_a_network_says_again_what_is_kept(inputs):
    """The quickest regime; on another processor a training may end elsewhere, so only names are compared."""
    mouse, human = (cohorts.load(species, "aligned") for species in ("mouse", "human"))
    protocol = CrossValidation(5, 1)
    kept = suite.out_of_fold(mouse.four_classes(), human, protocol, inputs, epochs=0)
    fold = next(iter(protocol.folds(human)))
    made = one_fold("human only", regimes(mouse, {}, inputs=inputs)["human only"], human, fold)
    again = first_fold(kept, ["human only"])
    assert list(again["cell"]) == list(made["cell"])
    assert (again["predicted"].to_numpy() == made["predicted"].to_numpy()).mean() > 0.9


def test_kept_predictions_are_those_of_the_asked_folds_cells_and_features(tmp_path):
    cohort = make_cohort()
    two = CrossValidation(3, 2, seed=5)
    archive.keep("quick", evaluate(FAST, cohort, two), two, tmp_path, cohort=cohort)
    one = CrossValidation(3, 1, seed=5)
    pd.testing.assert_frame_equal(
        archive.recall("quick", cohort, one, tmp_path)[["model", "cell", "fold", "predicted"]],
        evaluate(FAST, cohort, one)[["model", "cell", "fold", "predicted"]])
    for other in (CrossValidation(3, 1, seed=6), CrossValidation(3, 3, seed=5), CrossValidation(4, 1, seed=5),
                  CrossValidation(3, 1, grouped=True, seed=5)):
        with pytest.raises(archive.ArchiveError, match="that quick does not hold"):
            archive.recall("quick", cohort, other, tmp_path)
    renamed = dataclasses.replace(cohort, table=cohort.table.rename(columns={cohort.table.columns[0]: "new"}))
    with pytest.raises(archive.ArchiveError, match="found other features than quick was run on"):
        archive.recall("quick", renamed, one, tmp_path)


def test_cells_that_nobody_kept_are_run_here(monkeypatch):
    monkeypatch.setattr(baselines, "MODELS", FAST)
    cohort, protocol = make_cohort(), CrossValidation(3, 1)
    pd.testing.assert_frame_equal(baselines.out_of_fold(cohort, protocol), evaluate(FAST, cohort, protocol))
