"""The quality rules: why a cell is kept or lost, whole or in part. See `verdict` for how they are applied."""

from __future__ import annotations

from collections import Counter

import numpy as np

from patchtype.recordings.commands import KINDS, named_kind
from patchtype.recordings.extraction import PAPER_STEPS
from patchtype.recordings.protocols import LOWEST_RATE, RATE, RATE_TOLERANCE, is_slow
from patchtype.recordings.recording import REASONS
from patchtype.recordings.text import span
from patchtype.recordings.verdict import RULES, Finding, Verdict, apply, meaning, rule, some, table, waivable

__all__ = ["IPFX_SENTENCES", "RULES", "Finding", "Verdict", "apply", "meaning", "some", "table", "waivable"]

ENDS_EARLY = "Recording stopped before completing the experiment epoch"  # ipfx's tag
STARTS_LATE = "Recording started after the experiment epoch"  # ours
FLAT = 0.25  # of a sweep at the least value of all: no membrane rests so evenly

# --- what readers, batch and measurement say --------------------------------------------------------------

for _code, _why in REASONS.items():
    rule(_code, "raised", _why)(None)
rule("worker_lost", "raised", "The process that worked on the cell ended, usually for lack of memory.")(None)
rule("unexpected_error", "raised", "No rule foresaw this; the text is the program's own.")(None)
rule("several_electrodes", "raised", "Each electrode is a cell of its own, and they never mix.")(None)
for _code, _why in {
    "reader": "What a reader did may change how the numbers are understood.",
    "set_aside": "One odd sweep costs the cell only what needed it.",
    "protocol": "The protocol is read from the command; what was not obvious is said.",
    "nan_hole": "A filter spreads one missing sample over the sweep: its spikes vanish unseen.",
    "sweep_incomplete": "A sweep without its step's end has no steady state and too few spikes.",
    "cell_lost": "A sweep without the cell is not one of the cell.",
    "rheobase_stray": "One stray action potential decides rheobase and what is read from its sweep.",
    "rheobase_coarse": "Rheobase lies between the last silent step and the first that fires.",
    "peaks_lost": "Peaks that are no action potentials to the detector lower every rate.",
    "fires_at_rest": "In a cell that fires by itself rheobase is no threshold.",
    "depolarisation_block": "Beyond it the rate falls, and a line through all steps has no meaning.",
    "tau_one_sweep": "A time constant from one response is as noisy as that.",
    "baseline_tail": "A baseline in the tail of a pulse is no rest, and moves all that is measured from it.",
    "bridge_unbalanced": "The voltage across the electrode adds to that of the membrane.",
    "baseline_noisy": "What is read from single samples is as uncertain as these.",
    "baseline_drifts": "A cell that changes during its protocol is not one cell to a line through its steps.",
    "step_large": "Large steps open channels, so that resistance and time constant are another cell's.",
}.items():
    rule(_code, "raised", _why, costs="nothing")(None)


# --- recording -------------------------------------------------------------------------------------------

@rule("nothing_to_measure", "recording", "Every feature comes from a step, a short pulse or a ramp.")
def _(cell):
    if not any(cell.prepared.protocol.of(kind) for kind in KINDS):
        why = Counter(step.why for step in cell.prepared.protocol.steps)
        said = "; ".join(f"in {n} sweep{'s' if n > 1 else ''} {text}" for text, n in why.most_common(3))
        n = sum(why.values())
        sizes = [np.ptp(i[np.isfinite(i)]) for i in (sweep.i_pa for sweep in cell.prepared.recording.sweeps) if len(i)]
        if 0 < max(sizes, default=0) < RULES["current_out_of_range"].threshold[0]:
            return (f"found a command that changes by at most {max(sizes):.3g} pA, expected steps of tens of pA; check "
                    "the conversion factor of the stimulus")
        return (f"found no step of 0.3 s or more, no short pulse and no ramp in the command of {n} "
                f"sweep{'s' if n > 1 else ''} ({said}), expected one of them; a step of more than 0.1 s is taken "
                "for one with --protocol NAME=long_square, where NAME is that of the stimulus, or * for any")


