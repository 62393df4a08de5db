"""Every kind of bad recording gets its own reason, the silent ones too."""

import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from patchtype import families
from patchtype.recordings import quality, verdict
from patchtype.recordings.cell import Cell, extract
from patchtype.recordings.extraction import LongSquares
from patchtype.recordings.nwb import RawSweep
from patchtype.recordings.protocols import Prepared
from patchtype.recordings.recording import REASONS
from patchtype.recordings.scalars import SCALARS

from . import analytic
from .analytic import cell as analytic_cell


def of_kind(sweeps, *kinds):
    return [s for s in sweeps if any(k in s.code for k in kinds)]


def with_v(sweeps, change, pick=lambda k, s: True):
    """A copy of the sweeps with the response of some of them changed in place by ``change``."""
    out = []
    for k, s in enumerate(sweeps):
        v = s.v_mv.copy()
        if pick(k, s):
            change(v)
        out.append(RawSweep(s.code, s.i_pa, v))
    return out


def with_i(sweeps, change, pick=lambda k, s: True):
    return [RawSweep(s.code, change(s.i_pa.copy()) if pick(k, s) else s.i_pa, s.v_mv) for k, s in enumerate(sweeps)]


def fill(first, last, value):
    def change(v):
        v[first:last] = value
    return change


def without_test_pulse(i):
    i[:5000] = 0
    return i


def noise(sd):
    rng = np.random.default_rng(0)

    def change(v):
        v += rng.normal(0, sd, len(v))
    return change


def cut(sweeps, n):
    return [RawSweep(s.code, s.i_pa[:n], s.v_mv[:n]) if "Thresh" in s.code or "Rheo_DA" in s.code and "LP" in s.code
            else s for s in sweeps]


LONG = lambda k, s: "LP_" in s.code or "PS_" in s.code  # noqa: E731
SPIKING = 14  # number of a spiking long square in the analytic cell

#: Sweeps whose numbers nobody could trust: name → (sweeps, code, part of the sentence).
BAD_SWEEPS = {
    "response x 1000": (lambda s: with_v(s, lambda v: np.multiply(v, 1e3, out=v)), "voltage_out_of_range",
                        "check the conversion factor of the response"),
    "response / 1000": (lambda s: with_v(s, lambda v: np.multiply(v, 1e-3, out=v)), "rest_out_of_range",
                        "found a resting potential of -0.07 mV"),
    "stimulus x 1e12": (lambda s: with_i(s, lambda i: i * 1e12), "current_out_of_range",
                        "check the conversion factor of the stimulus"),
    "stimulus / 1000": (lambda s: with_i(s, lambda i: i * 1e-3), "current_out_of_range", "found a command of 0.4 pA"),
    "no stimulus at all": (lambda s: with_i(s, lambda i: 0 * i), "nothing_to_measure",
                           "of 22 sweeps (in 22 sweeps the command is constant), expected one of them"),
    "every sweep broken off": (lambda s: with_v(s, fill(30_010, None, np.nan)), "nothing_left",
                               "found no sweep that has all samples"),
}

