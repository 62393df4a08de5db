"""Scalar features of one cell in the schema of the published mouse tables (units of those tables)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ipfx import stim_features, stimulus_protocol_analysis
from ipfx.data_set_features import detection_parameters, extractors_for_sweeps
from ipfx.feature_record import build_cell_feature_record
from ipfx.stimulus import StimulusType

from patchtype.recordings.protocols import Dataset, numbers_of
from patchtype.recordings.spikes import SpikeExtractor

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
#: Columns of the second published mouse table that the first one lacks. Its spike width (s) was measured
#: behind a 1 kHz filter, this one behind none.
SECOND = (
    "hero_avg_rate", "hero_first_isi", "hero_isi_cv", "hero_median_isi", "hero_stim_amp", "maximal_firing_rate",
    "rheo_width",
)
SCALARS = PUBLISHED + SECOND


def scalar_features(dataset: Dataset) -> tuple[dict[str, float], dict[str, str]]:
    """Scalar features of one cell, as ipfx's feature record defines them.

    Returns ``(values, missing)``: every name of `SCALARS` → value, NaN where it does not exist; and for each
    protocol without features the reason. Potentials in mV, currents in pA, ``ri`` in MOhm, ``tau`` and
    ``avg_isi`` in ms, rates in Hz, other intervals in s, points in time in s from 0.5 s before the stimulus.
    """
    found, missing = {}, {}
    for name, compute in (("long_squares", _long_squares), ("ramps", _ramps), ("short_squares", _short_squares)):
        found[name], error = _attempt(compute, dataset)
        if error:
            missing[name] = error
    record = build_cell_feature_record(found) | _second(found["long_squares"])
    values = {k: np.nan if record.get(k) is None else float(record[k]) for k in SCALARS}
    return values, missing


def _second(features: dict | None) -> dict[str, float]:
    """The features of `SECOND` from analysed long squares."""
    if features is None:
        return {}
    hero = features["hero_sweep"]
    return {f"hero_{name}": hero[name] for name in ("avg_rate", "first_isi", "isi_cv", "median_isi", "stim_amp")} | {
        "maximal_firing_rate": features["spiking_sweeps"]["avg_rate"].max(),
        "rheo_width": features["rheobase_sweep"]["spikes"][0]["width"],
    }


def _attempt(compute: Callable, dataset: Dataset) -> tuple[dict | None, str | None]:
    try:
        return compute(dataset), None
    except Exception as error:  # noqa: BLE001 - a protocol that fails leaves the others
        return None, f"{type(error).__name__}: {error}"


def _prepared(dataset: Dataset, names, kind: str):
    """Sweeps with time zero 0.5 s before the stimulus; start and duration (s) of the first one's stimulus."""
    numbers = numbers_of(dataset, names)
    if not numbers:
        raise IndexError(f"no {kind} sweep")
    sweeps = dataset.sweep_set(numbers)
    sweeps.align_to_start_of_epoch("experiment")
    first = sweeps.sweeps[0]
    start, duration, *_ = stim_features.get_stim_characteristics(first.i, first.t)
    return numbers, sweeps, start, duration


def _long_squares(dataset: Dataset) -> dict:
    numbers, sweeps, start, duration = _prepared(dataset, dataset.ontology.long_square_names, "long-square")
    spikes, trains = extractors_for_sweeps(
        sweeps, start=start, end=start + duration, **detection_parameters(StimulusType.LONG_SQUARE)
    )
    features = stimulus_protocol_analysis.LongSquareAnalysis(
        SpikeExtractor.like(spikes), trains, subthresh_min_amp=-100
    ).analyze(sweeps)

    def sweep(name: str) -> dict:
        row = features[name]
        first_spike = features["spikes_set"][row.name].iloc[0].to_dict()
        return row.to_dict() | {"sweep_number": numbers[row.name], "spikes": [first_spike]}

    return features | {name: sweep(name) for name in ("rheobase_sweep", "hero_sweep")}


def _short_squares(dataset: Dataset) -> dict:
    _, sweeps, start, _ = _prepared(dataset, dataset.ontology.short_square_names, "short-square")
    spikes, trains = extractors_for_sweeps(
        sweeps, est_window=[start, start + 0.001], **detection_parameters(StimulusType.SHORT_SQUARE)
    )
    return stimulus_protocol_analysis.ShortSquareAnalysis(SpikeExtractor.like(spikes), trains).analyze(sweeps)


def _ramps(dataset: Dataset) -> dict:
    _, sweeps, start, _ = _prepared(dataset, dataset.ontology.ramp_names, "ramp")
    spikes, trains = extractors_for_sweeps(sweeps, start=start, **detection_parameters(StimulusType.RAMP))
    return stimulus_protocol_analysis.RampAnalysis(SpikeExtractor.like(spikes), trains).analyze(sweeps)
