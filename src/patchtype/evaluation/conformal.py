"""Prediction sets: the subclasses that a cell may well be, with a stated chance that the right one is among them.

A *nonconformity score* says how strange a class looks for a cell. From scores of the true classes of
calibration cells comes a limit; the set of a new cell holds every class whose score is within it. If
calibration cells and new cell are exchangeable, the true class is in the set with at least the stated
coverage, however bad the model is (Vovk et al. 2005). Two kinds of scores:

* ``"lac"``, one minus the probability of the class: least ambiguous sets, which may be empty (Sadinle et al. 2019);
* ``"aps"``, the probability of all classes that are more likely, plus a random part of its own: sets grow where
  the model is unsure (Romano et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

KINDS = ("lac", "aps")


def scores(probabilities, kind: str = "lac", rng: np.random.Generator | None = None) -> np.ndarray:
    """(N, C) nonconformity score of every class for every cell.

    ``rng`` breaks ties of "aps" at random, one number a cell; without it a class counts in full, which
    makes sets larger.

    >>> scores([[0.7, 0.3]]).round(2).tolist(), scores([[0.7, 0.3]], "aps").round(2).tolist()
    ([[0.3, 0.7]], [[0.7, 1.0]])
    """
    p = np.asarray(probabilities, float)
    if kind not in KINDS:
        raise ValueError(f"found the score {kind!r}, expected one of {KINDS}")
    if kind == "lac":
        return 1 - p
    order = np.argsort(-p, axis=1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=1)
    own = ranked if rng is None else ranked * rng.uniform(size=(len(p), 1))
    out = np.empty_like(p)
    np.put_along_axis(out, order, np.cumsum(ranked, axis=1) - ranked + own, axis=1)
    return out


def limit(values, miss: float, donors=None) -> float:
    """The score that a new cell's true class exceeds with a chance of at most ``miss``.

    ``values`` (n,) are scores of true classes of calibration cells. Without ``donors`` every cell is a draw of
    its own: the ceil((n + 1)(1 - miss))-th smallest. With ``donors`` the new cell is a draw from a new donor:
    every donor weighs the same, shared by its cells, and the new donor weighs as much at infinity (Lee et al.
    2023). Infinite where there are too few draws to say.

    >>> limit([0.1, 0.2, 0.3, 0.4], 0.2), limit([0.1, 0.2], 0.2), limit([0.1, 0.9, 0.2], 1 / 3, ["a", "a", "b"])
    (0.4, inf, 0.9)
    """
    values = np.asarray(values, float)
    if not 0 < miss < 1:
        raise ValueError(f"found miss={miss}, expected a chance between 0 and 1")
    if not values.size:
        return float("inf")
    if donors is None:
        weights, n_draws = np.ones(len(values)), len(values)
    else:
        _, which, counts = np.unique(np.asarray(donors, str), return_inverse=True, return_counts=True)
        weights, n_draws = 1 / counts[which], len(counts)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / (n_draws + 1) >= 1 - miss - 1e-12
    return float(values[order][reached.argmax()]) if reached.any() else float("inf")


@dataclass(frozen=True)
class PredictionSets:
    """Limits of the scores, one a class; ``by_class`` keeps the coverage in each class and not only on average.

    >>> sets = PredictionSets.fit([[0.9, 0.1]] * 9 + [[0.2, 0.8]] * 9, [0] * 9 + [1] * 9, miss=0.1)
    >>> sets.contain([[0.95, 0.05], [0.5, 0.5]]).tolist()
    [[True, False], [False, False]]
    """

    limits: np.ndarray
    miss: float
    kind: str = "lac"

    @classmethod
    def fit(cls, probabilities, y, miss: float = 0.1, kind: str = "lac", by_class: bool = True, donors=None,
            rng: np.random.Generator | None = None) -> PredictionSets:
        """Limits from cells that the model was not trained on."""
        p, y = np.asarray(probabilities, float), np.asarray(y, int)
        own = scores(p, kind, rng)[np.arange(len(y)), y]
        donors = None if donors is None else np.asarray(donors)

        def of(rows):
            return limit(own[rows], miss, None if donors is None else donors[rows])

        limits = [of(y == c) for c in range(p.shape[1])] if by_class else [of(np.full(len(y), True))] * p.shape[1]
        return cls(np.array(limits), miss, kind)

    def contain(self, probabilities, rng: np.random.Generator | None = None) -> np.ndarray:
        """(N, C) bool: whether each class is in each cell's set."""
        return scores(probabilities, self.kind, rng) <= self.limits + 1e-12


def coverage(sets, y, classes) -> pd.DataFrame:
    """Per class and in all: ``cells``, ``coverage`` (share whose set holds the truth), ``size`` (mean of the set),
    ``single`` (share of sets with one class) and ``empty``.

    >>> coverage([[True, False], [True, True]], [0, 1], ["Sst", "Vip"]).loc["all", ["coverage", "size"]].tolist()
    [1.0, 1.5]
    """
    sets, y = np.asarray(sets, bool), np.asarray(y, int)
    held, size = sets[np.arange(len(y)), y], sets.sum(axis=1)
    rows = {name: y == c for c, name in enumerate(classes)} | {"all": np.full(len(y), True)}
    return pd.DataFrame.from_dict({
        name: {"cells": int(inside.sum()), "coverage": held[inside].mean(), "size": size[inside].mean(),
               "single": (size[inside] == 1).mean(), "empty": (size[inside] == 0).mean()}
        for name, inside in rows.items() if inside.any()
    }, orient="index").astype({"cells": int})