#: Sweeps that only the families cannot do with: name → (sweeps, code, part of the sentence, a feature that stays).
FAMILY_SWEEPS = {
    "no long squares": (lambda s: of_kind(s, "6SP", "Ramp"), "no_long_squares", "found no usable long square",
                        "threshold_v_ramp"),
    "no short squares": (lambda s: of_kind(s, "PS_", "LP_", "Ramp"), "no_short_squares",
                         "so --allow no_short_squares keeps them", "tau"),
    "ends after step": (lambda s: cut(s, 90_000), "ends_after_step", "sweeps end 0.20 s after the step, expected 0.5",
                        "tau"),
    "all ends NaN": (lambda s: with_v(s, fill(95_000, None, np.nan), LONG), "ends_missing",
                     "data end (missing or zero from there) 0.30 s after the step", "tau"),
    "all ends zero": (lambda s: with_v(s, fill(95_000, None, 0), LONG), "ends_missing", "0.30 s after the step", "tau"),
    "noisy stimulus": (lambda s: with_i(s, lambda i: i + np.random.default_rng(0).normal(0, 0.1, len(i)), LONG),
                       "stimulus_noisy", "found a measured current as the command of sweeps 0, 1", "tau"),
    "no test pulse": (lambda s: with_i(s, without_test_pulse), "no_test_pulse", "found no test pulse", "tau"),
    "no spikes": (lambda s: [x for x in s if not LONG(0, x) or x.v_mv.max() < 0], "no_spikes",
                  "found no spike in any long square", "tau"),
    "one spiking sweep": (lambda s: [x for x in s if not LONG(0, x) or abs(x.i_pa).max() < 120], "one_spiking_sweep",
                          "found spikes in one long square only", "rheobase_i"),
    "no hyperpolarising": (lambda s: [x for x in s if not LONG(0, x) or x.i_pa[50_000] > 0], "no_hyperpolarizing_step",
                           "found no silent long square between -100 and 0 pA", "rheobase_i"),
    "all spiking": (lambda s: [x for x in s if not LONG(0, x) or x.v_mv.max() > 0], "no_subthreshold_sweep",
                    "found spikes in every long square", "rheobase_i"),
    "no matching amplitudes": (lambda s: [x for x in s if not LONG(0, x) or abs(x.i_pa).max() in (50, 90, 110, 130)],
                               "no_matching_amplitudes", "fewer than two spiking long squares at rheobase", "tau"),
    "only -10 pA": (lambda s: analytic_cell(amplitudes=(-10, *range(10, 211, 20))), "step_extrapolated",
                    "found no silent step within 20 pA of -90 pA (nearest 80 pA away)", "rheobase_i"),
    "noise 0.3 mV": (lambda s: with_v(s, noise(0.3)), "noise_high", "found noise beyond ipfx's limits in 17 of 17",
                     "rheobase_i"),
    "step of half a second": (lambda s: with_i(s, lambda i: np.r_[i[:55_000], 0 * i[55_000:]], LONG), "step_duration",
                              "found a step of 0.500 s in sweep 0, expected 1 s", "tau"),
}

#: Sweeps that cost nothing: name → (sweeps, code of the note, part of the sentence).
NOTED_SWEEPS = {
    "no ramp": (lambda s: [x for x in s if "Ramp" not in x.code], "no_ramp", "there are no official families"),
    "unknown codes": (lambda s: [RawSweep("FooBar", x.i_pa, x.v_mv) for x in s], "stimulus_codes_unknown",
                      "found stimulus names of its own (FooBar)"),
    "a short negative pulse": (lambda s: [*s, RawSweep("FooBar", analytic.command(pulses=((0.6, 0.605, -50.0),))[1],
                                                       s[0].v_mv)],
                               "sweeps_unknown", "left aside sweep 22: the command is a short negative pulse"),
    "NaN hole in a spiking sweep": (lambda s: with_v(s, fill(40_000, 40_010, np.nan), lambda k, _: k == SPIKING),
                                    "nan_hole", f"left out sweep {SPIKING}: samples are missing inside the response"),
    "one end NaN": (lambda s: with_v(s, fill(40_000, None, np.nan), lambda k, _: k == 10), "sweep_incomplete",
                    "left out sweep 10: the data end before the stimulus does"),
    "one end zero": (lambda s: with_v(s, fill(40_000, None, 0), lambda k, _: k == 10), "sweep_incomplete",
                     "left out sweep 10"),
    "one end zero from near the step's end": (
        lambda s: with_v(s, fill(78_000, None, 0), lambda k, _: k == 10), "sweep_incomplete", "left out sweep 10"),
    "one sweep all NaN": (lambda s: with_v(s, fill(0, None, np.nan), lambda k, _: k == 10), "sweep_incomplete",
                          "left out sweep 10"),
    "one sweep ends early": (lambda s: with_v(s, fill(90_000, None, np.nan), lambda k, _: k == 10), "sweeps_tagged",
                             "the families are without sweep 10: Recording stopped"),
    "NaN in one stimulus": (lambda s: with_i(s, lambda i: np.r_[i[:40_000], [np.nan] * 10, i[40_010:]],
                                             lambda k, _: k == 10), "sweeps_unknown", "command has missing samples"),
    "zero-amplitude sweep": (lambda s: [*s, RawSweep(s[0].code, analytic.command()[1], s[10].v_mv)], "sweeps_unknown",
                             "left aside sweep 22: the command is constant after the test pulse"),
    "one noisy sweep": (lambda s: with_v(s, noise(0.3), lambda k, _: k == 10), "sweeps_failed",
                        "kept 1 of 22 sweeps beyond ipfx's limits"),
    "short squares without spikes": (
        lambda s: [*of_kind(s, "PS_", "LP_", "Ramp"), analytic.short_square(300, np.random.default_rng(0))],
        "official_missing", "No spiking short square sweeps"),
    "a wrong name": (lambda s: [RawSweep("X7Ramp_DA_0" if k == 3 else x.code, x.i_pa, x.v_mv) for k, x in enumerate(s)],
                     "protocol", "the name X7Ramp does not fit the command of 1 sweep, which is a long square"),
}