@rule("stimulus_codes_unknown", "recording", "Names that nobody knows confirm nothing.", costs="nothing")
def _(cell):
    names = {s.stimulus_name for s in cell.prepared.recording.sweeps if s.stimulus_name}
    if names and not any(map(named_kind, names)):
        return (f"found stimulus names of its own ({', '.join(sorted(names)[:3])}); the protocol was read from the "
                "command alone")


@rule("bias_current", "recording", "A current that the command does not show moves the cell from rest.",
      costs="nothing", unit="pA", threshold=1.0)
def _(cell):
    least, hidden = RULES["bias_current"].threshold, set()
    for sweep, step in zip(cell.prepared.recording.sweeps, cell.prepared.protocol.steps, strict=True):
        bias = sweep.bias_current_pa or 0.0
        if step.kind != "unknown" and abs(bias) > least and abs(bias - step.holding_pa) > least:
            hidden.add(round(bias, 1))
    if hidden:
        return (f"found a bias current of {span(hidden)} pA in the file that the command does not hold; v_baseline is "
                "the potential under it, not that of the cell at rest")


@rule("sweeps_unknown", "recording", "What no analysis understands is left aside.", costs="nothing")
def _(cell):
    if not any(cell.prepared.protocol.of(kind) for kind in KINDS):
        return None
    why: dict[str, list[int]] = {}
    other = cell.prepared.protocol.other
    for k, step in enumerate(cell.prepared.protocol.steps):
        if step.kind == "unknown" and not (other and k in other.of("long_square")):
            why.setdefault(step.why, []).append(step.sweep)
    if why:
        return "left aside " + "; ".join(f"{some(numbers)}: {text}" for text, numbers in why.items())


# --- samples ---------------------------------------------------------------------------------------------

def _used(cell):
    """Sweep number and the samples of its response that are analysed, for every sweep in use."""
    for kind in KINDS:
        for k in cell.prepared.of(kind):
            v = cell.prepared.recording.sweeps[k].v_mv[cell.prepared.used(k)]
            v = v[np.isfinite(v)]
            if len(v):
                yield k, v


@rule("nothing_left", "samples", "A recording whose every sweep breaks off holds no whole response.")
def _(cell):
    if not any(cell.prepared.of(kind) for kind in KINDS):
        return ("found no sweep that has all samples from before its stimulus to the end of it; record the whole "
                "response, or leave the cell out")


@rule("voltage_out_of_range", "samples", "A conversion factor wrong by 1,000 passes all of ipfx in silence.",
      unit="mV", threshold=(-200.0, 120.0))
def _(cell):
    low, high = RULES["voltage_out_of_range"].threshold
    for k, v in _used(cell):
        if v.min() < low or v.max() > high:
            return (f"found {v.min():g} to {v.max():g} mV in sweep {cell.prepared.number(k)}, "
                    f"expected {low:g} to {high:g} mV; check the conversion factor of the response")


@rule("rest_out_of_range", "samples", "A neuron rests between these; else offset or conversion is wrong.",
      unit="mV", threshold=(-120.0, -30.0), waivable=True)
def _(cell):
    low, high = RULES["rest_out_of_range"].threshold
    starts = [v[:500].mean() for _, v in _used(cell)]
    if starts:
        rest = float(np.median(starts))
        if not low <= rest <= high and abs(rest) < 200:
            return f"found a resting potential of {rest:.3g} mV, expected {low:g} to {high:g} mV; check the response"


@rule("current_out_of_range", "samples", "Steps into a neuron are tens to hundreds of pA.", unit="pA",
      threshold=(1.0, 10_000.0), waivable=True)
def _(cell):
    low, high = RULES["current_out_of_range"].threshold
    sizes = {step.sweep: abs(step.amplitude_pa) for step in cell.prepared.protocol.steps if step.kind != "unknown"}
    worst = max(sizes, key=sizes.get, default=None)
    if worst is not None and not low <= sizes[worst] <= high:
        return (f"found a command of {sizes[worst]:g} pA in sweep {worst}, expected {low:g} to {high:g} pA; "
                "check the conversion factor of the stimulus")


@rule("clipped", "samples", "A converter at its end cuts peaks off, and all that is read from them is wrong.",
      costs="nothing", unit="s", threshold=0.0002)
