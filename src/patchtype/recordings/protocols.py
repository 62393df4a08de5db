"""The sweeps of one recording, ready for analysis: read once, at 50 kHz, checked by ipfx's sweep rules."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from ipfx import epochs, qc_feature_evaluator, qc_feature_extractor, qc_features
from ipfx.dataset.ephys_data_set import EphysDataSet
from ipfx.epochs import get_stim_epoch
from ipfx.sweep import Sweep, SweepSet
from scipy.signal import resample_poly

from patchtype.recordings.nwb import CURRENT_CLAMP, Recording, RecordingError

RATE = 50_000.0  # Hz, the rate at which the families are defined
LOWEST_RATE = 25_000.0  # Hz, twice the 10 kHz that ipfx's filter lets through, and a margin
RATE_TOLERANCE = 1e-4  # relative; acquisition clocks are this good


def resample(stimulus: np.ndarray, response: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """A sweep at 50 kHz.

    Parameters: command (pA) and response (mV), 1-d, equal length; ``rate`` (Hz) at which they were sampled.
    The response is interpolated by a polyphase filter; a tail of NaN stays NaN. The command is held between
    samples, for ipfx finds the step at the exact sample where the command changes.

    >>> i, v = resample(np.zeros(100), np.full(100, -70.0), 25_000)
    >>> len(i), len(v), bool(np.allclose(v, -70))
    (200, 200, True)
    """
    ratio = Fraction(RATE / rate).limit_denominator(1000)
    up, down = ratio.numerator, ratio.denominator
    n = len(stimulus) * up // down
    held = stimulus[np.minimum(np.arange(n) * down // up, len(stimulus) - 1)]
    finite = np.flatnonzero(~np.isnan(response))
    end = finite[-1] + 1 if finite.size else 0
    out = np.full(n, np.nan, dtype=response.dtype)
    if end:
        # The default window leaves a ripple of 0.1 % between phases, which the derivative makes into 4 mV/ms.
        head = resample_poly(response[:end], up, down, padtype="line", window=("kaiser", 14.0))[:n]
        out[: len(head)] = head
    return held, out


def epochs_of(stimulus: np.ndarray, response: np.ndarray, rate: float) -> dict[str, tuple[int, int] | None]:
    """Test, sweep, recording, stimulus and experiment epochs of one sweep, as (first, last) sample.

    Equal to what `ipfx.sweep.Sweep.detect_epochs` finds, from one search for edges of the command.
    """
    edges = np.flatnonzero(np.diff(stimulus))
    test = None
    if len(edges) and edges[0] < epochs.TEST_PULSE_MAX_TIME * rate:
        if len(edges) == 1:
            raise RecordingError("test_pulse_open", "found a test pulse that starts and never ends, expected two edges")
        test = 0, int(edges[1] + 1 + edges[0])
    nan = np.isnan(response)
    last = len(response) - 1 - int(np.argmin(nan[::-1])) if len(response) and not nan.all() else 0
    inside = edges[edges < last][2 if test else 0:]
    stim = experiment = None
    if len(inside) >= 2:
        stim = int(inside[0] + 1), int(inside[-1])
        before, after = (int(s * rate) for s in (epochs.PRESTIM_STABILITY_EPOCH, epochs.POSTSTIM_STABILITY_EPOCH))
        experiment = stim[0] - before, stim[1] + after
    return {"test": test, "sweep": (0, len(stimulus) - 1), "recording": (0, last), "stim": stim,
            "experiment": experiment}


class Dataset(EphysDataSet):
    """`EphysDataSet` whose sweeps are read, resampled and divided into epochs once.

    Parameters: ``recording``, a `Recording` or any other ipfx data interface.
    """

    def __init__(self, recording):
        super().__init__(data=recording)
        self._sweeps: dict[int, Sweep] = {}
        self._times: dict[tuple[int, float], np.ndarray] = {}

    def limit(self, rows: pd.DataFrame) -> None:
        """Go on with these rows of the sweep table only."""
        self.sweep_info = rows.to_dict("records")
        if not len(rows):
            self._sweep_table = rows  # ipfx takes an empty choice for no choice and would keep every sweep

    def get_sweep_data(self, sweep_number: int) -> dict:
        """Stimulus (pA) and response (mV) at 50 kHz; zeros at the end of the response become NaN."""
        data = dict(self._data.get_sweep_data(sweep_number))
        stimulus, response, rate = data["stimulus"], data["response"], data["sampling_rate"]
        if len(stimulus) != len(response):
            raise RecordingError(
                "length_mismatch",
                f"found {len(response)} samples of response and {len(stimulus)} of stimulus in sweep {sweep_number}, "
                "expected as many of both",
            )
        if len(response) and response[-1] == 0 and response.any():
            response = response.copy()
            response[np.flatnonzero(response)[-1] + 1:] = np.nan
        if abs(rate / RATE - 1) > RATE_TOLERANCE:
            if rate < LOWEST_RATE * (1 - RATE_TOLERANCE):
                raise RecordingError("sampling_rate_low", low_rate(sweep_number, rate))
            stimulus, response = resample(stimulus, response, rate)
            data["sampling_rate"] = RATE
        return data | {"stimulus": stimulus, "response": response}

    def sweep(self, sweep_number: int) -> Sweep:
        """A sweep of its own to align and select in; the arrays behind it are shared and never changed."""
        if sweep_number not in self._sweeps:
            data = self.get_sweep_data(sweep_number)
            voltage, current, rate = data["response"], data["stimulus"], data["sampling_rate"]
            shape = len(current), rate
            if shape not in self._times:
                self._times[shape] = np.arange(shape[0]) / rate
            self._sweeps[sweep_number] = Sweep(
                t=self._times[shape], v=voltage, i=current, clamp_mode=CURRENT_CLAMP, sampling_rate=rate,
                sweep_number=sweep_number, epochs=epochs_of(current, voltage, rate),
            )
        kept = self._sweeps[sweep_number]
        return Sweep(
            t=kept._t, v=kept._v, i=kept._i, clamp_mode=kept.clamp_mode, sampling_rate=kept.sampling_rate,
            sweep_number=sweep_number, epochs=dict(kept.epochs),
        )


def low_rate(sweep_number: int, rate: float) -> str:
    """The sentence that refuses a sampling rate."""
    return (
        f"found sweep {sweep_number} sampled at {rate / 1e3:g} kHz, expected at least {LOWEST_RATE / 1e3:g} kHz; "
        "slower sampling loses the shape of the spike, leave the cell out"
    )


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
    """Largest command (pA) after the test pulse, with its sign; 0 where there is no stimulus."""
    if sweep.epochs["stim"] is None:
        return 0.0
    first, last = sweep.epochs["stim"]
    command = sweep.i[first:last + 1]
    high, low = command.max(initial=0), command.min(initial=0)
    return float(high if abs(high) > abs(low) else low)


def check_sweeps(dataset: Dataset) -> pd.DataFrame:
    """What ipfx's sweep rules say of every current-clamp sweep of the data set.

    Returns one row per sweep: its row of ipfx's sweep table, ``stimulus_amplitude`` (pA), noise (mV),
    ``tags`` (list: why the sweep cannot be used), ``passed`` (False where tagged or beyond a limit) and
    ``fails`` (list: which limits it exceeds).
    """
    names, rows = dataset.ontology, []
    table = dataset.sweep_table
    if len(table):
        table = dataset.filtered_sweep_table(clamp_mode=CURRENT_CLAMP, stimuli_exclude=["Test", "Search"])
    criteria = qc_feature_evaluator.load_default_qc_criteria()
    for row in table.to_dict("records"):
        sweep = dataset.sweep(row["sweep_number"])
        is_ramp = row["stimulus_name"] in names.ramp_names
        tags = qc_feature_extractor.check_sweep_integrity(sweep, is_ramp)
        row |= {"stimulus_amplitude": amplitude(sweep), "tags": tags, "fails": []}
        if not tags:
            row |= sweep_noise(sweep, is_ramp)
            row["fails"] = qc_feature_evaluator.qc_current_clamp_sweep(row, is_ramp, criteria)
        rows.append(row | {"passed": not tags and not row["fails"]})
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["sweep_number", "tags", "passed", "fails"])


@dataclass
class Protocol:
    """The sweeps of one stimulus protocol and its stimulus window (s)."""

    sweeps: SweepSet
    numbers: list[int]
    start: float
    end: float


def usable(dataset: Dataset, checked: pd.DataFrame, drop_failed: bool = False) -> None:
    """Limit the data set to sweeps without tags, and with ``drop_failed`` to those within all limits.

    ipfx's own `drop_failed_sweeps` does the first only, in spite of its name.
    """
    keep = checked["passed"] if drop_failed else checked["tags"].map(len) == 0
    dataset.limit(checked[keep.astype(bool)])


def numbers_of(dataset: Dataset, names) -> list[int]:
    """Numbers of the current-clamp sweeps with one of the stimulus names, ascending."""
    if not len(dataset.sweep_table):
        return []
    table = dataset.filtered_sweep_table(clamp_mode=CURRENT_CLAMP, stimuli=names)
    return sorted(int(n) for n in table["sweep_number"])


def aligned(dataset: Dataset, names) -> Protocol | None:
    """A protocol with time zero at the start of the experiment epoch, as the paper prepares it.

    The window is that of the first sweep, and its end is the last sample of the step: one sample less than
    the step lasts. None without sweeps.
    """
    numbers = numbers_of(dataset, names)
    if not numbers:
        return None
    sweeps = dataset.sweep_set(numbers)
    sweeps.select_epoch("recording")
    sweeps.align_to_start_of_epoch("experiment")
    first = sweeps.sweeps[0]
    start, end = get_stim_epoch(first.i)
    return Protocol(sweeps, numbers, float(first.t[start]), float(first.t[end]))


def open_dataset(source, needed_only: bool = True) -> tuple[Recording, Dataset]:
    """A recording and its data set. Close the recording after use."""
    recording = Recording(source, needed_only=needed_only)
    return recording, Dataset(recording)
