"""Two kinds of cells told apart by support vectors, as plain arrays with the winsorising and scaling before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from helpers.models.arrays import Arrays


@dataclass(frozen=True)
class KernelMachine(Arrays):
    """``columns`` (K,) positions of the features it reads; ``low``, ``high``, ``fill``, ``mean``, ``scale`` (K,);
    ``support`` (S, K) scaled training cells, ``weight`` (S,) of each; ``gamma`` and ``intercept`` (1,).
    """

    columns: np.ndarray
    low: np.ndarray
    high: np.ndarray
    fill: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    support: np.ndarray
    weight: np.ndarray
    gamma: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, pipeline, columns) -> KernelMachine:
        """The arrays of `helpers.models.table.scaled` and a radial `SVC` of two classes, fitted on some columns.

        ValueError for another number of classes.
        """
        winsoriser, imputer, scaler, machine = (step for _, step in pipeline.steps)
        if len(machine.classes_) != 2:
            raise ValueError(f"found {len(machine.classes_)} classes, expected two")
        return cls(
            np.asarray(columns, np.int16), winsoriser.low_, winsoriser.high_, imputer.statistics_, scaler.mean_,
            scaler.scale_, machine.support_vectors_, machine.dual_coef_[0], np.array([machine._gamma]),
            np.asarray(machine.intercept_, float))

    def margin(self, x) -> np.ndarray:
        """(N,) side and distance from the border for ``x`` (N, P): positive for the second kind.

        NaN in ``x`` is filled with the training median; a cell without any of the columns has no side: NaN.
        """
        x = np.asarray(x, float)[:, self.columns]
        empty = np.isnan(x).all(axis=1)
        x = np.clip(x, self.low, self.high)
        x = (np.where(np.isnan(x), self.fill, x) - self.mean) / self.scale
        near = np.exp(-self.gamma * cdist(x, self.support, "sqeuclidean"))
        return np.where(empty, np.nan, near @ self.weight + self.intercept)
