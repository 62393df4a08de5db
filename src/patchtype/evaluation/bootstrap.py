"""Intervals for one set of test cells: donors are drawn anew, since cells of one donor are no independent cells.

Folds give a spread to learn an interval from; a set that is scored once gives none. Here the donors of the
test cells are drawn with replacement, and the score of each draw is a score that might have been.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from patchtype.evaluation.metrics import Estimate, confusions, f1


def macro_f1(confusions: np.ndarray) -> np.ndarray:
    """(...,) macro-F1 of confusion matrices (..., C, C), true by predicted, over the classes that have true cells.

    >>> float(macro_f1(np.array([[2, 0], [0, 3]])))
    1.0
    """
    present = confusions.sum(-1) > 0
    return (f1(confusions) * present).sum(-1) / np.maximum(present.sum(-1), 1)


def donor_confusions(predictions: pd.DataFrame, donors: pd.Series) -> np.ndarray:
    """(D, C, C) confusion matrix of each donor; ``donors`` maps cell to donor. One row a cell is expected."""
    if predictions["cell"].duplicated().any():
        raise ValueError("found a cell twice, expected one prediction a cell; choose one model and one repeat")
    donor, _ = pd.factorize(predictions["cell"].map(donors))
    return confusions(predictions, donor, sorted(set(predictions["true"]) | set(predictions["predicted"])))


def interval(predictions: pd.DataFrame, donors: pd.Series, draws: int = 2000, seed: int = 0) -> Estimate:
    """Macro-F1 of one model's predictions with a 95 % percentile interval over draws of donors; p is NaN."""
    counts = donor_confusions(predictions, donors)
    values = _drawn(counts, draws, seed)
    return Estimate(float(macro_f1(counts.sum(0))), *ends(values), float("nan"))


def times_drawn(donors: int, draws: int, seed: int) -> np.ndarray:
    """(draws, donors) int: how often each donor is drawn, with replacement; the same seed draws the same donors."""
    return np.random.default_rng(seed).multinomial(donors, np.full(donors, 1 / donors), size=draws)


def rows_by_donor(donors) -> list[np.ndarray]:
    """The rows of each donor's cells, donors in the order of their first cell.

    >>> [rows.tolist() for rows in rows_by_donor(["b", "a", "b"])]
    [[0, 2], [1]]
    """
    which, names = pd.factorize(np.asarray(donors))
    return [np.flatnonzero(which == k) for k in range(len(names))]


def redrawn(rows: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Rows of as many donors as `rows_by_donor` found, drawn with replacement: a donor drawn twice comes twice."""
    return np.concatenate([rows[k] for k in rng.integers(len(rows), size=len(rows))])


def _drawn(counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws,) macro-F1 of donors drawn with replacement."""
    return macro_f1(np.tensordot(times_drawn(len(counts), draws, seed), counts, axes=1))


def ends(values) -> tuple[float, float]:
    """Both ends of the 95 % percentile interval of values that might have been, one a draw."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
