"""Models that are plain arrays, kept and read without pickle; what scikit-learn learnt, without scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations
from typing import Self

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import log_expit, log_softmax, softmax


class Arrays:
    """A dataclass whose fields are all arrays; they go to a file of safetensors, each under a name of its own.

    >>> @dataclass
    ... class Line(Arrays):
    ...     slope: np.ndarray
    >>> Line.from_arrays(Line(np.ones(2)).arrays("line."), "line.").slope.tolist()
    [1.0, 1.0]
    """

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Every array under ``prefix`` + its name."""
        return {f"{prefix}{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays, prefix: str) -> Self:
        """What `arrays` gave. KeyError for an array that is not there."""
        return cls(**{f.name: arrays[f"{prefix}{f.name}"] for f in fields(cls)})


@dataclass(frozen=True)
class Prepared(Arrays):
    """What the steps of `patchtype.models.table.scaled` learnt, (P,) each: limits ``low`` and ``high``, medians that
    ``fill``, exponent ``power`` of the Yeo-Johnson transform (1 leaves a value as it is), ``mean`` and ``scale``.
    """

    low: np.ndarray
    high: np.ndarray
    fill: np.ndarray
    power: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, winsoriser, imputer, scaler) -> Prepared:
        """From the fitted steps; the scaler is a `StandardScaler` or a `PowerTransformer`."""
        power = getattr(scaler, "lambdas_", np.ones(len(imputer.statistics_)))
        last = getattr(scaler, "_scaler", scaler)
        return cls(winsoriser.low_, winsoriser.high_, imputer.statistics_, power, last.mean_, last.scale_)

    def __call__(self, x) -> np.ndarray:
        """(N, P) winsorised, filled, transformed and scaled values of ``x`` (N, P)."""
        x = np.clip(np.asarray(x, float), self.low, self.high)
        return (yeo_johnson(np.where(np.isnan(x), self.fill, x), self.power) - self.mean) / self.scale


def yeo_johnson(x: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Each column of ``x`` (N, P) drawn towards a normal distribution by its exponent (Yeo & Johnson 2000).

    >>> yeo_johnson(np.array([[3.0, -1.0, 1.0]]), np.array([0.0, 1.0, 2.0])).round(3).tolist()
    [[1.386, -1.0, 1.5]]
    """
    side = np.where(x < 0, -1.0, 1.0)
    exponent = np.broadcast_to(np.where(x < 0, 2 - power, power), x.shape)
    grown = np.log1p(np.abs(x))
    flat = np.abs(exponent) < 1e-12
    return side * np.where(flat, grown, np.expm1(exponent * grown) / np.where(flat, 1.0, exponent))


@dataclass(frozen=True)
class LinearModel(Arrays):
    """``weights`` (C, K) of prepared features and ``intercept`` (C,)."""

    weights: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, model) -> LinearModel:
        """The arrays of a fitted linear classifier; ValueError for two classes, which share one row of weights."""
        if len(model.classes_) < 3:
            raise ValueError(f"found {len(model.classes_)} classes, expected at least three")
        return cls(model.coef_, model.intercept_)

    def log_probabilities(self, z: np.ndarray) -> np.ndarray:
        """(N, C) of prepared cells ``z`` (N, K)."""
        return log_softmax(z @ self.weights.T + self.intercept, axis=1)


@dataclass(frozen=True)
class KernelMachine(Arrays):
    """Support vectors with a radial kernel that tell each pair of C classes apart, pairs in the order of
    `itertools.combinations`.

    ``support`` (S, K) float32 prepared training cells, ``weight`` (S, C (C - 1) / 2) float32 of each in each pair;
    ``gamma`` (1,) and ``intercept`` (pairs,).
    """

    support: np.ndarray
    weight: np.ndarray
    gamma: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, machine) -> KernelMachine:
        """The arrays of a fitted `sklearn.svm.SVC` with a radial kernel."""
        n = len(machine.classes_)
        owner = np.repeat(np.arange(n), machine.n_support_)  # scikit-learn keeps the vectors class by class
        dual, pairs = machine.dual_coef_, list(combinations(range(n), 2))
        weight = np.zeros((len(owner), len(pairs)))
        for k, (i, j) in enumerate(pairs):
            weight[:, k] = np.where(owner == i, dual[j - 1], np.where(owner == j, dual[i], 0.0))
        sign = 1 if n == 2 else -1  # scikit-learn's margin favours the second class of two, the first of a pair of more
        return cls(machine.support_vectors_.astype("float32"), (sign * weight).astype("float32"),
                   np.array([machine._gamma]), sign * np.asarray(machine.intercept_, float))

    def margins(self, z: np.ndarray) -> np.ndarray:
        """(N, pairs) side and distance from the border for prepared cells ``z`` (N, K): positive for the second."""
        return np.exp(-self.gamma * cdist(z, self.support, "sqeuclidean")) @ self.weight + self.intercept

    def readings(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two (N, C) log probabilities from the margins of all pairs.

        The first counts the pairs that a class wins, ties broken by the margins: `SVC.decision_function` through
        a softmax. The second adds up how surely it wins each pair, by the logistic function of the margin.
        """
        margins = self.margins(z)
        n = round((1 + np.sqrt(1 + 8 * margins.shape[1])) / 2)
        won, total, sure = (np.zeros((len(z), n)) for _ in range(3))
        for margin, (i, j) in zip(margins.T, combinations(range(n), 2), strict=True):
            won[:, j] += margin > 0
            won[:, i] += margin <= 0
            total[:, j] += margin
            total[:, i] -= margin
            sure[:, j] += log_expit(2 * margin)
            sure[:, i] += log_expit(-2 * margin)
        votes = won + total / (3 * (np.abs(total) + 1))
        return log_softmax(votes, axis=1), log_softmax(3 / n * sure, axis=1)


def geometric_mean(logs) -> np.ndarray:
    """(N, C) probabilities from several (N, C) log probabilities.

    >>> geometric_mean([np.log([[0.8, 0.2]]), np.log([[0.2, 0.8]])]).tolist()
    [[0.5, 0.5]]
    """
    return softmax(np.mean([np.maximum(each, np.log(1e-3)) for each in logs], axis=0), axis=1)
