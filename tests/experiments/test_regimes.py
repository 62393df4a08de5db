"""The three regimes: one argument from the paper's setting to the matched one, one pretraining a repeat."""

from __future__ import annotations

import numpy as np
import pytest

from patchtype.evaluation import CrossValidation, evaluate
from patchtype.experiments.regimes import REGIMES, STOP_ON, pretrain, regimes
from patchtype.models.training import Plan
from tests.models.conftest import make_cohort

MOUSE = make_cohort(n=300, seed=2)


@pytest.fixture(scope="module")
def donors():
    return pretrain(MOUSE, 2, epochs=1)


@pytest.mark.parametrize(("setting", "scores"), [
    ("matched", ["macro_f1", "macro_f1", "macro_f1"]), ("paper", ["accuracy", "macro_f1", "macro_f1"])])
def test_settings_differ_in_what_stops_each_regime_and_in_nothing_else(setting, scores, donors):
    built = {name: build(0) for name, build in regimes(MOUSE, donors, setting, plan=Plan(epochs=2)).items()}
    assert list(built) == ["human only", "pretrained", "joint"]
    assert [model.plan for model in built.values()] == [Plan(epochs=2, stop_on=score) for score in scores]
    assert [model.pretrained is donors[0] for model in built.values()] == [False, True, False]
    assert [model.partner is not None for model in built.values()] == [False, False, True]


def test_the_score_that_stops_training_is_that_of_every_stage(donors):
    cohort = make_cohort(n=120, seed=1)
    for name, build in regimes(MOUSE, donors, "paper", epochs=1).items():
        for epoch in build(0).fit(cohort).history:
            assert STOP_ON["paper"][name] in epoch


def test_folds_of_a_repeat_share_one_pretrained_model(donors):
    build = regimes(MOUSE, donors)["pretrained"]
    assert build(0).pretrained is build(4).pretrained is donors[0]
    assert build(1002).pretrained is donors[1]


def test_all_regimes_run_on_the_same_folds_in_processes_as_in_one(donors):
    cohort, protocol = make_cohort(n=120, seed=1), CrossValidation(3, 1)
    models = regimes(MOUSE, donors, epochs=1)
    alone, spread = evaluate(models, cohort, protocol), evaluate(models, cohort, protocol, n_jobs=2)
    assert list(alone["model"].unique()) == list(REGIMES)
    columns = [f"p_{c}" for c in cohort.classes]
    np.testing.assert_allclose(alone[columns], spread[columns], rtol=1e-5)


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="found stopping='fair', expected one of"):
        regimes(MOUSE, {}, "fair")
