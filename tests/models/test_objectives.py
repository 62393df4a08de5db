"""Losses, margins and priors against answers known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from patchtype.models.bilstm import BiLSTM
from patchtype.models.objectives import (
    ArcFaceHead,
    PriorCorrected,
    effective_number,
    focal_loss,
    inverse_frequency,
    prior_corrected,
)

SCORES = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(50) % 4
EQUAL = torch.ones(4)


def test_focal_loss_without_focus_and_with_equal_weights_is_cross_entropy():
    torch.testing.assert_close(focal_loss(SCORES, Y, EQUAL, gamma=0.0), cross_entropy(SCORES, Y))


def test_focal_loss_of_one_cell_by_hand():
    scores = torch.log(torch.tensor([[0.8, 0.2]]))
    expected = -3.0 * 0.2**2 * math.log(0.8)
    assert focal_loss(scores, torch.tensor([0]), torch.tensor([3.0, 1.0])).item() == pytest.approx(expected, rel=1e-5)


def test_the_more_focus_the_less_a_confident_cell_counts():
    confident, doubtful = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.1, 0.0]])
    shares = [
        (focal_loss(confident, torch.tensor([0]), EQUAL, g) / focal_loss(doubtful, torch.tensor([0]), EQUAL, g)).item()
        for g in (0.0, 1.0, 2.0)
    ]
    assert shares == sorted(shares, reverse=True) and shares[2] < shares[0] / 10


def test_class_weights_by_hand():
    assert inverse_frequency(torch.tensor([3, 1])).tolist() == [0.5, 1.5]
    raw = np.array([(1 - 0.5) / (1 - 0.5**n) for n in (1, 2)])
    np.testing.assert_allclose(effective_number(torch.tensor([1, 2]), 0.5).numpy(), raw / raw.mean(), rtol=1e-6)


def test_class_balanced_weights_run_from_equal_to_inverse_frequency():
    counts = torch.tensor([5, 50, 500])
    torch.testing.assert_close(effective_number(counts, 0.0), torch.ones(3))
    torch.testing.assert_close(effective_number(counts, 1 - 1e-9), inverse_frequency(counts), rtol=1e-4, atol=0)


def arcface(**options) -> ArcFaceHead:
    torch.manual_seed(0)
    return ArcFaceHead(8, 4, **options).eval()


def test_arcface_without_margin_is_a_softmax_of_scaled_cosines():
    head, vectors = arcface(margin=0.0, gamma=0.0), torch.randn(50, 8)
    cosines = normalize(head.body(vectors)) @ normalize(head.directions).T
    torch.testing.assert_close(head(vectors), 30 * cosines)
    torch.testing.assert_close(head.loss(vectors, Y, EQUAL), cross_entropy(30 * cosines, Y), rtol=1e-4, atol=1e-5)


def test_the_margin_is_added_to_the_angle_of_the_true_class_alone():
    head = arcface()
    angles = torch.tensor([[0.5, 1.0, 2.0, 3.0]])
    scores = head.margin_scores(angles.cos(), torch.tensor([1]))
    expected = 30 * torch.tensor([[0.5, 1.35, 2.0, 3.0]]).cos()
    torch.testing.assert_close(scores, expected)


def test_the_score_of_the_true_class_falls_with_its_angle_all_the_way():
    angles = torch.linspace(0.01, math.pi - 0.01, 400)[:, None]
    scores = arcface().margin_scores(angles.cos(), torch.zeros(400, dtype=torch.long))
    assert (scores.diff(dim=0) < 0).all() and (scores < 30 * angles.cos()).all()


def test_a_cell_on_its_direction_has_a_finite_gradient():
    cosines = torch.tensor([[1.0, 0.0, 0.0, 0.0]], requires_grad=True)
    arcface().margin_scores(cosines, torch.tensor([0])).sum().backward()
    assert torch.isfinite(cosines.grad).all()


def test_uniform_priors_change_nothing_and_neither_does_power_zero():
    probabilities = torch.softmax(SCORES, 1).double().numpy()
    np.testing.assert_allclose(prior_corrected(probabilities, np.full(4, 0.25), -1.0), probabilities)
    np.testing.assert_allclose(prior_corrected(probabilities, np.array([0.7, 0.1, 0.1, 0.1]), 0.0), probabilities)


@pytest.mark.parametrize("power", [0.7, -1.0])
def test_the_correction_adds_the_log_prior_to_the_scores(power):
    priors = np.array([0.1, 0.5, 0.25, 0.15])
    expected = torch.softmax(SCORES.double() + power * torch.from_numpy(priors).log(), 1).numpy()
    np.testing.assert_allclose(prior_corrected(torch.softmax(SCORES.double(), 1).numpy(), priors, power), expected)


def test_a_class_without_cells_or_probability_gives_no_infinite_number():
    assert np.isfinite(prior_corrected(np.array([[1.0, 0.0]]), np.array([1.0, 0.0]), -1.0)).all()


def test_both_signs_are_read_from_one_fit(cohort):
    model = PriorCorrected(BiLSTM(seed=0, epochs=2, head="arcface"), {"": 0.0, ", +": 0.7, ", -": -1.0})
    readings = model.fit(cohort).predict_proba(cohort)
    assert list(readings) == ["", ", +", ", -"]
    frequent = int(np.argmax(model.model.priors))
    shares = [(readings[name].argmax(1) == frequent).mean() for name in (", +", "", ", -")]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[2]
