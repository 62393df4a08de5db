"""The protocol by the command, and sweeps prepared for analysis: epochs, sweep rules, sampling rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipfx.dataset.create import create_ephys_data_set
from ipfx.sweep import Sweep
from ipfx.utilities import drop_failed_sweeps

from patchtype.recordings import protocols
from patchtype.recordings.commands import Step, divided, named_kind, recognise
from patchtype.recordings.nwb import RawSweep
from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import Recording
from patchtype.recordings.recording import Sweep as Raw

from . import analytic


def given_commands(*commands, rate=10_000.0, names=None):
    """A recording with these commands (pA); the potential does not matter."""
    names = names or ["FI"] * len(commands)
    return Recording("cell", [
        Raw(k, f"sweep {k}", rate, len(i), lambda i=i: (np.full(len(i), -70.0), np.asarray(i, float)), name)
        for k, (i, name) in enumerate(zip(commands, names, strict=True))
    ])


def pulses(*parts, seconds=2.0, rate=10_000.0, level=0.0):
    """A command of (onset, end, pA) on a holding level."""
    i = np.full(round(seconds * rate), level)
    for onset, end, pa in parts:
        i[round(onset * rate):round(end * rate)] += pa
    return i


def kinds(recording, **options):
    return [step.kind for step in recognise(recording, **options).steps]


# --- the protocol by the command --------------------------------------------------------------------------

@settings(max_examples=60, deadline=None)
@given(
    onset=st.integers(60, 900), length=st.integers(300, 1000), level=st.sampled_from([-60.0, 0.0, 37.5]),
    amplitudes=st.lists(st.integers(-40, 60), min_size=2, max_size=7, unique=True).filter(lambda a: set(a) != {0}),
    test_pulse=st.booleans(), second=st.booleans(), rate=st.sampled_from([10_000.0, 20_000.0, 50_000.0]),
)
def test_any_step_protocol_is_recognised(onset, length, level, amplitudes, test_pulse, second, rate):
    """Any onset, length from 0.3 s, spacing, rate, holding level; with a test pulse, with a second step."""
    on, off = onset / 1000, (onset + length) / 1000
    def sweep(pa):
        parts = [(on, off, 5.0 * pa)] + [(0.02, 0.03, -20.0)] * test_pulse
        parts += [(off + 0.2, off + 0.6, -100.0 + pa)] * second
        return pulses(*parts, seconds=off + 1.0, rate=rate, level=level)
    found = recognise(given_commands(*map(sweep, amplitudes), rate=rate))
    for step, pa in zip(found.steps, amplitudes, strict=True):
        assert (step.kind, step.amplitude_pa, step.holding_pa) == ("long_square", 5.0 * pa, level)
        assert (step.onset_s, step.end_s) == (pytest.approx(on), pytest.approx(off))
    assert found.test_pulse == ((0.02, 0.03, -20.0) if test_pulse else None)
    assert any("second step" in note for note in found.notes) == (second and len(amplitudes) > 1)


def test_the_part_that_every_sweep_has_is_no_step():
    found = recognise(given_commands(*[pulses((0.1, 0.5, -100.0), (1.0, 1.5, pa)) for pa in (0.0, 10.0, 20.0)]))
    assert [step.amplitude_pa for step in found.steps] == [0.0, 10.0, 20.0]
    assert found.notes == (
        "found a prepulse from 0.100 to 0.500 s that is the same in every sweep; it is not analysed",)
    assert found.quiet_s == pytest.approx(0.5)


def test_a_step_may_last_to_the_end_of_the_sweep():
    found = recognise(given_commands(*[pulses((0.5, 2.0, pa)) for pa in (-10.0, 0.0, 10.0)]))
    assert [(s.kind, s.end_s, s.amplitude_pa) for s in found.steps] == [("long_square", 2.0, pa) for pa in (-10, 0, 10)]


def test_a_prepulse_that_the_step_follows_at_once_is_no_holding_current():
    before = given_commands(*[pulses((0.2, 0.5, -50.0), (0.5, 1.0, pa)) for pa in (-100.0, 20.0, 40.0)])
    found = recognise(before)
    assert [s.amplitude_pa for s in found.steps] == [-50.0, 70.0, 90.0]
    assert found.notes[1:] == ("found a prepulse to -50 pA right before the step; amplitudes and the resting potential "
                               "are measured from it",)
    held = given_commands(*[pulses((0.2, 2.0, -50.0), (0.5, 1.0, pa)) for pa in (-100.0, 20.0, 40.0)])
    assert recognise(held).notes[-1] == "found a holding current of -50 pA; amplitudes are measured from it"


def test_the_holding_of_a_ramp_does_not_cost_the_steps_beside_it():
    t = np.arange(20_000) / 10_000
    rising = pulses(level=-50.0) + np.where((t >= 0.5) & (t < 1.8), 25 * (t - 0.5), 0)
    found = recognise(given_commands(*[pulses((0.5, 1.0, pa), level=-50.0) for pa in (-20.0, 20.0)], rising))
    assert [s.kind for s in found.steps] == ["long_square"] * 2 + ["ramp"]
    assert found.notes == ("found a holding current of -50 pA; amplitudes are measured from it",)


def test_a_holding_current_in_some_sweeps_is_told_as_a_range():
    found = recognise(given_commands(pulses((0.5, 1.0, 20.0)), pulses((0.5, 1.0, 40.0), level=-50.0)))
    assert found.notes == ("found a holding current of -50 to 0 pA; amplitudes are measured from it",)


def test_lengths_at_the_limits_count():
    """0.3 s less a sample, and 10 ms at a rate that is not quite the nominal one."""
    step = given_commands(*[pulses((0.5, 0.7999, pa)) for pa in (-20.0, 20.0)])
    assert kinds(step) == ["long_square"] * 2 and not recognise(step).notes
    assert kinds(given_commands(pulses((0.5, 0.51, 400.0)), rate=9_999.0)) == ["short_square"]


def test_a_longer_pulse_is_a_short_square_where_it_is_asked_for():
    twenty = given_commands(pulses((0.5, 0.52, 400.0)))
    assert kinds(twenty) == ["unknown"] and kinds(twenty, protocol={"FI": "short_square"}) == ["short_square"]


@pytest.mark.parametrize("name", ["FI", "*"])
def test_a_shorter_step_is_one_where_it_is_asked_for(name):
    short = given_commands(*[pulses((0.5, 0.75, pa)) for pa in (-20.0, 0.0, 20.0)])
    assert set(kinds(short)) == {"unknown"}
    found = recognise(short, {name: "long_square"})
    assert [(s.kind, s.amplitude_pa) for s in found.steps] == [("long_square", pa) for pa in (-20.0, 0.0, 20.0)]
    assert found.notes == ("found steps of 0.25 s, as they were asked for; sag, adaptation and rates are those of so "
                           "short a step",)


def test_a_name_of_its_own_goes_before_that_of_every_one():
    short = given_commands(*[pulses((0.5, 0.75, pa)) for pa in (-20.0, 20.0)])
    assert kinds(short, protocol={"*": "ramp", "FI": "long_square"}) == ["long_square"] * 2


def gap_free(amplitudes, pauses=(0.7, 0.5), length=0.5, level=0.0, rate=10_000.0):
    """One command with all steps: these pauses (s) before and after each."""
    parts = [np.r_[np.zeros(round(pauses[0] * rate)), np.full(round(length * rate), pa),
                   np.zeros(round(pauses[1] * rate))] for pa in amplitudes]
    return np.concatenate(parts) + level


@pytest.mark.parametrize("level", [0.0, -40.0])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_protocol_in_one_sweep_is_divided_into_its_steps(level, noise):
    amplitudes = [-60.0, -30.0, *range(30, 500, 30)]
    command = gap_free(amplitudes, level=level)
    command += np.random.default_rng(0).normal(0, noise, len(command)) if noise else 0
    parts = divided(given_commands(command))
    found = recognise(parts)
    assert [s.kind for s in found.steps] == ["long_square"] * len(amplitudes)
    assert [s.amplitude_pa for s in found.steps] == pytest.approx(amplitudes, abs=0.2)
    assert np.allclose([s.onset_s for s in found.steps], 0.6, atol=1e-4)  # in the middle of a pause of 1.2 s
    assert parts.notes == [f"found {len(amplitudes)} steps in one sweep (sweep 0), which is read as a sweep for each"]
    assert [s.number for s in parts.sweeps] == list(range(len(amplitudes)))


def test_each_of_several_such_sweeps_is_divided():
    two = divided(given_commands(gap_free([-50.0, 25.0, 50.0]), gap_free([75.0, 100.0, 125.0]),
                                 pulses((0.7, 1.2, 10.0))))
    assert [s.amplitude_pa for s in recognise(two).steps] == [-50.0, 25.0, 50.0, 75.0, 100.0, 125.0, 10.0]
    assert [s.number for s in two.sweeps] == list(range(7)) and len(two.notes) == 2


def test_the_samples_of_a_divided_sweep_are_those_of_the_whole():
    command = gap_free([-50.0, 25.0, 50.0])
    whole = given_commands(command)
    whole.sweeps[0] = Raw(4, "trace", 10_000.0, len(command), lambda: (np.arange(len(command)) * 1.0, command))
    parts = divided(whole).sweeps
    assert [s.v_mv[0] for s in parts] == [1000.0, 18_000.0, 35_000.0] and {len(s.v_mv) for s in parts} == {16_000}
    assert [s.where for s in parts] == ["trace from 0.100 s", "trace from 1.800 s", "trace from 3.500 s"]


@pytest.mark.parametrize("command", [
    gap_free([50.0] * 4), gap_free([25.0, 50.0]), gap_free([-50.0, 25.0, 50.0], length=0.2),
    np.r_[gap_free([-50.0, 25.0, 50.0]), gap_free([75.0], length=1.0)],
    np.repeat([0.0, 25.0, 50.0, 75.0, 0.0], 10_000), np.repeat([0, -30, 9, 0, -60, 9, 0, 30, 9, 0], 10_000),
    np.random.default_rng(0).normal(0, 30, 20_000),
])
def test_any_other_sweep_is_left_whole(command):
    """Repeats, two steps, pulses, steps of two lengths, a staircase, pairs of steps, noise."""
    whole = given_commands(command)
    assert divided(whole) is whole


def test_repeats_of_one_step_are_steps_too():
    assert kinds(given_commands(*[pulses((0.5, 1.0, -20.0))] * 3)) == ["long_square"] * 3


def test_each_kind_of_stimulus_in_one_recording():
    rng, t = np.random.default_rng(0), np.arange(20_000) / 10_000
    every = {
        "long_square": pulses((0.02, 0.03, -20.0), (0.5, 1.5, 50.0)),
        "another": pulses((0.02, 0.03, -20.0), (0.5, 1.5, -30.0)),
        "short_square": pulses((0.02, 0.03, -20.0), (0.5, 0.503, 400.0)),
        "ramp": pulses((0.02, 0.03, -20.0)) + np.where((t >= 0.5) & (t < 1.8), 25 * (t - 0.5), 0),
        "chirp": 20 * np.sin(2 * np.pi * 4 * t ** 2), "noise": rng.normal(0, 30, len(t)),
        "negative": pulses((0.02, 0.03, -20.0), (0.5, 0.503, -400.0)), "nothing": pulses((0.02, 0.03, -20.0)),
    }
    found = recognise(given_commands(*every.values(), names=list(every)))
    assert [s.kind for s in found.steps] == ["long_square", "long_square", "short_square", "ramp", *["unknown"] * 4]
    assert [s.why for s in found.steps[4:]] == [
        "the command varies continuously, as a chirp, noise or a measured current",
        "the command varies continuously, as a chirp, noise or a measured current",
        "the command is a short negative pulse", "the command is constant after the test pulse"]
    assert found.test_pulse == (0.02, 0.03, -20.0)
    assert found.steps[3].amplitude_pa == pytest.approx(25 * 1.3, rel=0.01)


def test_short_pulses_of_one_height_are_no_test_pulse():
    assert kinds(given_commands(*[pulses((0.5, 0.503, 400.0), seconds=1.0)] * 3)) == ["short_square"] * 3


def test_a_measured_current_still_shows_its_steps():
    rng = np.random.default_rng(1)
    commands = [pulses((0.02, 0.03, -20.0), (0.5, 1.5, pa)) + rng.normal(0, 0.5, 20_000) for pa in (-50.0, 40.0, 80.0)]
    found = recognise(given_commands(*commands))
    assert found.noisy == (0, 1, 2)
    assert [s.amplitude_pa for s in found.steps] == pytest.approx([-50, 40, 80], abs=0.1)
    assert [s.onset_s for s in found.steps] == pytest.approx([0.5] * 3, abs=2e-4)
    assert protocols.Prepared(given_commands(*commands)).sweep(0).i.min() == pytest.approx(-50, abs=0.11)


@pytest.mark.parametrize("sd", [0.3, 2.0])
def test_a_measured_current_with_a_test_pulse_is_the_protocol_that_was_given(sd):
    """Levels that noise alone sets apart are one: no gap is a step, no holding current, and 0 pA is a step too."""
    rng = np.random.default_rng(3)
    given = [pulses((0.1, 0.15, -20.0), (0.5, 1.0, pa), rate=20_000.0) for pa in (-50.0, 0.0, 40.0, 80.0)]
    found = recognise(given_commands(*[i + rng.normal(0, sd, len(i)) for i in given], rate=20_000.0))
    assert [s.kind for s in found.steps] == ["long_square"] * 4 and found.noisy == (0, 1, 2, 3)
    assert [s.amplitude_pa for s in found.steps] == pytest.approx([-50, 0, 40, 80], abs=sd / 5)
    assert [(s.onset_s, s.end_s) for s in found.steps] == [pytest.approx((0.5, 1.0), abs=5e-4)] * 4
    assert found.test_pulse == pytest.approx((0.1, 0.15, -20.0), abs=sd / 5) and found.notes == ()


def test_noise_below_one_count_of_the_converter_is_noise():
    rng = np.random.default_rng(0)
    commands = [np.round(pulses((0.5, 1.0, pa)) + rng.normal(0, 0.2, 20_000)) for pa in (-50.0, 0.0, 40.0)]
    assert all(np.count_nonzero(np.diff(i)) > 100 for i in commands)
    found = recognise(given_commands(*commands))
    assert [(s.kind, s.amplitude_pa) for s in found.steps] == [("long_square", a) for a in (-50.0, 0.0, 40.0)]


@pytest.mark.parametrize("sd", [10.0, 40.0])
def test_noise_that_was_injected_is_no_step(sd):
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, sd, 20_000) for _ in range(2)]
    found = recognise(given_commands(*[pulses((0.5, 1.0, pa)) for pa in (-50.0, 40.0)], *noise))
    assert [s.kind for s in found.steps] == ["long_square"] * 2 + ["unknown"] * 2


def test_a_glitch_of_one_sample_does_not_divide_a_step():
    glitch = pulses((0.5, 1.0, -50.0))
    glitch[7000] += 0.5
    found = recognise(given_commands(glitch, *[pulses((0.5, 1.0, pa)) for pa in (-30.0, 40.0)]))
    assert [(s.onset_s, s.end_s, s.amplitude_pa) for s in found.steps] == [
        (0.5, 1.0, -50.0), (0.5, 1.0, -30.0), (0.5, 1.0, 40.0)]
    assert found.notes == ()


def test_the_baseline_between_two_steps_is_no_second_step():
    """In one series without sweeps: what comes back to the first level is no step."""
    one = pulses((0.5, 1.0, -50.0), (1.6, 2.1, 40.0), seconds=3.0)
    found = recognise(given_commands(one))
    assert found.notes == ("found a second step in each sweep (1.600 to 2.100 s); the first one is analysed",)


def test_the_step_of_other_sweeps_is_no_second_step():
    early, late = ([pulses((on, off, pa)) for pa in (-20.0, 20.0, 40.0)] for on, off in ((0.2, 0.7), (1.0, 1.8)))
    found = recognise(given_commands(*early, *late, names=["IV"] * 3 + ["FI"] * 3))
    assert found.notes == ("found steps of 0.8 s beside most of 0.5 s; they are read for what those do not give",)


def test_a_pause_between_two_pulses_is_no_step():
    """Pulses of 0.2 s are none either, and nobody asked for them."""
    assert set(kinds(given_commands(*[pulses((0.2, 0.4, pa), (1.0, 1.2, -pa)) for pa in (-50.0, 25.0)]))) == {"unknown"}


def test_a_tail_without_command_is_not_seen():
    tail = np.full(5000, np.nan)
    found = recognise(given_commands(*[np.r_[pulses((0.5, 1.0, pa)), tail] for pa in (-10.0, 10.0)]))
    assert [s.amplitude_pa for s in found.steps] == [-10.0, 10.0]


@pytest.mark.parametrize(("name", "kind"), [
    ("X4PS_SupraThresh_DA_0", "long_square"), ("X7Ramp[3]", "ramp"), ("C2SSTRIPLE", "other"), ("X5SP_Search", "other"),
    ("C2CHIRPA", "chirp"), ("X2LP", ""), ("FI_curve", ""), ("", ""),
])
def test_names_of_the_allen_institute(name, kind):
    assert named_kind(name) == kind


def test_a_name_against_the_command_is_a_note_and_an_order_is_obeyed():
    recording = given_commands(pulses((0.5, 1.5, 20.0)), pulses((0.5, 1.5, 40.0)), names=["X7Ramp", "X3LP_Rheo"])
    found = recognise(recording)
    assert found.notes == ("the name X7Ramp does not fit the command of 1 sweep, which is a long square; the command "
                           "counts",)
    search = given_commands(pulses((0.5, 1.5, 20.0)), pulses((0.5, 1.5, 40.0)), names=["X2LP_Search"] * 2)
    assert kinds(search) == ["unknown"] * 2
    assert kinds(search, protocol={"X2LP_Search": "long_square"}) == ["long_square"] * 2
    with pytest.raises(ValueError, match="found the protocol 'square', expected one of long_square, short_square"):
        recognise(search, {"X2LP_Search": "square"})


def test_sweeps_of_another_length_are_left_aside_with_a_note():
    commands = [pulses((0.5, 1.0, pa)) for pa in (10.0, 20.0, 30.0)]
    found = recognise(given_commands(*commands, pulses((0.5, 1.3, 15.0))))
    assert [s.kind for s in found.steps] == ["long_square"] * 3 + ["unknown"]
    assert found.notes == ("found steps of 0.8 s beside most of 0.5 s; they are read for what those do not give",)


# --- epochs and sweep rules -------------------------------------------------------------------------------

def opened(path):
    with recordings(path) as cells:
        return protocols.Prepared(cells[0].read())


def test_sweep_rules_equal_those_of_ipfx(either_file):
    theirs = create_ephys_data_set(str(either_file))
    drop_failed_sweeps(theirs)
    theirs = theirs.sweep_table.set_index("sweep_number")
    ours = protocols.check_sweeps(opened(either_file)).set_index("sweep_number")
    ours, theirs = ours.sort_index(), theirs.loc[ours.index].sort_index()
    for column in ("pre_noise_rms_mv", "post_noise_rms_mv", "slow_noise_rms_mv", "vm_delta_mv", "pre_vm_mv",
                   "post_vm_mv", "stimulus_amplitude"):
        assert np.array_equal(ours[column].astype(float), theirs[column].astype(float), equal_nan=True), column
    assert ours["passed"].tolist() == theirs["passed"].tolist()


@settings(max_examples=60, deadline=None)
@given(
    test_pulse=st.booleans(), amplitude=st.sampled_from([-110.0, 50.0]), on=st.integers(402, 700),
    length=st.integers(300, 400), n=st.integers(1200, 1500), tail=st.integers(0, 900),
)
def test_epochs_equal_those_of_ipfx(test_pulse, amplitude, on, length, n, tail):
    rate = 1000.0
    i = pulses((on / rate, (on + length) / rate, amplitude), seconds=n / rate, rate=rate)
    pulse = (0.02, 0.03, -20.0) if test_pulse else None
    if test_pulse:
        i[20:30] = -20
    v = np.full(n, -70.0)
    v[n - tail:] = np.nan
    step = Step(0, "long_square", on / rate, (on + length) / rate, amplitude, 0.0)
    found = protocols.epochs_of(step, pulse, v, rate)
    expected = Sweep(np.arange(n) / rate, v, i, "CurrentClamp", rate).epochs
    for name, e in expected.items():
        # Where the recording ends before the step does, ipfx sees no step; such sweeps are left out before.
        if name in ("stim", "experiment") and n - tail <= on + length:
            continue
        assert found[name] == (None if e is None else tuple(int(x) for x in e)), name


# --- sampling rate ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate", [10_000.0, 20_000.0, 25_000.0, 40_000.0, 100_000.0, 200_000.0])
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


@pytest.mark.parametrize("rate", [10_000.0, 20_000.0, 30_000.0])
def test_a_resampled_step_begins_and_ends_where_the_command_does(rate):
    ready = protocols.Prepared(given_commands(*[pulses((0.5, 1.2, pa), rate=rate) for pa in (-10.0, 10.0)], rate=rate))
    sweep = ready.sweep(0)
    onset, last = sweep.epochs["stim"]
    assert sweep.sampling_rate == protocols.RATE
    assert np.flatnonzero(np.diff(sweep.i)).tolist() == [onset - 1, last]
    assert onset == 25_000 and last + 1 == 60_000


def test_resampling_keeps_a_missing_tail_missing():
    v = np.full(25_000, -70.0)
    v[20_000:] = np.nan
    _, v2 = protocols.resample(np.zeros(25_000), v, 25_000)
    assert np.isnan(v2[40_000:]).all()
    assert np.isfinite(v2[:40_000]).all()


def test_a_clock_that_is_nearly_50_khz_is_left_alone():
    raw = analytic.recording([analytic.long_square(-50, np.random.default_rng(0))], 50_000.7)
    sweep = protocols.Prepared(raw).sweep(0)
    assert sweep.sampling_rate == 50_000.7
    assert np.array_equal(sweep.v, raw.sweeps[0].v_mv)


# --- what ipfx is given -----------------------------------------------------------------------------------

def test_a_holding_level_does_not_count():
    raw = analytic.long_square(-50, np.random.default_rng(0))
    held = protocols.Prepared(analytic.recording([RawSweep("FI", raw.i_pa - 40.0, raw.v_mv)]))
    assert np.array_equal(held.sweep(0).i, raw.i_pa)
    assert held.protocol.notes == ("found a holding current of -40 pA; amplitudes are measured from it",)


def test_gaps_outside_the_samples_in_use_do_no_harm():
    raw = analytic.long_square(-50, np.random.default_rng(0))
    v = raw.v_mv.copy()
    v[1000:1100] = np.nan
    v[100_000:100_010] = np.nan
    sweep = protocols.Prepared(analytic.recording([RawSweep("FI", raw.i_pa, v)])).sweep(0)
    assert np.isfinite(sweep.v).all() and len(sweep.v) == 100_000
    assert np.array_equal(sweep.v[1100:], raw.v_mv[1100:100_000])


def test_aligning_one_sweep_leaves_the_next_one_as_recorded(sweeps):
    ready = protocols.Prepared(analytic.recording(sweeps[:3]))
    before = ready.sweep(0).t.copy()
    protocols.aligned(ready, "long_square")
    assert np.array_equal(ready.sweep(0).t, before)
    assert ready.sweep(0).selected_epoch_name == "recording"


def test_window_of_the_paper_ends_one_sample_early(sweeps):
    window = protocols.aligned(protocols.Prepared(analytic.recording(sweeps[:3])), "long_square")
    assert window.start == pytest.approx(0.5)
    assert window.end == pytest.approx(1.5 - 1 / 50_000)


@pytest.mark.parametrize(("seconds", "kind"), [(0.010, "short_square"), (0.011, "unknown"), (0.03, "unknown")])
def test_pulses_between_short_and_long_are_neither(seconds, kind):
    assert kinds(given_commands(*[pulses((0.5, 0.5 + seconds, pa)) for pa in (300.0, 400.0)])) == [kind] * 2


def test_a_pulse_of_few_sweeps_is_no_test_pulse():
    tested = pulses((0.02, 0.03, -20.0), (0.5, 1.0, 10.0))
    plain = [pulses((0.5, 1.0, pa)) for pa in (20.0, 30.0, 40.0)]
    assert recognise(given_commands(tested, *plain)).test_pulse is None
    assert recognise(given_commands(tested, tested, tested, plain[0])).test_pulse == (0.02, 0.03, -20.0)
