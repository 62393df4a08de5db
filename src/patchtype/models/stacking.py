"""The other species as an adviser: what its model says of a cell becomes a feature of the cell (Wolpert 1992)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline

from patchtype.cohorts import Cohort
from patchtype.models.average import LearnerAverage
from patchtype.models.table import BASELINES, scaled

#: Probabilities are held above this before their logarithm is taken.
FLOOR = 1e-3


class Adviser:
    """Table models of one species, fitted once; says of cells of another species what they would be in its own.

    It keeps the classes of ``partner``, so a class that the other species lacks still tells something.
    """

    def __init__(self, partner: Cohort, seed: int = 0, learners: Mapping = BASELINES):
        self.families = partner.families
        self.classes = partner.classes
        self.scaler = make_pipeline(*scaled()).fit(partner.x)
        self.model = LearnerAverage(seed, learners).fit(self._scaled(partner, self.scaler))

    def advice(self, cohort: Cohort, own: Pipeline) -> pd.DataFrame:
        """Centred log-probabilities of each class, (N, 2 C), read in two ways.

        ``as measured`` scales the cells as if they were of the adviser's species; ``relative`` scales them by
        ``own``, a scaler of their own species.
        """
        cells = replace(cohort.view(self.families), classes=self.classes)
        columns = {}
        for reading, scaler in (("as measured", self.scaler), ("relative", own)):
            probabilities = self.model.predict_proba(self._scaled(cells, scaler))[" | average"]
            logs = np.log(np.maximum(probabilities, FLOOR))
            logs -= logs.mean(axis=1, keepdims=True)
            columns |= {f"{c} {reading}": logs[:, i] for i, c in enumerate(self.classes)}
        return pd.DataFrame(columns, index=cohort.cells.index)

    @staticmethod
    def _scaled(cohort: Cohort, scaler: Pipeline) -> Cohort:
        values = pd.DataFrame(scaler.transform(cohort.x), cohort.table.index, cohort.table.columns)
        return replace(cohort, table=values)


class Stacked:
    """A model that reads its features and the advice of another species; see `patchtype.evaluation.Model`.

    The adviser has seen no cell of this species. The scaler that tells it what is usual here is fitted on the
    training cells.
    """

    def __init__(self, adviser: Adviser, model):
        self.adviser = adviser
        self.model = model

    def fit(self, cohort: Cohort) -> Stacked:
        self.own = make_pipeline(*scaled()).fit(cohort.view(self.adviser.families).x)
        self.model.fit(self._advised(cohort))
        return self

    def predict_proba(self, cohort: Cohort):
        return self.model.predict_proba(self._advised(cohort))

    def _advised(self, cohort: Cohort) -> Cohort:
        advice = self.adviser.advice(cohort, self.own)
        return replace(cohort, table=pd.concat([cohort.table, advice], axis=1),
                       families={**cohort.families, "advice": list(advice.columns)})
