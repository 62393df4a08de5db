"""Which families support the answer: exact Shapley values of a cell's feature families.

A family speaks by having this cell's values instead of a typical cell's. Its share is the mean, over every order
in which the families could be told, of what it adds to the log probability of a subclass when its turn comes
(Shapley 1953; Lundberg & Lee 2017). All combinations of families are computed, so nothing is estimated, and the
shares add up to the log probability of the cell minus that of the typical cells.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np
import pandas as pd


def shapley(value: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """(n,) Shapley values of ``n`` players; ``value`` maps (2^n, n) bool coalitions to (2^n,) numbers.

    >>> shapley(lambda told: told @ [1.0, 2.0] + told.all(axis=1), 2).tolist()
    [1.5, 2.5]
    """
    codes = np.arange(2 ** n)
    told = (codes[:, None] >> np.arange(n)) & 1 == 1
    worth, size = np.asarray(value(told), float), told.sum(axis=1)
    weight = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    out = np.empty(n)
    for k in range(n):
        without = codes[~told[:, k]]
        out[k] = (weight[size[without]] * (worth[without | (1 << k)] - worth[without])).sum()
    return out


def contributions(classifier, row, subclass: str, pattern: tuple[str, ...]) -> pd.Series:
    """Share of each family in the log probability of a subclass for one cell, families in order.

    ``row`` (P,) are the cell's values of the classifier's columns; ``pattern``, the blocks it is answered by. The
    typical cells are the median cells of all classes; what they would say is averaged over them. Positive: the
    family supports the subclass.
    """
    row, target = np.asarray(row, float), classifier.classes.index(subclass)
    families = classifier.families(pattern)

    def value(told: np.ndarray) -> np.ndarray:
        own = np.zeros((len(told), len(row)), bool)
        for family, members in enumerate(families.values()):
            own[:, members] = told[:, [family]]
        logs = [np.log(classifier.probabilities(np.where(own, row, typical), pattern)[:, target])
                for typical in classifier.typical]
        return np.mean(logs, axis=0)

    return pd.Series(shapley(value, len(families)), index=list(families), name=subclass)
