"""Every kind of bad recording gets its own reason, the silent ones too."""

import shutil

import h5py
import numpy as np
import pytest

from patchtype.recordings import quality, verdict
from patchtype.recordings.cell import extract
from patchtype.recordings.nwb import VOLTAGE_CLAMP, RawSweep
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

#: Sweeps that no reader refuses but no analysis should trust: name → (sweeps, code, part of the sentence).
BAD_SWEEPS = {
    "no sweeps": (lambda s: [], "no_sweeps", "found no patch-clamp sweep"),
    "voltage clamp only": (lambda s: [RawSweep(x.code, x.i_pa, x.v_mv, VOLTAGE_CLAMP) for x in s[:3]],
                           "voltage_clamp_only", "found 3 voltage-clamp sweeps and none in current clamp"),
    "no long squares": (lambda s: of_kind(s, "6SP", "Ramp"), "no_long_squares", "found no long-square sweep"),
    "no short squares": (lambda s: of_kind(s, "PS_", "LP_", "Ramp"), "no_short_squares", "found no short-square"),
    "unknown codes": (lambda s: [RawSweep("FooBar", x.i_pa, x.v_mv) for x in s], "stimulus_codes_unknown",
                      "found only unknown stimulus codes (FooBar)"),
    "ends after step": (lambda s: cut(s, 90_000), "ends_after_step", "sweeps end 0.20 s after the step, expected 0.5"),
    "all ends NaN": (lambda s: with_v(s, fill(95_000, None, np.nan)), "ends_missing",
                     "data end (missing or zero from there) 0.30 s after the step"),
    "all ends zero": (lambda s: with_v(s, fill(95_000, None, 0)), "ends_missing", "0.30 s after the step"),
    "noisy stimulus": (lambda s: with_i(s, lambda i: i + np.random.default_rng(0).normal(0, 0.1, len(i))),
                       "stimulus_noisy", "changes of the command in sweep 0, expected 4"),
    "no test pulse": (lambda s: with_i(s, without_test_pulse), "no_test_pulse", "found no test pulse"),
    "no spikes": (lambda s: [x for x in s if not LONG(0, x) or x.v_mv.max() < 0], "no_spikes",
                  "found no spike in any long square"),
    "one spiking sweep": (lambda s: [x for x in s if not LONG(0, x) or abs(x.i_pa).max() < 120], "one_spiking_sweep",
                          "found spikes in one long square only"),
    "no hyperpolarising": (lambda s: [x for x in s if not LONG(0, x) or x.i_pa[50_000] > 0], "no_hyperpolarizing_step",
                           "found no silent long square between -100 and 0 pA"),
    "all spiking": (lambda s: [x for x in s if not LONG(0, x) or x.v_mv.max() > 0], "no_subthreshold_sweep",
                    "found spikes in every long square"),
    "no matching amplitudes": (lambda s: [x for x in s if not LONG(0, x) or abs(x.i_pa).max() in (50, 90, 110, 130)],
                               "no_matching_amplitudes", "fewer than two spiking long squares at rheobase"),
    "only -10 pA": (lambda s: analytic_cell(amplitudes=(-10, *range(10, 211, 20))), "step_extrapolated",
                    "found no silent step within 20 pA of -90 pA (nearest 80 pA away)"),
    "NaN hole in a spiking sweep": (lambda s: with_v(s, fill(40_000, 40_010, np.nan), lambda k, _: k == SPIKING),
                                    "nan_hole", f"inside the recording of sweep {SPIKING}, expected none"),
    "noise 0.3 mV": (lambda s: with_v(s, noise(0.3)), "noise_high", "found noise beyond ipfx's limits in 17 of 17"),
    "response x 1000": (lambda s: with_v(s, lambda v: np.multiply(v, 1e3, out=v)), "voltage_out_of_range",
                        "check the conversion factor of the response"),
    "response / 1000": (lambda s: with_v(s, lambda v: np.multiply(v, 1e-3, out=v)), "rest_out_of_range",
                        "found a resting potential of -0.07 mV"),
    "stimulus x 1e12": (lambda s: with_i(s, lambda i: i * 1e12), "current_out_of_range",
                        "check the conversion factor of the stimulus"),
    "stimulus / 1000": (lambda s: with_i(s, lambda i: i * 1e-3), "current_out_of_range", "found a command of 0.21 pA"),
    "step of half a second": (lambda s: with_i(s, lambda i: np.r_[i[:55_000], 0 * i[55_000:]], LONG), "step_duration",
                              "found a step of 0.500 s in sweep 0, expected 1 s"),
}

