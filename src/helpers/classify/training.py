"""Train the shipped classifiers, and measure them as they will be used: on cells of donors never seen.

Everything a classifier adds to its two models (temperature, limits of the sets, limits of novelty) comes from
*cross-fitting*: models of five folds, donors apart, predict the fold that they have not seen. The measured
figures are those of the same predictions, each fold judged by limits from the other folds. The models behind
those limits have seen the judged fold; its own predictions and its own limits have not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from helpers import cohorts
from helpers.classify.classifier import FEATURES, Classifier
from helpers.classify.judgement import FALSE_ALARM, MISS, Judgement
from helpers.cohorts import Cohort, public_files
from helpers.evaluation import calibration, conformal
from helpers.evaluation.protocols import CrossValidation
from helpers.models.linear import LinearModel
from helpers.models.novelty import Novelty
from helpers.models.table import boosting, logistic_regression
from helpers.models.trees import BoostedTrees

FOLDS, SEED = 5, 7

#: The public tables behind each classifier.
TABLES = {
    "mouse": ("mouse_efeature.csv", "20200711_patchseq_metadata_mouse.csv", "ephys_features_gouwens_w_QC.csv"),
    "human": ("LeeDalley_ephys_fx.csv", "LeeDalley_manuscript_metadata.csv"),
}


def fitted(cohort: Cohort, seed: int = 0) -> tuple[BoostedTrees, LinearModel, Novelty]:
    """The two models and the novelty distance of one set of training cells."""
    measured, booster = (step for _, step in boosting(seed).fit(cohort).estimator.steps)
    linear = LinearModel.of(logistic_regression(seed).fit(cohort).estimator)
    return BoostedTrees.of(booster, measured.kept_), linear, Novelty.fit(cohort.x, cohort.y)


@dataclass(frozen=True)
class Unseen:
    """What models say of cells whose donors they have not seen.

    ``raw`` (N, C) probabilities before calibration, ``distance`` and ``missing`` (N,) of `Novelty`, ``fold`` (N,).
    """

    raw: np.ndarray
    distance: np.ndarray
    missing: np.ndarray
    fold: np.ndarray

    def judged(self, cohort: Cohort, rows) -> Judgement:
        """The judgement that some of the cells give."""
        return Judgement.fit(self.raw[rows], cohort.y[rows], cohort.donors[rows], self.distance[rows],
                             self.missing[rows], MISS[cohort.cells["species"].iloc[0]])


def cross_fit(cohort: Cohort, folds: int = FOLDS, seed: int = SEED) -> Unseen:
    """Predictions for every cell by models of the other folds; donors are never split."""
    raw, fold_of = np.zeros((len(cohort), len(cohort.classes))), np.zeros(len(cohort), int)
    distance, missing = np.zeros(len(cohort)), np.zeros(len(cohort), int)
    for fold in CrossValidation(folds, 1, grouped=True, seed=seed).folds(cohort):
        trees, linear, novelty = fitted(cohort.take(fold.train), fold.seed)
        x = cohort.x[fold.test]
        raw[fold.test] = (trees.predict_proba(x) + linear.predict_proba(x)) / 2
        distance[fold.test], missing[fold.test] = novelty.distance(x), novelty.missing(x)
        fold_of[fold.test] = fold.fold
    return Unseen(raw, distance, missing, fold_of)


def train(cohort: Cohort, unseen: Unseen | None = None, seed: int = SEED, about: dict | None = None) -> Classifier:
    """A whole classifier from one cohort; ``unseen`` are its own cross-fitted predictions, made if not given."""
    unseen = unseen or cross_fit(cohort, seed=seed)
    trees, linear, novelty = fitted(cohort, seed)
    typical = np.array([np.nanmedian(cohort.x[cohort.y == c], axis=0) for c in range(len(cohort.classes))])
    return Classifier(
        cohort.cells["species"].iloc[0], cohort.classes, tuple(cohort.table.columns), trees, linear, novelty,
        unseen.judged(cohort, slice(None)), typical, about or {},
    )


def tested(cohort: Cohort, unseen: Unseen) -> pd.DataFrame:
    """Answers for cells of donors not seen, each fold judged by the other folds; one row a cell of ``cohort``.

    Columns of `Judgement.answers`, and ``true``, ``donor``, ``fold``, ``raw_<class>`` (before calibration).
    """
    parts = []
    for fold in np.unique(unseen.fold):
        inside = unseen.fold == fold
        test = cohort.take(inside)
        raw = pd.DataFrame(unseen.raw[inside], test.table.index, [f"raw_{c}" for c in cohort.classes])
        parts.append(unseen.judged(cohort, ~inside).answers(
            unseen.raw[inside], unseen.distance[inside], unseen.missing[inside], cohort.classes, test.table.index,
        ).join(raw).assign(true=test.cells["subclass"], donor=test.donors, fold=fold))
    return pd.concat(parts).loc[cohort.table.index]


def nested(cohort: Cohort, folds: int = FOLDS, seed: int = SEED) -> pd.DataFrame:
    """As `tested`, but with a whole classifier, cross-fitting included, made for each fold: the strict, slow way."""
    parts = []
    for fold in CrossValidation(folds, 1, grouped=True, seed=seed).folds(cohort):
        model, test = train(cohort.take(fold.train), seed=seed), cohort.take(fold.test)
        raw = pd.DataFrame(model.raw(test.x), test.table.index, [f"raw_{c}" for c in cohort.classes])
        parts.append(model.answers(test.table).join(raw).assign(
            true=test.cells["subclass"], donor=test.donors, fold=fold.fold))
    return pd.concat(parts).loc[cohort.table.index]


def figures_of(answers: pd.DataFrame, classes) -> dict:
    """The measured figures of a card, from `tested`."""
    classes = list(classes)
    y = pd.Categorical(answers["true"], categories=classes).codes.astype(int)
    raw, p = (answers[[f"{kind}_{c}" for c in classes]].to_numpy() for kind in ("raw", "p"))
    sets = np.array([[c in row.split() for c in classes] for row in answers["set"]])
    answered = answers[answers["verdict"] == "answered"]
    interval = calibration.donor_interval(calibration.expected_calibration_error, p, y, answers["donor"])
    named = p.argmax(axis=1)
    return {
        "cells": len(y), "donors": int(answers["donor"].nunique()),
        "macro_f1": f1_score(y, named, average="macro"), "accuracy": accuracy_score(y, named),
        "f1": dict(zip(classes, f1_score(y, named, average=None).tolist(), strict=True)),
        "macro_f1_uncalibrated": f1_score(y, raw.argmax(axis=1), average="macro"),
        "calibration_error": calibration.expected_calibration_error(p, y), "calibration_error_interval": interval,
        "calibration_error_uncalibrated": calibration.expected_calibration_error(raw, y),
        "brier": calibration.brier(p, y), "log_loss": calibration.log_loss(p, y),
        "log_loss_uncalibrated": calibration.log_loss(raw, y),
        "sets": conformal.coverage(sets, y, classes).to_dict(orient="index"),
        "false_alarms": float(answers["unlike"].mean()),
        "answered": len(answered) / len(y),
        "accuracy_answered": float((answered["subclass"] == answered["true"]).mean()),
    }


def about(cohort: Cohort, species: str, unseen: Unseen) -> dict:
    """What a card says of the data and the protocol, with the measured figures."""
    tables = {name: public_files()[name].sha256[:12] for name in TABLES[species]}
    return {
        "tables": tables, "cells": {c: int(n) for c, n in cohort.counts().items()},
        "donors": int(pd.Series(cohort.donors).nunique()), "seed": SEED,
        "miss": MISS[species], "false_alarm": FALSE_ALARM,
        "protocol": f"{CrossValidation(FOLDS, 1, grouped=True)}, limits of a fold from the other folds",
        "figures": figures_of(tested(cohort, unseen), cohort.classes),
    }


def make(species: str) -> Classifier:
    """Train and measure the classifier of one species on the published tables (half a minute)."""
    cohort = cohorts.load(species, FEATURES)
    unseen = cross_fit(cohort)
    return train(cohort, unseen, about=about(cohort, species, unseen))
