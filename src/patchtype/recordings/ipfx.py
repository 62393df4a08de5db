"""What is used of ipfx, imported with `numerics` in the place of the parts of scipy that it would import whole."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType

from patchtype.recordings import numerics

#: What ipfx takes from scipy: module → names.
TAKEN = {"scipy.optimize": ["curve_fit"], "scipy.signal": ["bessel", "filtfilt"], "scipy.stats": ["binned_statistic"]}


@contextlib.contextmanager
def _lean() -> Iterator[None]:
    """Let a module that is imported in the block get `numerics` for what is not imported yet."""
    absent = {}
    for name in TAKEN.keys() - sys.modules.keys():
        absent[name] = ModuleType(name)
        vars(absent[name]).update({each: getattr(numerics, each) for each in TAKEN[name]})
    sys.modules |= absent
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _lean():
    from ipfx import (
        epochs,
        feature_vectors,
        qc_feature_evaluator,
        qc_feature_extractor,
        qc_features,
        spike_detector,
        spike_features,
        spike_train_features,
        stim_features,
        stimulus_protocol_analysis,
        subthresh_features,
        time_series_utils,
    )
    from ipfx.data_set_features import detection_parameters, extractors_for_sweeps
    from ipfx.error import FeatureError
    from ipfx.feature_extractor import SpikeFeatureExtractor, SpikeTrainFeatureExtractor
    from ipfx.stimulus import StimulusType
    from ipfx.sweep import Sweep, SweepSet

__all__ = [
    "FeatureError", "SpikeFeatureExtractor", "SpikeTrainFeatureExtractor", "StimulusType", "Sweep", "SweepSet",
    "detection_parameters", "epochs", "extractors_for_sweeps", "feature_vectors", "qc_feature_evaluator",
    "qc_feature_extractor", "qc_features", "spike_detector", "spike_features", "spike_train_features", "stim_features",
    "stimulus_protocol_analysis", "subthresh_features", "time_series_utils",
]
