"""Two kinds of cells told apart by support vectors, as plain arrays with the winsorising and scaling before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from patchtype.classify.arrays import Prepared


@dataclass(frozen=True)
class KernelMachine(Prepared):
    """``columns`` (K,) positions of the features it reads, of which alone the preparation knows; ``support`` (S, K)
    prepared training cells, ``weight`` (S,) of each; ``gamma`` and ``intercept`` (1,).
    """

    columns: np.ndarray
    support: np.ndarray
    weight: np.ndarray
    gamma: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, pipeline, columns) -> KernelMachine:
        """The arrays of `patchtype.models.table.scaled` and a radial `SVC` of two classes, fitted on some columns.

        ValueError for another number of classes.
        """
        *steps, machine = (step for _, step in pipeline.steps)
        if len(machine.classes_) != 2:
            raise ValueError(f"found {len(machine.classes_)} classes, expected two")
        return cls(
            **cls.learnt(*steps), columns=np.asarray(columns, np.int16), support=machine.support_vectors_,
            weight=machine.dual_coef_[0], gamma=np.array([machine._gamma]),
            intercept=np.asarray(machine.intercept_, float))

    def margin(self, x) -> np.ndarray:
        """(N,) side and distance from the border for ``x`` (N, P): positive for the second kind.

        NaN in ``x`` is filled with the training median; a cell without any of the columns has no side: NaN.
        """
        x = np.asarray(x, float)[:, self.columns]
        empty = np.isnan(x).all(axis=1)
        near = np.exp(-self.gamma * cdist(self.prepared(x), self.support, "sqeuclidean"))
        return np.where(empty, np.nan, near @ self.weight + self.intercept)
