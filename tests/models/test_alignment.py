"""Aligners: what each promises of the moved cells, and that nothing of a test cell takes part."""

from __future__ import annotations

import numpy as np
import pytest

from patchtype.models.alignment import (
    ALIGNERS,
    ClassTransport,
    Coral,
    GaussianTransport,
    Quantile,
    Scaled,
    mixture_weights,
    scores,
)


def species(n: int, mixture, seed: int, shift: float = 0.0, gain: float = 1.0):
    """Cells of four classes: the same class means in both species, moved and stretched."""
    rng = np.random.default_rng(seed)
    y = rng.choice(4, n, p=mixture)
    centres = np.random.default_rng(1).standard_normal((4, 3)) * 2
    mixing = np.random.default_rng(2).standard_normal((3, 3))
    return (centres[y] + rng.standard_normal((n, 3)) @ mixing) * gain + shift, y


OWN = species(300, [0.1, 0.5, 0.2, 0.2], 3)
OTHER = species(900, [0.4, 0.1, 0.3, 0.2], 4, shift=5.0, gain=3.0)


def test_mixture_weights_give_classes_the_wanted_shares():
    y, wanted = np.repeat([0, 1, 2], [10, 20, 30]), np.repeat([0, 1, 2], [3, 2, 1])
    weights = mixture_weights(y, wanted, 3)
    np.testing.assert_allclose(np.bincount(y, weights), [1 / 2, 1 / 3, 1 / 6])


def test_a_class_that_is_not_wanted_keeps_half_a_cell():
    weights = mixture_weights(np.array([0, 1, 1]), np.array([0, 0]), 2)
    np.testing.assert_allclose(np.bincount([0, 1, 1], weights), [0.8, 0.2])


def test_species_that_differ_by_shift_scale_and_mixture_alone_meet():
    """A z-score over all cells would not: the mean of a mixture is another in another mixture."""
    scaled = Scaled().fit(*OTHER, *OWN, 4)
    own = scaled.own(OWN[0])
    plain = (OTHER[0] - OTHER[0].mean(axis=0)) / OTHER[0].std(axis=0)

    def gap(moved):  # the largest distance between the class means of the two species
        return max(np.abs(moved[OTHER[1] == c].mean(axis=0) - own[OWN[1] == c].mean(axis=0)).max() for c in range(4))

    assert gap(scaled.partner) < 0.35 < 0.5 < gap(plain)


@pytest.mark.parametrize("aligner", [Coral, GaussianTransport])
def test_covariances_become_equal(aligner):
    aligned = aligner(ridge=1e-9).fit(*OTHER, *OWN, 4)
    own = aligned.own(OWN[0])
    mean = aligned.weights @ aligned.partner
    centred = aligned.partner - mean
    np.testing.assert_allclose((centred * aligned.weights[:, None]).T @ centred, np.cov(own.T, ddof=0), atol=1e-6)
    np.testing.assert_allclose(mean, own.mean(axis=0), atol=1e-9)


def test_class_transport_puts_each_class_on_its_own_cells():
    aligned = ClassTransport(entropy=0.05).fit(*OTHER, *OWN, 4)
    own = aligned.own(OWN[0])
    for code in range(4):
        moved, target = aligned.partner[OTHER[1] == code], own[OWN[1] == code]
        np.testing.assert_allclose(moved.mean(axis=0), target.mean(axis=0), atol=0.02)
        assert (moved >= target.min(axis=0) - 1e-9).all() and (moved <= target.max(axis=0) + 1e-9).all()


def test_a_class_without_training_cells_stays_where_it_is():
    few = OWN[1] != 0
    scaled, aligned = (a.fit(*OTHER, OWN[0][few], OWN[1][few], 4) for a in (Scaled(), ClassTransport()))
    np.testing.assert_array_equal(aligned.partner[OTHER[1] == 0], scaled.partner[OTHER[1] == 0])


@pytest.mark.parametrize("rising", [np.exp, lambda x: x**3, lambda x: 7 * x - 2], ids=["exp", "cube", "line"])
def test_quantiles_do_not_change_under_rising_maps(rising):
    fresh = species(50, [0.25] * 4, 5)[0]
    plain = Quantile().fit(*OTHER, *OWN, 4)
    bent = Quantile().fit(OTHER[0], OTHER[1], rising(OWN[0]), OWN[1], 4)
    np.testing.assert_allclose(plain.own(fresh), bent.own(rising(fresh)))
    np.testing.assert_allclose(plain.partner, Quantile().fit(rising(OTHER[0]), OTHER[1], *OWN, 4).partner)


def test_scores_of_a_sample_in_itself_are_normal_scores_and_weights_count_as_copies():
    from scipy.stats import norm
    x = np.array([[4.0], [1.0], [3.0], [2.0]])
    np.testing.assert_allclose(scores(x, x).ravel(), norm.ppf([0.875, 0.125, 0.625, 0.375]))
    middle = np.array([[3.0]])
    copies = np.repeat(x, [1, 2, 3, 5], axis=0)
    np.testing.assert_allclose(scores(middle, x, np.array([1, 2, 3, 5]) / 11), scores(middle, copies))


@pytest.mark.parametrize("name", ALIGNERS)
def test_a_cell_is_placed_alike_whatever_its_companions_are(name):
    aligned = ALIGNERS[name]().fit(*OTHER, *OWN, 4)
    fresh = species(20, [0.25] * 4, 6)[0]
    absurd = fresh.copy()
    absurd[1:] *= 1e6
    np.testing.assert_array_equal(aligned.own(fresh)[0], aligned.own(absurd)[0])


@pytest.mark.parametrize("name", ALIGNERS)
def test_gaps_and_empty_features_do_no_harm(name):
    x, other = OWN[0].copy(), OTHER[0].copy()
    x[::7, 0], other[::5, 1], x[:, 2] = np.nan, np.nan, np.nan
    aligned = ALIGNERS[name]().fit(other, OTHER[1], x, OWN[1], 4)
    assert np.isfinite(aligned.partner).all() and np.isfinite(aligned.own(x)).all()
