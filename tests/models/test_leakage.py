"""What a model learns, it learns from its training cells: nothing of the test cells may change it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier

from patchtype.evaluation import CrossValidation, HoldOut, evaluate, fold_scores
from patchtype.models.bilstm import BiLSTM
from patchtype.models.sparse_pca import FamilySparsePCA, SparsePCAModel
from patchtype.models.table import BASELINES
from patchtype.models.tokens import FamilyTokens
from patchtype.models.training import Cells
from tests.models.conftest import make_cohort

from .leakage import assert_test_cells_stay_apart, shuffled

MODELS = {
    **BASELINES,
    "components": lambda seed: SparsePCAModel(RandomForestClassifier(50, random_state=seed)),
    "bilstm": lambda seed: BiLSTM(seed=seed, inputs="family embedding", epochs=8),
    "bilstm with SMOTE": lambda seed: BiLSTM(seed=seed, smote=True, epochs=4),
    "bilstm with ArcFace": lambda seed: BiLSTM(seed=seed, head="arcface", epochs=4),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_test_cell_is_named_alike_whatever_its_companions_are_and_whatever_its_label(name):
    assert_test_cells_stay_apart(MODELS[name])


@pytest.mark.parametrize("transform", [FamilyTokens(), FamilySparsePCA()], ids=["tokens", "sparse components"])
def test_scaling_and_components_come_from_training_cells(transform):
    """What has transformed other cells transforms as before, each cell by itself; other training cells change it."""
    train, other = make_cohort(seed=1), make_cohort(seed=2)
    other.table.iloc[0, 0] = np.nan  # filled from training cells, not from the cell's companions
    before = np.asarray(transform.fit(train).transform(other))
    transform.transform(replace(other, table=1e3 * other.table))
    np.testing.assert_array_equal(np.asarray(transform.transform(other)), before)
    alone = np.asarray(transform.transform(other.take(np.arange(1))))
    np.testing.assert_allclose(alone[0], before[0], rtol=1e-5, atol=1e-6)
    changed = np.asarray(transform.fit(other).transform(other))
    assert before.shape != changed.shape or not np.allclose(before, changed)


def test_a_synthetic_cell_lies_between_two_training_cells_of_its_class():
    cohort = make_cohort(n=200, missing=0)
    cells = Cells(FamilyTokens().fit(cohort).transform(cohort), torch.from_numpy(cohort.y))
    more = cells.oversampled(seed=0)
    assert torch.equal(more.x[:200], cells.x) and torch.equal(more.y[:200], cells.y)
    assert len(set(more.counts(4).tolist())) == 1
    flat, y = cells.x.flatten(1).double(), cells.y
    for made, code in zip(more.x[200:].flatten(1).double(), more.y[200:], strict=True):
        ends = flat[y == code]
        # On the segment between two cells the two distances add up to the distance of its ends.
        near = torch.cdist(made[None], ends)[0]
        detour = near[:, None] + near[None] - torch.cdist(ends, ends)
        detour.fill_diagonal_(torch.inf)
        assert min(detour.min(), near.min()) < 1e-4


@pytest.mark.parametrize("alone", [1, 2, 3])
def test_a_class_of_a_few_cells_is_oversampled_from_them_alone(alone):
    x = torch.randn(40, 2, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0] * (40 - alone) + [1] * alone)
    more = Cells(x, y).oversampled(seed=0)
    made = more.x[more.y == 1]
    assert len(made) == 40 - alone
    assert (made.amax(0) <= x[y == 1].amax(0) + 1e-6).all() and (made.amin(0) >= x[y == 1].amin(0) - 1e-6).all()


@pytest.mark.parametrize("options", [{"smote": True}, {"head": "arcface"}, {}], ids=str)
def test_validation_cells_move_nothing_but_the_moment_of_stopping(options):
    """After one epoch there is nothing to stop: whatever the validation cells hold, the weights are the same."""
    cohort = make_cohort()
    build = BiLSTM(seed=0, epochs=1, **options)
    inner, held = build._split(cohort)
    table = cohort.table.copy()
    table.iloc[held] = -50 * np.nan_to_num(table.iloc[held])
    first = BiLSTM(seed=0, epochs=1, **options).fit(cohort)
    second = BiLSTM(seed=0, epochs=1, **options).fit(replace(cohort, table=table))
    assert first.history[0]["macro_f1"] != second.history[0]["macro_f1"]
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)
    shares = np.bincount(cohort.y[inner], minlength=4) / len(inner)
    np.testing.assert_array_equal(first.priors, shares)


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol", [CrossValidation(5, 4), CrossValidation(5, 4, grouped=True), HoldOut(0.2, 10)], ids=str)
@pytest.mark.parametrize("name", ["random forest", "gradient boosting", "components"])
def test_shuffled_labels_score_at_chance(name, protocol):
    predictions = evaluate({name: MODELS[name]}, shuffled(make_cohort(n=400)), protocol)
    # Balanced accuracy of a guess is one quarter whatever the mixture; five standard errors of a guess.
    score = fold_scores(predictions)["balanced_accuracy"]
    assert abs(score.mean() - 0.25) < 0.06


@pytest.mark.slow
def test_a_planted_donor_mark_helps_only_where_donors_are_split():
    """A feature that names the donor lets a model copy labels across folds, unless donors are kept apart."""
    cohort = make_cohort(n=1200, shift=0.0, missing=0.0, per_donor=10)
    donors = pd.factorize(cohort.donors)[0]
    label_of_donor = np.random.default_rng(5).integers(0, 4, donors.max() + 1)[donors]
    cells = cohort.cells.assign(subclass=np.array(cohort.classes)[label_of_donor])
    planted = replace(cohort, cells=cells, table=cohort.table.assign(**dict.fromkeys("abcd", donors.astype(float))))
    scores = {
        str(p): fold_scores(evaluate({"m": MODELS["random forest"]}, planted, p))["balanced_accuracy"].mean()
        for p in (CrossValidation(5, 1), CrossValidation(5, 1, grouped=True))
    }
    assert scores["stratified 5-fold x 1"] > 0.7
    assert scores["donor-grouped 5-fold x 1"] < 0.4
