"""Writing recordings, and reading them as ipfx's own reader does."""

import io
import os

import h5py
import numpy as np
import pytest
from ipfx.dataset.create import create_ephys_data_set

from patchtype.recordings import nwb
from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import RecordingError


def read(source, **options):
    with recordings(source, **options) as found:
        return [each.read() for each in found]


def test_every_sweep_equals_ipfx_own_reader_bit_for_bit(either_file):
    theirs = create_ephys_data_set(str(either_file))
    [ours] = read(either_file)
    assert len(ours.sweeps) == 22
    for sweep in ours.sweeps:
        data = theirs.get_sweep_data(sweep.number)
        for a, b in ((data["stimulus"], sweep.i_pa), (data["response"], sweep.v_mv)):
            assert a.dtype == b.dtype
            assert np.array_equal(a, b, equal_nan=True)
        assert (data["stimulus_unit"], data["sampling_rate"]) == ("Amps", sweep.rate)
    table = theirs.sweep_table.set_index("sweep_number")
    assert {s.number: s.stimulus_name for s in ours.sweeps} \
        == table.loc[table["clamp_mode"] == "CurrentClamp", "stimulus_code"].to_dict()


def test_voltage_clamp_is_set_aside(mies_file):
    [cell] = read(mies_file)
    assert cell.set_aside == {"acquisition/data_00000_AD0": "it is in voltage clamp"}
    assert [s.number for s in cell.sweeps] == list(range(1, 23))


@pytest.mark.parametrize("source", ["path", "text", "bytes", "h5py"])
def test_reads_path_open_file_and_file_like(plain_file, source):
    given = {"path": lambda: plain_file, "text": lambda: str(plain_file),
             "bytes": lambda: io.BytesIO(plain_file.read_bytes()), "h5py": lambda: h5py.File(plain_file)}[source]()
    [cell] = read(given)
    assert cell.sweeps[3].v_mv.shape == (107_500,)
    assert (cell.species, cell.session_id, cell.subject_id, cell.simulated) == ("mouse", "2", "1", True)
    assert cell.electrode == "electrode_0"
    if source == "h5py":
        assert given.id.valid  # what the caller opened, the caller closes


def test_each_sweep_is_read_once(plain_file):
    with recordings(plain_file) as [cell]:
        assert cell.sweeps[0].v_mv is cell.sweeps[0].v_mv


def changed(plain_file, path, change):
    """A copy of the good file with something changed in it."""
    path.write_bytes(plain_file.read_bytes())
    with h5py.File(path, "a") as file:
        change(file)
    return path


def without_numbers(file):
    for group in ("acquisition", "stimulus/presentation"):
        for series in file[group].values():
            del series.attrs["sweep_number"]


def without_numbers_and_table(file):
    without_numbers(file)
    del file["general/intracellular_ephys/sweep_table"]


def same_number(number, sides=("acquisition", "stimulus/presentation")):
    def change(file):
        for group in sides:
            for series in file[group].values():
                series.attrs["sweep_number"] = np.int32(number)
    return change


BY_NAME = "responses and stimuli were paired by their names, the file has no table of them"


@pytest.mark.parametrize(("change", "notes"), [
    (without_numbers, []),
    (without_numbers_and_table, [BY_NAME]), (same_number(0), [BY_NAME]), (same_number(-1), [BY_NAME]),
    (same_number(7, ["acquisition"]), [BY_NAME]),
])
def test_responses_find_their_stimuli_without_numbers_of_their_own(plain_file, tmp_path, change, notes):
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert found.notes == notes
    assert len(found.sweeps) == len(original.sweeps)
    for a, b in zip(found.sweeps, original.sweeps, strict=True):
        assert (a.number, a.where) == (b.number, b.where)
        assert np.array_equal(a.v_mv, b.v_mv)
        assert np.array_equal(a.i_pa, b.i_pa)


def names_apart(first):
    """Sweeps without numbers, the names of their stimuli counted from another one than those of the responses."""
    def change(file):
        without_numbers_and_table(file)
        for k, name in reversed(list(enumerate(list(file["stimulus/presentation"])))):
            file["stimulus/presentation"].move(name, f"data_{k + first:05d}_DA0")
    return change


def unpaired(file):
    """The response of sweep 5 and the stimulus of sweep 3 are gone."""
    without_numbers_and_table(file)
    del file["acquisition/data_00005_AD0"], file["stimulus/presentation/data_00003_DA0"]


def digitless(file):
    """Names without numbers, and one number for all."""
    same_number(0)(file)
    for k, name in enumerate(list(file["acquisition"])):
        file["acquisition"].move(name, "response" + "abcdefghijklmnopqrstuvwxyz"[k])


