"""The network and its training: shapes, attention, determinism, early stopping, the three regimes."""

from __future__ import annotations

import platform
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn import metrics

from patchtype.models import training
from patchtype.models.bilstm import VARIANTS, BiLSTM, Partner
from patchtype.models.network import INPUTS, FamilyBiLSTM, HeadsAlone
from patchtype.models.objectives import inverse_frequency
from patchtype.models.tokens import FamilyTokens
from patchtype.models.training import Cells, Plan, accuracy, macro_f1, train
from tests.models.conftest import make_cohort


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("inputs", INPUTS)
def test_separable_cells_are_named_rightly(inputs, variant):
    trained = BiLSTM(seed=0, inputs=inputs, epochs=15, **VARIANTS[variant]).fit(make_cohort(seed=1, shift=5))
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
    network = FamilyBiLSTM(cells.x.shape[1], cells.x.shape[2], [4], dropout=0.0)
    torch.manual_seed(0)
    plain = FamilyBiLSTM(cells.x.shape[1], cells.x.shape[2], [4], dropout=0.0)
    history = train(network, cells, cells, plan, torch.Generator().manual_seed(0))

    weight = inverse_frequency(cells.counts(4))
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
    network = FamilyBiLSTM(x.shape[1], x.shape[2], [4])
    plan = Plan(epochs=60, patience=2)
    history = train(network, Cells(x, y), Cells(x, noise), plan, torch.Generator().manual_seed(0))
    scores = [h["macro_f1"] for h in history]
    assert len(history) < 60 and scores.index(max(scores)) == len(scores) - 3


@pytest.mark.parametrize("stop_on", ["macro_f1", "accuracy"])
def test_the_stopping_score_is_one_argument(cohort, stop_on):
    model = BiLSTM(seed=0, plan=Plan(epochs=2, stop_on=stop_on)).fit(cohort)
    assert all(stop_on in epoch for epoch in model.history)


def test_fine_tuning_starts_from_the_other_species_encoder():
    donor = BiLSTM(seed=0, epochs=2).fit(make_cohort(seed=1))
    tuned = BiLSTM(seed=1, epochs=0, pretrained=donor).fit(make_cohort(seed=2))
    before, after = donor.network.state_dict(), tuned.network.state_dict()
    encoder = [name for name in before if not name.startswith("heads.")]
    assert encoder and all(torch.equal(before[name], after[name]) for name in encoder)
    assert not torch.equal(before["heads.0.linear.weight"], after["heads.0.linear.weight"])


def test_joint_training_reads_both_species_and_keeps_two_heads():
    cohort, partner = make_cohort(seed=1), make_cohort(seed=2, n=300)
    joint = BiLSTM(seed=0, epochs=2, partner=Partner.of(partner)).fit(cohort)
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


@pytest.mark.parametrize(("field", "value"), [("inputs", "batch norm"), ("pooling", "mean"), ("head", "cosine")])
def test_an_unknown_part_of_the_network_is_refused(field, value):
    with pytest.raises(ValueError, match=f"found {field}='{value}', expected one of"):
        FamilyBiLSTM(2, 3, [4], **{field: value})


@pytest.mark.parametrize(("field", "value"), [("stop_on", "loss"), ("precision", "float16")])
def test_an_unknown_plan_is_refused_before_any_training(field, value):
    with pytest.raises(ValueError, match=f"found {field}='{value}', expected"):
        Plan(**{field: value})


def test_last_step_pooling_reads_the_state_at_the_last_token():
    torch.manual_seed(0)
    network = FamilyBiLSTM(3, 4, [4], pooling="last step").eval()
    x = torch.randn(5, 3, 4)
    vectors, weights = network.encode(x)
    states, (last, _) = network.lstm(network.norm(x))
    torch.testing.assert_close(vectors[:, :128], last[0])  # forward: all tokens read
    torch.testing.assert_close(vectors[:, 128:], states[:, -1, 128:])
    assert weights.tolist() == [[0, 0, 1]] * 5


def test_scores_of_a_confusion_matrix_are_those_of_the_library():
    rng = np.random.default_rng(0)
    for _ in range(20):
        true, predicted = rng.integers(0, 4, 30), rng.integers(0, 3, 30)
        matrix = torch.from_numpy(metrics.confusion_matrix(true, predicted, labels=range(5))).double()
        assert macro_f1(matrix) == pytest.approx(metrics.f1_score(true, predicted, average="macro"))
        assert accuracy(matrix) == pytest.approx(metrics.accuracy_score(true, predicted))


def test_warming_up_heads_on_kept_vectors_equals_warming_up_behind_a_resting_encoder(cohort):
    tokens = FamilyTokens().fit(cohort)
    cells = Cells(tokens.transform(cohort), torch.from_numpy(cohort.y))
    plan = Plan(epochs=3)
    torch.manual_seed(0)
    network = FamilyBiLSTM(cells.x.shape[1], cells.x.shape[2], [4])
    slow = deepcopy(network)
    vectors = Cells(network.encode(cells.x)[0].detach(), cells.y)
    torch.manual_seed(1)
    history = train(HeadsAlone(network), vectors, vectors, plan, torch.Generator().manual_seed(0))

    torch.manual_seed(1)
    optimiser = torch.optim.AdamW(slow.heads.parameters(), lr=1e-3, weight_decay=1e-4)
    generator, weight = torch.Generator().manual_seed(0), inverse_frequency(cells.counts(4))
    for epoch in range(3):
        slow.train()
        batches = torch.randperm(len(cells.y), generator=generator).split(64)
        losses = []
        for rows in batches:
            loss = torch.nn.functional.cross_entropy(slow(cells.x[rows]), cells.y[rows], weight=weight)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(slow.heads.parameters(), 2.0)
            optimiser.step()
            losses.append(loss.item())
        assert history[epoch]["loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_joint_training_equals_a_plain_implementation():
    """One pass through the encoder for both species gives the loss of two passes, and of a plain optimiser."""
    own, other = make_cohort(n=150, seed=1), make_cohort(n=260, seed=2)
    cells, extra = (Cells(FamilyTokens().fit(c).transform(c), torch.from_numpy(c.y)) for c in (own, other))
    torch.manual_seed(0)
    network = FamilyBiLSTM(cells.x.shape[1], cells.x.shape[2], [4, 4], dropout=0.0)
    plain = deepcopy(network)
    history = train(network, cells, cells, Plan(epochs=2), torch.Generator().manual_seed(0), extra)

    optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(0)
    loss_of = torch.nn.functional.cross_entropy
    weights = [inverse_frequency(c.counts(4)) for c in (cells, extra)]
    for epoch in range(2):
        mine = list(torch.randperm(150, generator=generator).split(64))
        losses = []
        for theirs in torch.randperm(260, generator=generator).split(64):
            if not mine:
                mine = list(torch.randperm(150, generator=generator).split(64))
            rows = mine.pop()
            loss = loss_of(plain(cells.x[rows]), cells.y[rows], weight=weights[0])
            loss = loss + 0.5 * loss_of(plain(extra.x[theirs], 1), extra.y[theirs], weight=weights[1])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 2.0)
            optimiser.step()
            losses.append(loss.item())
        assert history[epoch]["loss"] == pytest.approx(np.mean(losses), rel=1e-4)


FAULTS = """
import resource
import torch
from patchtype.models.network import FamilyBiLSTM
from patchtype.models.training import Cells, Plan, train

own, other = (Cells(torch.randn(n, 12, 150), torch.arange(n) % 4) for n in (256, 1024))
network, plan = FamilyBiLSTM(12, 150, [4, 4]), Plan(epochs=2)

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    train(network, own, own, plan, torch.Generator().manual_seed(0), other)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

page_faults()  # the first steps take the memory
print(min(page_faults() for _ in range(3)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own way")
def test_a_step_finds_the_memory_that_the_last_one_freed():
    """In a process of its own, as trainings are run: where the heap of another one lies decides there."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5_000  # as glibc comes it is up to 180,000


def test_low_precision_is_refused_where_the_processor_lacks_it(monkeypatch):
    monkeypatch.setattr(training, "computes_in_bfloat16", lambda: False)
    with pytest.raises(ValueError, match="found precision='bfloat16', which this processor cannot compute with"):
        Plan(precision="bfloat16")


@pytest.mark.skipif(not training.computes_in_bfloat16(), reason="this processor has no bfloat16")
def test_low_precision_learns_too():
    train_cells, test = make_cohort(seed=1, shift=5), make_cohort(seed=2, shift=5)
    model = BiLSTM(seed=0, plan=Plan(epochs=15, precision="bfloat16")).fit(train_cells)
    assert (model.predict_proba(test).argmax(axis=1) == test.y).mean() > 0.9


def test_parameters_are_their_own_again_after_training(cohort):
    """A trained network can be saved and copied: no parameter is still a view of one long vector."""
    network = BiLSTM(seed=0, epochs=1).fit(cohort).network
    for p in network.parameters():
        assert p.untyped_storage().nbytes() == p.numel() * 4 and p.grad is None