def _(cell):
    sweeps = cell.prepared.recording.sweeps
    every = list(_used(cell))
    used = [(k, v) for k, v in every if np.ptp(v) > 30]  # mV: with action potentials
    top = max((v.max() for _, v in used), default=np.inf)
    flat: list[int] = []  # the sweep of each stretch at the greatest value of all, longer than a peak takes
    for k, v in used:
        edges = np.flatnonzero(np.diff(np.r_[False, v == top, False]))
        longest = max(RULES["clipped"].threshold * sweeps[k].rate, 3)
        flat += [cell.prepared.number(k)] * int((edges[1::2] - edges[::2] >= longest).sum())
    if len(flat) >= 3:
        return (f"found {len(flat)} peaks cut off at {top:.3g} mV in {some(sorted(set(flat)))}, where the amplifier or "
                "the converter ended; peaks, widths and what follows a peak are not those of the cell")
    lowest = min((v.min() for _, v in every), default=-np.inf)
    cut = [cell.prepared.number(k) for k, v in every if (v == lowest).mean() > FLAT]
    if len(cut) >= 2:
        return (f"found the potential cut off at {lowest:.3g} mV in {some(cut)}, where the amplifier or the converter "
                "ended; input resistance and sag are not those of the cell")


# --- families --------------------------------------------------------------------------------------------

@rule("no_long_squares", "families", "Eleven of the twelve families come from long squares.", costs="families")
def _(cell):
    if not cell.prepared.of("long_square"):
        return "found no usable long square, expected at least four; the families need steps of 1 s"


@rule("no_short_squares", "families", "The paper's notebook and ipfx's script both lose such a cell.",
      costs="families", waivable=True)
def _(cell):
    if cell.prepared.of("long_square") and not cell.prepared.of("short_square"):
        return ("found no short square; the paper loses such a cell although they add nothing to its families, so "
                "--allow no_short_squares keeps them")


@rule("no_ramp", "families", "Only the official families need a ramp.", costs="nothing")
def _(cell):
    if cell.prepared.of("long_square") and not cell.prepared.of("ramp"):
        return "found no ramp; there are no official families"


@rule("sampling_rate_low", "families", "Below 25 kHz ipfx's 10 kHz filter meets the Nyquist frequency.",
      costs="families", unit="Hz", threshold=LOWEST_RATE)
def _(cell):
    slow = [cell.prepared.recording.sweeps[k].rate for kind in KINDS for k in cell.prepared.of(kind)]
    slow = [rate for rate in slow if is_slow(rate)]
    if slow:
        return (f"found sweeps sampled at {min(slow) / 1e3:g} kHz, expected at least {LOWEST_RATE / 1e3:g} kHz for the "
                "families, for slower sampling loses the shape of the spike; sample faster")


@rule("resampled", "families", "The families are defined at 50 kHz.", costs="nothing", unit="Hz", threshold=RATE)
def _(cell):
    rates = {cell.prepared.recording.sweeps[k].rate for kind in KINDS for k in cell.prepared.of(kind)}
    other = sorted(r for r in rates if abs(r / RATE - 1) > RATE_TOLERANCE)
    if other:
        return f"resampled from {', '.join(f'{r / 1e3:g}' for r in other)} to 50 kHz"


@rule("step_duration", "families", "The bins of the families presume a step of 1 s.", costs="families", unit="s",
      threshold=(0.999, 1.001))
def _(cell):
    low, high = RULES["step_duration"].threshold
    for k in cell.prepared.of("long_square"):
        step = cell.prepared.protocol.steps[k]
        if not low <= step.end_s - step.onset_s <= high:
            return (f"found a step of {step.end_s - step.onset_s:.3f} s in sweep {step.sweep}, expected 1 s for the "
                    "families; record steps of 1 s")


@rule("no_test_pulse", "families", "ipfx takes the first two edges of the command for the test pulse.",
      costs="families")
def _(cell):
    if cell.prepared.of("long_square") and cell.prepared.protocol.test_pulse is None:
        return ("found no test pulse before the step, expected one in the first 0.4 s for the families, which ipfx "
                "cannot make without; begin each sweep with a short pulse")


@rule("stimulus_noisy", "families", "Every change of the command is an edge; a measured current has thousands.",
      costs="families", waivable=True)
