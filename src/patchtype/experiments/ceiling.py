"""How far a better model could go: do models agree on their errors, and do neighbours agree with the label?

A cell that all models name alike and wrongly, and whose nearest cells carry that name, is either mislabelled
or does in the slice what another subclass does. No model that reads these features will find it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline

from patchtype.cohorts import Cohort
from patchtype.models.ensemble import discriminant
from patchtype.models.table import scaled


def votes(predictions: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """One row a cell of the first repeat: ``true``, ``wrong`` (models that err), ``same`` (all say one wrong name).

    ``said`` is the name that the first of ``models`` gives.
    """
    part = predictions[(predictions["repeat"] == 0) & predictions["model"].isin(models)]
    said = part.set_index(["cell", "model"])["predicted"].unstack("model")[list(models)]  # noqa: PD010
    true = part.drop_duplicates("cell").set_index("cell")["true"].reindex(said.index)
    wrong = said.ne(true, axis=0).sum(axis=1)
    same = (wrong == len(models)) & said.eq(said[models[0]], axis=0).all(axis=1)
    return pd.DataFrame({"true": true, "wrong": wrong, "same": same, "said": said[models[0]]})


def neighbours(cohort: Cohort, k: int = 10) -> np.ndarray:
    """(N, C) share of each class among the ``k`` nearest cells of other donors, on z-scored features.

    Distances are in the space of the discriminant that is learnt from all cells, so that features which tell
    subclasses apart count; a cell's own donor is never its neighbour.
    """
    x = make_pipeline(*scaled()).fit_transform(cohort.x)
    space = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(x, cohort.y).transform(x)
    donors = pd.factorize(cohort.donors)[0]
    reach = min(len(cohort), k + int(np.bincount(donors).max()))
    order = NearestNeighbors(n_neighbors=reach).fit(space).kneighbors(space, return_distance=False)
    shares = np.zeros((len(cohort), len(cohort.classes)))
    for cell, near in enumerate(order):
        others = near[donors[near] != donors[cell]][:k]
        shares[cell] = np.bincount(cohort.y[others], minlength=len(cohort.classes)) / max(len(others), 1)
    return shares


def learning_curve(cohort: Cohort, protocol, shares: Sequence[float]) -> pd.DataFrame:
    """Macro-F1 of the discriminant by training cells: one row a fold and share of the training donors.

    A share is that of the first donors of a shuffled list, with all their cells; two donors are the least.
    """
    rows = []
    for fold in protocol.folds(cohort):
        rng = np.random.default_rng(fold.seed)
        donors = rng.permutation(np.unique(cohort.donors[fold.train]))
        for share in shares:
            chosen = donors[: max(2, round(share * len(donors)))]
            train = cohort.take(fold.train[np.isin(cohort.donors[fold.train], chosen)])
            test = cohort.take(fold.test)
            said = discriminant(fold.seed).fit(train).predict_proba(test).argmax(axis=1)
            rows.append({"fold": fold.fold, "share": share, "cells": len(train),
                         "macro_f1": f1_score(test.y, said, average="macro", zero_division=0)})
    return pd.DataFrame(rows)
