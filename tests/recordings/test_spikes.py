"""Spikes found here equal spikes found by ipfx."""

import numpy as np
import pytest
from ipfx.feature_extractor import SpikeFeatureExtractor
from ipfx.time_series_utils import calculate_dvdt
from pandas.testing import assert_frame_equal

from patchtype.recordings.spikes import SpikeExtractor, slope, with_slow

from . import analytic


def sweep(pa, seed=0):
    raw = analytic.long_square(pa, np.random.default_rng(seed))
    return np.arange(len(raw.v_mv)) / analytic.RATE, raw.v_mv, raw.i_pa


@pytest.mark.parametrize("pa", [-110, 90, 110, 190])
@pytest.mark.parametrize("window", [(None, None), (0.6, 1.6), (0.6, 0.6206)])
def test_spike_table_equals_that_of_ipfx(pa, window):
    t, v, i = sweep(pa)
    settings = {"start": window[0], "end": window[1]}
    expected = SpikeFeatureExtractor(**settings).process(t, v, i)
    found = SpikeExtractor(**settings).process(t, v, i)
    # ipfx leaves out the time of a downstroke that no spike has; here it is a column of NaN.
    extra = found.columns.difference(expected.columns)
    assert found[extra].isna().all(axis=None)
    assert_frame_equal(found.drop(columns=extra), expected, check_like=True, check_exact=True)


def test_spikes_are_where_they_were_put():
    t, v, i = sweep(150)
    found = SpikeExtractor(start=0.6, end=1.6).process(t, v, i)
    assert np.allclose(found["threshold_t"], analytic.spike_times(150), atol=2e-4)
    assert np.allclose(found["peak_v"], analytic.PEAK, atol=0.1)
    assert np.allclose(found["fast_trough_v"][:-1], analytic.TROUGH, atol=0.5)
    assert np.allclose(found["width"], 0.00075, atol=1e-4)


def test_settings_of_an_ipfx_extractor_are_taken_over():
    given = SpikeFeatureExtractor(start=0.1, end=0.9, min_peak=-25, thresh_frac=0.1)
    assert vars(SpikeExtractor.like(given)) == vars(given)


@pytest.mark.parametrize("cutoff", [10.0, 1.0, None])
def test_slope_equals_that_of_ipfx(cutoff):
    t, v, _ = sweep(150)
    assert np.array_equal(slope(v, t - 0.1, cutoff), calculate_dvdt(v, t - 0.1, cutoff))


def test_slope_of_uneven_times_equals_that_of_ipfx():
    t = np.sort(np.random.default_rng(0).random(1000))
    t[500] = t[501]
    assert np.array_equal(slope(t ** 2, t, 10.0), calculate_dvdt(t ** 2, t, 10.0))


def test_spikes_that_peak_below_zero_are_found():
    t, v, i = sweep(150)
    low = np.where(v > analytic.THRESHOLD, analytic.THRESHOLD + (v - analytic.THRESHOLD) / 2, v)
    assert -10 < low.max() < 0
    assert len(SpikeExtractor(start=0.6, end=1.6).process(t, low, i)) == len(analytic.spike_times(150))


def test_a_second_search_is_only_where_peaks_outnumber_spikes(monkeypatch):
    t, v, i = sweep(150)
    extractor, calls = SpikeExtractor(start=0.6, end=1.6), []
    process = SpikeExtractor.process
    monkeypatch.setattr(SpikeExtractor, "process", lambda *a: calls.append(a) or process(*a))
    spikes, lost = with_slow(extractor, t, v, i)
    assert (len(spikes), lost, len(calls)) == (len(analytic.spike_times(150)), 0, 1)
