"""The scale of each feature by the statistics of some cells, for the models that read families as tokens."""

from __future__ import annotations

import numpy as np

from patchtype.cohorts import Cohort
from patchtype.models.table import Winsoriser


class Scale:
    """Winsorised z-scores by the statistics of some cells ``x`` (N, P); missing values stay missing.

    ``median`` (P,) is that of the winsorised cells, before z-scoring. A feature that no cell has is
    taken as zero in all statistics.

    >>> Scale(np.array([[0.0], [2.0], [np.nan]]))(np.array([[1.0], [np.nan]])).tolist()
    [[0.0], [nan]]
    """

    def __init__(self, x: np.ndarray):
        self.winsoriser = Winsoriser().fit(x)
        clipped = self.winsoriser.transform(x)
        clipped = np.where(np.isnan(clipped).all(axis=0), 0.0, clipped)
        self.median, self.mean = np.nanmedian(clipped, axis=0), np.nanmean(clipped, axis=0)
        deviation = np.nanstd(clipped, axis=0)
        self.deviation = np.where(deviation > 1e-12, deviation, 1.0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (self.winsoriser.transform(x) - self.mean) / self.deviation


def same_features(cohort: Cohort, features: tuple[str, ...]) -> None:
    """ValueError unless the cohort has these features, in this order."""
    if tuple(cohort.table.columns) != features:
        raise ValueError(
            f"found {len(cohort.table.columns)} features, expected the {len(features)} that the scaler was "
            "fitted on, in the same order; load both cohorts with the same feature set"
        )
