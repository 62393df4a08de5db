"""Boosted trees as plain arrays: what scikit-learn's histogram boosting predicts, without scikit-learn or pickle.

A fitted `HistGradientBoostingClassifier` adds up, for each class, the leaf values of its trees. Here all trees
lie end to end in flat arrays, and a cell walks down all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from patchtype.classify.arrays import Arrays

#: Cells that walk together; more would only take memory.
ROWS = 512


@dataclass(frozen=True)
class BoostedTrees(Arrays):
    """Trees of a classifier with C > 2 classes, I iterations, M nodes in all.

    ``feature`` (M,) int16, −1 in a leaf; ``threshold`` (M,) float64: a cell goes left where its value is not
    above it; ``missing_left`` (M,) bool; ``left``, ``right`` (M,) uint8, child counted from the root of its tree;
    ``value`` (M,) float64 of leaves; ``roots`` (I, C) int32, position of each tree's root; ``baseline`` (C,).
    """

    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    baseline: np.ndarray

    @classmethod
    def of(cls, booster, columns=None) -> BoostedTrees:
        """The trees of a fitted booster; ``columns`` (K,) says which input column its k-th feature is.

        ValueError for two classes, which share one tree, for categorical features, and for trees of over 255 nodes.
        """
        if len(booster.classes_) < 3:
            raise ValueError(f"found {len(booster.classes_)} classes, expected at least three")
        trees = [tree.nodes for step in booster._predictors for tree in step]
        nodes = np.concatenate(trees)
        if nodes["is_categorical"].any():
            raise ValueError("found splits on categories, expected numbers only")
        if max(map(len, trees)) > 255:
            raise ValueError(f"found a tree of {max(map(len, trees))} nodes, expected at most 255")
        leaf = nodes["is_leaf"].astype(bool)
        columns = np.arange(booster.n_features_in_) if columns is None else np.asarray(columns)
        starts = np.cumsum([0, *map(len, trees[:-1])], dtype=np.int32)
        return cls(
            feature=np.where(leaf, -1, columns[np.where(leaf, 0, nodes["feature_idx"])]).astype(np.int16),
            threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
            missing_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
            left=np.where(leaf, 0, nodes["left"]).astype(np.uint8),
            right=np.where(leaf, 0, nodes["right"]).astype(np.uint8),
            value=np.where(leaf, nodes["value"], 0.0),
            roots=starts.reshape(len(booster._predictors), -1),
            baseline=np.asarray(booster._baseline_prediction, float).ravel(),
        )

    def raw(self, x) -> np.ndarray:
        """(N, C) sum of leaves; NaN in ``x`` (N, P) is missing."""
        x = np.asarray(x, float)
        return np.concatenate([self._raw(x[k:k + ROWS]) for k in range(0, len(x), ROWS)]) if len(x) else (
            np.empty((0, len(self.baseline))))

    def _raw(self, x: np.ndarray) -> np.ndarray:
        root = self.roots.ravel()
        at = np.repeat(root[:, None], len(x), axis=1)  # (trees, cells)
        cells = np.arange(len(x))
        while True:
            feature = self.feature[at]
            inside = feature >= 0
            if not inside.any():
                break
            value = x[cells, feature]
            left = np.where(np.isnan(value), self.missing_left[at], value <= self.threshold[at])
            child = root[:, None] + np.where(left, self.left[at], self.right[at])
            at = np.where(inside, child, at)
        leaves = self.value[at].reshape(*self.roots.shape, len(x))  # (I, C, N)
        total = np.broadcast_to(self.baseline[:, None], leaves.shape[1:]).copy()
        for step in leaves:  # in the order of training, so that not even the last bit differs
            total += step
        return total.T

    def predict_proba(self, x) -> np.ndarray:
        """(N, C) probabilities."""
        return softmax(self.raw(x), axis=1)
