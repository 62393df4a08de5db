"""The sweeps of one recording, ready for analysis: their protocol known, at 50 kHz, checked by ipfx's sweep rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd

from patchtype.recordings.commands import KINDS, Protocol, Step, recognise
from patchtype.recordings.ipfx import (
    Sweep,
    SweepSet,
    epochs,
    qc_feature_evaluator,
    qc_feature_extractor,
    qc_features,
)
from patchtype.recordings.recording import Recording

RATE = 50_000.0  # Hz, the rate at which the families are defined
LOWEST_RATE = 25_000.0  # Hz, twice the 10 kHz that ipfx's filter lets through, and a margin
RATE_TOLERANCE = 1e-4  # relative; acquisition clocks are this good
BASELINE_S = 0.1  # s before the step in which the resting potential is measured
AFTER_S = 0.6  # s after the step that are kept where a sweep is resampled; the families need 0.5


def resample(command: np.ndarray, response: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """A sweep at 50 kHz.

    Parameters: command (pA) and response (mV), 1-d, equal length; ``rate`` (Hz) at which they were sampled.
    The response is interpolated by a polyphase filter; a tail of NaN stays NaN. The command is held between
    samples, for a step begins at the exact sample where the command changes.

    >>> i, v = resample(np.zeros(100), np.full(100, -70.0), 25_000)
    >>> len(i), len(v), bool(np.allclose(v, -70))
    (200, 200, True)
    """
    from scipy.signal import resample_poly

    up, down = _ratio(rate)
    n = len(command) * up // down
    held = command[np.minimum(np.arange(n) * down // up, len(command) - 1)]
    finite = np.flatnonzero(~np.isnan(response))
    end = finite[-1] + 1 if finite.size else 0
    out = np.full(n, np.nan, dtype=response.dtype)
    if end:
        # The default window leaves a ripple of 0.1 % between phases, which the derivative makes into 4 mV/ms.
        head = resample_poly(response[:end], up, down, padtype="line", window=("kaiser", 14.0))[:n]
        out[: len(head)] = head
    return held, out


def _ratio(rate: float) -> tuple[int, int]:
    ratio = Fraction(RATE / rate).limit_denominator(1000)
    return ratio.numerator, ratio.denominator


def is_slow(rate: float) -> bool:
    """Whether a rate (Hz) is too low for the families; single features come from the interpolated sweep all the same.

    >>> is_slow(20_000.0), is_slow(25_000.0)
    (True, False)
    """
    return rate < LOWEST_RATE * (1 - RATE_TOLERANCE)


def epochs_of(step: Step, test_pulse: tuple[float, float, float] | None, response: np.ndarray, rate: float,
              onset: int | None = None, end: int | None = None) -> dict[str, tuple[int, int] | None]:
    """Test, sweep, recording, stimulus and experiment epochs of one sweep, as (first, last) sample.

    Equal to what `ipfx.sweep.Sweep.detect_epochs` finds where the command is a test pulse and one stimulus.
    ``onset`` and ``end``: samples of the stimulus, if the sweep was resampled.
    """
    test = stim = experiment = None
    if test_pulse:
        test = 0, round(test_pulse[0] * rate) + round(test_pulse[1] * rate) - 1
    nan = np.isnan(response)
    last = len(response) - 1 - int(np.argmin(nan[::-1])) if len(response) and not nan.all() else 0
    if step.kind != "unknown" and step.end_s > step.onset_s:
        onset = round(step.onset_s * rate) if onset is None else onset
        end = round(step.end_s * rate) if end is None else end
        stim = onset, end - 1
        before, after = (int(s * rate) for s in (epochs.PRESTIM_STABILITY_EPOCH, epochs.POSTSTIM_STABILITY_EPOCH))
        experiment = stim[0] - before, stim[1] + after
    return {"test": test, "sweep": (0, len(response) - 1), "recording": (0, last), "stim": stim,
            "experiment": experiment}


class Prepared:
    """The sweeps of a recording as ipfx analyses them, each read, resampled and divided into epochs once.

    Sweeps are named by their position in the recording. The command of each is without its holding level. ``other``
    has the second family of long squares, where there is one.

    >>> from patchtype.recordings.recording import Sweep as Raw
    >>> command = np.r_[np.zeros(5000), np.full(10_000, -50.0), np.zeros(5000)]
    >>> raw = Raw(0, "sweep 0", 20_000.0, 20_000, lambda: (np.full(20_000, -70.0), command - 30))
    >>> ready = Prepared(Recording("a", [raw]))
    >>> ready.of("long_square"), float(ready.sweep(0).i.min()), ready.protocol.steps[0].holding_pa
    ([0], -50.0, -30.0)
    """

    def __init__(self, recording: Recording, protocol: Protocol | Mapping[str, str] | None = None):
        self.recording = recording
        self.protocol = protocol if isinstance(protocol, Protocol) else recognise(recording, protocol)
        self.left_out: set[int] = set()
        self.other = None if self.protocol.other is None else Prepared(recording, self.protocol.other)
        self._sweeps: dict[int, Sweep] = {}
        self._times: dict[tuple[int, float], np.ndarray] = {}

    def of(self, kind: str) -> list[int]:
        """Positions of the sweeps of one kind, but for those in ``left_out``."""
        return [k for k in self.protocol.of(kind) if k not in self.left_out]

    def only(self, keep: Iterable[int]) -> Prepared:
        """The same with these sweeps only; nothing is read again."""
        other = Prepared(self.recording, self.protocol)
        other.left_out = set(range(len(self.recording.sweeps))) - set(keep)
        other.other, other._sweeps, other._times = self.other, self._sweeps, self._times
        return other

    def number(self, k: int) -> int:
        """The file's own number of a sweep."""
        return self.recording.sweeps[k].number

    @property
    def baseline_s(self) -> float:
        """Time before a step over which the baseline is measured (s): 0.1, or what is constant."""
        return min(BASELINE_S, self.protocol.quiet_s)

    def used(self, k: int) -> slice:
        """The samples of a sweep as recorded that the analysis uses: from the baseline to the end of the stimulus."""
        step, raw = self.protocol.steps[k], self.recording.sweeps[k]
        before = self.baseline_s if step.kind == "long_square" else 0.01
        return slice(max(round((step.onset_s - before) * raw.rate), 0), round(step.end_s * raw.rate))

    def sweep(self, k: int) -> Sweep:
        """A sweep of its own to align and select in; the arrays behind it are shared and never changed."""
        if k not in self._sweeps:
            self._sweeps[k] = self._made(k)
        kept = self._sweeps[k]
        return Sweep(t=kept._t, v=kept._v, i=kept._i, clamp_mode=kept.clamp_mode, sampling_rate=kept.sampling_rate,
                     sweep_number=kept.sweep_number, epochs=dict(kept.epochs))

    def _made(self, k: int) -> Sweep:
        raw, step = self.recording.sweeps[k], self.protocol.steps[k]
        v, i, rate = _whole(raw.v_mv, self.used(k)), self._command(k), raw.rate
        onset, end = round(step.onset_s * rate), round(step.end_s * rate)
        if abs(rate / RATE - 1) > RATE_TOLERANCE:
            enough = end + round(AFTER_S * rate) if step.kind == "long_square" else len(v)
            i, v = resample(i[:enough], v[:enough], rate)
            up, down = _ratio(rate)
            onset, end, rate = -(-onset * up // down), -(-end * up // down), RATE
        shape = len(i), rate
        if shape not in self._times:
            self._times[shape] = np.arange(shape[0]) / rate
        return Sweep(t=self._times[shape], v=v, i=i, clamp_mode="CurrentClamp", sampling_rate=rate,
                     sweep_number=raw.number,
                     epochs=epochs_of(step, self.protocol.test_pulse, v, rate, onset, end))

    def _command(self, k: int) -> np.ndarray:
        """Command (pA) from the holding level on."""
        raw, step = self.recording.sweeps[k], self.protocol.steps[k]
        i = raw.i_pa
        if raw.number in self.protocol.noisy:
            i = np.zeros(len(i))
            i[round(step.onset_s * raw.rate):round(step.end_s * raw.rate)] = round(step.amplitude_pa, 1)
            return i
        missing = np.isnan(i)
        if missing.any():
            i = np.where(missing, step.holding_pa, i)
        return np.round(i - step.holding_pa, 6) if step.holding_pa else i

    def sweep_set(self, positions: Iterable[int]) -> SweepSet:
        """Sweeps for ipfx."""
        return SweepSet([self.sweep(k) for k in positions])


def _whole(response: np.ndarray, used: slice) -> np.ndarray:
    """A response (mV) whose end is NaN where it was not recorded, and without gaps before the samples in use."""
    if not len(response):
        return response
    missing = np.isnan(response)
    tail = int(np.flatnonzero(response)[-1]) + 1 if response[-1] == 0 and response.any() else len(response)
    later = np.flatnonzero(missing[used.stop:tail])
    if later.size:
        tail = used.stop + int(later[0])
    if tail == len(response) and not missing.any():
        return response
    response = response.copy()
    response[tail:] = np.nan
    early = np.flatnonzero(missing[:used.start])
    if early.size:
        response[:early[-1] + 1] = response[early[-1] + 1]
    return response


def window(sweep: Sweep) -> tuple[float, float]:
    """Start and end (s) of a sweep's stimulus as ipfx reckons them: to the sample after the last."""
    first, last = sweep.epochs["stim"]
    start = float(sweep._t[first])
    return start, start + float(sweep._t[last] - sweep._t[first - 1])


def sweep_noise(sweep: Sweep, is_ramp: bool) -> dict[str, float | None]:
    """Baselines (mV) and their noise (mV rms) before and after the stimulus of one untagged sweep.

    Equal to ipfx's `current_clamp_sweep_qc_features`, from the epochs already known.
    """
    v, rate = sweep.v, sweep.sampling_rate
    recorded = sweep.epochs["recording"][1]
    onset = sweep.epochs["stim"][0]

    def measured(first: int, last: int) -> tuple[float, float]:
        return qc_features.measure_vm(v[first:last])

    _, before = measured(*epochs.get_first_noise_epoch(sweep.epochs["experiment"][0], rate))
    baseline, slow = measured(*epochs.get_first_stability_epoch(onset, rate))
    end = after = None
    if not is_ramp:
        end, _ = measured(*epochs.get_last_stability_epoch(recorded, rate))
        _, after = measured(*epochs.get_last_noise_epoch(recorded, rate))
    return {
        "pre_noise_rms_mv": before, "post_vm_mv": end, "post_noise_rms_mv": after, "pre_vm_mv": baseline,
        "slow_vm_mv": baseline, "slow_noise_rms_mv": slow, "vm_delta_mv": qc_features.measure_vm_delta(baseline, end),
    }


def amplitude(sweep: Sweep) -> float:
    """Largest command (pA) of the stimulus, with its sign; 0 where there is no stimulus."""
    if sweep.epochs["stim"] is None:
        return 0.0
    first, last = sweep.epochs["stim"]
    command = sweep.i[first:last + 1]
    high, low = command.max(initial=0), command.min(initial=0)
    return float(high if abs(high) > abs(low) else low)


def check_sweeps(prepared: Prepared) -> pd.DataFrame:
    """What ipfx's sweep rules say of every sweep with a stimulus.

    Returns one row per sweep: ``position`` in the recording, ``sweep_number``, ``kind``, ``stimulus_amplitude`` (pA),
    noise (mV), ``tags`` (list: why the sweep cannot be used for the families), ``passed`` (False where tagged or
    beyond a limit) and ``fails`` (list: which limits it exceeds).
    """
    rows, criteria = [], qc_feature_evaluator.load_default_qc_criteria()
    for k in sorted(k for kind in KINDS for k in prepared.of(kind)):
        sweep, kind = prepared.sweep(k), prepared.protocol.steps[k].kind
        tags = qc_feature_extractor.check_sweep_integrity(sweep, kind == "ramp")
        if sweep.epochs["experiment"] and sweep.epochs["experiment"][0] < 0:
            tags.append("Recording started after the experiment epoch")
        row = {"position": k, "sweep_number": sweep.sweep_number, "kind": kind, "stimulus_name": kind, "tags": tags,
               "fails": [], "stimulus_amplitude": amplitude(sweep)}
        if not tags:
            row |= sweep_noise(sweep, kind == "ramp")
            row["fails"] = qc_feature_evaluator.qc_current_clamp_sweep(row, kind == "ramp", criteria)
        rows.append(row | {"passed": not tags and not row["fails"]})
    return pd.DataFrame(rows) if rows else pd.DataFrame(
        columns=["position", "sweep_number", "kind", "tags", "passed", "fails"])


def align(sweeps: SweepSet) -> None:
    """Time zero at the start of each sweep's experiment epoch, as `SweepSet.align_to_start_of_epoch` has it.

    Sweeps that share their times share the new ones, too: to write these anew for each would cost as much as to
    look for spikes.
    """
    times: dict[tuple[int, int], np.ndarray] = {}
    for sweep in sweeps.sweeps:
        key = id(sweep._t), sweep.epochs["experiment"][0]
        if key not in times:
            times[key] = sweep._t - key[1] * (1.0 / sweep.sampling_rate)
        sweep._t = times[key]


@dataclass
class Window:
    """The sweeps of one kind, aligned, and their stimulus window (s)."""

    sweeps: SweepSet
    numbers: list[int]
    start: float
    end: float


def aligned(prepared: Prepared, kind: str) -> Window | None:
    """The sweeps of one kind with time zero at the start of the experiment epoch, as the paper prepares them.

    The window is that of the first sweep, and its end is the last sample of the step: one sample less than
    the step lasts. None without sweeps.
    """
    positions = prepared.of(kind)
    if not positions:
        return None
    sweeps = prepared.sweep_set(positions)
    align(sweeps)
    first = sweeps.sweeps[0]
    start, end = first.epochs["stim"]
    return Window(sweeps, [prepared.number(k) for k in positions], float(first.t[start]), float(first.t[end]))