def _(cell):
    noisy = cell.prepared.protocol.noisy
    if noisy:
        return (f"found a measured current as the command of {some(noisy)}, expected the command itself; features "
                "come from the steps made out in it, and for the families the command must be given")


@rule("ends_after_step", "families", "The baseline after the step is part of the experiment.", costs="families",
      unit="s", threshold=0.5)
def _(cell):
    return _all_end_early(cell, cut=True)


@rule("ends_missing", "families", "A recording stopped by hand is padded with zeros or NaN.", costs="families",
      unit="s", threshold=0.5)
def _(cell):
    return _all_end_early(cell, cut=False)


def _all_end_early(cell, cut: bool) -> str | None:
    """All long squares end early: because the sweep is short (``cut``), or because its end is missing."""
    left, whole = [], []
    for k in cell.prepared.of("long_square"):
        sweep, step = cell.prepared.sweep(k), cell.prepared.protocol.steps[k]
        if sweep.epochs["recording"][1] >= sweep.epochs["experiment"][1]:
            return None
        whole.append(sweep.epochs["sweep"][1] >= sweep.epochs["experiment"][1])
        left.append(sweep.epochs["recording"][1] / sweep.sampling_rate - step.end_s)
    if not left or all(whole) == cut:
        return None
    what = "sweeps end" if cut else "data end (missing or zero from there)"
    return (f"found that all long-square {what} {max(left):.2f} s after the step, expected 0.5 s for the families; "
            "record on after the step")


@rule("starts_late", "families", "The baseline before the step is part of the experiment.", costs="families",
      unit="s", threshold=0.5)
def _(cell):
    before = [cell.prepared.protocol.steps[k].onset_s for k in cell.prepared.of("long_square")]
    if before and max(before) < RULES["starts_late"].threshold:
        return (f"found that the step begins {max(before):.2f} s after the sweep, expected 0.5 s for the families; "
                "record longer before the step")


# --- result ----------------------------------------------------------------------------------------------

@rule("no_usable_long_square", "result", "Nothing is left when ipfx tags every long square.", costs="families")
def _(cell):
    rows = cell.long_table()
    explained = any(all(tag in t for t in rows["tags"]) for tag in (ENDS_EARLY, STARTS_LATE))
    if len(rows) and all(len(t) for t in rows["tags"]) and not explained:
        return f"found no long square without a tag: {'; '.join(sorted({t for row in rows['tags'] for t in row}))}"


@rule("noise_high", "result", "ipfx keeps failed sweeps in spite of its limits of 0.07 and 0.5 mV rms.",
      costs="families", unit="fraction of long squares", threshold=0.5, waivable=True)
def _(cell):
    rows = cell.long_table()
    noisy = rows[rows["fails"].map(lambda fails: any("noise" in f for f in fails))]
    if len(rows) and len(noisy) / len(rows) > RULES["noise_high"].threshold:
        worst = noisy["pre_noise_rms_mv"].max()
        return (f"found noise beyond ipfx's limits in {len(noisy)} of {len(rows)} long squares "
                f"(up to {worst:.2f} mV rms), expected at most half of them; --allow noise_high keeps the families")


@rule("sweeps_tagged", "result", "ipfx drops tagged sweeps.", costs="nothing")
def _(cell):
    if cell.checked is None:
        return None
    rows = cell.checked[cell.checked["tags"].map(len) > 0]
    if len(rows):
        tags = "; ".join(sorted({t for row in rows["tags"] for t in row}))
        return f"the families are without {some(rows['sweep_number'])}: {tags}"


@rule("sweeps_failed", "result", "The paper keeps sweeps that fail ipfx's limits.", costs="nothing")
def _(cell):
    if cell.checked is None:
        return None
    rows = cell.checked[cell.checked["fails"].map(len) > 0]
    if len(rows):
        return f"kept {len(rows)} of {len(cell.checked)} sweeps beyond ipfx's limits of noise or drift"


#: How ipfx's sentences begin → our code. One of these explains a cell without families.
IPFX_SENTENCES = {
    "No spiking long square sweeps": "no_spikes",
    "Cannot fit f-I curve slope": "one_spiking_sweep",
    "No subthreshold long square sweeps with": "no_hyperpolarizing_step",
    "No subthreshold long square sweeps,": "no_subthreshold_sweep",
    "Could not find at least two spiking sweeps": "no_matching_amplitudes",
}


