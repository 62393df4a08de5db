"""How like real cells the simulated ones are, feature by feature and subclass by subclass."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patchtype.cohorts.cohort import Cohort

#: The range that is compared: from the 10th to the 90th percentile.
LOW, HIGH = 0.1, 0.9
#: A readable selection of the aligned features, from the membrane to the train.
SELECTION = (
    "v_baseline", "input_resistance", "tau", "sag", "rheobase_i", "fi_fit_slope", "latency_rheo", "adapt_hero",
    "upstroke_downstroke_ratio_rheo", "threshold_v_rheo", "width_rheo", "fast_trough_deltav_rheo",
)


def compare(real: Cohort, simulated: Cohort) -> pd.DataFrame:
    """Medians and ranges of the features that both cohorts have, by subclass.

    Returns one row per subclass and feature (the index), with ``median``, ``low`` and ``high`` of the real cells
    and the same with ``simulated_``, in the features' units; ``distance``, from median to median in widths of
    the real range; and ``within``, whether the simulated median lies in the real range.

    >>> part = {"cells": pd.DataFrame({"species": "mouse", "subclass": "Sst", "donor": "a", "source": "published"},
    ...                               index=range(11)), "families": {"sag": ["sag"]}, "classes": ("Sst",)}
    >>> real = Cohort.build(table=pd.DataFrame({"sag": np.arange(11.0)}), **part)
    >>> row = compare(real, Cohort.build(table=real.table + 4, **part)).loc[("Sst", "sag")]
    >>> float(row["median"]), float(row["simulated_median"]), float(row["distance"]), bool(row["within"])
    (5.0, 9.0, 0.5, True)
    """
    shared = [feature for feature in real.table if feature in simulated.table]
    table = pd.concat([_ranges(real, shared), _ranges(simulated, shared).add_prefix("simulated_")], axis=1)
    apart = (table["simulated_median"] - table["median"]).abs()
    table["distance"] = apart / (table["high"] - table["low"]).replace(0.0, np.nan)
    table["within"] = table["simulated_median"].between(table["low"], table["high"])
    return table


def _ranges(cohort: Cohort, features: list[str]) -> pd.DataFrame:
    groups = cohort.table[features].groupby(cohort.cells["subclass"].rename("subclass"))
    columns = {}
    for name, q in (("median", 0.5), ("low", LOW), ("high", HIGH)):
        long = groups.quantile(q).melt(ignore_index=False, var_name="feature")
        columns[name] = long.set_index("feature", append=True)["value"]
    order = pd.MultiIndex.from_product([cohort.classes, features], names=["subclass", "feature"])
    return pd.DataFrame(columns).reindex(order)


def worst(table: pd.DataFrame, n: int = 3) -> pd.Series:
    """The features whose simulated medians lie farthest from the real ones, mean over subclasses, worst first."""
    return table["distance"].groupby("feature").mean().sort_values(ascending=False).head(n)