@pytest.mark.parametrize(("change", "code", "message"), [
    (lambda f: f.attrs.__delitem__("nwb_version"), "nwb_version_missing",
     "found an HDF5 file without nwb_version, expected NWB 2"),
    (lambda f: f.attrs.__setitem__("nwb_version", "1.0.5"), "nwb_version_old",
     "found NWB version 1.0.5, expected 2; convert the file first"),
    (lambda f: f["stimulus"].__delitem__("presentation"), "stimulus_missing",
     "found sweep 0 without a stimulus series, expected both"),
    (names_apart(99900), "sweep_numbers_missing",
     "found the numbers 0 to 21 in the names of responses and 99900 to 99921 in those of stimuli, expected the same; "
     "give both series a sweep number"),
    (names_apart(1), "sweep_numbers_missing",
     "found the numbers 0 to 21 in the names of responses and 1 to 22 in those of stimuli, expected the same; "
     "give both series a sweep number"),
    (unpaired, "sweep_numbers_missing",
     "found the numbers 3 only in the names of responses and 5 only in those of stimuli, expected the same; "
     "give both series a sweep number"),
    (digitless, "sweep_numbers_missing",
     "found no sweep number of its own for /acquisition/responsea and no stimulus of the same name, expected a number "
     "on both series, in the sweep table or in intracellular_recordings"),
    (lambda f: f.__delitem__("acquisition"), "no_sweeps",
     "found no patch-clamp sweep, expected current-clamp sweeps"),
])
def test_a_file_that_is_no_usable_recording_says_why(plain_file, tmp_path, change, code, message):
    with pytest.raises(RecordingError) as error:
        recordings(changed(plain_file, tmp_path / "cell.nwb", change))
    assert (error.value.code, str(error.value)) == (code, message)


@pytest.mark.parametrize(("change", "where", "message"), [
    (lambda f: f["acquisition/data_00003_AD0"].attrs.__setitem__("sweep_number", np.uint32(2)), (2, 3),
     "found two acquisition series with sweep number 2, expected one; give each sweep a number of its own"),
    (lambda f: f["stimulus/presentation"].__delitem__("data_00003_DA0"), (3,),
     "found sweep 3 without a stimulus series, expected both"),
])
def test_one_sweep_that_cannot_be_paired_costs_itself_alone(plain_file, tmp_path, change, where, message):
    [cell] = read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert cell.set_aside == {f"acquisition/data_{n:05d}_AD0": message for n in where}
    assert [s.number for s in cell.sweeps] == [n for n in range(22) if n not in where]


def voltage_clamp_first(file):
    """Voltage clamp whose commands alone were kept, and a response that lost its command."""
    without_numbers_and_table(file)
    for k in range(2):
        file[f"acquisition/data_{k:05d}_AD0"].attrs["neurodata_type"] = "VoltageClampSeries"
        file.move(f"stimulus/presentation/data_{k:05d}_DA0", f"stimulus/presentation/data_{k + 50:05d}_DA0")
        file[f"stimulus/presentation/data_{k + 50:05d}_DA0"].attrs["neurodata_type"] = "VoltageClampStimulusSeries"
    del file["stimulus/presentation/data_00002_DA0"]


def one_cut_off(file):
    """A response that is not there, and another that lost its command."""
    without_numbers_and_table(file)
    del file["acquisition/data_00001_AD0"], file["stimulus/presentation/data_00002_DA0"]
    file["acquisition/data_00001_AD0"] = h5py.SoftLink("/nowhere")


def half_numbered(file):
    """The last response has a number as its stimulus has, under other names; another lost its command."""
    kept = {group: file[group][name] for group, name in (
        ("acquisition", "data_00021_AD0"), ("stimulus/presentation", "data_00021_DA0"))}
    without_numbers_and_table(file)
    for series in kept.values():
        series.attrs["sweep_number"] = np.uint32(21)
    file.move("stimulus/presentation/data_00021_DA0", "stimulus/presentation/data_00077_DA0")
    del file["stimulus/presentation/data_00002_DA0"]


@pytest.mark.parametrize(("change", "lost"), [
    (lambda f: (without_numbers_and_table(f), f["acquisition"].__delitem__("data_00002_AD0")), {2}),
    (lambda f: (without_numbers_and_table(f), f["stimulus/presentation"].__delitem__("data_00002_DA0")), {2}),
    (voltage_clamp_first, {0, 1, 2}), (one_cut_off, {1, 2}), (half_numbered, {2}),
])
def test_names_that_are_left_over_for_a_reason_cost_themselves_alone(plain_file, tmp_path, change, lost):
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", change))
    wanted = [sweep for sweep in original.sweeps if sweep.number not in lost]
    assert sorted(sweep.where for sweep in found.sweeps) == [sweep.where for sweep in wanted]
    commands = {sweep.where: sweep.i_pa for sweep in found.sweeps}
    assert all(np.array_equal(commands[sweep.where], sweep.i_pa) for sweep in wanted)


def test_mies_files_carry_a_notebook_of_real_size(mies_file):
    with h5py.File(mies_file) as file:
        notebook = file["general/labnotebook/simulated_device"]
        assert notebook["numericalValues"].shape == (4096, 311, 9)
        assert dict(file["general/generated_by"][:])[b"Package"] == b"MIES"


def test_an_interrupted_write_leaves_nothing(tmp_path, sweeps, monkeypatch):
    monkeypatch.setattr(nwb, "_add_mies", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        nwb.write(tmp_path / "cell.nwb", sweeps[:2], mies=True)
    assert os.listdir(tmp_path) == []
