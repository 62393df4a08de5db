"""Explanations with known answers: what is used must show, what is not must not, and shares must add up."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from patchtype.evaluation.explanations import ablation, measures, rank_agreement
from patchtype.models.bilstm import BiLSTM
from patchtype.models.table import logistic_regression
from tests.models.conftest import make_cohort


def one_sided(seed: int):
    """Cells whose classes differ in the family *passive* alone."""
    cohort = make_cohort(n=300, shift=0.0, missing=0.0, seed=seed)
    far = 4.0 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[cohort.y]
    return replace(cohort, table=cohort.table.assign(a=cohort.x[:, 0] + far[:, 0], b=cohort.x[:, 1] + far[:, 1]))


@pytest.fixture(scope="module")
def fitted():
    return BiLSTM(seed=0, inputs="family embedding", epochs=12).fit(one_sided(1))


@pytest.mark.parametrize("inputs", ["layer norm", "family embedding"])
@pytest.mark.parametrize("pooling", ["attention", "last step"])
def test_shares_add_up_to_the_difference_from_the_mean_cell(inputs, pooling):
    cohort = make_cohort(n=120)
    model = BiLSTM(seed=0, inputs=inputs, pooling=pooling, epochs=4).fit(cohort)
    shares = model.integrated_gradients(cohort)
    network, tokens = deepcopy(model.network).eval().double(), model.tokens.transform(cohort).double()
    with torch.no_grad():
        y = torch.from_numpy(cohort.y)
        here, there = (network.log_probability(network.embed(each), y) for each in (tokens, 0 * tokens))
    np.testing.assert_allclose(shares.sum(axis=1), (here - there).numpy(), atol=1e-7)
    assert (here - there).abs().max() > 0.1


def test_explaining_leaves_the_model_as_it_was(fitted):
    cohort = one_sided(2)
    before = fitted.predict_proba(cohort)
    fitted.integrated_gradients(cohort)
    np.testing.assert_array_equal(fitted.predict_proba(cohort), before)


def test_the_family_that_tells_classes_apart_leads_every_measure_but_attention(fitted):
    table = measures(fitted, one_sided(1), one_sided(2))
    for name in ("ablation", "permutation", "gradients"):
        assert table[name].idxmax() == "passive"
    assert table.loc["passive", "ablation"] > 0.3 and abs(table.loc["spike", "ablation"]) < 0.1
    assert table["attention"].sum() == pytest.approx(1)


def test_ablating_every_family_leaves_the_answer_for_the_mean_cell():
    """A linear model on one family: with it at its mean, all cells are named alike."""
    train, test = one_sided(1), one_sided(2)
    model = logistic_regression(0).fit(train)
    blank = replace(test, table=test.table.assign(**train.table.mean()))
    assert len(set(model.predict_proba(blank).argmax(axis=1))) == 1
    losses = ablation(model, train, test)
    assert losses["passive"] > 0.5 and list(losses.index) == list(test.families)


def test_ablation_reads_means_of_training_cells_not_of_test_cells():
    train, test = one_sided(1), one_sided(2)
    model = logistic_regression(0).fit(train)
    shifted = replace(test, table=test.table.assign(c=test.table["c"] * 1e6))
    assert ablation(model, train, shifted)["spike"] == pytest.approx(
        ablation(model, train, test)["spike"] + _score(model, shifted) - _score(model, test))


def _score(model, cohort):
    from patchtype.evaluation.importance import score
    return score(model, cohort)


def test_rank_agreement_by_hand():
    table = pd.DataFrame({"a": [1, 2, 3, 4], "same": [10, 20, 30, 40], "swapped": [1, 2, 4, 3], "back": [4, 3, 2, 1]})
    tau = rank_agreement(table)["a"]
    # One of six pairs is swapped: (5 - 1) / 6.
    assert tau.to_dict() == {"a": 1, "same": 1, "swapped": pytest.approx(4 / 6), "back": -1}
