"""The Allen Cell Types Database, from the registered files or from a cache of allensdk.

Whoever works with allensdk has a folder that its ``CellTypesCache`` has filled. It holds the same two tables as
the registry's ``cell_types_*.csv``, usually of a later release. The database has no transcriptomic label.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import families
from helpers.cohorts.published import mouse_features
from helpers.cohorts.registry import DataUnavailable, fetch

#: The environment variable that names the manifest, or the folder that holds it.
MANIFEST = "HELPERS_CELL_TYPES"
NAME = "manifest.json"
#: Onset of the long square in these recordings (s); the published mouse table has it at 0.5 s.
ONSET_S = 1.02
_LATIN = {"mouse": "mus musculus", "human": "homo sapiens"}


def cell_types(species: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Aligned features (N, 32) of the cells with a long square, and what is known of each specimen (N rows).

    Features that the database does not give are NaN: spike width and four of the firing pattern. Spiny
    dendrites (``tag__dendrite_type``) mark excitatory cells; nearly all aspiny ones are interneurons.
    Raises `DataUnavailable` when the two tables cannot be had.

    >>> features, specimens = cell_types("mouse")  # doctest: +SKIP
    """
    if is_named():
        ephys, specimens = tables()
    else:
        ephys = pd.read_csv(fetch("cell_types_ephys_features.csv"))
        specimens = pd.read_csv(fetch("cell_types_specimen_details.csv"), low_memory=False)
    ephys, specimens = ephys.set_index("specimen_id"), specimens.set_index("specimen__id")
    shared = ephys.index.intersection(specimens.index)
    ephys, specimens = ephys.loc[shared], specimens.loc[shared]
    own = specimens["donor__species"].str.lower() == _LATIN[species]
    kept = (own & ephys["threshold_v_long_square"].notna()).to_numpy()
    ephys, specimens = ephys[kept], specimens[kept]
    expressions = families.features()["mouse_expression"]
    names = [name for members in families.families("aligned").values() for name in members]
    given = [name for name in names if "second_" not in expressions[name]]
    table = mouse_features(ephys, given).reindex(columns=names)
    table["latency_rheo"] = ephys["threshold_t_long_square"] - ONSET_S
    return table.astype(float).replace([np.inf, -np.inf], np.nan), specimens


def is_named() -> bool:
    """Whether the environment names a cache."""
    return bool(os.environ.get(MANIFEST))


def tables(manifest: str | Path | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and specimens of all cells in a cache, with the columns of the registry's tables.

    Parameters: ``manifest``, a manifest file or the folder of a ``manifest.json``; the one that
    `MANIFEST` names when left out.
    Returns ``(features, specimens)``, one row a cell, keyed by ``specimen_id`` and ``specimen__id``.
    Raises `DataUnavailable` when the cache is not there, lacks a table, or a table cannot be read.

    >>> features, specimens = tables("cell_types/manifest.json")  # doctest: +SKIP
    """
    path = Path(manifest or os.environ.get(MANIFEST) or ".")
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise DataUnavailable(
            f"found no {path}, expected the manifest of a filled CellTypesCache; set {MANIFEST} to its folder")
    cache = _opened(path)
    # The cache would ask the network for a table that it lacks.
    places = [Path(cache.get_cache_path(None, key)) for key in (cache.EPHYS_FEATURES_KEY, cache.CELLS_KEY)]
    for place in places:
        if not place.is_file():
            raise DataUnavailable(
                f"found no {place}, expected it in a filled CellTypesCache; call its get_cells() and "
                "get_ephys_features() once where there is a network")
    try:
        features, specimens = pd.DataFrame(cache.get_ephys_features()), pd.DataFrame(cache.get_cells(simple=False))
    except (ValueError, KeyError, TypeError) as error:
        raise DataUnavailable(
            f"found tables in {path.parent} that CellTypesCache cannot read ({type(error).__name__}: {error}), "
            "expected those that it wrote; delete them and fill it again") from None
    for table, place, key in ((features, places[0], "specimen_id"), (specimens, places[1], "specimen__id")):
        if key not in table:
            raise DataUnavailable(f"found no column {key!r} in {place}, expected one row a cell; fill the cache again")
    return features, specimens


def _opened(path: Path):
    """allensdk's cache, without what its import says on the way."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        from allensdk.core.cell_types_cache import CellTypesCache

        try:
            return CellTypesCache(manifest_file=str(path))
        except Exception as error:  # noqa: BLE001 - allensdk has its own error for a manifest of another version
            raise DataUnavailable(
                f"found {path}, which CellTypesCache cannot open ({type(error).__name__}: {error}), expected a "
                "manifest that it wrote; delete it and fill the cache again") from None
