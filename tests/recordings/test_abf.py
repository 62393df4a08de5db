"""Axon files: potential and command in mV and pA, or a sentence why there is none."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import RecordingError

from . import axon

N = 6400  # samples of a sweep; an epoch table begins after a 64th of them, 100
FIELD = Path(__file__).parents[3] / "shared" / "field" / "recordings"
STEPS = ((0, axon.STEP, 0.0, 0.0, 900, 0), (0, axon.STEP, -100.0, 50.0, 2000, 0))


def potentials(sweeps=3, channels=1):
    """Resting sweeps, another potential in each sweep and channel: -70 mV, 1 mV more a sweep, 10 more a channel."""
    v = -70.0 + np.arange(sweeps)[:, None, None] + 10.0 * np.arange(channels) + np.zeros((1, N, 1))
    return axon.counts(v)


def read(path, **options):
    with recordings(path, **options) as found:
        return [each.read() for each in found]


def refused(path):
    with pytest.raises(RecordingError) as error:
        read(path)
    return error.value.code, str(error.value)


def command(sweep, holding=0.0):
    """What `STEPS` command: 100 samples before, 900 of epoch A, 2000 of B, and the holding level again."""
    i = np.full(N, holding)
    i[100:1000] = 0.0
    i[1000:3000] = -100.0 + 50.0 * sweep
    return i


def test_steps_of_an_abf2_file(tmp_path):
    [cell] = read(axon.abf2(tmp_path / "a.abf", potentials(), epochs=STEPS))
    assert (cell.cell_id, cell.electrode, cell.format, cell.species) == ("a", "IN 0", "ABF 2", "")
    assert [s.number for s in cell.sweeps] == [0, 1, 2]
    for k, sweep in enumerate(cell.sweeps):
        assert (sweep.rate, sweep.samples, sweep.stimulus_name) == (20_000.0, N, "steps")
        assert np.array_equal(sweep.i_pa, command(k))
        assert np.allclose(sweep.v_mv, -70 + k, atol=axon.GAIN / 2)


@pytest.mark.parametrize("holding", [0.0, -40.0])
def test_holding_belongs_to_the_command(tmp_path, holding):
    [cell] = read(axon.abf2(tmp_path / "a.abf", potentials(), epochs=STEPS, holding=(holding,)))
    assert np.array_equal(cell.sweeps[2].i_pa, command(2, holding))


def test_holding_of_abf1_is_not_its_first_epoch(tmp_path):
    steps = ((0, axon.STEP, 25.0, 0.0, 900, 0), STEPS[1])
    [cell] = read(axon.abf1(tmp_path / "a.abf", potentials()[:, :, 0], holding=-40.0, epochs=steps, ignored=7))
    expected = command(1, -40.0)
    expected[100:1000] = 25.0
    assert cell.format == "ABF 1"
    assert np.array_equal(cell.sweeps[1].i_pa, expected)
    assert np.allclose(cell.sweeps[1].v_mv, -69, atol=axon.GAIN / 2)


def test_ramps_rise_evenly(tmp_path):
    [cell] = read(axon.abf2(tmp_path / "a.abf", potentials(), epochs=((0, axon.RAMP, 100.0, 100.0, 5000, 0),)))
    i = cell.sweeps[1].i_pa[100:5100]
    assert (i[0], i[-1]) == (0.0, 200.0)
    assert np.allclose(np.diff(i), 200 / 4999)


@pytest.mark.parametrize(("unit", "factor"), [("nA", 1e3), ("pA", 1.0), ("A", 1e12), ("uA", 1e6)])
def test_commands_of_any_unit_are_in_pa(tmp_path, unit, factor):
    [cell] = read(axon.abf2(tmp_path / "a.abf", potentials(), dac=(("Cmd 0", unit),), epochs=STEPS))
    assert np.allclose(cell.sweeps[0].i_pa, command(0) * factor)


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e3), ("mV", 1.0), ("uV", 1e-3)])
def test_potentials_of_any_unit_are_in_mv(tmp_path, unit, factor):
    [cell] = read(axon.abf2(tmp_path / "a.abf", potentials(), adc=(("IN 0", unit),), epochs=STEPS))
    assert np.allclose(cell.sweeps[0].v_mv, -70 * factor, rtol=1e-3)


def test_each_channel_has_the_output_of_its_number(tmp_path):
    path = axon.abf2(
        tmp_path / "pair.abf", potentials(channels=2), adc=(("IN 0", "mV"), ("IN 1", "mV")),
        dac=(("Cmd 0", "pA"), ("Cmd 1", "pA")), holding=(0.0, 0.0), enabled=(1, 1), source=(1, 1),
        epochs=(*STEPS, (1, axon.STEP, 0.0, 0.0, 900, 0), (1, axon.STEP, 300.0, 10.0, 2000, 0)))
    first, second = read(path)
    assert [first.cell_id, second.cell_id] == ["pair_IN 0", "pair_IN 1"]
    assert (first.sweeps[1].i_pa[2000], second.sweeps[1].i_pa[2000]) == (-50.0, 310.0)
    assert np.allclose(second.sweeps[1].v_mv, -59, atol=axon.GAIN / 2)
    [chosen] = read(path, electrode="IN 1")
    assert chosen.cell_id == "pair_IN 1"
    with pytest.raises(RecordingError, match="found the electrodes 'IN 0', 'IN 1', expected 'IN 2'; name one of those"):
        read(path, electrode="IN 2")


def test_one_output_in_pa_drives_the_first_potential_wherever_it_is(tmp_path):
    path = axon.abf2(tmp_path / "a.abf", potentials(channels=2), adc=(("IN 0", "mV"), ("IN 2", "mV")),
                     dac=(("Cmd 0", "mV"), ("Cmd 1", "pA")), holding=(0.0, 0.0), enabled=(0, 1), source=(1, 1),
                     epochs=[(1, *epoch[1:]) for epoch in STEPS])
    found = read(path)
    assert np.array_equal(found[-1].sweeps[0].i_pa, command(0))


def test_a_recorded_command_serves_where_there_is_no_waveform(tmp_path):
    samples = potentials(channels=2)
    samples[:, :, 1] = axon.counts([command(k) for k in range(3)])
    [cell] = read(axon.abf2(tmp_path / "a.abf", samples, adc=(("Vm", "mV"), ("Im", "pA")), enabled=(0,), epochs=STEPS))
    assert np.allclose(cell.sweeps[0].i_pa, command(0), atol=axon.GAIN / 2)
    assert cell.notes == ["the command is the recorded channel Im, the file has no waveform"]


def test_a_recorded_command_serves_where_the_waveform_is_in_another_file(tmp_path):
    samples = potentials(channels=2)
    samples[:, :, 1] = axon.counts([command(k) for k in range(3)])
    [cell] = read(axon.abf2(tmp_path / "a.abf", samples, adc=(("Vm", "mV"), ("Im", "pA")), source=(2,), epochs=STEPS))
    assert np.allclose(cell.sweeps[0].i_pa, command(0), atol=axon.GAIN / 2)


def test_a_channel_does_not_get_the_command_of_another_cell(tmp_path):
    """Two cells, of which the second alone is stimulated."""
    path = axon.abf2(
        tmp_path / "pair.abf", potentials(channels=2), adc=(("IN 0", "mV"), ("IN 1", "mV")),
        dac=(("Cmd 0", "pA"), ("Cmd 1", "pA")), holding=(0.0, 0.0), enabled=(0, 1), source=(1, 1),
        epochs=[(1, *epoch[1:]) for epoch in STEPS])
    assert [cell.electrode for cell in read(path)] == ["IN 1"]


VOLTAGE = {"adc": (("Im", "pA"), ("Vm", "mV")), "dac": (("Cmd 0", "mV"),), "epochs": STEPS}


@pytest.mark.parametrize(("made", "code", "sentence"), [
    (dict(channels=2, **VOLTAGE), "voltage_clamp_only", "found a command in mV and the current Im as its answer, "
     "expected the membrane potential; this is a voltage-clamp recording"),
    ({"adc": (("Im", "pA"),), "epochs": STEPS}, "voltage_clamp_only", "found currents alone (channels Im), expected "
     "the membrane potential; this is a voltage-clamp recording"),
    ({"dac": (("Cmd 0", "mV"),), "epochs": STEPS}, "stimulus_unknown", "found a command in 'mV' (Cmd 0), expected pA; "
     "correct the unit of the output in the lab bench of Clampex and export the file again"),
    ({"enabled": (0,), "epochs": STEPS}, "stimulus_missing", "found no waveform on any output in pA for channel IN 0, "
     "expected the command; export the file with the command as a channel"),
    ({"mode": 3, "epochs": STEPS}, "stimulus_missing", "found a gap-free recording without a command, expected sweeps "
     "with steps of current; record the command as a channel, or use episodic stimulation"),
    ({"telegraph": 2, "epochs": STEPS}, "stimulus_missing", "found channel IN 0 recorded at zero current (I = 0), "
     "expected current clamp with a command"),
    ({"source": (2,), "epochs": STEPS}, "stimulus_unknown", "found a command that comes from a file of its own, which "
     "the recording does not hold; record or export the command as a channel"),
    ({"user_list": True, "epochs": STEPS}, "stimulus_unknown", "found a command changed by a list of the user, which "
     "the epoch table does not show; export the file with the command as a channel"),
    ({"alternate": True, "epochs": STEPS}, "stimulus_unknown", "found a command changed by alternating outputs, which "
     "the epoch table does not show; export the file with the command as a channel"),
    ({"epochs": ((0, axon.STEP, 1.0, 0.0, 7000, 0),)}, "stimulus_unknown", "found epochs that do not fit into the "
     "6400 samples of sweep 0, or of a kind that is not known; export the file with the command as a channel"),
    ({"epochs": ((0, axon.STEP, 1.0, 0.0, 2**31 - 1, 0),)}, "stimulus_unknown", None),
    ({"adc": (("IN 0", "degC"),), "epochs": STEPS}, "unit_unexpected", "found channels in 'degC', expected a potential "
     "in mV; correct the lab bench of Clampex and export the file again"),
])
def test_a_file_without_a_command_that_is_known_says_why(tmp_path, made, code, sentence):
    channels = made.pop("channels", 1)
    found = refused(axon.abf2(tmp_path / "a.abf", potentials(channels=channels), **made))
    assert found[0] == code
    assert sentence is None or found[1] == sentence
    made["channels"] = channels


def test_abf1_before_waveforms_were_kept_is_refused(tmp_path):
    assert refused(axon.abf1(tmp_path / "a.abf", potentials()[:, :, 0], version=1.5, epochs=STEPS))[0] \
        == "stimulus_missing"


def test_a_file_that_is_cut_off_says_so(tmp_path):
    path = axon.abf2(tmp_path / "a.abf", potentials(), epochs=STEPS)
    os.truncate(path, 30_000)
    code, sentence = refused(path)
    assert (code, sentence[:22]) == ("file_truncated", "found 30000 bytes of 4")
    os.truncate(path, 300)
    assert refused(path) == ("file_truncated", "found 300 bytes of an ABF file, expected at least 2048; fetch it again")


@pytest.mark.parametrize("at", [12, 76 + 16 * 1 + 8, 76 + 16 * 9 + 8, 76 + 16 * 11 + 8])
def test_sizes_that_the_file_cannot_hold_are_refused_before_anything_is_made_of_them(tmp_path, at):
    path = axon.abf2(tmp_path / "a.abf", potentials(), epochs=STEPS)
    data = bytearray(path.read_bytes())
    data[at:at + 4] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(data)
    assert refused(path)[0] in ("data_corrupt", "too_large")


@pytest.mark.skipif(not FIELD.is_dir(), reason="the recordings of other laboratories are not here")
@pytest.mark.parametrize(("axon_file", "converted"), [
    ("171116sh_0018.abf", "axon_171116sh_0018.nwb"), ("18711001.abf", "abfi_18711001.nwb"),
    ("190619B_0003.abf", "hand_190619B_0003.nwb"), ("17o05027_ic_ramp.abf", "hand_17o05027_ic_ramp.nwb"),
])
def test_an_axon_file_and_its_conversion_give_the_same_numbers(axon_file, converted):
    [ours], [theirs] = read(FIELD / axon_file), read(FIELD / converted)
    assert len(ours.sweeps) == len(theirs.sweeps) > 0
    for a, b in zip(ours.sweeps, theirs.sweeps, strict=True):
        assert (a.rate, a.samples) == (b.rate, b.samples)
        assert np.allclose(a.v_mv, b.v_mv, rtol=0, atol=1e-5)
        assert np.allclose(a.i_pa, b.i_pa, rtol=0, atol=1e-6)


def test_an_offset_of_the_amplifier_is_added(tmp_path):
    path = axon.abf2(tmp_path / "a.abf", potentials(), epochs=STEPS)
    data = bytearray(path.read_bytes())
    first = int.from_bytes(data[92:96], "little") * 512  # of the section of inputs
    struct.pack_into("<f", data, first + 32, 0.0)  # the instrument's offset, then the signal's
    struct.pack_into("<f", data, first + 52, 2.0)
    path.write_bytes(data)
    import pyabf

    theirs = pyabf.ABF(str(path))
    theirs.setSweep(1)
    [cell] = read(path)
    assert abs(theirs.sweepY.mean() + 69) > 1, "the file has no offset"
    assert np.allclose(cell.sweeps[1].v_mv, theirs.sweepY, atol=1e-3)
