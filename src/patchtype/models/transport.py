"""Maps that carry one cloud of points onto another: between Gaussians in closed form, between samples by Sinkhorn."""

from __future__ import annotations

import numpy as np


def root(matrix: np.ndarray, power: float = 0.5) -> np.ndarray:
    """A power of a symmetric positive definite matrix (P, P).

    >>> root(np.diag([4.0, 9.0])).diagonal().tolist()
    [2.0, 3.0]
    """
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**power) @ vectors.T


def moments(x: np.ndarray, weights: np.ndarray | None = None, ridge: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean (P,) and covariance (P, P) of points (N, P); ``ridge`` is added to the variances."""
    w = np.full(len(x), 1 / len(x)) if weights is None else weights / weights.sum()
    mean = w @ x
    centred = x - mean
    return mean, (centred * w[:, None]).T @ centred + ridge * np.eye(x.shape[1])


def coral_map(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """CORAL's matrix A: points with covariance ``source``, times A, have covariance ``target`` (Sun et al. 2016).

    It whitens and colours anew: :math:`A = S^{-1/2} T^{1/2}`.
    """
    return root(source, -0.5) @ root(target)


def gaussian_map(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    r"""Matrix of the optimal transport between centred Gaussians of these covariances (Dowson & Landau 1982).

    :math:`A = S^{-1/2} (S^{1/2} T S^{1/2})^{1/2} S^{-1/2}`, symmetric: of all linear maps that carry one onto the
    other it moves points least, in squared distance.

    >>> gaussian_map(np.eye(1), np.array([[9.0]])).tolist()
    [[3.0]]
    """
    half, inverse = root(source), root(source, -0.5)
    return inverse @ root(half @ target @ half) @ inverse


def sinkhorn(cost: np.ndarray, a: np.ndarray, b: np.ndarray, entropy: float, tolerance: float = 1e-6,
             steps: int = 2000) -> np.ndarray:
    """The entropic transport plan (N, M) between masses a (N,) and b (M,) (Cuturi 2013).

    Parameters: ``cost`` (N, M); ``entropy``, the price of order in units of ``cost``: towards 0 the plan is the
    cheapest one, for large values it is the product of the masses.
    Stops when the masses that leave are right to within ``tolerance``, or after ``steps``.
    ValueError where ``entropy`` is so small against the cost that the numbers run out.

    >>> sinkhorn(np.array([[0.0, 9.0], [9.0, 0.0]]), np.ones(2) / 2, np.ones(2) / 2, 0.5).round(6).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    kernel = np.exp(-cost / entropy)
    if not (kernel.max(axis=0) > 0).all() or not (kernel.max(axis=1) > 0).all():
        raise ValueError(f"found entropy={entropy:g} for costs up to {cost.max():g}, expected more; raise it")
    v = np.ones_like(b)
    for _ in range(steps):
        u = a / (kernel @ v)
        v = b / (kernel.T @ u)
        if np.abs(u * (kernel @ v) - a).sum() < tolerance:
            break
    return u[:, None] * kernel * v


def barycentres(plan: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Where each source point is carried: the mean of the target points (M, P) under its row of the plan, (N, P)."""
    return plan @ target / plan.sum(axis=1, keepdims=True)
