"""A map of cells to look closer at: point at a cell, or walk with the arrow keys, and read what it is.

The drawing is done in the reader's browser by ``assets/static/cellmap.js``, from data inside the page. No other
host is asked. Where no script runs, the chapter's printed figure and the note below it remain.
"""

from __future__ import annotations

import html
import json

import numpy as np
import pandas as pd

from helpers import figures
from patchtype import families
from patchtype.cohorts import Cohort

GRID = 1000  # positions are whole thousandths of the map: finer than a screen


def cell_map(
    xy: np.ndarray, cells: Cohort, features: list[str], title: str, trace: np.ndarray | None = None,
    axes: tuple[str, str] = ("UMAP 1", "UMAP 2"),
) -> Map:  # fmt: skip
    """A map of the cells at ``xy`` (N, 2) that tells id, subclass and ``features`` (in readers' units) of each.

    ``trace``, (N, T) in mV, is drawn beside the words; the published tables hold none.
    ValueError where ``xy`` or ``trace`` has another number of rows than ``cells``.

    >>> cell_map(xy, cells, ["sag"], "mouse")  # doctest: +SKIP
    """
    for name, rows in (("xy", xy), ("trace", trace)):
        if rows is not None and len(rows) != len(cells):
            raise ValueError(f"found {len(rows)} rows of {name} for {len(cells)} cells, expected one row a cell")
    classes = list(cells.classes)
    columns = [families.readable(cells.table[feature], feature) for feature in features]
    data = {
        "title": title,
        "axes": list(axes),
        "classes": [{"name": name, "colour": figures.SUBCLASS_COLOURS[name], "marker": figures.SUBCLASS_MARKERS[name]}
                    for name in classes],
        "features": [label for _, label in columns],
        "ids": [str(name) for name in cells.table.index],
        "at": _positions(xy),
        "class": cells.y.tolist(),
        "values": [_rounded(values) for values, _ in columns],
        "trace": None if trace is None else [_rounded(row) for row in np.asarray(trace)],
    }  # fmt: skip
    return Map(data)


class Map:
    """What `cell_map` returns; a notebook shows it as HTML."""

    def __init__(self, data: dict):
        self.data = data

    def _repr_html_(self) -> str:
        packed = json.dumps(self.data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
        return (
            f'<div class="cell-map" data-title="{html.escape(self.data["title"])}">'
            f'<script type="application/json">{packed}</script>'
            "<p>On the page of the book, with scripts allowed, each cell of this map can be looked at.</p></div>"
        )

    def __repr__(self) -> str:
        return f"map of {len(self.data['ids'])} cells: {self.data['title']}"


def _positions(xy: np.ndarray) -> list[list[int]]:
    """(N, 2) positions as whole numbers from 0 to `GRID`, both axes on one scale, the second downwards."""
    xy = np.asarray(xy, dtype=float)
    low, span = xy.min(axis=0), max(float(np.ptp(xy, axis=0).max()), 1e-12)
    scaled = (xy - low) / span
    scaled[:, 1] = np.ptp(xy[:, 1]) / span - scaled[:, 1]
    return np.rint(GRID * scaled).astype(int).tolist()


def _rounded(values) -> list[float | None]:
    """Values to three significant digits; None where one is missing."""
    return [None if pd.isna(value) else float(f"{value:.3g}") for value in values]