#: Sweeps that cost no cell: name → (sweeps, code of the note, part of the sentence).
NOTED_SWEEPS = {
    "no ramp": (lambda s: [x for x in s if "Ramp" not in x.code], "no_ramp", "there are no official families"),
    "one unknown code": (lambda s: [*s, RawSweep("FooBar", s[0].i_pa, s[0].v_mv)], "some_codes_unknown", "FooBar"),
    "one end NaN": (lambda s: with_v(s, fill(40_000, None, np.nan), lambda k, _: k == 10), "sweeps_tagged",
                    "dropped sweep 10: experiment epoch is missing"),
    "one end zero": (lambda s: with_v(s, fill(40_000, None, 0), lambda k, _: k == 10), "sweeps_tagged",
                     "dropped sweep 10: experiment epoch is missing"),
    "one sweep all NaN": (lambda s: with_v(s, fill(0, None, np.nan), lambda k, _: k == 10), "sweeps_tagged",
                          "dropped sweep 10:"),
    "NaN in one stimulus": (lambda s: with_i(s, lambda i: np.r_[i[:40_000], [np.nan] * 10, i[40_010:]],
                                             lambda k, _: k == 10), "sweeps_tagged", "Stimulus contains NaN values"),
    "zero-amplitude sweep": (lambda s: [*s, RawSweep(s[0].code, analytic.command()[1], s[10].v_mv)], "sweeps_tagged",
                             "stim epoch is missing"),
    "one noisy sweep": (lambda s: with_v(s, noise(0.3), lambda k, _: k == 10), "sweeps_failed",
                        "kept 1 of 22 sweeps beyond ipfx's limits"),
    "short squares without spikes": (
        lambda s: [*of_kind(s, "PS_", "LP_", "Ramp"), analytic.short_square(300, np.random.default_rng(0))],
        "official_missing", "No spiking short square sweeps"),
}


@pytest.mark.parametrize("name", BAD_SWEEPS)
def test_bad_sweeps_cost_the_cell_with_their_own_reason(written, sweeps, name):
    make, code, sentence = BAD_SWEEPS[name]
    cell = extract(written(make(sweeps)))
    assert [f.code for f in cell.verdict.reasons] == [code], cell.verdict
    assert sentence in cell.verdict.reasons[0].text
    assert cell.paper == cell.official == {}
    assert np.isnan(list(cell.scalars.values())).all()


@pytest.mark.parametrize("name", NOTED_SWEEPS)
def test_harmless_sweeps_are_noted(written, sweeps, name):
    make, code, sentence = NOTED_SWEEPS[name]
    cell = extract(written(make(sweeps)))
    assert cell.verdict.passed, cell.verdict
    assert len(cell.paper) == 12
    assert sentence in {f.code: f.text for f in cell.verdict.notes}[code]


def test_slow_sampling_is_refused_and_25_khz_noted(written):
    assert [f.code for f in extract(written(analytic_cell(20_000.0), rate=20_000.0)).verdict.reasons] \
        == ["sampling_rate_low"]
    cell = extract(written(analytic_cell(25_000.0), rate=25_000.0))
    assert cell.verdict.passed
    assert [str(f) for f in cell.verdict.notes] == ["resampled: resampled from 25 to 50 kHz"]


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


def shorten(file):
    group = file["acquisition/data_00000_AD0"]
    values, attributes = group["data"][:-500], dict(group["data"].attrs)
    del group["data"]
    group.create_dataset("data", data=values).attrs.update(attributes)


