"""Scores of a prediction table, with intervals that know that folds overlap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_fscore_support,
)

from patchtype.evaluation.power import standard_error

#: Fewest values from which a spread is estimated: with two runs a 95 % interval spans thirteen standard errors.
FEWEST = 5

SCORES = ("macro_f1", "balanced_accuracy", "accuracy")


class Estimate(NamedTuple):
    """A mean over folds with its 95 % interval; ``p`` tests the mean against zero (for differences)."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def interval(self) -> tuple[float, float]:
        return (self.low, self.high)


def confusions(predictions: pd.DataFrame, groups: np.ndarray, classes) -> np.ndarray:
    """(G, C, C) confusion matrix, true by predicted class, of each group; ``groups`` (N,) int, from 0, one a row.

    >>> said = pd.DataFrame({"true": ["Sst", "Vip", "Vip"], "predicted": ["Sst", "Sst", "Vip"]})
    >>> confusions(said, np.array([0, 0, 1]), ["Sst", "Vip"]).tolist()
    [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]
    """
    names = pd.Index(classes)
    counts = np.zeros((int(groups.max(initial=-1)) + 1, len(names), len(names)))
    np.add.at(counts, (groups, *(names.get_indexer(predictions[column]) for column in ("true", "predicted"))), 1)
    return counts


def f1(confusions: np.ndarray) -> np.ndarray:
    """(..., C) F1 of each class; zero for a class without cells, true or predicted."""
    cells = confusions.sum(-1) + confusions.sum(-2)
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    return np.divide(2 * hits, cells, out=np.zeros(cells.shape), where=cells > 0)


def fold_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """`SCORES` of every model, repeat and fold, as a table indexed by the three."""
    folds = predictions.groupby(["model", "repeat", "fold"], sort=False, observed=True)
    names = sorted({*predictions["true"].unique(), *predictions["predicted"].unique()})
    counts = confusions(predictions, folds.ngroup().to_numpy(), names)
    hits, of_true = np.diagonal(counts, axis1=1, axis2=2), counts.sum(2)
    classes = of_true.sum(0) > 0
    recall = np.divide(hits, of_true, out=np.full(hits.shape, np.nan), where=of_true > 0)
    index = pd.MultiIndex.from_frame(predictions.loc[~predictions.duplicated(["model", "repeat", "fold"]),
                                                     ["model", "repeat", "fold"]])
    return pd.DataFrame({"macro_f1": f1(counts)[:, classes].mean(1), "balanced_accuracy": np.nanmean(recall, axis=1),
                         "accuracy": hits.sum(1) / of_true.sum(1)}, index=index)


def corrected_mean(values, test_to_train: float) -> Estimate:
    """Mean of per-fold values with the corrected resampled interval and two-sided p value.

    Training sets of different folds share most of their cells, so fold values are correlated and their
    plain standard error is too small. Nadeau & Bengio (2003) replace 1/n by 1/n + n_test/n_train.
    Fewer than `FEWEST` values give no interval: limits and p are NaN. Values that are all equal have a
    zero-width interval; p is then 1 where they are zero, else 0.

    >>> corrected_mean([0.1] * 5, 0.25).interval
    (0.1, 0.1)
    """
    values = np.asarray(values, float)
    n, mean = len(values), float(np.mean(values))
    if n < FEWEST:
        return Estimate(mean, float("nan"), float("nan"), float("nan"))
    if np.ptp(values) == 0:
        return Estimate(mean, float(values[0]), float(values[0]), float(mean == 0))
    error = standard_error(values, test_to_train)
    half = stats.t.ppf(0.975, n - 1) * error
    return Estimate(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, n - 1)))


def summary(predictions: pd.DataFrame, protocol) -> pd.DataFrame:
    """One row per model: mean of each score over folds, its interval, and the number of folds."""
    rows = {}
    for name, part in fold_scores(predictions).groupby("model", sort=False):
        row = {"folds": len(part)}
        for score in SCORES:
            estimate = corrected_mean(part[score], protocol.test_to_train)
            row |= {score: estimate.mean, f"{score}_low": estimate.low, f"{score}_high": estimate.high}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def fold_differences(predictions: pd.DataFrame, model: str, reference: str, score: str = "macro_f1") -> pd.Series:
    """``model`` minus ``reference`` on each fold, indexed by repeat and fold.

    Raises ValueError when the two were not run on the same folds.
    """
    scores = fold_scores(predictions[predictions["model"].isin([model, reference])])[score]
    a, b = scores.loc[model], scores.loc[reference]
    if not a.index.sort_values().equals(b.index.sort_values()):
        raise ValueError(
            f"found different folds for {model!r} and {reference!r}, expected the same; evaluate them together")
    return a - b


def paired_difference(predictions: pd.DataFrame, model: str, reference: str, protocol, score="macro_f1") -> Estimate:
    """Mean of `fold_differences` with its corrected interval and p value."""
    return corrected_mean(fold_differences(predictions, model, reference, score).to_numpy(), protocol.test_to_train)


def per_class(predictions: pd.DataFrame, classes) -> pd.DataFrame:
    """Precision, recall, F1 and cells of each model and class, over all folds of the first repeat."""
    rows = []
    for name, part in predictions[predictions["repeat"] == 0].groupby("model", sort=False):
        values = precision_recall_fscore_support(part["true"], part["predicted"], labels=list(classes), zero_division=0)
        table = pd.DataFrame(np.transpose(values), columns=["precision", "recall", "f1", "cells"])
        rows.append(table.assign(model=name, subclass=list(classes)))
    return pd.concat(rows).astype({"cells": int}).set_index(["model", "subclass"])


def confusion(predictions: pd.DataFrame, model: str, classes) -> pd.DataFrame:
    """Share of each true class (row) predicted as each class (column), over all repeats; rows sum to 1."""
    part = predictions[predictions["model"] == model]
    matrix = confusion_matrix(part["true"], part["predicted"], labels=list(classes), normalize="true")
    return pd.DataFrame(matrix, index=pd.Index(classes, name="true"), columns=pd.Index(classes, name="predicted"))
