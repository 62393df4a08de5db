"""From what the models say of a cell to an answer: calibrated, as a set, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.evaluation.calibration import Temperature
from helpers.evaluation.conformal import PredictionSets

#: Stated chance that the right subclass is not in the set, in each subclass. At 0.1 most human sets would hold two
#: or more subclasses: electrically they overlap.
MISS = {"mouse": 0.1, "human": 0.2}
#: Stated chance that a cell like those of training is called unlike them.
FALSE_ALARM = 0.05


@dataclass(frozen=True)
class Judgement:
    """Temperature, limits of the sets, and the limits beyond which a cell counts as unlike the training cells.

    ``distance_limit`` is of `Novelty.distance`, ``missing_limit`` a number of features.
    """

    temperature: Temperature
    sets: PredictionSets
    distance_limit: float
    missing_limit: int

    @classmethod
    def fit(cls, raw, y, donors, distance, missing, miss: float = 0.1) -> Judgement:
        """From cells that the models were not trained on: ``raw`` (N, C) probabilities, the other arrays (N,)."""
        temperature = Temperature.fit(raw, y)
        sets = PredictionSets.fit(temperature.apply(raw), y, miss, donors=donors)
        return cls(temperature, sets, *novelty_limits(distance, missing))

    def answers(self, raw, distance, missing, classes, index) -> pd.DataFrame:
        """One row a cell: ``subclass`` (the likeliest), ``p_<class>``, ``set`` (classes joined by a space),
        ``distance``, ``missing``, ``unlike`` (bool) and ``verdict``: *answered*, *undecided* (the set has not exactly
        one class) or *unlike* (not like the training cells; the probabilities mean little).
        """
        p, names = self.temperature.apply(raw), np.array(classes)
        inside = self.sets.contain(p)
        unlike = (distance > self.distance_limit) | (missing > self.missing_limit)
        verdict = np.where(unlike, "unlike", np.where(inside.sum(axis=1) == 1, "answered", "undecided"))
        return pd.DataFrame({
            "subclass": names[p.argmax(axis=1)], **{f"p_{c}": p[:, k] for k, c in enumerate(names)},
            "set": [" ".join(names[row]) for row in inside], "distance": distance, "missing": missing,
            "unlike": unlike, "verdict": verdict,
        }, index=index)


def novelty_limits(distance, missing, false_alarm: float = FALSE_ALARM) -> tuple[float, int]:
    """Limits of distance and of missing features that together call at most a stated share of cells unlike.

    A fifth of the share, at most, is spent on missing features, the rest on distance.

    >>> novelty_limits(np.arange(100.0), np.zeros(100, int))
    (94.0, 0)
    """
    distance, missing = np.asarray(distance, float), np.asarray(missing, int)
    most = int(np.quantile(missing, 1 - false_alarm / 5, method="higher"))
    kept = np.sort(distance[missing <= most])
    allowed = int(false_alarm * len(missing) + 1e-9) - int((missing > most).sum())
    return float(kept[-allowed - 1]), most
