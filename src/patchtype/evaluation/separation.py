"""How far apart subclasses lie, without any classifier: effect sizes, silhouettes, neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import NearestNeighbors

from patchtype.cohorts import Cohort


def cliffs_delta(a, b) -> float:
    """Chance that a value of ``a`` exceeds one of ``b``, minus the chance of the reverse; NaN are left out.

    It runs from -1 (every a below every b) to 1, needs no bell curve, and is 2 AUC - 1 (Cliff 1993).

    >>> cliffs_delta([3, 4], [1, 2])
    1.0
    """
    a, b = (np.asarray(v, float)[np.isfinite(v)] for v in (a, b))
    if not len(a) or not len(b):
        return float("nan")
    return float(2 * stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)) - 1)


def effect(cohort: Cohort, feature: str, subclass: str) -> dict:
    """One subclass against all others on one feature: medians, Cliff's delta and Mann-Whitney p."""
    inside = (cohort.cells["subclass"] == subclass).to_numpy()
    values = cohort.table[feature]
    a, b = values[inside].dropna(), values[~inside].dropna()
    return {"feature": feature, "subclass": subclass, "median": a.median(), "median_others": b.median(),
            "delta": cliffs_delta(a, b), "p": float(stats.mannwhitneyu(a, b).pvalue)}


def silhouettes(points: np.ndarray, cohort: Cohort) -> pd.Series:
    """Mean silhouette width per subclass of points (N, K): near 1 apart, near 0 mixed, below 0 misplaced."""
    return pd.Series(silhouette_samples(points, cohort.y)).groupby(cohort.cells["subclass"].to_numpy()).mean()


def neighbour_purity(points: np.ndarray, cohort: Cohort, k: int = 15) -> pd.Series:
    """Share of a cell's ``k`` nearest neighbours that have its subclass, mean per subclass."""
    nearest = NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points, return_distance=False)[:, 1:]
    same = cohort.y[nearest] == cohort.y[:, None]
    return pd.Series(same.mean(axis=1)).groupby(cohort.cells["subclass"].to_numpy()).mean()


def d_prime(points: np.ndarray, cohort: Cohort) -> pd.DataFrame:
    """Distance between the means of each pair of subclasses along their Fisher axis, in pooled SDs."""
    classes = cohort.classes
    result = pd.DataFrame(np.nan, index=list(classes), columns=list(classes))
    for i, first in enumerate(classes):
        for j, second in enumerate(classes[:i]):
            a, b = points[cohort.y == i], points[cohort.y == j]
            pooled = (np.cov(a.T) * (len(a) - 1) + np.cov(b.T) * (len(b) - 1)) / (len(a) + len(b) - 2)
            difference = a.mean(axis=0) - b.mean(axis=0)
            distance = float(np.sqrt(difference @ np.linalg.pinv(np.atleast_2d(pooled)) @ difference))
            result.loc[first, second] = result.loc[second, first] = distance
    return result
