"""Sparse principal components per feature family, the representation of Gouwens et al. (2020).

Each family is reduced on its own, so that a component speaks about one thing (the spike, the sag) and a wide
family cannot outvote a narrow one. Components that explain too little are dropped; the others are z-scored
and set side by side.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import SparsePCA
from sklearn.pipeline import make_pipeline

from patchtype.cohorts import Cohort
from patchtype.models.table import TableModel, scaled


def adjusted_variance(scores: np.ndarray) -> np.ndarray:
    """Variance that each component adds to those before it (Zou, Hastie & Tibshirani 2006, section 3.4).

    Sparse components are correlated, so their plain variances count shared variance twice. The QR
    decomposition of the centred scores (N, K) takes out of each column what earlier ones explain.

    >>> adjusted_variance(np.array([[1.0, 1.0], [-1.0, -1.0]])).round(6).tolist()
    [1.0, 0.0]
    """
    centred = scores - scores.mean(axis=0)
    return np.diag(np.linalg.qr(centred, mode="r")) ** 2 / len(scores)


class FamilySparsePCA:
    """Cohort → sparse principal components (N, K), everything learnt from the cohort given to `fit`.

    ``variance``: a family gets as many components as ordinary principal components need to reach this share
    (with as many components as features, the sparsest solution is the features themselves);
    ``alpha``: sparsity penalty, in units of the square root of N so that it means the same in any cohort;
    ``keep``: least share of its family's variance that a component must add.
    After `fit`, ``loadings`` has one row per kept component (index: family and number) and one column per
    feature, and ``explained`` the share of variance of each.

    >>> FamilySparsePCA().fit_transform(cohort).shape  # doctest: +SKIP
    (4178, 30)
    """

    def __init__(self, variance: float = 0.9, alpha: float = 0.1, keep: float = 0.01, seed: int = 0):
        self.variance = variance
        self.alpha = alpha
        self.keep = keep
        self.seed = seed

    def fit(self, cohort: Cohort) -> FamilySparsePCA:
        self.scaler = make_pipeline(*scaled()).fit(cohort.x)
        z = self.scaler.transform(cohort.x)
        rows, explained, names = [], [], []
        for family, columns in zip(cohort.families, cohort.columns(), strict=True):
            for number, (share, loading) in enumerate(self._family(z[:, columns])):
                row = np.zeros(z.shape[1])
                row[columns] = loading
                rows.append(row)
                explained.append(share)
                names.append((family, number + 1))
        index = pd.MultiIndex.from_tuples(names, names=["family", "component"])
        self.loadings = pd.DataFrame(rows, index=index, columns=cohort.table.columns)
        self.explained = pd.Series(explained, index=index)
        scores = z @ self.loadings.to_numpy().T
        self.mean, self.deviation = scores.mean(axis=0), scores.std(axis=0)
        return self

    def transform(self, cohort: Cohort) -> np.ndarray:
        """(N, K) z-scored components."""
        return (self.scaler.transform(cohort.x) @ self.loadings.to_numpy().T - self.mean) / self.deviation

    def fit_transform(self, cohort: Cohort) -> np.ndarray:
        return self.fit(cohort).transform(cohort)

    def _family(self, z: np.ndarray) -> list[tuple[float, np.ndarray]]:
        """Kept components of one family: share of variance added, and unit loading, largest first."""
        shares = np.sort(np.linalg.eigvalsh(np.cov(z.T, ddof=0).reshape(z.shape[1], -1)))[::-1]
        wanted = 1 + int(np.searchsorted(shares.cumsum() / shares.sum(), self.variance))
        penalty = self.alpha * np.sqrt(len(z))
        model = SparsePCA(min(wanted, z.shape[1]), alpha=penalty, max_iter=200, random_state=self.seed).fit(z)
        loadings = model.components_[np.linalg.norm(model.components_, axis=1) > 0]
        loadings = loadings / np.linalg.norm(loadings, axis=1, keepdims=True)
        loadings = loadings[np.argsort(-(z @ loadings.T).var(axis=0))]
        # A component's sign is free: let its largest loading be positive.
        largest = loadings[np.arange(len(loadings)), np.abs(loadings).argmax(axis=1)]
        loadings = loadings * np.sign(largest)[:, None]
        shares = adjusted_variance(z @ loadings.T) / z.var(axis=0).sum()
        return [(share, loading) for share, loading in zip(shares, loadings, strict=True) if share >= self.keep]


class SparsePCAModel(TableModel):
    """A table classifier that reads sparse components instead of features; see `patchtype.evaluation.Model`."""

    def __init__(self, estimator, spca: FamilySparsePCA | None = None):
        super().__init__(estimator)
        self.spca = spca or FamilySparsePCA()

    def fit(self, cohort: Cohort) -> SparsePCAModel:
        self.spca.fit(cohort)
        return super().fit(cohort)

    def _inputs(self, cohort: Cohort) -> np.ndarray:
        return self.spca.transform(cohort)
