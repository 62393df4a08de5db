"""Features that a physiologist would work out from the others: ratios and differences between sweeps.

Trees cut one feature at a time, so a ratio costs them many cuts; given as a feature it costs one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from patchtype.cohorts import Cohort
from patchtype.models.table import TableModel

#: Features of the first spike that are compared between the rheobase sweep and other sweeps.
_SPIKE = ("upstroke_downstroke_ratio", "threshold_v", "width", "upstroke", "downstroke", "peak_deltav",
          "fast_trough_deltav")
_SWEEPS = ("ramp", "short_square", "hero", "mean")


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Derived features (N, K) of a feature table (N, P), those whose parts it has; never infinite.

    ``capacitance`` tau over input resistance; ``drive`` rheobase times input resistance (mV); ``gap`` threshold
    above rest (mV); ``sag_depth`` (mV); interval ratios; and rheobase minus other sweeps for the spike's shape.

    >>> ratios(pd.DataFrame({"tau": [0.02], "input_resistance": [200.0]}))["capacitance"].tolist()
    [0.0001]
    """
    def parts(*names):
        return [table[name] for name in names] if set(names) <= set(table.columns) else None

    made = {}
    for name, needs, how in (
        ("capacitance", ("tau", "input_resistance"), lambda tau, r: tau / r),
        ("drive", ("rheobase_i", "input_resistance"), lambda i, r: i * r / 1000),
        ("gap", ("threshold_v_rheo", "v_baseline"), lambda a, b: a - b),
        ("sag_depth", ("sag", "v_baseline", "vm_for_sag"), lambda sag, v, low: sag * (v - low)),
        ("fast_trough_v", ("threshold_v_rheo", "fast_trough_deltav_rheo"), lambda v, d: v + d),
        ("interval_skew", ("median_isi_hero", "mean_isi_hero"), lambda a, b: np.log((a / b).where(b > 0))),
        ("first_interval", ("first_isi_inv_hero", "median_isi_hero"), lambda rate, isi: rate * isi),
        ("latency_in_spikes", ("latency_hero", "avg_rate_hero"), lambda t, rate: t * rate),
    ):
        found = parts(*needs)
        if found:
            made[name] = how(*found)
    for feature in _SPIKE:
        for sweep in _SWEEPS:
            found = parts(f"{feature}_rheo", f"{feature}_{sweep}")
            if found:
                made[f"{feature}_rheo_minus_{sweep}"] = found[0] - found[1]
    return pd.DataFrame(made, index=table.index, dtype=float).replace([np.inf, -np.inf], np.nan)


class RatioModel(TableModel):
    """A scikit-learn classifier on the feature table and its `ratios`."""

    def _inputs(self, cohort: Cohort) -> np.ndarray:
        return np.hstack([cohort.x, ratios(cohort.table).to_numpy()])
