"""Does a cell look excitatory? A guard that has been shown excitatory cells, unlike the novelty flag.

The cells are those of the Allen Cell Types Database whose dendrites were looked at: spiny ones are excitatory,
aspiny ones interneurons. Support vectors learn spiny cells against the published interneurons and the aspiny cells,
which keep the guard from learning the database instead of the kind. It reads the features that the database gives.

Half of the donors, chosen by a hash of their name, make and ship the guard; the other half measure it. Donors that
the published table has too take no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd
from sklearn.svm import SVC

from patchtype import cohorts
from patchtype.classify.arrays import KernelMachine, Prepared
from patchtype.cohorts.celltypes import cell_types
from patchtype.evaluation.bootstrap import ends, redrawn, rows_by_donor
from patchtype.models.table import scaled

#: Softness of the border, and width of the kernel against the usual one. Chosen on the donors that make the guard:
#: cross-validated in a species, and from each species to the other, which stands for a rig that the guard has not seen.
SOFTNESS, WIDTH = 1.0, 2.0


@dataclass(frozen=True)
class Specimens:
    """Cells of known dendrites: ``table`` (N, 53) features of the mouse set, ``spiny`` (N,) bool, ``donors`` (N,)."""

    table: pd.DataFrame
    spiny: np.ndarray
    donors: np.ndarray

    def take(self, rows) -> Specimens:
        """Some of the cells."""
        return Specimens(self.table[rows], self.spiny[rows], self.donors[rows])

    @property
    def learnt(self) -> Specimens:
        """Cells of the donors that make the guard."""
        return self.take(makes(self.donors))

    @property
    def held_out(self) -> Specimens:
        """Cells of the donors that measure it."""
        return self.take(~makes(self.donors))


def specimens(species: str) -> Specimens:
    """Spiny and aspiny cells of a species with a long square, none of a donor of the published cohort.

    Raises `DataUnavailable` when a table cannot be had.

    >>> specimens("human").spiny.sum()  # doctest: +SKIP
    197
    """
    table, known = cell_types(species, "mouse")
    names = known["donor__name"].str.upper() if species == "human" else (
        known["donor__name"].str.extract(r"(\d+)$", expand=False))
    donors = (f"{species}-" + names).to_numpy(str)
    kind = known["tag__dendrite_type"].to_numpy()
    kept = (table["threshold_v_rheo"].notna().to_numpy() & np.isin(kind, ["spiny", "aspiny"])
            & ~np.isin(donors, cohorts.load(species, "aligned").donors.astype(str)))
    return Specimens(table[kept], kind[kept] == "spiny", donors[kept])


def makes(donors) -> np.ndarray:
    """(N,) bool: whether the cells of a donor make the guard rather than measure it.

    >>> makes(["mouse-1", "mouse-2"]).tolist()
    [False, True]
    """
    return np.array([sha256(donor.encode()).digest()[-1] % 2 == 0 for donor in donors], bool)


@dataclass(frozen=True)
class Guard:
    """Support vectors on ``columns`` (K,) of the features, with a preparation of their own."""

    columns: np.ndarray
    prepared: Prepared
    machine: KernelMachine

    def margin(self, x) -> np.ndarray:
        """(N,) side and distance from the border for ``x`` (N, P), NaN where not measured: positive for excitatory.

        A cell without any of the columns has no side: NaN.
        """
        x = np.asarray(x, float)[:, self.columns]
        return np.where(np.isnan(x).all(axis=1), np.nan, self.machine.margins(self.prepared(x))[:, 0])

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """As `patchtype.classify.arrays.Arrays.arrays`."""
        return {f"{prefix}columns": self.columns, **self.prepared.arrays(f"{prefix}prepared."),
                **self.machine.arrays(f"{prefix}machine.")}

    @classmethod
    def from_arrays(cls, arrays, prefix: str) -> Guard:
        """What `arrays` gave."""
        return cls(arrays[f"{prefix}columns"], Prepared.from_arrays(arrays, f"{prefix}prepared."),
                   KernelMachine.from_arrays(arrays, f"{prefix}machine."))


def fitted(x, others: Specimens, names, positions) -> Guard:
    """The guard from interneurons ``x`` (N, P) and cells of known dendrites, on some of the features ``names`` (P,).

    It reads those at ``positions`` that the other cells have, too.
    """
    strange = others.table.reindex(columns=list(names)).to_numpy(float)
    columns = np.array([k for k in positions if not np.isnan(strange[:, k]).all()], np.int16)
    cells = np.concatenate([x, strange])[:, columns]
    spiny = np.concatenate([np.zeros(len(x), int), others.spiny.astype(int)])
    steps = scaled()
    for step in steps:
        cells = step.fit_transform(cells)
    machine = SVC(C=SOFTNESS, gamma=1 / (len(columns) * WIDTH ** 2), class_weight="balanced").fit(cells, spiny)
    return Guard(columns, Prepared.of(*steps), KernelMachine.of(machine))


def detection(known, known_donors, strange, strange_donors, false_alarm: float, draws: int = 500,
              seed: int = 0) -> dict[str, float]:
    """How well a score (larger: stranger) tells strange cells (M,) from known ones (N,).

    Returns ``cells`` (M), ``auc`` and ``found``, the share of strange cells above all but ``false_alarm`` of the known
    ones, each with the ends ``_low`` and ``_high`` of a 95 % interval over donors of both, drawn anew.

    >>> detection([0, 1, 2, 3], list("aabb"), [2.5, 9], list("cd"), 0.25, draws=20)["auc"]
    0.875
    """
    sides = [(np.asarray(values, float), rows_by_donor(donors))
             for values, donors in ((known, known_donors), (strange, strange_donors))]

    def of(low, high):
        low = np.sort(low)
        below = (np.searchsorted(low, high) + np.searchsorted(low, high, "right")) / 2  # a tie counts half
        return below.mean() / len(low), (high > np.quantile(low, 1 - false_alarm, method="higher")).mean()

    rng = np.random.default_rng(seed)
    drawn = zip(*(of(*(values[redrawn(rows, rng)] for values, rows in sides)) for _ in range(draws)), strict=True)
    found = {"cells": len(sides[1][0])}
    for name, value, might_be in zip(("auc", "found"), of(*(values for values, _ in sides)), drawn, strict=True):
        low, high = ends(might_be)
        found |= {name: float(value), f"{name}_low": low, f"{name}_high": high}
    return found
