"""Scalar features of one cell: each one a value or the reason why there is none.

Where the published tables have a feature, the definition is theirs, which is ipfx's; `definitions.csv` says for each
what it is, which sweep it comes from and what it is called elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from patchtype import families
from patchtype.recordings.ipfx import (
    SpikeTrainFeatureExtractor,
    spike_features,
    spike_train_features,
    stim_features,
    stimulus_protocol_analysis,
    subthresh_features,
)
from patchtype.recordings.ipfx import time_series_utils as tsu
from patchtype.recordings.protocols import RATE, RATE_TOLERANCE, Prepared, align, window
from patchtype.recordings.spikes import SpikeExtractor, peaks, width_suprathreshold, with_slow

_SPIKE = (
    "upstroke_downstroke_ratio", "peak_v", "peak_t", "trough_v", "trough_t", "fast_trough_v", "fast_trough_t",
    "slow_trough_v", "slow_trough_t", "threshold_v", "threshold_i", "threshold_t",
)
#: Columns of the published mouse table, in its order, without the identifier.
PUBLISHED = (
    "rheobase_sweep_num", "thumbnail_sweep_num", "vrest", "ri", "sag", "tau", "vm_for_sag", "f_i_curve_slope",
    "adaptation", "latency", "avg_isi",
    *(f"{feature}_{protocol}" for protocol in ("long_square", "ramp", "short_square") for feature in _SPIKE),
)
SCALARS = PUBLISHED + families.SECOND_TABLE

LIMIT_PA = -100.0  # input resistance and time constant come from smaller steps, as in the published tables
FURTHER_PA = -200.0  # or, where there is none, from the smallest, if it is not larger than this
ONE_STEP = 0.05  # steps whose heights differ by less than this share are one, through which no line can be laid
LEAST_BASELINE_S = 0.001  # without as much before the step there is nothing to measure it from
PEAK_S, SAG_BASELINE_S = 0.005, 0.03  # around the peak, and before the step and its end, as ipfx has it for sag
# A larger jump at the onset of a step, between the mean before it and a curve through what comes after (s).
BRIDGE_MOHM, BEFORE_S, BRIDGE_S = 20.0, 0.002, (0.0005, 0.004)
EDGE_SAMPLES = 10  # over which the filter that resamples a sweep smears an edge of its potential
STRAY_STEPS = 3  # so many larger steps without an action potential, and that of the smallest was a stray one
COARSE_PA = 60.0  # from the largest silent step to rheobase; beyond it rheobase is hardly measured
SAG = -0.3, 1.0  # fractions of a deflection that a membrane can relax
NO_SAG = (f"expected {SAG[0]:g} to {SAG[1]:g}: it is the electrode that shows at the edges of the step, not the "
          "membrane")
EVOKED_S = 0.1  # a short square evokes an action potential so soon after its end, or none
BEFORE_PULSE_S = 0.01  # before the test pulse, where the membrane has to be where it is before the step
TAIL_MV = 1.0  # a baseline farther from the potential before the test pulse has not come to rest
LEAST_SAG_MV = 2.0  # a smaller deflection has no sag to speak of
SAG_MV = -100.0  # sag is read where the peak is nearest to this
HERO_PA = 39.0, 61.0  # above rheobase
ADAPT_SPIKES = 5  # in the sweep from which ratios of the fourth to the first spike come
BLOCK = 0.75  # of the greatest rate; a stronger step that gives less is in depolarisation block
SHAPE_HZ = 5_000.0  # of samples drawn more slowly thresholds are off by 5 mV and more, and slopes by half
NOISE_MV = 0.5  # rms of the baseline beyond which ipfx fails a sweep
DRIFT_MV = 10.0  # from the first to the last quarter of the steps, far more than what firing leaves behind
NOT_DEFINED = "not defined in the sources we have"
BY_OTHERS = "measured behind a 1 kHz filter by the second extractor of the published table; not made again"
#: Features that are never measured here → why.
NEVER = {
    **dict.fromkeys(("sag_area", "sag_area_depol", "sag_tau", "postap_slope_rheo", "postap_slope_hero",
                     "postap_slope_ramp", "postap_slope_short_square"), NOT_DEFINED),
    "adp_v_last_rheo": "ipfx gives no afterdepolarisation for the last action potential of a train",
    "upstroke_downstroke_ratio_1khz_rheo": BY_OTHERS,
}


@dataclass
class Measured:
    """Scalar features of one cell.

    Parameters
    ----------
    features : every name of ``features.csv`` → value in that table's unit, NaN where there is none
    missing : feature → why it is NaN, a sentence
    sweeps : feature → number of sweeps behind its value, where more than one may be
    scalars : every name of `SCALARS` → value, in the units of the published mouse table
    notes : (code of a rule, sentence) on what was measured
    """

    features: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    sweeps: dict[str, int] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SCALARS, np.nan))
    notes: list[tuple[str, str]] = field(default_factory=list)

    def put(self, name: str, value: float, why: str = "not found in this recording", sweeps: int = 0) -> None:
        """A feature, or why it is not there; names that the table does not have are passed over."""
        if name not in names():
            return
        value = float(value) if value is not None else np.nan
        self.features[name] = value if np.isfinite(value) else np.nan
        if not np.isfinite(value):
            self.missing[name] = why
        else:
            self.missing.pop(name, None)
            if sweeps:
                self.sweeps[name] = int(sweeps)

    def has(self, name: str) -> bool:
        """Whether a feature has a value."""
        return bool(np.isfinite(self.features.get(name, np.nan)))

    def lose(self, lost: Iterable[str], why: str) -> None:
        """Features that cannot be measured, all for one reason."""
        for name in lost:
            self.put(name, np.nan, why)

    def complete(self) -> Measured:
        """The same in the order of the table, with a reason for each feature that nobody measured."""
        for name in names():
            if name not in self.features:
                chirp = "no chirp, or none that is analysed here" if name.endswith("_chirp") else NOT_DEFINED
                self.put(name, np.nan, NEVER.get(name, chirp))
        self.features = {name: self.features[name] for name in names()}
        self.missing = {name: self.missing[name] for name in names() if name in self.missing}
        return self


@cache
def names() -> tuple[str, ...]:
    """Every scalar feature, in the order of ``features.csv``."""
    return tuple(families.features().index)


@cache
def _of(ending: str) -> tuple[str, ...]:
    return tuple(name for name in names() if name.endswith(ending))


def unmeasured(why: str) -> Measured:
    """No feature at all, for one reason.

    >>> unmeasured("no sweep").missing["tau"]
    'no sweep'
    """
    found = Measured()
    found.lose(names(), why)
    return found.complete()


def scalar_features(prepared: Prepared, as_published: bool = False) -> Measured:
    """The scalar features that the sweeps of a cell give.

    Parameters
    ----------
    as_published : keep to the letter of the published tables, for recordings of their protocol: action potentials that
        rise slower than 20 mV/ms are told but not counted, and the f-I curve is fitted through all spiking sweeps,
        also where stronger steps bring the cell into depolarisation block

    Never raises for sweeps that lack something: the reason stands in `Measured.missing`.
    """
    found = Measured()
    for kind, measure, lost, none in (
        ("long_square", _long_squares, _LONG, "no step of 0.3 s or more"),
        ("ramp", _ramps, _of("_ramp"), "no ramp"),
        ("short_square", _short_squares, _of("_short_square"), "no short square, a pulse of at most 10 ms"),
    ):
        positions = prepared.of(kind)
        if not positions:
            held = prepared.protocol.of(kind)
            found.lose(lost, f"no usable sweep: {len(held)} left out" if held else none)
            continue
        try:
            measure(prepared, positions, found, as_published)
            if kind == "long_square" and prepared.other is not None:
                _complete(prepared.other, found, as_published)
        except Exception as error:  # noqa: BLE001 - one kind of stimulus that fails leaves the others
            found.lose([n for n in lost if n not in found.features],
                       f"the analysis failed: {type(error).__name__}: {error}")
        _check_sampling(kind, min(prepared.recording.sweeps[k].rate for k in positions), lost, found)
    found.lose([name for name in NEVER if name not in found.missing], "")
    for name, why in NEVER.items():
        found.missing[name] = found.missing[name] or why
    return found.complete()


def _check_sampling(kind: str, rate: float, measured: Iterable[str], found: Measured) -> None:
    """Take the shape of action potentials back where too few samples draw it; ``rate`` (Hz) of the slowest sweep."""
    if rate >= SHAPE_HZ:
        return
    found.lose([name for name in measured if name.startswith(_SHAPE) and found.has(name)],
               f"sampled at {rate / 1e3:g} kHz, expected at least {SHAPE_HZ / 1e3:g} kHz for the shape of an action "
               "potential")
    shapes = [f"{name}_{kind}" for name in _SPIKE if name not in ("threshold_i", "threshold_t")]
    found.scalars |= dict.fromkeys([*shapes, "rheo_width"] if kind == "long_square" else shapes, np.nan)


# --- long squares ----------------------------------------------------------------------------------------

class _Steps:
    """The long squares of a cell: one row of ``table`` and one table of spikes each."""

    def __init__(self, prepared: Prepared, positions: list[int], as_published: bool = False):
        self.numbers = [prepared.number(k) for k in positions]
        sweeps = prepared.sweep_set(positions)
        align(sweeps)
        self.sweeps = sweeps.sweeps
        self.start, self.end = window(self.sweeps[0])
        # ipfx takes no time outside a sweep, not by a rounding error, and half of `PEAK_S` after a peak.
        sample_s = 1 / self.sweeps[0].sampling_rate
        self.end = min(self.end, *(float(s.t[-1]) - PEAK_S / 2 for s in self.sweeps))
        raw = {prepared.recording.sweeps[k].rate for k in positions}
        slow = [rate for rate in raw if abs(rate / RATE - 1) > RATE_TOLERANCE]
        self.inside = self.end - (EDGE_SAMPLES / min(slow) if slow else 0.0)
        self.baseline_s = min(prepared.baseline_s, *(self.start - float(s.t[0]) - sample_s for s in self.sweeps))
        self.measured = bool(prepared.protocol.noisy)
        self.spikes, rows, self.lost, self.before = [], [], {}, {}
        if self.baseline_s < LEAST_BASELINE_S:
            return
        trains = SpikeTrainFeatureExtractor(self.start, self.end, baseline_interval=self.baseline_s)
        trains.stim_amp_fn = stim_features._step_stim_amp
        for sweep in self.sweeps:
            t, v, i = sweep.t, sweep.v, sweep.i
            if early := peaks(t, v, t[0], self.start):
                self.before[sweep.sweep_number] = early
            spikes, lost = with_slow(SpikeExtractor(start=self.start, end=self.inside), t, v, i, count=not as_published)
            if lost:
                self.lost[sweep.sweep_number] = lost
            self.spikes.append(spikes)
            row = trains.process(t, v, i, spikes, ["stim_amp", "v_baseline"]) | {"spikes": len(spikes)}
            row["peak_deflect"] = subthresh_features.voltage_deflection(t, v, i, self.start, self.inside)
            row["sag"] = subthresh_features.sag(t, v, i, self.start, self.inside, PEAK_S,
                                                min(SAG_BASELINE_S, self.baseline_s))
            rows.append(row)
        self.table = pd.DataFrame(rows)
        self.tail_mv = self._tail(prepared)
        for column in ("adapt", "latency", "isi_cv", "mean_isi", "median_isi", "first_isi"):
            if column not in self.table:
                self.table[column] = np.nan
        self.silent = self.table[self.table["avg_rate"] == 0]
        self.spiking = self.table[self.table["avg_rate"] > 0]

    def _tail(self, prepared: Prepared) -> float:
        """How far the baseline lies from the potential before the test pulse (mV, median over sweeps); NaN without."""
        if prepared.protocol.test_pulse is None:
            return np.nan
        rate = self.sweeps[0].sampling_rate
        first, before = round(prepared.protocol.test_pulse[0] * rate), round(BEFORE_PULSE_S * rate)
        early = [np.nanmean(s.v[max(first - before, 0):first]) if first > 5 else np.nan for s in self.sweeps]
        return float(np.nanmedian(self.table["v_baseline"].to_numpy(float) - early))

    def times(self, row: int) -> np.ndarray:
        """When the spikes of a sweep begin (s)."""
        return self.spikes[row]["threshold_t"].to_numpy() if len(self.spikes[row]) else np.array([])


def _long_squares(prepared: Prepared, positions: list[int], found: Measured, as_published: bool) -> None:
    steps = _Steps(prepared, positions, as_published)
    if steps.baseline_s < LEAST_BASELINE_S:
        return found.lose(_LONG, "the sweeps begin with their step, expected a baseline before it")
    if steps.lost:
        few = sum(steps.lost.values())
        where = ", ".join(map(str, steps.lost))
        found.notes.append(("peaks_lost", f"found {few} peaks in sweeps {where} that stand out by 20 mV and are not "
                            "counted as action potentials; rates and f-I slope may be too low"))
    _check_baseline(steps, found)
    _subthreshold(steps, found)
    return _suprathreshold(steps, found, as_published)


def _complete(other: Prepared, found: Measured, as_published: bool) -> None:
    """Fill in from the second family of steps what the first does not give: all of the passive features, of firing."""
    wanted = [part for part in (
        ("input resistance, time constant and sag", "input_resistance", _SUBTHRESHOLD[1:6], _PASSIVE_SCALARS),
        ("firing and action potentials", "rheobase_i", _FIRING, _FIRING_SCALARS),
    ) if not found.has(part[1])]
    more, positions = Measured(), other.of("long_square")
    if not (wanted and positions):
        return
    _long_squares(other, positions, more, as_published)
    for what, sign, names_of, scalars_of in wanted:
        if more.has(sign):
            for name in names_of:
                if name in more.features:
                    found.put(name, more.features[name], more.missing.get(name, ""), more.sweeps.get(name, 0))
            found.scalars |= {name: more.scalars[name] for name in scalars_of}
            step = other.protocol.steps[positions[0]]
            found.notes.append(("protocol", f"{what} come from {len(positions)} sweeps with steps of "
                                f"{step.end_s - step.onset_s:.3g} s, the other features of long steps from the rest"))
            found.notes += [note for note in more.notes if note not in found.notes]


def _check_baseline(steps: _Steps, found: Measured) -> None:
    """Say what moves the potential before the steps: firing, the tail of a pulse, noise, drift."""
    table = steps.table
    at_rest = int(table.loc[table["stim_amp"] == 0, "spikes"].max()) if (table["stim_amp"] == 0).any() else 0
    if at_rest or steps.before:
        where = "without a step" if at_rest else f"before the step in {len(steps.before)} of {len(table)} sweeps"
        n = at_rest or sum(steps.before.values())
        found.notes.append(("fires_at_rest", f"found {n} action potential{'s' * (n > 1)} {where}; the cell fires at "
                            "rest, and rheobase is the smallest step up with action potentials"))
        return
    if abs(steps.tail_mv) > TAIL_MV:
        found.notes.append(("baseline_tail", f"found the membrane {abs(steps.tail_mv):.1f} mV away from where it was "
                            "before the test pulse when the step begins; resting potential, input resistance and sag "
                            "are measured from there"))
    noise = float(np.median([_noise(s, steps.start - steps.baseline_s, steps.start) for s in steps.sweeps]))
    if noise > NOISE_MV:
        found.notes.append(("baseline_noisy", f"found a baseline that moves by {noise:.1f} mV rms before the steps, "
                            f"expected at most {NOISE_MV:g}; what is read from single samples (sag, thresholds, "
                            "slopes) is as uncertain"))
    first, last = (float(np.median(some)) for some in _quarters(table["v_baseline"].to_numpy(float)))
    if abs(last - first) > DRIFT_MV:
        found.notes.append(("baseline_drifts", f"found the potential before the steps at {first:.0f} mV in the first "
                            f"sweeps and at {last:.0f} mV in the last, expected the same within {DRIFT_MV:g} mV; "
                            "v_baseline is the mean, and what is compared between steps is not of one state"))


def _noise(sweep, first_s: float, end_s: float) -> float:
    """Standard deviation (mV) of a potential around its line between two times."""
    inside = slice(*np.searchsorted(sweep.t, (first_s, end_s)))
    t, v = sweep.t[inside], sweep.v[inside]
    return float(np.std(v - np.polyval(np.polyfit(t - t[0], v, 1), t - t[0]))) if len(v) > 2 else 0.0


def _quarters(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last quarter of some values, at least one of each."""
    n = max(len(values) // 4, 1)
    return values[:n], values[-n:]


def _subthreshold(steps: _Steps, found: Measured) -> None:
    """Rest, input resistance, time constant and sag."""
    table, silent = steps.table, steps.silent
    rest = np.nanmean(table["v_baseline"].to_numpy()) if steps.baseline_s > 0.01 else np.nan
    found.put("v_baseline", rest, "no constant command before the step", len(table))
    found.scalars["vrest"] = rest
    down = silent[silent["stim_amp"] < 0]
    if not len(down):
        why = ("spikes in every hyperpolarising step" if (table["stim_amp"] < 0).any() else "no hyperpolarising step")
        found.lose(("input_resistance", "tau", "sag", "vm_for_sag", "sag_peak_t"), why)
    else:
        _check_bridge(steps, down, found)
        _passive(steps, down, found)
        _sag(steps, found)
    _depolarised_sag(steps, found)


def _check_bridge(steps: _Steps, down: pd.DataFrame, found: Measured) -> None:
    """Say where the potential jumps with the current, faster than any membrane: an electrode that is not balanced."""
    jumps = []
    for k, row in down.iterrows():
        sweep, smeared = steps.sweeps[k], steps.end - steps.inside
        first, last = np.searchsorted(sweep.t, steps.start + smeared + np.array(BRIDGE_S))
        if last - first > 3:
            curve = np.polyfit(sweep.t[first:last] - steps.start, sweep.v[first:last], 2)
            before = tsu.average_voltage(sweep.v, sweep.t, max(steps.start - smeared - BEFORE_S, float(sweep.t[0])),
                                         steps.start - smeared)
            jumps.append(1e3 * (curve[-1] - before) / row["stim_amp"])
    jump = float(np.median(jumps)) if jumps else 0.0
    if abs(jump) > BRIDGE_MOHM:
        found.notes.append(("bridge_unbalanced", f"found that the potential jumps by {jump:.0f} MOhm at the onset of "
                            "the steps, as with an unbalanced bridge; input resistance has as much of the electrode in "
                            "it, and thresholds and peaks are moved"))


def _passive(steps: _Steps, down: pd.DataFrame, found: Measured) -> None:
    used = down[down["stim_amp"] > LIMIT_PA + steps.measured]  # a measured -99.9 pA was meant to be -100
    if not len(used):
        smallest = float(down["stim_amp"].max())
        if smallest < FURTHER_PA:
            why = f"the smallest hyperpolarising step is {smallest:g} pA, expected one between {FURTHER_PA:g} and 0 pA"
            return found.lose(("input_resistance", "tau"), why)
        used = down[down["stim_amp"] == smallest]
        found.notes.append(("step_large", f"found no hyperpolarising step smaller than {-LIMIT_PA:g} pA; input "
                            f"resistance and time constant come from {smallest:g} pA"))
    sweeps = [steps.sweeps[k] for k in used.index]
    start, end, before = steps.start, steps.inside, steps.baseline_s
    peak_t = np.median([s.t[subthresh_features.voltage_deflection(s.t, s.v, s.i, start, end, "min")[1]]
                        for s in sweeps])
    taus = []
    for s in sweeps:
        try:
            taus.append(subthresh_features.time_constant(s.t, s.v, s.i, start, end, peak_t, 0.1, before))
        except Exception:  # noqa: BLE001 - ipfx raises where a response has no exponential part
            taus.append(np.nan)
    fitted = np.array([tau if tau > 0 else np.nan for tau in taus])
    tau = np.nanmean(taus) if np.isfinite(taus).any() else np.nan
    if np.isfinite(tau) and tau <= 0:
        tau = np.nanmean(fitted) if np.isfinite(fitted).any() else np.nan
    n = int(np.isfinite(taus).sum())
    found.put("tau", tau, f"no exponential fits the response to {len(taus)} hyperpolarising "
              f"step{'s' if len(taus) > 1 else ''}, or it is less than 20 times the noise", n)
    if n == 1:
        found.notes.append(("tau_one_sweep", "the time constant comes from one sweep only"))
    # Of one sweep ipfx measures from the baseline, of several it lays a line, for which their heights have to differ.
    one = np.ptp(used["stim_amp"]) <= ONE_STEP * used["stim_amp"].abs().max()
    ri = np.mean([
        subthresh_features.input_resistance([s.t for s in some], [s.i for s in some], [s.v for s in some], start, end,
                                            before)
        for some in ([[s] for s in sweeps] if one else [sweeps])])
    found.put("input_resistance", ri, sweeps=len(sweeps))
    found.scalars |= {"ri": ri, "tau": tau * 1e3}
    found.features["tau"] = found.scalars["tau"] / 1000  # one rounding for both tables


def _sag(steps: _Steps, found: Measured) -> None:
    silent = steps.silent
    levels = np.array([deflection[0] for deflection in silent["peak_deflect"]])
    nearest = int(np.argmin(np.abs(levels - SAG_MV)))
    row = silent.iloc[nearest]
    away = float(row["v_baseline"] - levels[nearest])
    if row["stim_amp"] >= 0 or not away >= LEAST_SAG_MV:
        why = (f"the sweep nearest to {SAG_MV:g} mV is deflected by {max(away, 0):.1f} mV only, expected a "
               f"hyperpolarisation of at least {LEAST_SAG_MV:g} mV")
        return found.lose(("sag", "vm_for_sag", "sag_peak_t"), why)
    if not SAG[0] <= row["sag"] <= SAG[1]:
        return found.lose(("sag", "vm_for_sag", "sag_peak_t"), f"found a sag of {row['sag']:.2g}, {NO_SAG}")
    sweep = steps.sweeps[row.name]
    found.put("sag", row["sag"])
    found.put("vm_for_sag", levels[nearest])
    found.put("sag_peak_t", sweep.t[row["peak_deflect"][1]] - steps.start)
    found.scalars |= {"sag": float(row["sag"]), "vm_for_sag": float(levels[nearest])}


def _depolarised_sag(steps: _Steps, found: Measured) -> None:
    """Relaxation of the response to the largest silent upward step."""
    lost = ("sag_depol", "sag_peak_t_depol")
    up = steps.silent[steps.silent["stim_amp"] > 0]
    if not len(up):
        return found.lose(lost, "no depolarising step without action potentials")
    row = up.sort_values("stim_amp", ascending=False).iloc[0]
    sweep, baseline = steps.sweeps[row.name], float(row["v_baseline"])
    t, v = sweep.t, sweep.v
    _, peak = subthresh_features.voltage_deflection(t, v, sweep.i, steps.start, steps.inside, "max")
    top = tsu.average_voltage(v, t, t[peak] - 0.0025, t[peak] + 0.0025)
    steady = tsu.average_voltage(v, t, steps.inside - 0.03, steps.inside)
    if not top - baseline >= LEAST_SAG_MV:
        return found.lose(lost, f"the largest silent upward step depolarises by {max(top - baseline, 0):.1f} mV only, "
                          f"expected at least {LEAST_SAG_MV:g} mV")
    relaxed = (top - steady) / (top - baseline)
    if not SAG[0] <= relaxed <= SAG[1]:
        return found.lose(lost, f"found a relaxation of {relaxed:.2g}, {NO_SAG}")
    found.put("sag_depol", relaxed)
    return found.put("sag_peak_t_depol", t[peak] - steps.start)


def _suprathreshold(steps: _Steps, found: Measured, as_published: bool) -> None:
    """Rheobase, hero sweep, f-I curve and action potentials."""
    spiking = steps.spiking
    if not len(spiking):
        return found.lose(_FIRING, "no action potential in any step")
    found.put("maximal_firing_rate", spiking["avg_rate"].max(), sweeps=len(spiking))
    found.scalars["maximal_firing_rate"] = found.features["maximal_firing_rate"]
    for name in ("adapt", "isi_cv", "isi_norm_sq_var"):
        values = _trains(steps, name)
        several = int(np.isfinite(values).sum())
        why = "no step with " + ("three" if name != "isi_cv" else "two") + " action potentials or more"
        found.put(f"{name}_mean", np.nanmean(values) if several else np.nan, why, several)
        found.put(f"{name}_max", np.nanmax(values) if several else np.nan, why, several)
    _fi_curve(steps, found, as_published)
    by_size = spiking.sort_values("stim_amp")
    up = by_size[by_size["stim_amp"] > 0]
    if not len(up):
        return found.lose([n for n in _FIRING if n not in found.features],
                          "action potentials without a step or in downward steps only: no rheobase")
    rheobase = up.iloc[0]
    hero = _hero(float(rheobase["stim_amp"]), spiking)
    _check_rheobase(steps, float(rheobase["stim_amp"]), found)
    _rheobase(steps, rheobase, found)
    _hero_features(steps, hero, found)
    return _ratios(steps, up, found)


def _trains(steps: _Steps, name: str) -> np.ndarray:
    """One value for each spiking sweep."""
    if name != "isi_norm_sq_var":
        return steps.spiking[name].to_numpy(float)
    return np.array([spike_train_features.norm_sq_diff(np.diff(steps.times(k))) for k in steps.spiking.index])


def _fi_curve(steps: _Steps, found: Measured, as_published: bool) -> None:
    spiking = steps.spiking
    strongest = spiking.loc[spiking["avg_rate"].idxmax()]
    blocked = spiking[(spiking["stim_amp"] > strongest["stim_amp"])
                      & (spiking["avg_rate"] < BLOCK * strongest["avg_rate"])]
    fitted = spiking
    if len(blocked):
        above = float(blocked["stim_amp"].min())
        if as_published:
            said = "the f-I slope is fitted through it all the same, as in the published tables"
        else:
            fitted, said = spiking[spiking["stim_amp"] < above], "the f-I slope is fitted below"
        found.notes.append(("depolarisation_block", f"found that the rate falls from {strongest['avg_rate']:.3g} to "
                            f"{blocked['avg_rate'].min():.3g} Hz from {above:g} pA on (depolarisation block); {said}"))
    if fitted["stim_amp"].round(2).nunique() < 2:
        n = len(fitted)
        why = f"action potentials in {n} sweep{'s' if n > 1 else ''} of one step height only: no slope"
        slope = np.nan
    else:
        slope, why = spike_train_features.fit_fi_slope(
            fitted["stim_amp"].to_numpy(), fitted["avg_rate"].to_numpy()), ""
    found.put("fi_fit_slope", slope, why, len(fitted))
    found.scalars["f_i_curve_slope"] = slope


def _check_rheobase(steps: _Steps, rheobase_pa: float, found: Measured) -> None:
    """Say where the smallest step that fires is one by chance, or far from the last that does not."""
    silent, most = steps.silent["stim_amp"], float(steps.spiking["stim_amp"].max())
    larger = silent[(silent > rheobase_pa) & (silent < most)]
    below = silent[silent < rheobase_pa].max()
    if len(larger) >= STRAY_STEPS:
        found.notes.append(("rheobase_stray", f"found action potentials at {rheobase_pa:g} pA and none in "
                            f"{len(larger)} larger steps, up to {larger.max():g} pA; rheobase and what is read from "
                            "its sweep may be those of a stray action potential"))
    elif not rheobase_pa - below <= COARSE_PA and not steps.before:
        said = f"the last silent step is {below:g} pA" if np.isfinite(below) else "no smaller step is silent"
        found.notes.append(("rheobase_coarse", f"found that the smallest step up with action potentials is "
                            f"{rheobase_pa:g} pA and {said}; rheobase may be less"))


def _hero(rheobase_pa: float, spiking: pd.DataFrame) -> pd.Series:
    """The spiking sweep 39 to 61 pA above rheobase, or else the one nearest to 39 pA above."""
    low, high = (rheobase_pa + away for away in HERO_PA)
    ordered = spiking.sort_values("stim_amp")
    inside = ordered[(ordered["stim_amp"] > low) & (ordered["stim_amp"] < high)]
    return inside.iloc[0] if len(inside) else ordered.loc[(low - ordered["stim_amp"]).abs().idxmin()]


def _rheobase(steps: _Steps, row: pd.Series, found: Measured) -> None:
    spikes, sweep = steps.spikes[row.name], steps.sweeps[row.name]
    first = spikes.iloc[0].to_dict() | {"width_suprathresh": width_suprathreshold(sweep.t, sweep.v, spikes.iloc[0])}
    found.scalars["rheobase_sweep_num"] = float(steps.numbers[row.name])
    found.scalars |= {f"{name}_long_square": first[name] for name in _SPIKE} | {"rheo_width": first["width"]}
    found.put("rheobase_i", first["threshold_i"])
    found.put("latency_rheo", first["threshold_t"] - 0.5)
    found.put("avg_rate_rheo", row["avg_rate"])
    one = "one action potential only in the rheobase sweep: no interval"
    found.put("mean_isi_rheo", row["mean_isi"], one)
    found.put("first_isi_inv_rheo", 1 / row["first_isi"] if row["first_isi"] > 0 else np.nan, one)
    found.put("fast_trough_v_last_rheo", spikes.iloc[-1]["fast_trough_v"],
              "the last action potential is cut off by the end of the step")
    _spike(first, "rheo", found)


def _hero_features(steps: _Steps, row: pd.Series, found: Measured) -> None:
    spikes, sweep = steps.spikes[row.name], steps.sweeps[row.name]
    found.scalars |= {
        "thumbnail_sweep_num": float(steps.numbers[row.name]), "adaptation": row["adapt"],
        "latency": row["latency"], "avg_isi": row["mean_isi"] * 1e3,
    } | {f"hero_{name}": row[name] for name in ("avg_rate", "first_isi", "isi_cv", "median_isi", "stim_amp")}
    one = f"one action potential only in the hero sweep ({row['stim_amp']:g} pA): no interval"
    two = f"{len(spikes)} action potentials only in the hero sweep ({row['stim_amp']:g} pA): no adaptation"
    found.put("adapt_hero", row["adapt"], two if len(spikes) > 1 else one.replace("interval", "adaptation"))
    found.put("isi_norm_sq_var_hero", spike_train_features.norm_sq_diff(np.diff(steps.times(row.name))), two)
    found.put("mean_isi_hero", found.scalars["avg_isi"] / 1000, one)
    found.put("latency_hero", row["latency"])
    found.put("avg_rate_hero", row["avg_rate"])
    found.put("stim_amp_hero", row["stim_amp"])
    found.put("isi_cv_hero", row["isi_cv"], one)
    found.put("median_isi_hero", row["median_isi"], one)
    found.put("first_isi_inv_hero", 1 / row["first_isi"] if row["first_isi"] > 0 else np.nan, one)
    found.put("ahp_delay_ratio_hero", _ahp_delay(spikes), one)
    first = spikes.iloc[0].to_dict() | {"width_suprathresh": width_suprathreshold(sweep.t, sweep.v, spikes.iloc[0])}
    _spike(first, "hero", found)


def _ahp_delay(spikes: pd.DataFrame) -> float:
    """Time from the last but one peak to its trough, as a fraction of the interval to the last peak."""
    if len(spikes) < 2:
        return np.nan
    before, last = spikes.iloc[-2], spikes.iloc[-1]
    return (before["trough_t"] - before["peak_t"]) / (last["peak_t"] - before["peak_t"])


def _ratios(steps: _Steps, up: pd.DataFrame, found: Measured) -> None:
    """The fourth action potential divided by the first, in the smallest step up with five."""
    lost = (*_of("_adapt_ratio"), "ahp_delay_ratio_5spike")
    enough = up[up["spikes"] >= ADAPT_SPIKES]
    if not len(enough):
        most = int(up["spikes"].max())
        return found.lose(lost, f"at most {most} action potential{'s' if most > 1 else ''} in a step, expected "
                          f"{ADAPT_SPIKES}")
    spikes = steps.spikes[enough.iloc[0].name]
    first, fourth = spikes.iloc[0], spikes.iloc[3]
    for name in ("width", "upstroke", "downstroke", "peak_v", "threshold_v", "fast_trough_v"):
        found.put(f"{name}_adapt_ratio", fourth[name] / first[name] if first[name] else np.nan)
    intervals = np.diff(spikes["peak_t"].to_numpy())
    found.put("isi_adapt_ratio", intervals[3] / intervals[0])
    return found.put("ahp_delay_ratio_5spike", _ahp_delay(spikes))


def _spike(spike: Mapping[str, float], ending: str, found: Measured, sweeps: int = 0) -> None:
    """Shape of an action potential, under the names that end so."""
    threshold = spike["threshold_v"]
    values = {name: spike[name] for name in (
        "upstroke_downstroke_ratio", "threshold_v", "width", "width_suprathresh", "upstroke", "downstroke")}
    values |= {f"{name}_deltav": spike[f"{name}_v"] - threshold
               for name in ("peak", "fast_trough", "trough", "slow_trough")}
    values["trough_slowdeltav"] = spike["trough_v"] - spike["fast_trough_v"]
    values["threshold_to_peak_t"] = spike["peak_t"] - spike["threshold_t"]
    values |= {f"peak_to_{name}_t": spike[f"{name}_t"] - spike["peak_t"]
               for name in ("fast_trough", "trough", "slow_trough")}
    for name, value in values.items():
        why = ("no slow trough after the action potential" if "slow_trough" in name
               else "the action potential is cut off before its trough")
        found.put(f"{name}_{ending}", value, why, sweeps)


# --- ramps and short squares -----------------------------------------------------------------------------

def _mean(spikes: list[pd.Series], name: str) -> float:
    """Mean over first spikes, as ipfx takes it."""
    values = [spike[name] for spike in spikes]
    return np.nan if np.all(np.isnan(values)) else float(np.nanmean(values))


def _first_spikes(sweeps, extractor: SpikeExtractor, later_s: float) -> list[tuple[int, pd.Series, float]]:
    """Position, first spike and its width above threshold for each sweep whose stimulus evokes one.

    ``later_s``: time after the stimulus in which it may still do so.
    """
    out = []
    for k, sweep in enumerate(sweeps):
        spikes = extractor.process(sweep.t, sweep.v, sweep.i)
        if len(spikes):
            start, end = window(sweep)
            spikes = spikes[spikes["threshold_t"].astype(float).between(start, end + later_s)]
        if len(spikes):
            first = spikes.iloc[0].drop("isi_type").astype(float)
            out.append((k, first, width_suprathreshold(sweep.t, sweep.v, first)))
    return out


def _means(chosen: list[tuple[int, pd.Series, float]]) -> dict[str, float]:
    spikes = [spike for _, spike, _ in chosen]
    widths = [width for _, _, width in chosen]
    more = ("width", "upstroke", "downstroke")
    return {name: _mean(spikes, name) for name in (*_SPIKE, *more)} | {
        "width_suprathresh": np.nan if np.all(np.isnan(widths)) else float(np.nanmean(widths))}


def _ramps(prepared: Prepared, positions: list[int], found: Measured, as_published: bool) -> None:
    sweeps = prepared.sweep_set(positions)
    align(sweeps)
    start, _ = window(sweeps.sweeps[0])
    chosen = _first_spikes(sweeps.sweeps, SpikeExtractor(start=start), 0.0)
    if not chosen:
        return found.lose(_of("_ramp"), "no action potential in any ramp")
    mean = _means(chosen)
    found.scalars |= {f"{name}_ramp": mean[name] for name in _SPIKE}
    _spike(mean, "ramp", found, len(chosen))
    found.put("threshold_i_ramp", mean["threshold_i"], sweeps=len(chosen))
    return found.put("threshold_t_ramp", mean["threshold_t"], sweeps=len(chosen))


def _short_squares(prepared: Prepared, positions: list[int], found: Measured, as_published: bool) -> None:
    sweeps = prepared.sweep_set(positions)
    align(sweeps)
    start, _ = window(sweeps.sweeps[0])
    # A short strong pulse moves the membrane fast by itself; the cutoff is raised above that.
    try:
        slope, fraction = spike_features.estimate_adjusted_detection_parameters(
            sweeps.v, sweeps.t, start, start + 0.001)
    except Exception:  # noqa: BLE001 - ipfx raises any kind where nothing fires
        return found.lose(_of("_short_square"), "no action potential in any short square")
    extractor = SpikeExtractor(dv_cutoff=slope, thresh_frac=max(0.1, fraction))
    chosen = _first_spikes(sweeps.sweeps, extractor, EVOKED_S)
    trains = SpikeTrainFeatureExtractor(None, None)
    analysis = stimulus_protocol_analysis.ShortSquareAnalysis(extractor, trains)
    if not chosen:
        return found.lose(_of("_short_square"), "no action potential in any short square")
    sizes = {k: analysis.sptx.stim_amp_fn(s.t, s.i, max(0.0, float(s.t[0])))
             for k, s in ((k, sweeps.sweeps[k]) for k, _, _ in chosen)}
    amplitudes, counts = np.unique(list(sizes.values()), return_counts=True)
    common = float(amplitudes[np.argmax(counts)])  # of equally common ones the smallest
    mean, alike = _means(chosen), [c for c in chosen if sizes[c[0]] == common]
    found.scalars |= {f"{name}_short_square": mean[name] for name in _SPIKE} | {"threshold_i_short_square": common}
    _spike(mean, "short_square", found, len(chosen))
    # The human table has the means of these at the common height only.
    for name in ("width", "width_suprathresh", "upstroke", "downstroke"):
        found.put(f"{name}_short_square", _means(alike)[name], sweeps=len(alike))
    return found.put("threshold_i_short_square", common, sweeps=len(alike))


_SUBTHRESHOLD = ("v_baseline", "input_resistance", "tau", "sag", "vm_for_sag", "sag_peak_t", "sag_depol",
                 "sag_peak_t_depol")
_FIRING = tuple(name for name in names()
                if not name.endswith(("_ramp", "_short_square", "_chirp")) and name not in _SUBTHRESHOLD
                and name not in NEVER)
_LONG = (*_SUBTHRESHOLD, *_FIRING)
#: Columns of the published mouse table that come from long squares: of the membrane, and of firing.
_PASSIVE_SCALARS = ("ri", "tau", "sag", "vm_for_sag")
_FIRING_SCALARS = tuple(name for name in SCALARS if not name.endswith(("_ramp", "_short_square"))
                        and name not in ("vrest", *_PASSIVE_SCALARS))
#: How the names of features begin that are read from single samples of an action potential.
_SHAPE = ("upstroke", "downstroke", "threshold_v", "threshold_to", "width", "peak_", "fast_trough", "trough",
          "slow_trough", "ahp_delay")
