"""What mouse cells add: paired gains of many methods on the same folds, and how many of them are luck.

Scores are macro-F1 of one fold each, computed for all folds at once. A gain is the mean difference of two
readings over the folds that both were run on, with the corrected interval of `patchtype.evaluation.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from patchtype import settings
from patchtype.cohorts import Cohort
from patchtype.evaluation import archive
from patchtype.evaluation.metrics import Estimate, confusions, corrected_mean, f1
from patchtype.evaluation.power import smallest_gain
from patchtype.experiments.methods import METHODS, reading, twin
from patchtype.experiments.transfer import PREFIX, base

KEYS = ["model", "size", "repeat", "fold"]


def load(cohort: Cohort, folder=None, methods: Iterable[str] | None = None) -> pd.DataFrame:
    """Kept predictions of all methods that are there, in one table with the columns ``model`` and ``size``.

    Raises `archive.ArchiveError` when none is there, or when one was run on other data.
    """
    there = [name for name in methods or METHODS if methods or PREFIX + name in archive.kept(folder)]
    if not there:
        raise archive.ArchiveError(f"found no kept method in {folder or settings.science_folder()}; run `make science`")
    return pd.concat([archive.load(PREFIX + name, cohort, folder) for name in there], ignore_index=True)


def class_f1(predictions: pd.DataFrame, classes) -> pd.DataFrame:
    """F1 of each class (column) on each fold (row: model, size, repeat, fold); macro-F1 is the mean of a row.

    A class that a fold neither has nor predicts counts as zero, as in `patchtype.evaluation.fold_scores`.
    """
    rows, index = pd.factorize(pd.MultiIndex.from_frame(predictions[KEYS]))
    counts = confusions(predictions, rows, classes)
    return pd.DataFrame(f1(counts), pd.MultiIndex.from_tuples(index, names=KEYS), list(classes)).sort_index()


def differences(scores: pd.Series, model: str, reference: str, size: int = 0) -> pd.Series:
    """Score of ``model`` minus that of ``reference`` on each fold that both have, by repeat and fold.

    ValueError when they share none.
    """
    a, b = (scores.xs((name, size), level=("model", "size")) for name in (model, reference))
    both = a.index.intersection(b.index)
    if both.empty:
        raise ValueError(f"found no fold that {model!r} and {reference!r} share, expected the same protocol")
    return a[both] - b[both]


def curve(scores: pd.Series, model: str, cells: int, reference: str | None = None,
          test_to_train: float | None = None) -> pd.DataFrame:
    """Mean and interval of a model's score by number of training cells, or of its gain over a ``reference``.

    Columns are those of `Estimate`; ``cells`` is how many training cells there are in all, which is size 0.
    """
    ratio = base().test_to_train if test_to_train is None else test_to_train
    rows = {}
    for size, values in scores.loc[model].groupby("size"):
        compared = differences(scores, model, reference, size) if reference else values
        rows[size or cells] = corrected_mean(compared, ratio)
    return pd.DataFrame(rows, Estimate._fields).T.sort_index()


def best_alone(scores: pd.Series, size: int = 0) -> str:
    """The reading without mouse cells that has the highest mean score; its choice favours no method with them."""
    means = scores.xs(size, level="size").groupby("model").mean()
    return means[[uses_no_mouse(model) for model in means.index]].idxmax()


def uses_no_mouse(model: str) -> bool:
    return METHODS[reading(model)[0]].twin is None


def estimate(row: Mapping) -> Estimate:
    """A row of `gains` as an estimate, which brings its interval and p.

    >>> estimate({"gain": 0.01, "low": -0.02, "high": 0.04, "p": 0.5, "folds": 15})
    Estimate(mean=0.01, low=-0.02, high=0.04, p=0.5)
    """
    return Estimate(*(float(row[key]) for key in ("gain", "low", "high", "p")))


def gains(scores: pd.Series, size: int = 0, reference: str | None = None, test_to_train: float | None = None
          ) -> pd.DataFrame:
    """One row per reading that uses mouse cells: its gain over its twin, or over one ``reference`` for all.

    Columns: ``reference``, ``score``, ``gain``, ``low``, ``high``, ``p``, ``p_holm`` (adjusted for all rows),
    ``folds``, ``smallest`` (the gain that the test would find four times in five). Best gain first.
    """
    ratio = base().test_to_train if test_to_train is None else test_to_train
    rows = {}
    for model in scores.xs(size, level="size").index.unique("model"):
        against = reference or twin(model)
        if twin(model) is None or (against, size) not in scores.index.droplevel(["repeat", "fold"]):
            continue
        values = differences(scores, model, against, size)
        found = corrected_mean(values, ratio)
        rows[model] = {
            "reference": against,
            "score": scores.xs((model, size), level=("model", "size")).mean(),
            "gain": found.mean, "low": found.low, "high": found.high, "p": found.p, "folds": len(values),
            "smallest": smallest_gain(values, ratio) if len(values) > 1 else np.nan}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    if table.empty:
        return table
    table.insert(6, "p_holm", holm(table["p"]))
    return table.sort_values("gain", ascending=False)


def holm(p) -> np.ndarray:
    """p values adjusted so that one false finding among all is as rare as one alone should be (Holm 1979).

    NaN, a test that could not be made, stays NaN and counts as no test.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, float)
    made = np.flatnonzero(np.isfinite(p))
    order = made[np.argsort(p[made])]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def best_gain(cohort: Cohort, folder=None) -> dict:
    """The transfer goal in one row: the method with mouse cells that gains most over the best without any.

    Keys are those of `gains`, with ``model``, ``methods`` (how many were compared) and ``cells``. The reference is
    the best reading without mouse cells, whatever its learner; ``p_holm`` allows for having looked at all methods.

    >>> best_gain(cohorts.load("human", "human"))["reference"]  # doctest: +SKIP
    'full | average'
    """
    scores = class_f1(load(cohort, folder), cohort.classes).mean(axis=1)
    table = gains(scores, reference=best_alone(scores))
    return {"model": table.index[0], **table.iloc[0].to_dict(), "methods": len(table), "cells": len(cohort)}


def title(model: str) -> str:
    """A reading as a reader wants it named.

    >>> title("pooled_coral | average")
    'pooled, CORAL (average)'
    """
    method, learner = reading(model)
    return METHODS[method].title + (f" ({learner})" if learner else "")
