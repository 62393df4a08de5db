"""Train the shipped classifiers, and measure them as they will be used: on cells of donors never seen.

Everything a classifier adds to its models (temperature, limits of the sets and of both flags) comes from
*cross-fitting*: models of five folds, donors apart, predict the fold that they have not seen. How good the whole is
comes from `patchtype.classify.nesting`, where nothing has seen the judged cells, neither models nor limits.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from patchtype import cohorts
from patchtype.classify import guard, nesting
from patchtype.classify.classifier import FEATURES, Classifier
from patchtype.classify.fitting import FOLDS, SEED, Models, Unseen, cross_fit
from patchtype.classify.judgement import EXCITATORY_ALARM, FALSE_ALARM, MISS
from patchtype.cohorts import Cohort, public_files
from patchtype.evaluation import calibration, conformal

#: The public tables behind each classifier.
_DATABASE = ("cell_types_ephys_features.csv", "cell_types_specimen_details.csv")
TABLES = {
    "mouse": ("mouse_efeature.csv", "20200711_patchseq_metadata_mouse.csv", "ephys_features_gouwens_w_QC.csv",
              *_DATABASE),
    "human": ("LeeDalley_ephys_fx.csv", "LeeDalley_manuscript_metadata.csv", *_DATABASE),
}


def train(cohort: Cohort, others: guard.Specimens, unseen: Unseen | None = None, seed: int = SEED,
          about: dict | None = None) -> Classifier:
    """A whole classifier from one cohort; ``unseen`` are its own cross-fitted predictions, made if not given."""
    unseen = unseen or cross_fit(cohort, others, seed=seed)
    models = Models.fit(cohort, others, seed)
    typical = np.array([np.nanmedian(cohort.x[cohort.y == c], axis=0) for c in range(len(cohort.classes))])
    return Classifier(
        cohort.cells["species"].iloc[0], cohort.classes, tuple(cohort.table.columns), models.trees, models.linear,
        models.novelty, models.guard, unseen.judged(cohort), typical, about or {},
    )


def figures_of(answers: pd.DataFrame, classes) -> dict:
    """The measured figures of a card, from `patchtype.classify.nesting.answers`."""
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
        "excitatory_alarms": float(answers["excitatory"].mean()),
        "excitatory_alarms_by_class": answers.groupby("true")["excitatory"].mean().reindex(classes).to_dict(),
        "answered": len(answered) / len(y),
        "accuracy_answered": float((answered["subclass"] == answered["true"]).mean()),
    }


def about(cohort: Cohort, species: str, nested: pd.DataFrame) -> dict:
    """What a card says of the data and the protocol, with the figures of `nesting.predictions`."""
    tables = {name: public_files()[name].sha256[:12] for name in TABLES[species]}
    return {
        "tables": tables, "cells": {c: int(n) for c, n in cohort.counts().items()},
        "donors": int(pd.Series(cohort.donors).nunique()), "seed": SEED,
        "miss": MISS[species], "false_alarm": FALSE_ALARM, "excitatory_alarm": EXCITATORY_ALARM,
        "protocol": nesting.PROTOCOL, "figures": figures_of(nesting.answers(nested, MISS[species]), cohort.classes),
    }


def make(species: str) -> tuple[Classifier, pd.DataFrame]:
    """Train and measure the classifier of one species on the published tables (some minutes).

    Returns it with the nested predictions that its figures come from.
    """
    cohort, others = cohorts.load(species, FEATURES), guard.specimens(species).learnt
    nested = nesting.rounded(nesting.predictions(cohort, others, FOLDS, SEED))
    return train(cohort, others, about=about(cohort, species, nested)), nested
