"""Cells of both species in one training set, the other species counting less; how much less, inner folds decide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold

from patchtype.cohorts import Cohort
from patchtype.models.alignment import Scaled
from patchtype.models.average import readings
from patchtype.models.table import MarginSVC, over_classes


def _logistic_regression(seed: int):
    return LogisticRegression(C=0.3, max_iter=3000, random_state=seed)


def _support_vectors(seed: int):
    return MarginSVC(C=3.0, random_state=seed)


def _boosting(seed: int):
    # Fewer and larger steps than the boosting of `patchtype.models.table`: here it reads several thousand cells.
    return HistGradientBoostingClassifier(learning_rate=0.15, max_iter=60, max_leaf_nodes=12, min_samples_leaf=10,
                                          l2_regularization=1.0, random_state=seed)


#: Learners that take a weight per cell, with the hyper-parameters of `patchtype.models.table` but for boosting.
LEARNERS = {
    "gradient boosting": _boosting, "logistic regression": _logistic_regression, "support vectors": _support_vectors,
}

#: Weights of the other species to choose among: 1 gives it as much say as the training cells, 0 none.
WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0)


def balanced(y: np.ndarray, total: float) -> np.ndarray:
    """Weights (N,) of cells with classes ``y``: every class present weighs the same, all weigh ``total``.

    >>> balanced(np.array([0, 0, 1]), 3.0).tolist()
    [0.75, 0.75, 1.5]
    """
    counts = np.bincount(y)
    return total / (counts > 0).sum() / counts[y]


class Pooled:
    """Learners trained on training cells and weighted cells of ``partner``; see `patchtype.evaluation.Model`.

    Parameters: ``partner``, cells of the other species with the same classes and the common features;
    ``aligner``, builds what brings both to one scale; ``weights``, from which the weight of the partner is
    chosen: the one with the best macro-F1 of logistic regression over inner folds of the training cells, donors
    apart, the aligner learnt anew in each; the smallest of equals. With the one weight 0 the partner has no say.
    After `fit`: ``weight``, the weight chosen.
    """

    def __init__(self, partner: Cohort, aligner: Callable = Scaled, weights: tuple[float, ...] = WEIGHTS, seed: int = 0,
                 learners=LEARNERS, inner_folds: int = 3):
        self.partner = partner
        self.aligner = aligner
        self.weights = tuple(sorted(weights))
        self.seed = seed
        self.learners = learners
        self.inner_folds = inner_folds

    def fit(self, cohort: Cohort) -> Pooled:
        if cohort.classes != self.partner.classes:
            raise ValueError(f"found the classes {cohort.classes}, expected those of the partner, "
                             f"{self.partner.classes}; bring both to the same classes")
        own = cohort.view(self.partner.families)
        self.weight = self.weights[0] if len(self.weights) == 1 else self._choose(own)
        self.alignment = self._align(own)
        self.fitted = {
            name: self._fit(build, self.alignment, own, self.weight) for name, build in self.learners.items()}
        return self

    def predict_proba(self, cohort: Cohort) -> dict[str, np.ndarray]:
        """A reading for the mean of the learners and one for each."""
        x = self.alignment.own(cohort.view(self.partner.families).x)
        return readings({name: over_classes(m, x, len(cohort.classes)) for name, m in self.fitted.items()})

    def _align(self, own: Cohort):
        return self.aligner().fit(self.partner.x, self.partner.y, own.x, own.y, len(own.classes))

    def _fit(self, build, alignment, own: Cohort, weight: float):
        x, y = alignment.own(own.x), own.y
        w = balanced(y, len(y))
        if weight > 0:
            x, y = np.vstack([x, alignment.partner]), np.r_[y, self.partner.y]
            w = np.r_[w, balanced(self.partner.y, weight * len(own))]
        return build(self.seed).fit(x, y, sample_weight=w)

    def _choose(self, own: Cohort) -> float:
        splitter = StratifiedGroupKFold(self.inner_folds, shuffle=True, random_state=self.seed)
        named = {weight: np.full(len(own), -1) for weight in self.weights}
        for train, test in splitter.split(own.x, own.y, own.donors):
            inner = own.take(train)
            if len(np.unique(inner.y)) < 2:
                continue
            alignment = self._align(inner)
            x = alignment.own(own.x[test])
            for weight in self.weights:
                model = self._fit(_logistic_regression, alignment, inner, weight)
                named[weight][test] = model.predict(x)
        score = {weight: f1_score(own.y, guess, labels=np.unique(own.y), average="macro", zero_division=0)
                 for weight, guess in named.items()}
        return max(self.weights, key=lambda weight: (score[weight], -weight))
