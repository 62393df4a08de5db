"""Logistic regression as plain arrays, with the winsorising, filling and scaling before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from helpers.models.arrays import Arrays


@dataclass(frozen=True)
class LinearModel(Arrays):
    """``low``, ``high`` (P,) limits; ``fill``, ``mean``, ``scale`` (P,); ``weights`` (C, P), ``intercept`` (C,)."""

    low: np.ndarray
    high: np.ndarray
    fill: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, pipeline) -> LinearModel:
        """The arrays of a fitted `helpers.models.table.logistic_regression` pipeline.

        ValueError for two classes, which share one row of weights.
        """
        winsoriser, imputer, scaler, regression = (step for _, step in pipeline.steps)
        if len(regression.classes_) < 3:
            raise ValueError(f"found {len(regression.classes_)} classes, expected at least three")
        return cls(winsoriser.low_, winsoriser.high_, imputer.statistics_, scaler.mean_, scaler.scale_,
                   regression.coef_, regression.intercept_)

    def predict_proba(self, x) -> np.ndarray:
        """(N, C) probabilities; NaN in ``x`` (N, P) is filled with the training median."""
        x = np.clip(np.asarray(x, float), self.low, self.high)
        x = (np.where(np.isnan(x), self.fill, x) - self.mean) / self.scale
        return softmax(x @ self.weights.T + self.intercept, axis=1)
