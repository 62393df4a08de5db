"""The quality rules: why a cell is kept or lost. See `verdict` for how they are applied."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from ipfx.dataset.ephys_nwb_data import EphysNWBData

from patchtype.recordings.extraction import PAPER_STEPS
from patchtype.recordings.nwb import CURRENT_CLAMP, Recording
from patchtype.recordings.protocols import LOWEST_RATE, RATE, RATE_TOLERANCE, low_rate, numbers_of
from patchtype.recordings.verdict import RULES, Case, Finding, Verdict, apply, rule, some, table, unreadable

__all__ = ["IPFX_SENTENCES", "RULES", "Case", "Finding", "Verdict", "apply", "table", "unreadable"]

ENDS_EARLY = "Recording stopped before completing the experiment epoch"  # ipfx's tag


# --- file ------------------------------------------------------------------------------------------------

@rule("file_missing", "file", "A path that leads nowhere is a mistake of the list, not of the cell.")
def _(case):
    if isinstance(case.source, str | Path) and not Path(case.source).is_file():
        return f"found no file at {case.source}, expected a recording; check the path"


@rule("not_hdf5", "file", "NWB 2 files are HDF5; a saved error page is the usual impostor.")
def _(case):
    path = case.source
    if isinstance(path, str | Path) and Path(path).is_file() and not h5py.is_hdf5(path):
        return f"found {Path(path).stat().st_size} bytes that are no HDF5 file, expected NWB 2; fetch the file again"


for _code, _why in {
    "file_truncated": "A download that stopped early opens, if at all, without its end.",
    "data_corrupt": "A damaged chunk shows only when it is read.",
    "nwb_version_missing": "Without a version nobody knows where the sweeps are.",
    "nwb_version_old": "NWB 1 keeps its sweeps elsewhere.",
    "sweep_numbers_missing": "Stimulus and response are paired by sweep number.",
    "sweep_number_twice": "Two responses with one number cannot be paired.",
    "stimulus_missing": "A response without its command cannot be analysed.",
    "test_pulse_open": "ipfx takes the first two edges of the command for the test pulse.",
    "download_failed": "A file that cannot be fetched says nothing about the cell; run again.",
    "download_damaged": "Size or checksum differ from what the archive states; run again.",
    "worker_lost": "The process that worked on the cell ended, usually for lack of memory.",
    "unexpected_error": "No rule foresaw this; the text is the program's own.",
}.items():
    rule(_code, "raised", _why)(None)


# --- recording -------------------------------------------------------------------------------------------

@rule("no_sweeps", "recording", "An aborted session leaves a file without sweeps.")
def _(case):
    if not case.recording.all_sweep_numbers:
        return "found no patch-clamp sweep, expected current-clamp sweeps"


@rule("voltage_clamp_only", "recording", "Spikes and membrane features need the voltage free to move.")
def _(case):
    recording = case.recording
    numbers = recording.all_sweep_numbers
    if numbers and all(recording.get_clamp_mode(n) != CURRENT_CLAMP for n in numbers):
        return f"found {len(numbers)} voltage-clamp sweeps and none in current clamp, expected current-clamp sweeps"


@rule("stimulus_codes_unknown", "recording", "Sweeps are sorted into protocols by their stimulus code.")
def _(case):
    codes = _codes(case.recording)
    if codes and all(name == "Unknown" for name in codes.values()):
        return f"found only unknown stimulus codes ({', '.join(sorted(codes)[:3])}), expected codes of ipfx's ontology"


@rule("some_codes_unknown", "recording", "Such sweeps are left aside.", fatal=False)
def _(case):
    codes = _codes(case.recording)
    unknown = sorted(code for code, name in codes.items() if name == "Unknown")
    if unknown and len(unknown) < len(codes):
        return f"left aside sweeps with unknown stimulus codes: {', '.join(unknown)}"


def _codes(recording: Recording) -> dict[str, str]:
    """Stimulus code → name, for all current-clamp sweeps."""
    numbers = [n for n in recording.all_sweep_numbers if recording.get_clamp_mode(n) == CURRENT_CLAMP]
    return {c: recording.get_stimulus_name(c) for c in {recording.get_stimulus_code(n) for n in numbers}}


@rule("no_long_squares", "recording", "Eleven of the twelve families come from long squares.")
def _(case):
    known = any(name != "Unknown" for name in _codes(case.recording).values())
    if known and not case.long:
        return "found no long-square sweep, expected at least four"


@rule("no_short_squares", "recording", "The paper's notebook and ipfx's script both lose such a cell.")
def _(case):
    if case.long and not numbers_of(case.dataset, case.dataset.ontology.short_square_names):
        return "found no short-square sweep; the paper loses the cell although they add nothing to its families"


@rule("no_ramp", "recording", "Only the official families need a ramp.", fatal=False)
def _(case):
    if case.long and not numbers_of(case.dataset, case.dataset.ontology.ramp_names):
        return "found no ramp sweep; there are no official families"


@rule("sweep_table_missing", "recording", "ipfx's own reader cannot open such a file; this one can.", fatal=False)
def _(case):
    if case.recording.all_sweep_numbers and not case.recording.has_sweep_table:
        return "found no sweep table; sweep numbers were taken from the series"


@rule("unit_unexpected", "recording", "Readers go by the convention and ignore the unit in the file.")
def _(case):
    wrong = {}
    for number in case.recording.sweep_numbers:
        units = tuple(EphysNWBData.get_long_unit_name(u) for u in case.recording.units(number))
        if units != ("Amps", "Volts"):
            wrong[int(number)] = case.recording.units(number)
    if wrong:
        stimulus, response = next(iter(wrong.values()))
        return (f"found units {stimulus!r} and {response!r} in {some(wrong)}, expected 'amperes' and 'volts'; "
                "find out what the numbers are")


@rule("length_mismatch", "recording", "Command and response are compared sample by sample.")
def _(case):
    for number in case.recording.sweep_numbers:
        stimulus, response = case.recording.n_samples(number)
        if stimulus != response:
            return (f"found {response} samples of response and {stimulus} of stimulus in sweep {number}, "
                    "expected as many of both")


@rule("sampling_rate_low", "recording", "Below 25 kHz ipfx's 10 kHz filter meets the Nyquist frequency.",
      unit="Hz", threshold=LOWEST_RATE)
def _(case):
    for number in case.recording.sweep_numbers:
        rate = case.recording.sampling_rate(number)
        if rate < LOWEST_RATE * (1 - RATE_TOLERANCE):
            return low_rate(number, rate)


@rule("resampled", "recording", "The families are defined at 50 kHz.", fatal=False, unit="Hz", threshold=RATE)
def _(case):
    rates = {case.recording.sampling_rate(n) for n in case.recording.sweep_numbers}
    other = sorted(r for r in rates if abs(r / RATE - 1) > RATE_TOLERANCE)
    if other and other[0] >= LOWEST_RATE:
        return f"resampled from {', '.join(f'{r / 1e3:g}' for r in other)} to 50 kHz"


# --- samples ---------------------------------------------------------------------------------------------

@rule("voltage_out_of_range", "samples", "A conversion factor wrong by 1,000 passes all of ipfx in silence.",
      unit="mV", threshold=(-200.0, 120.0))
def _(case):
    low, high = RULES["voltage_out_of_range"].threshold
    for number in case.long:
        v = case.recording.get_sweep_data(number)["response"]
        if np.isfinite(v).any() and (np.nanmin(v) < low or np.nanmax(v) > high):
            return (f"found {np.nanmin(v):g} to {np.nanmax(v):g} mV in sweep {number}, "
                    f"expected {low:g} to {high:g} mV; check the conversion factor of the response")


@rule("rest_out_of_range", "samples", "A neuron rests between these; else offset or conversion is wrong.",
      unit="mV", threshold=(-120.0, -30.0))
def _(case):
    low, high = RULES["rest_out_of_range"].threshold
    starts = [case.recording.get_sweep_data(n)["response"][:500] for n in case.long]
    starts = [s for s in starts if np.isfinite(s).any()]
    if starts:
        rest = float(np.median([np.nanmean(s) for s in starts]))
        if not low <= rest <= high and abs(rest) < 200:
            return f"found a resting potential of {rest:.3g} mV, expected {low:g} to {high:g} mV; check the response"


@rule("current_out_of_range", "samples", "Steps of interneurons are tens to hundreds of pA.", unit="pA",
      threshold=(1.0, 2000.0))
def _(case):
    low, high = RULES["current_out_of_range"].threshold
    sizes = {n: float(np.nanmax(np.abs(i))) for n in case.long
             if np.isfinite(i := case.recording.get_sweep_data(n)["stimulus"]).any()}
    worst = max(sizes, key=sizes.get, default=None)
    if worst is not None and not low <= sizes[worst] <= high:
        return (f"found a command of {sizes[worst]:g} pA in sweep {worst}, expected {low:g} to {high:g} pA; "
                "check the conversion factor of the stimulus")


@rule("nan_hole", "samples", "ipfx's filter spreads one missing sample over the sweep: its spikes vanish unseen.")
def _(case):
    holes = []
    for number in case.recording.sweep_numbers:
        missing = np.isnan(case.recording.get_sweep_data(number)["response"])
        if missing.any() and not missing.all():
            finite = np.flatnonzero(~missing)
            if missing[finite[0]:finite[-1]].any():
                holes.append(number)
    if holes:
        return f"found missing samples inside the recording of {some(holes)}, expected none; leave these sweeps out"


@rule("stimulus_noisy", "samples", "Every change of the command counts as an edge; a measured current has thousands.",
      threshold=20)
def _(case):
    edges = {n: np.count_nonzero(np.diff(case.recording.get_sweep_data(n)["stimulus"])) for n in case.long}
    noisy = [n for n, count in edges.items() if count > RULES["stimulus_noisy"].threshold]
    if len(noisy) > len(edges) / 2:
        return (f"found {edges[noisy[0]]} changes of the command in sweep {noisy[0]}, "
                "expected 4 (test pulse and step); the stimulus must be the command, not a measured current")


# --- sweeps ----------------------------------------------------------------------------------------------

@rule("no_test_pulse", "sweeps", "ipfx takes the first two edges of the command for the test pulse.")
def _(case):
    if case.long and all(case.dataset.sweep(n).epochs["test"] is None for n in case.long):
        return "found no test pulse in the first 0.4 s of any long square, expected one; ipfx would miss the step"


@rule("ends_after_step", "sweeps", "The baseline after the step is part of the experiment.", unit="s", threshold=0.5)
def _(case):
    return _all_end_early(case, cut=True)


@rule("ends_missing", "sweeps", "A recording stopped by hand is padded with zeros or NaN.", unit="s", threshold=0.5)
def _(case):
    return _all_end_early(case, cut=False)


def _all_end_early(case: Case, cut: bool) -> str | None:
    """All long squares end early: because the sweep is short (``cut``), or because its end is missing."""
    tags = case.long_table()["tags"]
    if not len(tags) or not all(ENDS_EARLY in t for t in tags):
        return None
    epochs = case.dataset.sweep(case.long[0]).epochs
    if (epochs["sweep"][1] < epochs["experiment"][1]) != cut:
        return None
    left = (epochs["recording"][1] - epochs["stim"][1]) / RATE
    what = "sweeps end" if cut else "data end (missing or zero from there)"
    return f"found that all long-square {what} {left:.2f} s after the step, expected 0.5 s"


@rule("no_usable_long_square", "sweeps", "Nothing is left when ipfx tags every long square.")
def _(case):
    tags = case.long_table()["tags"]
    explained = any(all(tag in t for t in tags) for tag in (ENDS_EARLY, "test epoch is missing"))
    if len(tags) and all(len(t) for t in tags) and not explained:
        return f"found no long square without a tag: {'; '.join(sorted({t for row in tags for t in row}))}"


@rule("step_duration", "sweeps", "The bins of the families presume a step of 1 s.", unit="s", threshold=(0.999, 1.001))
def _(case):
    low, high = RULES["step_duration"].threshold
    rows = case.long_table()
    for number in rows.loc[rows["tags"].map(len) == 0, "sweep_number"]:
        first, last = case.dataset.sweep(number).epochs["stim"]
        seconds = (last - first + 1) / case.dataset.sweep(number).sampling_rate
        if not low <= seconds <= high and seconds > 0:
            return f"found a step of {seconds:.3f} s in sweep {number}, expected 1 s; the families are defined for 1 s"


@rule("noise_high", "sweeps", "ipfx keeps failed sweeps in spite of its limits of 0.07 and 0.5 mV rms.",
      unit="fraction of long squares", threshold=0.5)
def _(case):
    rows = case.long_table()
    noisy = rows[rows["fails"].map(lambda fails: any("noise" in f for f in fails))]
    if len(rows) and len(noisy) / len(rows) > RULES["noise_high"].threshold:
        worst = noisy["pre_noise_rms_mv"].max()
        return (f"found noise beyond ipfx's limits in {len(noisy)} of {len(rows)} long squares "
                f"(up to {worst:.2f} mV rms), expected at most half of them")


@rule("sweeps_tagged", "sweeps", "ipfx drops tagged sweeps.", fatal=False)
def _(case):
    rows = case.checked[case.checked["tags"].map(len) > 0]
    if len(rows):
        tags = "; ".join(sorted({t for row in rows["tags"] for t in row}))
        return f"dropped {some(rows['sweep_number'])}: {tags}"


@rule("sweeps_failed", "sweeps", "The paper keeps sweeps that fail ipfx's limits.", fatal=False)
def _(case):
    rows = case.checked[case.checked["fails"].map(len) > 0]
    if len(rows):
        return f"kept {len(rows)} of {len(case.checked)} sweeps beyond ipfx's limits of noise or drift"


# --- result ----------------------------------------------------------------------------------------------

#: How ipfx's sentences begin → our code. One of these explains a cell without long-square features.
IPFX_SENTENCES = {
    "No spiking long square sweeps": "no_spikes",
    "Cannot fit f-I curve slope": "one_spiking_sweep",
    "No subthreshold long square sweeps with": "no_hyperpolarizing_step",
    "No subthreshold long square sweeps,": "no_subthreshold_sweep",
    "Could not find at least two spiking sweeps": "no_matching_amplitudes",
}


def _ipfx_rule(code: str, why: str, found: str) -> None:
    def check(case: Case) -> str | None:
        said = next(iter(case.paper.missing.values()), "") if not case.paper.values else ""
        return found if any(said.startswith(s) and c == code for s, c in IPFX_SENTENCES.items()) else None
    rule(code, "result", why)(check)


_ipfx_rule("no_spikes", "A cell that never fires has no spike to describe.",
           "found no spike in any long square, expected spikes in at least two")
_ipfx_rule("one_spiking_sweep", "The f-I curve needs two points, and ipfx stops without it.",
           "found spikes in one long square only, expected at least two")
_ipfx_rule("no_hyperpolarizing_step", "Input resistance and time constant come from small negative steps.",
           "found no silent long square between -100 and 0 pA, expected at least one")
_ipfx_rule("no_subthreshold_sweep", "Subthreshold features need a sweep without spikes.",
           "found spikes in every long square, expected some without")
_ipfx_rule("no_matching_amplitudes", "Trains are compared at rheobase, +40 and +80 pA.",
           "found fewer than two spiking long squares at rheobase, +40 and +80 pA (within 5), expected two")


@rule("ipfx_failed", "result", "ipfx stopped for a reason that no other rule names.")
def _(case):
    if not case.paper.values:
        said = next(iter(case.paper.missing.values()), "")
        if not any(said.startswith(s) for s in IPFX_SENTENCES):
            return said


@rule("step_extrapolated", "result", "ipfx scales the nearest step to a missing one, at -10 pA by nine, in silence.",
      unit="pA", threshold=20.0)
def _(case):
    if case.long_squares is None or case.long_squares.features is None:
        return None
    amplitudes = np.rint(case.long_squares.features["subthreshold_sweeps"]["stim_amp"].to_numpy(float))
    amplitudes = amplitudes[(amplitudes < 0) & (amplitudes >= -1000)]
    if not len(amplitudes):
        return None
    far = {target: np.abs(amplitudes - target).min() for target in PAPER_STEPS}
    worst = max(far, key=far.get)
    if far[worst] > RULES["step_extrapolated"].threshold:
        return (f"found no silent step within 20 pA of {worst:g} pA (nearest {far[worst]:g} pA away), "
                "expected one; its response would be invented")


@rule("family_missing", "result", "ipfx could not compute a single family; the mask says which.", fatal=False)
def _(case):
    if case.paper.values and case.paper.missing:
        return "; ".join(f"{family}: {why}" for family, why in case.paper.missing.items())


@rule("family_not_finite", "result", "A family with NaN is masked.", fatal=False)
def _(case):
    bad = [family for family, values in case.paper.values.items() if not np.isfinite(values).all()]
    if bad:
        return f"found missing values in {', '.join(bad)}"


@rule("official_missing", "result", "ipfx's script needs all three protocols.", fatal=False)
def _(case):
    if case.official.missing:
        return f"no official families: {next(iter(case.official.missing.values()))}"


@rule("scalars_missing", "result", "Scalar features exist for each protocol that ipfx could analyse.", fatal=False)
def _(case):
    if case.scalars_missing:
        return "; ".join(f"{protocol}: {why}" for protocol, why in case.scalars_missing.items())
