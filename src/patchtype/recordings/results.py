"""Results on disk: one small file per cell, and the tables made from all of them. No pickle anywhere."""

from __future__ import annotations

import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype.files import write_bytes
from patchtype.recordings import quality
from patchtype.recordings.cell import Cell
from patchtype.recordings.extraction import WIDTHS
from patchtype.recordings.scalars import SCALARS, names
from patchtype.recordings.text import TEXTS, as_csv, clean, from_csv

IDENTITY = ("species", "subject_id", "session_id")
MORE = ("electrode", "format")
FINDINGS = ("reasons", "notes", "families")
SENTENCE = 1000  # characters of a reason or note
COUNTS = ("n_sweeps", "n_long_squares", "n_long_squares_used")


def packed(cells: Sequence[Cell], size: int | None = None) -> bytes:
    """The cells of one file as the content of an ``npz`` file: families, scalars, and the rest as JSON."""
    record = {"bytes": size, "cells": [
        {
            "cell_id": clean(cell.cell_id), **{name: clean(getattr(cell, name)) for name in (*IDENTITY, *MORE)},
            "simulated": bool(cell.simulated), "behind": cell.behind,
            "missing": {name: clean(why, SENTENCE) for name, why in cell.missing.items()},
            **dict(zip(COUNTS, map(int, cell.sweeps), strict=True)),
            **{kind: [[f.code, clean(f.text, SENTENCE)] for f in getattr(cell.verdict, kind)] for kind in FINDINGS},
        } for cell in cells
    ]}
    arrays = {}
    for k, cell in enumerate(cells):
        arrays |= {f"{k}/{mode}/{name}": v for mode in WIDTHS for name, v in getattr(cell, mode).items()}
        arrays[f"{k}/scalars"] = np.array([cell.scalars[name] for name in SCALARS], dtype=float)
        arrays[f"{k}/features"] = np.array([cell.features[name] for name in names()], dtype=float)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, record=np.array(json.dumps(record)), **arrays)
    return buffer.getvalue()


def record_of(path: Path) -> dict | None:
    """What was written about the cells of a file; None when it cannot be read, so that the file is done again."""
    try:
        with np.load(path, allow_pickle=False) as data:
            record = json.loads(str(data["record"]))
        return record if isinstance(record.get("cells"), list) else None
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error):
        return None


