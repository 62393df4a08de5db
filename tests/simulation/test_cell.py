"""Simulated neurons obey physics, cohorts obey their plan, and what is put in wrong is found."""

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from patchtype.recordings import cli as extracting
from patchtype.recordings import defects, nwb, quality
from patchtype.recordings.cell import extract
from patchtype.recordings.text import from_csv
from patchtype.simulation import cell as simulation
from patchtype.simulation import cli as simulating
from patchtype.simulation.membrane import Membrane, respond, settled, step

PASSIVE = Membrane(capacitance=100.0, leak=5.0, rest=-70.0)  # 200 MOhm, 20 ms


# --- membrane --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pa", [-50.0, 20.0])
def test_a_passive_membrane_charges_exponentially(pa):
    v = respond([(PASSIVE, [step(50, 400, pa)])], 500)[0]
    t = np.arange(len(v)) / 50 - 50
    during = (t > 0.1) & (t < 399)
    expected = -70 + 0.2 * pa * (1 - np.exp(-t[during] / 20))
    assert np.abs(v[during] - expected).max() < 0.02 * abs(0.2 * pa)
    assert v[: 50 * 50 - 2] == pytest.approx(-70, abs=1e-4)


def test_the_shift_of_the_gates_leaves_a_passive_membrane_alone():
    moved = replace(PASSIVE, shift=15.0)
    a, b = respond([(PASSIVE, [step(50, 100, 30)]), (moved, [step(50, 100, 30)])], 200)
    assert np.allclose(a, b, atol=1e-3)


def test_neurons_simulated_together_do_not_touch_each_other():
    neuron = simulation.prototype("mouse", "Pvalb")
    alone = respond([(neuron, [step(20, 100, 400)])], 150)[0]
    together = respond([(PASSIVE, [step(20, 100, -50)]), (neuron, [step(20, 100, 400)])], 150)[1]
    assert np.allclose(alone, together, atol=1e-3)
    assert alone.max() > 0


def test_a_settled_neuron_starts_at_rest():
    neuron = settled([simulation.prototype("mouse", "Sst")])[0]
    v = respond([(neuron, [])], 500)[0]
    assert np.ptp(v) < 0.5


def test_a_run_that_ends_after_a_spike_is_the_beginning_of_the_whole_one():
    neuron = simulation.prototype("mouse", "Pvalb")
    jobs = [(neuron, [step(700, 3000, 400)])]
    whole, early = respond(jobs, 4000)[0], respond(jobs, 4000, after_spike=600.0)[0]
    spike = np.flatnonzero(whole > -10)[0] / 50
    assert spike + 600 <= len(early) / 50 <= spike + 600 + 500 < len(whole) / 50
    assert np.allclose(early, whole[: len(early)], atol=1e-3)
    silent = [(PASSIVE, [step(700, 3000, -20)])]
    assert respond(silent, 1200, after_spike=100.0).shape == respond(silent, 1200).shape


@pytest.mark.parametrize(("change", "message"), [
    ({"capacitance": 0.0}, "found 0.0 pF and 5.0 nS, expected both above 0"),
    ({"densities": {"Nonsense": 1.0}}, "found the channel 'Nonsense', expected one of"),
])
def test_impossible_membranes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PASSIVE, **change)


# --- cells -----------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def cells():
    """One simulated cell of each class of both species."""
    return {(species, subclass): simulation.cell(species, subclass, seed=3, number=1)
            for species, classes in simulation.populations().items() for subclass in classes}


def test_both_species_have_their_classes():
    from patchtype.taxonomy import HUMAN_SUBCLASSES, MOUSE_SUBCLASSES

    assert {s: tuple(c) for s, c in simulation.populations().items()} \
        == {"mouse": MOUSE_SUBCLASSES, "human": HUMAN_SUBCLASSES}


@pytest.mark.slow
def test_every_class_gives_families_or_a_reason(cells, tmp_path):
    passed = 0
    for (species, subclass), sweeps in cells.items():
        found = extract(nwb.write(tmp_path / "cell.nwb", sweeps, species=species, compression=1))
        passed += found.verdict.has_families
        assert len(found.paper) == (12 if found.verdict.has_families else 0), (subclass, found.verdict)
        assert found.species == species
    assert passed >= 7  # of nine; a drawn neuron may fail for a real reason


@pytest.mark.slow
def test_recordings_follow_the_protocol(cells):
    for sweeps in cells.values():
        codes = Counter(s.code for s in sweeps)
        assert codes["X1PS_SubThresh_DA_0"] == 6
        assert codes["X3LP_Rheo_DA_0"] >= 1
        assert codes["X7Ramp_DA_0"] == 1
        for s in sweeps:
            assert len(s.i_pa) == len(s.v_mv)
            assert np.array_equal(s.v_mv * 32, np.round(s.v_mv * 32))  # 1/32 mV steps
            assert s.i_pa[round(25 * 50)] == -20  # test pulse
        amplitudes = [s.i_pa[50_000] for s in sweeps if s.code.startswith("X4PS")]
        assert np.allclose(np.diff(amplitudes), 20)


def test_the_same_seed_gives_the_same_cell_and_another_another():
    first, again, other = (simulation.sample("mouse", "Vip", simulation.generator(0, n)) for n in (1, 1, 2))
    assert first == again != other


@pytest.mark.slow
def test_the_same_seed_gives_the_same_recording(cells):
    again = simulation.cell("mouse", "Sst", seed=3, number=1)
    assert all(np.array_equal(a.v_mv, b.v_mv) for a, b in zip(cells["mouse", "Sst"], again, strict=True))


