"""The smallest gain that can be seen, against simulated comparisons whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from patchtype.evaluation import corrected_mean
from patchtype.evaluation.power import cells_needed, power, smallest_gain, standard_error

RNG = np.random.default_rng(0)
DIFFERENCES = 0.03 * RNG.standard_normal(20)


def simulated(gain: float, sd: float, n_folds: int, ratio: float, n: int, seed: int = 1) -> np.ndarray:
    """(n, folds) differences around ``gain``, any two folds correlated by n_test / (n_test + n_train).

    That is the correlation that Nadeau and Bengio's correction assumes; the differences of one comparison
    then have the expected variance ``sd`` squared.
    """
    rng = np.random.default_rng(seed)
    shared = sd * np.sqrt(ratio) * rng.standard_normal((n, 1))
    return gain + shared + sd * rng.standard_normal((n, n_folds))


@pytest.mark.parametrize(("n_folds", "ratio"), [(10, 0.25), (50, 0.25), (10, 1 / 9)])
def test_the_smallest_gain_is_found_in_four_comparisons_of_five(n_folds, ratio):
    differences = 0.03 * stats.zscore(RNG.standard_normal(n_folds), ddof=1)
    gain = smallest_gain(differences, ratio)
    runs = simulated(gain, 0.03, n_folds, ratio, 4000)
    found = np.mean([corrected_mean(run, ratio).p < 0.05 for run in runs])
    assert found == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / 4000))


def test_without_a_gain_the_corrected_test_errs_as_often_as_it_says_and_the_plain_one_more():
    runs = simulated(0.0, 0.03, 20, 0.25, 4000)
    assert np.mean([corrected_mean(run, 0.25).p < 0.05 for run in runs]) == pytest.approx(0.05, abs=0.014)
    assert np.mean([corrected_mean(run, 0.0).p < 0.05 for run in runs]) > 0.3


@pytest.mark.parametrize("gain", [0.0, 0.01, 0.03])
def test_power_is_the_share_of_simulated_comparisons_that_find_the_gain(gain):
    runs = simulated(gain, 0.03, 10, 0.25, 4000, seed=3)
    expected = power(gain, 0.03 * np.sqrt(1 / 10 + 0.25), 10)
    assert np.mean([corrected_mean(run, 0.25).p < 0.05 for run in runs]) == pytest.approx(expected, abs=0.03)


def test_power_is_the_level_without_a_gain_and_rises_to_one_on_both_sides():
    assert power(0.0, 0.02, 10) == pytest.approx(0.05)
    values = [power(gain, 0.02, 10) for gain in (0.0, 0.02, 0.05, 0.2)]
    assert values == sorted(values) and values[-1] > 0.999
    assert power(-0.05, 0.02, 10) == pytest.approx(power(0.05, 0.02, 10))


def test_the_smallest_gain_has_the_power_asked_for():
    gain = smallest_gain(DIFFERENCES, 0.25, chance=0.9)
    assert power(gain, standard_error(DIFFERENCES, 0.25), 20) == pytest.approx(0.9)


def test_four_times_the_cells_see_half_the_gain():
    assert smallest_gain(DIFFERENCES, 0.25, cells=4) == pytest.approx(smallest_gain(DIFFERENCES, 0.25) / 2)


def test_the_cells_needed_for_a_gain_see_just_that_gain():
    times = cells_needed(0.01, smallest_gain(DIFFERENCES, 0.25))
    assert smallest_gain(DIFFERENCES, 0.25, cells=times) == pytest.approx(0.01)


def test_repeats_alone_never_see_below_the_floor():
    """The correlation term stays however often the same cells are cut."""
    many = 0.03 * stats.zscore(RNG.standard_normal(100_000), ddof=1)
    floor = 0.03 * np.sqrt(0.25) * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    assert smallest_gain(many, 0.25) == pytest.approx(floor, rel=1e-3)


def test_equal_differences_see_any_gain():
    assert smallest_gain([0.01, 0.01, 0.01], 0.25) == 0


@pytest.mark.parametrize(("call", "message"), [
    (lambda: smallest_gain([0.1], 0.25), "found 1 differences, expected at least two; run more folds"),
    (lambda: smallest_gain(DIFFERENCES, 0.25, cells=0), "found cells=0, expected a positive multiple"),
    (lambda: smallest_gain(DIFFERENCES, 0.25, chance=0.04), "found chance=0.04, expected a power between"),
    (lambda: cells_needed(-0.1, smallest_gain(DIFFERENCES, 0.25)), "found gain=-0.1, expected a positive gain"),
])
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
