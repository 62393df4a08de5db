"""Transport maps against what is known of them in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchtype.models import transport


def covariance(seed: int, p: int = 4) -> np.ndarray:
    a = np.random.default_rng(seed).standard_normal((p, 2 * p))
    return a @ a.T / p


@given(st.integers(0, 50))
def test_both_linear_maps_give_points_the_covariance_of_the_target(seed):
    source, target = covariance(seed), covariance(seed + 1000)
    for build in (transport.coral_map, transport.gaussian_map):
        a = build(source, target)
        np.testing.assert_allclose(a.T @ source @ a, target, atol=1e-8)


@given(st.integers(0, 50))
def test_the_gaussian_map_is_symmetric_and_moves_less_than_coral(seed):
    """Among linear maps that carry S onto T the optimal one is the symmetric positive one (Brenier)."""
    source, target = covariance(seed), covariance(seed + 1000)

    def moved(a):  # mean squared displacement of x → x a, for x of covariance S
        d = a - np.eye(len(a))
        return np.trace(d.T @ source @ d)

    optimal = transport.gaussian_map(source, target)
    np.testing.assert_allclose(optimal, optimal.T, atol=1e-10)
    assert np.linalg.eigvalsh(optimal).min() > 0
    assert moved(optimal) <= moved(transport.coral_map(source, target)) + 1e-9


def test_between_diagonal_gaussians_the_map_scales_each_axis():
    a = transport.gaussian_map(np.diag([1.0, 4.0]), np.diag([9.0, 1.0]))
    np.testing.assert_allclose(a, np.diag([3.0, 0.5]), atol=1e-12)


def test_the_distance_of_the_map_is_that_of_dowson_and_landau():
    source, target = covariance(1), covariance(2)
    d = transport.gaussian_map(source, target) - np.eye(4)
    half = transport.root(source)
    known = np.trace(source) + np.trace(target) - 2 * np.trace(transport.root(half @ target @ half))
    assert np.trace(d.T @ source @ d) == pytest.approx(known)


def test_weighted_moments_are_those_of_repeated_points():
    x = np.random.default_rng(0).standard_normal((5, 3))
    times = np.array([1, 2, 3, 1, 2])
    for ours, repeated in zip(transport.moments(x, times), transport.moments(np.repeat(x, times, axis=0)), strict=True):
        np.testing.assert_allclose(ours, repeated, atol=1e-12)


@pytest.mark.parametrize("entropy", [0.05, 1.0])
def test_the_plan_has_the_masses_asked_for(entropy):
    rng = np.random.default_rng(0)
    a, b = (v / v.sum() for v in (rng.random(7), rng.random(4)))
    plan = transport.sinkhorn(rng.random((7, 4)), a, b, entropy)
    np.testing.assert_allclose(plan.sum(axis=1), a, atol=1e-5)
    np.testing.assert_allclose(plan.sum(axis=0), b, atol=1e-12)


def test_with_little_entropy_points_on_a_line_are_matched_in_order():
    """In one dimension the cheapest plan pairs the sorted points."""
    x, y = np.array([3.0, 1.0, 2.0]), np.array([20.0, 30.0, 10.0])
    cost = (x[:, None] / 1 - y / 10) ** 2
    plan = transport.sinkhorn(cost, np.ones(3) / 3, np.ones(3) / 3, 0.02)
    np.testing.assert_allclose(plan, np.eye(3)[[1, 2, 0]] / 3, atol=1e-6)
    np.testing.assert_allclose(transport.barycentres(plan, y[:, None]).ravel(), [30, 10, 20], atol=1e-3)


def test_with_much_entropy_the_plan_forgets_the_cost():
    a, b = np.array([0.2, 0.8]), np.array([0.5, 0.3, 0.2])
    plan = transport.sinkhorn(np.random.default_rng(0).random((2, 3)), a, b, 1e6)
    np.testing.assert_allclose(plan, np.outer(a, b), atol=1e-6)


def test_the_two_by_two_plan_solves_its_equation():
    """For equal masses and cost c off the diagonal, the plan is 1 / (2 (1 + exp(-c / entropy))) on it."""
    plan = transport.sinkhorn(np.array([[0.0, 2.0], [2.0, 0.0]]), np.ones(2) / 2, np.ones(2) / 2, 0.7)
    assert plan[0, 0] == pytest.approx(0.5 / (1 + np.exp(-2 / 0.7)), abs=1e-6)


def test_too_little_entropy_is_refused():
    with pytest.raises(ValueError, match="found entropy=0.001 for costs up to 9, expected more; raise it"):
        transport.sinkhorn(np.full((2, 2), 9.0), np.ones(2) / 2, np.ones(2) / 2, 1e-3)
