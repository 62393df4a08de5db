"""A model of one species carried to another without any label of the other.

What it uses: features and labels of the *source* species, and the features of all cells it is asked about, the
*target*. It is transductive: the target's cells help to place each other, so it names a cohort, not a cell.

1. *Consistent features*: a feature that correlates with the others in the target as it does in the source
   is kept; one whose correlations changed means something else there.
2. *Balanced quantiles*: each feature becomes a normal score within its species, with cells weighted so that every
   class has the same mass. In the target the classes are those predicted so far, and scores and predictions
   are worked out in turns. Without this a species rich in one class is shifted as a whole.
3. *Self-training*: the most confident target cells of each predicted class train a discriminant on all features of
   the target, those that the source lacks included; its predictions, mixed with those of step 2, do it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.base import ClassifierMixin, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer
from sklearn.svm import SVC

from patchtype.cohorts import Cohort
from patchtype.models.table import over_classes, scaled

#: Normal scores are cut off here, so that the outermost cell of a species weighs like its neighbours.
LIMIT = 3.0


def consistency(source: pd.DataFrame, target: pd.DataFrame) -> pd.Series:
    """How alike each feature's correlations with the others are in two species, between -1 and 1; needs no label.

    >>> t = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 4)), columns=list("abcd"))
    >>> consistency(t, t).round(6).unique().tolist()
    [1.0]
    """
    features = [f for f in source.columns if f in target.columns]
    a, b = (normal_scores(t[features], np.ones(len(t))).corr().to_numpy() for t in (source, target))
    np.fill_diagonal(a, np.nan)
    np.fill_diagonal(b, np.nan)
    return pd.Series({f: pd.Series(a[i]).corr(pd.Series(b[i])) for i, f in enumerate(features)})


def normal_scores(table: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Each feature as the normal quantile of its weighted rank, cut at `LIMIT`; missing values stay missing.

    Cells of one value share the middle of their ranks: the order of rows, which in a public table may follow the
    subclass, says nothing.

    >>> normal_scores(pd.DataFrame({"a": [5.0, 1.0, 9.0]}), np.ones(3))["a"].round(2).tolist()
    [0.0, -0.97, 0.97]
    """
    scores = {}
    for name in table:
        values = table[name].to_numpy(float)
        present = np.isfinite(values)
        distinct, which = np.unique(values[present], return_inverse=True)
        mass = np.bincount(which, np.asarray(weights, float)[present], len(distinct))
        rank = np.full(len(values), np.nan)
        rank[present] = ((np.cumsum(mass) - mass / 2) / mass.sum())[which]
        scores[name] = norm.ppf(rank).clip(-LIMIT, LIMIT)
    return pd.DataFrame(scores, index=table.index)


def readers(seed: int) -> list[ClassifierMixin]:
    """The four classifiers whose probabilities step 2 averages."""
    return [
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3),
        LogisticRegression(C=0.03, max_iter=2000, class_weight="balanced"),
        ExtraTreesClassifier(200, min_samples_leaf=5, class_weight="balanced", random_state=seed),
        SVC(C=1.0, gamma=0.01, class_weight="balanced", probability=True, random_state=seed),
    ]


@dataclass
class ZeroShot:
    """Step by step, see the module. ``steps`` says how far to go, so that each step's worth can be measured.

    ``sncg``: the ways in which source Sncg cells enter the four classes, averaged. ``threshold``: least
    `consistency` of a feature. ``share``: most confident cells of each class that train; ``anchor``: the weight that
    the predictions of step 2 keep in step 3.

    >>> ZeroShot(steps=1).steps
    1
    """

    seed: int = 0
    steps: int = 3
    sncg: Sequence[str] = ("Vip", "drop")
    threshold: float = 0.6
    turns: int = 10
    share: float = 0.8
    shrinkage: float = 0.5
    anchor: float = 0.2
    features: list[str] = field(default_factory=list, init=False)

    def name(self, source: Cohort, target: Cohort, table: pd.DataFrame | None = None,
             weights: np.ndarray | None = None) -> np.ndarray:
        """(N, C) probabilities of the target's classes for its cells.

        ``source`` has five or four classes; ``target`` shares features with it; its labels are not read.
        ``table`` (N, P): all features of the target for step 3, by default those of ``target``.
        ``weights`` (N,): of the target's cells in its ranks, for who knows their mixture; by default step 2 finds them.
        """
        shared = consistency(source.table, target.table)
        self.features = shared.index[shared >= (self.threshold if self.steps >= 1 else -1)].tolist()
        aligned = np.mean([p for rule in self.sncg for p in self._aligned(source.four_classes(rule), target, weights)],
                          axis=0)
        if self.steps < 3:
            return aligned
        return self.self_trained(aligned, target.table if table is None else table)

    def _aligned(self, source: Cohort, target: Cohort, known: np.ndarray | None) -> list[np.ndarray]:
        classes = len(source.classes)
        balanced = (1 / np.bincount(source.y, minlength=classes).clip(1))[source.y]
        x = normal_scores(source.table[self.features], balanced if self.steps >= 2 else np.ones(len(source)))
        found = []
        for reader in readers(self.seed):
            if isinstance(reader, LinearDiscriminantAnalysis):
                reader = clone(reader).set_params(priors=np.full(classes, 1 / classes))
            reader.fit(x.fillna(0), source.y)
            weights = np.ones(len(target)) if known is None else known
            for _ in range(self.turns if self.steps >= 2 and known is None else 1):
                scores = normal_scores(target.table[self.features], weights)
                p = reader.predict_proba(scores.fillna(0))
                weights = (p / p.mean(axis=0)).sum(axis=1)
            found.append(p)
        return found

    def self_trained(self, aligned: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        """Step 3 alone: probabilities (N, C) of step 2 and the target's features to probabilities (N, C)."""
        x = make_pipeline(*scaled(PowerTransformer)).fit_transform(table.to_numpy())
        p = aligned
        for _ in range(self.turns):
            said, sure = p.argmax(axis=1), np.zeros(len(p), bool)
            for c in np.unique(said):
                rows = np.flatnonzero(said == c)
                sure[rows[np.argsort(-p[rows, c])[: max(8, int(self.share * len(rows)))]]] = True
            reader = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=self.shrinkage).fit(x[sure], said[sure])
            p = (1 - self.anchor) * over_classes(reader, x, p.shape[1]) + self.anchor * aligned
        return p