def test_passive_properties_spread_as_in_the_data_file():
    rng = np.random.default_rng(0)
    drawn = [simulation.sample("mouse", "Sst", rng).membrane for _ in range(400)]
    spread = simulation.populations()["mouse"]["Sst"]["spread"]
    log_leak = np.log([m.leak for m in drawn])
    log_tau = np.log([m.capacitance / m.leak for m in drawn])
    assert log_leak.std() == pytest.approx(spread["resistance"], rel=0.15)
    assert log_tau.std() == pytest.approx(spread["tau"], rel=0.15)
    assert np.corrcoef(-log_leak, log_tau)[0, 1] == pytest.approx(spread["correlation"], abs=0.1)


@pytest.mark.parametrize(("pa", "factor"), [(50.0, simulation.DEPOLARIZED_NOISE), (-50.0, 1.0)])
def test_noise_is_louder_during_a_depolarizing_step_only(pa, factor):
    noise = simulation.synaptic_noise(2150, np.random.default_rng(0), sd=2.5)
    t, x = np.array(noise).T
    during = (t >= 600) & (t < 1600)
    louder = np.array(simulation.louder(noise, 1000.0, pa))[:, 1]
    assert np.allclose(louder[during], factor * x[during]) and np.array_equal(louder[~during], x[~during])


@pytest.mark.slow
def test_a_short_step_is_the_smallest_that_gives_a_spike(cells):
    """Three sweeps have the first amplitude of the search with a spike, one before them the amplitude below.

    So near the threshold the noise decides, and not every repeat spikes.
    """
    spiking = []
    for sweeps in cells.values():
        below, *repeats = [s for s in sweeps if s.code.startswith("X6SP")]
        amplitudes = [s.i_pa[round(601 * 50)] for s in repeats]
        place = simulation.SHORT_AMPLITUDES.index(amplitudes[0])
        assert amplitudes == [simulation.SHORT_AMPLITUDES[place]] * 3
        assert below.i_pa[round(601 * 50)] == simulation.SHORT_AMPLITUDES[place - 1]
        spiking += [simulation.fires(s.v_mv, 50.0) for s in repeats]
    assert np.mean(spiking) > 0.7


def test_unknown_classes_are_refused():
    with pytest.raises(ValueError, match="found the class mouse Chandelier, expected one of: mouse Lamp5, mouse Pvalb"):
        simulation.prototype("mouse", "Chandelier")


# --- defects ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def good(sweeps):
    return sweeps


@pytest.mark.parametrize("code", defects.ALL)
def test_every_defect_gives_its_reason(good, tmp_path, code):
    rng = np.random.default_rng(0)
    path = nwb.write(tmp_path / "cell.nwb", defects.OF_SWEEPS.get(code, lambda s, rng: s)(good, rng), compression=1)
    defects.OF_FILES.get(code, lambda path: None)(path)
    verdict = extract(path).verdict
    assert code in [f.code for f in (*verdict.reasons, *verdict.families, *verdict.notes)]
    assert verdict.passed == (not quality.RULES[code].fatal)


# --- cohorts ---------------------------------------------------------------------------------------------

def test_a_plan_keeps_proportions_and_shows_every_defect():
    planned = simulation.plan(400, seed=1)
    counts = Counter(subclass for subclass, _ in planned)
    classes = simulation.populations()["mouse"]
    total = sum(c["share"] for c in classes.values())
    assert all(abs(counts[name] - 400 * c["share"] / total) <= 1 for name, c in classes.items())
    assert {d for _, d in planned if d} == set(defects.ALL)
    assert sum(bool(d) for _, d in planned) == 40
    assert simulation.plan(400, seed=1) == planned != simulation.plan(400, seed=2)


def test_an_empty_plan_is_refused():
    with pytest.raises(ValueError, match="found 0 cells, expected at least 1"):
        simulation.plan(0)


def call(*words):
    parser = argparse.ArgumentParser(prog=f"patchtype {words[0]}")
    cli = simulating if words[0] == "simulate" else extracting
    cli.add_arguments(parser)
    return cli.main(parser.parse_args([str(w) for w in words[1:]]))


@pytest.mark.slow
def test_simulate_then_extract(tmp_path, capsys):
    assert call("simulate", "--cells", 4, "--out", tmp_path / "nwb", "--seed", 5, "--bad-share", 0.25) == 0
    labels = pd.read_csv(tmp_path / "nwb" / "labels.csv").fillna("")
    assert "4 simulated mouse recordings" in capsys.readouterr().out
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "nwb").iterdir()}
    assert call("simulate", "--cells", 4, "--out", tmp_path / "nwb", "--seed", 5, "--bad-share", 0.25) == 0
    assert {p: p.stat().st_mtime_ns for p in before if p.suffix == ".nwb"} == \
        {p: t for p, t in before.items() if p.suffix == ".nwb"}

    assert call("extract", tmp_path / "nwb", "--out", tmp_path / "out", "--jobs", 0) == 0
    table = from_csv(tmp_path / "out" / "cells.csv").merge(labels, on="cell_id")
    assert len(table) == 4
    bad = table["defect"] != ""
    assert bad.sum() == 1
    assert table.loc[bad, "defect"].tolist() == ["noise_high"] and table["passed"].all()
    assert table.loc[bad, "no_families"].str.startswith("found noise beyond ipfx's limits").all()
    assert (table.loc[~bad, "no_families"] == "").all()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "labels.csv").fillna(""), labels)
    assert call("simulate", "--cells", 4, "--out", tmp_path / "nwb", "--seed", 6) == 2
    assert "found another cohort in" in capsys.readouterr().err
