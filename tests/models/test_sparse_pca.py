"""Sparse components: known answers, and one family at a time."""

from __future__ import annotations

import numpy as np
import pytest

from patchtype.models.sparse_pca import FamilySparsePCA, adjusted_variance


def test_independent_components_keep_their_plain_variance():
    rng = np.random.default_rng(0)
    scores = np.linalg.qr(rng.standard_normal((500, 3)) - 0)[0] * np.sqrt(500) * [3.0, 2.0, 1.0]
    scores -= scores.mean(axis=0)
    np.testing.assert_allclose(adjusted_variance(scores), scores.var(axis=0), rtol=0.02)


def test_a_repeated_component_adds_nothing():
    scores = np.random.default_rng(0).standard_normal((100, 1))
    assert adjusted_variance(np.hstack([scores, scores]))[1] == pytest.approx(0, abs=1e-20)


def test_a_component_uses_the_features_of_one_family_only(cohort):
    spca = FamilySparsePCA().fit(cohort)
    for (family, _), loading in spca.loadings.iterrows():
        assert set(loading.index[loading != 0]) <= set(cohort.families[family])


def test_loadings_have_length_one_and_a_positive_largest_entry(cohort):
    loadings = FamilySparsePCA().fit(cohort).loadings.to_numpy()
    np.testing.assert_allclose(np.linalg.norm(loadings, axis=1), 1)
    assert (loadings[np.arange(len(loadings)), np.abs(loadings).argmax(axis=1)] > 0).all()


def test_scores_of_the_fitted_cells_are_z_scored(cohort):
    scores = FamilySparsePCA().fit_transform(cohort)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(scores.std(axis=0), 1)


def test_no_kept_component_explains_less_than_the_limit(cohort):
    assert (FamilySparsePCA(keep=0.2).fit(cohort).explained >= 0.2).all()
