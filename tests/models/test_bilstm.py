"""The network and its training: shapes, attention, determinism, early stopping, the three regimes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.models.bilstm import BiLSTM
from helpers.models.network import INPUTS, AttentionBiLSTM
from helpers.models.tokens import FamilyTokens
from helpers.models.training import Cells, Plan, train

from .conftest import make_cohort


@pytest.mark.parametrize("inputs", INPUTS)
def test_separable_cells_are_named_rightly(inputs):
    trained = BiLSTM(seed=0, inputs=inputs, epochs=15).fit(make_cohort(seed=1, shift=5))
    test = make_cohort(seed=2, shift=5)
    assert (trained.predict_proba(test).argmax(axis=1) == test.y).mean() > 0.9


def test_attention_and_probabilities_sum_to_one(cohort):
    model = BiLSTM(seed=0, epochs=2).fit(cohort)
    np.testing.assert_allclose(model.attention(cohort).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(model.predict_proba(cohort).sum(axis=1), 1, rtol=1e-5)
    assert model.attention(cohort).shape == (len(cohort), len(cohort.families))


def test_the_seed_decides_everything_and_the_global_generator_is_untouched(cohort):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = BiLSTM(seed=5, epochs=3).fit(cohort)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second = BiLSTM(seed=5, epochs=3).fit(cohort)
    np.testing.assert_array_equal(first.predict_proba(cohort), second.predict_proba(cohort))
    assert first.history == second.history
    assert BiLSTM(seed=6, epochs=3).fit(cohort).history != first.history


def test_training_equals_a_plain_implementation(cohort):
    """The loss curve of the fast loop is that of a plain one: same batches, same seed, ordinary AdamW."""
    tokens = FamilyTokens().fit(cohort)
    cells = Cells(tokens.transform(cohort), torch.from_numpy(cohort.y))
    plan = Plan(epochs=3, patience=3)
    torch.manual_seed(0)
    network = AttentionBiLSTM(cells.x.shape[1], cells.x.shape[2], [4], dropout=0.0)
    torch.manual_seed(0)
    plain = AttentionBiLSTM(cells.x.shape[1], cells.x.shape[2], [4], dropout=0.0)
    history = train(network, cells, cells, plan, torch.Generator().manual_seed(0))

    weight = cells.class_weights(4)
    optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=1e-4)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(3):
        batches = torch.randperm(len(cells.y), generator=generator).split(64)
        total = 0.0
        for rows in batches:
            loss = torch.nn.functional.cross_entropy(plain(cells.x[rows]), cells.y[rows], weight=weight)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 2.0)
            optimiser.step()
            total += loss.item()
        losses.append(total / len(batches))
    np.testing.assert_allclose([h["loss"] for h in history], losses, rtol=1e-4)


def test_training_stops_when_the_score_no_longer_rises(cohort):
    """Validation labels at random: the score soon stops rising, and training ends long before the limit."""
    tokens = FamilyTokens().fit(cohort)
    x, y = tokens.transform(cohort), torch.from_numpy(cohort.y)
    noise = torch.from_numpy(np.random.default_rng(0).permutation(cohort.y))
    network = AttentionBiLSTM(x.shape[1], x.shape[2], [4])
    plan = Plan(epochs=60, patience=2)
    history = train(network, Cells(x, y), Cells(x, noise), plan, torch.Generator().manual_seed(0))
    scores = [h["macro_f1"] for h in history]
    assert len(history) < 60 and scores.index(max(scores)) == len(scores) - 3


@pytest.mark.parametrize("stop_on", ["macro_f1", "accuracy"])
def test_the_stopping_score_is_one_argument(cohort, stop_on):
    model = BiLSTM(seed=0, plan=Plan(epochs=2, stop_on=stop_on)).fit(cohort)
    assert all(stop_on in epoch for epoch in model.history)


def test_class_weights_are_inverse_frequencies():
    weights = Cells(torch.zeros(4, 1, 1), torch.tensor([0, 0, 0, 1])).class_weights(2)
    assert weights.tolist() == pytest.approx([0.5, 1.5])


def test_fine_tuning_starts_from_the_other_species_encoder():
    donor = BiLSTM(seed=0, epochs=2).fit(make_cohort(seed=1))
    tuned = BiLSTM(seed=1, epochs=0, pretrained=donor).fit(make_cohort(seed=2))
    before, after = donor.network.state_dict(), tuned.network.state_dict()
    encoder = [name for name in before if not name.startswith("heads.")]
    assert encoder and all(torch.equal(before[name], after[name]) for name in encoder)
    assert not torch.equal(before["heads.0.2.weight"], after["heads.0.2.weight"])


def test_joint_training_reads_both_species_and_keeps_two_heads():
    cohort, partner = make_cohort(seed=1), make_cohort(seed=2, n=300)
    joint = BiLSTM(seed=0, epochs=2, partner=partner).fit(cohort)
    assert len(joint.network.heads) == 2
    alone = BiLSTM(seed=0, epochs=2).fit(cohort)
    assert not np.allclose(joint.predict_proba(cohort), alone.predict_proba(cohort))


def test_validation_donors_are_kept_apart_when_asked(cohort):
    inner, held = BiLSTM(seed=0, grouped=True)._split(cohort)
    assert not set(cohort.donors[inner]) & set(cohort.donors[held])
    assert len(inner) + len(held) == len(cohort)


def test_other_features_than_the_fitted_ones_are_refused(cohort):
    from dataclasses import replace
    model = BiLSTM(seed=0, epochs=1).fit(cohort)
    with pytest.raises(ValueError, match="found 4 features, expected the 5 that the scaler was fitted on"):
        narrow = {"passive": ["a", "b"], "spike": ["c", "d"]}
        model.predict_proba(replace(cohort, table=cohort.table.drop(columns="e"), families=narrow))


def test_an_unknown_input_layer_is_refused():
    with pytest.raises(ValueError, match="found inputs='batch norm'"):
        AttentionBiLSTM(2, 3, [4], inputs="batch norm")
