"""What else differs between cells: slice condition, days in culture, layer, age, and donor.

If subclasses are unevenly spread over conditions, a model can name a cell by the state of its slice. Three
questions follow: what do such covariates say alone, does a model carry over from one condition to another, and
what is left of its score among cells weighted so that the covariates say nothing?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from patchtype.cohorts import Cohort
from patchtype.evaluation.bootstrap import ends, times_drawn
from patchtype.evaluation.metrics import Estimate, corrected_mean, f1
from patchtype.evaluation.predictions import evaluate
from patchtype.evaluation.protocols import CrossValidation, Fold
from patchtype.evaluation.sizes import queue
from patchtype.experiments import gains
from patchtype.models.average import LearnerAverage
from patchtype.models.stacking import Adviser, Stacked
from patchtype.models.table import BASELINES

#: Learners of this comparison: all but boosting, which takes ten times as long.
QUICK = {name: build for name, build in BASELINES.items() if name != "gradient boosting"}

#: What a human cell's metadata say that its recording should not, as `covariates` makes numbers of it.
COVARIATES = ("culture", "days_in_culture", "layer_depth", "age_years")


def covariates(cohort: Cohort) -> pd.DataFrame:
    """`COVARIATES` of each cell, (N, 4): 1 for cultured slices, days, layer 1 to 6 (5_6 is 5.5), years.

    ValueError when the cells come without them, as simulated ones do.
    """
    columns = ("condition", "days_in_culture", "layer", "age_years")
    lost = [column for column in columns if column not in cohort.cells]
    if lost:
        raise ValueError(f"found {cohort.source} cells without {lost[0]!r}, expected published human cells")
    cells = cohort.cells
    depth = cells["layer"].astype(object).str.split("_").map(
        lambda parts: np.mean([float(part) for part in parts]), na_action="ignore")
    return pd.DataFrame({
        "culture": (cells["condition"] == "culture").astype(float), "days_in_culture": cells["days_in_culture"],
        "layer_depth": depth.astype(float), "age_years": cells["age_years"]}, index=cells.index)


def with_covariates(cohort: Cohort, alone: bool = False) -> Cohort:
    """The cohort with its covariates as features of a family of their own, or with nothing else."""
    values = covariates(cohort)
    family = {"covariates": list(COVARIATES)}
    if alone:
        return replace(cohort, table=values, families=family)
    return replace(cohort, table=pd.concat([cohort.table, values], axis=1), families={**cohort.families, **family})


def average(seed: int) -> LearnerAverage:
    """The mean of the quick learners."""
    return LearnerAverage(seed, QUICK)


def answers(cohort: Cohort, protocol, model=average) -> pd.DataFrame:
    """Out-of-fold predictions of ``model``, the mean of its learners only."""
    table = evaluate({"model": model}, cohort, protocol)
    return table[table["model"] == "model | average"]


@dataclass(frozen=True)
class Condition:
    """The folds of ``base``, trained on ``size`` cells of one slice condition, or with "both" of either.

    All test cells of a fold are tested, so that a model is scored within its condition and across it; where
    ``base`` is grouped no donor is on both sides.

    >>> str(Condition(CrossValidation(5, 1), "acute", 150))
    'stratified 5-fold x 1, 150 acute training cells'
    """

    base: CrossValidation
    condition: str
    size: int

    def folds(self, cohort: Cohort) -> Iterator[Fold]:
        for fold in self.base.folds(cohort):
            mine = cohort.cells["condition"].to_numpy()[fold.train]
            rows = fold.train if self.condition == "both" else fold.train[mine == self.condition]
            if len(rows) < self.size:
                raise ValueError(
                    f"found {len(rows)} {self.condition} training cells in a fold, expected {self.size}; ask for fewer")
            order = queue(cohort.y[rows], seed=self.base.seed + fold.seed)
            yield fold._replace(train=np.sort(rows[order[: self.size]]))

    @property
    def test_to_train(self) -> float:
        return self.base.test_to_train

    def __str__(self) -> str:
        return f"{self.base}, {self.size} {self.condition} training cells"


def across_conditions(cohort: Cohort, base: CrossValidation, size: int, seed: int = 0
                      ) -> dict[tuple[str, str], Estimate]:
    """Macro-F1 on acute and on cultured cells of models trained on ``size`` acute, cultured or mixed ones.

    Keys are (trained on, tested on); intervals are over donors.
    """
    scores = {}
    for kind in ("acute", "culture", "both"):
        named = answers(cohort, Condition(base, kind, size))
        for tested in ("acute", "culture"):
            score = donor_score(named, cohort, cohort.cells["condition"] == tested, seed=seed)
            scores[kind, tested] = Estimate(*score, np.nan)
    return scores


def by_inputs(cohort: Cohort, apart: CrossValidation, together: CrossValidation) -> dict[str, pd.DataFrame]:
    """Predictions of the average by what it is shown, on folds with donors ``apart``; of features, ``together`` too."""
    return {
        "features": answers(cohort, apart),
        "features and covariates": answers(with_covariates(cohort), apart),
        "covariates alone": answers(with_covariates(cohort, alone=True), apart),
        "features, donors not apart": answers(cohort, together),
    }


def weighted_and_not(named: dict[str, pd.DataFrame], cohort: Cohort, weights: pd.Series, seed: int = 0
                     ) -> dict[tuple[str, str], Estimate]:
    """`donor_score` of each table, by its name and "as they are" or "weighted"."""
    return {
        (name, kind): Estimate(*donor_score(table, cohort, weights=w, seed=seed), np.nan)
        for name, table in named.items() for kind, w in (("as they are", None), ("weighted", weights))
    }


def mouse_gain(mouse: Cohort, cohort: Cohort, protocol: CrossValidation, without: pd.DataFrame) -> Estimate:
    """Gain in macro-F1 of mouse-model probabilities where both models know the covariates.

    ``without``: the predictions, on the same folds, of the average that is told no mouse-model probabilities.
    """
    def advised(seed: int) -> Stacked:
        return Stacked(Adviser(mouse, learners=QUICK), average(seed))

    tables = {"with": answers(with_covariates(cohort), protocol, advised), "without": without}
    both = pd.concat([table.assign(model=name, size=0) for name, table in tables.items()])
    scores = gains.class_f1(both, cohort.classes).mean(axis=1)
    return corrected_mean(gains.differences(scores, "with", "without"), protocol.test_to_train)


def propensity(cohort: Cohort, protocol: CrossValidation) -> pd.DataFrame:
    """How likely each subclass is, given a cell's covariates: (N, C), from folds that did not hold the cell.

    Logistic regression without class weights, so that its probabilities are those of the cohort's mixture.
    A missing covariate is filled with the median and marked. Means over the repeats of ``protocol``.
    """
    cells = with_covariates(cohort, alone=True)
    total, times = np.zeros((len(cells), len(cells.classes))), np.zeros(len(cells))
    for fold in protocol.folds(cells):
        model = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler(),
                              LogisticRegression(max_iter=3000))
        model.fit(cells.x[fold.train], cells.y[fold.train])
        total[np.ix_(fold.test, model.classes_)] += model.predict_proba(cells.x[fold.test])
        times[fold.test] += 1
    return pd.DataFrame(total / times[:, None], cells.cells.index, list(cells.classes))


def balancing_weights(chances: pd.DataFrame, cohort: Cohort, limit: float = 10.0) -> pd.Series:
    r"""Weights with which the covariates no longer tell a cell's subclass, by cell, mean one.

    :math:`w = P(y) / P(y \mid \text{covariates})` (Robins et al. 2000, stabilised), from the ``chances`` that
    `propensity` gives, held between 1 / ``limit`` and ``limit``.
    """
    own = chances.reindex(cohort.cells.index).to_numpy()[np.arange(len(cohort)), cohort.y]
    share = np.bincount(cohort.y, minlength=len(cohort.classes)) / len(cohort)
    weights = np.clip(share[cohort.y] / np.maximum(own, 1e-6), 1 / limit, limit)
    return pd.Series(weights / weights.mean(), cohort.cells.index)


def effective_cells(weights) -> float:
    """How many equal cells weighted ones are worth (Kish 1965).

    >>> effective_cells([1, 1, 0, 0])
    2.0
    """
    weights = np.asarray(weights, float)
    return float(weights.sum() ** 2 / (weights**2).sum())


def donor_score(predictions: pd.DataFrame, cohort: Cohort, rows=None, weights: pd.Series | None = None,
                draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Macro-F1 over all cells of a repeat, mean over repeats, and its 95 % interval over donors.

    Parameters: ``rows``, boolean by cell, scores some cells only; ``weights`` by cell. Donors are drawn with
    replacement ``draws`` times: cells of one donor are alike, so it is donors that count. A class of the cohort
    without cells counts as zero.
    """
    table = predictions if rows is None else predictions[predictions["cell"].map(rows).to_numpy(bool)]
    w = np.ones(len(table)) if weights is None else table["cell"].map(weights).to_numpy(float)
    value, drawn = _donor_scores(table, cohort, w, draws, seed)
    return value, *ends(drawn)


