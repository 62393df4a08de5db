"""Prediction sets: coverage as promised, whatever the model, and the limits of small samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from patchtype.evaluation import conformal
from patchtype.evaluation.conformal import PredictionSets, limit


def cells(rng, n, shares=(0.6, 0.3, 0.1), skill=1.5):
    """Classes, and probabilities of a model that knows something but is not calibrated."""
    y = rng.choice(len(shares), size=n, p=shares)
    logits = rng.normal(size=(n, len(shares))) + skill * np.eye(len(shares))[y]
    p = np.exp(3 * logits)
    return p / p.sum(axis=1, keepdims=True), y


@pytest.mark.parametrize("kind", conformal.KINDS)
@pytest.mark.parametrize("by_class", [False, True])
def test_coverage_is_as_promised_within_binomial_limits(kind, by_class):
    rng = np.random.default_rng(1)
    held = {c: [0, 0] for c in range(3)}
    for _ in range(300):
        sets = PredictionSets.fit(*cells(rng, 150), miss=0.2, kind=kind, by_class=by_class, rng=rng)
        p, y = cells(rng, 20)
        inside = sets.contain(p, rng)[np.arange(20), y]
        for c in range(3):
            held[c][0] += int(inside[y == c].sum())
            held[c][1] += int((y == c).sum())
    groups = held.values() if by_class else [np.sum(list(held.values()), axis=0)]
    for got, n in groups:
        # The 20 cells of a round share one limit, so the spread is wider than binomial: half as many draws.
        assert got >= 2 * binom.ppf(1e-3, n // 2, 0.8) - 2
        assert got <= n * 0.93


def test_the_limit_is_the_rank_that_exchangeability_asks_for():
    values = np.arange(1, 20) / 20
    assert limit(values, 0.1) == values[17]  # ceil(20 * 0.9) = 18th smallest
    assert limit(values[:8], 0.1) == np.inf and limit([], 0.1) == np.inf


def test_the_order_of_calibration_cells_does_not_matter():
    rng = np.random.default_rng(0)
    values, donors = rng.uniform(size=50), rng.integers(12, size=50)
    order = rng.permutation(50)
    assert limit(values, 0.2) == limit(values[order], 0.2)
    assert limit(values, 0.2, donors) == limit(values[order], 0.2, donors[order])


def test_donors_of_one_cell_each_are_cells():
    values = np.random.default_rng(0).uniform(size=40)
    assert limit(values, 0.1, np.arange(40)) == limit(values, 0.1)


def test_a_donor_counts_once_however_many_cells_it_gave():
    values, donors = np.r_[np.full(500, 0.1), np.full(9, 0.9)], np.r_[np.zeros(500), np.arange(1, 10)]
    assert limit(values, 0.2) == 0.1
    assert limit(values, 0.2, donors) == 0.9


def test_coverage_holds_for_new_donors_whose_cells_are_alike():
    rng = np.random.default_rng(3)

    def donor():
        own = rng.normal()  # what all cells of a donor share
        return own + 0.2 * rng.normal(size=30 if own > 0.5 else 3)

    plain = weighted = 0
    for _ in range(600):
        values = [donor() for _ in range(40)]
        names = np.repeat(np.arange(40), [len(v) for v in values])
        new = rng.choice(donor())
        weighted += new <= limit(np.concatenate(values), 0.2, names)
        plain += -new <= limit(-np.concatenate(values), 0.2)
    assert weighted >= binom.ppf(1e-3, 600, 0.8)
    assert plain < binom.ppf(1e-3, 600, 0.8)  # cells of talkative donors crowd out the others


def test_the_chance_of_each_rank_is_the_same_for_exchangeable_scores():
    rng = np.random.default_rng(0)
    ranks = [np.searchsorted(np.sort(rng.uniform(size=9)), rng.uniform()) for _ in range(5000)]
    counts = np.bincount(ranks, minlength=10)
    assert counts.min() > binom.ppf(1e-4, 5000, 0.1) and counts.max() < binom.ppf(1 - 1e-4, 5000, 0.1)


def test_scores_of_both_kinds():
    p = [[0.5, 0.2, 0.3]]
    assert conformal.scores(p) == pytest.approx(np.array([[0.5, 0.8, 0.7]]))
    assert conformal.scores(p, "aps") == pytest.approx(np.array([[0.5, 1.0, 0.8]]))
    low = conformal.scores(p, "aps", np.random.default_rng(0))
    assert (low <= conformal.scores(p, "aps")).all() and (np.argsort(low) == [[0, 2, 1]]).all()


def test_a_class_with_too_few_cells_is_always_in_the_set():
    p, y = cells(np.random.default_rng(0), 60)
    y[y == 2] = 0
    y[:3] = 2
    assert PredictionSets.fit(p, y).contain(p)[:, 2].all()


def test_the_table_of_coverage():
    table = conformal.coverage([[1, 0], [1, 1], [0, 0], [0, 1]], [0, 0, 1, 1], ["Sst", "Vip"])
    assert table["coverage"].tolist() == [1.0, 0.5, 0.75] and table["cells"].tolist() == [2, 2, 4]
    assert table.loc["all", ["size", "single", "empty"]].tolist() == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: conformal.scores([[1.0]], "raps"), r"found the score 'raps', expected one of \('lac', 'aps'\)"),
    (lambda: limit([0.1], 1.5), "found miss=1.5, expected a chance between 0 and 1"),
])
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