@pytest.mark.parametrize("name", BAD_SWEEPS)
def test_numbers_that_nobody_could_trust_cost_the_cell(sweeps, name):
    make, code, sentence = BAD_SWEEPS[name]
    cell = extract(analytic.recording(make(sweeps)))
    assert [f.code for f in cell.verdict.reasons] == [code], cell.verdict
    assert sentence in cell.verdict.reasons[0].text
    assert cell.paper == cell.official == {}
    assert np.isnan([*cell.scalars.values(), *cell.features.values()]).all()
    assert cell.missing["tau"] == cell.verdict.reasons[0].text


@pytest.mark.parametrize("name", FAMILY_SWEEPS)
def test_what_only_the_families_need_costs_only_them(sweeps, name):
    make, code, sentence, stays = FAMILY_SWEEPS[name]
    cell = extract(analytic.recording(make(sweeps)))
    assert cell.verdict.passed and not cell.verdict.has_families
    assert [f.code for f in cell.verdict.families] == [code], cell.verdict
    assert sentence in cell.verdict.families[0].text
    assert cell.paper == cell.official == {}
    assert np.isfinite(cell.features[stays])


@pytest.mark.parametrize("name", NOTED_SWEEPS)
def test_harmless_sweeps_are_noted(sweeps, name):
    make, code, sentence = NOTED_SWEEPS[name]
    cell = extract(analytic.recording(make(sweeps)))
    assert cell.verdict.has_families, cell.verdict
    assert len(cell.paper) == 12
    assert sentence in {f.code: f.text for f in cell.verdict.notes}[code]


def test_a_bias_current_that_the_command_does_not_hold_is_told():
    recording = analytic.recording(analytic.steps((-50, 0, 50)), 20_000.0)
    for sweep, bias in zip(recording.sweeps, (-60.0, -55.0, 0.0), strict=True):
        sweep.bias_current_pa = bias
    said = {f.code: f.text for f in extract(recording).verdict.notes}
    assert said["bias_current"] == (
        "found a bias current of -60 to -55 pA in the file that the command does not hold; v_baseline is the potential "
        "under it, not that of the cell at rest")
    held = analytic.recording(analytic.steps((-50, 0, 50), holding=-60.0), 20_000.0)
    for sweep in held.sweeps:
        sweep.bias_current_pa = -60.0
    assert "bias_current" not in {f.code for f in extract(held).verdict.notes}


