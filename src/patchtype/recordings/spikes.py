"""Spike detection by IPFX, without the work that cannot change its result."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame

from patchtype.recordings.ipfx import SpikeFeatureExtractor, spike_detector, spike_features, time_series_utils
from patchtype.recordings.numerics import bessel, filtfilt, find_peaks

SLOW_CUTOFF = 5.0  # mV/ms, where ipfx asks for 20; only for peaks that would be lost
PROMINENCE_MV = 20.0  # of a peak that nobody would call noise


def slope(v: np.ndarray, t: np.ndarray, cutoff: float | None) -> np.ndarray:
    """Rate of change (mV/ms) of a potential, low-pass filtered.

    Parameters: ``v`` (mV) and ``t`` (s), 1-d; ``cutoff`` (kHz) of the four-pole Bessel filter, None for none.
    Equal to ipfx's `calculate_dvdt` for evenly sampled sweeps; others are left to it.

    >>> t = np.arange(1000) / 50_000
    >>> round(float(slope(2000 * t, t, 10.0)[500]), 6)
    2.0
    """
    dt = np.diff(t)
    if not cutoff or not len(dt) or dt.min() <= 0 or np.ptp(dt) > 1e-6 * dt[0]:
        return time_series_utils.calculate_dvdt(v, t, cutoff)
    of_nyquist = (cutoff * 1e3) / (1.0 / (t[1] - t[0]) / 2.0)
    if of_nyquist >= 1:
        return time_series_utils.calculate_dvdt(v, t, cutoff)
    b, a = bessel(4, of_nyquist)
    return 1e-3 * np.diff(filtfilt(b, a, v)) / dt


class SpikeExtractor(SpikeFeatureExtractor):
    """`SpikeFeatureExtractor` with equal results in less time.

    A sweep that stays below ``min_peak`` cannot hold a spike, so it is not filtered. The table of spikes is
    built at once instead of column by column.

    >>> t = np.arange(5000) / 50_000
    >>> len(SpikeExtractor(start=0.02, end=0.08).process(t, np.full(5000, -70.0), np.zeros(5000)))
    0
    """

    @classmethod
    def like(cls, extractor: SpikeFeatureExtractor) -> SpikeExtractor:
        """The same settings as an extractor that ipfx configured."""
        return cls(**vars(extractor))

    def process(self, t: np.ndarray, v: np.ndarray, i: np.ndarray | None) -> DataFrame:
        """Spikes of one sweep, one row each.

        Parameters: ``t`` (s), ``v`` (mV) and ``i`` (pA or None), 1-d arrays of equal length.
        Returns a table with the columns of ipfx; an empty one when there is no spike.
        """
        if v.size and v.max() < self.min_peak:
            return DataFrame()
        dvdt = slope(v, t, self.filter)
        found = self._detect(t, v, dvdt)
        if found is None:
            return DataFrame()
        thresholds, peaks, upstrokes, clipped = found
        upstrokes = spike_detector.find_upstroke_indexes(v, t, thresholds, peaks, self.filter, dvdt)
        troughs = spike_detector.find_trough_indexes(v, t, thresholds, peaks, clipped, self.end)
        downstrokes = spike_detector.find_downstroke_indexes(v, t, peaks, troughs, clipped, dvdt=dvdt)
        details, clipped = spike_features.analyze_trough_details(
            v, t, thresholds, peaks, clipped, self.end, dvdt=dvdt
        )
        isi_types, fast_troughs, adps, slow_troughs = details
        widths = spike_features.find_widths(v, t, thresholds, peaks, fast_troughs, clipped)

        traces = {"_t": t, "_v": v} if i is None else {"_t": t, "_v": v, "_i": i}
        rates = {"_t": t, "_v": v, "": dvdt}
        columns: dict[str, np.ndarray] = {}
        columns |= sampled("threshold", thresholds, traces) | {"clipped": clipped}
        columns |= sampled("peak", peaks, traces) | sampled("trough", troughs, traces)
        columns |= sampled("upstroke", upstrokes, rates) | sampled("downstroke", downstrokes, rates)
        columns["isi_type"] = isi_types
        columns |= sampled("fast_trough", fast_troughs, traces)
        columns |= sampled("adp", adps, traces) | sampled("slow_trough", slow_troughs, traces)
        columns["width"] = widths
        columns["upstroke_downstroke_ratio"] = columns["upstroke"] / -columns["downstroke"]
        return DataFrame(columns)

    def _detect(self, t, v, dvdt):
        """Thresholds, peaks and upstrokes (indexes) and whether each spike is cut off; None without spikes."""
        starts = spike_detector.detect_putative_spikes(v, t, self.start, self.end, dv_cutoff=self.dv_cutoff, dvdt=dvdt)
        peaks = spike_detector.find_peak_indexes(v, t, starts, self.end)
        starts, peaks = spike_detector.filter_putative_spikes(
            v, t, starts, peaks, self.min_height, self.min_peak, dvdt=dvdt
        )
        if not starts.size:
            return None
        upstrokes = spike_detector.find_upstroke_indexes(v, t, starts, peaks, dvdt=dvdt)
        thresholds = spike_detector.refine_threshold_indexes(v, t, upstrokes, self.thresh_frac, dvdt=dvdt)
        found = spike_detector.check_thresholds_and_peaks(
            v, t, thresholds, peaks, upstrokes, self.start, self.end, self.max_interval, dvdt=dvdt,
            reject_at_stim_start_interval=self.reject_at_stim_start_interval,
        )
        return found if found[0].size else None


def sampled(name: str, indexes: np.ndarray, traces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns ``name_index`` and ``name`` + suffix: each trace at the indexes, NaN where the index is NaN."""
    indexes = np.asarray(indexes, dtype=float)
    valid = ~np.isnan(indexes)
    at = indexes[valid].astype(int)
    columns = {f"{name}_index": indexes}
    for suffix, trace in traces.items():
        values = np.full(len(indexes), np.nan)
        values[valid] = trace[at]
        columns[name + suffix] = values
    return columns


