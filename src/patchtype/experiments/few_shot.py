"""A model meets another laboratory's cells: as it is, and with a few of them labelled.

The donors of the new cells are halved. From one half a few cells of each class are labelled, the other half
is tested, so no animal is on both sides.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold

from patchtype.cohorts import Cohort
from patchtype.families import among

#: Labelled cells of each class.
SIZES = (5, 10, 20, 50)


def z_scored(cohort: Cohort, by: Cohort | None = None) -> Cohort:
    """Each feature as a z-score by the mean and deviation of ``by`` (default the cohort itself), cut at four.

    By itself it needs no label, but all its cells, and it supposes that mixtures of classes are alike.
    """
    by = cohort if by is None else by
    table = (cohort.table - by.table.mean()) / by.table.std().replace(0, 1)
    return Cohort.build(cohort.cells, table.clip(-4, 4), cohort.families, cohort.classes, cohort.excluded)


def matched(source: Cohort, target: Cohort) -> tuple[Cohort, Cohort]:
    """Both on the four classes and on the features that both have; source cells of the target's animals leave."""
    common = among(source.families, target.table)
    source, target = (cohort.four_classes().view(common) for cohort in (source, target))
    return source.take(~np.isin(source.donors, target.donors)), target


def recalls(true: np.ndarray, predicted: np.ndarray, classes) -> pd.DataFrame:
    """Recall of each class that has cells, with its 95 % Wilson interval: ``cells``, ``recall``, ``low``, ``high``.

    >>> recalls(np.array([0, 0]), np.array([0, 1]), ("a",)).loc["a", ["cells", "recall"]].tolist()
    [2.0, 0.5]
    """
    rows = {}
    for code, name in enumerate(classes):
        cells = int((true == code).sum())
        if cells:
            hits = int(((true == code) & (predicted == code)).sum())
            ends = binomtest(hits, cells).proportion_ci(method="wilson")
            rows[name] = {"cells": cells, "recall": hits / cells, "low": ends.low, "high": ends.high}
    return pd.DataFrame.from_dict(rows, orient="index")


def few_shot(source: Cohort, target: Cohort, by_set: bool, sizes=SIZES, draws: int = 10,
             seed: int = 0) -> pd.DataFrame:
    """Macro-F1 on held-out donors of ``target`` by labelled cells a class: one row a draw, size and way.

    Ways: ``source alone`` (size 0), ``new cells alone``, and ``both``: the new cells with the source model's
    log-probabilities as further features. All are logistic regressions, on z-scores of each set (``by_set``) or on
    those of the source for both. Both cohorts come from `matched`. A class with fewer cells than asked gives all it
    has in the labelled half.
    """
    a, b = z_scored(source), z_scored(target) if by_set else z_scored(target, by=source)
    x, y = np.nan_to_num(b.x), b.y
    source_model = _regression().fit(np.nan_to_num(a.x), a.y)
    advice = np.log(np.clip(source_model.predict_proba(x), 1e-4, 1))
    rng = np.random.default_rng(seed)
    rows = []
    for draw in range(draws):
        halves = StratifiedGroupKFold(2, shuffle=True, random_state=seed + draw)
        pool, test = next(halves.split(x, y, b.donors))
        present = np.unique(y[test])

        def score(said, test=test, present=present):
            return f1_score(y[test], said, labels=present, average="macro", zero_division=0)

        rows.append({"draw": draw, "size": 0, "way": "source alone",
                     "macro_f1": score(source_model.classes_[advice[test].argmax(1)])})
        for size in sizes:
            some = np.concatenate([_some(rng, pool[y[pool] == c], size) for c in np.unique(y[pool])])
            for way, inputs in (("new cells alone", x), ("both", np.hstack([x, advice]))):
                model = _regression().fit(inputs[some], y[some])
                rows.append({"draw": draw, "size": size, "way": way, "macro_f1": score(model.predict(inputs[test]))})
    return pd.DataFrame(rows)


def _some(rng: np.random.Generator, rows: np.ndarray, size: int) -> np.ndarray:
    return rng.permutation(rows)[:size]


def _regression() -> LogisticRegression:
    return LogisticRegression(C=0.3, max_iter=2000, class_weight="balanced")
