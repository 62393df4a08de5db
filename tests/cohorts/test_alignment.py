"""Mouse features in the human definition, held against cells that a third table gives in that definition."""

from __future__ import annotations

import pandas as pd
import pytest

from patchtype import families
from patchtype.cohorts.published import alignment_check, mouse_features

# Short-square spikes and the hero sweep are chosen a little differently by the two extractions.
LOOSER = {"threshold_v_short_square": 0.9, "avg_rate_hero": 0.9}


@pytest.fixture(scope="module")
def agreement():
    return alignment_check()


def test_many_cells_are_shared(agreement):
    assert agreement["cells"].max() > 500


def test_every_shared_feature_agrees_in_rank(agreement):
    for feature, row in agreement.iterrows():
        assert row["rank_correlation"] > LOOSER.get(feature, 0.95), feature


def test_every_shared_feature_agrees_in_unit(agreement):
    assert (agreement["median_ratio"] - 1).abs().max() < 0.05


@pytest.mark.parametrize("feature", ["v_baseline", "tau", "threshold_v_rheo", "peak_deltav_ramp", "latency_rheo"])
def test_most_cells_agree_within_one_percent(agreement, feature):
    assert agreement.loc[feature, "within_1_percent"] > 0.88


def test_nearly_all_aligned_features_are_checked(agreement):
    aligned = families.features()["aligned"].dropna().index
    assert set(aligned) - set(agreement.index) == {
        "trough_deltav_rheo", "trough_deltav_ramp", "fast_trough_deltav_short_square"}


@pytest.mark.parametrize(("name", "row", "value"), [
    ("tau", {"tau": 20.0}, 0.020),
    ("mean_isi_hero", {"avg_isi": 50.0}, 0.050),
    ("width_rheo", {"second_rheo_width": 0.001}, 0.00098),
    ("trough_slowdeltav_rheo", {"trough_v_long_square": -60.0, "fast_trough_v_long_square": -55.0}, -5.0),
    ("latency_rheo", {"threshold_t_long_square": 0.6}, 0.1),
    ("peak_deltav_rheo", {"peak_v_long_square": 30.0, "threshold_v_long_square": -40.0}, 70.0),
    ("first_isi_inv_hero", {"second_hero_first_isi": 0.02}, 50.0),
])
def test_conversions_with_known_answers(name, row, value):
    assert mouse_features(pd.DataFrame([row]), [name])[name].tolist() == [pytest.approx(value)]


def test_a_division_by_zero_is_missing_not_infinite():
    assert mouse_features(pd.DataFrame([{"second_hero_first_isi": 0.0}]), ["first_isi_inv_hero"]).isna().all().all()
