"""Ways to bring cells of two species to one scale, all learnt from training cells.

An aligner is given the table of the other species and that of the training cells, with their classes. It keeps
the cells of the other species where it has moved them (`partner`, (N, P)) and moves own cells alike (`own`).

The species differ in their mixture: a feature's mean over all cells then differs even where each subclass is the
same. So statistics of the other species weigh its cells as if its classes had the shares of the training cells.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import norm
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from patchtype.models import transport
from patchtype.models.table import scaled


def mixture_weights(y: np.ndarray, wanted: np.ndarray, n_classes: int) -> np.ndarray:
    """Weights (N,) of cells, sum one, with which their classes ``y`` have the shares of the classes ``wanted``.

    A class that is not wanted at all counts as half a cell, so that its cells keep a place.

    >>> mixture_weights(np.array([0, 0, 1]), np.array([0, 1]), 2).tolist()
    [0.25, 0.25, 0.5]
    """
    have = np.bincount(y, minlength=n_classes)
    want = np.maximum(np.bincount(wanted, minlength=n_classes), 0.5)
    weights = (want / np.maximum(have, 1))[y]
    return weights / weights.sum()


class Scaled:
    """Each species is winsorised, median-filled and z-scored on itself; the base of the aligners below."""

    def fit(self, x_partner, y_partner, x, y, n_classes: int) -> Scaled:
        self.weights = mixture_weights(y_partner, y, n_classes)
        other = make_pipeline(*scaled()[:-1]).fit_transform(x_partner)  # its moments are weighted, below
        mean, covariance = transport.moments(other, self.weights)
        deviation = np.sqrt(covariance.diagonal())
        other = (other - mean) / np.where(deviation > 1e-12, deviation, 1.0)
        self.scaler = make_pipeline(*scaled()).fit(x)
        self.partner = self.move(other, y_partner, self.scaler.transform(x), y)
        return self

    def own(self, x: np.ndarray) -> np.ndarray:
        """Cells of the species of interest on the common scale, (N, P)."""
        return self.scaler.transform(x)

    def move(self, z_partner, y_partner, z, y) -> np.ndarray:
        """The z-scored cells of the other species, brought nearer to the z-scored training cells."""
        return z_partner


class Coral(Scaled):
    """Correlation alignment: the other species gets the covariance of the training cells (Sun et al. 2016).

    ``ridge`` is added to the variances of both, as its authors do, so that few cells do not mislead it.
    """

    def __init__(self, ridge: float = 1.0):
        self.ridge = ridge

    def move(self, z_partner, y_partner, z, y) -> np.ndarray:
        mean, source = transport.moments(z_partner, self.weights, self.ridge)
        centre, target = transport.moments(z, ridge=self.ridge)
        return (z_partner - mean) @ self.map(source, target) + centre

    map = staticmethod(transport.coral_map)


class GaussianTransport(Coral):
    """Optimal transport between the two species taken as Gaussians; the least move that aligns covariances."""

    map = staticmethod(transport.gaussian_map)


class ClassTransport(Scaled):
    """Optimal transport between samples, class by class: Sinkhorn plan, then barycentres (Courty et al. 2017).

    ``entropy`` is in units of the median squared distance. A class without training cells stays where it is.
    """

    def __init__(self, entropy: float = 0.1):
        self.entropy = entropy

    def move(self, z_partner, y_partner, z, y) -> np.ndarray:
        moved = z_partner.copy()
        for code in np.intersect1d(y_partner, y):
            source, target = z_partner[y_partner == code], z[y == code]
            cost = cdist(source, target, "sqeuclidean")
            a, b = (np.full(n, 1 / n) for n in cost.shape)
            plan = transport.sinkhorn(cost, a, b, self.entropy * np.median(cost), tolerance=1e-4, steps=200)
            moved[y_partner == code] = transport.barycentres(plan, target)
        return moved


class Quantile:
    """Each species in ranks of its own: the share of cells below, mapped to a Gaussian scale.

    It does not change under any rising map of a feature, so units and curvature cannot part the species.
    """

    def fit(self, x_partner, y_partner, x, y, n_classes: int) -> Quantile:
        weights = mixture_weights(y_partner, y, n_classes)
        other, own = (SimpleImputer(strategy="median", keep_empty_features=True) for _ in range(2))
        filled = other.fit_transform(x_partner)
        self.partner = scores(filled, filled, weights)
        self.filler, self.reference = own, own.fit_transform(x)
        return self

    def own(self, x: np.ndarray) -> np.ndarray:
        """Cells of the species of interest as normal scores among its training cells, (N, P)."""
        return scores(self.filler.transform(x), self.reference)


def scores(x: np.ndarray, reference: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Normal scores (N, P) of x among the reference cells (M, P), whose shares are ``weights`` (M,), sum one.

    A value has the share of the reference below it plus half the share equal to it; shares are held half a cell
    away from 0 and 1.

    >>> scores(np.array([[2.0]]), np.array([[1.0], [2.0], [3.0]])).tolist()
    [[0.0]]
    """
    m = len(reference)
    weights = np.full(m, 1 / m) if weights is None else weights
    shares = np.empty(x.shape)
    for column in range(x.shape[1]):
        order = np.argsort(reference[:, column], kind="stable")
        values, below = reference[order, column], np.r_[0, weights[order].cumsum()]
        left, right = (np.searchsorted(values, x[:, column], side) for side in ("left", "right"))
        shares[:, column] = (below[left] + below[right]) / 2
    return norm.ppf(shares.clip(0.5 / m, 1 - 0.5 / m))


#: Aligners by the name shown in tables.
ALIGNERS = {
    "species-wise z": Scaled, "species-wise quantiles": Quantile, "CORAL": Coral,
    "Gaussian transport": GaussianTransport, "class-wise transport": ClassTransport,
}
