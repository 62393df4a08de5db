"""Train the shipped classifiers, and measure them as they will be used: on cells of donors never seen.

Everything a classifier adds to its two models (temperature, limits of the sets, limits of novelty) comes from
*cross-fitting*: models of five folds, donors apart, predict the fold that they have not seen. The measured
figures come from a second round outside: a whole classifier, cross-fitting included, for each of five folds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from helpers import cohorts
from helpers.classify.classifier import FEATURES, Classifier
from helpers.cohorts import Cohort, public_files
from helpers.evaluation import calibration, conformal
from helpers.evaluation.calibration import Temperature
from helpers.evaluation.conformal import PredictionSets
from helpers.evaluation.protocols import CrossValidation
from helpers.models.linear import LinearModel
from helpers.models.novelty import Novelty
from helpers.models.table import boosting, logistic_regression
from helpers.models.trees import BoostedTrees

#: Stated chances: the right subclass is not in the set; a cell like those of training is called unlike them.
MISS, FALSE_ALARM = 0.1, 0.05
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


def cross_fit(cohort: Cohort, folds: int = FOLDS, seed: int = SEED):
    """Predictions of models that have not seen a cell's donor.

    Returns probabilities (N, C) before calibration, novelty distance (N,), missing features (N,), fold (N,).
    """
    p, fold_of = np.zeros((len(cohort), len(cohort.classes))), np.zeros(len(cohort), int)
    distance, missing = np.zeros(len(cohort)), np.zeros(len(cohort), int)
    for fold in CrossValidation(folds, 1, grouped=True, seed=seed).folds(cohort):
        trees, linear, novelty = fitted(cohort.take(fold.train), fold.seed)
        x = cohort.x[fold.test]
        p[fold.test] = (trees.predict_proba(x) + linear.predict_proba(x)) / 2
        distance[fold.test], missing[fold.test] = novelty.distance(x), novelty.missing(x)
        fold_of[fold.test] = fold.fold
    return p, distance, missing, fold_of


def novelty_limits(distance, missing, false_alarm: float = FALSE_ALARM) -> tuple[float, int]:
    """Limits of distance and of missing features that together call at most a stated share of cells unlike."""
    most = int(np.quantile(missing, 1 - false_alarm / 5, method="higher"))
    left = false_alarm - float((missing > most).mean())
    kept = np.sort(distance[missing <= most])
    allowed = int(left * len(missing))  # cells that may still be called unlike
    return float(kept[-allowed - 1]), most


def train(cohort: Cohort, seed: int = SEED, about: dict | None = None) -> Classifier:
    """A whole classifier from one cohort."""
    if tuple(cohort.table.columns) != tuple(_names(cohort)):
        raise ValueError("found features out of the order of their families, expected that of `families.families`")
    raw, distance, missing, _ = cross_fit(cohort, seed=seed)
    temperature = Temperature.fit(raw, cohort.y)
    sets = PredictionSets.fit(temperature.apply(raw), cohort.y, MISS, donors=cohort.donors)
    trees, linear, novelty = fitted(cohort, seed)
    typical = np.array([np.nanmedian(cohort.x[cohort.y == c], axis=0) for c in range(len(cohort.classes))])
    return Classifier(
        cohort.cells["species"].iloc[0], cohort.classes, tuple(cohort.table.columns), trees, linear, temperature,
        sets, novelty, typical, *novelty_limits(distance, missing), about or {},
    )


def _names(cohort: Cohort) -> list[str]:
    return [name for names in cohort.families.values() for name in names]


def tested(cohort: Cohort, folds: int = FOLDS, seed: int = SEED) -> pd.DataFrame:
    """Answers of whole classifiers for cells of donors that they have not seen, one row a cell of ``cohort``.

    Columns of `Classifier.answers`, and ``true``, ``donor``, ``fold``, ``raw_<class>`` (before calibration).
    """
    parts = []
    for fold in CrossValidation(folds, 1, grouped=True, seed=seed + 1).folds(cohort):
        model, test = train(cohort.take(fold.train), seed), cohort.take(fold.test)
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


def about(cohort: Cohort, species: str) -> dict:
    """What a card says of the data and the protocol, with the measured figures."""
    tables = {name: public_files()[name].sha256[:12] for name in TABLES[species]}
    return {
        "tables": tables, "cells": {c: int(n) for c, n in cohort.counts().items()},
        "donors": int(pd.Series(cohort.donors).nunique()), "seed": SEED, "miss": MISS, "false_alarm": FALSE_ALARM,
        "protocol": f"{CrossValidation(FOLDS, 1, grouped=True)}, cross-fitting of {FOLDS} folds inside",
        "figures": figures_of(tested(cohort), cohort.classes),
    }


def make(species: str) -> Classifier:
    """Train and measure the classifier of one species on the published tables (minutes)."""
    cohort = cohorts.load(species, FEATURES)
    return train(cohort, about=about(cohort, species))