def unpacked(path: Path) -> list[Cell]:
    """The cells of one result file. Raises ValueError for one that does not hold what `packed` writes."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return [_cell(k, each, data) for k, each in enumerate(json.loads(str(data["record"]))["cells"])]
    except (OSError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{type(error).__name__}: {clean(error)}") from error


def _cell(k: int, record: dict, data) -> Cell:
    families = {mode: {name: data[f"{k}/{mode}/{name}"] for name in widths if f"{k}/{mode}/{name}" in data.files}
                for mode, widths in WIDTHS.items()}
    for mode, found in families.items():
        if wrong := [name for name, values in found.items() if values.shape != (WIDTHS[mode][name],)]:
            raise ValueError(f"found {wrong[0]} with {found[wrong[0]].shape} values, expected {WIDTHS[mode][wrong[0]]}")
    scalars = dict(zip(SCALARS, data[f"{k}/scalars"].tolist(), strict=True))
    verdict = quality.Verdict(*([quality.Finding(str(c), clean(t, SENTENCE)) for c, t in record[kind]]
                                for kind in FINDINGS))
    features = dict(zip(names(), data[f"{k}/features"].tolist(), strict=True))
    return Cell(clean(record["cell_id"]), verdict, *(clean(record[name]) for name in IDENTITY), families["paper"],
                families["official"], scalars, tuple(int(record[c]) for c in COUNTS), features,
                {str(n): clean(why, SENTENCE) for n, why in record["missing"].items()},
                {str(n): int(sweeps) for n, sweeps in record["behind"].items()},
                **{name: clean(record[name]) for name in MORE}, simulated=bool(record["simulated"]))


def cell_table(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row per cell: identity, verdict and scalars.

    Columns: ``cell_id``, ``passed``, ``reasons`` and ``notes`` (codes, joined by ``;``), ``explanation`` and
    ``remarks`` (the same in plain words), ``no_families`` (why there are features but no families, in plain words),
    ``species``, ``subject_id``, ``session_id``, ``electrode``, ``format``, ``simulated``, sweep counts,
    ``n_features`` (how many have a value), then `SCALARS`.
    """
    rows = [
        {
            "cell_id": c.cell_id, "passed": c.verdict.passed, "reasons": ";".join(f.code for f in c.verdict.reasons),
            "notes": ";".join(f.code for f in c.verdict.notes),
            "explanation": " | ".join(f.text for f in c.verdict.reasons),
            "remarks": " | ".join(f.text for f in c.verdict.notes),
            "no_families": " | ".join(f.text for f in c.verdict.families), "simulated": c.simulated,
            **{name: getattr(c, name) for name in (*IDENTITY, *MORE)}, **dict(zip(COUNTS, c.sweeps, strict=True)),
            "n_features": int(np.isfinite(list(c.features.values())).sum()), **c.scalars,
        }
        for c in cells
    ]
    types = dict.fromkeys(TEXTS, "string")
    types |= dict.fromkeys(("passed", "simulated"), "bool")
    types |= dict.fromkeys((*COUNTS, "n_features"), "int32") | dict.fromkeys(SCALARS, "float64")
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def feature_table(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row per cell: ``cell_id``, then every scalar feature in the unit of ``features.csv``, NaN where missing."""
    cells = list(cells)
    table = pd.DataFrame([c.features for c in cells], columns=list(names()), dtype="float64")
    table.insert(0, "cell_id", pd.array([c.cell_id for c in cells], dtype="string"))
    return table


def missing_table(cells: Iterable[Cell]) -> pd.DataFrame:
    """Why cells that passed lack a feature: ``cell_id``, ``feature``, ``reason``."""
    rows = [(c.cell_id, feature, why) for c in cells if c.verdict.passed for feature, why in c.missing.items()]
    return pd.DataFrame(rows, columns=["cell_id", "feature", "reason"])


def funnel(table: pd.DataFrame) -> pd.DataFrame:
    """How many cells each rule costs, in the order of the rules, each cell counted at its first reason.

    Columns: ``code``, ``lost``, ``left``; the first row holds all cells, the last one those that passed.
    """
    order = {code: k for k, code in enumerate(quality.RULES)}
    first = table.loc[~table["passed"], "reasons"].str.split(";").map(lambda codes: min(codes, key=order.get))
    lost = first.value_counts().sort_index(key=lambda codes: codes.map(order))
    rows = [("recordings", 0, len(table))]
    for code, n in lost.items():
        rows.append((code, int(n), rows[-1][2] - int(n)))
    return pd.DataFrame([*rows, ("passed", 0, rows[-1][2])], columns=["code", "lost", "left"])


def merge(files: Iterable[Path], out: Path) -> pd.DataFrame:
    """Make the tables of all cells and return the first: ``cells.csv``, ``features.csv``, ``missing.csv``,
    ``families_<mode>.npz``, ``funnel.csv``.

    A family file holds ``cell_id`` (n) and each family (n x width, float32; NaN where a cell has none). A result file
    that cannot be read is named on the error stream and left out.
    """
    cells = []
    for path in files:
        try:
            cells += unpacked(path)
        except ValueError as error:
            print(f"left out {clean(path)}, which cannot be read ({error}); delete it and run again", file=sys.stderr)
    table = cell_table(cells)
    kept = {"cells": table, "features": feature_table(cells), "missing": missing_table(cells), "funnel": funnel(table)}
    for name, each in kept.items():
        write_bytes(out / f"{name}.csv", as_csv(each).encode())
    for mode, widths in WIDTHS.items():
        arrays = {"cell_id": np.array([c.cell_id for c in cells], dtype=str)}
        for family, width in widths.items():
            arrays[family] = np.full((len(cells), width), np.nan, dtype=np.float32)
            for k, c in enumerate(cells):
                if family in getattr(c, mode):
                    arrays[family][k] = getattr(c, mode)[family]
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_bytes(out / f"families_{mode}.npz", buffer.getvalue())
    return table


def carry_labels(folders: Iterable[Path], out: Path) -> bool:
    """Copy what ``simulate`` says of its cells (``labels.csv``) beside the results.

    Returns whether there was any.
    """
    found = [path for folder in folders if (path := folder / "labels.csv").is_file()]
    if found:
        labels = pd.concat([from_csv(path) for path in found], ignore_index=True)
        write_bytes(out / "labels.csv", as_csv(labels).encode())
    return bool(found)
