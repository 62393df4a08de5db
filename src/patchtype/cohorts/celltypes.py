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

from patchtype import families
from patchtype.cohorts.published import mouse_features
from patchtype.cohorts.registry import DataUnavailable, fetch
from patchtype.cohorts.tables import identifier, number, text, validate

#: The environment variable that names the manifest, or the folder that holds it.
MANIFEST = "HELPERS_CELL_TYPES"
NAME = "manifest.json"
#: Onset of the long square in these recordings (s); the published mouse table has it at 0.5 s.
ONSET_S = 1.02
_CELL_TYPES = {
    "specimen_id": identifier(int),
    "vrest": number(-110, -20, (-80, -60)),
    "ri": number(0, 5000, (50, 500)),
    "tau": number(1, 500, (5, 50)),
    "sag": number(-0.5, 3, (0, 0.5)),
    "latency": number(-0.01, 30, (0.001, 0.5)),
    "avg_isi": number(1, 2000, (5, 500)),
    "threshold_t_long_square": number(-1, 60, (0.8, 1.6)),
    r"(peak|fast_trough|trough|threshold)_v_.*": number(-120, 90, regex=True),
    r"threshold_i_.*": number(0, 5000, (10, 2000), regex=True),
}
_SPECIMENS = {
    "specimen__id": identifier(int),
    "line_name": text(),
    "donor__name": text(nullable=False),
    "donor__species": text("Mus musculus", "Homo Sapiens", nullable=False),
    "tag__dendrite_type": text("spiny", "aspiny", "sparsely spiny"),
}
_LATIN = {"mouse": "mus musculus", "human": "homo sapiens"}


def cell_types(species: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Aligned features (N, 32) of the cells of a species, and what is known of each specimen (N rows).

    Features that the database does not give are NaN: spike width and four of the firing pattern. Spiny
    dendrites (``tag__dendrite_type``) mark excitatory cells; nearly all aspiny ones are interneurons.
    Raises `DataUnavailable` when the two tables cannot be had, `TableError` when one does not hold what it should.

    >>> features, specimens = cell_types("mouse")  # doctest: +SKIP
    """
    names = ("cell_types_ephys_features.csv", "cell_types_specimen_details.csv")
    found = tables() if is_named() else [pd.read_csv(fetch(name), low_memory=False) for name in names]
    schemas = (_CELL_TYPES, _SPECIMENS)
    ephys, specimens = (validate(*part) for part in zip(found, names, schemas, strict=True))
    ephys, specimens = ephys.set_index("specimen_id"), specimens.set_index("specimen__id")
    shared = ephys.index.intersection(specimens.index)
    ephys, specimens = ephys.loc[shared], specimens.loc[shared]
    own = (specimens["donor__species"].str.lower() == _LATIN[species]).to_numpy()
    ephys, specimens = ephys[own], specimens[own]
    expressions = families.features()["mouse_expression"]
    aligned = [name for members in families.families("aligned").values() for name in members]
    given = [name for name in aligned if "second_" not in expressions[name]]
    table = mouse_features(ephys, given).reindex(columns=aligned)
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
