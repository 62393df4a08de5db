"""The Allen Cell Types Database, from the registered files or from a cache of allensdk.

Whoever works with allensdk has a folder that its ``CellTypesCache`` has filled; it is read here without allensdk,
which cannot be installed beside numpy 2. It holds the same two tables as
the registry's ``cell_types_*.csv``, usually of a later release. The database has no transcriptomic label.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype import families
from patchtype.cohorts.published import mouse_features
from patchtype.cohorts.registry import DataUnavailable, fetch
from patchtype.cohorts.tables import identifier, number, text, validate
from patchtype.settings import CELL_TYPES, named

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


def cell_types(species: str, feature_set: str = "aligned") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of the cells of a species, "aligned" (N, 32) or "mouse", and what is known of each specimen (N rows).

    Features that the database does not give are NaN: spike width and four of the firing pattern, of "mouse" three
    more. Spiny
    dendrites (``tag__dendrite_type``) mark excitatory cells; nearly all aspiny ones are interneurons.
    Raises `DataUnavailable` when the two tables cannot be had, `TableError` when one does not hold what it should.

    >>> features, specimens = cell_types("mouse")  # doctest: +SKIP
    """
    files = ("cell_types_ephys_features.csv", "cell_types_specimen_details.csv")
    found = tables() if named(CELL_TYPES) else [pd.read_csv(fetch(name), low_memory=False) for name in files]
    schemas = (_CELL_TYPES, _SPECIMENS)
    ephys, specimens = (validate(*part) for part in zip(found, files, schemas, strict=True))
    ephys, specimens = ephys.set_index("specimen_id"), specimens.set_index("specimen__id")
    shared = ephys.index.intersection(specimens.index)
    ephys, specimens = ephys.loc[shared], specimens.loc[shared]
    own = (specimens["donor__species"].str.lower() == _LATIN[species]).to_numpy()
    ephys, specimens = ephys[own], specimens[own]
    expressions = families.features()["mouse_expression"]
    names = [name for members in families.families(feature_set).values() for name in members]
    given = [name for name in names if "second_" not in expressions[name]]
    table = mouse_features(ephys, given).reindex(columns=names)
    table["latency_rheo"] = ephys["threshold_t_long_square"] - ONSET_S
    return table.astype(float).replace([np.inf, -np.inf], np.nan), specimens


def tables(manifest: str | Path | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and specimens of all cells in a cache, with the columns of the registry's tables.

    Parameters: ``manifest``, a manifest file or the folder of a ``manifest.json``; the one that
    `CELL_TYPES` names when left out.
    Returns ``(features, specimens)``, one row a cell, keyed by ``specimen_id`` and ``specimen__id``.
    Raises `DataUnavailable` when the cache is not there, lacks a table, or a table cannot be read.

    >>> features, specimens = tables("cell_types/manifest.json")  # doctest: +SKIP
    """
    path = Path(manifest or named(CELL_TYPES) or ".")
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise DataUnavailable(
            f"found no {path}, expected the manifest of a filled CellTypesCache; set {CELL_TYPES} to its folder")
    places = _places(path)
    for place in places:
        if not place.is_file():
            raise DataUnavailable(
                f"found no {place}, expected it in a filled CellTypesCache; call its get_cells() and "
                "get_ephys_features() once where there is a network")
    try:
        features, specimens = pd.read_csv(places[0]), pd.DataFrame(json.loads(places[1].read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise DataUnavailable(
            f"found tables in {path.parent} that CellTypesCache did not write ({type(error).__name__}: {error}), "
            "expected ephys_features.csv and cells.json as it leaves them; fill the cache again") from None
    for table, place, key in ((features, places[0], "specimen_id"), (specimens, places[1], "specimen__id")):
        if key not in table:
            raise DataUnavailable(f"found no column {key!r} in {place}, expected one row a cell; fill the cache again")
    return features, specimens


def _places(path: Path) -> tuple[Path, Path]:
    """Where a manifest says that features and cells lie: below their parents, from the manifest's folder on."""
    try:
        rows = {row["key"]: row for row in json.loads(path.read_text("utf-8"))["manifest"] if "key" in row}

        def place(key: str) -> Path:
            row = rows[key]
            return (place(row["parent_key"]) if row.get("parent_key") else path.parent) / row["spec"]

        return place("EPHYS_FEATURES"), place("CELLS")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataUnavailable(
            f"found {path}, which is no manifest of a CellTypesCache ({type(error).__name__}: {error}), expected one "
            "that names EPHYS_FEATURES and CELLS; fill the cache again") from None
