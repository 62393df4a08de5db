"""The better model: who is trained on and who is tested in each of its runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from patchtype.evaluation.final import is_final, split
from patchtype.evaluation.metrics import fold_scores
from patchtype.experiments import better_model, goals
from tests.models.conftest import make_cohort

OWN = make_cohort(n=300)
FINAL = {donor for donor in OWN.donors if is_final(donor)}


class Witness:
    """A model that notes the donors of each fit and of each question."""

    def __init__(self, calls):
        self.calls = calls

    def fit(self, cohort):
        self.calls.append(("fit", set(cohort.donors)))
        return self

    def predict_proba(self, cohort):
        self.calls.append(("ask", set(cohort.donors)))
        return np.full((len(cohort), 4), 0.25)


@pytest.fixture
def calls(monkeypatch):
    calls = []
    build = {"average": lambda seed: Witness(calls)}
    monkeypatch.setattr(better_model, "candidates", lambda species, partner: build)
    monkeypatch.setattr(better_model, "TABLE_MEMBERS", dict.fromkeys(better_model.QUICK_MEMBERS, build["average"]))
    return calls


@pytest.mark.parametrize("run", [better_model.run_development, better_model.run_pool])
def test_no_final_donor_takes_part_in_development(run, calls):
    predictions, protocol, cells = run("human", OWN, OWN)
    assert FINAL and not any(donors & FINAL for _, donors in calls)
    assert set(predictions["cell"]) == set(cells.cells.index) == set(OWN.cells.index[~np.isin(OWN.donors, list(FINAL))])
    assert protocol.grouped and protocol.n_splits == 5


def test_the_final_score_is_of_final_donors_by_a_model_that_saw_all_others_and_none_of_them(calls):
    predictions, _, cells = better_model.run_final("human", OWN, OWN)
    assert calls == [("fit", set(OWN.donors) - FINAL), ("ask", FINAL)]
    assert set(predictions["cell"]) == set(cells.cells.index) and set(cells.donors) == FINAL


@pytest.mark.parametrize(("name", "which"), [
    ("better_human", "development"), ("better_human_pool", "development"), ("better_human_final", "final"),
    ("better_zero_shot", "all")])
def test_the_cells_of_an_experiment(name, which):
    wanted = {"development": set(OWN.donors) - FINAL, "final": FINAL, "all": set(OWN.donors)}
    assert set(better_model.cells_of(name, OWN).donors) == wanted[which]


def test_the_interval_of_a_development_score_knows_that_folds_overlap():
    """Nadeau and Bengio's: 1/n + n_test/n_train, here a quarter, instead of 1/n."""
    rng = np.random.default_rng(0)
    predictions = pd.DataFrame({
        "model": "average", "repeat": 0, "fold": np.repeat(range(5), 20), "cell": range(100),
        "true": rng.choice(["Sst", "Vip"], 100), "predicted": rng.choice(["Sst", "Vip"], 100)})
    other = predictions.assign(model="other", predicted=predictions["true"])
    found = goals.development_score(pd.concat([predictions, other]), "average")
    scores = fold_scores(predictions)["macro_f1"].to_numpy()
    half = stats.t.ppf(0.975, 4) * scores.std(ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert found[:3] == pytest.approx((scores.mean(), scores.mean() - half, scores.mean() + half))


def test_steps_of_the_label_free_model_are_scored_apart_on_development_and_final_donors():
    """Every cell of development donors is named rightly, none of the final ones."""
    cohort = make_cohort(n=300)
    dev, last = split(cohort)
    assert len(dev) and len(last)
    wrong = cohort.cells["subclass"].map(dict(zip(cohort.classes, np.roll(cohort.classes, 1), strict=True)))
    named = cohort.cells["subclass"].where(cohort.cells.index.isin(dev.cells.index), wrong)
    table = pd.concat(pd.DataFrame({
        "model": step, "repeat": 0, "fold": 0, "cell": cohort.cells.index, "true": cohort.cells["subclass"].to_numpy(),
        "predicted": named.to_numpy()}) for step in better_model.ZERO_SHOT.values())
    found = goals.zero_shot_steps(table, cohort)
    assert {(step, kind): score.mean for (step, kind), score in found.items()} == {
        (step, kind): float(kind == "development") for step in better_model.ZERO_SHOT.values()
        for kind in ("development", "final")}
    assert goals.zero_shot_steps(table.iloc[:0], cohort) == {}