def _said(cell) -> str:
    """Why ipfx made no family of the paper's, or an empty string."""
    return next(iter(cell.lost["paper"].values()), "") if "paper" in cell.lost and not cell.paper else ""


def _ipfx_rule(code: str, why: str, found: str) -> None:
    def check(cell) -> str | None:
        said = _said(cell)
        return found if any(said.startswith(s) and c == code for s, c in IPFX_SENTENCES.items()) else None
    rule(code, "result", why, costs="families")(check)


_ipfx_rule("no_spikes", "A cell that never fires has no spike to describe.",
           "found no spike in any long square, expected spikes in at least two for the families; use stronger steps")
_ipfx_rule("one_spiking_sweep", "The f-I curve needs two points, and ipfx stops without it.",
           "found spikes in one long square only, expected at least two for the families; use stronger steps")
_ipfx_rule("no_hyperpolarizing_step", "Input resistance and time constant come from small negative steps.",
           "found no silent long square between -100 and 0 pA, expected at least one for the families; record one")
_ipfx_rule("no_subthreshold_sweep", "Subthreshold features need a sweep without spikes.",
           "found spikes in every long square, expected some without for the families; use smaller steps")
_ipfx_rule("no_matching_amplitudes", "Trains are compared at rheobase, +40 and +80 pA.",
           "found fewer than two spiking long squares at rheobase, +40 and +80 pA (within 5), expected two for the "
           "families; use steps of 20 pA")


@rule("ipfx_failed", "result", "ipfx stopped for a reason that no other rule names.", costs="families")
def _(cell):
    said = _said(cell)
    usable = len(cell.long_table()) and not all(map(len, cell.long_table()["tags"]))
    if said and usable and not any(said.startswith(s) for s in IPFX_SENTENCES):
        return said


@rule("step_extrapolated", "result", "ipfx scales the nearest step to a missing one, at -10 pA by nine, in silence.",
      costs="families", unit="pA", threshold=20.0, waivable=True)
def _(cell):
    if cell.long_squares is None or cell.long_squares.features is None:
        return None
    amplitudes = np.rint(cell.long_squares.features["subthreshold_sweeps"]["stim_amp"].to_numpy(float))
    amplitudes = amplitudes[(amplitudes < 0) & (amplitudes >= -1000)]
    if not len(amplitudes):
        return None
    far = {target: np.abs(amplitudes - target).min() for target in PAPER_STEPS}
    worst = max(far, key=far.get)
    if far[worst] > RULES["step_extrapolated"].threshold:
        return (f"found no silent step within 20 pA of {worst:g} pA (nearest {far[worst]:g} pA away), expected one for "
                "the families, or its response would be invented; record it")


@rule("family_missing", "result", "ipfx could not compute a single family; the mask says which.", costs="nothing")
def _(cell):
    if cell.paper and cell.lost.get("paper"):
        return "; ".join(f"{family}: {why}" for family, why in cell.lost["paper"].items())


@rule("family_not_finite", "result", "A family with NaN is masked.", costs="nothing")
def _(cell):
    bad = [family for family, values in cell.paper.items() if not np.isfinite(values).all()]
    if bad:
        return f"found missing values in {', '.join(bad)}"


@rule("official_missing", "result", "ipfx's script needs all three protocols.", costs="nothing")
def _(cell):
    if cell.lost.get("official"):
        return f"no official families: {next(iter(cell.lost['official'].values()))}"


@rule("resistance_impossible", "result", "A command of another sweep, sign or unit shows here first.", unit="MOhm",
      threshold=(2.0, 10_000.0), waivable=True)
def _(cell):
    low, high = RULES["resistance_impossible"].threshold
    found = cell.features["input_resistance"]
    if np.isfinite(found) and not low <= found <= high:
        return (f"found an input resistance of {found:.3g} MOhm, expected {low:g} to {high:g}; check sign and unit of "
                "the command, and whether it belongs to these responses")


@rule("nothing_measured", "result", "A cell without a single feature says nothing.")
def _(cell):
    if not np.isfinite(list(cell.features.values())).any():
        why = Counter(cell.missing.values()).most_common(3)
        return "found not one feature: " + "; ".join(text for text, _ in why)
