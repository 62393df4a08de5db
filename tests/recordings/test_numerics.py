"""What stands in for scipy is equal to scipy, and scipy's slow packages stay out of an extraction."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import optimize, signal, stats

from patchtype.recordings import numerics

RATES = (50_000.0, 1 / (0.51202 - 0.512), 25_000.0, 200_000.0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("cutoff", [10.0, 1.0, 0.3])
def test_the_filter_is_that_of_scipy(rate, cutoff):
    share = cutoff * 1e3 / (rate / 2)
    expected = signal.bessel(4, share, "low")
    assert all(np.array_equal(a, b) for a, b in zip(numerics.bessel(4, share), expected, strict=True))
    v = np.random.default_rng(1).normal(-70, 20, 4000)
    for x in (v, v.astype(np.float32), v[:16], v[::2]):
        # To 10 nV: scipy 1.18 finds the state that a constant leaves by another formula than 1.17, and they differ so.
        assert numerics.filtfilt(*expected, x) == pytest.approx(signal.filtfilt(*expected, x), rel=0, abs=1e-5)
    with pytest.raises(ValueError, match="length of the input"):
        numerics.filtfilt(*expected, v[:15])


@pytest.mark.parametrize("made", [
    lambda rng: rng.normal(-40, 30, 5000), lambda rng: np.round(rng.normal(-40, 30, 5000), -1),
    lambda rng: np.full(5000, -70.0), lambda rng: np.where(rng.random(5000) < 0.01, np.nan, rng.normal(0, 20, 5000)),
])
@pytest.mark.parametrize("distance", [1, 50])
@pytest.mark.filterwarnings("ignore")
def test_peaks_are_those_of_scipy(made, distance):
    x = made(np.random.default_rng(2))
    expected = signal.find_peaks(x, height=-30, prominence=20, distance=distance)[0]
    assert numerics.find_peaks(x, -30, 20, distance).tolist() == expected.tolist()


def decay(x, a, rate, y):
    return y + a * np.exp(-rate * x)


def test_a_fit_is_that_of_scipy_to_the_last_digit():
    x = np.arange(2000) / 50_000
    y = decay(x, 8.0, 60.0, -78.0) + np.random.default_rng(3).normal(0, 0.1, len(x))
    guess = (y[0] - y[-1], 50.0, y[-1])
    assert np.array_equal(numerics.curve_fit(decay, x, y, guess)[0], optimize.curve_fit(decay, x, y, p0=guess)[0])


@pytest.mark.parametrize(("x", "y"), [
    (np.arange(2.0), np.arange(2.0)), (np.arange(0.0), np.arange(0.0)), (np.arange(9.0), np.full(9, np.nan)),
    (np.linspace(0, 0.1, 2000), np.linspace(0, 5, 2000)),
])
@pytest.mark.filterwarnings("ignore")
def test_a_fit_that_fails_says_what_scipy_says(x, y):
    with pytest.raises(Exception) as expected:  # noqa: B017, PT011 - whatever scipy raises
        optimize.curve_fit(decay, x, y, p0=(1.0, 50.0, 0.0))
    with pytest.raises(type(expected.value)) as found:
        numerics.curve_fit(decay, x, y, (1.0, 50.0, 0.0))
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("statistic", ["mean", "sum"])
@pytest.mark.parametrize("n", [0, 1, 7, 300])
def test_bins_are_those_of_scipy_to_the_last_digit(statistic, n):
    rng, edges = np.random.default_rng(n), np.linspace(0.5, 1.49998, 51)
    x = np.r_[rng.uniform(0.4, 1.6, n), edges[-1] + 1e-13, edges[:3]]
    values = rng.normal(30, 10, len(x))
    expected = stats.binned_statistic(x, values, statistic=statistic, bins=edges)[0]
    assert np.array_equal(numerics.binned_statistic(x, values, statistic, edges)[0], expected, equal_nan=True)


def test_where_scipy_keeps_its_parts_elsewhere_its_own_functions_are_called(monkeypatch):
    monkeypatch.setattr(numerics, "_compiled", lambda name: None)
    x = np.arange(100.0)
    b, a = numerics.bessel(4, 0.4)
    assert np.array_equal(numerics.filtfilt(b, a, x), signal.filtfilt(b, a, x))
    assert numerics.find_peaks(np.array([0.0, 50.0, 0.0]), 1, 1, 1).tolist() == [1]
    assert numerics.curve_fit(lambda x, a: a * x, x, 3 * x, (1.0,))[0] == pytest.approx([3.0])
    assert numerics._compiled("scipy.signal._no_such_part") is None


def test_a_name_that_is_nowhere_is_none():
    assert numerics._compiled("scipy.signal._no_such_part") is None


def test_an_extraction_imports_none_of_scipys_slow_packages(plain_file):
    code = (
        "import sys; from patchtype.recordings.cell import extract; cell = extract(sys.argv[1], allow=['noise_high']);"
        "assert len(cell.paper) == 12 and cell.features['tau'] > 0, cell.verdict;"
        "print([name for name in ('scipy.signal', 'scipy.optimize', 'scipy.stats') if name in sys.modules]);"
        "import scipy.signal, scipy.optimize, scipy.stats; scipy.signal.medfilt([1, 2, 3])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(plain_file)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