BAD_FILES = {
    "missing": (lambda p: p.unlink(), "file_missing", "found no file at"),
    "empty": (truncate(lambda n: 0), "not_hdf5", "found 0 bytes that are no HDF5 file"),
    "error page": (lambda p: p.write_text("<html>404</html>"), "not_hdf5", "found 16 bytes that are no HDF5 file"),
    "half": (truncate(lambda n: n // 2), "file_truncated", "the file is cut off; fetch it again"),
    "all but 2 kB": (truncate(lambda n: n - 2000), "file_truncated", "the file is cut off; fetch it again"),
    "damaged chunk": (zero_middle, "data_corrupt", "filter returned failure"),
    "no version": (edit(lambda f: f.attrs.__delitem__("nwb_version")), "nwb_version_missing", "without nwb_version"),
    "NWB 1": (edit(lambda f: f.attrs.__setitem__("nwb_version", "1.0.5")), "nwb_version_old", "version 1.0.5"),
    "lengths differ": (edit(shorten), "length_mismatch", "107000 samples of response and 107500 of stimulus"),
    "unit mV": (units("acquisition", "mV"), "unit_unexpected", "found units 'amperes' and 'mV' in sweeps 0, 1"),
    "unit pA": (units("stimulus/presentation", "pA"), "unit_unexpected", "found units 'pA' and 'volts'"),
    "stimulus in volts": (units("stimulus/presentation", "volts"), "unit_unexpected", "'volts' and 'volts'"),
    "response conversion 1": (conversion("acquisition", 1.0), "voltage_out_of_range", "conversion factor"),
    "stimulus conversion 1": (conversion("stimulus/presentation", 1.0), "current_out_of_range", "conversion factor"),
    "number twice": (edit(lambda f: f["acquisition/data_00003_AD0"].attrs.__setitem__("sweep_number", np.uint32(2))),
                     "sweep_number_twice", "found two acquisition series with sweep number 2"),
    "no stimulus": (edit(lambda f: f["stimulus/presentation"].__delitem__("data_00003_DA0")), "stimulus_missing",
                    "found sweep 3 without a stimulus series"),
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


def test_a_missing_sweep_table_is_noted_and_read_around(plain_file, tmp_path):
    path = tmp_path / "cell.nwb"
    shutil.copy(plain_file, path)
    edit(lambda f: f["general/intracellular_ephys"].__delitem__("sweep_table"))(path)
    found, good = extract(path), extract(plain_file)
    assert [f.code for f in found.verdict.notes] == ["sweep_table_missing"]
    assert all(np.array_equal(found.paper[k], good.paper[k]) for k in good.paper)


def test_one_sided_test_pulse(written, sweeps):
    def open_pulse(i):
        i[1500:] = -20
        i[:1500] = 0
        return i
    found = extract(written(with_i(sweeps, open_pulse, lambda k, s: k == 2)))
    assert "test_pulse_open" in [f.code for f in found.verdict.reasons]


# --- the machinery ---------------------------------------------------------------------------------------

def test_a_good_cell_passes_without_reason_or_note(either_file):
    found = extract(either_file)
    assert found.verdict.passed
    assert found.verdict.reasons == found.verdict.notes == []
    assert set(found.scalars) == set(SCALARS)
    assert found.sweeps[1:] == (17, 17)


def test_allowed_codes_become_notes_and_keep_the_cell(written, sweeps, plain_file):
    path = written(of_kind(sweeps, "PS_", "LP_", "Ramp"))
    found, good = extract(path, allow={"no_short_squares"}), extract(plain_file)
    assert found.verdict.passed
    assert "no_short_squares" in [f.code for f in found.verdict.notes]
    assert all(np.array_equal(found.paper[k], good.paper[k]) for k in good.paper)


def test_a_rule_that_fails_is_a_reason_not_a_crash(plain_file, monkeypatch):
    def broken(case):
        raise ZeroDivisionError("oops")
    monkeypatch.setitem(verdict.RULES, "broken", verdict.Rule("broken", "recording", "why", check=broken))
    reasons = extract(plain_file).verdict.reasons
    assert [str(f) for f in reasons] == ["unexpected_error: broken: ZeroDivisionError: oops"]


def test_registry_is_complete_and_without_repetition():
    table = quality.table()
    assert table["code"].is_unique
    assert set(table["stage"]) == set(verdict.STAGES)
    assert table["why"].str.endswith(".").all()
    assert set(quality.IPFX_SENTENCES.values()) <= set(table["code"])
    with pytest.raises(ValueError, match="found two rules with code 'no_ramp', expected one"):
        quality.rule("no_ramp", "recording", "again")(None)


def test_every_rule_about_a_recording_is_shown_here():
    shown = {c for _, c, _ in (*BAD_SWEEPS.values(), *NOTED_SWEEPS.values(), *BAD_FILES.values())}
    shown |= {"sampling_rate_low", "resampled", "sweep_table_missing", "test_pulse_open", "unexpected_error",
              "sweep_numbers_missing"}  # by tests of their own, here and in test_nwb
    of_batch = {"download_failed", "download_damaged", "worker_lost"}
    last_resort = {"no_usable_long_square", "ipfx_failed", "family_missing", "family_not_finite", "scalars_missing"}
    assert set(quality.RULES) - shown - of_batch == last_resort
