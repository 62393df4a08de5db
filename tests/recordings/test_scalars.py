"""Scalar features of cells whose answers are known: each a value, or the reason why there is none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from patchtype import families
from patchtype.recordings import scalars
from patchtype.recordings.cell import extract
from patchtype.recordings.nwb import RawSweep
from patchtype.recordings.protocols import Prepared
from patchtype.recordings.spikes import SpikeExtractor, peaks, width_suprathreshold, with_slow

from . import analytic

FAMILY = {-75: 0, -50: 0, -25: 0, 0: 0, 25: 0, 50: 2, 75: 4, 100: 6, 125: 8}


def measured(counts, rate=20_000.0, **options):
    sweeps = analytic.steps(tuple(counts), rate, counts=counts, **options)
    return scalars.scalar_features(Prepared(analytic.recording(sweeps, rate)))


def codes(found):
    return [code for code, _ in found.notes]


@pytest.mark.parametrize("rate", [10_000.0, 20_000.0, 50_000.0])
@pytest.mark.parametrize("holding", [0.0, -60.0])
def test_a_plain_step_protocol_gives_what_was_put_in(rate, holding):
    found = measured(FAMILY, rate, holding=holding).features
    assert found["v_baseline"] == pytest.approx(analytic.REST, abs=0.05)
    assert found["input_resistance"] == pytest.approx(1e3 * analytic.RESISTANCE, rel=0.01)
    assert found["tau"] == pytest.approx(analytic.TAU, rel=0.02)
    assert found["sag"] == pytest.approx(0, abs=0.01)
    assert found["vm_for_sag"] == pytest.approx(analytic.REST - 75 * analytic.RESISTANCE, abs=0.1)
    assert found["sag_depol"] == pytest.approx(0, abs=0.02)
    assert found["rheobase_i"] == 50
    assert found["fi_fit_slope"] == pytest.approx(2 / 0.5 / 25, rel=0.01)
    assert found["maximal_firing_rate"] == pytest.approx(16)
    assert found["stim_amp_hero"] == 100
    assert found["avg_rate_hero"] == pytest.approx(12)
    assert found["mean_isi_hero"] == pytest.approx(0.46 / 6, rel=0.02)
    assert found["adapt_hero"] == pytest.approx(0, abs=0.01)
    assert found["peak_deltav_hero"] == pytest.approx(analytic.PEAK - analytic.THRESHOLD, abs=2.5)
    assert found["width_suprathresh_rheo"] == pytest.approx(0.00068, abs=1e-4)
    assert found["isi_adapt_ratio"] == pytest.approx(1, abs=0.02)


def test_the_number_of_sweeps_behind_a_value_is_given():
    found = measured(FAMILY)
    assert {name: found.sweeps[name] for name in ("v_baseline", "input_resistance", "tau", "fi_fit_slope")} == {
        "v_baseline": 9, "input_resistance": 3, "tau": 3, "fi_fit_slope": 4}
    one = measured({-50: 0, 50: 2})
    assert one.sweeps["tau"] == 1 and codes(one) == ["tau_one_sweep", "rheobase_coarse"]


@pytest.mark.parametrize(("counts", "feature", "why"), [
    ({25: 0, 50: 2, 75: 4}, "sag", "no hyperpolarising step"),
    ({25: 0, 50: 2, 75: 4}, "tau", "no hyperpolarising step"),
    ({-50: 1, 50: 2}, "input_resistance", "spikes in every hyperpolarising step"),
    ({-50: 0, 25: 0}, "rheobase_i", "no action potential in any step"),
    ({-50: 0, 50: 2, 75: 4}, "sag_depol", "no depolarising step without action potentials"),
    ({-50: 0, 50: 1}, "adapt_hero", "one action potential only in the hero sweep (50 pA): no adaptation"),
    ({-50: 0, 50: 1}, "first_isi_inv_rheo", "one action potential only in the rheobase sweep: no interval"),
    ({-50: 0, 50: 2}, "fi_fit_slope", "action potentials in 1 sweep of one step height only: no slope"),
    ({-50: 0, 50: 2, 75: 4}, "width_adapt_ratio", "at most 4 action potentials in a step, expected 5"),
    ({-50: 0, 50: 2}, "threshold_v_ramp", "no ramp"),
    ({-50: 0, 50: 2}, "threshold_v_short_square", "no short square, a pulse of at most 10 ms"),
    ({-50: 0, 50: 2}, "peak_ratio_chirp", "no chirp, or none that is analysed here"),
    ({-50: 0, 50: 2}, "sag_area", "not defined in the sources we have"),
    ({-300: 0, 50: 2}, "tau", "the smallest hyperpolarising step is -300 pA, expected one between -200 and 0 pA"),
])
def test_what_is_missing_says_why(counts, feature, why):
    found = measured(counts)
    assert np.isnan(found.features[feature])
    assert found.missing[feature] == why


def test_sag_needs_a_deflection():
    found = measured({-5: 0, 50: 2})
    assert found.missing["sag"] == ("the sweep nearest to -100 mV is deflected by 1.0 mV only, expected a "
                                    "hyperpolarisation of at least 2 mV")


def test_a_step_at_the_limit_counts_where_there_is_none_inside():
    """The published tables leave out -100 pA; where nothing smaller was recorded it is all there is."""
    inside, at = measured({-100: 0, -50: 0, 50: 2}), measured({-150: 0, -100: 0, 50: 2})
    assert inside.sweeps["input_resistance"] == 1 and "step_large" not in codes(inside)
    assert at.features["input_resistance"] == pytest.approx(1e3 * analytic.RESISTANCE, rel=0.01)
    assert dict(at.notes)["step_large"] == ("found no hyperpolarising step smaller than 100 pA; input resistance and "
                                            "time constant come from -100 pA")


def test_the_f_i_fit_does_not_run_through_depolarisation_block():
    counts = {-50: 0, 50: 2, 75: 4, 100: 6, 125: 8, 150: 3, 175: 1}
    found = measured(counts)
    assert found.features["fi_fit_slope"] == pytest.approx(2 / 0.5 / 25, rel=0.01)
    assert found.features["maximal_firing_rate"] == pytest.approx(16)
    assert found.sweeps["fi_fit_slope"] == 4
    assert dict(found.notes)["depolarisation_block"] == (
        "found that the rate falls from 16 to 2 Hz from 150 pA on (depolarisation block); the f-I slope is fitted "
        "below")
    published = scalars.scalar_features(Prepared(analytic.recording(analytic.steps(
        tuple(counts), counts=counts), 20_000.0)), as_published=True)
    rates = np.array([counts[pa] / 0.5 for pa in (50, 75, 100, 125, 150, 175)])
    assert published.features["fi_fit_slope"] == pytest.approx(np.polyfit(range(50, 176, 25), rates, 1)[0], rel=0.02)
    assert "as in the published tables" in dict(published.notes)["depolarisation_block"]


def test_a_cell_that_fires_at_rest_has_its_rheobase_with_a_note():
    found = measured({-50: 0, 0: 2, 50: 4, 75: 6})
    assert found.features["rheobase_i"] == 50
    assert dict(found.notes)["fires_at_rest"].startswith("found 2 action potentials without a step")


def with_spike(raw, at_s, rate=20_000.0):
    """The same sweep with one more action potential."""
    v, shape, k = raw.v_mv.copy(), analytic.spike(rate), round(at_s * rate)
    lead = round(0.004 * rate)
    v[k - lead:k] = np.linspace(v[k - lead - 1], analytic.THRESHOLD, lead)
    v[k:k + len(shape)] = shape
    return RawSweep(raw.code, raw.i_pa, v)


def test_a_cell_that_fires_before_its_steps_is_told_without_a_sweep_of_no_current():
    raw = analytic.steps((-50, 50), counts={50: 3})
    found = scalars.scalar_features(Prepared(analytic.recording([with_spike(raw[0], 0.05), raw[1]], 20_000.0)))
    assert dict(found.notes)["fires_at_rest"].startswith(
        "found 1 action potential before the step in 1 of 2 sweeps; the cell fires at rest")


def test_small_action_potentials_before_the_steps_are_told_too():
    raw = analytic.steps((-50, 50), counts={50: 3})
    small = with_spike(raw[0], 0.05)
    low = RawSweep(small.code, small.i_pa, np.minimum(small.v_mv, -10.0))  # never near 0 mV
    found = scalars.scalar_features(Prepared(analytic.recording([low, raw[1]], 20_000.0)))
    assert "before the step in 1 of 2 sweeps" in dict(found.notes)["fires_at_rest"]


SHAPE = {"threshold_v_rheo", "width_rheo", "upstroke_hero", "peak_deltav_rheo", "fast_trough_deltav_rheo",
         "threshold_to_peak_t_rheo", "upstroke_downstroke_ratio_rheo", "width_adapt_ratio", "peak_v_adapt_ratio",
         "ahp_delay_ratio_hero", "trough_deltav_hero", "fast_trough_v_last_rheo"}


@pytest.mark.parametrize("rate", [2_500.0, 5_000.0])
def test_slow_sampling_costs_the_shape_of_action_potentials_alone(rate):
    found = measured(FAMILY, rate)
    told = {name for name, why in found.missing.items()
            if why == "sampled at 2.5 kHz, expected at least 5 kHz for the shape of an action potential"}
    assert (told >= SHAPE) if rate < 5_000 else not told
    kept = ("input_resistance", "tau", "rheobase_i", "fi_fit_slope", "latency_rheo", "isi_cv_hero", "isi_adapt_ratio")
    assert np.isfinite([found.features[name] for name in kept]).all()
    shapes = ("threshold_v_long_square", "peak_v_long_square", "trough_t_long_square", "rheo_width")
    assert np.isnan([found.scalars[name] for name in shapes]).all() == (rate < 5_000)
    assert np.isfinite([found.scalars[n] for n in ("threshold_i_long_square", "threshold_t_long_square", "ri")]).all()


def test_a_noisy_baseline_is_told():
    assert codes(measured(FAMILY, noise=0.45)) == []
    noisy = dict(measured(FAMILY, noise=0.7).notes)["baseline_noisy"]
    assert noisy.startswith("found a baseline that moves by 0.7 mV rms before the steps, expected at most 0.5;")


def test_a_drift_over_the_protocol_is_told():
    raw = analytic.steps(tuple(FAMILY), counts=FAMILY)
    def drifting(away):
        sweeps = [RawSweep(x.code, x.i_pa, x.v_mv + away * k / 8) for k, x in enumerate(raw)]
        return scalars.scalar_features(Prepared(analytic.recording(sweeps, 20_000.0)))
    assert "baseline_drifts" not in codes(drifting(11.0))  # 1.4 mV a sweep, 9.6 mV between the quarters
    assert dict(drifting(16.0).notes)["baseline_drifts"].startswith(
        "found the potential before the steps at -69 mV in the first sweeps and at -55 mV in the last")


@pytest.mark.parametrize(("counts", "code", "said"), [
    ({-50: 0, 20: 1, 40: 0, 60: 0, 80: 0, 100: 3}, "rheobase_stray",
     "found action potentials at 20 pA and none in 3 larger steps, up to 80 pA;"),
    ({-50: 0, 0: 0, 200: 2, 300: 4}, "rheobase_coarse",
     "found that the smallest step up with action potentials is 200 pA and the last silent step is 0 pA;"),
    ({150: 2, 300: 4}, "rheobase_coarse",
     "found that the smallest step up with action potentials is 150 pA and no smaller step is silent;"),
    ({-50: 0, 0: 0, 20: 1, 40: 0, 60: 2, 80: 3}, None, ""),
])
def test_a_rheobase_that_is_hardly_one_is_told(counts, code, said):
    notes = dict(measured(counts).notes)
    assert {c for c in notes if c.startswith("rheobase")} == ({code} if code else set())
    assert notes.get(code, "").startswith(said)


@pytest.mark.parametrize("rate", [10_000.0, 20_000.0, 50_000.0])
@pytest.mark.parametrize("jump_mohm", [-40.0, 40.0])
def test_the_jump_of_an_unbalanced_bridge_at_the_end_is_not_smeared_into_the_step(rate, jump_mohm):
    """The electrode adds a jump at both edges; resistance, time constant and sag within the step do not mix with it."""
    raw = [RawSweep(x.code, x.i_pa, x.v_mv + 1e-3 * jump_mohm * x.i_pa)
           for x in analytic.steps((-75, -50, -25, 50), rate)]
    measured_here = scalars.scalar_features(Prepared(analytic.recording(raw, rate)))
    said, found = dict(measured_here.notes)["bridge_unbalanced"], measured_here.features
    assert float(said.split("jumps by ")[1].split()[0]) == pytest.approx(jump_mohm, abs=2)
    assert found["input_resistance"] == pytest.approx(1e3 * analytic.RESISTANCE + jump_mohm, rel=0.01)
    assert found["sag"] == pytest.approx(0, abs=0.01) and found["sag_depol"] == pytest.approx(0, abs=0.02)
    assert 0.1 < found["sag_peak_t"] < 0.5 - 5 / rate


def test_a_balanced_bridge_is_not_told():
    assert "bridge_unbalanced" not in codes(measured({-75: 0, -50: 0, -25: 0, 50: 2}))


def test_a_sag_that_no_membrane_has_has_no_value():
    raw = analytic.steps((-75, -50, 50))
    def spiky(x):
        v = x.v_mv.copy()
        v[3000:3006] += 0.4 * x.i_pa[3000]  # 0.3 ms of the electrode
        return RawSweep(x.code, x.i_pa, v)
    found = scalars.scalar_features(Prepared(analytic.recording([spiky(x) for x in raw], 20_000.0)))
    assert np.isnan(found.features["sag"])
    assert found.missing["sag"].endswith("it is the electrode that shows at the edges of the step, not the membrane")


def test_two_families_of_steps_give_what_each_has():
    """Hyperpolarising steps of 1 s in some sweeps, depolarising ones of 0.5 s in others, as many laboratories have."""
    down = analytic.steps((-75, -50, -25), length=1.0, end=1.5)
    up = analytic.steps((25, 50, 75, 100), counts={50: 2, 75: 4, 100: 6})
    both = scalars.scalar_features(Prepared(analytic.recording([*down, *up], 20_000.0)))
    assert both.features["input_resistance"] == pytest.approx(1e3 * analytic.RESISTANCE, rel=0.01)
    assert both.features["tau"] == pytest.approx(analytic.TAU, rel=0.02)
    assert both.features["rheobase_i"] == 50 and both.features["maximal_firing_rate"] == pytest.approx(12)
    assert both.scalars["ri"] == both.features["input_resistance"] and both.scalars["maximal_firing_rate"] == 12
    assert dict(both.notes)["protocol"] == (
        "input resistance, time constant and sag come from 3 sweeps with steps of 1 s, the other features of long "
        "steps from the rest")
    more_down = scalars.scalar_features(Prepared(analytic.recording([*down * 3, *up], 20_000.0)))
    assert more_down.features["rheobase_i"] == 50
    assert dict(more_down.notes)["protocol"].startswith("firing and action potentials come from 4 sweeps")
    whole = analytic.steps((-50, -25, 0, 25, 50, 75), counts={50: 2, 75: 4})
    found = scalars.scalar_features(Prepared(analytic.recording([*down, *whole], 20_000.0)))
    assert "protocol" not in dict(found.notes) and found.sweeps["input_resistance"] == 2


def test_the_second_step_of_each_sweep_gives_what_the_first_does_not():
    first = analytic.steps((-75, -50, -25))
    then = analytic.steps((25, 50, 75), counts={50: 2, 75: 4})
    sweeps = [RawSweep(a.code, np.r_[a.i_pa, b.i_pa], np.r_[a.v_mv, b.v_mv]) for a, b in zip(first, then, strict=True)]
    found = scalars.scalar_features(Prepared(analytic.recording(sweeps, 20_000.0)))
    assert found.features["input_resistance"] == pytest.approx(1e3 * analytic.RESISTANCE, rel=0.01)
    assert found.features["rheobase_i"] == 50 and found.features["latency_rheo"] == pytest.approx(0.02, abs=5e-4)


@pytest.mark.parametrize("onset", [0.1, 0.499, 0.6])
def test_a_short_square_may_come_at_any_time(onset):
    t, rate = np.arange(20_000) / 20_000, 20_000.0
    i = np.where((t >= onset) & (t < onset + 0.003), 400.0, 0.0)
    v, at, shape = np.full(len(t), -70.0), round((onset + 0.002) * rate), analytic.spike(rate)
    v[at - 40:at] = np.linspace(-70, analytic.THRESHOLD, 40)
    v[at:at + len(shape)] = shape
    v[at + len(shape):] = analytic.TROUGH
    found = scalars.scalar_features(Prepared(analytic.recording([RawSweep("pulse", i, v)], rate)))
    assert found.features["threshold_i_short_square"] == 400
    assert np.isfinite(found.features["width_short_square"])


@pytest.mark.parametrize("repeats", [(-50, -50), (-50, -50.04, -49.96)])
def test_repeats_of_one_step_give_the_resistance_that_each_gives(repeats):
    """No line can be laid through one height: noise alone would set its slope."""
    found = measured(dict.fromkeys((*repeats, 0, 50), 0)) if len(set(repeats)) > 1 else scalars.scalar_features(
        Prepared(analytic.recording(analytic.steps((*repeats, 0, 50), noise=0.05), 20_000.0)))
    assert found.features["input_resistance"] == pytest.approx(1e3 * analytic.RESISTANCE, rel=0.02)


@pytest.mark.parametrize(("onset", "end"), [(0.15, 0.65), (0.15, 0.65005), (0.02, 1.0), (0.011, 1.0), (0.004, 1.0)])
def test_a_step_may_begin_soon_and_last_to_the_end(onset, end):
    counts = {-50: 0, 0: 0, 50: 2, 75: 4}
    found = measured(counts, onset=onset, end=end).features
    assert found["input_resistance"] == pytest.approx(1e3 * analytic.RESISTANCE, rel=0.01)
    assert found["tau"] == pytest.approx(analytic.TAU, rel=0.02)
    assert found["sag"] == pytest.approx(0, abs=0.01) and found["rheobase_i"] == 50
    assert np.isnan(found["v_baseline"]) == (onset <= 0.01)


def test_steps_without_a_baseline_say_so():
    late = [RawSweep(x.code, x.i_pa[2988:], x.v_mv[2988:]) for x in analytic.steps((-50, -30, 50))]  # 0.6 ms are left
    found = scalars.scalar_features(Prepared(analytic.recording(late, 20_000.0)))
    assert found.missing["tau"] == "the sweeps begin with their step, expected a baseline before it"


def test_a_measured_current_next_to_the_limit_is_the_limit():
    raw = analytic.steps((-100, -50, 0, 50), noise=0.02)
    rng = np.random.default_rng(0)
    noisy = [RawSweep(x.code, x.i_pa * 0.999 + rng.normal(0, 0.3, len(x.i_pa)), x.v_mv) for x in raw]
    assert scalars.scalar_features(Prepared(analytic.recording(noisy, 20_000.0))).sweeps["input_resistance"] == 1


def test_a_baseline_in_the_tail_of_the_test_pulse_is_told():
    """In the time constant after 100 ms of -100 pA, 63 % of the 20 mV are left on average."""
    near = measured({-50: 0, 0: 0, 50: 0}, prepulse=(0.03, 0.13, -100))
    assert dict(near.notes)["baseline_tail"].startswith("found the membrane 12.5 mV away")
    assert "baseline_tail" not in codes(measured({-50: 0, 0: 0, 50: 0}, prepulse=(0.03, 0.13, -100), onset=0.35))


def test_what_no_pulse_and_no_ramp_evokes_is_not_theirs():
    """A cell fires by itself before its short squares and after its ramp: neither is a threshold."""
    rng, rate = np.random.default_rng(0), analytic.RATE
    shorts = [with_spike(analytic.short_square(300, rng), analytic.STEP_ON - 0.3, rate) for _ in range(3)]
    i = analytic.ramp(rng).i_pa.copy()
    i[round(2.0 * rate):] = 0
    after = with_spike(RawSweep("X7Ramp_DA_0", i, np.full(len(i), analytic.REST)), 2.5, rate)
    found = scalars.scalar_features(Prepared(analytic.recording([*shorts, after])))
    assert found.missing["threshold_v_short_square"] == "no action potential in any short square"
    assert found.missing["threshold_i_ramp"] == "no action potential in any ramp"
    fires = [with_spike(analytic.short_square(500, rng), analytic.STEP_ON - 0.3, rate)] * 2
    kept = scalars.scalar_features(Prepared(analytic.recording(fires))).features
    alone = scalars.scalar_features(Prepared(analytic.recording([analytic.short_square(500, rng)] * 2))).features
    assert kept["threshold_v_short_square"] == pytest.approx(alone["threshold_v_short_square"], abs=0.2)


def slow_train(rise_s, height=50):
    """Five peaks of so many mV that rise so slowly; at 50 kHz."""
    t = np.arange(50_000) / 50_000
    v = np.full(len(t), -60.0)
    for start in (0.2, 0.3, 0.4, 0.5, 0.6):
        inside = (t >= start) & (t < start + 2 * rise_s)
        v[inside] = -60 + height * np.sin(np.pi * (t[inside] - start) / (2 * rise_s)) ** 2
    return t, v + np.random.default_rng(0).normal(0, 0.02, len(t))


@pytest.mark.parametrize("height", [50, 35])
def test_slow_action_potentials_are_counted(height):
    """50 mV in 4.5 ms is 17 mV/ms at its steepest, 35 mV is 12, both below ipfx's cutoff."""
    t, v = slow_train(0.0045, height)
    extractor = SpikeExtractor(start=0.1, end=0.9)
    assert len(extractor.process(t, v, 0 * v)) == 0
    spikes, lost = with_slow(extractor, t, v, 0 * v)
    assert (len(spikes), lost) == (5, 0)
    spikes, lost = with_slow(extractor, t, v, 0 * v, count=False)  # as in the published tables
    assert (len(spikes), lost) == (0, 5)


