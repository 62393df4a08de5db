"""Writing recordings, and reading them as ipfx's own reader does."""

import io
import os

import h5py
import numpy as np
import pytest
from ipfx.dataset.create import create_ephys_data_set
from ipfx.dataset.ephys_data_set import EphysDataSet

from patchtype.recordings import nwb


def test_every_sweep_equals_ipfx_own_reader_bit_for_bit(either_file):
    theirs = create_ephys_data_set(str(either_file))
    ours = EphysDataSet(nwb.Recording(either_file))
    assert len(ours.sweep_table) == 22
    for number in ours.sweep_table["sweep_number"]:
        a, b = theirs.get_sweep_data(number), ours.get_sweep_data(number)
        assert a.keys() == b.keys()
        for key in ("stimulus", "response"):
            assert a[key].dtype == b[key].dtype
            assert np.array_equal(a[key], b[key], equal_nan=True)
        assert (a["stimulus_unit"], a["sampling_rate"]) == (b["stimulus_unit"], b["sampling_rate"])


def test_sweep_table_equals_ipfx_own_reader(either_file):
    theirs = create_ephys_data_set(str(either_file)).sweep_table.set_index("sweep_number")
    with nwb.Recording(either_file, needed_only=False) as recording:
        ours = EphysDataSet(recording).sweep_table.set_index("sweep_number")
    assert ours.index.tolist() == theirs.index.tolist()
    for column in ("stimulus_units", "stimulus_code", "stimulus_name", "clamp_mode"):
        assert ours[column].tolist() == theirs[column].tolist()
    for column in ("bridge_balance_mohm", "leak_pa"):
        assert np.array_equal(ours[column].astype(float), theirs[column].astype(float), equal_nan=True)


def test_only_needed_sweeps_are_listed(mies_file):
    with nwb.Recording(mies_file) as recording:
        assert 0 not in recording.sweep_numbers  # the voltage-clamp sweep
        assert recording.all_sweep_numbers == list(range(23))
        assert nwb.Recording(recording.file, needed_only=False).sweep_numbers.tolist() == list(range(23))


@pytest.mark.parametrize("source", ["path", "text", "bytes", "h5py"])
def test_reads_path_open_file_and_file_like(plain_file, source):
    given = {"path": lambda: plain_file, "text": lambda: str(plain_file),
             "bytes": lambda: io.BytesIO(plain_file.read_bytes()), "h5py": lambda: h5py.File(plain_file)}[source]()
    with nwb.Recording(given) as recording:
        assert recording.get_sweep_data(3)["response"].shape == (107_500,)
        assert (recording.species, recording.session_id, recording.subject_id) == ("mouse", "2", "1")
    if source == "h5py":
        assert given.id.valid  # what the caller opened, the caller closes


def test_each_sweep_is_read_once(plain_file):
    with nwb.Recording(plain_file) as recording:
        assert recording.get_sweep_data(0)["response"] is recording.get_sweep_data(0)["response"]


def test_sweep_numbers_come_from_the_table_when_the_series_lack_them(plain_file, tmp_path):
    path = tmp_path / "cell.nwb"
    path.write_bytes(plain_file.read_bytes())
    with h5py.File(path, "a") as file:
        for group in ("acquisition", "stimulus/presentation"):
            for series in file[group].values():
                del series.attrs["sweep_number"]
    with nwb.Recording(path) as changed, nwb.Recording(plain_file) as original:
        assert changed.sweep_numbers.tolist() == original.sweep_numbers.tolist()
        assert np.array_equal(changed.get_sweep_data(7)["response"], original.get_sweep_data(7)["response"])
        del changed
    with h5py.File(path, "a") as file:
        del file["general/intracellular_ephys/sweep_table"]
    with pytest.raises(nwb.RecordingError, match="found no sweep number for /acquisition/data_00000_AD0") as error:
        nwb.Recording(path)
    assert error.value.code == "sweep_numbers_missing"


@pytest.mark.parametrize(("change", "code", "message"), [
    (lambda f: f.attrs.__delitem__("nwb_version"), "nwb_version_missing",
     "found an HDF5 file without nwb_version, expected NWB 2"),
    (lambda f: f.attrs.__setitem__("nwb_version", "1.0.5"), "nwb_version_old",
     "found NWB version 1.0.5, expected 2; convert the file first"),
    (lambda f: f["acquisition/data_00003_AD0"].attrs.__setitem__("sweep_number", np.uint32(2)), "sweep_number_twice",
     "found two acquisition series with sweep number 2, expected one"),
    (lambda f: f["stimulus/presentation"].__delitem__("data_00003_DA0"), "stimulus_missing",
     "found sweep 3 without a stimulus series, expected both"),
])
def test_a_file_that_is_no_usable_recording_says_why(plain_file, tmp_path, change, code, message):
    path = tmp_path / "cell.nwb"
    path.write_bytes(plain_file.read_bytes())
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(nwb.RecordingError) as error:
        nwb.Recording(path)
    assert str(error.value) == message
    assert error.value.code == code


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
