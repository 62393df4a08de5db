"""From what the models say of a cell to an answer: calibrated, as a set, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from patchtype.evaluation.calibration import Temperature
from patchtype.evaluation.conformal import PredictionSets

#: Stated chance that the right subclass is not in the set, in each subclass. At 0.1 most human sets would hold two
#: or more subclasses: electrically they overlap.
MISS = {"mouse": 0.1, "human": 0.2}
#: Stated chance that a cell like those of training is called unlike them.
FALSE_ALARM = 0.05
#: Stated chance that an interneuron is called excitatory.
EXCITATORY_ALARM = 0.02


@dataclass(frozen=True)
class Judgement:
    """Temperature, limits of the sets, and the limits beyond which a cell counts as unlike the training cells.

    ``distance_limit`` is of `Novelty.distance`, ``missing_limit`` a number of features, ``margin_limit`` of
    `KernelMachine.margin`, beyond which a cell looks excitatory.
    """

    temperature: Temperature
    sets: PredictionSets
    distance_limit: float
    missing_limit: int
    margin_limit: float

    @classmethod
    def fit(cls, raw, y, donors, distance, missing, margin, miss: float = 0.1) -> Judgement:
        """From cells that the models were not trained on: ``raw`` (N, C) probabilities, the other arrays (N,)."""
        temperature = Temperature.fit(raw, y)
        sets = PredictionSets.fit(temperature.apply(raw), y, miss, donors=donors)
        return cls(temperature, sets, *novelty_limits(distance, missing), limit_above(margin, EXCITATORY_ALARM))

    def answers(self, raw, distance, missing, margin, classes, index) -> pd.DataFrame:
        """One row a cell: ``subclass`` (the likeliest), ``p_<class>``, ``set`` (classes joined by a space),
        ``distance``, ``missing``, ``unlike`` (bool), ``margin``, ``excitatory`` (bool) and ``verdict``: *answered*,
        *undecided* (the set is not the likeliest class alone), *excitatory* (looks like no interneuron) or *unlike*
        (not like the training cells). Of the last two, *unlike* goes first; the probabilities mean little in both.
        """
        p, names = self.temperature.apply(raw), np.array(classes)
        inside = self.sets.contain(p)
        unlike = (distance > self.distance_limit) | (missing > self.missing_limit)
        excitatory = np.asarray(margin) > self.margin_limit
        alone = (inside.sum(axis=1) == 1) & inside[np.arange(len(p)), p.argmax(axis=1)]
        verdict = np.select([unlike, excitatory, alone], ["unlike", "excitatory", "answered"],
                            "undecided")
        return pd.DataFrame({
            "subclass": names[p.argmax(axis=1)], **{f"p_{c}": p[:, k] for k, c in enumerate(names)},
            "set": [" ".join(names[row]) for row in inside], "distance": distance, "missing": missing,
            "unlike": unlike, "margin": margin, "excitatory": excitatory, "verdict": verdict,
        }, index=index)


def novelty_limits(distance, missing, false_alarm: float = FALSE_ALARM) -> tuple[float, int]:
    """Limits of distance and of missing features that together call at most a stated share of cells unlike.

    A fifth of the share, at most, is spent on missing features, the rest on distance.

    >>> novelty_limits(np.arange(100.0), np.zeros(100, int))
    (94.0, 0)
    """
    distance, missing = np.asarray(distance, float), np.asarray(missing, int)
    most = int(np.quantile(missing, 1 - false_alarm / 5, method="higher"))
    kept, spent = distance[missing <= most], int((missing > most).sum())
    return _above_all_but(kept, int(false_alarm * len(missing) + 1e-9) - spent), most


def limit_above(values, share: float) -> float:
    """The limit that at most a share of values is above.

    >>> limit_above([3.0, 1.0, 2.0, 4.0], 0.25)
    3.0
    """
    return _above_all_but(np.nan_to_num(np.asarray(values, float), nan=-np.inf), int(share * len(values) + 1e-9))


def _above_all_but(values: np.ndarray, n: int) -> float:
    return float(np.sort(values)[-n - 1])


def least(figures: dict) -> tuple[str, int, float]:
    """The subclass whose answered cells are right least often: its name, how many are answered, and that share.

    >>> least({"right_answered": {"Sst": (50, 0.9), "Vip": (20, 0.7)}})
    ('Vip', 20, 0.7)
    """
    if not figures["right_answered"]:
        return "none", 0, float("nan")
    subclass = min(figures["right_answered"], key=lambda c: figures["right_answered"][c][1])
    return subclass, *figures["right_answered"][subclass]
