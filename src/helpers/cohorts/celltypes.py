"""Cells of the Allen Cell Types Database: excitatory ones, and interneurons of the same rigs to hold them against.

The database has no transcriptomic label. The dendrites tell: cells with *spiny* dendrites are excitatory,
nearly all *aspiny* ones are interneurons.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers import families
from helpers.cohorts.published import mouse_features
from helpers.cohorts.registry import fetch

#: Onset of the long square in these files (s); the published mouse table has it at 0.5 s.
ONSET_S = 1.02
_LATIN = {"mouse": "mus musculus", "human": "homo sapiens"}


def cell_types(species: str) -> tuple[pd.DataFrame, pd.Series]:
    """Aligned features (N, 32) of the cells with a long square, and their dendrites (``"spiny"``, ``"aspiny"``, …).

    Features that the database does not give are NaN: spike width and four of the firing pattern.
    Raises DataUnavailable when the two files cannot be had.
    """
    ephys = pd.read_csv(fetch("cell_types_ephys_features.csv")).set_index("specimen_id")
    cells = pd.read_csv(fetch("cell_types_specimen_details.csv"), low_memory=False).set_index("specimen__id")
    shared = ephys.index.intersection(cells.index)
    ephys, cells = ephys.loc[shared], cells.loc[shared]
    own = cells["donor__species"].str.lower() == _LATIN[species]
    kept = (own & ephys["threshold_v_long_square"].notna()).to_numpy()
    ephys, cells = ephys[kept], cells[kept]
    expressions = families.features()["mouse_expression"]
    names = [n for members in families.families("aligned").values() for n in members]
    given = [n for n in names if "second_" not in expressions[n]]
    table = mouse_features(ephys, given).reindex(columns=names)
    table["latency_rheo"] = ephys["threshold_t_long_square"] - ONSET_S
    return table.astype(float).replace([np.inf, -np.inf], np.nan), cells["tag__dendrite_type"]