def test_peaks_that_are_no_action_potentials_are_told():
    t, v = slow_train(0.03)
    spikes, lost = with_slow(SpikeExtractor(start=0.1, end=0.9), t, v, 0 * v)
    assert (len(spikes), lost) == (0, 5)
    assert peaks(t, v, 0.1, 0.45) == 3


def test_width_between_threshold_and_peak():
    raw = analytic.long_square(150, np.random.default_rng(0))
    t = np.arange(len(raw.v_mv)) / analytic.RATE
    spike = SpikeExtractor(start=0.6, end=1.6).process(t, raw.v_mv, raw.i_pa).iloc[0]
    half = (spike["threshold_v"] + spike["peak_v"]) / 2
    at = int(spike["peak_index"])
    above = raw.v_mv[at - 50:at + 100] > half
    assert width_suprathreshold(t, raw.v_mv, spike) == pytest.approx(above.sum() / analytic.RATE, abs=3e-5)


def test_human_features_obey_the_identities_of_the_published_table(sweeps):
    """Relations that hold in every row of the public human table."""
    found = extract(analytic.recording(sweeps)).features
    spikes = analytic.spike_times(found["stim_amp_hero"])
    intervals = np.diff(spikes)
    assert found["mean_isi_hero"] == pytest.approx(intervals.mean(), rel=0.01)
    assert found["isi_norm_sq_var_hero"] == pytest.approx(0, abs=1e-4)
    assert found["latency_rheo"] == pytest.approx(0.02, abs=2e-4)
    assert found["first_isi_inv_rheo"] == pytest.approx(5, rel=0.01)
    assert found["adapt_max"] >= found["adapt_mean"] and found["isi_cv_max"] >= found["isi_cv_mean"]
    for ending in ("rheo", "hero"):
        assert found[f"trough_deltav_{ending}"] == pytest.approx(
            found[f"fast_trough_deltav_{ending}"] + found[f"trough_slowdeltav_{ending}"])
        assert found[f"upstroke_downstroke_ratio_{ending}"] == pytest.approx(
            found[f"upstroke_{ending}"] / -found[f"downstroke_{ending}"])


