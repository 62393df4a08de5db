"""The twelve IPFX families of one cell, in two definitions, and its scalar features.

``paper`` follows what the paper's notebook effectively computes, its quirks included; ``official`` follows
ipfx's own script `run_feature_vector_extraction`. They differ in width and in content:

=====================  ======================================  ==========================================
what                   paper (2,005 values)                    official (3,737 values)
=====================  ======================================  ==========================================
first_ap_v, _dv        long-square rheobase only: 150, 149     short square, long square, ramp: 450, 447
spiking_*, inst_freq   rheobase, +40, +80 pA (within 5): 150   rheobase to +100 pA in steps of 20: 300
psth                   20 ms bins: 150                         50 ms bins: 120
step_subthresh         -30, -50, -90 pA: 417                   -90, -70, -50, -30, -10 pA (within 5): 700
subthresh_norm         nearest -110 pA: 139                    nearest -101 pA: 140
step's last sample     left out, so 139 bins of 10 ms          kept, 140 bins
failed sweeps          kept (only tagged sweeps go)            all sweeps long enough are kept
=====================  ======================================  ==========================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from patchtype.families import VECTOR_FAMILIES
from patchtype.recordings.ipfx import (
    FeatureError,
    SpikeTrainFeatureExtractor,
    StimulusType,
    SweepSet,
    detection_parameters,
    extractors_for_sweeps,
    feature_vectors,
    stimulus_protocol_analysis,
)
from patchtype.recordings.ipfx import time_series_utils as tsu
from patchtype.recordings.protocols import Prepared, Window, aligned, window
from patchtype.recordings.spikes import SpikeExtractor

#: Features of single spikes that are followed through a train: family → ipfx's column.
TRAINS = MappingProxyType({
    "spiking_threshold_v": "threshold_v", "spiking_peak_v": "peak_v", "spiking_width": "width",
    "spiking_fast_trough_v": "fast_trough_v", "spiking_upstroke_downstroke_ratio": "upstroke_downstroke_ratio",
})
PAPER_WIDTHS = MappingProxyType({family: width for family, (_, width) in VECTOR_FAMILIES.items()})
OFFICIAL_WIDTHS = MappingProxyType({
    "first_ap_v": 450, "first_ap_dv": 447, "isi_shape": 100, "inst_freq": 300, **dict.fromkeys(TRAINS, 300),
    "step_subthresh": 700, "subthresh_norm": 140, "psth": 120,
})
WIDTHS = MappingProxyType({"paper": PAPER_WIDTHS, "official": OFFICIAL_WIDTHS})
FAMILIES = tuple(PAPER_WIDTHS)

PAPER_STEPS, PAPER_LEVELS = (-30.0, -50.0, -90.0), (0, 40, 80)  # pA; pA above rheobase
OFFICIAL_STEPS, OFFICIAL_LEVELS = (-90, -70, -50, -30, -10), np.arange(0, 120, 20)
BIN = 0.01  # s, subthreshold families
MARGIN = 0.2  # s before and after the step in subthreshold families
SHORT_SQUARE_WINDOW = 0.001  # s in which a short square moves the membrane by itself


@dataclass
class Families:
    """Families that could be computed (name → 1-d float array) and, for the others, why not."""

    values: dict[str, np.ndarray] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def attempt(self, names: tuple[str, ...], compute: Callable[[], tuple | np.ndarray]) -> None:
        """Compute one family, or a few that come together; a failure of ipfx becomes the reason."""
        try:
            found = compute()
        except Exception as error:  # noqa: BLE001 - ipfx raises any kind; nothing may stop a batch
            self.lose(names, error)
        else:
            self.values |= zip(names, found if isinstance(found, tuple) else (found,), strict=True)

    def lose(self, names, why: Exception | str) -> None:
        """Write down why families are missing."""
        known = isinstance(why, str | FeatureError)
        self.missing |= dict.fromkeys(names, str(why) if known else f"{type(why).__name__}: {why}")


@dataclass
class LongSquares:
    """Long squares as ipfx analysed them; ``features`` is None where that failed, ``error`` says how."""

    protocol: Window | None
    features: dict | None = None
    error: Exception | str = "no usable long-square sweep"


def analyze_long_squares(prepared: Prepared) -> LongSquares:
    """Spikes and subthreshold features of all long squares, in the paper's window."""
    protocol = aligned(prepared, "long_square")
    if protocol is None:
        return LongSquares(None)
    analysis = stimulus_protocol_analysis.LongSquareAnalysis(
        SpikeExtractor(start=protocol.start, end=protocol.end),
        SpikeTrainFeatureExtractor(start=protocol.start, end=protocol.end),
        subthresh_min_amp=-100.0,
    )
    try:
        return LongSquares(protocol, analysis.analyze(protocol.sweeps))
    except Exception as error:  # noqa: BLE001 - kept as the reason
        return LongSquares(protocol, None, error)


