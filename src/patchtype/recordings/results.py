"""Results on disk: one small file per cell, and the tables made from all of them. No pickle anywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype.files import write_bytes, write_parquet
from patchtype.recordings import quality
from patchtype.recordings.cell import Cell
from patchtype.recordings.extraction import WIDTHS
from patchtype.recordings.scalars import SCALARS

COUNTS = ("n_sweeps", "n_long_squares", "n_long_squares_used")


def packed(cell: Cell, size: int | None = None) -> bytes:
    """One cell as the content of an ``npz`` file: families, scalars, and the rest as JSON."""
    record = {
        "cell_id": cell.cell_id, "species": cell.species, "subject_id": cell.subject_id,
        "session_id": cell.session_id, **dict(zip(COUNTS, cell.sweeps, strict=True)), "bytes": size,
        "reasons": [[f.code, f.text] for f in cell.verdict.reasons],
        "notes": [[f.code, f.text] for f in cell.verdict.notes],
    }
    arrays = {f"{mode}/{k}": v for mode in WIDTHS for k, v in getattr(cell, mode).items()}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, record=np.array(json.dumps(record)), scalars=np.array([cell.scalars[k] for k in SCALARS]), **arrays
    )
    return buffer.getvalue()


def record_of(path: Path) -> dict | None:
    """What was written about a cell; None when the file cannot be read, so that the cell is done again."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return json.loads(str(data["record"]))
    except (OSError, ValueError, KeyError, EOFError):
        return None


def unpacked(path: Path) -> Cell:
    """The cell of one result file."""
    with np.load(path, allow_pickle=False) as data:
        record = json.loads(str(data["record"]))
        families = {mode: {k.partition("/")[2]: data[k] for k in data.files if k.startswith(f"{mode}/")}
                    for mode in WIDTHS}
        scalars = dict(zip(SCALARS, data["scalars"].tolist(), strict=True))
    found = {k: [quality.Finding(*f) for f in record[k]] for k in ("reasons", "notes")}
    return Cell(
        record["cell_id"], quality.Verdict(**found), record["species"], record["subject_id"], record["session_id"],
        families["paper"], families["official"], scalars, tuple(record[c] for c in COUNTS),
    )


def cell_table(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row per cell: identity, verdict and scalars.

    Columns: ``cell_id``, ``passed``, ``reasons`` and ``notes`` (codes, joined by ``;``), ``explanation`` (reasons
    in plain words), ``species``, ``subject_id``, ``session_id``, sweep counts, then `SCALARS`.
    """
    rows = [
        {
            "cell_id": c.cell_id, "passed": c.verdict.passed, "reasons": ";".join(f.code for f in c.verdict.reasons),
            "notes": ";".join(f.code for f in c.verdict.notes),
            "explanation": " | ".join(f.text for f in c.verdict.reasons), "species": c.species,
            "subject_id": c.subject_id, "session_id": c.session_id, **dict(zip(COUNTS, c.sweeps, strict=True)),
            **c.scalars,
        }
        for c in cells
    ]
    texts = ("cell_id", "reasons", "notes", "explanation", "species", "subject_id", "session_id")
    types = dict.fromkeys(texts, "string")
    types |= {"passed": "bool"} | dict.fromkeys(COUNTS, "int32") | dict.fromkeys(SCALARS, "float64")
    return pd.DataFrame(rows, columns=list(types)).astype(types)


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
    """Make the tables of all cells: ``cells.parquet``, ``families_<mode>.npz``, ``funnel.csv``. Returns the first.

    A family file holds ``cell_id`` (n) and each family (n x width, float32; NaN where a cell has none).
    """
    cells = [unpacked(path) for path in files]
    table = cell_table(cells)
    write_parquet(out / "cells.parquet", table)
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
    write_bytes(out / "funnel.csv", funnel(table).to_csv(index=False).encode())
    return table


def carry_labels(folders: Iterable[Path], out: Path) -> bool:
    """Copy what ``simulate`` says of its cells (``cells.csv``) beside the results, as ``labels.csv``.

    Returns whether there was any.
    """
    found = [path for folder in folders if (path := folder / "cells.csv").is_file()]
    if found:
        labels = pd.concat([pd.read_csv(path) for path in found], ignore_index=True)
        write_bytes(out / "labels.csv", labels.to_csv(index=False, lineterminator="\n").encode())
    return bool(found)
