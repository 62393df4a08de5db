"""The one type that every notebook uses: cells with features in families, labels and donors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from patchtype import taxonomy

SOURCES = ("published", "dandi", "simulated")

#: Columns that `Cohort.cells` always has.
CELL_COLUMNS = ("species", "subclass", "donor", "source")


class FamilySequence(NamedTuple):
    """Features as a sequence of families, one token each, padded with zeros to the widest family.

    ``values`` (N, F, W) float32, 0 where nothing was measured; ``mask`` (N, F, W) bool, True where a value
    was measured; ``families`` F names; ``widths`` (F,) int, the true width of each family.
    """

    values: np.ndarray
    mask: np.ndarray
    families: tuple[str, ...]
    widths: np.ndarray


@dataclass(frozen=True)
class Cohort:
    """Cells of one species from one source.

    ``cells``: one row a cell, indexed by cell id, with `CELL_COLUMNS` and what else is known of it.
    ``table``: the same rows, one column a feature, NaN where not measured, units of `families.unit`.
    ``families``: family name → its columns of ``table``, in token order.
    ``classes``: the subclasses of the task, in order. ``excluded``: cells left out, with ``reason``.

    >>> cohort = Cohort.build(
    ...     cells=pd.DataFrame({"species": "mouse", "subclass": ["Sst", "Vip"], "donor": ["a", "b"],
    ...                         "source": "simulated"}, index=["c1", "c2"]),
    ...     table=pd.DataFrame({"tau": [0.02, np.nan], "sag": [0.1, 0.2]}, index=["c1", "c2"]),
    ...     families={"passive": ["tau"], "sag": ["sag"]}, classes=("Sst", "Vip"))
    >>> cohort.y.tolist(), int(cohort.sequence().mask.sum())
    ([0, 1], 3)
    """

    cells: pd.DataFrame
    table: pd.DataFrame
    families: dict[str, list[str]]
    classes: tuple[str, ...]
    excluded: pd.DataFrame

    @classmethod
    def build(cls, cells, table, families, classes, excluded=None) -> Cohort:
        """A cohort whose parts are checked against each other; ValueError says what does not fit."""
        absent = [column for column in CELL_COLUMNS if column not in cells]
        if absent:
            raise ValueError(f"found cells without the column {absent[0]!r}, expected {CELL_COLUMNS}")
        if not cells.index.equals(table.index):
            raise ValueError("found cells and features with different indexes, expected one row a cell in both")
        if cells.index.has_duplicates:
            raise ValueError(f"found the cell id {cells.index[cells.index.duplicated()][0]!r} twice")
        columns = [feature for members in families.values() for feature in members]
        lost = sorted(set(columns) - set(table.columns))
        if lost:
            raise ValueError(f"found no column for the feature {lost[0]!r} in the feature table")
        stray = sorted(set(cells["subclass"]) - set(classes))
        if stray:
            raise ValueError(f"found the subclass {stray[0]!r}, expected one of {tuple(classes)}")
        wrong = sorted(set(cells["source"]) - set(SOURCES))
        if wrong:
            raise ValueError(f"found the source {wrong[0]!r}, expected one of {SOURCES}")
        if excluded is None:
            excluded = pd.DataFrame({"reason": pd.Series(dtype=object)})
        return cls(cells, table[columns].astype(float), dict(families), tuple(classes), excluded)

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def y(self) -> np.ndarray:
        """(N,) int: position of each cell's subclass in ``classes``."""
        return pd.Categorical(self.cells["subclass"], categories=self.classes).codes.astype(int)

    @property
    def donors(self) -> np.ndarray:
        """(N,) donor of each cell, for grouped folds."""
        return self.cells["donor"].to_numpy()

    @property
    def source(self) -> str:
        """The one source of all cells: *published*, *dandi* or *simulated*."""
        return self.cells["source"].iloc[0]

    @property
    def x(self) -> np.ndarray:
        """(N, P) float: the feature table as an array, NaN where not measured."""
        return self.table.to_numpy()

    def columns(self) -> list[np.ndarray]:
        """For each family, the positions of its features among the columns of `x`."""
        where = {feature: i for i, feature in enumerate(self.table.columns)}
        return [np.array([where[feature] for feature in members]) for members in self.families.values()]

    def sequence(self) -> FamilySequence:
        """Features as tokens, unscaled; models scale them on their training cells only."""
        widths = np.array([len(members) for members in self.families.values()])
        values = np.zeros((len(self), len(widths), widths.max()), np.float32)
        mask = np.zeros(values.shape, bool)
        for token, columns in enumerate(self.columns()):
            block = self.x[:, columns]
            values[:, token, : len(columns)] = np.nan_to_num(block, nan=0.0)
            mask[:, token, : len(columns)] = np.isfinite(block)
        return FamilySequence(values, mask, tuple(self.families), widths)

    def take(self, rows) -> Cohort:
        """The cohort of some rows, given as positions or as a boolean array."""
        return replace(self, cells=self.cells.iloc[_positions(rows)], table=self.table.iloc[_positions(rows)])

    def view(self, families: Mapping[str, list[str]]) -> Cohort:
        """The same cells with the features of ``families`` alone; ValueError names a feature that is not there."""
        columns = [feature for members in families.values() for feature in members]
        lost = [feature for feature in columns if feature not in self.table]
        if lost:
            raise ValueError(f"found no feature {lost[0]!r} in the cohort, expected all that the other species has")
        return replace(self, table=self.table[columns], families=dict(families))

    def four_classes(self, sncg: str = "Vip") -> Cohort:
        """The cohort on the four classes shared by both species; see `taxonomy.to_four_classes`."""
        subclass = taxonomy.to_four_classes(self.cells["subclass"], sncg)
        kept = replace(self, cells=self.cells.assign(subclass=subclass)).take(subclass.notna().to_numpy())
        return replace(kept, classes=taxonomy.HUMAN_SUBCLASSES)

    def counts(self) -> pd.Series:
        """Cells per subclass, in the order of ``classes``."""
        return self.cells["subclass"].value_counts().reindex(list(self.classes), fill_value=0)


def _positions(rows) -> np.ndarray:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows
