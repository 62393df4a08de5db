"""The family encoder: masks hide what they should, and what a model learns it learns from training cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from patchtype.models.encoder import EncoderPlan, FamilyEncoder, pretrain
from patchtype.models.family_transformer import FamilyTransformer
from patchtype.models.family_values import FamilyValues, Values, join
from tests.models.conftest import make_cohort

QUICK = EncoderPlan(pretrain_epochs=1, epochs=12, size=16, layers=1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return FamilyTransformer((2, 3), n_classes=4, size=16).eval()


@pytest.fixture
def values(cohort) -> Values:
    return FamilyValues().fit(cohort).transform(cohort)


def test_a_masked_slot_does_not_influence_the_output(network, values):
    """Missing values and padding alike: whatever stands there, the scores are the same to the last bit."""
    nonsense = values._replace(x=torch.where(values.seen, values.x, torch.full_like(values.x, 1e6)))
    assert (~values.seen[:, 0, :2]).any(), "some feature of the test cells is missing"
    assert torch.equal(network(values), network(nonsense))
    assert torch.equal(network.reconstruct(values), network.reconstruct(nonsense))


def test_a_measured_slot_does_influence_the_output(network, values):
    other = values._replace(x=values.x + values.seen)
    assert not torch.allclose(network(values), network(other), atol=1e-3)


def test_padded_columns_may_hold_and_claim_anything(network, values):
    """The narrow family has one padded column; even a mask that calls it measured changes nothing."""
    x, seen = values.x.clone(), values.seen.clone()
    x[:, 0, 2], seen[:, 0, 2] = torch.randn(len(x)), True
    assert torch.equal(network(values), network(Values(x, seen, values.species)))


def test_more_padding_changes_nothing(values):
    """A third family that is wider than the others only adds padding to them: their tokens stay as they are."""
    torch.manual_seed(0)
    narrow = FamilyTransformer((2, 3), 4, size=16).eval()
    wide = FamilyTransformer((2, 3, 5), 4, size=16).eval()
    with torch.no_grad():
        for name in ("weight", "missing"):
            getattr(wide, name)[:2, :3] = getattr(narrow, name)
        wide.bias[:2], wide.mask_token[:2] = narrow.bias, narrow.mask_token
    pad = Values(*(torch.nn.functional.pad(part, (0, 2, 0, 1)) for part in values[:2]), values.species)
    torch.testing.assert_close(wide.embed(pad)[:, :2], narrow.embed(values))


def test_a_family_fully_missing_is_its_mask_token(network, values):
    seen = values.seen.clone()
    seen[:, 1] = False
    tokens = network.embed(values._replace(seen=seen))
    assert torch.equal(tokens[:, 1], network.mask_token[1].expand(len(tokens), -1))


def test_a_hidden_family_is_a_missing_family(network, values):
    hidden = torch.zeros(len(values.x), 2, dtype=torch.bool)
    hidden[:, 0] = True
    seen = values.seen.clone()
    seen[:, 0] = False
    assert torch.equal(network.states(values, hidden), network.states(values._replace(seen=seen)))


def test_a_token_depends_on_its_own_family_alone(network, values):
    x = values.x.clone()
    x[:, 1] += 1
    assert torch.equal(network.embed(values)[:, 0], network.embed(values._replace(x=x))[:, 0])


def test_cells_of_another_species_lack_what_they_do_not_have(cohort):
    other = make_cohort(seed=5)
    other = replace(other, table=other.table[["a", "c"]] * 1000, families={"passive": ["a"], "spike": ["c"]})
    packed = FamilyValues().fit(cohort).of_other(other)
    assert not packed.seen[:, 0, 1].any() and not packed.seen[:, 1, 1:].any() and packed.seen[:, 0, 0].any()
    # Scaled on itself: a thousand times larger features come out with mean zero and deviation one all the same.
    a = packed.x[:, 0, 0][packed.seen[:, 0, 0]]
    assert abs(float(a.mean())) < 1e-5 and abs(float(a.std(correction=0)) - 1) < 1e-5
    assert (packed.species == 1).all()


def test_other_features_are_refused(cohort):
    with pytest.raises(ValueError, match="found 4 features, expected the 5 that the scaler was fitted on"):
        FamilyValues().fit(cohort).transform(replace(cohort, table=cohort.table.drop(columns="e")))


def test_pretraining_learns_a_relation_between_families():
    """One family repeats the other, so a hidden value can be said from the one that is seen."""
    torch.manual_seed(0)
    x = torch.randn(512, 1, 1).expand(-1, 2, 1).contiguous()
    pool = Values(x, torch.ones_like(x, dtype=torch.bool), torch.zeros(512, dtype=torch.long))
    network = FamilyTransformer((1, 1), 2, size=16, layers=1, dropout=0.0)
    losses = pretrain(network, pool, EncoderPlan(pretrain_epochs=25, hide=0.3, hide_families=0.0, rate=5e-3))
    assert losses[-1] < 0.5 * losses[0]


def test_well_separated_cells_are_named_rightly():
    train, test = make_cohort(seed=1, shift=6), make_cohort(seed=2, shift=6)
    model = FamilyEncoder(0, plan=replace(QUICK, epochs=40)).fit(train)
    assert (model.predict_proba(test).argmax(1) == test.y).mean() > 0.95


def test_probabilities_sum_to_one_and_the_seed_decides(cohort):
    first, second = (FamilyEncoder(3, members=2, plan=replace(QUICK, epochs=2)).fit(cohort).predict_proba(cohort)
                     for _ in range(2))
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(first, second)


def test_labels_of_the_other_species_are_never_read(cohort):
    other = make_cohort(seed=5)
    mislabelled = replace(other, cells=other.cells.assign(subclass="Vip"))
    plan = replace(QUICK, epochs=2)
    first, second = (FamilyEncoder(0, partner=p, plan=plan).fit(cohort).predict_proba(cohort)
                     for p in (other, mislabelled))
    np.testing.assert_array_equal(first, second)


def test_the_pool_of_two_species_is_both(values):
    both = join(values, values._replace(species=values.species + 1))
    assert len(both.x) == 2 * len(values.x) and both.species.sum() == len(values.x)
