"""Several models as one: their probabilities averaged, or pooled with weights learnt on inner folds.

Models that err on different cells correct each other. The plain average (`patchtype.models.average`) has nothing
to learn and so cannot overfit. The pool gives each member a weight and each class an offset; both are learnt from
predictions that the members make, inside the training cells, for donors they have not seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from patchtype.cohorts import Cohort
from patchtype.models.average import Average
from patchtype.models.encoder import FamilyEncoder
from patchtype.models.ratios import RatioModel
from patchtype.models.table import MarginSVC, Measured, TableModel, scaled, support_vectors

#: The smallest probability that enters a logarithm.
FLOOR = 1e-4


class Pool(Average):
    r"""Logarithmic pool of its members, :math:`\log p_c = \sum_m w_m \log p_{mc} + b_c` up to a constant.

    Weights :math:`w_m \ge 0` and offsets :math:`b_c` minimise the class-balanced log loss of predictions made
    inside the training cells (``folds`` inner folds, donors apart), with a penalty ``ridge`` that draws weights
    to equal shares and offsets to zero.
    """

    def __init__(self, members, seed: int = 0, each: bool = False, folds: int = 5, ridge: float = 5.0):
        super().__init__(members, seed, each)
        self.folds = folds
        self.ridge = ridge

    def fit(self, cohort: Cohort) -> Pool:
        splitter = StratifiedGroupKFold(self.folds, shuffle=True, random_state=self.seed)
        inner = np.zeros((len(self.members), len(cohort), len(cohort.classes)))
        for train, test in splitter.split(cohort.x, cohort.y, cohort.donors):
            for m, build in enumerate(self.members.values()):
                inner[m, test] = build(self.seed).fit(cohort.take(train)).predict_proba(cohort.take(test))
        self.weights, self.offsets = pool_weights(inner, cohort.y, self.ridge)
        return super().fit(cohort)

    def _combine(self, parts: np.ndarray) -> np.ndarray:
        return pooled(parts, self.weights, self.offsets)


def pooled(parts: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Members' probabilities (M, N, C), weights (M,) and offsets (C,) to probabilities (N, C)."""
    return softmax(np.tensordot(weights, np.log(np.clip(parts, FLOOR, None)), axes=1) + offsets, axis=1)


def pool_weights(parts: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (M,) and offsets (C,) of least class-balanced log loss on (M, N, C) predictions of labels (N,)."""
    members, _, classes = parts.shape
    share = 1 / np.bincount(y, minlength=classes).clip(1)[y]
    share /= share.sum()
    start = np.r_[np.full(members, 1 / members), np.zeros(classes)]

    def loss(at):
        p = pooled(parts, at[:members], at[members:])[np.arange(len(y)), y]
        return -(share * np.log(np.clip(p, 1e-12, None))).sum() + ridge / len(y) * ((at - start) ** 2).sum()

    bounds = [(0, None)] * members + [(None, None)] * classes
    best = minimize(loss, start, bounds=bounds, method="L-BFGS-B").x
    return best[:members], best[members:]


class PriorAdjusted:
    """A model whose probabilities are divided by the class shares of training, to the power ``power``.

    Trees that average over cells lean towards common classes. ``power`` 1 asks what the cell says apart from
    how common its class is, 0 leaves the model as it is.
    """

    def __init__(self, model, power: float = 0.5):
        self.model = model
        self.power = power

    def fit(self, cohort: Cohort) -> PriorAdjusted:
        counts = np.bincount(cohort.y, minlength=len(cohort.classes))
        self.shares = np.maximum(counts, 1) / counts.sum()
        self.model.fit(cohort)
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        p = self.model.predict_proba(cohort) / self.shares**self.power
        return p / p.sum(axis=1, keepdims=True)


def discriminant(seed: int) -> TableModel:
    """Linear discriminant with Ledoit-Wolf shrinkage, on features made near normal (Yeo-Johnson)."""
    return TableModel(make_pipeline(
        *scaled(PowerTransformer), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")))


def slow_boosting(seed: int) -> TableModel:
    """Boosting in more and smaller steps than `table.boosting`, each split choosing among a part of the features."""
    booster = HistGradientBoostingClassifier(
        learning_rate=0.04, max_iter=250, max_leaf_nodes=8, min_samples_leaf=10, l2_regularization=1.0,
        max_features=0.2, class_weight="balanced", random_state=seed)
    return TableModel(make_pipeline(Measured(), booster))


def boosting_on_ratios(seed: int) -> RatioModel:
    """Boosting on features and `ratios`, each split choosing among a part of them."""
    booster = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=250, max_leaf_nodes=12, min_samples_leaf=10, l2_regularization=1.0,
        max_features=0.3, class_weight="balanced", random_state=seed)
    return RatioModel(make_pipeline(Measured(), booster))


def support_vectors_on_ratios(seed: int) -> RatioModel:
    """Support vectors with a wider kernel than `table.support_vectors`, on features and `ratios`."""
    return RatioModel(make_pipeline(
        *scaled(), MarginSVC(C=10.0, gamma=0.005, class_weight="balanced", random_state=seed)))


def random_trees(seed: int) -> PriorAdjusted:
    """Extremely randomised trees (Geurts et al. 2006) on features and `ratios`, adjusted for the class shares."""
    forest = ExtraTreesClassifier(
        400, class_weight="balanced", min_samples_leaf=2, max_features=0.3, random_state=seed)
    return PriorAdjusted(RatioModel(make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), forest)))


#: The members that read a table, by the name shown in tables.
TABLE_MEMBERS = {
    "discriminant": discriminant,
    "support vectors": support_vectors,
    "support vectors on ratios": support_vectors_on_ratios,
    "slow boosting": slow_boosting,
    "boosting on ratios": boosting_on_ratios,
    "random trees": random_trees,
}


def members(partner: Cohort | None = None, **encoder) -> dict[str, Callable[[int], object]]:
    """`TABLE_MEMBERS` and the family encoder, which reads the cells of ``partner`` without their labels."""
    return TABLE_MEMBERS | {"encoder": lambda seed: FamilyEncoder(seed, partner=partner, **encoder)}