def test_peaks_that_the_converter_cut_off_are_told():
    counts = {-50: 0, 0: 0, 50: 2, 75: 4}
    raw = analytic.steps(tuple(counts), counts=counts)
    cut = [RawSweep(x.code, x.i_pa, np.minimum(x.v_mv, 0.0)) for x in raw]
    said = {f.code: f.text for f in extract(analytic.recording(cut, 20_000.0)).verdict.notes}
    assert said["clipped"].startswith("found 6 peaks cut off at 0 mV in sweeps 2, 3, where the amplifier")
    for step in (0.0, 1 / 32):  # as recorded, and in counts of a converter
        whole = [RawSweep(x.code, x.i_pa, np.round(x.v_mv / step) * step if step else x.v_mv) for x in raw]
        assert "clipped" not in {f.code for f in extract(analytic.recording(whole, 20_000.0)).verdict.notes}


def test_a_sweep_with_a_hole_counts_as_if_it_were_not_there(sweeps):
    holed = with_v(sweeps, fill(40_000, 40_010, np.nan), lambda k, _: k == SPIKING)
    found, without = (extract(analytic.recording(s)) for s in (holed, [*sweeps[:SPIKING], *sweeps[SPIKING + 1:]]))
    assert found.features == pytest.approx(without.features, nan_ok=True)
    for family, values in without.paper.items():
        np.testing.assert_array_equal(found.paper[family], values, family)


def test_all_reasons_come_at_once():
    cell = extract(analytic.recording(analytic.steps((-50, 0, 50)), 20_000.0))
    assert [f.code for f in cell.verdict.families] == [
        "no_short_squares", "sampling_rate_low", "step_duration", "no_test_pulse", "ends_after_step", "starts_late"]
    assert cell.verdict.passed and np.isfinite(cell.features["tau"])


def test_slow_sampling_costs_the_families_and_25_khz_is_noted():
    slow = extract(analytic.recording(analytic_cell(20_000.0), 20_000.0))
    assert [f.code for f in slow.verdict.families] == ["sampling_rate_low"]
    assert slow.features["tau"] == pytest.approx(analytic.TAU, rel=0.01)
    cell = extract(analytic.recording(analytic_cell(25_000.0), 25_000.0))
    assert cell.verdict.has_families
    assert [str(f) for f in cell.verdict.notes] == ["resampled: resampled from 25 to 50 kHz"]


def test_every_feature_is_a_value_or_a_reason(sweeps):
    for chosen in (sweeps, of_kind(sweeps, "6SP"), sweeps[:3]):
        cell = extract(analytic.recording(chosen))
        assert list(cell.features) == list(families.features().index)
        assert {name for name, value in cell.features.items() if not np.isfinite(value)} == set(cell.missing)
        assert all(cell.missing.values())


# --- broken files ----------------------------------------------------------------------------------------

def edit(change):
    def damage(path):
        with h5py.File(path, "a") as file:
            change(file)
    return damage


def truncate(keep):
    def damage(path):
        data = path.read_bytes()
        path.write_bytes(data[:keep(len(data))])
    return damage


def zero_middle(path):
    with h5py.File(path) as file:
        chunk = file["acquisition/data_00012_AD0/data"].id.get_chunk_info(1)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset:chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(data)


def units(group, unit):
    return edit(lambda f: [s["data"].attrs.__setitem__("unit", unit) for s in f[group].values()])


def conversion(group, factor):
    return edit(lambda f: [s["data"].attrs.__setitem__("conversion", factor) for s in f[group].values()])


