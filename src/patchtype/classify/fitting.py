"""What is fitted to training cells, and what it says of other cells, pattern by pattern."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import PowerTransformer
from sklearn.svm import SVC

from patchtype import cohorts
from patchtype.classify import guard, patterns
from patchtype.classify.arrays import KernelMachine, LinearModel, Prepared, geometric_mean
from patchtype.classify.novelty import Novelty
from patchtype.cohorts import Cohort
from patchtype.models.table import scaled

#: Softness of the borders between subclasses.
SOFTNESS = 3.0
#: Species for which a linear discriminant takes part; where cells are many, support vectors alone do better.
WITH_DISCRIMINANT = ("human",)


def load(species: str) -> Cohort:
    """The published cells of a species with `patterns.columns`; see `patchtype.cohorts.load` for what it raises."""
    return prepared(cohorts.load(species, species))


def prepared(cohort: Cohort) -> Cohort:
    """The same cells with `patterns.columns`."""
    species = cohort.cells["species"].iloc[0]
    table = patterns.with_layers(cohort.table, cohort.cells["layer"], species)
    named = {patterns.LAYER: [c for c in table if patterns.block(c) == patterns.LAYER]}
    return replace(cohort, table=table, families=patterns.members(species) | (named if named["layer"] else {}))


@dataclass(frozen=True)
class Expert:
    """The models of one pattern, on its ``columns`` (K,) of prepared features."""

    columns: np.ndarray
    support: KernelMachine
    discriminant: LinearModel | None

    @classmethod
    def fit(cls, z: np.ndarray, y: np.ndarray, columns: np.ndarray, with_discriminant: bool) -> Expert:
        """From prepared training cells ``z`` (N, P) of classes ``y`` (N,)."""
        z, linear = z[:, columns], None
        support = KernelMachine.of(SVC(C=SOFTNESS, class_weight="balanced").fit(z, y))
        if with_discriminant:
            linear = LinearModel.of(LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(z, y))
        return cls(columns.astype(np.int16), support, linear)

    def says(self, z: np.ndarray) -> np.ndarray:
        """(N, C) probabilities before calibration: the geometric mean of two readings."""
        votes, sure = self.support.readings(z[:, self.columns])
        if self.discriminant is not None:
            sure = self.discriminant.log_probabilities(z[:, self.columns])
        return geometric_mean([votes, sure])

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """As `patchtype.classify.arrays.Arrays.arrays`."""
        linear = self.discriminant.arrays(f"{prefix}discriminant.") if self.discriminant else {}
        return {f"{prefix}columns": self.columns, **self.support.arrays(f"{prefix}support."), **linear}

    @classmethod
    def from_arrays(cls, arrays, prefix: str) -> Expert:
        """What `arrays` gave."""
        linear = f"{prefix}discriminant."
        there = any(name.startswith(linear) for name in arrays)
        return cls(arrays[f"{prefix}columns"], KernelMachine.from_arrays(arrays, f"{prefix}support."),
                   LinearModel.from_arrays(arrays, linear) if there else None)


@dataclass(frozen=True)
class Models:
    """What is fitted to training cells: preparation and novelty of all features, an expert and a guard a pattern.

    Cells are tables with `patterns.columns`. The layer says nothing on whether a cell is strange: patterns that
    differ in it alone share a guard.
    """

    species: str
    prepared: Prepared
    novelty: Novelty
    experts: dict[tuple[str, ...], Expert]
    guards: dict[tuple[str, ...], guard.Guard]

    @classmethod
    def fit(cls, cohort: Cohort, others: guard.Specimens, chosen: Iterable[tuple[str, ...]] | None = None) -> Models:
        """From training cells of `load`, and cells of known dendrites for the guards; for some patterns or all."""
        species = cohort.cells["species"].iloc[0]
        chosen = patterns.patterns(species) if chosen is None else list(chosen)
        p = len(patterns.features(species))
        made = _prepared(cohort.x, p)
        z, y = made(cohort.x), cohort.y
        there = {pattern: patterns.has(cohort.table, pattern) for pattern in chosen}
        experts = {pattern: Expert.fit(z[rows], y[rows], patterns.positions(species, pattern),
                                       species in WITH_DISCRIMINANT) for pattern, rows in there.items()}
        guards = {pattern: guard.fitted(cohort.x, others, patterns.columns(species),
                                        patterns.positions(species, pattern))
                  for pattern in dict.fromkeys(map(_seen, chosen))}
        return cls(species, made, Novelty.fit(cohort.x[:, :p], y), experts, guards)

    def says(self, table: pd.DataFrame, pattern: tuple[str, ...]) -> dict[str, np.ndarray]:
        """What they say of cells (N rows) as of a pattern, whatever else was recorded.

        ``raw`` (N, C) probabilities before calibration; ``distance`` and ``missing`` (N,) of `Novelty`, over the
        features of the pattern; ``margin`` (N,) of the guard.
        """
        x = table.to_numpy(float)
        positions = patterns.positions(self.species, _seen(pattern))
        seen = np.full((len(x), len(self.novelty.median)), np.nan)
        seen[:, positions] = x[:, positions]
        return {"raw": self.experts[pattern].says(self.prepared(x)), "distance": self.novelty.distance(seen),
                "missing": np.isnan(x[:, positions]).sum(axis=1), "margin": self.guards[_seen(pattern)].margin(x)}


def _seen(pattern: tuple[str, ...]) -> tuple[str, ...]:
    """The blocks of a pattern that were recorded, not told."""
    return tuple(b for b in pattern if b != patterns.LAYER)


def _prepared(x: np.ndarray, p: int) -> Prepared:
    """Preparation of ``p`` features and of layers after them, which are only centred and scaled, 0 where not known."""
    steps = scaled(PowerTransformer)
    rest = x[:, :p]
    for step in steps:
        rest = step.fit_transform(rest)
    made, layers = Prepared.of(*steps), x[:, p:]
    if not layers.shape[1]:
        return made
    mean, spread = np.nanmean(layers, axis=0), np.nanstd(layers, axis=0)
    same = np.ones_like(mean)
    plain = Prepared(-np.inf * same, np.inf * same, mean, same, mean, np.where(spread > 0, spread, 1.0))
    return Prepared(*(np.concatenate([getattr(made, n), getattr(plain, n)]) for n in Prepared.__dataclass_fields__))
