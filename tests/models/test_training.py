"""The training loop: whose weights are kept, what stops it, how cells of two species meet in a step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from patchtype.models import bilstm, training
from patchtype.models.bilstm import BiLSTM
from patchtype.models.training import Cells, Plan, macro_f1
from tests.models.conftest import make_cohort


@pytest.mark.parametrize(("values", "best", "epochs"), [
    ([0.5, 0.9, 0.1, 0.9, 0.2, 0.8, 0.7], 1, 4),  # an equal score is no better; two epochs of patience
    ([0.1, 0.05, 0.3, 0.2, 0.4], 4, 5),  # a rise between two falls begins the waiting anew
])
def test_the_weights_of_the_best_epoch_are_kept_and_patience_ends_the_training(monkeypatch, values, best, epochs):
    cohort, seen = make_cohort(), []
    model = BiLSTM(seed=0, epochs=1).fit(cohort)
    network, cells = model.network, model._cells(cohort)

    def score(confusion):
        seen.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
        return values[len(seen) - 1]

    monkeypatch.setitem(training.STOPPING, "macro_f1", score)
    plan = Plan(epochs=len(values), patience=2)
    history = training.train(network, cells, cells, plan, torch.Generator().manual_seed(0))
    assert len(history) == len(seen) == epochs
    assert len({tuple(weights[:50].tolist()) for weights in seen}) == epochs, "every epoch moves the weights"
    assert torch.equal(torch.cat([p.detach().flatten() for p in network.parameters()]), seen[best])


@pytest.mark.parametrize("grouped", [False, True])
def test_validation_cells_are_no_training_cells(monkeypatch, grouped):
    cohort, given = make_cohort(missing=0.0), []
    monkeypatch.setattr(bilstm, "train", lambda network, cells, validation, *more: given.extend([cells, validation]))
    model = BiLSTM(seed=0, grouped=grouped).fit(cohort)
    inner, held = ([tuple(cell) for cell in part.x.flatten(1).tolist()] for part in given)
    assert len(inner) + len(held) == len(set(inner) | set(held)) == len(cohort)
    assert len(held) / len(cohort) == pytest.approx(0.2, abs=0.03)
    donors = [set(cohort.donors[rows]) for rows in model._split(cohort)]
    assert bool(donors[0] & donors[1]) != grouped


def test_a_network_in_evaluation_says_the_same_twice_and_ends_trained():
    cohort = make_cohort()
    model = BiLSTM(seed=0, epochs=1).fit(cohort)
    model.network.train()
    np.testing.assert_array_equal(model.predict_proba(cohort), model.predict_proba(cohort))


def test_macro_f1_of_a_confusion_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 3, 60), rng.integers(0, 4, 60)
    confusion = torch.zeros(5, 5).double()
    for pair in zip(true, said, strict=True):
        confusion[pair] += 1
    assert macro_f1(confusion) == pytest.approx(f1_score(true, said, average="macro", zero_division=0))


def test_an_epoch_with_another_species_is_one_pass_over_its_cells_and_repeats_the_own():
    steps = list(training._steps(10, 35, 4, torch.Generator().manual_seed(0)))
    own, extra = (torch.cat(parts) for parts in zip(*steps, strict=True))
    assert sorted(extra.tolist()) == list(range(35))
    assert torch.bincount(own, minlength=10).min() >= 2
    assert torch.equal(torch.cat([rows for rows, in training._steps(10, 0, 4, torch.Generator())]).sort().values,
                       torch.arange(10))


def test_the_other_species_weighs_what_it_is_said_to_and_goes_to_the_second_head():
    """The joint loss is the own loss plus half the loss of the other head, each with the weights of its classes."""
    torch.manual_seed(0)
    network = bilstm.FamilyBiLSTM(2, 4, [2, 3]).eval()
    own = Cells(torch.randn(6, 2, 4), torch.tensor([0, 0, 0, 0, 1, 1]))
    other = Cells(torch.randn(5, 2, 4), torch.tensor([0, 1, 1, 2, 2]))
    rows, extra_rows = torch.tensor([0, 4, 5]), torch.tensor([1, 3])
    parts = []
    for head, cells, some in ((network.heads[0], own, rows), (network.heads[1], other, extra_rows)):
        weights = head.class_weights(cells.counts(head.n_classes))
        parts.append(head.loss(network.encode(cells.x[some])[0], cells.y[some], weights))
    joint = training._losses(network, own, other, 0.5, training.Plan())(rows, extra_rows)
    assert joint.item() == pytest.approx((parts[0] + 0.5 * parts[1]).item(), rel=1e-5)