BAD_FILES = {
    "missing": (lambda p: p.unlink(), "file_missing", "found no file at"),
    "empty": (truncate(lambda n: 0), "not_hdf5", "found 0 bytes that are no HDF5 file"),
    "error page": (lambda p: p.write_text("<html>404</html>"), "not_hdf5", "found 16 bytes that are no HDF5 file"),
    "half": (truncate(lambda n: n // 2), "file_truncated", "the file is cut off; fetch it again"),
    "all but 2 kB": (truncate(lambda n: n - 2000), "file_truncated", "the file is cut off; fetch it again"),
    "no version": (edit(lambda f: f.attrs.__delitem__("nwb_version")), "nwb_version_missing", "without nwb_version"),
    "NWB 1": (edit(lambda f: f.attrs.__setitem__("nwb_version", "1.0.5")), "nwb_version_old", "version 1.0.5"),
    "unit mV": (units("acquisition", "mV"), "unit_unexpected", "found units 'amperes' and 'mV' in sweep 0"),
    "unit pA": (units("stimulus/presentation", "pA"), "unit_unexpected", "found units 'pA' and 'volts'"),
    "stimulus in volts": (units("stimulus/presentation", "volts"), "unit_unexpected", "'volts' and 'volts'"),
    "response conversion 1": (conversion("acquisition", 1.0), "voltage_out_of_range", "conversion factor"),
    "stimulus conversion 1": (conversion("stimulus/presentation", 1.0), "current_out_of_range", "conversion factor"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_broken_files_cost_the_cell_with_their_own_reason(plain_file, tmp_path, name):
    damage, code, sentence = BAD_FILES[name]
    path = tmp_path / "cell.nwb"
    shutil.copy(plain_file, path)
    damage(path)
    found = extract(path)
    assert [f.code for f in found.verdict.reasons] == [code], found.verdict
    assert sentence in found.verdict.reasons[0].text


#: Files of which one part is broken: name → (damage, part of the note).
ODD_FILES = {
    "damaged chunk": (zero_middle, "set aside 1 sweep (acquisition/data_00012_AD0): found data that HDF5 cannot read"),
    "number twice": (edit(lambda f: f["acquisition/data_00003_AD0"].attrs.__setitem__("sweep_number", np.uint32(2))),
                     "found two acquisition series with sweep number 2, expected one"),
    "no stimulus": (edit(lambda f: f["stimulus/presentation"].__delitem__("data_00003_DA0")),
                    "set aside 1 sweep (acquisition/data_00003_AD0): found sweep 3 without a stimulus series"),
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_a_broken_part_is_set_aside_with_a_note(plain_file, tmp_path, name):
    damage, sentence = ODD_FILES[name]
    path = tmp_path / "cell.nwb"
    shutil.copy(plain_file, path)
    damage(path)
    found = extract(path)
    assert found.verdict.has_families
    assert sentence in {f.code: f.text for f in found.verdict.notes}["set_aside"]


def test_a_missing_sweep_table_is_read_around(plain_file, tmp_path):
    path = tmp_path / "cell.nwb"
    shutil.copy(plain_file, path)
    edit(lambda f: f["general/intracellular_ephys"].__delitem__("sweep_table"))(path)
    assert extract(path).features == extract(plain_file).features


# --- the machinery ---------------------------------------------------------------------------------------

def test_a_good_cell_passes_without_reason_or_note(either_file):
    found = extract(either_file)
    assert found.verdict.has_families
    assert {f.text.partition(": ")[2] for f in found.verdict.notes} <= {"it is in voltage clamp"}
    assert set(found.scalars) == set(SCALARS)
    assert found.sweeps[1:] == (17, 17)


def test_a_command_of_almost_nothing_is_a_conversion_gone_wrong():
    """Amperes that were taken for pA and converted once more."""
    (reason,) = extract(analytic.recording(with_i(analytic.steps((-50, 50)), lambda i: i * 1e-12))).verdict.reasons
    assert str(reason) == ("nothing_to_measure: found a command that changes by at most 5e-11 pA, expected steps of "
                           "tens of pA; check the conversion factor of the stimulus")


@pytest.mark.parametrize(("factor", "found"), [(-1, "-0."), (0.001, "2e+05 MOhm, expected 2 to 10000; check sign")])
def test_a_resistance_that_no_cell_has_is_a_command_of_another_sign_or_unit(factor, found):
    raw = with_i(analytic.steps((-150, -100, -50, 50, 1500), counts={1500: 5}), lambda i: i * factor)
    (reason,) = extract(analytic.recording(raw, 20_000.0)).verdict.reasons
    assert str(reason).startswith(f"resistance_impossible: found an input resistance of {found}")
    assert str(reason).endswith("of the command, and whether it belongs to these responses")


def test_sweeps_after_the_cell_was_lost_are_left_out():
    counts = {-50: 0, -25: 0, 0: 0, 25: 0, 50: 2, 75: 3, 100: 4}
    raw = analytic.steps(tuple(counts), counts=counts)
    lost = [*raw[:-2], *(RawSweep(s.code, s.i_pa, np.full(len(s.i_pa), -1.0)) for s in raw[-2:])]
    found = extract(analytic.recording(lost, 20_000.0))
    assert [f.text for f in found.verdict.notes if f.code == "cell_lost"] == [
        "left out sweeps 5, 6: before the step the potential is more than 25 mV away from the -70 mV of the others"]
    assert found.features["v_baseline"] == pytest.approx(-70, abs=0.1) and found.features["rheobase_i"] == 50
    assert found.sweeps == (7, 7, 5)


def test_a_potential_that_is_cut_off_below_is_told():
    rail = with_v(analytic.steps((-150, -100, -20, 50)), lambda v: np.maximum(v, -80, out=v))
    (told,) = [f.text for f in extract(analytic.recording(rail, 20_000.0)).verdict.notes if f.code == "clipped"]
    assert told.startswith("found the potential cut off at -80 mV in sweeps 0, 1, where the amplifier")


def test_allowed_codes_become_notes_and_keep_the_families(sweeps):
    without = analytic.recording(of_kind(sweeps, "PS_", "LP_", "Ramp"))
    found, good = extract(without, allow={"no_short_squares"}), extract(analytic.recording(sweeps))
    assert found.verdict.has_families
    assert "no_short_squares" in [f.code for f in found.verdict.notes]
    assert all(np.array_equal(found.paper[k], good.paper[k]) for k in good.paper)


def test_only_rules_that_leave_something_can_be_allowed(sweeps):
    assert quality.waivable() == ("current_out_of_range", "no_short_squares", "noise_high", "resistance_impossible",
                                  "rest_out_of_range", "step_extrapolated", "stimulus_noisy")
    thousandfold = with_v(sweeps, lambda v: np.multiply(v, 1e3, out=v))
    assert not extract(analytic.recording(thousandfold), allow={"voltage_out_of_range"}).verdict.passed


def test_a_rule_that_fails_is_a_reason_not_a_crash(plain_file, monkeypatch):
    def broken(case):
        raise ZeroDivisionError("oops")
    monkeypatch.setitem(verdict.RULES, "broken", verdict.Rule("broken", "recording", "why", check=broken))
    reasons = extract(plain_file).verdict.reasons
    assert [str(f) for f in reasons] == ["unexpected_error: broken: ZeroDivisionError: oops"]


def test_registry_is_complete_and_without_repetition():
    table = quality.table()
    assert table["code"].is_unique
    assert set(table["stage"]) == set(verdict.STAGES) and set(table["costs"]) == set(verdict.COSTS)
    assert table["why"].str.endswith(".").all()
    assert set(quality.IPFX_SENTENCES.values()) <= set(table["code"])
    with pytest.raises(ValueError, match="found two rules with code 'no_ramp', expected one"):
        quality.rule("no_ramp", "recording", "again")(None)


def test_every_rule_about_a_recording_is_shown_here():
    shown = {c for _, c, *_ in (*BAD_SWEEPS.values(), *FAMILY_SWEEPS.values(), *NOTED_SWEEPS.values())}
    shown |= {"sampling_rate_low", "resampled", "starts_late", "unexpected_error", "bias_current", "clipped",
              "cell_lost", "resistance_impossible"}
    of_readers = {*REASONS, "reader", "set_aside", "worker_lost", "several_electrodes"}
    of_measurement = {"peaks_lost", "fires_at_rest", "depolarisation_block", "tau_one_sweep", "step_large",
                      "baseline_tail", "baseline_noisy", "baseline_drifts", "rheobase_stray", "rheobase_coarse",
                      "bridge_unbalanced"}
    last_resort = {"no_usable_long_square", "ipfx_failed", "family_missing", "family_not_finite", "nothing_measured"}
    assert set(quality.RULES) - shown - of_readers - of_measurement == last_resort


def flat(v=-70.0, pa=50.0, onset=0.6, length=1.0, later=None):
    """A cell of two steps with a constant potential, as far as the rules look at it; ``later``: onset of the second."""
    def one(at, height):
        n = round((at + length + 0.6) * 10_000)
        i = np.zeros(n)
        i[200:300] = -20
        i[round(at * 10_000):round((at + length) * 10_000)] = height
        return RawSweep("FI", i, np.full(n, v))
    raw = [one(onset, pa), one(later or onset, -pa / 2)]
    cell = Cell("cell")
    cell.prepared = Prepared(analytic.recording(raw, 10_000.0))
    return cell


#: Rule → what it still lets pass, and what it does not.
LIMITS = {
    "voltage_out_of_range": [({"v": -199.0}, {"v": -201.0}), ({"v": 119.0}, {"v": 121.0})],
    "rest_out_of_range": [({"v": -119.0}, {"v": -121.0}), ({"v": -31.0}, {"v": -29.0})],
    "current_out_of_range": [({"pa": 1.1}, {"pa": 0.9}), ({"pa": 9_900.0}, {"pa": 10_100.0})],
    "step_duration": [({"length": 0.9995}, {"length": 0.9985}), ({"length": 1.0005}, {"length": 1.0015})],
    "starts_late": [({"onset": 0.51}, {"onset": 0.49}),
                    ({"onset": 0.45, "later": 0.51}, {"onset": 0.45, "later": 0.49})],
}


@pytest.mark.parametrize("code", LIMITS)
def test_limits_are_where_the_sentence_says(code):
    for inside, outside in LIMITS[code]:
        assert verdict.RULES[code].check(flat(**inside)) is None, inside
        assert verdict.RULES[code].check(flat(**outside)).startswith("found "), outside


def test_one_sample_beyond_the_limits_is_enough():
    cell = flat()
    cell.prepared.recording.sweeps[0].v_mv[7000] = -201.0
    assert verdict.RULES["voltage_out_of_range"].check(cell).startswith("found -201 to -70 mV")


def test_the_resting_potential_is_that_before_the_step():
    cell = flat()
    for sweep in cell.prepared.recording.sweeps:
        sweep.v_mv[6000:16_000] = 20.0  # depolarised by the step
    assert verdict.RULES["rest_out_of_range"].check(cell) is None


@pytest.mark.parametrize(("noisy", "found"), [(1, None), (2, None), (3, "found noise")])
def test_half_of_the_long_squares_may_be_noisy(noisy, found):
    fails = [["pre pulse noise"]] * noisy + [[]] * (4 - noisy)
    cell = Cell("cell")
    cell.checked = pd.DataFrame({"kind": "long_square", "fails": fails, "pre_noise_rms_mv": 0.1})
    said = verdict.RULES["noise_high"].check(cell)
    assert said is None if found is None else said.startswith(found)


@pytest.mark.parametrize(("smallest", "found"), [(-71, None), (-69, "found no silent step within 20 pA of -90 pA")])
def test_a_step_may_be_twenty_picoampere_from_its_target(smallest, found):
    cell = Cell("cell")
    table = pd.DataFrame({"stim_amp": [-30.0, -50.0, smallest]})
    cell.long_squares = LongSquares(None, {"subthreshold_sweeps": table})
    said = verdict.RULES["step_extrapolated"].check(cell)
    assert said is None if found is None else said.startswith(found)


def test_failed_sweeps_are_kept_unless_they_are_to_be_dropped(sweeps):
    """ipfx fails one noisy sweep; the paper keeps it."""
    noisy = analytic.recording(with_v(sweeps, noise(0.3), lambda k, _: k == 10))
    kept, dropped = extract(noisy), extract(noisy, drop_failed=True)
    assert (kept.sweeps[2], dropped.sweeps[2]) == (17, 16)
