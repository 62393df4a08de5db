"""What is fitted to training cells, and what it says of cells whose donors it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from patchtype.classify import guard
from patchtype.classify.judgement import MISS, Judgement
from patchtype.classify.kernel import KernelMachine
from patchtype.classify.linear import LinearModel
from patchtype.classify.novelty import Novelty
from patchtype.classify.trees import BoostedTrees
from patchtype.cohorts import Cohort
from patchtype.evaluation.protocols import CrossValidation
from patchtype.models.table import boosting, logistic_regression

FOLDS, SEED = 5, 7


@dataclass(frozen=True)
class Models:
    """What is fitted to training cells: two classifiers, the novelty distance and the excitatory guard."""

    trees: BoostedTrees
    linear: LinearModel
    novelty: Novelty
    guard: KernelMachine

    @classmethod
    def fit(cls, cohort: Cohort, others: guard.Specimens, seed: int = 0) -> Models:
        """From one set of training cells, and cells of known dendrites for the guard."""
        measured, booster = (step for _, step in boosting(seed).fit(cohort).estimator.steps)
        linear = LinearModel.of(logistic_regression(seed).fit(cohort).estimator)
        return cls(BoostedTrees.of(booster, measured.kept_), linear, Novelty.fit(cohort.x, cohort.y),
                   guard.fitted(cohort, others))

    def says(self, x) -> dict[str, np.ndarray]:
        """The fields of `Unseen` for cells (N, P), except the fold."""
        return {"raw": (self.trees.predict_proba(x) + self.linear.predict_proba(x)) / 2,
                "distance": self.novelty.distance(x), "missing": self.novelty.missing(x),
                "margin": self.guard.margin(x)}


@dataclass(frozen=True)
class Unseen:
    """What models say of cells whose donors they have not seen.

    ``raw`` (N, C) probabilities before calibration, ``distance`` and ``missing`` (N,) of `Novelty`, ``margin`` (N,)
    of the guard, ``fold`` (N,).
    """

    raw: np.ndarray
    distance: np.ndarray
    missing: np.ndarray
    margin: np.ndarray
    fold: np.ndarray

    def judged(self, cohort: Cohort) -> Judgement:
        """The judgement that the cells give."""
        return Judgement.fit(self.raw, cohort.y, cohort.donors, self.distance, self.missing, self.margin,
                             MISS[cohort.cells["species"].iloc[0]])


def cross_fit(cohort: Cohort, others: guard.Specimens, folds: int = FOLDS, seed: int = SEED) -> Unseen:
    """Predictions for every cell by models of the other folds; donors are never split."""
    parts, rows, fold_of = [], [], np.zeros(len(cohort), int)
    for fold in CrossValidation(folds, 1, grouped=True, seed=seed).folds(cohort):
        parts.append(Models.fit(cohort.take(fold.train), others, fold.seed).says(cohort.x[fold.test]))
        rows.append(fold.test)
        fold_of[fold.test] = fold.fold
    order = np.argsort(np.concatenate(rows))
    return Unseen(**{name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}, fold=fold_of)
