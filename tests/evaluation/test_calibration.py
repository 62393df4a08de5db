"""Calibration: cases with known answers, and what recalibration must and must not change."""

from __future__ import annotations

import numpy as np
import pytest

from patchtype.evaluation import calibration
from patchtype.evaluation.calibration import Temperature


def drawn(n: int, n_classes: int = 4, seed: int = 0, sharpness: float = 1.0):
    """Probabilities, and classes drawn from them: calibrated by construction (where sharpness is 1)."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_classes, 0.5), size=n)
    y = (rng.uniform(size=(n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    told = p ** sharpness
    return told / told.sum(axis=1, keepdims=True), y


def test_the_error_of_calibrated_probabilities_vanishes_with_the_number_of_cells():
    errors = [calibration.expected_calibration_error(*drawn(n)) for n in (200, 2_000, 50_000)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.008


def test_the_error_of_a_known_overconfidence():
    p, y = np.tile([0.9, 0.1], (1000, 1)), np.repeat([0, 1], [600, 400])
    assert calibration.expected_calibration_error(p, y, n_bins=1) == pytest.approx(0.3)


def test_reliability_bins_hold_equally_many_cells_and_their_limits_hold_the_accuracy():
    bins = calibration.reliability(*drawn(1003), n_bins=10)
    assert bins["cells"].sum() == 1003 and np.ptp(bins["cells"]) <= 1
    assert ((bins["low"] <= bins["accuracy"]) & (bins["accuracy"] <= bins["high"])).all()
    assert bins["confidence"].is_monotonic_increasing


@pytest.mark.parametrize(("p", "expected"), [([[1, 0, 0]], 0.0), ([[0, 1, 0]], 2.0), ([[1 / 3] * 3], 2 / 3)])
def test_brier_of_certain_and_of_even_probabilities(p, expected):
    assert calibration.brier(p, [0]) == pytest.approx(expected)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_a_known_sharpening(sharpness):
    told, y = drawn(20_000, sharpness=sharpness)
    found = Temperature.fit(told, y)
    np.testing.assert_allclose(found.apply(told), drawn(20_000)[0], atol=0.05)
    assert found.temperature == pytest.approx(sharpness, rel=0.05)
    assert np.abs(found.shift).max() < 0.1 and abs(found.shift.sum()) < 1e-9


def test_the_shift_undoes_class_weights():
    p, y = drawn(20_000)
    weights = np.array([8.0, 1.0, 1.0, 1.0])
    weighted = p * weights / (p * weights).sum(axis=1, keepdims=True)
    found = Temperature.fit(weighted, y)
    assert found.shift - found.shift[1] == pytest.approx(-np.log(weights), abs=0.15)
    assert calibration.expected_calibration_error(found.apply(weighted), y) < 0.015
    assert calibration.expected_calibration_error(weighted, y) > 0.1


def test_without_a_shift_the_named_class_never_changes():
    p, y = drawn(500, sharpness=3.0)
    found = Temperature.fit(p, y, shifted=False)
    assert (found.shift == 0).all()
    assert (found.apply(p).argmax(axis=1) == p.argmax(axis=1)).all()


def test_the_fit_is_never_worse_than_no_fit_on_its_own_cells():
    for seed in range(5):
        p, y = drawn(60, seed=seed, sharpness=2.0)
        assert calibration.log_loss(Temperature.fit(p, y).apply(p), y) <= calibration.log_loss(p, y) + 1e-9


def test_certain_and_wrong_probabilities_stay_finite():
    found = Temperature.fit([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 1, 1])
    assert np.isfinite(found.apply([[1.0, 0.0]])).all() and np.isfinite(found.shift).all()


def test_abstaining_from_the_doubtful_cells_helps_a_calibrated_model():
    curve = calibration.selective(*drawn(5_000))
    assert curve["coverage"].iloc[-1] == 1 and curve["confidence"].is_monotonic_decreasing
    assert calibration.accuracy_at(curve, 0.5) > calibration.accuracy_at(curve, 1.0) + 0.1


def test_the_donor_interval_is_wider_where_cells_of_a_donor_are_copies():
    p, y = drawn(60)
    alone = calibration.donor_interval(calibration.brier, p, y, np.arange(60))
    many = np.repeat(np.arange(60), 20)
    copies = calibration.donor_interval(calibration.brier, p[many], y[many], many)
    blind = calibration.donor_interval(calibration.brier, p[many], y[many], np.arange(1200))
    assert copies == pytest.approx(alone, abs=0.05)
    assert copies[1] - copies[0] > 3 * (blind[1] - blind[0])


@pytest.mark.parametrize(("p", "y", "message"), [
    ([[0.5, 0.5]], [0, 1], r"found probabilities of shape \(1, 2\) for 2 cells"),
    ([[0.5, 0.6]], [0], "negative or do not sum to 1"), ([[1.5, -0.5]], [0], "negative or do not sum to 1"),
])
def test_what_is_no_distribution_is_refused(p, y, message):
    with pytest.raises(ValueError, match=message):
        calibration.brier(p, y)
