"""Do probabilities mean what they say? Reliability, calibration error, temperature, and the right to abstain.

A model is *calibrated* when, of all cells that it names with 80 % confidence, 80 % are named rightly. All
functions take probabilities (N, C) whose rows sum to one and true classes (N,) as positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest

from patchtype.evaluation.bootstrap import ends, redrawn, rows_by_donor

#: Probabilities below this carry no more evidence: their logarithm would be without end.
SMALLEST = 1e-12


def reliability(probabilities, y, n_bins: int = 10) -> pd.DataFrame:
    """The points of a reliability diagram: confidence in the named class against the share named rightly.

    Bins hold equally many cells, for confidences crowd near one. Columns ``confidence`` and ``accuracy``
    (means), ``cells``, and the 95 % Wilson limits ``low`` and ``high`` of the accuracy.

    >>> reliability([[0.8, 0.2]] * 5, [0, 0, 0, 0, 1], 1)[["confidence", "accuracy"]].to_numpy().round(2).tolist()
    [[0.8, 0.8]]
    """
    p, y = _checked(probabilities, y)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    order = np.argsort(confidence, kind="stable")
    rows = []
    for part in np.array_split(order, min(n_bins, len(order))):
        low, high = binomtest(int(right[part].sum()), len(part)).proportion_ci(method="wilson")
        rows.append((confidence[part].mean(), right[part].mean(), len(part), low, high))
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "cells", "low", "high"])


def expected_calibration_error(probabilities, y, n_bins: int = 10) -> float:
    """Mean distance of confidence from accuracy over the bins of `reliability` (Guo et al. 2017).

    Chance keeps it above zero: with n cells a bin even a perfect model has about 0.8 sqrt(a (1 - a) / n).

    >>> expected_calibration_error([[1.0, 0.0]] * 4, [0, 0, 1, 1])
    0.5
    """
    bins = reliability(probabilities, y, n_bins)
    return float(np.average((bins["confidence"] - bins["accuracy"]).abs(), weights=bins["cells"]))


def brier(probabilities, y) -> float:
    """Mean squared distance of the probabilities from the truth, summed over classes: 0 is perfect, 2 the worst.

    >>> brier([[1.0, 0.0]], [1])
    2.0
    """
    p, y = _checked(probabilities, y)
    return float(((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1).mean())


def log_loss(probabilities, y) -> float:
    """Mean negative log probability of the true class."""
    p, y = _checked(probabilities, y)
    return float(-np.log(np.clip(p[np.arange(len(y)), y], SMALLEST, 1)).mean())


@dataclass(frozen=True)
class Temperature:
    """Probabilities made softer or harder by one number, and shifted by one number a class.

    The calibrated probabilities are ``softmax(log p / temperature + shift)``. The shift undoes what class
    weights in training did to the shares of classes (Alexandari et al. 2020); its mean is zero.

    >>> Temperature.fit([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4, [0, 0, 0, 1, 1, 1, 1, 0]).apply([[0.9, 0.1]]).round(2)
    array([[0.75, 0.25]])
    """

    temperature: float
    shift: np.ndarray

    @classmethod
    def fit(cls, probabilities, y, shifted: bool = True) -> Temperature:
        """The temperature (and shift) with the least log loss on cells that the model was not trained on.

        A little ridge on the shift keeps it finite for a class without cells.
        """
        p, y = _checked(probabilities, y)
        logits, n_classes = np.log(np.clip(p, SMALLEST, 1)), p.shape[1]
        truth = np.eye(n_classes)[y]

        def loss(parameters):
            slope, shift = np.exp(-parameters[0]), parameters[1:]
            z = log_softmax(slope * logits + shift, axis=1)
            residual = np.exp(z) - truth
            of_slope = -slope * (residual * logits).sum(axis=1).mean()
            of_shift = residual.mean(axis=0) + 2e-4 * shift
            value = -(z * truth).sum(axis=1).mean() + 1e-4 * (shift ** 2).sum()
            return value, np.r_[of_slope, of_shift if shifted else np.zeros(n_classes)]

        found = optimize.minimize(loss, np.zeros(1 + n_classes), jac=True, method="L-BFGS-B",
                                  bounds=[(-3, 3)] + [(None, None)] * n_classes)
        shift = found.x[1:] - found.x[1:].mean()
        return cls(float(np.exp(found.x[0])), shift)

    def apply(self, probabilities) -> np.ndarray:
        """Calibrated probabilities (N, C)."""
        logits = np.log(np.clip(np.asarray(probabilities, float), SMALLEST, 1))
        return softmax(logits / self.temperature + self.shift, axis=1)


def selective(probabilities, y) -> pd.DataFrame:
    """What abstaining buys: answer only the most confident cells, and see how many answers are right.

    One row per number of cells answered, most confident first: ``coverage`` (share answered), ``accuracy`` of
    the answers, ``confidence`` of the least confident of them.

    >>> selective([[0.9, 0.1], [0.4, 0.6]], [0, 0])["accuracy"].tolist()
    [1.0, 0.5]
    """
    p, y = _checked(probabilities, y)
    order = np.argsort(-p.max(axis=1), kind="stable")
    right = (p.argmax(axis=1) == y)[order]
    answered = np.arange(1, len(y) + 1)
    return pd.DataFrame({"coverage": answered / len(y), "accuracy": right.cumsum() / answered,
                         "confidence": p.max(axis=1)[order]})


def accuracy_at(curve: pd.DataFrame, coverage: float) -> float:
    """Accuracy of `selective` when at least this share of cells is answered."""
    return float(curve.loc[curve["coverage"] >= coverage - 1e-9, "accuracy"].iloc[0])


def donor_interval(statistic: Callable, probabilities, y, donors, n: int = 200, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of ``statistic(p, y)``, drawing whole donors, whose cells are alike."""
    p, y = _checked(probabilities, y)
    rng, of_donors = np.random.default_rng(seed), rows_by_donor(donors)
    drawn = (redrawn(of_donors, rng) for _ in range(n))
    return ends([statistic(p[rows], y[rows]) for rows in drawn])


def _checked(probabilities, y) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; ValueError says what does not fit."""
    p, y = np.asarray(probabilities, float), np.asarray(y, int)
    if p.ndim != 2 or len(p) != len(y) or not len(y):
        raise ValueError(f"found probabilities of shape {p.shape} for {len(y)} cells, expected one row for each cell")
    if not np.allclose(p.sum(axis=1), 1, atol=1e-4) or (p < 0).any():
        raise ValueError("found probabilities that are negative or do not sum to 1, expected one distribution a cell")
    return p, y
