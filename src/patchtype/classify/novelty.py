"""Is this cell like any that the model has learnt from? A distance to the nearest class, from training cells only.

Features are centred and scaled by median and quartiles, and their tails drawn in by an inverse hyperbolic sine, so that
one bad value counts, but not without limit. The distance is Mahalanobis' to the nearest class, each with a covariance
of its own, over the features that the cell has. One covariance for all classes (Lee et al. 2018) sees fewer strangers:
a tight class then has the width of a loose one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf

from patchtype.classify.arrays import Arrays

#: Scaled values beyond this take no part in means and covariance.
EDGE = 6.0
#: Correlations are drawn towards nought by this share: what a class's cells seem to share by chance is no rule.
LOOSENED = 0.1
#: The covariance of all classes counts in that of each as so many cells, so that a class of one cell has one too.
LENT = 10


@dataclass(frozen=True)
class Novelty(Arrays):
    """``median``, ``scale`` (P,) of the features; ``means`` (C, P) and ``covariances`` (C, P, P) of scaled values.

    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(300, 2)), rng.integers(2, size=300)
    >>> distance = Novelty.fit(x, y).distance([[0.0, 0.0], [0.0, 1000.0], [np.nan, np.nan]])
    >>> bool(distance[0] < distance[1]), float(distance[2])
    (True, inf)
    """

    median: np.ndarray
    scale: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def fit(cls, x, y) -> Novelty:
        """From training cells ``x`` (N, P), NaN where not measured, of classes ``y`` (N,).

        A feature that no training cell has takes no part, ever.
        """
        x, y = np.asarray(x, float), np.asarray(y, int)
        measured = ~np.isnan(x).all(axis=0)
        filled = np.where(measured, x, 0.0)
        low, median, high = np.nanpercentile(filled, [25, 50, 75], axis=0)
        scale = np.where(high > low, (high - low) / 1.349, 1.0)
        z = np.clip(np.arcsinh((filled - median) / scale), -EDGE, EDGE)
        present = np.unique(y)
        means, rest = [], []
        for c in present:
            inside = z[y == c]
            means.append(np.nansum(inside, axis=0) / np.maximum(np.isfinite(inside).sum(axis=0), 1))
            rest.append(np.nan_to_num(inside - means[-1]))
        common = _covariance(np.concatenate(rest))
        covariances = [(len(r) * _covariance(r) + LENT * common) / (len(r) + LENT) for r in rest]
        for covariance in covariances:
            covariance[~np.eye(len(covariance), dtype=bool)] *= 1 - LOOSENED
        return cls(np.where(measured, median, np.nan), scale, np.array(means), np.array(covariances))

    def scaled(self, x) -> np.ndarray:
        """(N, P) scaled values; NaN where not measured, here or in training."""
        return np.arcsinh((np.asarray(x, float) - self.median) / self.scale)

    def distance(self, x) -> np.ndarray:
        """(N,) distance to the nearest class, about standard normal for a cell of a Gaussian class.

        The squared distance over k features is chi-squared with k degrees of freedom; its cube root is nearly
        normal (Wilson & Hilferty 1931), so cells with different features measured can be compared. Infinite
        for a cell without features.
        """
        z = self.scaled(x)
        out = np.full(len(z), np.inf)
        patterns, which = np.unique(np.isfinite(z), axis=0, return_inverse=True)
        for k, has in enumerate(patterns):
            if not has.any():
                continue
            rows, n = np.flatnonzero(which.ravel() == k), int(has.sum())
            inverse = np.linalg.inv(self.covariances[:, has][:, :, has])
            away = z[rows][:, None, has] - self.means[None][:, :, has]
            nearest = np.einsum("ncp,cpq,ncq->nc", away, inverse, away).min(axis=1)
            out[rows] = ((nearest / n) ** (1 / 3) - (1 - 2 / (9 * n))) / np.sqrt(2 / (9 * n))
        return out

    def missing(self, x) -> np.ndarray:
        """(N,) number of features that training cells have and a cell lacks."""
        return (np.isnan(np.asarray(x, float)) & ~np.isnan(self.median)).sum(axis=1)

    def oddest(self, x, n: int = 3) -> np.ndarray:
        """Positions of the ``n`` features of one cell ``x`` (P,) that lie farthest from its nearest class, each alone.

        >>> novelty = Novelty(np.zeros(3), np.ones(3), np.zeros((1, 3)), np.eye(3)[None])
        >>> novelty.oddest([0.1, -5.0, np.nan], 2).tolist()
        [1, 0]
        """
        spread = np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2))
        away = np.nan_to_num(np.abs(self.scaled(x) - self.means) / spread)
        return np.argsort(-away[(away ** 2).mean(axis=1).argmin()], kind="stable")[:n]

    def apart(self, x, others) -> np.ndarray:
        """(N, M) distance of cells from other cells: root mean square of scaled differences they share."""
        a, b = self.scaled(x)[:, None], self.scaled(others)[None]
        shared = np.isfinite(a) & np.isfinite(b)
        square = np.where(shared, np.nan_to_num(a) - np.nan_to_num(b), 0.0) ** 2
        count = shared.sum(axis=2)
        return np.where(count > 0, np.sqrt(square.sum(axis=2) / np.maximum(count, 1)), np.inf)


def _covariance(centred: np.ndarray) -> np.ndarray:
    """(P, P) covariance of centred values (N, P), shrunk as far as their number asks for."""
    return LedoitWolf(assume_centered=True).fit(centred).covariance_
