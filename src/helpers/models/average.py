"""Several models on the same cells: their mean probability, and each of them as a reading of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from helpers.cohorts import Cohort
from helpers.models.table import BASELINES

#: Between the name of a method and that of the learner in it, in the ``model`` column of predictions.
SEPARATOR = " | "


class Viewed:
    """A model that is shown some families of a cohort only; see `helpers.evaluation.Model`."""

    def __init__(self, model, families: Mapping[str, list[str]]):
        self.model = model
        self.families = families

    def fit(self, cohort: Cohort) -> Viewed:
        self.model.fit(cohort.view(self.families))
        return self

    def predict_proba(self, cohort: Cohort):
        return self.model.predict_proba(cohort.view(self.families))


class Average:
    """Mean probability of the table models of the book; see `helpers.evaluation.Model`.

    ``predict_proba`` gives a reading for the mean, ending " | average", and one for each member.

    >>> sorted(Average(0).members)
    ['gradient boosting', 'logistic regression', 'random forest', 'support vectors']
    """

    def __init__(self, seed: int = 0, learners: Mapping = BASELINES):
        self.members = {name: build(seed) for name, build in learners.items()}

    def fit(self, cohort: Cohort) -> Average:
        for member in self.members.values():
            member.fit(cohort)
        return self

    def predict_proba(self, cohort: Cohort) -> dict[str, np.ndarray]:
        return readings({name: member.predict_proba(cohort) for name, member in self.members.items()})


def readings(probabilities: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Learner → (N, C), with their mean as one learner more, under the endings of `SEPARATOR`."""
    mean = np.mean(list(probabilities.values()), axis=0)
    return {SEPARATOR + name: values for name, values in {"average": mean, **probabilities}.items()}
