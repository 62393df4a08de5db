"""Real recordings of other laboratories: each feature agrees with eFEL and with values from the raw samples.

The recordings are those of the pyABF repository and are no part of this one; without them the tests are skipped.
"""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from patchtype.recordings.cell import extract, extract_all

FIELD = Path(__file__).parents[3] / "shared" / "field"
STEPS = ("171116sh_0018", "190619B_0003", "18711001", "17o05028_ic_steps", "2019_07_24_0055_fsi")
pytestmark = pytest.mark.skipif(not (FIELD / "reference.json").is_file(),
                                reason=f"found no real recordings in {FIELD}, expected reference.json and recordings/")
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))


@cache
def cell(name):
    return extract(FIELD / "recordings" / name)


@cache
def comparison():
    pytest.importorskip("efel")
    from field import compared

    return compared(FIELD)


@pytest.mark.slow
@pytest.mark.parametrize("other", ["reference", "efel"])
def test_features_lie_within_their_tolerance_of(other):
    table = comparison()
    wrong = table[~table[f"within_{other}"]]
    assert len(wrong) == 0, wrong.to_string()
    assert table[other].notna().sum() > 55  # so that not everything is missing


@pytest.mark.slow
def test_where_the_reference_has_a_value_there_is_one_here():
    table = comparison()
    assert table.loc[table["reference"].notna(), "ours"].notna().all()
    assert (table.loc[table["ours"].isna(), "missing"] != "").all()


@pytest.mark.parametrize("name", STEPS)
def test_action_potentials_are_counted_step_by_step(name):
    """The slow ones of 17o05028 at 90 and 100 pA among them, which rise slower than ipfx's 20 mV/ms."""
    from patchtype.recordings.scalars import _Steps

    found = cell(f"{name}.abf")
    steps = _Steps(found.prepared, found.prepared.of("long_square"))
    counts = {str(round(pa)): int(n) for pa, n in zip(steps.table["stim_amp"], steps.table["spikes"], strict=True)}
    assert counts == json.loads((FIELD / "reference.json").read_text())[name]["counts"]


@pytest.mark.parametrize(("name", "onset", "seconds", "amplitudes"), [
    ("2019_07_24_0055_fsi", 0.14685, 0.5, range(-100, 301, 25)), ("171116sh_0018", 0.14685, 0.5, range(-100, 301, 25)),
    ("17o05028_ic_steps", 0.14685, 0.5, range(-50, 101, 10)), ("18711001", 0.8234, 0.5, range(0, 291, 10)),
    ("190619B_0003", 1.0478, 1.0, range(-120, 421, 60)),
])
def test_protocols_are_recognised(name, onset, seconds, amplitudes):
    steps = cell(f"{name}.abf").protocol.steps
    assert [round(s.amplitude_pa, 6) for s in steps] == list(amplitudes)
    assert {s.kind for s in steps} == {"long_square"}
    assert all(s.onset_s == pytest.approx(onset) and s.end_s - s.onset_s == pytest.approx(seconds) for s in steps)


def test_what_is_odd_about_a_recording_is_said():
    def notes(name):
        return " ".join(str(note) for note in cell(name).verdict.notes)

    assert "a second step in each sweep (1.647 to 2.147 s); the first one is analysed" in notes("171116sh_0018.abf")
    assert "found a prepulse from 0.023 to 0.323 s that is the same in every sweep" in notes("18711001.abf")
    assert "found 4 action potentials without a step; the cell fires at rest" in notes("2019_07_24_0055_fsi.abf")
    assert "the time constant comes from one sweep only" in notes("190619B_0003.abf")


@pytest.mark.parametrize("name", [name for name in STEPS if name != "18711001"])
def test_no_real_recording_is_told_what_it_does_not_have(name):
    """Their bridges are balanced as well as the eye can see, and no cell was lost."""
    told = {f.code for f in cell(f"{name}.abf").verdict.notes}
    assert not told & {"bridge_unbalanced", "cell_lost", "sweep_incomplete"}


def test_a_prepulse_is_no_hyperpolarising_step():
    found = cell("18711001.abf")
    for feature in ("tau", "input_resistance", "sag", "vm_for_sag"):
        assert np.isnan(found.features[feature])
        assert found.missing[feature] == "no hyperpolarising step"


def test_a_ramp_alone_gives_what_a_ramp_gives():
    found = cell("17o05027_ic_ramp.abf")
    assert found.verdict.passed
    assert found.features["threshold_v_ramp"] == pytest.approx(-25.9, abs=0.5)
    assert found.missing["tau"] == "no step of 0.3 s or more"


@pytest.mark.parametrize(("abf", "nwb"), [
    ("171116sh_0018.abf", "axon_171116sh_0018.nwb"), ("18711001.abf", "abfi_18711001.nwb"),
    ("190619B_0003.abf", "hand_190619B_0003.nwb"), ("17o05027_ic_ramp.abf", "hand_17o05027_ic_ramp.nwb"),
])
def test_conversions_to_nwb_give_the_same_features(abf, nwb):
    (converted,) = extract_all(FIELD / "recordings" / nwb)
    expected = cell(abf)
    assert converted.features == pytest.approx(expected.features, rel=1e-3, nan_ok=True)
    assert converted.missing == expected.missing
