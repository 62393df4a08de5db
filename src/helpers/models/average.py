"""Several models on the same cells: their mean probability, and each of them as a reading of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from helpers.cohorts import Cohort
from helpers.models.table import BASELINES

#: Between the name of a method and that of the learner in it, in the ``model`` column of predictions.
SEPARATOR = " | "


def view(cohort: Cohort, families: Mapping[str, list[str]]) -> Cohort:
    """The cohort with the features of ``families`` alone; ValueError names a feature that it lacks."""
    columns = [feature for members in families.values() for feature in members]
    lost = [feature for feature in columns if feature not in cohort.table]
    if lost:
        raise ValueError(f"found no feature {lost[0]!r} in the cohort, expected all that the other species has")
    return replace(cohort, table=cohort.table[columns], families=dict(families))


class Viewed:
    """A model that is shown some families of a cohort only; see `helpers.evaluation.Model`."""

    def __init__(self, model, families: Mapping[str, list[str]]):
        self.model = model
        self.families = families

    def fit(self, cohort: Cohort) -> Viewed:
        self.model.fit(view(cohort, self.families))
        return self

    def predict_proba(self, cohort: Cohort):
        return self.model.predict_proba(view(cohort, self.families))


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
