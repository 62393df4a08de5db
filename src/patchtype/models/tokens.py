"""From a cohort to the tensor that a sequence model reads: one scaled token per feature family."""

from __future__ import annotations

import numpy as np
import torch

from patchtype.cohorts import Cohort
from patchtype.models.scale import Scale, same_features


class FamilyTokens:
    """Winsorise, z-score and median-fill each feature on the training cells, then pack families into tokens.

    A token holds the features of its family, zeros up to the widest family, and in its last place the share
    of its features that were not measured. Feature statistics come from the cohort given to `fit` alone.

    >>> import pandas as pd
    >>> cells = pd.DataFrame({"species": "mouse", "subclass": "Sst", "donor": "d", "source": "simulated"}, index=[0, 1])
    >>> table = pd.DataFrame({"a": [0.0, 2.0], "b": [1.0, np.nan]})
    >>> cohort = Cohort.build(cells, table, {"one": ["a"], "two": ["b"]}, ("Sst",))
    >>> FamilyTokens().fit(cohort).transform(cohort).shape
    torch.Size([2, 2, 2])
    """

    def fit(self, cohort: Cohort) -> FamilyTokens:
        self.features = tuple(cohort.table.columns)
        self.scale = Scale(cohort.x)
        return self

    def transform(self, cohort: Cohort) -> torch.Tensor:
        """(N, families, width) float32. ValueError if the cohort has other features than the fitted one."""
        same_features(cohort, self.features)
        missing = np.isnan(cohort.x)
        x = self.scale(np.where(missing, self.scale.median, cohort.x))
        columns = cohort.columns()
        tokens = np.zeros((len(cohort), len(columns), max(map(len, columns)) + 1), np.float32)
        for i, members in enumerate(columns):
            tokens[:, i, : len(members)] = x[:, members]
            tokens[:, i, -1] = missing[:, members].mean(axis=1)
        return torch.from_numpy(tokens)
