"""Scores with known answers, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score, recall_score

from patchtype.evaluation import confusion, corrected_mean, fold_scores, paired_difference, per_class, summary
from patchtype.evaluation.protocols import CrossValidation

PROTOCOL = CrossValidation(2, 1)


def table(model: str, predicted: list[str], folds: list[int]) -> pd.DataFrame:
    true = ["Sst", "Sst", "Vip", "Vip"] * (len(predicted) // 4)
    return pd.DataFrame({"model": model, "repeat": 0, "fold": folds, "cell": range(len(predicted)),
                         "true": true, "predicted": predicted})


def test_scores_of_one_fold_by_hand():
    scores = fold_scores(table("m", ["Sst", "Sst", "Vip", "Sst"], [0] * 4)).loc[("m", 0, 0)]
    # Sst: precision 2/3, recall 1, F1 0.8. Vip: precision 1, recall 1/2, F1 2/3.
    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores["accuracy"] == 0.75 and scores["balanced_accuracy"] == 0.75


def test_macro_f1_counts_a_class_that_a_fold_never_predicts():
    scores = fold_scores(table("m", ["Sst"] * 4, [0] * 4)).loc[("m", 0, 0)]
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_scores_of_every_fold_are_those_of_scikit_learn():
    """Folds that lack a class, predictions that no cell has, models and folds in any order."""
    rng = np.random.default_rng(0)
    n = 600
    mixed = pd.DataFrame({
        "model": rng.choice(["b", "a"], n), "repeat": rng.integers(2, size=n), "fold": rng.integers(9, size=n),
        "true": rng.choice(["Pvalb", "Sst", "Vip"], n, p=[0.8, 0.15, 0.05]),
        "predicted": rng.choice(["Pvalb", "Sst", "Vip", "Lamp5"], n)})
    found = fold_scores(mixed)
    parts = list(mixed.groupby(["model", "repeat", "fold"], sort=False))
    assert list(found.index) == [key for key, _ in parts]
    for key, part in parts:
        y, said = part["true"], part["predicted"]
        f1 = f1_score(y, said, labels=["Pvalb", "Sst", "Vip"], average="macro", zero_division=0)
        recalls = recall_score(y, said, labels=sorted(set(y)), average="macro")
        assert found.loc[key].tolist() == pytest.approx([f1, recalls, (y == said).mean()])


def test_confusion_rows_sum_to_one():
    matrix = confusion(table("m", ["Sst", "Vip", "Vip", "Vip"], [0] * 4), "m", ["Sst", "Vip"])
    assert matrix.to_numpy().tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_per_class_counts_the_first_repeat_only():
    twice = pd.concat([table("m", ["Sst"] * 4, [0] * 4), table("m", ["Vip"] * 4, [0] * 4).assign(repeat=1)])
    assert per_class(twice, ["Sst", "Vip"]).loc[("m", "Sst")].to_dict() == {
        "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "cells": 2}


def test_the_corrected_interval_by_hand():
    values, ratio = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), 0.25
    error = np.sqrt(values.var(ddof=1) * (1 / 5 + ratio))
    estimate = corrected_mean(values, ratio)
    assert estimate.mean == pytest.approx(0.3)
    assert estimate.high - estimate.mean == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert estimate.p == pytest.approx(2 * stats.t.sf(0.3 / error, 4))


def test_without_correlation_the_correction_is_the_plain_t_test():
    values = np.random.default_rng(0).normal(0.1, 1, 30)
    assert corrected_mean(values, 0.0).p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_equal_values_have_no_width():
    assert corrected_mean([0.2] * 5, 0.25)[:3] == (0.2, 0.2, 0.2)


@pytest.mark.parametrize("values", [[0.2], [0.2, 0.9], [0.1, 0.2, 0.3, 0.4]])
def test_too_few_runs_give_a_mean_and_no_interval(values):
    estimate = corrected_mean(values, 0.25)
    assert estimate.mean == pytest.approx(np.mean(values)) and np.isnan(estimate[1:]).all()


def test_a_paired_difference_is_that_of_the_folds():
    both = pd.concat([table("a", ["Sst", "Sst", "Vip", "Vip"] * 2, [0] * 4 + [1] * 4),
                      table("b", ["Sst", "Vip", "Vip", "Vip"] * 2, [0] * 4 + [1] * 4)])
    scores = fold_scores(both)["macro_f1"]
    gain = paired_difference(both, "a", "b", PROTOCOL)
    assert gain.mean == pytest.approx((scores.loc["a"] - scores.loc["b"]).mean())
    assert paired_difference(both, "a", "a", PROTOCOL).mean == 0


def test_models_on_other_folds_are_not_compared():
    both = pd.concat([table("a", ["Sst"] * 4, [0] * 4), table("b", ["Sst"] * 4, [1] * 4)])
    with pytest.raises(ValueError, match="found different folds for 'a' and 'b'"):
        paired_difference(both, "a", "b", PROTOCOL)


def test_a_summary_has_one_row_a_model_and_its_mean_lies_in_the_interval():
    right, wrong = ["Sst", "Sst", "Vip", "Vip"], ["Sst", "Vip", "Vip", "Vip"]
    folds = table("a", right * 3 + wrong * 2, [fold for fold in range(5) for _ in range(4)])
    row = summary(folds, PROTOCOL).loc["a"]
    assert row["folds"] == 5 and row["macro_f1_low"] < row["macro_f1"] < row["macro_f1_high"]