def test_every_feature_has_its_definition():
    from patchtype.recordings.definitions import definitions

    table = definitions()
    assert table.index.tolist() == families.features().index.tolist()
    assert (table[["definition", "sweep"]].map(len) > 0).all(axis=None)
    assert table["definition"].str.fullmatch(r"[^.].*[^.]").all()  # one sentence, its point is put by the page
    measured_here = [name for name in table.index if name not in scalars.NEVER and not name.endswith("_chirp")]
    assert not table.loc[measured_here, "definition"].str.contains("not measured").any()


def test_a_sweep_of_zero_picoampere_is_a_step_of_its_protocol():
    raw = analytic.steps((-50, 0, 50), counts={50: 2})
    assert scalars.scalar_features(Prepared(analytic.recording(raw, 20_000.0))).sweeps["v_baseline"] == 3
    coded = [RawSweep("X3LP_Rheo", s.i_pa, s.v_mv) for s in raw]  # ipfx drops it
    assert scalars.scalar_features(Prepared(analytic.recording(coded, 20_000.0))).sweeps["v_baseline"] == 2


def test_the_book_shows_the_definitions_as_they_are():
    from pathlib import Path

    from patchtype.recordings.definitions import page

    written = Path(__file__).parents[2] / "book" / "fragments" / "features.md"
    assert written.read_text() == page(), "write it with `python -m patchtype.recordings.definitions`"