def paper_families(long_squares: LongSquares) -> Families:
    """The families as the paper's notebook computes them, from analysed long squares.

    Short squares and ramps take no part: the notebook looks for keys that ipfx does not return for them.
    """
    out = Families()
    if long_squares.features is None:
        out.lose(FAMILIES, long_squares.error)
        return out
    features, sweeps = long_squares.features, long_squares.protocol.sweeps
    start, end = long_squares.protocol.start, long_squares.protocol.end
    rheobase = features["rheobase_sweep"].name
    out.attempt(("first_ap_v", "first_ap_dv"), lambda: feature_vectors.first_ap_vectors(
        [sweeps.sweeps[rheobase]], [features["spikes_set"][rheobase]], target_sampling_rate=50_000,
    ))
    try:
        trains = feature_vectors.identify_suprathreshold_spike_info(
            features, target_amplitudes=np.array(PAPER_LEVELS), amp_tolerance=5
        )
    except FeatureError as error:
        # The notebook does not catch this one: the whole cell is lost, its first spike included.
        out.values.clear()
        out.lose(FAMILIES, error)
        return out
    out.attempt(("isi_shape",), lambda: feature_vectors.isi_shape(
        *feature_vectors.identify_sweep_for_isi_shape(sweeps, features, end - start), end
    ))
    out.attempt(("inst_freq",), lambda: feature_vectors.inst_freq_vector(trains, start, end))
    for family, column in TRAINS.items():
        out.attempt((family,), lambda c=column: feature_vectors.spike_feature_vector(c, trains, start, end))
    out.attempt(("step_subthresh", "subthresh_norm"), lambda: _paper_subthreshold(features, sweeps, start, end))
    out.attempt(("psth",), lambda: feature_vectors.psth_vector(trains, start, end, width=20))
    return out


