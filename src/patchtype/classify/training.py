"""Train the shipped classifiers, and measure them as they will be used: on cells of donors never seen.

Everything a classifier adds to its models (temperature, limits of the sets and of both flags) comes from models of
five folds, donors apart, that predict the fold that they have not seen. How good the whole is comes from
`patchtype.classify.nesting`, where nothing has seen the judged cells, neither models nor limits.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from patchtype import cohorts
from patchtype.classify import guard, nesting, patterns
from patchtype.classify.classifier import Classifier
from patchtype.classify.fitting import Models, load
from patchtype.classify.judgement import EXCITATORY_ALARM, FALSE_ALARM, MISS
from patchtype.cohorts import Cohort, public_files
from patchtype.evaluation import bootstrap, calibration, conformal
from patchtype.evaluation.metrics import f1

#: The public tables behind each classifier.
_DATABASE = ("cell_types_ephys_features.csv", "cell_types_specimen_details.csv")
TABLES = {
    "mouse": ("mouse_efeature.csv", "20200711_patchseq_metadata_mouse.csv", "ephys_features_gouwens_w_QC.csv",
              *_DATABASE),
    "human": ("LeeDalley_ephys_fx.csv", "LeeDalley_manuscript_metadata.csv", *_DATABASE),
}


#: The row of cells with every protocol, of a classifier that does not read all of them.
FULL = "full, of which the steps are read"
#: The row of cells whose layer is known, answered without it.
UNTOLD = "steps only, layer known but not told"


def train(cohort: Cohort, others: guard.Specimens, nested: pd.DataFrame, about: dict | None = None) -> Classifier:
    """A whole classifier from a cohort of `fitting.load` and its `nesting.predictions`, which give the limits."""
    models = Models.fit(cohort, others)
    unseen = nested[nested["fold"] == nesting.JUDGED].groupby("model", observed=True)
    judgements = {pattern: nesting.judgement(unseen.get_group(patterns.name(pattern)), MISS[models.species])
                  for pattern in models.experts}
    typical = np.array([np.nanmedian(cohort.x[cohort.y == c], axis=0) for c in range(len(cohort.classes))])
    return Classifier(models.species, cohort.classes, tuple(cohort.table.columns), models, judgements, typical,
                      about or {})


def figures(nested: pd.DataFrame, classes, miss: float, subsets=None) -> dict[str, dict]:
    """The measured figures of a card: `figures_of` for each pattern, and for every cell as recorded.

    ``subsets``: name of a further row → cells that it tells of, as read by their steps alone; see `subsets_of`.
    """
    answers = nesting.answers(nested, miss)
    parts = dict(iter(answers.groupby("pattern", sort=False))) | {nesting.AS_RECORDED: nesting.as_recorded(answers)}
    steps = parts[patterns.name(("downward",))]
    parts = {name: steps[steps.index.isin(cells)] for name, cells in (subsets or {}).items()} | parts
    found = {name: figures_of(part, classes) for name, part in parts.items()}
    p, y = _told(parts[nesting.AS_RECORDED], classes)
    found[nesting.AS_RECORDED]["calibration_error_interval"] = calibration.donor_interval(
        calibration.expected_calibration_error, p, y, parts[nesting.AS_RECORDED]["donor"])
    return found


def _told(answers: pd.DataFrame, classes) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) calibrated probabilities and (N,) true classes."""
    return answers[[f"p_{c}" for c in classes]].to_numpy(), pd.Categorical(
        answers["true"], categories=list(classes)).codes.astype(int)


def figures_of(answers: pd.DataFrame, classes) -> dict:
    """The figures of one pattern, from rows of `patchtype.classify.nesting.answers`.

    ``right_answered``: subclass → how many of its cells are answered, and the share of them that is right.
    """
    classes = list(classes)
    (p, y), raw = _told(answers, classes), answers[[f"raw_{c}" for c in classes]].to_numpy()
    sets = np.array([[c in row.split() for c in classes] for row in answers["set"]])
    answered = answers[answers["verdict"] == "answered"]
    right = (answered["subclass"] == answered["true"]).groupby(answered["true"]).agg(["size", "mean"])
    counts, uncalibrated = (confusion_matrix(y, each.argmax(axis=1), labels=range(len(classes))) for each in (p, raw))
    return {
        "cells": len(y), "donors": int(answers["donor"].nunique()),
        "macro_f1": float(bootstrap.macro_f1(counts)), "accuracy": float(np.trace(counts) / len(y)),
        "f1": dict(zip(classes, f1(counts).tolist(), strict=True)),
        "macro_f1_uncalibrated": float(bootstrap.macro_f1(uncalibrated)),
        "calibration_error": calibration.expected_calibration_error(p, y),
        "calibration_error_uncalibrated": calibration.expected_calibration_error(raw, y),
        "brier": calibration.brier(p, y), "log_loss": calibration.log_loss(p, y),
        "log_loss_uncalibrated": calibration.log_loss(raw, y),
        "sets": conformal.coverage(sets, y, classes).to_dict(orient="index"),
        "false_alarms": float(answers["unlike"].mean()),
        "excitatory_alarms": float(answers["excitatory"].mean()),
        "excitatory_alarms_by_class": answers.groupby("true")["excitatory"].mean().reindex(classes).to_dict(),
        "answered": len(answered) / len(y),
        "accuracy_answered": float((answered["subclass"] == answered["true"]).mean()),
        "right_answered": {c: (int(right.at[c, "size"]), float(right.at[c, "mean"]))
                           for c in classes if c in right.index},
    }


def about(cohort: Cohort, nested: pd.DataFrame) -> dict:
    """What a card says of the data and the protocol, with the figures of `nesting.predictions`."""
    species = cohort.cells["species"].iloc[0]
    tables = {name: public_files()[name].sha256[:12] for name in TABLES[species]}
    return {
        "tables": tables, "cells": {c: int(n) for c, n in cohort.counts().items()},
        "donors": int(pd.Series(cohort.donors).nunique()), "seed": nesting.SEED,
        "miss": MISS[species], "false_alarm": FALSE_ALARM, "excitatory_alarm": EXCITATORY_ALARM,
        "protocol": nesting.PROTOCOL, "figures": figures(nested, cohort.classes, MISS[species], subsets_of(species)),
    }


def subsets_of(species: str) -> dict[str, pd.Index]:
    """For a classifier that does not read every protocol, the cells that have all; where it reads layers, the cells
    whose layer is known, to compare with what it makes of the layer."""
    found, table = {}, load(species).table
    if "ramp" not in patterns.READS[species]:
        every = cohorts.load(species, species).table
        there = [every.filter(regex=f"_{pulse}$").notna().any(axis=1) for pulse in ("ramp", "short_square")]
        found[FULL] = every.index[there[0] & there[1]]
    if patterns.LAYER in patterns.READS[species]:
        found[UNTOLD] = table.index[patterns.has(table, (patterns.LAYER,))]
    return found


def make(species: str) -> tuple[Classifier, pd.DataFrame]:
    """Train and measure the classifier of one species on the published tables (a minute or two).

    Returns it with the nested predictions that its figures come from.
    """
    cohort, others = load(species), guard.specimens(species).learnt
    nested = nesting.rounded(nesting.predictions(cohort, others))
    return train(cohort, others, nested, about(cohort, nested)), nested
