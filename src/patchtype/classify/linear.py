"""Logistic regression as plain arrays, with the winsorising, filling and scaling before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from patchtype.classify.arrays import Prepared


@dataclass(frozen=True)
class LinearModel(Prepared):
    """``weights`` (C, P) of prepared features and ``intercept`` (C,)."""

    weights: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, pipeline) -> LinearModel:
        """The arrays of a fitted `patchtype.models.table.logistic_regression` pipeline.

        ValueError for two classes, which share one row of weights.
        """
        *steps, regression = (step for _, step in pipeline.steps)
        if len(regression.classes_) < 3:
            raise ValueError(f"found {len(regression.classes_)} classes, expected at least three")
        return cls(**cls.learnt(*steps), weights=regression.coef_, intercept=regression.intercept_)

    def predict_proba(self, x) -> np.ndarray:
        """(N, C) probabilities; NaN in ``x`` (N, P) is filled with the training median."""
        return softmax(self.prepared(np.asarray(x, float)) @ self.weights.T + self.intercept, axis=1)
