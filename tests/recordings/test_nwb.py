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


@pytest.mark.parametrize(("change", "notes"), [
    (without_numbers, []),
    (without_numbers_and_table, ["responses and stimuli were paired by their names, the file has no table of them"]),
])
def test_responses_find_their_stimuli_without_numbers_of_their_own(plain_file, tmp_path, change, notes):
    [original], [found] = read(plain_file), read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert found.notes == notes
    assert len(found.sweeps) == len(original.sweeps)
    for a, b in zip(found.sweeps, original.sweeps, strict=True):
        assert (a.number, a.where) == (b.number, b.where)
        assert np.array_equal(a.v_mv, b.v_mv)
        assert np.array_equal(a.i_pa, b.i_pa)


def names_apart(file):
    without_numbers_and_table(file)
    for name in list(file["stimulus/presentation"]):
        file["stimulus/presentation"].move(name, name.replace("data_000", "data_999"))


@pytest.mark.parametrize(("change", "code", "message"), [
    (lambda f: f.attrs.__delitem__("nwb_version"), "nwb_version_missing",
     "found an HDF5 file without nwb_version, expected NWB 2"),
    (lambda f: f.attrs.__setitem__("nwb_version", "1.0.5"), "nwb_version_old",
     "found NWB version 1.0.5, expected 2; convert the file first"),
    (lambda f: f["stimulus"].__delitem__("presentation"), "stimulus_missing",
     "found sweep 0 without a stimulus series, expected both"),
    (names_apart, "sweep_numbers_missing",
     "found no sweep number for /acquisition/data_00000_AD0 and no stimulus of the same name, expected a number on "
     "both series, in the sweep table or in intracellular_recordings"),
    (lambda f: f.__delitem__("acquisition"), "no_sweeps",
     "found no patch-clamp sweep, expected current-clamp sweeps"),
])
def test_a_file_that_is_no_usable_recording_says_why(plain_file, tmp_path, change, code, message):
    with pytest.raises(RecordingError) as error:
        recordings(changed(plain_file, tmp_path / "cell.nwb", change))
    assert (error.value.code, str(error.value)) == (code, message)


@pytest.mark.parametrize(("change", "where", "message"), [
    (lambda f: f["acquisition/data_00003_AD0"].attrs.__setitem__("sweep_number", np.uint32(2)), (2, 3),
     "found two acquisition series with sweep number 2, expected one"),
    (lambda f: f["stimulus/presentation"].__delitem__("data_00003_DA0"), (3,),
     "found sweep 3 without a stimulus series, expected both"),
])
def test_one_sweep_that_cannot_be_paired_costs_itself_alone(plain_file, tmp_path, change, where, message):
    [cell] = read(changed(plain_file, tmp_path / "cell.nwb", change))
    assert cell.set_aside == {f"acquisition/data_{n:05d}_AD0": message for n in where}
    assert [s.number for s in cell.sweeps] == [n for n in range(22) if n not in where]


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
