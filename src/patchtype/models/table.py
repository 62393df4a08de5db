"""Models that read one row of features per cell: forest, boosting, logistic regression, support vectors.

Each function takes a seed and returns an unfitted `TableModel`. Hyper-parameters are fixed beforehand and
alike for every cohort: nothing is tuned on test folds.
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from patchtype.cohorts import Cohort


class Winsoriser(TransformerMixin, BaseEstimator):
    """Clip each feature to percentiles of the training cells, so that one bad recording cannot set a scale.

    X is (N, P) with NaN allowed. A feature that no training cell has is left as it is.

    >>> Winsoriser(0, 50).fit([[0.0], [1.0], [2.0]]).transform([[9.0]]).tolist()
    [[1.0]]
    """

    def __init__(self, low: float = 0.5, high: float = 99.5):
        self.low = low
        self.high = high

    def fit(self, X, y=None):
        X = np.asarray(X, float)
        empty = np.isnan(X).all(axis=0)
        filled = np.where(empty, 0.0, X)
        # `nanpercentile` goes through the columns one by one, at a large price where there are many.
        percentiles = np.nanpercentile if np.isnan(filled).any() else np.percentile
        low, high = percentiles(filled, [self.low, self.high], axis=0)
        self.low_, self.high_ = np.where(empty, -np.inf, low), np.where(empty, np.inf, high)
        return self

    def transform(self, X):
        return np.clip(np.asarray(X, float), self.low_, self.high_)


class Measured(TransformerMixin, BaseEstimator):
    """Leave out the features that no training cell has: nothing can be learnt from them, or binned."""

    def fit(self, X, y=None):
        self.kept_ = np.flatnonzero(~np.isnan(X).all(axis=0))
        return self

    def transform(self, X):
        return np.asarray(X, float)[:, self.kept_]


class TableModel:
    """A scikit-learn classifier on the feature table of a cohort; see `patchtype.evaluation.Model`."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, cohort: Cohort) -> TableModel:
        self.estimator.fit(self._inputs(cohort), cohort.y)
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """(N, C) probabilities; a class absent from training gets zero."""
        return over_classes(self.estimator, self._inputs(cohort), len(cohort.classes))

    def _inputs(self, cohort: Cohort) -> np.ndarray:
        """What the classifier reads of a cohort, (N, K)."""
        return cohort.x


def over_classes(classifier, x, n_classes: int) -> np.ndarray:
    """(N, n_classes) probabilities of a fitted classifier whose labels are positions of classes.

    A class absent from training gets zero.

    >>> over_classes(LogisticRegression().fit([[0.0], [1.0]], [0, 2]), [[0.5]], 3).round(2).tolist()
    [[0.5, 0.0, 0.5]]
    """
    probabilities = np.zeros((len(x), n_classes))
    probabilities[:, classifier.classes_] = classifier.predict_proba(x)
    return probabilities


def random_forest(seed: int, n_trees: int = 200) -> TableModel:
    """Class-balanced random forest (as Gouwens et al. 2020 use it) on median-filled features."""
    forest = RandomForestClassifier(n_trees, class_weight="balanced_subsample", random_state=seed)
    return TableModel(make_pipeline(SimpleImputer(add_indicator=True, strategy="median"), forest))


def boosting(seed: int) -> TableModel:
    """Class-balanced histogram gradient boosting; it reads missing values as they are."""
    booster = HistGradientBoostingClassifier(
        learning_rate=0.06, max_iter=150, max_leaf_nodes=12, min_samples_leaf=10, l2_regularization=1.0,
        class_weight="balanced", random_state=seed)
    return TableModel(make_pipeline(Measured(), booster))


def logistic_regression(seed: int) -> TableModel:
    """Class-balanced multinomial logistic regression on winsorised, z-scored features."""
    return TableModel(make_pipeline(
        *scaled(), LogisticRegression(C=0.3, max_iter=3000, class_weight="balanced", random_state=seed)))


def support_vectors(seed: int) -> TableModel:
    """Class-balanced support vector machine with a radial kernel; probabilities from softmax of its margins."""
    return TableModel(make_pipeline(*scaled(), MarginSVC(C=3.0, class_weight="balanced", random_state=seed)))


def scaled(scaler: type = StandardScaler):
    """Steps that winsorise, fill gaps with medians and z-score, all learnt from training cells.

    ``scaler``: what takes the place of the last, such as `PowerTransformer`, which makes features near normal, too.
    """
    return (Winsoriser(), SimpleImputer(strategy="median", keep_empty_features=True), scaler())


class MarginSVC(SVC):
    """SVC whose probabilities are the softmax of its one-vs-rest margins: same argmax, no inner folds."""

    def predict_proba(self, X):
        margins = self.decision_function(X)
        if margins.ndim == 1:
            margins = np.column_stack([-margins, margins])
        return softmax(margins, axis=1)


#: The baselines of the book, by the name shown in tables.
BASELINES = {
    "random forest": random_forest,
    "logistic regression": logistic_regression,
    "support vectors": support_vectors,
    "gradient boosting": boosting,
}
