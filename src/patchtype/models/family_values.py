"""From cohorts of one or two species to what the family encoder reads: values and what was measured.

A value that is missing stays missing: it has a mask, and no number stands in for it. Cells of a species that
lacks a feature simply have it masked, so both species fit one list of features without filling anything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from patchtype.cohorts import Cohort
from patchtype.models.scale import Scale, same_features


class Values(NamedTuple):
    """``x`` (N, T, W) float32, zero where not measured; ``seen`` (N, T, W) bool, True where measured;
    ``species`` (N,) long, 0 for the species of interest and 1 for the other."""

    x: torch.Tensor
    seen: torch.Tensor
    species: torch.Tensor

    def take(self, rows: torch.Tensor) -> Values:
        return Values(self.x[rows], self.seen[rows], self.species[rows])


def join(first: Values, second: Values) -> Values:
    """The cells of both."""
    return Values(*(torch.cat(parts) for parts in zip(first, second, strict=True)))


class FamilyValues:
    """Winsorise and z-score each feature on the cells given to `fit`, and pack families side by side.

    The families and features are those of the fitted cohort. `of_other` scales cells of another species on
    themselves, and keeps of their features those that the fitted cohort has.

    >>> import pandas as pd
    >>> cells = pd.DataFrame({"species": "mouse", "subclass": "Sst", "donor": "d", "source": "simulated"}, index=[0, 1])
    >>> table = pd.DataFrame({"a": [0.0, 2.0], "b": [1.0, np.nan]})
    >>> cohort = Cohort.build(cells, table, {"one": ["a"], "two": ["b"]}, ("Sst",))
    >>> FamilyValues().fit(cohort).transform(cohort).seen[:, 1, 0].tolist()
    [True, False]
    """

    def fit(self, cohort: Cohort) -> FamilyValues:
        self.features = tuple(cohort.table.columns)
        self.columns = cohort.columns()
        self.widths = tuple(len(members) for members in self.columns)
        self.scale = Scale(cohort.x)
        return self

    def transform(self, cohort: Cohort) -> Values:
        """Cells of the fitted species. ValueError if the cohort has other features than the fitted one."""
        same_features(cohort, self.features)
        return self._pack(self.scale(cohort.x), species=0)

    def of_other(self, cohort: Cohort) -> Values:
        """Cells of another species, scaled on themselves; features that they lack are masked."""
        x = cohort.table.reindex(columns=list(self.features)).to_numpy()
        return self._pack(Scale(x)(x), species=1)

    def _pack(self, x: np.ndarray, species: int) -> Values:
        packed = np.full((len(x), len(self.columns), max(self.widths)), np.nan, np.float32)
        for token, members in enumerate(self.columns):
            packed[:, token, : len(members)] = x[:, members]
        seen = torch.from_numpy(np.isfinite(packed))
        return Values(torch.from_numpy(np.nan_to_num(packed)), seen, torch.full((len(x),), species))