def spike_rows(**columns):
    n = len(columns["peak_t"])
    names = ("width", "upstroke", "downstroke", "peak_v", "threshold_v", "fast_trough_v", "trough_t")
    return pd.DataFrame({name: np.arange(1.0, n + 1) for name in names} | columns)


def test_ratios_are_of_the_fourth_action_potential_and_of_the_last_interval():
    train = spike_rows(peak_t=[0.0, 0.1, 0.3, 0.6, 1.0], trough_t=[0.01, 0.12, 0.33, 0.7, 1.05])
    steps = SimpleNamespace(spikes=[train])
    found = scalars.Measured()
    scalars._ratios(steps, pd.DataFrame({"spikes": [5]}), found)
    assert found.features["width_adapt_ratio"] == found.features["threshold_v_adapt_ratio"] == 4
    assert found.features["isi_adapt_ratio"] == pytest.approx(4)
    assert found.features["ahp_delay_ratio_5spike"] == pytest.approx(0.1 / 0.4)


def test_spike_shape_by_hand():
    spike = {"threshold_v": -40.0, "peak_v": 30.0, "fast_trough_v": -55.0, "trough_v": -60.0, "slow_trough_v": -58.0,
             "threshold_t": 0.5, "peak_t": 0.501, "fast_trough_t": 0.503, "trough_t": 0.51, "slow_trough_t": 0.52,
             "upstroke_downstroke_ratio": 2.0, "width": 0.0005, "width_suprathresh": 0.0006, "upstroke": 300.0,
             "downstroke": -150.0}
    found = scalars.Measured()
    scalars._spike(spike, "rheo", found)
    values = {name.removesuffix("_rheo"): value for name, value in found.features.items()}
    assert (values["peak_deltav"], values["fast_trough_deltav"], values["trough_deltav"]) == (70, -15, -20)
    assert values["trough_slowdeltav"] == -5
    assert values["threshold_to_peak_t"] == pytest.approx(0.001)
    assert values["peak_to_fast_trough_t"] == pytest.approx(0.002)


def test_the_common_height_of_short_squares_counts():
    """Two at 500 pA, one at 400 pA whose action potential is wider: width is of the two, the threshold of all three."""
    rng = np.random.default_rng(0)
    raw = [analytic.short_square(pa, rng) for pa in (400, 500, 500)]
    wide = raw[0].v_mv.copy()
    at = int(np.argmax(wide))
    wide[at:at + 60] = np.repeat(wide[at:at + 30], 2)
    raw[0] = RawSweep(raw[0].code, raw[0].i_pa, wide)
    found = scalars.scalar_features(Prepared(analytic.recording(raw)))
    alone = scalars.scalar_features(Prepared(analytic.recording(raw[1:])))
    assert found.features["threshold_i_short_square"] == 500
    assert found.features["width_short_square"] == pytest.approx(alone.features["width_short_square"])
    assert (found.sweeps["width_short_square"], found.sweeps["threshold_v_short_square"]) == (2, 3)
