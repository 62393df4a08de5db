"""Who is trained on and who is tested: splits as small frozen objects.

A protocol is a value: two models compared under the same protocol see the same folds. Cells of one donor
share a brain, a slice and a day, so a fold that splits a donor can leak; ``grouped=True`` keeps donors apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from patchtype.cohorts import Cohort

SEEDS_A_REPEAT = 1000


class Fold(NamedTuple):
    """Positions of training and test cells in the cohort, and which repeat and fold they belong to."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray

    @property
    def seed(self) -> int:
        """Seed of a model fitted on this fold; `repeat_of` takes it back."""
        return SEEDS_A_REPEAT * self.repeat + self.fold


def repeat_of(seed: int) -> int:
    """The repeat that a fold's seed belongs to.

    >>> repeat_of(Fold(3, 4, np.array([]), np.array([])).seed)
    3
    """
    return seed // SEEDS_A_REPEAT


@dataclass(frozen=True)
class CrossValidation:
    """Repeated stratified k-fold; with ``grouped`` no donor is in training and test at once.

    >>> str(CrossValidation(5, 2))
    'stratified 5-fold x 2'
    """

    n_splits: int = 5
    n_repeats: int = 3
    grouped: bool = False
    seed: int = 7

    def folds(self, cohort: Cohort) -> Iterator[Fold]:
        """Folds of the cohort; every cell is tested once per repeat."""
        kind = StratifiedGroupKFold if self.grouped else StratifiedKFold
        for repeat in range(self.n_repeats):
            splitter = kind(self.n_splits, shuffle=True, random_state=self.seed + repeat)
            groups = cohort.donors if self.grouped else None
            for fold, (train, test) in enumerate(splitter.split(cohort.x, cohort.y, groups)):
                yield Fold(repeat, fold, train, test)

    @property
    def test_to_train(self) -> float:
        """Test cells per training cell, the correlation term of the corrected test."""
        return 1 / (self.n_splits - 1)

    def __str__(self) -> str:
        return f"{'donor-grouped' if self.grouped else 'stratified'} {self.n_splits}-fold x {self.n_repeats}"


@dataclass(frozen=True)
class HoldOut:
    """Repeated stratified hold-out of a share of the cells (the paper's mouse protocol: 0.2, ten runs).

    >>> str(HoldOut(0.2, 3))
    'hold-out 20 % x 3'
    """

    test_size: float = 0.2
    n_repeats: int = 10
    seed: int = 7

    def folds(self, cohort: Cohort) -> Iterator[Fold]:
        """One fold per repeat, each with its own random test cells."""
        splitter = StratifiedShuffleSplit(self.n_repeats, test_size=self.test_size, random_state=self.seed)
        for repeat, (train, test) in enumerate(splitter.split(cohort.x, cohort.y)):
            yield Fold(repeat, 0, train, test)

    @property
    def test_to_train(self) -> float:
        return self.test_size / (1 - self.test_size)

    def __str__(self) -> str:
        return f"hold-out {self.test_size:.0%} x {self.n_repeats}".replace("%", " %")