def donor_gain(predictions: pd.DataFrame, model: str, reference: str, cohort: Cohort, draws: int = 1000,
               seed: int = 0) -> Estimate:
    """`donor_score` of one model minus that of another, the same donors drawn for both.

    The interval covers the draw of donors; models are not fitted anew. ValueError where the two named other cells.
    """
    tables = [predictions[predictions["model"] == name].sort_values(["repeat", "cell"]) for name in (model, reference)]
    if tables[0]["cell"].tolist() != tables[1]["cell"].tolist():
        raise ValueError(f"found other cells of {model!r} than of {reference!r}, expected the same in every repeat")
    (a, drawn_a), (b, drawn_b) = (_donor_scores(table, cohort, np.ones(len(table)), draws, seed) for table in tables)
    return Estimate(a - b, *ends(drawn_a - drawn_b), float("nan"))


def _donor_scores(table: pd.DataFrame, cohort: Cohort, w: np.ndarray, draws: int, seed: int
                  ) -> tuple[float, np.ndarray]:
    """Macro-F1 over all cells of a repeat, mean over repeats: of all donors, and (draws,) of donors drawn."""
    classes = list(cohort.classes)
    donor, names = pd.factorize(table["cell"].map(cohort.cells["donor"]))
    true, guess = (pd.Categorical(table[c], categories=classes).codes for c in ("true", "predicted"))
    repeat = pd.factorize(table["repeat"])[0]
    counts = np.zeros((repeat.max() + 1, len(names), len(classes), len(classes)))
    np.add.at(counts, (repeat, donor, true, guess), w)
    times = times_drawn(len(names), draws, seed)
    drawn = f1(np.einsum("bd,rdij->brij", times, counts)).mean(axis=-1).mean(axis=1)
    return float(f1(counts.sum(axis=1)).mean(axis=-1).mean()), drawn