def peaks(t: np.ndarray, v: np.ndarray, start: float, end: float, min_peak: float = -30.0) -> int:
    """Number of peaks between two times that stand out by 20 mV, whatever their slope.

    Parameters: ``t`` (s), ``v`` (mV), 1-d; ``min_peak`` (mV), the least height that ipfx takes for a spike.

    >>> t = np.arange(1000) / 1000
    >>> peaks(t, -60 + 70 * (np.sin(2 * np.pi * 5 * t) > 0.9), 0.0, 1.0)
    5
    """
    inside = v[np.searchsorted(t, start):np.searchsorted(t, end)]
    if not len(inside) or np.nanmax(inside) < min_peak:
        return 0
    apart = max(round(0.001 / (t[1] - t[0])), 1)  # two peaks of one noisy spike are one
    return len(find_peaks(inside, min_peak, PROMINENCE_MV, apart))


def with_slow(extractor: SpikeExtractor, t: np.ndarray, v: np.ndarray, i: np.ndarray, count: bool = True
              ) -> tuple[DataFrame, int]:
    """Spikes of one sweep, those that rise slower than ipfx's cutoff among them, and how many peaks are none.

    A sweep is searched again with a lower cutoff where peaks outnumber spikes, and the result kept if it has more
    spikes, but not more than peaks. Without ``count`` it is not searched again.
    """
    found = extractor.process(t, v, i)
    number = peaks(t, v, extractor.start, extractor.end, extractor.min_peak)
    if number <= len(found) or not count:
        return found, max(number - len(found), 0)
    again = SpikeExtractor.like(extractor)
    again.dv_cutoff = SLOW_CUTOFF
    slow = again.process(t, v, i)
    if len(found) < len(slow) <= number:
        return slow, number - len(slow)
    return found, number - len(found)


def width_suprathreshold(t: np.ndarray, v: np.ndarray, spike) -> float:
    """Width (s) of a spike half way between its threshold and its peak.

    Parameters: ``t`` (s), ``v`` (mV), 1-d; ``spike``, a row of `SpikeExtractor.process`. NaN where the potential does
    not come back before the next trough.
    """
    peak, threshold = int(spike["peak_index"]), int(spike["threshold_index"])
    trough = spike["fast_trough_index"] if np.isfinite(spike["fast_trough_index"]) else spike["trough_index"]
    if not np.isfinite(trough):
        return np.nan
    half = (spike["peak_v"] + spike["threshold_v"]) / 2
    up = np.flatnonzero(v[peak:threshold:-1] <= half)
    down = np.flatnonzero(v[peak:int(trough)] <= half)
    return float(t[peak + down[0]] - t[peak - up[0]]) if up.size and down.size else np.nan