def _paper_subthreshold(features: dict, sweeps, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    by_amplitude, deflection = feature_vectors.identify_subthreshold_hyperpol_with_amplitudes(features, sweeps)
    end = whole_bins(next(iter(by_amplitude.values())).t, start, end) if by_amplitude else end
    step = feature_vectors.step_subthreshold(by_amplitude, PAPER_STEPS, start, end)
    return step, feature_vectors.subthresh_norm(by_amplitude, deflection, start, end, target_amp=-110.0)


def whole_bins(t: np.ndarray, start: float, end: float) -> float:
    """The latest end (s) that leaves whole 10 ms bins between ``start`` - 0.2 s and it + 0.2 s.

    The paper's window lacks the last sample of the step, so its last bin is not full and is dropped: 139
    bins, not 140. Ending the window where the bins end has the same result without touching ipfx.
    """
    first, last = tsu.find_time_index(t, start - MARGIN), tsu.find_time_index(t, end + MARGIN)
    width = round(BIN / (t[1] - t[0]))
    return float(t[last - (last - first) % width]) - MARGIN


def official_families(prepared: Prepared) -> Families:
    """The families as ipfx's script computes them with its default options, from all sweeps.

    All three protocols are needed, as in the script: without one of them the cell has none.
    """
    out = Families()
    try:
        out.values = _official(prepared)
    except Exception as error:  # noqa: BLE001 - the script, too, loses the cell on any error
        out.lose(FAMILIES, error)
    return out


def _official(prepared: Prepared) -> dict[str, np.ndarray]:
    long_sweeps, long_features, start, end = _official_long_squares(prepared)
    short_sweeps, short_features = _official_short_squares(prepared)
    ramp_sweeps, ramp_features = _official_ramps(prepared)

    by_amplitude, deflection = feature_vectors.identify_subthreshold_hyperpol_with_amplitudes(
        long_features, long_sweeps
    )
    trains = feature_vectors.identify_suprathreshold_spike_info(long_features, OFFICIAL_LEVELS, shift=10)
    rheobase = long_features["rheobase_sweep"].name
    shapes = [
        feature_vectors.first_ap_vectors(
            [sweeps.sweeps[k] for k in rows], [features["spikes_set"][k] for k in rows], skip_clipped=skip
        )
        for sweeps, features, rows, skip in (
            (short_sweeps, short_features, short_features["common_amp_sweeps"].index, True),
            (long_sweeps, long_features, [rheobase], False),
            (ramp_sweeps, ramp_features, ramp_features["spiking_sweeps"].index, True),
        )
    ]
    potentials, slopes = zip(*shapes, strict=True)
    isi_sweep, isi_spikes = feature_vectors.identify_sweep_for_isi_shape(long_sweeps, long_features, end - start)
    return {
        "first_ap_v": np.hstack(potentials), "first_ap_dv": np.hstack(slopes),
        "isi_shape": feature_vectors.isi_shape(isi_sweep, isi_spikes, end),
        "inst_freq": feature_vectors.inst_freq_vector(trains, start, end),
        **{f: feature_vectors.spike_feature_vector(c, trains, start, end) for f, c in TRAINS.items()},
        "step_subthresh": feature_vectors.step_subthreshold(by_amplitude, OFFICIAL_STEPS, start, end, amp_tolerance=5),
        "subthresh_norm": feature_vectors.subthresh_norm(by_amplitude, deflection, start, end),
        "psth": feature_vectors.psth_vector(trains, start, end),
    }


def _official_long_squares(prepared: Prepared):
    sweeps, start, end = _valid(prepared, "long_square")
    spikes, trains = extractors_for_sweeps(
        sweeps, start=start, end=end, min_peak=-25, **detection_parameters(StimulusType.LONG_SQUARE)
    )
    analysis = stimulus_protocol_analysis.LongSquareAnalysis(
        SpikeExtractor.like(spikes), trains, subthresh_min_amp=-100.0
    )
    return sweeps, analysis.analyze(sweeps), start, end


def _official_short_squares(prepared: Prepared):
    sweeps, start, end = _valid(prepared, "short_square")
    spikes, trains = extractors_for_sweeps(
        sweeps, est_window=[start, start + SHORT_SQUARE_WINDOW], start=start, end=end + 0.05,
        reject_at_stim_start_interval=0.0002, **detection_parameters(StimulusType.SHORT_SQUARE),
    )
    analysis = stimulus_protocol_analysis.ShortSquareAnalysis(SpikeExtractor.like(spikes), trains)
    return sweeps, analysis.analyze(sweeps)


def _official_ramps(prepared: Prepared):
    positions = prepared.of("ramp")
    if not positions:
        raise FeatureError("no ramp sweep")
    sweeps = prepared.sweep_set(positions)
    spikes, trains = extractors_for_sweeps(
        sweeps, start=window(sweeps.sweeps[0])[0], **detection_parameters(StimulusType.RAMP))
    analysis = stimulus_protocol_analysis.RampAnalysis(SpikeExtractor.like(spikes), trains)
    return sweeps, analysis.analyze(sweeps)


def _valid(prepared: Prepared, kind: str):
    """Sweeps that last 0.2 s beyond the stimulus and are not empty at its end, and the stimulus' window (s)."""
    words = kind.replace("_", "-")
    sweeps = [prepared.sweep(k) for k in prepared.of(kind)]
    if not sweeps:
        raise FeatureError(f"no {words} sweep")
    start, end = window(sweeps[-1])
    good = []
    for sweep in sweeps:
        last = tsu.find_time_index(sweep.t, end)
        if sweep.t[-1] >= end + MARGIN and not np.all(sweep.v[last - 100:last] == 0):
            good.append(sweep)
    if not good:
        raise FeatureError(f"no {words} sweep lasts 0.2 s beyond its stimulus")
    return SweepSet(good), start, end
