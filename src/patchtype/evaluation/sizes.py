"""How a score grows with training cells: nested samples of the training cells of each fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from patchtype.cohorts import Cohort
from patchtype.evaluation.protocols import CrossValidation, Fold

#: Training cells of the book's curves; 0 means all of a fold.
SIZES = (25, 50, 100, 200, 400, 0)


@dataclass(frozen=True)
class Sample:
    """The folds of ``base`` with ``size`` training cells each, test cells untouched; 0 takes all training cells.

    Samples of one fold are nested: the cells of a small one are in every larger one, so a curve over sizes adds
    cells and exchanges none. Each keeps the classes' shares to within one cell. They depend on the fold alone,
    so every model is given the same cells.
    ``test_to_train`` is that of ``base``: what correlates two folds is that they test the same cells, and
    they do so however few cells were trained on.

    >>> str(Sample(CrossValidation(5, 2, grouped=True), 50))
    'donor-grouped 5-fold x 2, 50 training cells'
    """

    base: CrossValidation
    size: int = 0

    def __post_init__(self):
        if self.size < 0:
            raise ValueError(f"found size={self.size}, expected a number of cells, or 0 for all")

    def folds(self, cohort: Cohort) -> Iterator[Fold]:
        """Folds of ``base`` with fewer training cells; ValueError where a fold has fewer than asked for."""
        for fold in self.base.folds(cohort):
            if self.size > len(fold.train):
                raise ValueError(
                    f"found {len(fold.train)} training cells in a fold, expected at least the {self.size} asked for; "
                    "ask for fewer, or for 0, which takes all")
            if not self.size:
                yield fold
                continue
            order = queue(cohort.y[fold.train], seed=self.base.seed + fold.seed)
            yield fold._replace(train=np.sort(fold.train[order[: self.size]]))

    @property
    def test_to_train(self) -> float:
        return self.base.test_to_train

    def __str__(self) -> str:
        return f"{self.base}, {self.size or 'all'} training cells"


def queue(y: np.ndarray, seed: int) -> np.ndarray:
    """An order of cells in which every beginning has the classes' shares, to within one cell of each class.

    The cells of a class are shuffled and then spread evenly over the queue.

    >>> y = np.array([0, 0, 0, 0, 1, 1])
    >>> np.bincount(y[queue(y, seed=0)[:3]]).tolist()
    [2, 1]
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(y))
    for code in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == code))
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.argsort(place, kind="stable")
