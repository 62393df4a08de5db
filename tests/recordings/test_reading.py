"""What kind of file it is, what is the matter with it, and what to do about it."""

import errno
import fcntl
import io
import os

import h5py
import pytest

from patchtype.recordings import hdf5
from patchtype.recordings.reading import recordings, stem_of
from patchtype.recordings.recording import TRANSIENT, Recording, RecordingError, Sweep

from . import axon
from .test_abf import STEPS, potentials


def refusal(source, **options):
    with pytest.raises(RecordingError) as error, recordings(source, **options) as found:
        for each in found:
            each.read()
    return error.value.code, str(error.value)


CONVERT = ("expected NWB 2 or ABF; convert it to NWB with neuroconv or with the x-to-nwb converter of ipfx, or export "
           "it from the program as ABF")


@pytest.mark.parametrize(("name", "content", "code", "sentence"), [
    ("cell.dat", b"DAT2 and more", "format_unknown", f"found a file of HEKA Patchmaster (.dat), {CONVERT}"),
    ("cell.wcp", b"VER=9", "format_unknown", f"found a file of WinWCP (.wcp), {CONVERT}"),
    ("cell.smr", b"..", "format_unknown", f"found a file of Spike2 (.smr), {CONVERT}"),
    ("cell.axgd", b"axgx", "format_unknown", f"found a file of AxoGraph (.axgd), {CONVERT}"),
    ("cell.ibw", b"\5\0", "format_unknown", f"found a file of Igor Pro (.ibw), {CONVERT}"),
    ("cell.MAT", b"MATLAB 5.0", "format_unknown", f"found a file of MATLAB (.mat), {CONVERT}"),
    ("cell.nwb", b"<html>", "not_hdf5", "found 6 bytes that are no HDF5 file, expected NWB 2 or ABF; fetch the file "
     "again, or convert it when it is of another format"),
])
def test_other_formats_are_told_how_to_convert(tmp_path, name, content, code, sentence):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name) == (code, sentence)


@pytest.mark.parametrize(("name", "code"), [("cell.mat", "format_unknown"), ("cell.h5", "format_unknown"),
                                            ("cell.nwb", "nwb_version_missing")])
def test_hdf5_of_other_programs_is_no_nwb(tmp_path, name, code):
    with h5py.File(tmp_path / name, "w") as file:
        file["x"] = 1
    assert refusal(tmp_path / name)[0] == code


def test_zarr_is_told_how_to_convert(tmp_path):
    (tmp_path / "cell.nwb.zarr").mkdir()
    (tmp_path / "cell.nwb.zarr" / ".zgroup").touch()
    assert refusal(tmp_path / "cell.nwb.zarr") == (
        "format_unknown", "found an NWB file in Zarr, expected HDF5; convert it with hdmf-zarr")


def test_the_content_decides_and_not_the_name(tmp_path):
    path = axon.abf2(tmp_path / "cell.nwb", potentials(), epochs=STEPS)
    with recordings(path) as [cell]:
        assert (cell.format, cell.cell_id) == ("ABF 2", "cell")


def test_a_file_that_another_program_writes_is_not_corrupt(plain_file):
    with open(plain_file, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        code, sentence = refusal(plain_file)
    assert code == "file_locked"
    assert sentence == ("found the file open in another program that writes to it, expected a finished file; close it "
                        "there and run again")
    assert "file_locked" in TRANSIENT


class Failing(io.BytesIO):
    """A disk that fails from a given byte on."""

    def __init__(self, content, good):
        super().__init__(content)
        self.good = good

    def readinto(self, buffer):
        if self.tell() + len(buffer) > self.good:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().readinto(buffer)


@pytest.mark.parametrize("good", [100, 500_000])
def test_a_disk_that_fails_is_not_a_corrupt_file(plain_file, good):
    assert refusal(Failing(plain_file.read_bytes(), good)) == (
        "medium_failed", "found that the disk or network share fails (Input/output error), the file may be whole; copy "
        "it to another disk and run again")
    assert "medium_failed" in TRANSIENT


@pytest.mark.parametrize(("said", "code"), [
    ("Unable to open file (truncated file: eof = 500, sblock->base_addr = 0, stored_eof = 900)", "file_truncated"),
    ("Can't read data (file read failed: errno = 5, error message = 'Input/output error')", "medium_failed"),
    ("Unable to open file (unable to lock file, errno = 11, error message = 'busy')", "file_locked"),
    ("Unable to open file (file is already open for write/SWMR write (may use h5clear))", "file_locked"),
    ("Can't read data (required filter 'lz4' is not registered)", "filter_missing"),
    ("Unable to open file (unable to open file: errno = 13, error message = 'Permission denied')", "file_unreadable"),
    ("Can't read data (inflate() failed)", "data_corrupt"),
])
def test_errors_of_hdf5_are_told_apart(said, code):
    assert hdf5.unreadable(OSError(said))[0] == code


def test_a_share_without_locks_is_read_all_the_same(plain_file, monkeypatch):
    real = h5py.File

    def unlocked(name, mode, locking=None):
        if locking is None:
            raise OSError(errno.ENOLCK, "unable to lock file")
        return real(name, mode, locking=locking)

    monkeypatch.setattr(hdf5.h5py, "File", unlocked)
    with hdf5.opened(plain_file) as file:
        assert "acquisition" in file


def test_a_sweep_that_cannot_be_read_is_set_aside_and_a_failing_disk_is_not():
    def fails(code):
        def load():
            raise RecordingError(code, "found nothing")
        return Sweep(1, "sweep 1", 1e4, 3, load)

    good = Sweep(0, "sweep 0", 1e4, 1, lambda: ([0.0], [0.0]))
    cell = Recording("c", [good, fails("data_corrupt")]).read()
    assert cell.sweeps == [good]
    assert cell.left_out() == ["set aside 1 sweep (sweep 1): found nothing"]
    with pytest.raises(RecordingError) as error:
        Recording("c", [fails("data_corrupt")]).read()
    assert error.value.code == "data_corrupt"
    with pytest.raises(RecordingError) as error:
        Recording("c", [good, fails("medium_failed")]).read()
    assert error.value.code == "medium_failed"


def test_a_file_is_closed_when_its_cells_have_been_read_or_refused(plain_file, tmp_path):
    with recordings(plain_file) as [cell]:
        pass
    with pytest.raises(RecordingError):
        cell.sweeps[0].load_once()
    with pytest.raises(RecordingError, match="found the electrodes 'electrode_0', expected 'e9'; name one of those"):
        recordings(plain_file, electrode="e9")
    with h5py.File(plain_file, "r+"):  # nothing holds it any more
        pass


@pytest.mark.parametrize(("name", "stem"), [("a.nwb", "a"), ("b/A.ABF", "A"), ("x.nwb.nwb", "x.nwb"), ("n", "n")])
def test_a_cell_is_named_after_its_file(name, stem):
    assert stem_of(name) == stem
