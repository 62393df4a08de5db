"""Sweeps prepared for analysis: epochs, sweep rules, sampling rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipfx.dataset.create import create_ephys_data_set
from ipfx.sweep import Sweep
from ipfx.utilities import drop_failed_sweeps

from patchtype.recordings import protocols
from patchtype.recordings.nwb import RawSweep, Recording, RecordingError

from . import analytic


def test_sweep_rules_equal_those_of_ipfx(either_file):
    theirs = create_ephys_data_set(str(either_file))
    drop_failed_sweeps(theirs)
    theirs = theirs.sweep_table.set_index("sweep_number")
    with Recording(either_file) as recording:
        ours = protocols.check_sweeps(protocols.Dataset(recording)).set_index("sweep_number")
    ours, theirs = ours.sort_index(), theirs.loc[ours.index].sort_index()
    for column in ("pre_noise_rms_mv", "post_noise_rms_mv", "slow_noise_rms_mv", "vm_delta_mv", "pre_vm_mv",
                   "post_vm_mv", "stimulus_amplitude"):
        assert np.array_equal(ours[column].astype(float), theirs[column].astype(float), equal_nan=True), column
    assert ours["passed"].tolist() == theirs["passed"].tolist()


@settings(max_examples=60, deadline=None)
@given(
    test_pulse=st.booleans(), amplitude=st.sampled_from([-110.0, 0.0, 50.0]), on=st.integers(402, 700),
    length=st.integers(1, 400), n=st.integers(800, 1500), tail=st.integers(0, 900),
)
def test_epochs_equal_those_of_ipfx(test_pulse, amplitude, on, length, n, tail):
    rate = 1000.0
    i = np.zeros(n)
    if test_pulse:
        i[20:30] = -20
    i[on:on + length] = amplitude
    v = np.full(n, -70.0)
    v[n - tail:] = np.nan
    found = protocols.epochs_of(i, v, rate)
    expected = Sweep(np.arange(n) / rate, v, i, "CurrentClamp", rate).epochs
    assert found == {k: None if e is None else tuple(int(x) for x in e) for k, e in expected.items()}


def test_a_test_pulse_without_end_is_refused():
    i = np.zeros(1000)
    i[20:] = -20
    with pytest.raises(RecordingError, match="a test pulse that starts and never ends"):
        protocols.epochs_of(i, np.full(1000, -70.0), 1000.0)


@pytest.mark.parametrize("rate", [25_000.0, 40_000.0, 100_000.0, 200_000.0])
def test_other_rates_are_resampled_to_50_khz_in_time_and_shape(rate):
    t = np.arange(round(rate)) / rate
    v = -70 + 5 * np.sin(2 * np.pi * 30 * t)
    i = np.where((t >= 0.3) & (t < 0.7), 50.0, 0.0)
    i2, v2 = protocols.resample(i, v, rate)
    t2 = np.arange(len(v2)) / protocols.RATE
    inside = (t2 > 0.01) & (t2 < 0.99)
    assert len(v2) == len(i2) == 50_000
    assert np.allclose(v2[inside], -70 + 5 * np.sin(2 * np.pi * 30 * t2[inside]), atol=1e-3)
    assert np.array_equal(np.unique(i2), [0, 50])  # the command is held, never blurred
    assert np.flatnonzero(np.diff(i2)).tolist() == [14_999, 34_999]


def test_resampling_keeps_a_missing_tail_missing():
    v = np.full(25_000, -70.0)
    v[20_000:] = np.nan
    _, v2 = protocols.resample(np.zeros(25_000), v, 25_000)
    assert np.isnan(v2[40_000:]).all()
    assert np.isfinite(v2[:40_000]).all()


def test_a_clock_that_is_nearly_50_khz_is_left_alone(written):
    path = written([analytic.long_square(-50, np.random.default_rng(0))], rate=50_000.7)
    with Recording(path) as recording:
        sweep = protocols.Dataset(recording).sweep(0)
        assert sweep.sampling_rate == 50_000.7
        assert np.array_equal(sweep.v, recording.get_sweep_data(0)["response"])


@pytest.mark.parametrize("rate", [20_000.0, 10_000.0])
def test_slow_sampling_is_refused_with_a_reason(written, rate):
    path = written([analytic.long_square(-50, np.random.default_rng(0), rate)], rate=rate)
    with Recording(path) as recording, pytest.raises(RecordingError) as error:
        protocols.Dataset(recording).sweep(0)
    assert error.value.code == "sampling_rate_low"
    assert str(error.value) == (
        f"found sweep 0 sampled at {rate / 1e3:g} kHz, expected at least 25 kHz; "
        "slower sampling loses the shape of the spike, leave the cell out"
    )


def test_lengths_that_differ_are_refused(written):
    good = analytic.long_square(-50, np.random.default_rng(0))
    path = written([RawSweep(good.code, good.i_pa, good.v_mv[:-7])])
    with Recording(path) as recording, pytest.raises(RecordingError) as error:
        protocols.Dataset(recording).sweep(0)
    assert str(error.value) == (
        "found 107493 samples of response and 107500 of stimulus in sweep 0, expected as many of both"
    )


def test_aligning_one_sweep_leaves_the_next_one_as_recorded(plain_file):
    with Recording(plain_file) as recording:
        dataset = protocols.Dataset(recording)
        before = dataset.sweep(0).t.copy()
        protocols.aligned(dataset, dataset.ontology.long_square_names)
        assert np.array_equal(dataset.sweep(0).t, before)
        assert dataset.sweep(0).selected_epoch_name == "recording"


def test_window_of_the_paper_ends_one_sample_early(plain_file):
    with Recording(plain_file) as recording:
        dataset = protocols.Dataset(recording)
        window = protocols.aligned(dataset, dataset.ontology.long_square_names)
    assert window.start == pytest.approx(0.5)
    assert window.end == pytest.approx(1.5 - 1 / 50_000)
