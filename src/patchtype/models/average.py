"""Several models on the same cells: their mean probability, and each of them as a reading of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from patchtype.cohorts import Cohort
from patchtype.models.table import BASELINES

#: Between the name of a method and that of the learner in it, in the ``model`` column of predictions.
SEPARATOR = " | "


class Viewed:
    """A model that is shown some families of a cohort only; see `patchtype.evaluation.Model`."""

    def __init__(self, model, families: Mapping[str, list[str]]):
        self.model = model
        self.families = families

    def fit(self, cohort: Cohort) -> Viewed:
        self.model.fit(cohort.view(self.families))
        return self

    def predict_proba(self, cohort: Cohort):
        return self.model.predict_proba(cohort.view(self.families))


class Average:
    """Mean of the probabilities of its members; see `patchtype.evaluation.Model`.

    ``members``: name → function that builds an unfitted model from a seed. `predict_proba` gives the mean under
    the ending "", and with ``each=True`` every member's own reading under ``" / name"``, from the same fit.
    ValueError for an average of nothing.

    >>> sorted(Average(BASELINES).members)
    ['gradient boosting', 'logistic regression', 'random forest', 'support vectors']
    """

    def __init__(self, members: Mapping[str, Callable[[int], object]], seed: int = 0, each: bool = False):
        if not members:
            raise ValueError("found an ensemble without members, expected at least one")
        self.members = dict(members)
        self.seed = seed
        self.each = each

    def fit(self, cohort: Cohort) -> Average:
        self.fitted = {name: build(self.seed).fit(cohort) for name, build in self.members.items()}
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray | dict[str, np.ndarray]:
        return self._read({name: model.predict_proba(cohort) for name, model in self.fitted.items()})

    def _read(self, parts: dict[str, np.ndarray]) -> np.ndarray | dict[str, np.ndarray]:
        """The readings, from the probabilities (N, C) of each member."""
        together = self._combine(np.stack(list(parts.values())))
        if not self.each:
            return together
        return {"": together} | {f" / {name}": part for name, part in parts.items()}

    def _combine(self, parts: np.ndarray) -> np.ndarray:
        """(M, N, C) probabilities of the members to (N, C)."""
        return parts.mean(axis=0)


class LearnerAverage(Average):
    """The average of table models whose readings are named as those of the methods of transfer are.

    ``predict_proba`` gives a reading for the mean, ending " | average", and one for each learner; kept predictions
    bear these names.
    """

    def __init__(self, seed: int = 0, learners: Mapping[str, Callable[[int], object]] = BASELINES):
        super().__init__(learners, seed)

    def _read(self, parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return readings(parts)


def readings(probabilities: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Learner → (N, C), with their mean as one learner more, under the endings of `SEPARATOR`."""
    mean = np.mean(list(probabilities.values()), axis=0)
    return {SEPARATOR + name: values for name, values in {"average": mean, **probabilities}.items()}
