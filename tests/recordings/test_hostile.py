"""Files that are damaged or made to harm: a sentence, no crash, no hang, no other file read, no memory taken."""

import contextlib
import os
import re
import time
import zlib

import h5py
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from patchtype.recordings import limits, nwb
from patchtype.recordings.batch import cells_of
from patchtype.recordings.cell import extract
from patchtype.recordings.reading import recordings
from patchtype.recordings.recording import RecordingError
from patchtype.recordings.sources import Asset
from patchtype.recordings.text import clean

from ..hostile import samples
from . import axon

SECRET = "do not show"
RESPONSE = "acquisition/data_00000_AD0"


def sweeps(n=3, samples=4000):
    return [nwb.RawSweep("X4PS_SupraThresh_DA_0", np.zeros(samples), np.full(samples, -70.0 + k)) for k in range(n)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A small file of three sweeps."""
    return nwb.write(tmp_path_factory.mktemp("base") / "base.nwb", sweeps(), compression=1, subject_id="s")


@pytest.fixture
def place(base, tmp_path):
    """A folder with the file, and beside the folder a secret."""
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "cell.nwb").write_bytes(base.read_bytes())
    return tmp_path / "inside"


@contextlib.contextmanager
def opened(place):
    with h5py.File(place / "cell.nwb", "a") as file:
        yield file


def read(path, **options):
    with recordings(path, **options) as found:
        return [each.read() for each in found]


def refusal(path, **options):
    with pytest.raises(RecordingError) as error:
        read(path, **options)
    return error.value.code, str(error.value)


# --- other files -----------------------------------------------------------------------------------------

def test_a_text_in_external_storage_is_not_read(place):
    with opened(place) as file:
        del file["general/subject/species"]
        elsewhere = [(str(place.parent / "secret.txt"), 0, 11)]
        file.create_dataset("general/subject/species", (1,), "S11", external=elsewhere)
        assert file["general/subject/species"][0].decode() == SECRET  # so would h5py itself
    [cell] = read(place / "cell.nwb")
    assert cell.species == ""
    assert SECRET not in repr(cell)


def virtual(file, place):
    layout = h5py.VirtualLayout((4000,), "f4")
    layout[:] = h5py.VirtualSource(str(place.parent / "other.h5"), "x", (4000,))
    kept = dict(file[RESPONSE]["data"].attrs)
    del file[RESPONSE]["data"]
    file[RESPONSE].create_virtual_dataset("data", layout).attrs.update(kept)


def external(file, place):
    samples(file[RESPONSE], shape=(4000,), dtype="f4", external=[(str(place.parent / "secret.txt"), 0, 16_000)])


@pytest.mark.parametrize("change", [virtual, external])
def test_samples_in_other_files_cost_their_sweep(place, change):
    with opened(place) as file:
        change(file, place)
    [cell] = read(place / "cell.nwb")
    assert cell.set_aside == {RESPONSE: f"found that the samples of /{RESPONSE}/data lie in other files (external "
                              "storage or a virtual data set), expected them in the file; copy them into it"}


@pytest.mark.parametrize(("name", "what"), [
    ("/etc/passwd", "an absolute path"), ("C:\\data\\x.nwb", "an absolute path"),
    ("../other.nwb", "which lies outside its folder"), ("sideways.nwb", "which lies outside its folder"),
    ("pipe", "which is no HDF5 file"), ("text.nwb", "which is no HDF5 file"), ("..", "which lies outside its folder"),
])
def test_links_out_of_the_folder_are_not_followed(place, base, name, what):
    (place.parent / "other.nwb").write_bytes(base.read_bytes())
    (place / "sideways.nwb").symlink_to(place.parent / "other.nwb")
    (place / "text.nwb").write_text(SECRET)
    os.mkfifo(place / "pipe")
    with opened(place) as file:
        del file["general/subject/species"], file[RESPONSE]
        file["general/subject/species"] = h5py.ExternalLink(name, "/general/subject/species")
        file[RESPONSE] = h5py.ExternalLink(name, "/" + RESPONSE)
    [cell] = read(place / "cell.nwb")
    assert cell.species == ""
    assert cell.set_aside == {RESPONSE: f"found a link at /{RESPONSE} to {name}, {what}; expected an HDF5 file in the "
                              "folder of the recording; put it there"}


def test_links_that_lead_in_a_circle_end(place):
    with opened(place) as file:
        del file["general/subject/species"], file[RESPONSE]
        file["general/subject/species"] = h5py.SoftLink("/general/subject/species")
        file[RESPONSE] = h5py.ExternalLink("cell.nwb", "/" + RESPONSE)
    [cell] = read(place / "cell.nwb")
    assert "links that lead in a circle" in cell.set_aside[RESPONSE]


# --- sizes -----------------------------------------------------------------------------------------------

def memory():
    return psutil.Process().memory_info().rss


def test_declared_samples_are_not_read(place):
    with opened(place) as file:
        for where in (RESPONSE, RESPONSE.replace("acquisition", "stimulus/presentation").replace("AD", "DA")):
            samples(file[where], shape=(2_000_000_000,), dtype="f4", chunks=(1000,), compression="gzip")
    before = memory()
    [cell] = read(place / "cell.nwb")
    assert memory() - before < 100 << 20
    assert cell.set_aside == {RESPONSE: "found 2,000,000,000 samples, expected at most 30,000,000 in a sweep; split "
                              "the file"}


def test_all_samples_of_a_cell_are_counted(place, monkeypatch):
    monkeypatch.setattr(limits, "SAMPLES_OF_CELL", 9000)
    [cell] = read(place / "cell.nwb")
    assert len(cell.sweeps) == 2
    assert list(cell.set_aside.values()) == ["found more than 9,000 samples of one cell, expected fewer; split the "
                                             "file"]


def test_a_block_that_expands_to_more_than_it_declares_is_refused(place):
    with opened(place) as file:
        samples(file[RESPONSE], shape=(4000,), dtype="f4", chunks=(4000,), compression="gzip")
        bomb = zlib.compress(bytes(100 << 20), 1)
        assert len(bomb) > 1 << 18
        file[RESPONSE]["data"].id.write_direct_chunk((0,), bomb)
    before = memory()
    [cell] = read(place / "cell.nwb")
    assert memory() - before < 50 << 20
    assert cell.set_aside == {RESPONSE: f"found a block in /{RESPONSE}/data that expands to more than the 16000 bytes "
                              "it declares, expected as many; the file is damaged or made to harm"}


def test_blocks_that_do_not_fit_into_memory_are_refused(place):
    with opened(place) as file:
        samples(file[RESPONSE], shape=(4000,), maxshape=(None,), dtype="f4", chunks=(1 << 29,), compression="gzip")
    [cell] = read(place / "cell.nwb")
    assert cell.set_aside == {RESPONSE: f"found blocks of 2048 MB in /{RESPONSE}/data, expected at most 256 MB; write "
                              "the file anew with smaller chunks"}


def test_more_series_than_any_recording_has_are_not_looked_at(place, monkeypatch):
    monkeypatch.setattr(limits, "SWEEPS", 2)
    assert refusal(place / "cell.nwb") == ("too_large", "found 3 entries in /acquisition, expected at most 2; split "
                                           "the file")


def test_a_cell_that_takes_too_long_is_stopped():
    begun = time.monotonic()
    with pytest.raises(RecordingError, match=r"found a cell that takes more than 0\.2 s") as error, limits.limited(0.2):
        while time.monotonic() - begun < 20:
            with contextlib.suppress(Exception):  # nothing on the way may stop it
                time.sleep(0.01)
    assert error.value.code == "too_slow"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("step", "refused"), [(1 << 20, True), (1 << 20, False), (400 << 20, True)])
def test_a_cell_that_takes_too_much_memory_is_stopped(step, refused, monkeypatch):
    """In many small steps, on a system that refuses nothing too, or in one that the system has to refuse."""
    held = []
    if not refused:
        monkeypatch.setattr(limits, "_no_more_than", lambda size: contextlib.nullcontext())
    with pytest.raises(RecordingError, match="found a cell that takes more than 100 MB of memory") as error, \
            limits.limited(60, 100 << 20):
        for _ in range(2000):
            held.append(np.ones(step // 8))
            time.sleep(0.001)
    assert error.value.code == "too_large"


# --- texts -----------------------------------------------------------------------------------------------

def put(file, name, value):
    del file[name]
    if value == "group":
        file.create_group(name)
    elif value == "empty":
        file[name] = np.zeros(0, "S3")
    elif value == "null":
        file[name] = h5py.Empty("f4")
    elif value == "numbers":
        file[name] = np.arange(3)
    elif value == "reference":
        file[name] = file["acquisition"].ref
    elif value == "large":
        file.create_dataset(name, (1000,), "S1000000", chunks=(1,), compression="gzip")
    else:
        file.create_dataset(name, data=value, dtype=h5py.string_dtype())


@pytest.mark.parametrize("value", ["group", "empty", "null", "numbers", "reference", "large", b"\xff\xfebroken"])
def test_a_text_of_any_other_kind_neither_stops_nor_unlabels(place, value):
    with opened(place) as file:
        for name in ("general/institution", "general/subject/species", "general/subject/subject_id",
                     "general/session_id", "session_description"):
            put(file, name, value)
    [cell] = read(place / "cell.nwb")
    assert cell.simulated
    for text in (cell.species, cell.subject_id, cell.session_id):
        assert text == clean(text)
        text.encode()
        assert "�" in text if isinstance(value, bytes) else text == ""


@pytest.mark.parametrize(("raw", "expected"), [
    (b"a\x1b[31mred\x07", "a [31mred"), (b"line\nbreak\ttab", "line break tab"), (b"x" * 2000, "x" * 299 + "…"),
    ("a\u202eb".encode(), "a b"), (b"caf\xe9", "caf�"), ("\udce9", "�"), ("\ud800x", "?x"), (b"", ""), (None, ""),
    (np.array([b"a", b"b"], "S1"), "a, b"), (np.bytes_(b"z"), "z"), (3.5, "3.5"),
])
def test_text_is_cleaned_where_it_enters(raw, expected):
    assert clean(raw) == expected


def only_voltage_clamp(file):
    for series in file["acquisition"].values():
        series.attrs["neurodata_type"] = "VoltageClampSeries"


def old_version(file):
    file.attrs["nwb_version"] = "NWB-1.0.6"


def no_sweep(file):
    del file["acquisition"]


@pytest.mark.parametrize(("change", "code"), [
    (only_voltage_clamp, "voltage_clamp_only"), (old_version, "nwb_version_old"), (no_sweep, "no_sweeps")])
def test_a_refused_file_is_still_simulated(place, change, code):
    with opened(place) as file:
        change(file)
    for cell in (extract(place / "cell.nwb"), *cells_of(Asset("cell", str(place / "cell.nwb")))):
        assert [found.code for found in cell.verdict.reasons] == [code]
        assert (cell.simulated, cell.subject_id, cell.species) == (True, "s", "mouse")


def test_a_cell_beyond_the_limits_is_still_simulated(place, monkeypatch):
    @contextlib.contextmanager
    def exceeded(*_):
        yield
        raise RecordingError("too_large", "found a cell that takes too much")

    monkeypatch.setattr(limits, "limited", exceeded)
    [cell] = cells_of(Asset("cell", str(place / "cell.nwb")))
    assert [found.code for found in cell.verdict.reasons] == ["too_large"]
    assert cell.simulated


# --- files -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    b"caf\xe9 \xff.nwb", b"n" * 251 + b".nwb", b"line\nbreak.nwb", "Zelle µ.nwb".encode(),
])
def test_a_file_may_have_any_name(base, tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(base.read_bytes())
    [cell] = read(os.fsdecode(path))
    assert cell.cell_id == clean(name)[:-4]
    cell.cell_id.encode()


def test_pipes_devices_and_folders_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.nwb")
    assert refusal(tmp_path / "pipe.nwb") == ("file_unreadable", f"found a pipe or device at {tmp_path}/pipe.nwb, "
                                              "expected a file")
    assert refusal("/dev/zero")[0] == "file_unreadable"
    assert refusal(tmp_path) == ("file_unreadable", f"found a folder at {tmp_path}, expected a file")
    assert refusal("no\0where")[0] == "data_corrupt"


# --- chance ----------------------------------------------------------------------------------------------

def only_sentences(path):
    """Read it: what comes out are finite sizes, or one sentence."""
    try:
        for cell in read(path):
            for sweep in cell.sweeps:
                assert sweep.v_mv.shape == sweep.i_pa.shape
                assert sweep.v_mv.ndim == 1
                assert np.isfinite(sweep.rate)
    except RecordingError as error:
        assert re.match("found |it ", str(error)), str(error)


CHANCE = settings(max_examples=40, deadline=None, database=None,
                  suppress_health_check=[HealthCheck.function_scoped_fixture])


@seed(1)
@CHANCE
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_bytes_changed_at_random_give_sentences(base, tmp_path, changes):
    data = bytearray(base.read_bytes())
    for where, value in changes:
        data[round(where * (len(data) - 1))] = value
    (tmp_path / "x.nwb").write_bytes(data)
    only_sentences(tmp_path / "x.nwb")


@seed(2)
@CHANCE
@given(st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
def test_headers_of_axon_files_changed_at_random_give_sentences(tmp_path, changes, old):
    steps = ((0, axon.STEP, 0.0, 0.0, 100, 0), (0, axon.STEP, -100.0, 50.0, 200, 0))
    values = axon.counts(np.full((2, 640, 1), -70.0))
    path = tmp_path / "x.abf"
    if old:
        axon.abf1(path, values[:, :, 0], epochs=steps)
    else:
        axon.abf2(path, values, epochs=steps)
    data = bytearray(path.read_bytes())
    for where, value in changes:
        data[where if not old else where * 6] = value
    path.write_bytes(data)
    only_sentences(path)


WRONG = ("group", "empty", "null", "numbers", "reference", b"\xff")


@seed(3)
@CHANCE
@given(st.data())
def test_parts_exchanged_at_random_give_sentences(base, tmp_path, data):
    path = tmp_path / "x.nwb"
    path.write_bytes(base.read_bytes())
    with h5py.File(path, "a") as file:
        names = []
        file.visit(lambda name: names.append(name) if not name.startswith("specifications") else None)
        name = data.draw(st.sampled_from(sorted(names)))
        if data.draw(st.booleans()):
            put(file, name, data.draw(st.sampled_from(WRONG)))
        elif found := sorted(file[name].attrs):
            key = data.draw(st.sampled_from(found))
            values = [h5py.Empty("f4"), np.arange(3), b"\xff", np.nan, -1.0, 1e300]
            file[name].attrs[key] = data.draw(st.sampled_from(values))
    only_sentences(path)
